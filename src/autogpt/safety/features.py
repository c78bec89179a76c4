"""Texts as counts of hashed n-grams: what the rails' classifiers see.

Runs of characters, blanks included, and runs of words, each hashed to one of 2^18 or more buckets,
with 8 more bits of the hash, by which a classifier tells what it has learned from what only falls
into the same bucket. All n-grams of all texts are hashed at once with arrays: a text of 1,000
characters takes about half a millisecond.

Sources: Weinberger et al. 2009, "Feature Hashing for Large Scale Multitask Learning"; n-grams as
in Joulin et al. 2016, "Bag of Tricks for Efficient Text Classification"; rolling polynomial hashes,
Karp and Rabin 1987.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

__all__ = ["CHECK_BITS", "Counts", "Features", "count_features"]

CHECK_BITS = 8
"""Bits of a feature's number behind those of its bucket."""

_PRIME = np.uint64(0x9E3779B97F4A7C15)
_CHECK = np.uint64(CHECK_BITS)
_STEP = np.uint64(0x100000001B3)
_BLANKS = re.compile(r"\s+")

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
    plain = [f" {_BLANKS.sub(' ', text.replace(chr(0), ' ')).strip().lower()} " for text in texts]
    data = "\0".join(plain).encode("utf-32-le", "surrogatepass")
    codes = np.frombuffer(data, dtype=np.uint32).astype(np.uint64)
    rows = np.cumsum(codes == 0)
    found = _character_grams(codes, rows, which)
    if which.words:
        found += _word_grams(codes, rows, which)
    width = which.bits + CHECK_BITS
    bits = np.uint64(width)
    keys = np.concatenate(
        [
            (own.astype(np.uint64) << bits) | _squeeze(hashes, kind, width)
            for kind, own, hashes in found
        ]
    )
    if check is not None:
        features = keys & ((np.uint64(1) << bits) - np.uint64(1))
        keys = keys[check[features >> _CHECK] == features.astype(np.uint8)]
    unique, counts = np.unique(keys, return_counts=True)
    return Counts(
        len(texts),
        (unique >> bits).astype(np.int64),
        (unique & ((np.uint64(1) << bits) - np.uint64(1))).astype(np.int64),
        (1 + np.log(counts)).astype(np.float32),
    )


_Grams = list[tuple[int, NDArray[np.int64], _U64]]


def _squeeze(hashes: _U64, kind: int, bits: int) -> _U64:
    """Return the upper bits of hashes, other ones for each kind of n-gram."""
    mixed = (hashes + np.uint64(kind + 1) * _STEP) * _PRIME
    mixed ^= mixed >> np.uint64(29)
    return np.asarray((mixed * _PRIME) >> np.uint64(64 - bits))


def _character_grams(codes: _U64, rows: NDArray[np.int64], which: Features) -> _Grams:
    grams: _Grams = []
    hashes, inside = codes, codes != 0
    for size in range(1, which.longest + 1):
        if size > 1:
            hashes = hashes[:-1] * _STEP + codes[size - 1 :]
            inside = inside[:-1] & (codes[size - 1 :] != 0)
        if size >= which.shortest:
            grams.append((size, rows[: len(hashes)][inside], hashes[inside]))
    return grams


def _word_grams(codes: _U64, rows: NDArray[np.int64], which: Features) -> _Grams:
    """Return n-grams of words; Chinese and Japanese, which have no blanks, have only characters."""
    is_word = _is_word(codes)
    edges = np.diff(is_word.astype(np.int8), prepend=0, append=0)
    starts, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    if not len(starts):
        return []
    powers, inverses = _powers(1 << max(10, len(codes).bit_length()))
    sums = np.concatenate(([np.uint64(0)], np.cumsum(codes * powers[: len(codes)])))
    words = (sums[ends] - sums[starts]) * inverses[starts]
    own = rows[starts]
    grams: _Grams = [(10, own, words)]
    hashes = words
    for size in range(2, which.words + 1):
        if len(words) < size:
            break
        hashes = hashes[:-1] * _PRIME + words[size - 1 :]
        same = own[: len(hashes)] == own[size - 1 :]
        grams.append((10 + size, own[: len(hashes)][same], hashes[same]))
    return grams


def _is_word(codes: _U64) -> NDArray[np.bool_]:
    letters = ((codes >= 97) & (codes <= 122)) | ((codes >= 48) & (codes <= 57)) | (codes == 39)
    others = ((codes >= 0xAA) & (codes < 0x2000)) | ((codes >= 0xAC00) & (codes < 0xD7A4))
    return np.asarray(letters | others)


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
