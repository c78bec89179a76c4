"""What the engine process has said of one request, until whoever asked takes it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from autogpt.server.lines import Written

__all__ = ["Mail"]

# What the front itself reads of an answer; all else is passed on to whoever asked.
_ANSWERS: Mapping[str, Mapping[str, type]] = {
    "load": {"name": str, "kind": str},
    "probe": {"models": list, "seconds": float},
    "stats": {"blocks_held": int, "blocks": int, "cache_bytes": int},
    "embed": {"vectors": str, "dimension": int, "tokens": int},
}


@dataclass(slots=True)
class Mail:
    """See the module.

    Attributes:
        op: What was asked.
        left: Texts that have not ended.
        ended: Is called when the last one does.
        arrived: Whether there is something new.
        written: Since it was taken from here the last time.
        value: The answer, where it is no text.
        error: Why there is none.
        is_over: Whether nothing more will come.
    """

    op: str
    left: set[int] = field(default_factory=set)
    ended: Callable[[], None] | None = None
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    written: list[Written] = field(default_factory=list)
    value: Any = None
    error: Exception | None = None
    is_over: bool = False

    def take(self, written: Written) -> None:
        """Add what was written.

        Raises:
            ValueError: If it belongs to no text that is being written.
        """
        if written.row not in self.left:
            raise ValueError("a text that is over or was not asked for goes on")
        self.written.append(written)
        self.arrived.set()
        if written.finish is None:
            return
        self.left.discard(written.row)
        if not self.left:
            self.is_over = True
            if self.ended is not None:
                self.ended()

    def answer(self, value: object) -> None:
        """End with an answer.

        Raises:
            ValueError: If it has not the form that the front reads.
        """
        fields = _ANSWERS.get(self.op, {})
        fits = isinstance(value, dict) and all(
            isinstance(value.get(name), kind) for name, kind in fields.items()
        )
        if self.op == "generate" or (fields and not fits):
            raise ValueError(f"the answer to {self.op!r} has another form")
        self.value = value
        self._end()

    def fail(self, error: Exception) -> None:
        """End with an error."""
        self.error = error
        self._end()

    def _end(self) -> None:
        self.is_over = True
        self.arrived.set()
