"""Flags that several verbs share."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["Json", "Quiet", "Seed", "Set"]

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object, and nothing else.")]
Seed = Annotated[int | None, typer.Option(help="Same seed, same result, on one machine.")]
Set = Annotated[list[str] | None, typer.Option("--set", help="Any setting: training.clip=0.5.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")]
