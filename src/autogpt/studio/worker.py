"""One job's process: runs the command line, keeps what it prints, and notes how it ended.

``python -m autogpt.studio.worker FOLDER -- ARGUMENT...`` runs ``autogpt ARGUMENT...`` with its
output in the folder::

    worker          the worker's own process id
    process.json    the command's process id and start time, as soon as it runs
    stdout, stderr  what it printed
    end.json        its exit code, as the last thing

It is a session of its own, so that it goes on when the server is stopped or restarted; whoever
comes later reads the files.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import psutil

from autogpt.core.files import write_json

__all__ = ["END", "PROCESS", "Process", "begin", "is_working", "main"]

WORKER, PROCESS, END = "worker", "process.json", "end.json"
STDOUT, STDERR = "stdout", "stderr"
# The agent asks for leave, which takes a terminal, or files: see goals.
_MODULES = {"agent": "autogpt.studio.goals"}
_SAME_S = 1.0  # the clock of process starts ticks in hundredths, and may be set meanwhile


@dataclass(frozen=True, slots=True)
class Process:
    """A process that was started, told apart from a later one with the same id."""

    pid: int
    started_at: float

    @classmethod
    def read(cls, folder: Path) -> Process | None:
        """Return the process of a job's folder; None if it has not begun, or is not known."""
        try:
            kept = json.loads((folder / PROCESS).read_text(encoding="utf-8"))
            return cls(int(kept["pid"]), float(kept["started_at"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        try:
            process = psutil.Process(self.pid)
            same = bool(abs(process.create_time() - self.started_at) < _SAME_S)
            return same and bool(process.status() != psutil.STATUS_ZOMBIE)
        except psutil.NoSuchProcess:
            return False

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, unless it is gone."""
        if self.alive:
            os.kill(self.pid, number)


def begin(folder: Path, arguments: list[str], *, cwd: Path) -> None:
    """Start a worker that belongs to nobody, and return when it has a process id.

    Args:
        folder: Exists, and holds nothing of before.
        arguments: Of ``autogpt``.
        cwd: Where it runs.
    """
    subprocess.run(
        [sys.executable, "-m", "autogpt.studio.worker", str(folder), "--", *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": _absolute(os.environ.get("PYTHONPATH", ""))},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        check=True,
    )


def is_working(folder: Path) -> bool:
    """Whether the worker of a job's folder is there."""
    try:
        pid = int((folder / WORKER).read_text(encoding="utf-8"))
        return str(folder) in psutil.Process(pid).cmdline()
    except (OSError, ValueError, psutil.Error):
        return False


def _absolute(paths: str) -> str:
    """Return a search path that means the same in another folder."""
    return os.pathsep.join(str(Path(path).absolute()) for path in paths.split(os.pathsep) if path)


def main(arguments: list[str]) -> int:
    """Run the command and return its exit code."""
    folder = Path(arguments[0])
    if own := os.fork():  # the other half is nobody's child, and leaves no zombie
        (folder / WORKER).write_text(str(own), encoding="utf-8")
        return 0
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # meant for the command
        signal.signal(number, signal.SIG_IGN)
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", "NO_COLOR": "1", "COLUMNS": "120"}
    with (folder / STDOUT).open("wb") as out, (folder / STDERR).open("wb") as err:
        command = subprocess.Popen(
            [sys.executable, "-m", _MODULES.get(arguments[2], "autogpt"), *arguments[2:]],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            env=environment,
            preexec_fn=_listen,
        )
        started_at = psutil.Process(command.pid).create_time()
        write_json(folder / PROCESS, {"pid": command.pid, "started_at": started_at})
        code = command.wait()
    write_json(folder / END, {"exit_code": code})
    return code


def _listen() -> None:
    """Give the command the usual signals, which its parent ignores."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
