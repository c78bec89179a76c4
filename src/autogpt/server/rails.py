"""The seam for the safety rails: what a server is given to ask before and while it writes.

``safety`` brings an object of this shape, and ``cli.serve`` passes it in; ``generation`` is the one
place that calls it, whatever the route, streaming or not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from autogpt.core.messages import Message

__all__ = ["OutputFilter", "Rails"]


class OutputFilter(Protocol):
    """Watches over one text while it is written."""

    @property
    def stopped(self) -> bool:
        """Whether the text must end here; then ``finish_reason`` is "content_filter"."""
        ...

    def push(self, text: str) -> str:
        """Add text; return what may be shown of all that was added, and was not shown yet."""
        ...

    def close(self) -> str:
        """Return what may be shown of the rest."""
        ...


class Rails(Protocol):
    """What is allowed in and out. Called in a thread; must be safe for several at once."""

    def check_input(self, messages: Sequence[Message]) -> None:
        """Look at what is asked; a plain prompt is one message of the user.

        Raises:
            RefusedError: If it must not be answered.
        """
        ...

    def output_filter(self) -> OutputFilter:
        """Return what watches over one text."""
        ...
