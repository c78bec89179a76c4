"""A figure with what each example adds to it, and the interval that sampling leaves open.

Another sample of as many examples would have given another figure. The bootstrap draws such
samples from the examples at hand, with replacement, and shows the middle 95% of what they give.
Since a figure is a formula of sums, a resample is a row of counts times the examples' numbers, and
a thousand of them are one matrix product.

Source: Efron 1979, "Bootstrap Methods"; Koehn 2004, "Statistical Significance Tests for Machine
Translation Evaluation", which resamples sentences and not their scores, as is done here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from autogpt.evaluation.metrics.formulas import FORMULAS, Floats

__all__ = ["LEVEL", "RESAMPLES", "Figure", "Metric", "count_resamples", "mean", "measure", "share"]

RESAMPLES = 1000  # the ends of a 95% interval then stand on 25 resamples each
LEVEL = 0.95
_CELLS = 4_000_000  # of counts at a time: 32 MB


@dataclass(frozen=True, kw_only=True, slots=True)
class Figure:
    """A value and its interval.

    Attributes:
        name: As in ``accuracy``.
        value: Of all examples.
        low: Lower end of the 95% interval.
        high: Upper end.
    """

    name: str
    value: float
    low: float
    high: float

    def to_dict(self) -> dict[str, float]:
        """Return ``{name: value, name_low: low, name_high: high}``."""
        return {
            self.name: round(self.value, 6),
            f"{self.name}_low": round(self.low, 6),
            f"{self.name}_high": round(self.high, 6),
        }


@dataclass(frozen=True, kw_only=True, eq=False)
class Metric:
    """A figure that is a formula of sums over examples.

    Attributes:
        name: As in ``accuracy``.
        formula: A name of ``FORMULAS``.
        parts: What each example adds, [N, K]; N is 1 or more.
        better: Whether a higher or a lower value is better.
        signature: How exactly it was computed, as in sacrebleu's signature; may be empty.
    """

    name: str
    formula: str
    parts: Floats
    better: Literal["higher", "lower"] = "higher"
    signature: str = ""

    def __post_init__(self) -> None:
        if self.parts.ndim != 2 or not len(self.parts):
            raise ValueError(f"{self.name}: parts of shape {self.parts.shape}, expected [N, K]")

    @property
    def value(self) -> float:
        """The figure of all examples."""
        return float(FORMULAS[self.formula](self.parts.sum(0)))

    @property
    def is_share(self) -> bool:
        """Whether each example is simply right or wrong."""
        ones = self.parts.shape[1] == 2 and bool((self.parts[:, 1] == 1).all())
        return self.formula in ("ratio", "percent") and ones and bool(_is_binary(self.parts[:, 0]))

    def of(self, sums: Floats) -> Floats:
        """Return the figures of sums, [..., K] to [...]."""
        return FORMULAS[self.formula](sums)


def mean(
    name: str,
    values: Sequence[float] | Floats,
    *,
    formula: str = "ratio",
    better: Literal["higher", "lower"] = "higher",
    signature: str = "",
) -> Metric:
    """Return the metric that is the mean of a value per example."""
    column = np.asarray(values, dtype=np.float64)
    parts = np.stack([column, np.ones_like(column)], axis=1)
    return Metric(name=name, formula=formula, parts=parts, better=better, signature=signature)


def share(name: str, right: Sequence[bool]) -> Metric:
    """Return the metric that is the share of examples that are right."""
    return mean(name, np.asarray(right, dtype=np.float64))


def measure(metric: Metric, *, resamples: int = RESAMPLES, seed: int = 0) -> Figure:
    """Return the figure with its 95% percentile interval.

    The calibration error of a resample is higher than that of the sample by the noise that
    resampling adds, since it is a sum of distances. Its interval is therefore the basic one, which
    is turned about the value and so takes that away (Davison and Hinkley 1997, section 5.2). Where
    a sample shows less than chance adds to it, that would end below the value: it ends there.

    Args:
        metric: What is measured.
        resamples: How many samples are drawn.
        seed: Of the draw; same seed, same interval.
    """
    drawn = np.concatenate(
        [
            metric.of(counts @ metric.parts)
            for counts in count_resamples(len(metric.parts), resamples=resamples, seed=seed)
        ]
    )
    value, tail = metric.value, 50 * (1 - LEVEL)
    low, high = (float(end) for end in np.percentile(drawn, [tail, 100 - tail]))
    if metric.formula == "calibration_error":
        low, high = max(0.0, 2 * value - high), max(value, 2 * value - low)
    return Figure(name=metric.name, value=value, low=low, high=high)


def count_resamples(examples: int, *, resamples: int, seed: int) -> Iterator[Floats]:
    """Yield how often each example is in each resample, [R, N] with R rows at a time."""
    random = np.random.default_rng(seed)
    rows = max(1, min(resamples, _CELLS // examples))
    for start in range(0, resamples, rows):
        number = min(rows, resamples - start)
        drawn = random.integers(0, examples, size=(number, examples))
        drawn += np.arange(number)[:, None] * examples
        counts = np.bincount(drawn.ravel(), minlength=number * examples)
        yield counts.reshape(number, examples).astype(np.float64)


def _is_binary(values: Floats) -> bool:
    return bool(((values == 0) | (values == 1)).all())
