"""Runs the command as a user does: a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

CLASSIC = Path("src/autogpt/data/quickstart/lunyu.txt").resolve()

TINY = (
    *("--preset", "tiny"),
    *("--set", "model.hidden_size=32"),
    *("--set", "model.num_hidden_layers=1"),
    *("--set", "model.context_length=32"),
    *("--set", "training.batch_size=8"),
)


SCRIPT = Path(sys.executable).with_name("autogpt")  # what pip installs


def command(*arguments: str) -> list[str]:
    return [str(SCRIPT), *arguments]


def run(
    *arguments: str, cwd: Path | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments),
        capture_output=True,
        text=True,
        encoding="utf-8",
        cwd=cwd,
        env={**os.environ, **environment},
        timeout=120,
        check=False,
    )
