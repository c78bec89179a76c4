"""Documents to rows on disk, each with what its own text says of it.

One pass: long documents are cut in blocks, texts are repaired, spooled, hashed and measured. Which
rows stay is decided afterwards, in ``clean.py``.
"""

from __future__ import annotations

import contextlib
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from autogpt.data import duplicates, quality, split
from autogpt.data.blocks import cut
from autogpt.data.readers import Document
from autogpt.data.spool import Spool
from autogpt.data.steps import CleanConfig, Step

__all__ = ["EXAMPLES", "LEAST_BLOCK_BYTES", "Changes", "Intake", "sized"]

EXAMPLES = 2
_CONTINUES = 8  # a bit beside the number of the step
_HEAD_CHARS, _HEAD_DOCUMENTS = (
    1 << 24,
    100_000,
)  # a corpus up to here is seen whole before it is cut
_BLOCK_CHARS = 1 << 14  # longer documents are judged, and held out, in blocks of this
LEAST_BLOCK_BYTES = 512
_HELD_OUT_BLOCKS = 16  # validation of one text is at least about this many places in it
_BATCH_BYTES = 1 << 16  # windows of a batch are eight times this: they stay in the cache


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


@dataclass(slots=True)
class Changes:
    """What a step that repairs text has done so far."""

    documents: int = 0
    bytes: int = 0
    examples: list[str] = field(default_factory=list)

    def note(self, before: str, after: str) -> None:
        """Count one text that was changed."""
        self.documents += 1
        self.bytes += len(before.encode(errors="replace")) - len(after.encode(errors="replace"))
        if len(self.examples) < EXAMPLES:
            pairs = enumerate(zip(before, after, strict=False))
            at = next((place for place, (old, new) in pairs if old != new), len(after))
            self.examples.append(repr(before[max(0, at - 20) : at + 20])[1:-1])


class Intake:
    """All rows on disk, and what is known of each from its own text."""

    def __init__(self, room: Path, config: CleanConfig) -> None:
        self._config = config
        self._key = config.seed.to_bytes(8)
        self.spool = Spool(room / "text")
        self.near = duplicates.NearIndex(room)
        self.changes = {Step.NORMALIZED: Changes(), Step.CONTROLS: Changes()}
        self.bytes_in = 0
        self.file_starts = array("q")
        self._file: str | None = None
        self._hashes = array("Q")
        self._marks = bytearray()
        self._batch: list[bytes] = []
        self._batch_rows: list[int] = []
        self._batch_bytes = 0

    def add(self, document: Document, *, continues: bool) -> None:
        """Repair one text, spool it, and queue it to be measured."""
        config, row = self._config, len(self._marks)
        if document.file != self._file:
            self._file = document.file
            self.file_starts.append(row)
        text = self._repaired(document.text)
        data = text.encode(errors="replace")
        comparable = quality.comparable(text)
        mark = 0  # or a Step
        if config.short and len(comparable) < max(1, config.min_bytes):
            mark = Step.SHORT
        elif len(comparable) >= config.min_compared_bytes:
            if config.repetitive and quality.has_repeated_lines(text, config.max_repeated):
                mark = Step.REPETITIVE
            elif config.repetitive or config.near_duplicates:
                self._queue(row, comparable)
        self.spool.add(data)
        self._hashes.append(quality.hash64(comparable, self._key))
        self._marks.append(mark | (_CONTINUES if continues else 0))

    def _repaired(self, text: str) -> str:
        before = text
        if self._config.normalize:
            text = quality.normalize(before)
            if text is not before and text != before:
                self.changes[Step.NORMALIZED].note(before, text)
        self.bytes_in += len(text) if text.isascii() else len(text.encode(errors="replace"))
        if self._config.control:
            cleaner = quality.without_controls(text)
            if cleaner is not text:
                self.changes[Step.CONTROLS].note(text, cleaner)
            text = cleaner
        return text

    def _queue(self, row: int, comparable: bytes) -> None:
        self._batch.append(comparable)
        self._batch_rows.append(row)
        self._batch_bytes += len(comparable)
        if self._batch_bytes >= _BATCH_BYTES:
            self._measure()

    def _measure(self) -> None:
        """Measure what is queued, together: a numpy call costs more than a short text."""
        if not self._batch:
            return
        rows, config = np.asarray(self._batch_rows, dtype=np.int64), self._config
        hashed, starts = quality.windows(self._batch)
        if config.repetitive:
            found = quality.repetitive(hashed, starts, config.max_repeated)
            for row in rows[found].tolist():
                self._marks[row] |= Step.REPETITIVE
        if config.near_duplicates:
            self.near.add(rows, *duplicates.signatures(hashed, starts, config.seed))
        self._batch, self._batch_rows, self._batch_bytes = [], [], 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Measure what is left, unless something went wrong, and end writing."""
        with contextlib.closing(self.spool), contextlib.closing(self.near):
            if kind is None:
                self._measure()

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
