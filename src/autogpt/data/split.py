"""Which rows are held out for validation, decided by the hash of their text alone.

A unit - a document, or a block where one document is too much of the whole - is held out when its
hash is among the lowest, so equal texts fall on one side and new data moves no old text. Every file
that is a fair part of the corpus is represented. Nothing here looks at the order of rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["FAIR_SHARE", "Rows", "hold_out"]

# A file or document counts on its own when it could fill this much of the validation text.
FAIR_SHARE = 0.25
_RANKED_UNITS = 100_000  # up to here the share is met by ranking, above by a threshold
_LEAST_UNITS = 4  # a file cut into fewer is not split


@dataclass(frozen=True, kw_only=True, slots=True)
class Rows:
    """Facts of all rows, in order.

    Attributes:
        hashes: Of the comparable text.
        sizes: In bytes.
        continues: Whether a row continues the document of the row before it.
    """

    hashes: NDArray[np.uint64]
    sizes: NDArray[np.uint32]
    continues: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.hashes)

    def take(self, chosen: slice | NDArray[np.int64]) -> Rows:
        """Return some of the rows."""
        return Rows(
            hashes=self.hashes[chosen], sizes=self.sizes[chosen], continues=self.continues[chosen]
        )


def hold_out(
    rows: Rows, file_starts: Sequence[int], *, fraction: float, max_bytes: int
) -> NDArray[np.bool_]:
    """Return for each row whether it is validation; at least one is, and one is not, if two differ.

    Args:
        rows: All rows.
        file_starts: The row at which each file begins; the first is 0.
        fraction: Share of the bytes to hold out.
        max_bytes: Hold out no more than about this.
    """
    total = int(rows.sizes.sum(dtype=np.int64))
    wanted = min(fraction, max_bytes / max(total, 1))
    starts = np.asarray(file_starts, dtype=np.int64)
    stops = np.append(starts[1:], len(rows))
    file_bytes = np.add.reduceat(rows.sizes, starts, dtype=np.int64)
    large = np.flatnonzero(file_bytes >= FAIR_SHARE * fraction * total)
    result = np.zeros(len(rows), dtype=np.bool_)
    rest = np.ones(len(rows), dtype=np.bool_)
    for start, stop in zip(starts[large].tolist(), stops[large].tolist(), strict=True):
        result[start:stop] = _lowest(rows.take(slice(start, stop)), wanted, fraction)
        rest[start:stop] = False
    if len(large) == 0:
        result = _lowest(rows, wanted, fraction)
    elif rest.any():
        pooled = np.flatnonzero(rest)
        result[pooled] = _lowest(rows.take(pooled), wanted, fraction)
    if not result.any():
        result = rows.hashes == rows.hashes.min()
    return result if not result.all() else np.zeros(len(rows), dtype=np.bool_)


def _lowest(rows: Rows, wanted: float, fraction: float) -> NDArray[np.bool_]:
    """Hold out the share ``wanted`` of the bytes of some rows."""
    starts = np.flatnonzero(~rows.continues) if rows.continues.any() else None
    if starts is not None and (len(starts) == 0 or starts[0] != 0):
        starts = np.concatenate(([0], starts))
    sizes = rows.sizes if starts is None else np.add.reduceat(rows.sizes, starts, dtype=np.int64)
    total = int(sizes.sum(dtype=np.int64))
    if starts is not None and sizes.max() <= FAIR_SHARE * fraction * total:
        counts = np.diff(np.append(starts, len(rows)))
        return np.repeat(_lowest_units(rows.hashes[starts], sizes, wanted), counts)
    return _lowest_units(rows.hashes, rows.sizes, wanted)


def _lowest_units(
    hashes: NDArray[np.uint64], sizes: NDArray[np.integer], wanted: float
) -> NDArray[np.bool_]:
    if len(hashes) > _RANKED_UNITS:
        return np.less(hashes, np.uint64(wanted * 2.0**64))
    if len(hashes) < _LEAST_UNITS:
        return np.zeros(len(hashes), dtype=np.bool_)
    order = np.argsort(hashes, kind="stable")
    reached = np.cumsum(sizes[order], dtype=np.int64)
    best = int(np.argmin(np.abs(reached - wanted * reached[-1])))
    chosen: NDArray[np.bool_] = hashes <= hashes[order[best]]
    return chosen
