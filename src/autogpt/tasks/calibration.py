"""Honest probabilities: of what is said with 80%, about 80% should be right.

A network trained to the end is surer than it is right. One number repairs most of that: the
temperature by which all scores are divided, chosen on examples that were not trained on. It changes
no answer.

Scores of two kinds are added up in the same way, with one more number: how much the second counts.

Source: Guo et al. 2017, "On Calibration of Modern Neural Networks": temperature scaling (section 4)
and the expected calibration error in 15 bins (section 2); Naeini et al. 2015 for the error; Genest
and Zidek 1986, "Combining Probability Distributions" (sums of scores: logarithmic opinion pools).

Letters: N texts, C labels.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

__all__ = ["expected_calibration_error", "fit_share", "fit_temperature", "to_probabilities"]

Array = npt.NDArray[np.float64]

_WIDEST = 3.0  # of the logarithm of the temperature: from 1/20 to 20
_STEPS = 40  # of golden section: the last is 3e-8 wide
_WIDEST_ANGLE = 1.5  # of the share of other scores, in its arc tangent: 14 times
_ANGLE_STEPS = 16  # to 0.1% of that
_LEAST_GAIN = 1e-4  # nats of a text for which other scores are worth their place


def to_probabilities(
    scores: Array, *, temperature: float = 1.0, multi_label: bool = False
) -> Array:
    """Return the probabilities of labels.

    Args:
        scores: Logits, ``[N, C]``.
        temperature: They are divided by it.
        multi_label: Whether labels are independent of each other; else they sum to 1.
    """
    scaled = np.asarray(scores, dtype=np.float64) / temperature
    if multi_label:
        return np.exp(-np.logaddexp(0.0, -scaled))
    scaled = scaled - scaled.max(axis=-1, keepdims=True)
    powers = np.exp(scaled)
    found: Array = powers / powers.sum(axis=-1, keepdims=True)
    return found


def fit_temperature(
    scores: Array, targets: npt.NDArray[np.int64], *, multi_label: bool = False
) -> float:
    """Return the temperature under which the right labels are likeliest.

    Few examples, all right, would ask for endless certainty; so each is taken for wrong with a
    chance of one in two more than there are, as in Platt 1999, "Probabilistic Outputs for Support
    Vector Machines", section 2.2.

    Args:
        scores: Logits, ``[N, C]``.
        targets: The right label of each text, ``[N]``; of several labels a text, 1 for each right
            one, ``[N, C]``.
        multi_label: As in :func:`to_probabilities`.
    """
    if not len(scores):
        return 1.0
    return _best_temperature(np.asarray(scores), targets, multi_label=multi_label)[0]


def fit_share(
    scores: Array,
    others: Array,
    targets: npt.NDArray[np.int64],
    *,
    multi_label: bool = False,
) -> float:
    """Return how often other scores are to be added, so that the right labels are likeliest.

    That is with the temperature that suits the sum; 0.0 where they add nothing.

    Args:
        scores: Logits, ``[N, C]``.
        others: Logits that were learned without them, ``[N, C]``.
        targets: As in :func:`fit_temperature`.
        multi_label: Likewise.
    """
    if not len(scores):
        return 0.0

    def loss(angle: float) -> float:
        mixed = np.cos(angle) * scores + np.sin(angle) * others
        return _best_temperature(mixed, targets, multi_label=multi_label)[1]

    # The loss is convex in both factors, so along the angle between them it falls and then rises.
    angle, lowest = _lowest(loss, 0.0, _WIDEST_ANGLE, steps=_ANGLE_STEPS)
    return float(np.tan(angle)) if lowest < loss(0.0) - _LEAST_GAIN else 0.0


def _best_temperature(
    scores: Array, targets: npt.NDArray[np.int64], *, multi_label: bool
) -> tuple[float, float]:
    """Return the temperature under which the right labels are likeliest, and the loss with it."""

    def loss(log_temperature: float) -> float:
        return _loss(scores / np.exp(log_temperature), targets, multi_label=multi_label)

    # The loss is convex in 1 / temperature, so it falls and then rises.
    found, lowest = _lowest(loss, -_WIDEST, _WIDEST, steps=_STEPS)
    return float(np.exp(found)), lowest


def _lowest(
    function: Callable[[float], float], low: float, high: float, *, steps: int
) -> tuple[float, float]:
    """Return where a function that falls, then rises is lowest, and its value: golden section."""
    golden = (np.sqrt(5) - 1) / 2
    first, second = high - golden * (high - low), low + golden * (high - low)
    at_first, at_second = function(first), function(second)
    for _ in range(steps):
        if at_first <= at_second:
            high, second, at_second = second, first, at_first
            first = high - golden * (high - low)
            at_first = function(first)
        else:
            low, first, at_first = first, second, at_second
            second = low + golden * (high - low)
            at_second = function(second)
    return (low + high) / 2, min(at_first, at_second)


def _loss(scores: Array, targets: npt.NDArray[np.int64], *, multi_label: bool) -> float:
    """Return the mean negative log likelihood of the right labels, in nats."""
    doubt = 1.0 / (len(scores) + 2)
    if multi_label:
        wanted = targets * (1 - doubt) + doubt / 2
        return float(np.mean(np.logaddexp(0.0, scores) - wanted * scores))
    highest = scores.max(axis=1)
    total = highest + np.log(np.exp(scores - highest[:, None]).sum(axis=1))
    right = scores[np.arange(len(scores)), targets]
    return float(np.mean(total - (1 - doubt) * right - doubt * scores.mean(axis=1)))


def expected_calibration_error(
    confidences: Array, correct: npt.NDArray[np.bool_], *, bins: int = 15
) -> float:
    """Return by how much confidence and accuracy differ, on average over all answers.

    Args:
        confidences: Probabilities given to what was answered, ``[N]``.
        correct: Whether the answers were right.
        bins: Equal parts of 0 to 1 in which both are averaged.
    """
    if not len(confidences):
        return 0.0
    place = np.minimum((np.asarray(confidences) * bins).astype(np.int64), bins - 1)
    sure = np.bincount(place, weights=confidences, minlength=bins)
    right = np.bincount(place, weights=np.asarray(correct, dtype=np.float64), minlength=bins)
    return float(np.abs(sure - right).sum() / len(confidences))
