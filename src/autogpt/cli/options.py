"""Flags that several verbs share."""

from __future__ import annotations

import time
from typing import Annotated

import typer

__all__ = ["Json", "Quiet", "Seed", "Set", "process_start"]

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object, and nothing else.")]
Seed = Annotated[int | None, typer.Option(help="Same seed, same result, on one machine.")]
Set = Annotated[list[str] | None, typer.Option("--set", help="Any setting: training.clip=0.5.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")]


def process_start() -> float:
    """Return when this process began, by ``time.perf_counter``: since then the user has waited."""
    import psutil

    return time.perf_counter() - (time.time() - float(psutil.Process().create_time()))
