"""Cleaned text on disk: one UTF-8 file, and beside it the size of each document or block.

What the tokenizer reads, and what ``clean.py`` fills while it is still deciding. Memory holds four
bytes a row, never the text.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from autogpt.core.files import open_atomic

__all__ = ["CleanedText", "Spool", "write_cleaned"]

_PIECE_BYTES = 1 << 22
_ROWS_AT_ONCE = 1 << 16
_CONTINUES = np.uint32(1 << 31)  # the top bit of a size: the row continues the one before it


@dataclass(frozen=True, kw_only=True, slots=True)
class CleanedText:
    """One split of a cleaned corpus.

    Attributes:
        path: UTF-8 text, all rows one after another with nothing between them.
        documents: Documents, where a run of contiguous blocks counts once.
        rows: Documents and blocks.
        chars: Characters in all.
        bytes: Bytes of the file.
    """

    path: Path
    documents: int
    rows: int
    chars: int
    bytes: int

    def __iter__(self) -> Iterator[str]:
        """Yield the text of each document or block."""
        return (text for text, _ in self.items())

    def items(self) -> Iterator[tuple[str, bool]]:
        """Yield (text, whether it continues the text before it)."""
        with self.path.open("rb") as file, _sizes_path(self.path).open("rb") as sizes_file:
            while True:
                sizes = np.frombuffer(sizes_file.read(4 * _ROWS_AT_ONCE), dtype=np.uint32)
                if not len(sizes):
                    return
                continues = (sizes & _CONTINUES != 0).tolist()
                for size, joined in zip((sizes & ~_CONTINUES).tolist(), continues, strict=True):
                    yield file.read(size).decode(), joined


def _sizes_path(path: Path) -> Path:
    return path.with_suffix(".sizes")


class Spool:
    """Text of rows, written once and read back by row.

    Args:
        path: A file to make.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("wb", buffering=1 << 20)
        self._sizes = array("I")

    def __len__(self) -> int:
        return len(self._sizes)

    def add(self, text: bytes, sizes: NDArray[np.uint32]) -> None:
        """Append rows of UTF-8, end to end."""
        self._file.write(text)
        self._sizes.frombytes(sizes.astype(np.uint32).tobytes())

    def close(self) -> None:
        """End writing; the rows can then be read."""
        self._file.close()

    @property
    def sizes(self) -> NDArray[np.uint32]:
        """The size of each row in bytes."""
        return np.frombuffer(self._sizes, dtype=np.uint32)

    def text(self, row: int, limit_bytes: int) -> str:
        """Return the first bytes of one row as text."""
        with self._path.open("rb") as file:
            file.seek(int(self.sizes[:row].sum(dtype=np.int64)))
            return file.read(min(limit_bytes, int(self.sizes[row]))).decode(errors="ignore")

    def copy(self, rows: NDArray[np.bool_], out: IO[bytes]) -> int:
        """Write the chosen rows to ``out`` and return how many characters they are."""
        edges = np.flatnonzero(np.diff(rows, prepend=False, append=False)).tolist()
        at, chars, passed = 0, 0, 0
        with self._path.open("rb") as file:
            for first, last in zip(edges[::2], edges[1::2], strict=True):
                passed += int(self.sizes[at:first].sum(dtype=np.int64))
                size = int(self.sizes[first:last].sum(dtype=np.int64))
                file.seek(passed)
                chars += _copy(file, out, size)
                at, passed = last, passed + size
        return chars


def _copy(file: IO[bytes], out: IO[bytes], size: int) -> int:
    """Copy ``size`` bytes of UTF-8 and count its characters: bytes that do not continue one."""
    chars = 0
    while size > 0:
        piece = file.read(min(size, _PIECE_BYTES))
        out.write(piece)
        values = np.frombuffer(piece, dtype=np.int8)
        chars += int(np.count_nonzero(values >= -64))  # continuation bytes are -128 to -65
        size -= len(piece)
    return chars


def write_cleaned(
    spool: Spool, rows: NDArray[np.bool_], continues: NDArray[np.bool_], path: Path
) -> CleanedText:
    """Write the chosen rows of a spool as a split.

    Args:
        spool: All rows.
        rows: Which of them to write.
        continues: Which of them continue the row before them in the spool.
        path: The text file to make.
    """
    sizes = spool.sizes[rows]
    joined = (continues & np.concatenate(([False], rows[:-1])))[rows]
    with open_atomic(path) as file:
        chars = spool.copy(rows, file)
    with open_atomic(_sizes_path(path)) as file:
        file.write((sizes | np.where(joined, _CONTINUES, np.uint32(0))).tobytes())
    return CleanedText(
        path=path,
        documents=int(len(sizes) - joined.sum()),
        rows=len(sizes),
        chars=chars,
        bytes=int(sizes.sum(dtype=np.int64)),
    )
