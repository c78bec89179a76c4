"""The processes that train one model together: who this one is, and the few words they exchange.

A single process is the trivial case: every operation returns what it was given. Several are
started by ``core.launch`` on one machine or by torchrun on any number; either says through the
environment who each is (RANK, WORLD_SIZE, LOCAL_RANK, LOCAL_WORLD_SIZE, torchrun's convention).

Whatever steers the loop - seconds, stops, losses - must be the same in all processes, or they part
ways and wait for each other for ever: pass it through :meth:`World.agreed`. Here too, and nowhere
else, the device is chosen. How a model is spread is ``layout``'s business. Text between processes
goes through torch's store; nothing is pickled.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from ipaddress import ip_address
from itertools import count
from typing import Any, Protocol

import psutil
import torch
import torch.distributed as dist

from autogpt.core.errors import AutoGPTError, PeerLostError, ResourceError, UsageError
from autogpt.core.launch import RENDEZVOUS

__all__ = ["World", "device", "joined"]

_WAIT = timedelta(days=7)  # for what only one process does, such as preparing a corpus
_COLLECTIVE = timedelta(minutes=30)  # a process that answers no sooner is taken for dead
_LOOPBACK = "127.0.0.1"


class _Store(Protocol):
    """What we use of torch's stores of keys and bytes."""

    def set(self, key: str, value: str) -> None: ...

    def get(self, key: str) -> bytes: ...

    def wait(self, keys: list[str], timeout: timedelta) -> None: ...


# Public, but missing from torch's stubs.
_FILE_STORE: Callable[[str, int], _Store] = vars(dist)["FileStore"]
_PREFIX_STORE: Callable[[str, _Store], Any] = vars(dist)["PrefixStore"]
_RENDEZVOUS: Callable[[str, int, int], Iterator[Any]] = vars(dist)["rendezvous"]


@dataclass(frozen=True, kw_only=True, slots=True)
class World:
    """This process among those that train one model.

    Attributes:
        rank: Which it is, from 0; rank 0 leads: it alone writes what people read.
        size: How many there are.
        local_size: How many share this machine.
        device: Where it computes.
    """

    rank: int = 0
    size: int = 1
    local_size: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    _store: _Store | None = None
    _calls: Iterator[int] = field(default_factory=count)

    @property
    def leads(self) -> bool:
        """Whether this is the process that writes and speaks."""
        return self.rank == 0

    def agreed(self, value: float) -> float:
        """Return the largest of what the processes give."""
        return self._reduced(value, dist.ReduceOp.MAX)

    def summed(self, value: float) -> float:
        """Return the sum of what the processes give, in float64."""
        return self._reduced(value, dist.ReduceOp.SUM)

    def summed_each(self, *values: float) -> tuple[float, ...]:
        """Return the sum of what the processes give in each place, in one exchange."""
        if self.size == 1:
            return values
        numbers = torch.tensor(values, dtype=torch.float64)
        dist.all_reduce(numbers)
        return tuple(numbers.tolist())

    def _reduced(self, value: float, operation: dist.ReduceOp.RedOpType) -> float:
        if self.size == 1:
            return value
        number = torch.tensor(float(value), dtype=torch.float64)
        dist.all_reduce(number, operation)
        return float(number)

    def gathered(self, text: str) -> list[str]:
        """Return what each process says, in the order of their ranks."""
        if self._store is None:
            return [text]
        key = f"autogpt/{next(self._calls)}"
        self._store.set(f"{key}/{self.rank}", text)
        keys = [f"{key}/{rank}" for rank in range(self.size)]
        self._store.wait(keys, _WAIT)
        return [self._store.get(key).decode() for key in keys]

    def shared(self, text: str) -> str:
        """Return what the leading process says, however long it takes to say it."""
        return self.gathered(text if self.leads else "")[0]

    @contextmanager
    def leader_first(self) -> Iterator[None]:
        """Let the leading process go through the block alone, and then all others at once."""
        if not self.leads:
            self.shared("")
        yield
        if self.leads:
            self.shared("")


def device(local_rank: int = 0) -> torch.device:
    """Return where a process computes: its own CUDA device if there are any, else the processor.

    Raises:
        ResourceError: If there are fewer devices than processes on this machine.
    """
    if not torch.cuda.is_available():
        return torch.device("cpu")
    if local_rank >= torch.cuda.device_count():
        raise ResourceError(
            f"Process {local_rank} of this machine has no GPU: there are "
            f"{torch.cuda.device_count()}.",
            hint="Start as many processes as there are GPUs, or set CUDA_VISIBLE_DEVICES='' to "
            "train on the processor.",
        )
    return torch.device("cuda", local_rank)


@contextmanager
def joined() -> Iterator[World]:
    """Join the processes that the environment speaks of, for as long as the block lasts.

    Without RANK and WORLD_SIZE this process is alone. Only the loopback interface is used unless
    torchrun's MASTER_ADDR is another machine's.

    Raises:
        PeerLostError: If another process ends while the block runs.
        ResourceError: If there is no device for this process.
        UsageError: If the environment does not say where the others are.
    """
    size, rank = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("RANK", "0"))
    if size == 1:
        yield World(device=device())
        return
    chosen = device(int(os.environ.get("LOCAL_RANK", "0")))
    store = _meet(rank, size)
    with _explained():
        backend = "gloo"
        if chosen.type == "cuda":
            torch.cuda.set_device(chosen)
            backend = "cpu:gloo,cuda:nccl"
        dist.init_process_group(
            backend,
            store=_PREFIX_STORE("torch", store),
            rank=rank,
            world_size=size,
            timeout=_COLLECTIVE,
        )
        local_size = int(os.environ.get("LOCAL_WORLD_SIZE", str(size)))
        yield World(
            rank=rank,
            size=size,
            local_size=local_size,
            device=chosen,
            _store=_PREFIX_STORE("autogpt", store),
        )
        dist.destroy_process_group()


def _meet(rank: int, size: int) -> _Store:
    """Return the place where the processes find each other.

    A file for processes that our own launcher started on one machine: torch's TCP store would
    listen on every interface. Otherwise what torchrun's MASTER_ADDR and MASTER_PORT say.
    """
    path = os.environ.get(RENDEZVOUS)
    if path is not None or _is_loopback(os.environ.get("MASTER_ADDR", "")):
        name = _loopback_interface()
        for variable in ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME"):
            os.environ.setdefault(variable, name)
    if path is not None:
        return _FILE_STORE(path, size)
    if not {"MASTER_ADDR", "MASTER_PORT"} <= os.environ.keys():
        raise UsageError(
            f"WORLD_SIZE is {size}, but MASTER_ADDR and MASTER_PORT do not say where the others "
            "are.",
            hint="Start with torchrun or --nproc, or unset WORLD_SIZE to train alone.",
        )
    store: _Store
    store, _, _ = next(iter(_RENDEZVOUS("env://", rank, size)))
    return store


def _is_loopback(address: str) -> bool:
    try:
        return address == "localhost" or ip_address(address).is_loopback
    except ValueError:
        return False


def _loopback_interface() -> str:
    """Return the name of the interface that leads nowhere else: lo on Linux, lo0 on macOS."""
    interfaces = psutil.net_if_addrs()
    return next(
        (
            name
            for name, addresses in interfaces.items()
            if any(address.address == _LOOPBACK for address in addresses)
        ),
        "lo",
    )


@contextmanager
def _explained() -> Iterator[None]:
    """Turn what torch raises when another process is gone into one sentence.

    Gloo has no class of its own for it, only its name in the message.
    """
    try:
        yield
    except AutoGPTError:
        raise
    except dist.DistError as error:
        raise PeerLostError from error
    except RuntimeError as error:
        if "gloo" in str(error).lower():
            raise PeerLostError from error
        raise
