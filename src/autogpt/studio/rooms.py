"""Which rooms of the studio there are: a tab appears when the package behind it is installed."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec

__all__ = ["rooms"]

_BEHIND = {"inspect": "autogpt.cli.inspect", "agent": "autogpt.agent", "rails": "autogpt.safety"}


@cache
def rooms() -> dict[str, bool]:
    """Return whether each room that depends on something is there."""
    return {room: find_spec(module) is not None for room, module in _BEHIND.items()}
