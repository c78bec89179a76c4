"""Pairs of answers to batches: what people prefer, what they do not, and what a model thought.

Row ``i`` is a pure function of (pairs, seed, i), as in ``batches``: each epoch visits every pair
once, in a new order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float, Int
from torch import Tensor

from autogpt.core.errors import DataError
from autogpt.tokenizer.lessons import Lesson

__all__ = ["PairBatch", "PairBatches", "pair_rows", "pairs_in_order"]


@dataclass(frozen=True, slots=True)
class PairBatch:
    """B pairs: the chosen answers are the first B rows, the rejected ones the last B.

    Attributes:
        inputs: [2 B, T], padded behind.
        targets: [2 B, T]; -100 where nothing is learned.
        reference: What a model gave each row's targets before training, in nats, [2 B].
    """

    inputs: Int[Tensor, "B2 T"]
    targets: Int[Tensor, "B2 T"]
    reference: Float[Tensor, " B2"]

    @property
    def weight(self) -> float:
        """B."""
        return len(self.inputs) // 2

    def to(self, device: torch.device) -> PairBatch:
        """Return the batch on ``device``."""
        return PairBatch(self.inputs.to(device), self.targets.to(device), self.reference.to(device))


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class PairBatches:
    """Batches of pairs.

    Args:
        chosen: What people prefer; the answer is what is learned.
        rejected: What they do not, after the same prompts.
        reference: Log-probabilities of chosen and rejected answers, [2, pairs].
        batch_size: Pairs of a batch.
        context_length: Tokens that a pair takes at most, both answers together.
        pad_id: Fills up the rows.
        seed: Of the order.
    """

    chosen: Sequence[Lesson]
    rejected: Sequence[Lesson]
    reference: Float[Tensor, "2 pairs"]
    batch_size: int
    context_length: int
    pad_id: int
    seed: int

    def __post_init__(self) -> None:
        """Check that there is a pair at all.

        Raises:
            DataError: If there is none.
        """
        if not self.chosen:
            raise DataError("There is no pair of answers to learn from.")

    def __getitem__(self, index: int) -> PairBatch:
        """Return batch ``index``, counted from 0."""
        first = index * self.batch_size
        places = [self._place(number) for number in range(first, first + self.batch_size)]
        return self._batch(places)

    def _place(self, number: int) -> int:
        epoch, place = divmod(number, len(self.chosen))
        return int(_order(self.seed, epoch, len(self.chosen))[place])

    def _batch(self, places: Sequence[int]) -> PairBatch:
        lessons = [side[place] for side in (self.chosen, self.rejected) for place in places]
        inputs, targets = pair_rows(lessons, pad_id=self.pad_id)
        return PairBatch(inputs, targets, self.reference[:, list(places)].flatten())


def pairs_in_order(batches: PairBatches) -> Iterator[PairBatch]:
    """Yield every pair once, in order; the last batch may be smaller."""
    count, size = len(batches.chosen), batches.batch_size
    for first in range(0, count, size):
        yield batches._batch(range(first, min(first + size, count)))


def pair_rows(
    lessons: Sequence[Lesson], *, pad_id: int
) -> tuple[Int[Tensor, "B T"], Int[Tensor, "B T"]]:
    """Return lessons as rows of inputs and targets, padded behind to the longest."""
    longest = max(len(lesson.token_ids) for lesson in lessons) - 1
    inputs = torch.full((len(lessons), longest), pad_id, dtype=torch.int64)
    targets = torch.full((len(lessons), longest), -100, dtype=torch.int64)
    for row, lesson in enumerate(lessons):
        ids = torch.from_numpy(lesson.token_ids.astype(np.int64))
        learned = torch.from_numpy(lesson.learned[1:])
        inputs[row, : len(ids) - 1] = ids[:-1]
        targets[row, : len(ids) - 1] = torch.where(learned, ids[1:], -100)
    return inputs, targets


@lru_cache(maxsize=2)  # a batch may lie across two epochs
def _order(seed: int, epoch: int, count: int) -> npt.NDArray[np.int64]:
    """Return the order of an epoch."""
    return np.random.default_rng([seed, epoch]).permutation(count)
