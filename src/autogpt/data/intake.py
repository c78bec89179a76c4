"""Documents to rows on disk, each with what its own text says of it.

One pass: long documents are cut in blocks, put into batches, and what ``examine.py`` says of their
texts is kept in order. Which rows stay is decided afterwards, in ``clean.py``.
"""

from __future__ import annotations

import contextlib
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from autogpt.data import duplicates, split
from autogpt.data.blocks import cut
from autogpt.data.examine import Changes, Examined
from autogpt.data.readers import Document
from autogpt.data.spool import Spool
from autogpt.data.steps import CleanConfig, Step

__all__ = ["LEAST_BLOCK_BYTES", "Batch", "Intake", "batched", "sized"]

Batch = list[tuple[Document, bool]]  # documents, and whether each continues the one before
_CONTINUES = 8  # a bit beside the number of the step
_HEAD_CHARS, _HEAD_DOCUMENTS = (
    1 << 24,
    100_000,
)  # a corpus up to here is seen whole before it is cut
_BLOCK_CHARS = 1 << 14  # longer documents are judged, and held out, in blocks of this
LEAST_BLOCK_BYTES = 512
_HELD_OUT_BLOCKS = 16  # validation of one text is at least about this many places in it
_BATCH_CHARS = 1 << 19  # enough that handing a batch over costs little, few enough to hold several


def sized(documents: Iterable[Document], config: CleanConfig) -> Iterator[tuple[Document, bool]]:
    """Yield (document, whether it continues the one before), long ones cut in blocks.

    In a corpus small enough to look at whole, a document that is much of it is cut so finely that
    its held-out share is several blocks.
    """
    stream = iter(documents)
    head: list[Document] = []
    chars = 0
    for document in stream:
        head.append(document)
        chars += len(document.text)
        if chars > _HEAD_CHARS or len(head) >= _HEAD_DOCUMENTS:
            stream = chain(head, stream)
            break
    else:
        yield from _cut_small(head, config.validation_fraction)
        return
    head = []
    for document in stream:
        yield from _cut_document(document, _BLOCK_CHARS)


def _cut_document(document: Document, size_chars: int) -> Iterator[tuple[Document, bool]]:
    if len(document.text) <= size_chars:
        yield document, document.part > 0
        return
    for number, block in enumerate(cut([document.text], size_chars)):
        part = Document(block, document.source, document.part + number)
        yield part, document.part + number > 0


def _cut_small(head: list[Document], fraction: float) -> Iterator[tuple[Document, bool]]:
    sizes = [len(document.text.encode(errors="replace")) for document in head]
    total = sum(sizes)
    whole: list[int] = []  # the document that each part belongs to, and then its size
    for document in head:
        whole.append(len(whole) if document.part == 0 or not whole else whole[-1])
    document_bytes: Counter[int] = Counter()
    for first, size in zip(whole, sizes, strict=True):
        document_bytes[first] += size
    for document, first, size in zip(head, whole, sizes, strict=True):
        limit = _BLOCK_CHARS
        if document_bytes[first] > split.FAIR_SHARE * fraction * total:
            wanted = min(total * fraction / _HELD_OUT_BLOCKS, document_bytes[first] * fraction / 2)
            chars_per_byte = len(document.text) / max(size, 1)
            limit = min(limit, int(max(LEAST_BLOCK_BYTES, wanted) * chars_per_byte))
        yield from _cut_document(document, max(limit, 1))


def batched(documents: Iterable[tuple[Document, bool]]) -> Iterator[Batch]:
    """Yield the documents in batches that can be examined apart."""
    batch: Batch = []
    chars = 0
    for document, continues in documents:
        batch.append((document, continues))
        chars += len(document.text)
        if chars >= _BATCH_CHARS:
            yield batch
            batch, chars = [], 0
    if batch:
        yield batch


class Intake:
    """All rows on disk, and what is known of each from its own text."""

    def __init__(self, room: Path) -> None:
        self.spool = Spool(room / "text")
        self.near = duplicates.NearIndex(room)
        self.changes = {Step.NORMALIZED: Changes(), Step.CONTROLS: Changes()}
        self.bytes_in = 0
        self.file_starts = array("q")
        self._file: str | None = None
        self._hashes = array("Q")
        self._marks = bytearray()

    def add(self, batch: Batch, examined: Examined) -> None:
        """Take in a batch of documents with what their texts say of themselves."""
        first = len(self._marks)
        for number, (document, _) in enumerate(batch):
            if document.file != self._file:
                self._file = document.file
                self.file_starts.append(first + number)
        continues = np.array([_CONTINUES * joined for _, joined in batch], dtype=np.uint8)
        self._marks += (examined.marks | continues).tobytes()
        self._hashes.frombytes(examined.hashes.tobytes())
        self.spool.add(examined.text, examined.sizes)
        if len(examined.near_rows):
            self.near.add(first + examined.near_rows, examined.near_values, examined.near_keys)
        self.bytes_in += examined.bytes_in
        self.changes[Step.NORMALIZED].add(examined.normalized)
        self.changes[Step.CONTROLS].add(examined.controls)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """End writing."""
        with contextlib.closing(self.spool), contextlib.closing(self.near):
            pass

    @property
    def rows(self) -> split.Rows:
        """The facts that the split is decided by."""
        marks = np.frombuffer(self._marks, dtype=np.uint8)
        return split.Rows(
            hashes=np.frombuffer(self._hashes, dtype=np.uint64),
            sizes=self.spool.sizes,
            continues=marks & _CONTINUES != 0,
        )

    @property
    def marks(self) -> NDArray[np.uint8]:
        """For each row the step that drops it, or 0."""
        return np.frombuffer(self._marks, dtype=np.uint8) & np.uint8(_CONTINUES - 1)
