"""Several processes on this machine for a test, forked from one that has imported torch."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch

from autogpt.core.launch import RENDEZVOUS
from autogpt.training.distributed import World, joined

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(
    ["autogpt.training.trainer", "autogpt.training.sharded_checkpoints", "tests.training.together"]
)


def together(function: Callable[..., Any], size: int, room: Path, *arguments: object) -> list[Any]:
    """Return what ``function(world, *arguments)`` gives in each of ``size`` processes."""
    meeting = room / f"meeting-{size}-{len(list(room.glob('meeting-*')))}"
    ends = [_CONTEXT.Pipe(duplex=False) for _ in range(size)]
    processes = [
        _CONTEXT.Process(target=_run, args=(rank, size, meeting, sender, function, arguments))
        for rank, (_, sender) in enumerate(ends)
    ]
    for process in processes:
        process.start()
    for _, sender in ends:
        sender.close()
    try:
        return [receiver.recv() for receiver, _ in ends]
    finally:
        for process in processes:
            process.join(timeout=20)
            process.kill()


def _run(
    rank: int,
    size: int,
    meeting: Path,
    sender: Connection,
    function: Callable[..., Any],
    arguments: tuple[object, ...],
) -> None:
    own = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": size, RENDEZVOUS: meeting}
    os.environ.update({name: str(value) for name, value in own.items()})
    torch.set_num_threads(1)
    with joined() as world:
        sender.send(function(world, *arguments))


def ask(world: World) -> dict[str, object]:
    """Return what the operations of a world give."""
    said = []
    with world.leader_first():
        said.append(world.rank)
    return {
        "agreed": world.agreed(world.rank * 10),
        "summed": world.summed(world.rank + 0.5),
        "gathered": world.gathered(f"{world.rank} 你好"),
        "shared": world.shared(f"of {world.rank}"),
        "device": world.device.type,
        "leads": world.leads,
        "turns": said,
    }
