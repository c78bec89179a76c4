"""Lessons to training batches: several in a row, none sees another, each once an epoch.

Rows are filled anew in each epoch: lessons in a new order, a window of them at a time, the longest
first, each into the fullest row that has room for it (best-fit decreasing; Johnson 1973). Batch
``i`` is a pure function of (lessons, seed, i), so that a resumed run needs no other state.

A lesson of n tokens takes n - 1 places: its last token is only predicted. Positions are relative
in our models, so they need not begin anew. What a lesson is: ``tokenizer/lessons.py``.
"""

from __future__ import annotations

import hashlib
from array import array
from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch

from autogpt.core.errors import ConfigError, DataError
from autogpt.data.batches import Batch
from autogpt.tokenizer.lessons import Lesson

__all__ = ["LessonBatches", "Lessons", "LessonsReport", "lesson_windows"]

_WINDOW = 2048  # lessons that are packed together: rows are full, and the order stays random
_IGNORED = -100  # the target that cross-entropy leaves out
_Rows = tuple[npt.NDArray[np.int64], ...]


@dataclass(kw_only=True, slots=True)
class LessonsReport:
    """What became of lessons when they were fitted to a context length.

    Attributes:
        lessons: How many there are.
        tokens: In them.
        learned: Of these, how many are learned.
        longest: Tokens of the longest, before it was cut.
        cut: Lessons that lost the beginning of what is not learned.
        cut_answers: Lessons that lost the end of what is learned: it alone was too long.
        cut_tokens: Tokens that were lost.
        split: Texts to go on with that became several lessons.
        without_learning: Lessons that were left out, since nothing in them is learned.
    """

    lessons: int = 0
    tokens: int = 0
    learned: int = 0
    longest: int = 0
    cut: int = 0
    cut_answers: int = 0
    cut_tokens: int = 0
    split: int = 0
    without_learning: int = 0

    def to_dict(self) -> dict[str, int]:
        """Return the report as plain values."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True, eq=False)
class Lessons:
    """Lessons one after the other in three arrays, none longer than a context and one token.

    Attributes:
        token_ids: Of all lessons.
        learned: For each token whether it is learned.
        starts: Where each lesson starts, and where the last one ends.
        context_length: What they were fitted to.
        report: What that took.
    """

    token_ids: npt.NDArray[np.uint32]
    learned: npt.NDArray[np.bool_]
    starts: npt.NDArray[np.int64]
    context_length: int
    report: LessonsReport = field(default_factory=LessonsReport)

    @classmethod
    def collect(cls, lessons: Iterable[Lesson], *, context_length: int) -> Lessons:
        """Fit lessons to a context length and keep them.

        A prompt that is too long loses its beginning; an answer its end, and only if it alone is
        too long. Text that is learned from the first token on becomes several lessons.

        Raises:
            ConfigError: If the context length is below 2.
            DataError: If there is nothing to learn.
        """
        if context_length < 2:
            raise ConfigError(f"context_length = {context_length}; at least 2 was expected.")
        ids, marks, ends = array("I"), bytearray(), array("q", [0])
        report = LessonsReport()
        for lesson in lessons:
            report.longest = max(report.longest, len(lesson))
            for first, last in _fitted(lesson.learned, context_length + 1, report):
                ids.frombytes(lesson.token_ids[first:last].astype(np.uint32).tobytes())
                marks += lesson.learned[first:last].tobytes()
                ends.append(len(ids))
        if len(ends) == 1:
            raise DataError(
                "The examples hold nothing to learn.",
                hint="Each needs an answer, or text to go on with, of more than a token.",
            )
        report.lessons, report.tokens, report.learned = len(ends) - 1, len(ids), marks.count(1)
        return cls(
            np.frombuffer(ids, dtype=np.uint32),
            np.frombuffer(marks, dtype=np.bool_),
            np.frombuffer(ends, dtype=np.int64),
            context_length,
            report,
        )

    def __len__(self) -> int:
        """Return the number of lessons."""
        return len(self.starts) - 1

    @property
    def sizes(self) -> npt.NDArray[np.int64]:
        """Places in a row that each lesson takes."""
        return np.diff(self.starts) - 1

    def learned_bytes(self, token_bytes: npt.NDArray[np.int32]) -> int:
        """Return how many bytes of text are learned, for bits per byte.

        Args:
            token_bytes: Bytes that each id stands for: ``Tokenizer.token_byte_counts``.
        """
        return int(token_bytes[self.token_ids[self.learned]].sum(dtype=np.int64))

    def fingerprint(self) -> str:
        """Return a sha256 that changes when any batch could."""
        digest = hashlib.sha256(str(self.context_length).encode())
        for part in (self.token_ids, self.learned, self.starts):
            digest.update(part.tobytes())
        return digest.hexdigest()


def _fitted(
    learned: npt.NDArray[np.bool_], most: int, report: LessonsReport
) -> Iterator[tuple[int, int]]:
    """Yield the part of a lesson that is kept, or its parts; at most ``most`` tokens each."""
    size = len(learned)
    if not learned[1:].any():  # nothing can be predicted before the first token
        report.without_learning += 1
        return
    if size <= most:
        yield 0, size
        return
    first = int(np.argmax(learned))
    if first <= 1 and learned[first:].all():
        report.split += 1
        for start in range(0, size - 1, most - 1):
            yield start, min(start + most, size)
        return
    start = min(size - most, max(first - 1, 0))
    report.cut += start > 0
    report.cut_answers += start + most < size
    report.cut_tokens += size - most
    yield start, start + most


@dataclass(frozen=True, kw_only=True, slots=True)
class LessonBatches:
    """Training batches of lessons, for the training loop.

    Args:
        lessons: What is learned.
        batch_size: B.
        context_length: T; what the lessons were fitted to, or more.
        seed: Of the order.
        first_row: Where in the order batch 0 begins, in rows.
        pad_id: The token that fills rows; it is neither seen nor learned.
    """

    lessons: Lessons
    batch_size: int
    context_length: int
    seed: int
    first_row: int = 0
    pad_id: int = 0

    def __post_init__(self) -> None:
        if self.context_length < self.lessons.context_length:
            raise ConfigError(
                f"Lessons of up to {self.lessons.context_length} tokens do not fit a context of "
                f"{self.context_length}."
            )

    def rows_in(self, epochs: int) -> int:
        """Return how many rows the first ``epochs`` epochs take."""
        return sum(len(self._epoch(epoch)) for epoch in range(epochs))

    def epochs_in(self, rows: int) -> float:
        """Return how many epochs ``rows`` rows are."""
        epoch = 0
        while rows >= (size := len(self._epoch(epoch))):
            rows -= size
            epoch += 1
        return epoch + rows / size

    def __getitem__(self, index: int) -> Batch:
        """Return batch ``index``, counted from 0."""
        row = self.first_row + index * self.batch_size
        epoch = 0
        while row >= (size := _row_count(self.lessons, self.context_length, self.seed, epoch)):
            row -= size
            epoch += 1
        rows: list[npt.NDArray[np.int64]] = []
        while len(rows) < self.batch_size:
            rows += self._epoch(epoch)[row : row + self.batch_size - len(rows)]
            row, epoch = 0, epoch + 1
        return _batch(self.lessons, rows, self.context_length, self.pad_id)

    def _epoch(self, epoch: int) -> _Rows:
        return _epoch_rows(self.lessons, self.context_length, self.seed, epoch)


@lru_cache(maxsize=4096)
def _row_count(lessons: Lessons, length: int, seed: int, epoch: int) -> int:
    return len(_epoch_rows(lessons, length, seed, epoch))


@lru_cache(maxsize=2)  # a batch may lie across two epochs
def _epoch_rows(lessons: Lessons, length: int, seed: int, epoch: int) -> _Rows:
    """Return the lessons of each row of an epoch."""
    generator = np.random.default_rng([seed, epoch])
    order = generator.permutation(len(lessons))
    rows: list[npt.NDArray[np.int64]] = []
    sizes = lessons.sizes
    for start in range(0, len(order), _WINDOW):
        rows += _packed(order[start : start + _WINDOW], sizes, length)
    return tuple(rows[place] for place in generator.permutation(len(rows)).tolist())


def _packed(
    chosen: npt.NDArray[np.int64], sizes: npt.NDArray[np.int64], length: int
) -> list[npt.NDArray[np.int64]]:
    """Fill rows, the longest lesson first, each into the fullest row that has room for it."""
    rows: list[list[int]] = []
    room: list[tuple[int, int]] = []  # (places left, row), in order
    by_size = np.argsort(-sizes[chosen], kind="stable")
    for lesson in chosen[by_size].tolist():
        size = int(sizes[lesson])
        found = bisect_left(room, (size, -1))
        if found == len(room):
            rows.append([lesson])
            left, row = length, len(rows) - 1
        else:
            left, row = room.pop(found)
            rows[row].append(lesson)
        if left > size:
            insort(room, (left - size, row))
    return [np.array(row, dtype=np.int64) for row in rows]


def _batch(
    lessons: Lessons, rows: Sequence[npt.NDArray[np.int64]], length: int, pad_id: int
) -> Batch:
    shape = (len(rows), length)
    inputs = np.full(shape, pad_id, dtype=np.int64)
    targets = np.full(shape, _IGNORED, dtype=np.int64)
    documents = np.zeros(shape, dtype=np.int64)
    for row, held in enumerate(rows):
        at = 0
        for number, lesson in enumerate(held.tolist(), 1):
            start, end = int(lessons.starts[lesson]), int(lessons.starts[lesson + 1])
            behind = at + end - start - 1
            ids = lessons.token_ids[start:end].astype(np.int64)
            inputs[row, at:behind] = ids[:-1]
            targets[row, at:behind] = np.where(lessons.learned[start + 1 : end], ids[1:], _IGNORED)
            documents[row, at:behind] = number
            at = behind
        documents[row, at:] = len(held) + 1
    return Batch(*map(torch.from_numpy, (inputs, targets, documents)))


def lesson_windows(
    lessons: Lessons, *, batch_size: int, context_length: int, pad_id: int = 0
) -> Iterator[Batch]:
    """Yield every lesson once, packed, always alike; the last batch may have fewer rows."""
    everything, sizes = np.arange(len(lessons)), lessons.sizes
    rows: list[npt.NDArray[np.int64]] = []
    for start in range(0, len(everything), _WINDOW):
        rows += _packed(everything[start : start + _WINDOW], sizes, context_length)
    for first in range(0, len(rows), batch_size):
        yield _batch(lessons, rows[first : first + batch_size], context_length, pad_id)
