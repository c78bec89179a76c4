"""What counting alone predicts of a text: an interpolated n-gram model over tokens.

It says within seconds how predictable a corpus is and how much more text helps, which is what a
forecast needs to know of a corpus before anything is trained, and it is an honest baseline beside
a trained model. Probabilities are absolute discounting, interpolated down to the uniform
distribution; the discount of each order comes from its counts of ones and twos.

Source: Ney, Essen and Kneser 1994, "On structuring probabilistic dependences in stochastic
language modelling". Counts are those of occurrences at every order, not of histories.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["ngram_losses"]

_Ids = npt.NDArray[np.uint64]
_FACTOR = np.uint64(0x9E3779B97F4A7C15)  # odd, 2^64 / golden ratio: Knuth, "The Art" 6.4


@dataclass(frozen=True, slots=True)
class _Counts:
    """How often each history and each n-gram occurs, by sorted 64-bit hash."""

    grams: _Ids
    gram_counts: npt.NDArray[np.int64]
    histories: _Ids
    history_counts: npt.NDArray[np.int64]
    history_types: npt.NDArray[np.int64]
    discount: float


def ngram_losses(
    train: npt.ArrayLike, held_out: npt.ArrayLike, *, vocab_size: int, orders: int = 5
) -> tuple[float, ...]:
    """Return the loss on held-out tokens of the models of order 1, 2, ..., ``orders``.

    Two different n-grams share a hash once in 2^64 / n² corpora or so, which is neglected.

    Args:
        train: Token ids to count, [N].
        held_out: Token ids to predict, [M].
        vocab_size: Number of tokens.
        orders: The longest n-gram.

    Returns:
        Cross-entropy in nats a token, one figure for each order.
    """
    seen, unseen = (np.asarray(ids).astype(np.uint64) for ids in (train, held_out))
    probability = np.full(len(unseen), 1.0 / vocab_size)
    losses = []
    for order in range(1, orders + 1):
        counts = _count(seen, order)
        probability = _interpolated(counts, unseen, order, probability)
        losses.append(float(-np.log(probability).mean()))
    return tuple(losses)


def _count(ids: _Ids, order: int) -> _Counts:
    histories, grams = _hashes(ids, order)
    pairs, first, gram_counts = np.unique(grams, return_index=True, return_counts=True)
    names, history_counts = np.unique(histories, return_counts=True)
    _, types = np.unique(histories[first], return_counts=True)  # in the order of the names
    ones, twos = int((gram_counts == 1).sum()), int((gram_counts == 2).sum())
    discount = ones / (ones + 2 * twos) if ones and twos else 0.5
    return _Counts(pairs, gram_counts, names, history_counts, types, discount)


def _hashes(ids: _Ids, order: int) -> tuple[_Ids, _Ids]:
    """Return the hash of the history and of the n-gram that ends at each token, both [N].

    Histories that would begin before the text are cut to what there is.
    """
    history = np.zeros(len(ids), np.uint64)
    with np.errstate(over="ignore"):
        for distance in range(order - 1, 0, -1):
            shifted = np.zeros(len(ids), np.uint64)
            shifted[distance:] = ids[: max(0, len(ids) - distance)] + np.uint64(1)
            history = _mixed(history, shifted)
        return history, _mixed(history, ids + np.uint64(1))


def _mixed(state: _Ids, ids: _Ids) -> _Ids:
    mixed = (state ^ ids) * _FACTOR
    return mixed ^ (mixed >> np.uint64(29))


def _interpolated(
    counts: _Counts, ids: _Ids, order: int, lower: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Return the probability of each token, given that of the order below, both [M]."""
    histories, grams = _hashes(ids, order)
    total = _looked_up(counts.histories, counts.history_counts, histories)
    types = _looked_up(counts.histories, counts.history_types, histories)
    count = _looked_up(counts.grams, counts.gram_counts, grams)
    known = total > 0
    safe = np.where(known, total, 1)
    own = np.maximum(count - counts.discount, 0.0) / safe
    rest = counts.discount * types / safe
    return np.where(known, own + rest * lower, lower)


def _looked_up(names: _Ids, values: npt.NDArray[np.int64], wanted: _Ids) -> npt.NDArray[np.int64]:
    """Return the values of the wanted names, 0 for those that are not there."""
    places = np.minimum(np.searchsorted(names, wanted), len(names) - 1)
    return np.where(names[places] == wanted, values[places], 0)
