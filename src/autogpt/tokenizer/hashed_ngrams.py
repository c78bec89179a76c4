"""Texts as counts of hashed n-grams: what linear classifiers see.

Runs of characters, blanks included, and runs of words, each hashed to one of 2^18 or more buckets,
with 8 more bits of the hash, by which a classifier tells what it has learned from what only falls
into the same bucket. All n-grams of all texts are hashed at once with arrays: a text of 1,000
characters takes about a quarter of a millisecond.

Sources: Weinberger et al. 2009, "Feature Hashing for Large Scale Multitask Learning"; n-grams as
in Joulin et al. 2016, "Bag of Tricks for Efficient Text Classification"; rolling polynomial hashes,
Karp and Rabin 1987.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["CHECK_BITS", "Counts", "Features", "count_features"]

CHECK_BITS = 8
"""Bits of a feature's number behind those of its bucket."""

_PRIME = np.uint64(0x9E3779B97F4A7C15)
_CHECK = np.uint64(CHECK_BITS)
_STEP = np.uint64(0x100000001B3)

_U64 = NDArray[np.uint64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Features:
    """Which n-grams are counted.

    Attributes:
        bits: Buckets are numbers of so many bits.
        shortest: Characters of the shortest n-gram.
        longest: Characters of the longest.
        words: Words of the longest n-gram of words; 0 counts none.
    """

    bits: int = 18
    shortest: int = 1
    longest: int = 5
    words: int = 3


@dataclass(frozen=True, slots=True)
class Counts:
    """How often features are in texts: F pairs of a text and a feature.

    Attributes:
        texts: How many texts.
        rows: For each pair, which text; int64 [F], rising.
        features: For each pair, which feature: its bucket, then CHECK_BITS more; int64 [F].
        weights: 1 + log of how often; float32 [F].
    """

    texts: int
    rows: NDArray[np.int64]
    features: NDArray[np.int64]
    weights: NDArray[np.float32]


def count_features(
    texts: Sequence[str], which: Features, *, check: NDArray[np.uint8] | None = None
) -> Counts:
    """Count the n-grams of texts, lower case, runs of blanks as one.

    Args:
        texts: Normalized texts (``normalize``).
        which: Which n-grams.
        check: The last bits of the one feature of each bucket that counts, uint8 [2^bits]; others
            are left out before they are sorted, which takes most of the time. None counts all.
    """
    plain = [f" {' '.join(text.replace(chr(0), ' ').split()).lower()} " for text in texts]
    data = "\0".join(plain).encode("utf-32-le", "surrogatepass")
    codes = np.frombuffer(data, dtype=np.uint32).astype(np.uint64)
    rows = np.cumsum(codes == 0, dtype=np.uint64)
    grams = _character_grams(codes, rows, which)
    if which.words:
        grams += _word_grams(codes, rows, which)
    bits = np.uint64(which.bits + CHECK_BITS)
    features = _squeeze(grams, which.bits + CHECK_BITS)
    kept = np.concatenate([gram.inside for gram in grams])
    if check is not None:
        kept &= check[features >> _CHECK] == features.astype(np.uint8)
    keys = np.concatenate([gram.rows for gram in grams]) << bits
    keys |= features
    unique, often = _runs(keys[kept])
    return Counts(
        len(texts),
        (unique >> bits).astype(np.int64),
        (unique & ((np.uint64(1) << bits) - np.uint64(1))).astype(np.int64),
        _weights(often),
    )


class _Gram(NamedTuple):
    """The n-grams of one kind that begin at each character, or word."""

    kind: int
    rows: _U64
    hashes: _U64
    inside: NDArray[np.bool_]  # whether the n-gram ends in the text in which it begins


def _squeeze(grams: Sequence[_Gram], bits: int) -> _U64:
    """Return the upper bits of all hashes, other ones for each kind of n-gram."""
    mixed = np.concatenate([gram.hashes + np.uint64(gram.kind + 1) * _STEP for gram in grams])
    mixed *= _PRIME
    mixed ^= mixed >> np.uint64(29)
    mixed *= _PRIME
    mixed >>= np.uint64(64 - bits)
    return mixed


def _runs(keys: _U64) -> tuple[_U64, NDArray[np.int64]]:
    """Return each key once, rising, and how often it is there; sorts ``keys``."""
    keys.sort()
    first = np.empty(len(keys), bool)
    first[:1] = True
    np.not_equal(keys[1:], keys[:-1], out=first[1:])
    places = np.flatnonzero(first)
    return keys[places], np.diff(places, append=len(keys))


_WEIGHTS = (1 + np.log(np.arange(1, 1024))).astype(np.float32)  # most are found here


def _weights(often: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return 1 + log of how often."""
    if often.max(initial=0) <= len(_WEIGHTS):
        return _WEIGHTS[often - 1]
    return (1 + np.log(often)).astype(np.float32)


def _character_grams(codes: _U64, rows: _U64, which: Features) -> list[_Gram]:
    grams: list[_Gram] = []
    hashes, inside = codes, codes != 0
    is_text = inside
    for size in range(1, which.longest + 1):
        if size > 1:
            hashes = hashes[:-1] * _STEP
            hashes += codes[size - 1 :]
            inside = inside[:-1] & is_text[size - 1 :]
        if size >= which.shortest:
            grams.append(_Gram(size, rows[: len(hashes)], hashes, inside))
    return grams


def _word_grams(codes: _U64, rows: _U64, which: Features) -> list[_Gram]:
    """Return n-grams of words; Chinese and Japanese, which have no blanks, have only characters."""
    is_word = _IS_WORD[np.minimum(codes, np.uint64(len(_IS_WORD) - 1))]
    edges = np.flatnonzero(is_word[1:] != is_word[:-1]) + 1  # a blank is first, and last
    starts, ends = edges[::2], edges[1::2]
    powers, inverses = _powers(1 << max(10, len(codes).bit_length()))
    sums = np.cumsum(codes * powers[: len(codes)])
    words = sums[ends - 1]
    words -= sums[starts - 1]
    words *= inverses[starts]
    own = rows[starts]
    hashes, inside = words, np.ones(len(words), bool)
    grams = [_Gram(10, own, words, inside)]
    for size in range(2, which.words + 1):
        hashes = hashes[:-1] * _PRIME
        hashes += words[size - 1 :]
        inside = own[: len(hashes)] == own[size - 1 :]
        grams.append(_Gram(10 + size, own[: len(hashes)], hashes, inside))
    return grams


def _word_characters() -> NDArray[np.bool_]:
    codes = np.arange(0x10000)
    letters = ((codes >= 97) & (codes <= 122)) | ((codes >= 48) & (codes <= 57)) | (codes == 39)
    others = ((codes >= 0xAA) & (codes < 0x2000)) | ((codes >= 0xAC00) & (codes < 0xD7A4))
    return np.asarray(letters | others)


_IS_WORD = _word_characters()  # the last of them is none, and stands for all that are beyond


@lru_cache(maxsize=4)
def _powers(count: int) -> tuple[_U64, _U64]:
    """Return powers of an odd number, and of its inverse modulo 2^64."""
    base = int(_STEP) | 1
    inverse = pow(base, -1, 1 << 64)
    both = []
    for factor in (base, inverse):
        powers = np.full(count, np.uint64(factor))
        powers[0] = np.uint64(1)
        both.append(np.multiply.accumulate(powers))
    return both[0], both[1]
