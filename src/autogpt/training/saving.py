"""Checkpoints written beside the training, by one thread, from a copy of the tensors.

The loop stops for the copy alone. What the thread takes from the training (hashing and copying on
a core that it shares) counts too when it is decided how often to save.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

import torch
from torch import Tensor

from autogpt.core.errors import RunError
from autogpt.core.hardware import usable_cores
from autogpt.training import checkpoints
from autogpt.training.checkpoints import RunState
from autogpt.training.layout import Layout

__all__ = ["Saver", "SharedSaver"]

_EVERY_S = 30.0  # half of the minute that may be lost at most: the newest may not be on disk yet
_SHARE = 0.015  # of the time, at most, goes into checkpoints


class Saver:
    """Saves the checkpoints of one run; a context manager, which waits for the last one.

    Args:
        run: The run folder.
        before: Called in the thread before each checkpoint is written, as to force to disk what
            the checkpoint refers to.

    Attributes:
        count: Checkpoints begun.
        loop_s: Seconds that the loop was held up by them.
        thread_s: Seconds of processor time that writing them took beside the loop.
    """

    def __init__(self, run: Path, *, before: Callable[[], None] = lambda: None) -> None:
        self._run, self._before = run, before
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="checkpoints")
        self._pending: Future[float] | None = None
        self._copies: dict[str, Tensor] = {}
        self._begun = time.perf_counter()
        self._copy_s = self._write_s = 0.0  # of the last one
        self.count, self.loop_s, self.thread_s = 0, 0.0, 0.0

    def save(self, at: RunState, tensors: Mapping[str, Tensor]) -> None:
        """Copy the tensors and begin to write them; what is still being written comes first.

        Raises:
            AutoGPTError: If the checkpoint before this one could not be written.
        """
        begin = self._begun = time.perf_counter()
        self.wait()
        first, mark = not self._copies, time.perf_counter()
        with torch.no_grad():
            for name, tensor in tensors.items():
                if name not in self._copies:
                    self._copies[name] = torch.empty(tensor.shape, dtype=tensor.dtype)
                self._copies[name].copy_(tensor)
        # The system may take its time to find the memory, once: that says nothing about the next.
        self._copy_s = 0.0 if first else time.perf_counter() - mark
        at = replace(at, random=checkpoints.random_state())
        self._pending = self._thread.submit(self._write, at, {n: self._copies[n] for n in tensors})
        self.loop_s += time.perf_counter() - begin
        self.count += 1

    def due(self) -> bool:
        """Whether it is time for another one, by the clock and by what the others cost.

        Raises:
            AutoGPTError: If the last one could not be written.
        """
        if self._pending is not None and not self._pending.done():
            return False
        self.wait()
        cost_s = self._copy_s + self._write_s / usable_cores()
        return time.perf_counter() - self._begun >= max(_EVERY_S, cost_s / _SHARE)

    def newest(self) -> Path:
        """Return the folder of the newest checkpoint, which may have to be finished first.

        Raises:
            RunError: If there is none.
            CheckpointError: If all are damaged.
        """
        self.wait()
        found = checkpoints.latest(self._run)
        if found is None:
            raise RunError(
                "There is no checkpoint to go back to.",
                hint="Begin again in another folder, with lower learning rates.",
            )
        return found

    def last(self) -> tuple[RunState, dict[str, Tensor]]:
        """Return the newest checkpoint, which may have to be finished first.

        Raises:
            RunError: If there is none.
            CheckpointError: If all are damaged.
        """
        return checkpoints.load(self.newest())

    def wait(self) -> None:
        """Wait until the last checkpoint is on disk.

        Raises:
            AutoGPTError: If it could not be written.
        """
        pending, self._pending = self._pending, None
        if pending is not None:
            self._write_s = pending.result()
            self.thread_s += self._write_s

    def _write(self, at: RunState, tensors: Mapping[str, Tensor]) -> float:
        """Write a checkpoint; return the seconds of processor time it took."""
        begin = time.thread_time()
        self._before()
        checkpoints.save(self._run, at, tensors)
        return time.thread_time() - begin

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if error is None:
                self.wait()
        finally:
            self._thread.shutdown(wait=True)


class SharedSaver:
    """Saves the checkpoints of a run of one process or more, all of which call it alike.

    Whole models are saved by the leading process beside the training, sharded ones by all of them
    while the training waits: what they say to each other must not mix with what it says.

    Args:
        saver: For a model that is whole in this process.
        layout: How the model lies in the processes.
        run: The run folder.

    Attributes:
        tensors: The optimizer's, which :meth:`last` may fill.
    """

    def __init__(self, saver: Saver, layout: Layout, run: Path) -> None:
        self.layout, self.tensors = layout, dict[str, Tensor]()
        self._saver, self._run = saver, run
        self._saved, self._took_s = time.perf_counter(), 0.0

    def save(self, at: RunState, tensors: Mapping[str, Tensor]) -> None:
        """Save, or begin to.

        Raises:
            AutoGPTError: If this checkpoint, or the one before it, could not be written.
        """
        if self.layout.in_shards:
            begin = self._saved = time.perf_counter()
            self.layout.save(self._run, replace(at, random=checkpoints.random_state()), tensors)
            self._took_s = time.perf_counter() - begin
        elif self.layout.world.leads:
            self._saver.save(at, tensors)

    def due(self) -> bool:
        """Whether it is time for another one; the leading process decides."""
        if not self.layout.world.leads:
            return False
        if self.layout.in_shards:
            wait = max(_EVERY_S, self._took_s / _SHARE)
            return time.perf_counter() - self._saved >= wait
        return self._saver.due()

    def last(self) -> tuple[RunState, Mapping[str, Tensor]]:
        """Return the newest checkpoint, which may have to be finished first.

        Raises:
            RunError: If there is none.
            CheckpointError: If all are damaged.
        """
        newest = self._saver.newest() if self.layout.world.leads else Path()
        folder = Path(self.layout.world.shared(str(newest)))
        return self.layout.load(folder, self.tensors)

    def wait(self) -> None:
        """Wait until the last checkpoint is on disk, and the others know it.

        Raises:
            AutoGPTError: If it could not be written.
        """
        self._saver.wait()
        self.layout.world.gathered("")

    def __enter__(self) -> Self:
        self._saver.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._saver.__exit__(kind, error, trace)
