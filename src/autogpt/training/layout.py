"""How one model lies in the processes that train it: whole in one, whole in each, or in shards.

::

    Layout       one process; nothing to exchange
    Replicated   every process has the model and sums its gradients with the others once a step
    Sharded      every process has some rows of each weight (in ``sharded``)

Muon needs each matrix as a whole, once a step. So each matrix has one process that orthogonalizes
it: :func:`owners` deals them out by the work they are. Replicated processes then tell each other
the results; sharded ones send their rows to the owner and get them back, so that no product is
computed twice and no process ever holds more than its share of the matrices.

The optimizer asks a layout for all of this; neither the model nor the loop knows. Letters in
shapes: N matrices of one shape, R rows, C columns.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from autogpt.core.errors import ConfigError
from autogpt.models.trainable import Trainable
from autogpt.training import checkpoints
from autogpt.training.checkpoints import RunState
from autogpt.training.distributed import World
from autogpt.training.memory import attempt

__all__ = ["Layout", "ParallelConfig", "Replicated", "lay_out", "owners", "rows_at_once"]

T = TypeVar("T")
Stacks = tuple[tuple[int, int, int], ...]  # N, R, C of each
Function = Callable[[Tensor], Tensor]

_BYTES_PER_WEIGHT = 20  # bf16 weight and gradient; fp32 master, sum of gradients, two moments
_WORTH_SHARING = 3e8  # operations a step; below, telling each other takes longer (docs/log.md)


@dataclass(frozen=True, kw_only=True, slots=True)
class ParallelConfig:
    """How several processes train one model.

    Attributes:
        strategy: ``replicate`` keeps the whole model in each process, ``shard`` spreads it over
            them (less memory, more traffic); ``auto`` shards on GPUs where a replica would take
            more than half of one's memory.
    """

    strategy: Literal["auto", "replicate", "shard"] = "auto"

    def __post_init__(self) -> None:
        """Check that the strategy is known.

        Raises:
            ConfigError: If it is not.
        """
        if self.strategy not in ("auto", "replicate", "shard"):
            raise ConfigError(
                f"strategy = {self.strategy!r} is unknown, expected auto, replicate or shard."
            )


class Layout:
    """The model in one process.

    Args:
        world: This process among the others.
    """

    in_shards = False  # whether a process has only a part of each weight

    def __init__(self, world: World | None = None) -> None:
        self.world = world or World()

    @property
    def words(self) -> str:
        """How the model lies, for a sentence about its training."""
        return ""

    def attempt(self, work: Callable[[], T]) -> T | None:
        """Return what ``work`` returns, or None if memory ran out."""
        return attempt(work)

    def place(self, model: Trainable, dtype: torch.dtype) -> None:
        """Put the model where it is trained."""
        model.to(self.world.device, dtype)

    def share(self, parts: int) -> range:
        """Return which of a step's micro-batches are this process's."""
        rank, size = self.world.rank, self.world.size
        return range(parts * rank // size, parts * (rank + 1) // size)

    def local(self, tensor: Tensor) -> Tensor:
        """Return what this process holds of a weight or a gradient."""
        return tensor

    def gradients(self, masters: Sequence[Tensor]) -> list[Tensor]:
        """Return sums for the gradients of stacks of weights."""
        return [torch.zeros_like(master) for master in masters]

    def align(self, masters: Sequence[Tensor]) -> None:
        """Make the first weights the same in all processes."""

    def add_up(self, gradients: Sequence[Tensor]) -> None:
        """Sum the gradients over the processes, in place."""

    def norm(self, gradients: Sequence[Tensor]) -> float:
        """Return the norm of all gradients together."""
        return float(torch.nn.utils.get_total_norm(gradients))

    def orthogonalized(
        self, updates: Iterable[Tensor], shapes: Stacks, function: Function
    ) -> Iterator[Tensor]:
        """Yield each stack of matrices with ``function`` applied.

        Args:
            updates: Stacks [N, R, C], or this process's rows of them.
            shapes: Of the whole stacks.
            function: Of whole matrices.
        """
        del shapes
        return map(function, updates)

    def named(self, local: Tensor, shape: torch.Size) -> Tensor:
        """Return what this process holds of a tensor as what it is part of, for a checkpoint."""
        del shape
        return local

    def whole(self, local: Tensor, shape: torch.Size) -> Tensor:
        """Return the whole of a tensor of ``shape`` of which every process holds a part."""
        del shape
        return local

    def rest(self, model: Trainable) -> None:
        """Let go of what a forward pass without a backward pass has left in memory."""

    def unspread(self, model: Trainable) -> Trainable:
        """Return a model that is whole in this process, to be given its weights."""
        return model

    def save(self, run: Path, at: RunState, tensors: Mapping[str, Tensor]) -> None:
        """Write a checkpoint; all processes call this.

        Raises:
            ResourceError: If the disk is full or cannot be written; older checkpoints stay.
        """
        if self.world.leads:
            checkpoints.save(run, at, tensors)

    def load(self, folder: Path, tensors: dict[str, Tensor]) -> tuple[RunState, dict[str, Tensor]]:
        """Read a checkpoint; all processes call this.

        Args:
            folder: Of the checkpoint, whoever wrote it.
            tensors: The optimizer's, which may be filled.

        Raises:
            CheckpointError: If it cannot be read, or belongs to another model.
        """
        del tensors
        return checkpoints.load(folder)


class Replicated(Layout):
    """The whole model in each process."""

    @property
    def words(self) -> str:
        """How the model lies, for a sentence about its training."""
        return f", in {self.world.size} processes"

    def gradients(self, masters: Sequence[Tensor]) -> list[Tensor]:
        """Return views of one tensor, so that all are summed in one exchange."""
        sizes = [master.numel() for master in masters]
        self._all = masters[0].new_zeros(sum(sizes))
        parts = torch.split(self._all, sizes)
        return [part.view_as(master) for part, master in zip(parts, masters, strict=True)]

    def align(self, masters: Sequence[Tensor]) -> None:
        """Take the first weights of the leading process: other processors may draw others."""
        for master in masters:
            dist.broadcast(master, 0)

    def add_up(self, gradients: Sequence[Tensor]) -> None:
        """Sum the gradients over the processes, in place."""
        del gradients  # views of one tensor
        dist.all_reduce(self._all)

    def orthogonalized(
        self, updates: Iterable[Tensor], shapes: Stacks, function: Function
    ) -> Iterator[Tensor]:
        """Do this process's share and take over that of the others."""
        if sum(count * _work(rows, columns) for count, rows, columns in shapes) < _WORTH_SHARING:
            return map(function, updates)
        return iter(self._shared(list(updates), shapes, function))

    def _shared(self, updates: list[Tensor], shapes: Stacks, function: Function) -> list[Tensor]:
        world, dealt = self.world, owners(shapes, self.world.size)
        mine = [
            function(update[chosen]).flatten()
            for update, chosen in zip(updates, dealt[world.rank], strict=True)
            if chosen
        ]
        sizes = [
            sum(
                len(c) * rows * columns
                for c, (_, rows, columns) in zip(chosen, shapes, strict=True)
            )
            for chosen in dealt
        ]
        told = updates[0].new_zeros(world.size, max(sizes))
        own = updates[0].new_zeros(max(sizes))
        if mine:
            own[: sizes[world.rank]] = torch.cat(mine)
        dist.all_gather(list(told), own)
        for rank, row in enumerate(told):
            at = 0
            for update, chosen, (_, rows, columns) in zip(
                updates, dealt[rank], shapes, strict=True
            ):
                end = at + len(chosen) * rows * columns
                update[chosen] = row[at:end].view(-1, rows, columns)
                at = end
        return updates


def rows_at_once(batch_size: int | None, most: int, *, processes: int) -> int:
    """Return the rows of a micro-batch, so that processes share a step as evenly as can be.

    Args:
        batch_size: Rows of a step, which stay; None: not decided yet.
        most: Rows that fit into memory at once.
        processes: Who shares them.

    Raises:
        ConfigError: If there are more processes than rows.
    """
    if batch_size is None:
        return most
    if batch_size < processes:
        raise ConfigError(
            f"training.batch_size = {batch_size} is too few rows for {processes} processes.",
            hint="Give each at least one, or start fewer processes.",
        )
    sizes = (n for n in range(1, most + 1) if batch_size % n == 0)
    # The fewest rows for the busiest process, in as few micro-batches as that takes.
    return min(sizes, key=lambda n: (-(-(batch_size // n) // processes) * n, -n))


def lay_out(config: ParallelConfig, world: World, *, parameters: int) -> Layout:
    """Decide how a model lies in the processes.

    Args:
        config: What the user has set.
        world: The processes.
        parameters: Weights of the model.
    """
    if world.size == 1:
        return Layout(world)
    strategy = config.strategy
    if strategy == "auto":
        replica = parameters * _BYTES_PER_WEIGHT
        strategy = "shard" if replica > _memory(world.device) / 2 else "replicate"
    if strategy == "replicate":
        return Replicated(world)
    from autogpt.training.sharded import Sharded  # half a second to import

    return Sharded(world)


def _memory(device: torch.device) -> float:
    """Return the bytes of a GPU; of a processor's memory, sharding saves nothing worth its cost."""
    if device.type != "cuda":
        return float("inf")
    _, total = torch.cuda.mem_get_info(device)
    return float(total)


def _work(rows: int, columns: int) -> int:
    """Return the operations of orthogonalizing a matrix: five Newton-Schulz steps."""
    short, long = sorted((rows, columns))
    return 5 * (4 * short * short * long + 2 * short**3)


@lru_cache(maxsize=8)
def owners(shapes: Stacks, processes: int) -> tuple[tuple[list[int], ...], ...]:
    """Deal matrices out to processes so that the work is as even as it can be.

    The heaviest first, each to the process with the least so far (Graham 1969, "Bounds on
    Multiprocessing Timing Anomalies": at most 4/3 of the best possible).

    Args:
        shapes: N, R, C of each stack.
        processes: How many there are.

    Returns:
        For each process, for each stack, which of its matrices are that process's.
    """
    matrices = sorted(
        ((i, n) for i, (count, _, _) in enumerate(shapes) for n in range(count)),
        key=lambda matrix: -_work(*shapes[matrix[0]][1:]),
    )
    dealt: list[tuple[list[int], ...]] = [tuple([] for _ in shapes) for _ in range(processes)]
    least = [(0, rank) for rank in range(processes)]
    for i, n in matrices:
        load, rank = heapq.heappop(least)
        dealt[rank][i].append(n)
        heapq.heappush(least, (load + _work(*shapes[i][1:]), rank))
    return tuple(dealt)
