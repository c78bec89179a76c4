"""Token shards to training batches: packed windows in an order that depends on seed and step only.

Batch ``i`` is a pure function of (shard, seed, i), so a resumed run needs no other state. Each
epoch visits every window once, in a new order and from a new offset.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice
from typing import Any, ClassVar, Protocol, Self, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Int
from torch import Tensor

from autogpt.core.errors import DataError
from autogpt.data.shards import TokenShard

__all__ = ["Batch", "BatchSource", "Batches", "Learnable", "grouped", "windows"]

T = TypeVar("T")


class Learnable(Protocol):
    """A micro-batch of any objective; a dataclass."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def inputs(self) -> Tensor:
        """Token ids."""
        ...

    @property
    def weight(self) -> float:
        """What its loss is a mean over: learned tokens, rows, or pairs.

        Micro-batches of one step count by it.
        """
        ...

    def to(self, device: torch.device) -> Self:
        """Return it on ``device``."""
        ...


class BatchSource(Protocol):
    """Where the training loop gets its micro-batches; a frozen dataclass.

    Rows have an order of their own: batch ``i`` holds those from ``i * batch_size`` on, whatever
    the batch size is, so that ``dataclasses.replace(source, batch_size=...)`` may take fewer.
    """

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def batch_size(self) -> int:
        """Rows of a micro-batch."""
        ...

    @property
    def context_length(self) -> int:
        """Tokens that a row takes."""
        ...

    def __getitem__(self, index: int, /) -> Learnable:
        """Return micro-batch ``index``, counted from 0."""
        ...


@dataclass(frozen=True, slots=True)
class Batch:
    """Inputs and what follows them, both [B, T]; documents are numbered, None if there is one."""

    inputs: Int[Tensor, "B T"]
    targets: Int[Tensor, "B T"]
    document_ids: Int[Tensor, "B T"] | None

    @property
    def weight(self) -> float:
        """Targets that are learned: all but those of -100."""
        return int(torch.count_nonzero(self.targets != -100))

    def to(self, device: torch.device) -> Batch:
        """Return the batch on ``device``; from memory that a GPU can copy by itself."""
        if device.type == "cpu":
            return self
        tensors = (self.inputs, self.targets, self.document_ids)
        moved = [t if t is None else t.pin_memory().to(device, non_blocking=True) for t in tensors]
        return Batch(*moved)  # type: ignore[arg-type]  # only documents may be None


@dataclass(frozen=True, kw_only=True, slots=True)
class Batches:
    """Training batches of a shard.

    Args:
        shard: The tokens.
        batch_size: B.
        context_length: T.
        seed: Of the order.
        first_row: Where in the order batch 0 begins, in rows.
    """

    shard: TokenShard
    batch_size: int
    context_length: int
    seed: int
    first_row: int = 0

    def __post_init__(self) -> None:
        """Check that there is a window at all.

        Raises:
            DataError: If the corpus is too small for the model's context.
        """
        if self.windows_per_epoch < 1:
            raise DataError(
                f"The corpus has {len(self.shard)} tokens, too few for a context of "
                f"{self.context_length}.",
                hint="Give more text, or set model.context_length lower.",
            )

    @property
    def windows_per_epoch(self) -> int:
        """Windows seen before any is seen again."""
        return (len(self.shard) - 1) // self.context_length

    def __getitem__(self, index: int) -> Batch:
        """Return batch ``index``, counted from 0."""
        first = self.first_row + index * self.batch_size
        places = [self._start(first + row) for row in range(self.batch_size)]
        return _gather(self.shard, np.array(places, dtype=np.int64), self.context_length)

    def _start(self, number: int) -> int:
        epoch, place = divmod(number, self.windows_per_epoch)
        spare = len(self.shard) - 1 - self.windows_per_epoch * self.context_length
        offset, order = _epoch_order(self.seed, epoch, self.windows_per_epoch, spare)
        return int(order[place]) * self.context_length + offset


@lru_cache(maxsize=2)  # a batch may lie across two epochs
def _epoch_order(
    seed: int, epoch: int, count: int, spare: int
) -> tuple[int, npt.NDArray[np.int64]]:
    """Return where the windows of an epoch begin, 0 to ``spare``, and their order."""
    generator = np.random.default_rng([seed, epoch])
    return int(generator.integers(spare + 1)), generator.permutation(count)


def windows(shard: TokenShard, *, batch_size: int, context_length: int) -> Iterator[Batch]:
    """Yield the whole shard once, in order; the last window overlaps so that none is left out.

    Targets that an earlier window has scored are -100, the value that cross-entropy ignores.
    """
    last = len(shard) - 1 - context_length
    if last < 0:
        yield _gather(shard, np.array([0]), len(shard) - 1)
        return
    starts = np.append(np.arange(0, last, context_length), last)
    for begin in range(0, len(starts), batch_size):
        places = starts[begin : begin + batch_size]
        batch = _gather(shard, places, context_length)
        if places[-1] == last and len(starts) > 1:
            targets = batch.targets.clone()  # those of a single row share memory with its inputs
            targets[-1, : int(starts[-2]) + context_length - last] = -100
            batch = replace(batch, targets=targets)
        yield batch


def grouped(batches: Iterator[T], size: int) -> Iterator[list[T]]:
    """Yield ``size`` batches at a time; the last group may have fewer."""
    while group := list(islice(batches, size)):
        yield group


def _gather(shard: TokenShard, starts: npt.NDArray[np.int64], length: int) -> Batch:
    places = starts[:, None] + np.arange(length + 1)
    tokens = torch.from_numpy(shard.tokens[places].astype(np.int64))
    documents = None
    if len(shard.starts) > 1:
        numbers = np.searchsorted(shard.starts, places[:, :-1].astype(np.uint64), side="right")
        documents = torch.from_numpy(numbers.astype(np.int64))
    return Batch(tokens[:, :-1].contiguous(), tokens[:, 1:].contiguous(), documents)
