"""Rows that are the same text, or nearly.

Near duplicates are found by MinHash (Broder 1997) with locality-sensitive hashing by bands
(Leskovec, Rajaraman and Ullman, "Mining of Massive Datasets", 2014, chapter 3). The signatures come
from ``rensa``; eight bits of each value are kept (b-bit minwise hashing, Li and König 2010), and
all of it lies on disk: memory holds one pass over one band.

With 10 bands of 6 values, a pair of similarity s is looked at with probability 1 - (1 - s**6)**10:
0.95 at s = 0.8, 0.999 at 0.9, 0.15 at 0.5. It counts when its similarity, estimated from 64 values
(standard error 0.05 at 0.8), reaches the threshold.
"""

from __future__ import annotations

import contextlib
from array import array
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from autogpt.data.quality import WINDOW_BYTES

__all__ = ["NO_KEYS", "NO_VALUES", "NearIndex", "signatures", "twins"]

_VALUES = 64
_BANDS, _BAND_VALUES = 10, 6
_CHANCE = 1 / 256  # two unequal values have the same low eight bits this often
_ROWS_A_PASS = 1 << 19  # some 60 bytes a row are held while a pass sorts its share of the keys
_READ_ROWS = 1 << 18
_PAIRS_AT_ONCE = 1 << 13

NO_VALUES = np.empty((0, _VALUES), dtype=np.uint8)
NO_KEYS = np.empty((0, _BANDS), dtype=np.uint64)
Keys = Callable[[int, int], NDArray[np.uint64]]


def signatures(
    hashed: NDArray[np.uint64], starts: NDArray[np.int64], seed: int
) -> tuple[NDArray[np.uint8], NDArray[np.uint64]]:
    """Return the signatures [texts, 64] and band keys [texts, 10] of the texts of a batch.

    Args:
        hashed: Their windows end to end (``quality.windows``); those that straddle two texts are
            overwritten.
        starts: Where each starts, and at the end where the last one ends.
        seed: Of the permutations.
    """
    from rensa import RMinHash

    for back in range(1, WINDOW_BYTES):
        hashed[starts[1:-1] - back] = hashed[starts[:-2]]  # in the set already: changes nothing
    ends = starts.copy()
    ends[-1] = len(hashed)
    matrix = RMinHash.digest_matrix_from_flat_token_hashes(
        hashed, ends.astype(np.uint64), _VALUES, seed
    )
    flat = array("I", chain.from_iterable(matrix.to_rows()))
    values = np.frombuffer(flat, dtype=np.uint32).reshape(-1, _VALUES)
    banded = values[:, : _BANDS * _BAND_VALUES].reshape(-1, _BANDS, _BAND_VALUES)
    keys = np.zeros(banded.shape[:2], dtype=np.uint64)
    for place in range(_BAND_VALUES):
        keys = (keys ^ banded[:, :, place]) * np.uint64(0x9E3779B97F4A7C15)
        keys ^= keys >> np.uint64(29)
    return values.astype(np.uint8), keys


def twins(
    keys: Keys, count: int, first: NDArray[np.bool_]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Yield groups of equal keys as (members, where in them each one's group begins).

    Args:
        keys: Returns the keys from one index up to another.
        count: How many keys there are.
        first: The indices that lead their group; otherwise the earliest does.
    """
    passes = -(-count // _ROWS_A_PASS)
    for number in range(passes):
        found, members = _share(keys, count, passes, number)
        order = np.argsort(found, kind="stable")
        found, members = found[order], members[order]
        equal = found[1:] == found[:-1]
        grouped = np.concatenate((equal, [False])) | np.concatenate(([False], equal))
        found, members = found[grouped], members[grouped]
        order = np.lexsort((members, ~first[members], found))
        found, members = found[order], members[order]
        begins = np.concatenate(([True], found[1:] != found[:-1])) if len(found) else found > 0
        yield members, np.maximum.accumulate(np.where(begins, np.arange(len(found)), 0))


def _share(
    keys: Keys, count: int, passes: int, number: int
) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Return one of ``passes`` shares of the keys, chosen by value, and their indices."""
    found, members = [], []
    for start in range(0, count, _READ_ROWS):
        part = keys(start, min(count, start + _READ_ROWS))
        chosen = np.flatnonzero((part >> np.uint64(20)) % np.uint64(passes) == number)
        found.append(part[chosen])
        members.append(chosen + start)
    return np.concatenate(found), np.concatenate(members)


class NearIndex:
    """Signatures of rows on disk, and the search for near duplicates among them.

    Args:
        folder: Where its files go.
    """

    def __init__(self, folder: Path) -> None:
        self._values_path = folder / "minhash"
        self._values = self._values_path.open("wb")
        self._keys_paths = [folder / f"band-{band}" for band in range(_BANDS)]
        self._keys = [path.open("wb") for path in self._keys_paths]
        self._rows = array("q")

    def add(
        self, rows: NDArray[np.int64], values: NDArray[np.uint8], keys: NDArray[np.uint64]
    ) -> None:
        """Append the signatures and band keys of ``rows``."""
        self._rows.frombytes(rows.astype(np.int64).tobytes())
        self._values.write(values.tobytes())
        for file, column in zip(self._keys, keys.T, strict=True):
            file.write(column.tobytes())

    def close(self) -> None:
        """End writing; the rows can then be compared."""
        with contextlib.ExitStack() as stack:
            for file in (self._values, *self._keys):
                stack.enter_context(file)

    def find(
        self, keep: NDArray[np.bool_], first: NDArray[np.bool_], threshold: float
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Yield (rows to drop, the row each is nearly equal to); ``keep`` is updated on the way.

        Args:
            keep: By row, what is still there; a dropped row is not dropped again.
            first: By row, which lead: they are not dropped for one that does not.
            threshold: The least estimated Jaccard similarity.
        """
        if not self._rows:
            return
        rows = np.frombuffer(self._rows, dtype=np.int64)
        for band in range(_BANDS):
            for members, begins in twins(self._band(band), len(rows), first[rows]):
                here = np.arange(len(members))
                for partner in (begins, np.maximum(here - 1, begins)):
                    open_pairs = (partner != here) & keep[rows[members]]
                    near = np.flatnonzero(open_pairs)
                    near = near[self._similar(members[near], members[partner[near]], threshold)]
                    dropped = rows[members[near]]
                    keep[dropped] = False
                    yield dropped, rows[members[partner[near]]]

    def _band(self, band: int) -> Keys:
        def keys(start: int, stop: int) -> NDArray[np.uint64]:
            with self._keys_paths[band].open("rb") as file:
                return np.fromfile(file, dtype=np.uint64, count=stop - start, offset=8 * start)

        return keys

    def _similar(
        self, left: NDArray[np.int64], right: NDArray[np.int64], threshold: float
    ) -> NDArray[np.bool_]:
        """Return for each pair whether its estimated similarity reaches the threshold."""
        result = np.zeros(len(left), dtype=np.bool_)
        with self._values_path.open("rb", buffering=0) as file:

            def values(rows: NDArray[np.int64]) -> NDArray[np.uint8]:
                parts = []
                for row in rows.tolist():
                    file.seek(row * _VALUES)
                    parts.append(file.read(_VALUES))
                return np.frombuffer(b"".join(parts), dtype=np.uint8).reshape(-1, _VALUES)

            for start in range(0, len(left), _PAIRS_AT_ONCE):
                some = slice(start, start + _PAIRS_AT_ONCE)
                equal = (values(left[some]) == values(right[some])).mean(axis=1)
                result[some] = (equal - _CHANCE) / (1 - _CHANCE) >= threshold
        return result
