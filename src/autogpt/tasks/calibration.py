"""Honest probabilities: of what is said with 80%, about 80% should be right.

A network trained to the end is surer than it is right. One number repairs most of that: the
temperature by which all scores are divided, chosen on examples that were not trained on. It changes
no answer.

Source: Guo et al. 2017, "On Calibration of Modern Neural Networks": temperature scaling (section 4)
and the expected calibration error in 15 bins (section 2); Naeini et al. 2015 for the error.

Letters: N texts, C labels.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["expected_calibration_error", "fit_temperature", "to_probabilities"]

Array = npt.NDArray[np.float64]

_WIDEST = 3.0  # of the logarithm of the temperature: from 1/20 to 20
_STEPS = 60  # of golden section: beyond what a float tells


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

    def loss(log_temperature: float) -> float:
        return _loss(np.asarray(scores) / np.exp(log_temperature), targets, multi_label=multi_label)

    # The loss is convex in 1 / temperature, so it falls and then rises.
    golden = (np.sqrt(5) - 1) / 2
    low, high = -_WIDEST, _WIDEST
    first, second = high - golden * (high - low), low + golden * (high - low)
    at_first, at_second = loss(first), loss(second)
    for _ in range(_STEPS):
        if at_first <= at_second:
            high, second, at_second = second, first, at_first
            first = high - golden * (high - low)
            at_first = loss(first)
        else:
            low, first, at_first = first, second, at_second
            second = low + golden * (high - low)
            at_second = loss(second)
    return float(np.exp((low + high) / 2))


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
