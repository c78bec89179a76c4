"""Several processes of one command on this machine, as torchrun would start them, without torch.

Each is told who it is through the environment. They meet at a file in a folder of their own, so
nothing listens on the network; what they say to each other goes over the loopback interface.
Standard output and the progress bar belong to the first one. When one ends badly, the others are
ended too, and one sentence says which it was.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import IO

from autogpt.core.errors import PeerLostError, RunError, UsageError

__all__ = ["RENDEZVOUS", "leads", "must_launch", "run", "was_launched"]

RENDEZVOUS = "AUTOGPT_RENDEZVOUS"
_LOOK_EVERY_S = 0.1
_GRACE_S = 5.0  # for the others, when one has ended badly
_SAID_BYTES = 4096
_STOPPED = 130  # the user asked for it


def leads() -> bool:
    """Whether this process is the one of its group that writes and speaks; true if it is alone."""
    return os.environ.get("RANK", "0") == "0"


def was_launched() -> bool:
    """Whether :func:`run` started this process, which then says how it ended."""
    return RENDEZVOUS in os.environ


def must_launch(processes: int | None) -> bool:
    """Whether ``processes`` are yet to be started; a process that was started is one of them.

    Raises:
        UsageError: If the number is not positive, is not that of the processes that torchrun
            has started, or is more than this machine has cores for.
    """
    if processes is None:
        return False
    started = os.environ.get("WORLD_SIZE")
    if started is not None:
        if int(started) != processes:
            raise UsageError(
                f"--nproc {processes} does not go with the {started} processes that were started.",
                hint="Leave --nproc out under torchrun.",
            )
        return False
    if processes < 1:
        raise UsageError(f"--nproc {processes} must be at least 1.")
    from autogpt.core.hardware import usable_cores  # takes a while to import

    if processes > 8 * usable_cores():
        raise UsageError(
            f"--nproc {processes} is far more than the {usable_cores()} cores of this machine.",
            hint="Start one process a GPU, or one for every few cores.",
        )
    return processes > 1


def run(arguments: Sequence[str], *, processes: int) -> int:
    """Run ``python -m autogpt ARGUMENTS`` in ``processes`` processes; return the exit code.

    Ctrl-C and SIGTERM are handed on, once each: the processes stop after a step, with a
    checkpoint.

    Raises:
        RunError: If one of them was killed, or failed without a word of the first.
    """
    with tempfile.TemporaryDirectory(prefix="autogpt-") as room:
        workers: list[_Worker] = []
        try:
            workers = [_Worker(arguments, n, processes, Path(room)) for n in range(processes)]
            with _handed_on(workers):
                return _watched(workers)
        finally:
            for worker in workers:
                worker.end()


class _Worker:
    """One process: its output goes to ours if it is the first, else into a file.

    A session of its own keeps a Ctrl-C in the terminal from reaching it twice.
    """

    def __init__(self, arguments: Sequence[str], rank: int, size: int, room: Path) -> None:
        self.rank = rank
        self._said: IO[bytes] | None = None if rank == 0 else (room / f"said-{rank}").open("w+b")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "autogpt", *arguments],
            env={
                **os.environ,
                "RANK": str(rank),
                "LOCAL_RANK": str(rank),
                "WORLD_SIZE": str(size),
                "LOCAL_WORLD_SIZE": str(size),
                RENDEZVOUS: str(room / "rendezvous"),
            },
            stdin=None if rank == 0 else subprocess.DEVNULL,
            stdout=None if rank == 0 else subprocess.DEVNULL,
            stderr=self._said,
            start_new_session=True,
        )

    def last_line(self) -> str:
        """Return the last thing it said, if it is not the first process."""
        if self._said is None:
            return ""
        self._said.seek(0, os.SEEK_END)
        self._said.seek(max(0, self._said.tell() - _SAID_BYTES))
        lines = self._said.read().decode(errors="replace").strip().splitlines()
        return lines[-1].removeprefix("autogpt: ") if lines else ""

    def end(self) -> None:
        """End it if it still runs."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self._said is not None:
            self._said.close()


def _watched(workers: Sequence[_Worker]) -> int:
    """Wait until all have ended well or as asked, or one has not."""
    while True:
        codes = [worker.process.poll() for worker in workers]
        if any(code not in (None, 0, _STOPPED) for code in codes):
            return _ended_badly(workers)
        if None not in codes:
            return max(code or 0 for code in codes)
        time.sleep(_LOOK_EVERY_S)


def _ended_badly(workers: Sequence[_Worker]) -> int:
    """Say whose fault it was; who has only lost another is given a moment to learn of it."""
    excused = (None, 0, _STOPPED, PeerLostError.exit_code)
    deadline = time.monotonic() + _GRACE_S
    while True:
        codes = [worker.process.poll() for worker in workers]
        cause = next((n for n, code in enumerate(codes) if code not in excused), None)
        if cause is not None or None not in codes or time.monotonic() > deadline:
            break
        time.sleep(_LOOK_EVERY_S)
    code = codes[cause or 0] or 1
    if code < 0:
        raise RunError(
            f"Process {cause} of {len(workers)} was killed ({signal.Signals(-code).name}), so the "
            "run ended.",
            hint="It can go on after its last checkpoint: give the same command with --resume.",
        )
    if cause:  # the first one, 0, has spoken for itself
        said = workers[cause].last_line()
        raise RunError(f"Process {cause} of {len(workers)} failed: {said}")
    return code


@contextlib.contextmanager
def _handed_on(workers: Sequence[_Worker]) -> Iterator[None]:
    """Hand signals on to the processes for as long as the block lasts."""

    def hand_on(number: int, _frame: FrameType | None) -> None:
        for worker in workers:
            if worker.process.poll() is None:
                worker.process.send_signal(number)

    before = {number: signal.signal(number, hand_on) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
