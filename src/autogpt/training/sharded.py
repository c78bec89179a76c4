"""One model in shards: some rows of each weight, gradient and moment in each process, by FSDP2.

FSDP2 (``torch.distributed.fsdp.fully_shard``) gathers a block's weights when it is their turn and
hands back the sum of the gradients in shards, each weight a DTensor cut along its rows. The masters
and moments of the optimizer are cut alike, so only Muon ever needs more than its own rows: each
matrix is sent to its owner (``layout.owners``), and comes back orthogonalized.

Sources: Zhao et al. 2023, "PyTorch FSDP: Experiences on Scaling Fully Sharded Data Parallel"; ZeRO,
stage 3: Rajbhandari et al. 2020. Not here: files (``sharded_checkpoints``).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import cast

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor, Shard

from autogpt.core.errors import ConfigError
from autogpt.models.gpt import GPT
from autogpt.models.trainable import Trainable
from autogpt.training import checkpoints, sharded_checkpoints
from autogpt.training.checkpoints import RunState
from autogpt.training.distributed import World
from autogpt.training.layout import Function, Layout, Stacks, T, owners

__all__ = ["Sharded"]


class Sharded(Layout):
    """Some rows of each weight in each process, as FSDP2 deals them out (``torch.chunk``)."""

    in_shards = True

    @property
    def words(self) -> str:
        """How the model lies, for a sentence about its training."""
        return f", in shards in {self.world.size} processes"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._mesh: DeviceMesh = init_device_mesh(world.device.type, (world.size,))

    def attempt(self, work: Callable[[], T]) -> T | None:
        """Return what ``work`` returns; the others wait for this one in the middle of it."""
        return work()

    def place(self, model: Trainable, dtype: torch.dtype) -> None:
        """Shard the model block by block; gradients are summed in fp32, and not divided.

        Raises:
            ConfigError: If it is not a GPT of which all weights are trained.
        """
        if not isinstance(model, GPT) or not all(w.requires_grad for w in model.parameters()):
            raise ConfigError(
                "Only a whole language model can be trained in shards, not a part of one or one "
                "with another head.",
                hint="Set parallel.strategy=replicate.",
            )
        super().place(model, dtype)
        policy = MixedPrecisionPolicy(reduce_dtype=torch.float32)
        for module in (*model.layers, model):
            fully_shard(module, mesh=self._mesh, mp_policy=policy)
            sharded = cast(FSDPModule, module)
            sharded.set_force_sum_reduction_for_comms(True)  # Gloo knows no other
            sharded.set_gradient_divide_factor(1.0)

    def share(self, parts: int) -> range:
        """Return which of a step's micro-batches are this process's.

        Raises:
            ConfigError: If they are not the same number for each: every one takes all processes.
        """
        if parts % self.world.size:
            raise ConfigError(
                f"{parts} micro-batches a step cannot be dealt out evenly to {self.world.size} "
                "processes, which a sharded model needs.",
                hint="Set training.batch_size to a multiple of the number of processes, or "
                "parallel.strategy=replicate.",
            )
        return super().share(parts)

    def local(self, tensor: Tensor) -> Tensor:
        """Return this process's rows of a weight or a gradient."""
        return cast(DTensor, tensor).to_local()

    def norm(self, gradients: Sequence[Tensor]) -> float:
        """Return the norm of all gradients together."""
        return math.sqrt(self.world.summed(super().norm(gradients) ** 2))

    def orthogonalized(
        self, updates: Iterable[Tensor], shapes: Stacks, function: Function
    ) -> Iterator[Tensor]:
        """Send each matrix's rows to its owner, and get them back orthogonalized."""
        if not shapes:
            return iter(())
        stacks, ranks = list(updates), range(self.world.size)
        dealt = owners(shapes, self.world.size)
        mine = dealt[self.world.rank]
        own_sizes = [_sizes(places, shapes, self._heights(shapes)) for places in dealt]
        their_sizes = [_sizes(mine, shapes, self._heights(shapes, rank)) for rank in ranks]
        sent = [stack[at].flatten() for places in dealt for stack, at in _each(stacks, places)]
        received = _exchange(torch.cat(sent), own_sizes, their_sizes)
        done = self._orthogonalized_mine(received, shapes, function)
        back = _exchange(torch.cat([stacks[0].new_empty(0), *done]), their_sizes, own_sizes)
        for places, pieces in zip(dealt, back, strict=True):
            for (stack, at), piece in zip(_each(stacks, places), pieces, strict=True):
                if at:
                    stack[at] = piece.view(len(at), *stack.shape[1:])
        return iter(stacks)

    def _orthogonalized_mine(
        self, received: list[list[Tensor]], shapes: Stacks, function: Function
    ) -> list[Tensor]:
        """Return what goes back: for each process its rows of the matrices this one owns.

        Args:
            received: From each process, for each stack, its rows of those matrices.
            shapes: Of the whole stacks.
            function: Of whole matrices.
        """
        done: list[list[Tensor]] = [[] for _ in received]
        for number, (_, rows, columns) in enumerate(shapes):
            heights = _heights(rows, self.world.size)
            pieces = [from_rank[number] for from_rank in received]
            count = sum(map(len, pieces)) // (rows * columns)
            if count == 0:
                continue
            matrices = torch.cat([piece.view(count, -1, columns) for piece in pieces], dim=1)
            for rank, part in enumerate(torch.split(function(matrices), heights, dim=1)):
                done[rank].append(part.flatten())
        return [part for parts in done for part in parts]

    def _heights(self, shapes: Stacks, rank: int | None = None) -> list[int]:
        """Return how many rows of a matrix of each stack a process has, by default this one."""
        rank = self.world.rank if rank is None else rank
        return [_heights(rows, self.world.size)[rank] for _, rows, _ in shapes]

    def named(self, local: Tensor, shape: torch.Size) -> Tensor:
        """Return this process's rows as a DTensor, which a sharded checkpoint can place."""
        stride = torch.empty(shape, device="meta").stride()
        return DTensor.from_local(
            local, self._mesh, [Shard(0)], run_check=False, shape=shape, stride=stride
        )

    def whole(self, local: Tensor, shape: torch.Size) -> Tensor:
        """Return the whole of a tensor of which every process holds some rows."""
        return cast(DTensor, self.named(local, shape)).full_tensor()

    def rest(self, model: Trainable) -> None:
        """Free the weights that the root module holds whole after a forward pass."""
        if isinstance(model, FSDPModule):  # not the whole one that a run ends with
            model.reshard()

    def unspread(self, model: Trainable) -> Trainable:
        """Return a whole model of the same form; the sharded one is left behind."""
        return GPT(model.config, attention=model.attention).to(self.world.device)

    def save(self, run: Path, at: RunState, tensors: Mapping[str, Tensor]) -> None:
        """Write a checkpoint, each process its rows."""
        sharded_checkpoints.save(run, at, tensors, self.world)

    def load(self, folder: Path, tensors: dict[str, Tensor]) -> tuple[RunState, dict[str, Tensor]]:
        """Read a checkpoint, each process its rows."""
        return checkpoints.load(folder, into=tensors)


def _heights(rows: int, processes: int) -> list[int]:
    """Return how many rows of a weight each process has, as ``torch.chunk`` cuts it."""
    most = -(-rows // processes)
    return [max(0, min(most, rows - rank * most)) for rank in range(processes)]


def _sizes(places: Sequence[list[int]], shapes: Stacks, heights: Sequence[int]) -> list[int]:
    """Return how many numbers the chosen matrices of each stack are, cut to these heights."""
    return [
        len(at) * height * columns
        for at, height, (_, _, columns) in zip(places, heights, shapes, strict=True)
    ]


def _each(
    stacks: Sequence[Tensor], places: Sequence[list[int]]
) -> Iterator[tuple[Tensor, list[int]]]:
    return zip(stacks, places, strict=True)


def _exchange(
    sent: Tensor, to_ranks: Sequence[Sequence[int]], from_ranks: Sequence[Sequence[int]]
) -> list[list[Tensor]]:
    """Send numbers to all processes and return what comes from each, cut as announced.

    Args:
        sent: Everything, in the order of the ranks it goes to.
        to_ranks: For each rank, the sizes of what it is sent.
        from_ranks: For each rank, the sizes of what it sends.
    """
    sizes = [sum(pieces) for pieces in from_ranks]
    received = sent.new_empty(sum(sizes))
    dist.all_to_all_single(received, sent, sizes, [sum(pieces) for pieces in to_ranks])
    parts = zip(torch.split(received, sizes), from_ranks, strict=True)
    return [list(torch.split(part, list(pieces))) for part, pieces in parts]
