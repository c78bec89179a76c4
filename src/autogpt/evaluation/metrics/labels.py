"""How well texts were given labels: accuracy, F1, calibration, and what is taken for what.

An example has one label, or any number of them where a text may have several; the expected and the
predicted labels are compared as sets. Counting is ours, since intervals need the counts of each
example; the tests hold the figures against scikit-learn's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from autogpt.evaluation.metrics.formulas import BINS, Floats
from autogpt.evaluation.metrics.metric import Metric, share

__all__ = [
    "Bin",
    "ClassScore",
    "calibration",
    "calibration_by_chance",
    "class_scores",
    "confusions",
    "label_metrics",
]

_DRAWS = 1000  # of answers, for what chance does to a calibration error

Labels = tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Bin:
    """Predictions of like confidence: their mean confidence, how many are right, and how many."""

    confidence: float
    accuracy: float
    count: int


@dataclass(frozen=True, kw_only=True, slots=True)
class ClassScore:
    """A label, or a type of entity, by itself.

    Attributes:
        name: The label.
        precision: Share of the predicted that are right.
        recall: Share of the expected that were found.
        f1: Their harmonic mean.
        count: How often it was expected.
    """

    name: str
    precision: float
    recall: float
    f1: float
    count: int


def label_metrics(
    expected: Sequence[Labels],
    predicted: Sequence[Labels],
    probabilities: Sequence[Mapping[str, float]] | None = None,
) -> list[Metric]:
    """Return accuracy and macro-F1; micro-F1 with several labels; the error of calibration.

    Args:
        expected: The labels of each example.
        predicted: Those that were predicted; none where the model abstained.
        probabilities: Of each label, for each example; None where there are none. Of examples
            with one label the calibration of the likeliest is measured, of others that of all.
    """
    counts = _counts(expected, predicted)  # [N, 3, C]
    metrics = [
        share("accuracy", [set(e) == set(p) for e, p in zip(expected, predicted, strict=True)]),
        Metric(name="macro_f1", formula="macro_f1", parts=counts.reshape(len(counts), -1)),
    ]
    if not _is_single(expected):
        metrics.append(Metric(name="micro_f1", formula="f1", parts=counts.sum(-1)))
    if probabilities is not None:
        metrics.append(
            Metric(
                name="expected_calibration_error",
                formula="calibration_error",
                parts=_binned(expected, probabilities),
                better="lower",
            )
        )
    return metrics


def calibration(
    expected: Sequence[Labels], probabilities: Sequence[Mapping[str, float]]
) -> list[Bin]:
    """Return the bins of confidence that hold a prediction, from unsure to sure."""
    count, confidence, correct = np.split(_binned(expected, probabilities).sum(0), 3)
    return [
        Bin(confidence=sure / number, accuracy=right / number, count=int(number))
        for number, sure, right in zip(
            count.tolist(), confidence.tolist(), correct.tolist(), strict=True
        )
        if number
    ]


def calibration_by_chance(
    expected: Sequence[Labels], probabilities: Sequence[Mapping[str, float]], *, seed: int = 0
) -> tuple[float, float]:
    """Return the calibration error that honest confidences would show: mean, and 95th percentile.

    Bins hold few of few answers, so that even who says 80% and is right four times in five seems to
    err. Source: Roelofs et al. 2022, "Mitigating Bias in Calibration Error Estimation", section 3.

    Args:
        expected: As for :func:`calibration`.
        probabilities: Likewise.
        seed: Of the draws.
    """
    parts = _binned(expected, probabilities).reshape(len(expected), 3, BINS)
    counts, sure = parts.sum(0)[:2]
    shares = np.divide(sure, counts, out=np.zeros(BINS), where=counts > 0)
    right = np.random.default_rng(seed).binomial(counts.astype(int), shares, (_DRAWS, BINS))
    errors = np.abs(right - sure).sum(1) / counts.sum()
    return float(errors.mean()), float(np.quantile(errors, 0.95))


def class_scores(expected: Sequence[Labels], predicted: Sequence[Labels]) -> list[ClassScore]:
    """Return the score of each label that occurs, in alphabetical order."""
    sums = _counts(expected, predicted).sum(0)  # [3, C]
    return [
        score_class(name, int(right), int(wrong), int(missed))
        for name, right, wrong, missed in zip(_names(expected, predicted), *sums, strict=True)
    ]


def score_class(name: str, right: int, wrong: int, missed: int) -> ClassScore:
    """Return a class's score from how many were right, wrongly predicted, and missed."""
    return ClassScore(
        name=name,
        precision=right / max(right + wrong, 1),
        recall=right / max(right + missed, 1),
        f1=2 * right / max(2 * right + wrong + missed, 1),
        count=right + missed,
    )


def confusions(expected: Sequence[Labels], predicted: Sequence[Labels]) -> Counter[tuple[str, str]]:
    """Return how often each expected label was given which label; "" stands for none.

    With several labels a text, those found count as themselves, and each missed one is paired
    with each wrong one.
    """
    pairs: Counter[tuple[str, str]] = Counter()
    for wanted, given in zip(expected, predicted, strict=True):
        pairs.update((label, label) for label in set(wanted) & set(given))
        missed = sorted(set(wanted) - set(given))
        wrong = sorted(set(given) - set(wanted))
        if missed or wrong:
            pairs.update((m, w) for m in missed or [""] for w in wrong or [""])
    return pairs


def _counts(expected: Sequence[Labels], predicted: Sequence[Labels]) -> Floats:
    """Return for each example and label whether it was right, wrong, or missed: [N, 3, C]."""
    place = {name: index for index, name in enumerate(_names(expected, predicted))}
    counts = np.zeros((len(expected), 3, len(place)))
    for row, (wanted, given) in enumerate(zip(expected, predicted, strict=True)):
        for label in {*wanted, *given}:
            kind = 2 if label not in given else 0 if label in wanted else 1
            counts[row, kind, place[label]] = 1
    return counts


def _names(expected: Sequence[Labels], predicted: Sequence[Labels]) -> list[str]:
    return sorted({label for labels in (*expected, *predicted) for label in labels})


def _is_single(expected: Sequence[Labels]) -> bool:
    return all(len(labels) == 1 for labels in expected)


def _binned(expected: Sequence[Labels], probabilities: Sequence[Mapping[str, float]]) -> Floats:
    """Return examples, confidence and correct answers by bin of confidence: [N, 3 * bins]."""
    single = _is_single(expected)
    parts = np.zeros((len(expected), 3, BINS))
    for row, (wanted, chances) in enumerate(zip(expected, probabilities, strict=True)):
        chosen = [max(chances, key=lambda label: chances[label])] if single else list(chances)
        for label in chosen:
            confidence = chances[label]
            place = min(int(confidence * BINS), BINS - 1)
            parts[row, :, place] += (1.0, confidence, float(label in wanted))
    return parts.reshape(len(expected), -1)
