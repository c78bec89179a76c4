"""Measure how soon the command answers: `autogpt --help` and `--version`, and whether torch came.

Each command is a process of its own; the commands take turns, so that a busy moment meets all of
them. Beside them: Python itself, and `transformers --help` where that is installed. One JSON object
on standard output. ``python benchmarks/startup.py [--repeats 9]``
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

SCRIPTS = Path(sysconfig.get_path("scripts"))
LIMIT_S = 0.3  # of autogpt --help


def commands() -> dict[str, list[str]]:
    """Return what is measured, by name; a command that is not installed is left out."""
    listed = {
        "autogpt --help": [str(SCRIPTS / "autogpt"), "--help"],
        "autogpt --version": [str(SCRIPTS / "autogpt"), "--version"],
        "transformers --help": [str(SCRIPTS / "transformers"), "--help"],
        "python -c pass": [sys.executable, "-c", "pass"],
    }
    return {name: command for name, command in listed.items() if Path(command[0]).exists()}


def seconds(command: list[str]) -> float:
    """Return the wall time of one process."""
    begin = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    return time.perf_counter() - begin


def torch_comes_with(flag: str) -> bool:
    """Say whether ``autogpt FLAG`` imports torch."""
    code = (
        "import sys; sys.argv = ['autogpt', sys.argv[1]]\n"
        "from autogpt.cli.app import main\n"
        "main(); print('\\n' + str('torch' in sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, flag], capture_output=True, text=True, check=True
    )
    return done.stdout.splitlines()[-1] == "True"


def main() -> None:
    """Measure and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=9)
    repeats = max(1, parser.parse_args().repeats)
    measured = commands()
    for command in measured.values():
        seconds(command)  # the first one fills the caches of the disk
    times: dict[str, list[float]] = {name: [] for name in measured}
    for _ in range(repeats):
        for name, command in measured.items():
            times[name].append(seconds(command))
    medians = {name: round(statistics.median(each), 3) for name, each in times.items()}
    result = {
        "repeats": repeats,
        "median_s": medians,
        "min_s": {name: round(min(each), 3) for name, each in times.items()},
        "torch_imported": {flag: torch_comes_with(flag) for flag in ("--help", "--version")},
        "limit_s": LIMIT_S,
        "within_limit": medians["autogpt --help"] <= LIMIT_S,
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
