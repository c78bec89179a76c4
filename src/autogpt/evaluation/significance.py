"""Whether one model is better than another on the same examples, or just luckier.

Both models answered the same examples, so they are compared pair by pair, which tells smaller
differences than two intervals side by side:

- Of right-or-wrong figures (accuracy), McNemar's exact test: only examples that one model has
  right and the other wrong count, and under chance they fall like coins (McNemar 1947; the exact
  binomial form as Dietterich 1998 recommends for classifiers).
- Of all others (F1, BLEU, ROUGE, perplexity), approximate randomization: if the models are alike,
  exchanging their answers to any example changes nothing, so it is done at random 10,000 times
  (Noreen 1989; Riezler and Maxwell 2005 prefer it to the bootstrap for BLEU).
- The interval of the difference is the paired bootstrap's (Koehn 2004).

Of several pairs, p-values are raised after Holm 1979, so that among many comparisons one that is
luck does not pass as a finding.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from autogpt.evaluation.metrics.metric import LEVEL, RESAMPLES, Metric, count_resamples

__all__ = ["Difference", "compare_all", "compare_pair"]

Method = Literal["McNemar", "approximate randomization"]

_EXCHANGES = 10_000
_CELLS = 4_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """One metric of two models.

    Attributes:
        metric: Its name.
        first: The first model's place among those compared.
        second: The other's.
        difference: The second's value less the first's.
        low: Lower end of the 95% interval of the difference.
        high: Upper end.
        p: How often chance alone gives as large a difference, raised for the number of pairs.
        method: How p was found.
        better: Whether a higher or a lower value is better.
    """

    metric: str
    first: int
    second: int
    difference: float
    low: float
    high: float
    p: float
    method: Method
    better: Literal["higher", "lower"] = "higher"

    @property
    def winner(self) -> int | None:
        """The place of the model that is better at the 5% level; None if neither is."""
        if self.p >= 1 - LEVEL or not self.difference:
            return None
        return self.second if (self.difference > 0) == (self.better == "higher") else self.first


def compare_all(metrics: Sequence[Metric], *, seed: int = 0) -> list[Difference]:
    """Compare each model with each other in one metric; ``metrics`` has one entry a model."""
    found = [
        replace(
            compare_pair(metrics[first], metrics[second], seed=seed), first=first, second=second
        )
        for first, second in itertools.combinations(range(len(metrics)), 2)
    ]
    raised, largest = {}, 0.0
    for rank, place in enumerate(sorted(range(len(found)), key=lambda index: found[index].p)):
        largest = max(largest, min(1.0, (len(found) - rank) * found[place].p))
        raised[place] = largest
    return [replace(one, p=raised[place]) for place, one in enumerate(found)]


def compare_pair(first: Metric, second: Metric, *, seed: int = 0) -> Difference:
    """Compare two models in one metric, measured on the same examples in the same order.

    Raises:
        ValueError: If the examples are not as many, or the metrics are not the same.
    """
    if first.parts.shape != second.parts.shape or first.formula != second.formula:
        raise ValueError(f"{first.name} was not measured alike for both")
    difference = second.value - first.value
    drawn = np.concatenate(
        [
            second.of(counts @ second.parts) - first.of(counts @ first.parts)
            for counts in count_resamples(len(first.parts), resamples=RESAMPLES, seed=seed)
        ]
    )
    tail = 50 * (1 - LEVEL)
    low, high = (float(end) for end in np.percentile(drawn, [tail, 100 - tail]))
    exact = first.is_share and second.is_share
    p = _mcnemar(first, second) if exact else _randomization(first, second, difference, seed)
    return Difference(
        metric=first.name,
        first=0,
        second=1,
        difference=difference,
        low=low,
        high=high,
        p=p,
        method="McNemar" if exact else "approximate randomization",
        better=first.better,
    )


def _mcnemar(first: Metric, second: Metric) -> float:
    """Return the two-sided exact p-value: twice a tail of the binomial with chance one half."""
    one, other = first.parts[:, 0] > 0, second.parts[:, 0] > 0
    only_first, only_second = int((one & ~other).sum()), int((other & ~one).sum())
    number = only_first + only_second
    logs = [
        math.lgamma(number + 1) - math.lgamma(k + 1) - math.lgamma(number - k + 1)
        for k in range(min(only_first, only_second) + 1)
    ]
    tail = sum(math.exp(log - number * math.log(2)) for log in logs)
    return min(1.0, 2 * tail)


def _randomization(first: Metric, second: Metric, difference: float, seed: int) -> float:
    """Return the share of random exchanges with a difference at least as large."""
    random = np.random.default_rng(seed)
    apart = second.parts - first.parts
    sums, other = first.parts.sum(0), second.parts.sum(0)
    rows = max(1, min(_EXCHANGES, _CELLS // len(apart)))
    as_large = 0
    for start in range(0, _EXCHANGES, rows):
        number = min(rows, _EXCHANGES - start)
        exchanged = random.integers(0, 2, size=(number, len(apart))).astype(np.float64) @ apart
        changed = np.abs(second.of(other - exchanged) - first.of(sums + exchanged))
        as_large += int((changed >= abs(difference) - 1e-12).sum())
    return (as_large + 1) / (_EXCHANGES + 1)  # the data as they are count as one exchange
