"""Flags that several verbs share, and the voice of all of them."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

__all__ = ["Json", "Seed", "Set", "say"]

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object, and nothing else.")]
Seed = Annotated[int | None, typer.Option(help="Same seed, same result, on one machine.")]
Set = Annotated[list[str] | None, typer.Option("--set", help="Any setting: training.clip=0.5.")]


def say(line: str) -> None:
    """Tell the user in a line what happens; on standard error, so that results stay clean."""
    print(line, file=sys.stderr, flush=True)
