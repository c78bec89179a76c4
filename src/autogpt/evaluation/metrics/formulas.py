"""From sums over examples to figures, for many resamples at once.

Each formula takes sums ``[..., K]`` and returns figures ``[...]``; where nothing was counted the
figure is 0, as in the libraries. They are named, so that what was counted can be stored in a file
and compared later without the libraries that counted it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

__all__ = ["BINS", "FORMULAS", "Floats", "Formula"]

Floats = NDArray[np.float64]
Formula = Callable[[Floats], Floats]

BINS = 15  # of confidence, as in Guo et al. 2017
_BLEU_ORDERS = 4  # Papineni et al. 2002
_CHRF_BETA = 2.0  # recall counts twice as much as precision: Popović 2016


def ratio(sums: Floats) -> Floats:
    """Return the first sum in units of the second: a mean, a share, a precision, a recall."""
    return _divide(sums[..., 0], sums[..., 1])


def percent(sums: Floats) -> Floats:
    """Return a mean of shares as 0 to 100, as ROUGE is mostly quoted."""
    return 100.0 * ratio(sums)


def exponential(sums: Floats) -> Floats:
    """Return e to the mean: a perplexity from nats."""
    return np.exp(ratio(sums))


def f1(sums: Floats) -> Floats:
    """Return the harmonic mean of precision and recall from (right, wrongly predicted, missed).

    Of several classes pooled this is micro-F1.
    """
    right, wrong, missed = (sums[..., index] for index in range(3))
    return _divide(2 * right, 2 * right + wrong + missed)


def macro_f1(sums: Floats) -> Floats:
    """Return the mean F1 of the classes that occur, from three columns a class as in ``f1``.

    As scikit-learn's ``f1_score(average="macro", zero_division=0)``: a class counts when it was
    expected or predicted.
    """
    right, wrong, missed = np.split(sums, 3, axis=-1)  # [..., C] each
    each = _divide(2 * right, 2 * right + wrong + missed)
    return _divide(each.sum(-1), (right + wrong + missed > 0).sum(-1).astype(np.float64))


def calibration_error(sums: Floats) -> Floats:
    """Return the expected calibration error: how far confidence is from accuracy, bin by bin.

    From (examples, confidence, correct) of each bin, in three blocks of columns.
    Source: Naeini et al. 2015; Guo et al. 2017, "On Calibration of Modern Neural Networks".
    """
    count, confidence, correct = np.split(sums, 3, axis=-1)  # [..., bins] each
    return _divide(np.abs(confidence - correct).sum(-1), count.sum(-1))


def bleu(sums: Floats) -> Floats:
    """Return BLEU, 0 to 100, from (length, reference length, 4 matches, 4 totals).

    With sacrebleu's smoothing "exp": the n-th order without a match counts as 1 / 2^n matches.
    Source: Papineni et al. 2002; Post 2018; Chen and Cherry 2014, method 3.
    """
    length, reference = sums[..., 0], sums[..., 1]
    matches, totals = sums[..., 2 : 2 + _BLEU_ORDERS], sums[..., 2 + _BLEU_ORDERS :]
    halvings = np.cumsum(matches == 0, axis=-1)
    smoothed = np.where(matches == 0, 0.5**halvings, matches)
    precisions = np.where(totals > 0, _divide(smoothed, totals), 0.0)
    with np.errstate(divide="ignore"):  # an order without n-grams: 0, as in sacrebleu
        mean = np.exp(np.log(precisions).mean(-1))
    brevity = np.exp(np.minimum(0.0, 1.0 - _divide(reference, length)))
    return np.where(matches.any(-1) & (length > 0), 100.0 * brevity * mean, 0.0)


def chrf(sums: Floats) -> Floats:
    """Return chrF2, 0 to 100, from (n-grams written, n-grams of the reference, common) per order.

    Source: Popović 2015 and 2016; orders without n-grams are left out, as in sacrebleu 2.
    """
    written, reference, common = (sums[..., index::3] for index in range(3))
    counts = (written > 0) & (reference > 0)
    orders = counts.sum(-1).astype(np.float64)
    precision = _divide((_divide(common, written) * counts).sum(-1), orders)
    recall = _divide((_divide(common, reference) * counts).sum(-1), orders)
    factor = _CHRF_BETA**2
    return 100.0 * _divide((1 + factor) * precision * recall, factor * precision + recall)


FORMULAS: dict[str, Formula] = {
    "ratio": ratio,
    "percent": percent,
    "exponential": exponential,
    "f1": f1,
    "macro_f1": macro_f1,
    "calibration_error": calibration_error,
    "bleu": bleu,
    "chrf": chrf,
}
"""Name of a formula -> the function."""


def _divide(above: Floats, below: Floats) -> Floats:
    """Return the quotient, 0 where there is nothing to divide by."""
    return np.divide(above, below, out=np.zeros(np.shape(below), np.float64), where=below != 0)
