"""The command in real processes that start at once: forked from one that has imported everything.

Importing torch and drawing a first picture take seconds; a test that starts, kills and resumes runs
pays for that once. Each command is still a process of its own, with its own output, signals and
exit code; it differs from a freshly started one in what is imported already.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

_SERVER = """
import json, os, sys, traceback
import matplotlib.backends.backend_agg, torch._dynamo, tensorboardX, PIL.Image
from autogpt import recipe
from autogpt.cli.app import main

print("ready", flush=True)
for line in sys.stdin:
    asked = json.loads(line)
    if "wait" in asked:
        _, status = os.waitpid(asked["wait"], 0)
        print(os.waitstatus_to_exitcode(status), flush=True)
        continue
    child = os.fork()
    if child:
        print(child, flush=True)
        continue
    sys.argv = ["autogpt", *asked["arguments"]]
    for number, path in ((1, asked["stdout"]), (2, asked["stderr"])):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    code = 70
    try:
        code = main()
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush(); sys.stderr.flush()
    os._exit(code)
"""


@dataclass(frozen=True, slots=True)
class Result:
    """What a process left."""

    returncode: int
    stdout: str
    stderr: str


class Command:
    """One ``autogpt`` process under way."""

    def __init__(self, server: Warm, pid: int, outputs: tuple[Path, Path]) -> None:
        self._server, self.pid, self._outputs = server, pid, outputs

    def kill(self, number: signal.Signals = signal.SIGKILL) -> Result:
        """Send a signal and wait for the end."""
        os.kill(self.pid, number)
        return self.wait()

    def wait(self) -> Result:
        """Wait for the end; a process that a signal ended has its negative number as the code."""
        code = int(self._server.ask({"wait": self.pid}))
        out, err = (path.read_text(encoding="utf-8") for path in self._outputs)
        return Result(code, out, err)


class Warm:
    """Starts ``autogpt`` processes; close it at the end.

    Args:
        folder: For what they print.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._count = folder, 0
        self._server = subprocess.Popen(
            [sys.executable, "-c", _SERVER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._answer() == "ready"

    def ask(self, question: dict[str, object]) -> str:
        """Return the server's answer."""
        assert self._server.stdin is not None
        self._server.stdin.write(json.dumps(question) + "\n")
        self._server.stdin.flush()
        return self._answer()

    def _answer(self) -> str:
        assert self._server.stdout is not None
        return self._server.stdout.readline().strip()

    def start(self, *arguments: str) -> Command:
        """Start ``autogpt`` with these arguments."""
        self._count += 1
        out, err = (self._folder / f"{name}-{self._count}" for name in ("stdout", "stderr"))
        question = {"arguments": arguments, "stdout": str(out), "stderr": str(err)}
        return Command(self, int(self.ask(question)), (out, err))

    def run(self, *arguments: str) -> Result:
        """Run ``autogpt`` with these arguments to its end."""
        return self.start(*arguments).wait()

    def close(self) -> None:
        """End the server."""
        self._server.communicate()
