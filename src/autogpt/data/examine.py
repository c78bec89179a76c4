"""What a text says of itself: repaired, its hash, its signature, whether it is short or repetitive.

Nothing here knows other texts, so any number of processes can do it.
``intake.py`` keeps the results in order; ``crew.py`` spreads the work.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from autogpt.data import duplicates, quality
from autogpt.data.steps import CleanConfig, Step

__all__ = ["EXAMPLES", "Changes", "Examined", "examine"]

EXAMPLES = 2
_BATCH_BYTES = 1 << 16  # windows of a batch are eight times this: they stay in the cache


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

    def add(self, later: Changes) -> None:
        """Count what was done to later texts."""
        self.documents += later.documents
        self.bytes += later.bytes
        self.examples = (self.examples + later.examples)[:EXAMPLES]


@dataclass(frozen=True, kw_only=True, slots=True)
class Examined:
    """Texts of a batch, in order.

    Attributes:
        text: Repaired, as UTF-8, end to end.
        sizes: Of each in bytes.
        hashes: Of what trivially different copies share.
        marks: The step that drops a text, or 0.
        near_rows: Which texts have a signature.
        near_values: Their signatures [texts, 64].
        near_keys: Their band keys [texts, 10].
        bytes_in: Bytes of all, before control characters were dropped.
        normalized: What was done to line ends and Unicode.
        controls: What was done to control characters.
    """

    text: bytes
    sizes: NDArray[np.uint32]
    hashes: NDArray[np.uint64]
    marks: NDArray[np.uint8]
    near_rows: NDArray[np.int64]
    near_values: NDArray[np.uint8]
    near_keys: NDArray[np.uint64]
    bytes_in: int
    normalized: Changes
    controls: Changes


def examine(texts: Sequence[str], config: CleanConfig) -> Examined:
    """Return what the texts say of themselves."""
    examiner = _Examiner(config)
    for text in texts:
        examiner.add(text)
    return examiner.done()


class _Examiner:
    """Texts on their way into one :class:`Examined`."""

    def __init__(self, config: CleanConfig) -> None:
        self._config = config
        self._key = config.seed.to_bytes(8)
        self._texts: list[bytes] = []
        self._hashes = array("Q")
        self._marks = bytearray()
        self._bytes_in = 0
        self._normalized, self._controls = Changes(), Changes()
        self._near: list[tuple[NDArray[np.int64], NDArray[np.uint8], NDArray[np.uint64]]] = []
        self._batch: list[bytes] = []
        self._batch_rows: list[int] = []
        self._batch_bytes = 0

    def add(self, text: str) -> None:
        """Repair one text, and queue it to be measured."""
        config, row = self._config, len(self._marks)
        text = self._repaired(text)
        comparable = quality.comparable(text)
        self._texts.append(text.encode(errors="replace"))
        self._hashes.append(quality.hash64(comparable, self._key))
        self._marks.append(0)  # or a Step
        if config.short and len(comparable) < max(1, config.min_bytes):
            self._marks[row] = Step.SHORT
        elif len(comparable) >= config.min_compared_bytes:
            if config.repetitive and quality.has_repeated_lines(text, config.max_repeated):
                self._marks[row] = Step.REPETITIVE
            elif config.repetitive or config.near_duplicates:
                self._queue(row, comparable)

    def done(self) -> Examined:
        """Measure what is left, and return everything."""
        self._measure()
        rows, values, keys = zip(*self._near, strict=True) if self._near else ((), (), ())
        return Examined(
            text=b"".join(self._texts),
            sizes=np.array([len(text) for text in self._texts], dtype=np.uint32),
            hashes=np.array(self._hashes, dtype=np.uint64),
            marks=np.frombuffer(bytes(self._marks), dtype=np.uint8),
            near_rows=np.concatenate((*rows, np.empty(0, dtype=np.int64))),
            near_values=np.concatenate((*values, duplicates.NO_VALUES)),
            near_keys=np.concatenate((*keys, duplicates.NO_KEYS)),
            bytes_in=self._bytes_in,
            normalized=self._normalized,
            controls=self._controls,
        )

    def _repaired(self, text: str) -> str:
        before = text
        if self._config.normalize:
            text = quality.normalize(before)
            if text is not before and text != before:
                self._normalized.note(before, text)
        self._bytes_in += len(text) if text.isascii() else len(text.encode(errors="replace"))
        if self._config.control:
            cleaner = quality.without_controls(text)
            if cleaner is not text:
                self._controls.note(text, cleaner)
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
            self._near.append((rows, *duplicates.signatures(hashed, starts, config.seed)))
        self._batch, self._batch_rows, self._batch_bytes = [], [], 0
