"""The safety rails around what a server writes: ``generation`` is the one place that calls them.

:class:`PolicyRails` are the rails of a policy (``safety``), without torch. What is asked is looked
at and not masked; what is written passes the whole output rail, so text comes by the sentence.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from autogpt.core.errors import RefusedError
from autogpt.core.messages import Message
from autogpt.safety.policy import Direction
from autogpt.safety.rails import Rails as SafetyRails
from autogpt.safety.streaming import Form, OutputRail

__all__ = ["OutputFilter", "PolicyRails", "Rails"]

_ROUTE = "server"


class OutputFilter(Protocol):
    """Watches over one text while it is written."""

    @property
    def stopped(self) -> bool:
        """Whether the text must end here; then ``finish_reason`` is "content_filter"."""
        ...

    def holds(self, text: str) -> bool:
        """Whether this text, once added, is only kept: then ``push`` takes next to no time."""
        ...

    def push(self, text: str) -> str:
        """Add text; return what may be shown of all that was added, and was not shown yet."""
        ...

    def close(self) -> str:
        """Return what may be shown of the rest."""
        ...


class Rails(Protocol):
    """What is allowed in and out. Called in threads, several at once."""

    def check_input(self, messages: Sequence[Message]) -> None:
        """Look at what is asked; a plain prompt is one message of the user.

        Raises:
            RefusedError: If it must not be answered.
        """
        ...

    def output_filter(self, messages: Sequence[Message], form: Form) -> OutputFilter:
        """Return what watches over one text that answers these messages."""
        ...


class PolicyRails:
    """The rails of a policy.

    Args:
        rails: What is looked for.
    """

    def __init__(self, rails: SafetyRails) -> None:
        self._rails = rails

    def check_input(self, messages: Sequence[Message]) -> None:
        """See :class:`Rails`; what is said in place of an answer is the error's message."""
        whose: list[Direction] = [
            "input" if message.role == "user" else "context" for message in messages
        ]
        texts = [message.content for message in messages]
        admission = self._rails.admit(texts, directions=whose, route=_ROUTE)
        admission.raise_if_refused()
        if admission.is_refused:
            raise RefusedError(admission.answer)

    def output_filter(self, messages: Sequence[Message], form: Form) -> OutputFilter:
        """See :class:`Rails`; what the user has written himself is not masked."""
        given = {
            message.content[span.start : span.end]
            for message in messages
            if message.role == "user"
            for span in self._rails.marks(message.content, route=_ROUTE)
            if span.family in ("secrets", "personal")
        }
        return _PolicyFilter(self._rails.output(route=_ROUTE, form=form, given=given))


class _PolicyFilter:
    """The rail of one text."""

    def __init__(self, rail: OutputRail) -> None:
        self._rail = rail

    @property
    def stopped(self) -> bool:
        return self._rail.verdict is not None

    def holds(self, text: str) -> bool:
        return self._rail.holds(text)

    def push(self, text: str) -> str:
        return self._rail.push(text).text

    def close(self) -> str:
        return self._rail.close().text
