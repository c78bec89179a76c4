"""The one way from a checked request to text: rails, a turn, the engine, rails again.

Every route that writes goes through :func:`write`, streaming or not.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, Mapping, MutableMapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import cast

from autogpt.core.errors import UsageError
from autogpt.core.messages import Message
from autogpt.inference.settings import ManySettings, check_settings
from autogpt.safety.streaming import Form
from autogpt.server.admission import Ticket
from autogpt.server.engine_client import EngineClient
from autogpt.server.lines import Written
from autogpt.server.metrics import Metrics
from autogpt.server.rails import OutputFilter, Rails

__all__ = ["Ask", "Piece", "Prompt", "Usage", "write"]

Prompt = str | list[int] | list[Message]

_CONSTRAINTS = ("json_schema", "regex", "choices", "grammar")


@dataclass(frozen=True, kw_only=True, slots=True)
class Ask:
    """What is to be written.

    Attributes:
        model: Its name.
        prompts: What is answered; ``n`` texts each.
        settings: As in ``inference.settings``, plain values.
        cache_key: Prompts share what was read of them only within the same one.
        picture: What a model that sees is to say something about, as a data URL.
    """

    model: str
    prompts: Sequence[Prompt]
    settings: Mapping[str, object]
    cache_key: str = ""
    picture: str | None = None

    @property
    def rows(self) -> int:
        """How many texts."""
        n = self.settings.get("n")
        return len(self.prompts) * (n if isinstance(n, int) else 1)


@dataclass(slots=True)
class Usage:
    """Tokens of a request so far: of each prompt and each text."""

    prompts: dict[int, int] = field(default_factory=dict)
    reused: dict[int, int] = field(default_factory=dict)
    rows: dict[int, int] = field(default_factory=dict)

    def count(self, one: Written, n: int) -> None:
        """Take note of what was written."""
        self.rows[one.row] = one.tokens
        self.prompts[one.row // n] = one.prompt_tokens
        self.reused.setdefault(one.row // n, one.reused)

    @property
    def prompt_tokens(self) -> int:
        """Tokens of the prompts, each counted once."""
        return sum(self.prompts.values())

    @property
    def completion_tokens(self) -> int:
        """Tokens of the texts."""
        return sum(self.rows.values())

    @property
    def cached_tokens(self) -> int:
        """Tokens of the prompts that had been read before."""
        return sum(self.reused.values())

    def to_dict(self) -> dict[str, object]:
        """Return OpenAI's ``usage``."""
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "total_tokens": self.prompt_tokens + self.completion_tokens,
            "prompt_tokens_details": {"cached_tokens": self.cached_tokens},
        }


@dataclass(frozen=True, slots=True)
class Piece:
    """Text to append to one of the texts of a request.

    Attributes:
        row: Which: ``prompt * n + completion``.
        text: May be empty.
        logprobs: As ``lines`` packs them; None if not asked for.
        finish: Why the text ends here: "stop", "length" or "content_filter"; None if it goes on.
    """

    row: int
    text: str
    logprobs: Sequence[Sequence[object]] | None
    finish: str | None


async def write(
    ask: Ask,
    ticket: Ticket,
    engine: EngineClient,
    *,
    usage: Usage,
    metrics: Metrics,
    facts: MutableMapping[str, object],
    rails: Rails | None,
    most_tokens: int,
) -> AsyncGenerator[list[Piece], None]:
    """Yield what is written, as it is; close the iterator to cancel.

    Args:
        ask: What to write.
        ticket: Of the request.
        engine: Writes.
        usage: Is filled in.
        metrics: Are told.
        facts: Of the request, for the log: times and tokens are added.
        rails: What is allowed; None for all.
        most_tokens: Most tokens of a text where the request does not say.

    Raises:
        AutoGPTError: If the request is wrong or refused, or the engine was lost.
    """
    await _check(ask, rails)
    show = _Show(await asyncio.to_thread(_watches, ask, rails), ask.rows)
    await ticket.turn(ask.rows)
    begin, told = time.perf_counter(), 0
    facts["waited_s"] = round(begin - ticket.begin, 4)
    if ask.picture is not None:
        stream = engine.look(ask.model, ask.picture, ended=ticket.leave)
    else:
        stream = engine.write(
            ask.model,
            [_plain(prompt) for prompt in ask.prompts],
            ask.settings,
            most_tokens=most_tokens,
            tenant=f"{ticket.key}\0{ask.cache_key}",
            ended=ticket.leave,
        )
    try:
        async with aclosing(stream):
            async for batch in stream:
                if not told:
                    first_s = time.perf_counter() - ticket.begin
                    metrics.first_token.observe(first_s)
                    facts["first_token_s"] = round(first_s, 4)
                for one in batch:
                    usage.count(one, ask.rows // len(ask.prompts))
                metrics.completion_tokens.inc(usage.completion_tokens - told)
                told = usage.completion_tokens
                pieces = await show.pieces(batch)
                if show.is_over:
                    await stream.aclose()
                if pieces:
                    yield pieces
    finally:
        metrics.prompt_tokens.inc(usage.prompt_tokens)
        metrics.cached_tokens.inc(usage.cached_tokens)
        metrics.writing.observe(time.perf_counter() - begin)
        facts["prompt_tokens"] = usage.prompt_tokens
        facts["completion_tokens"] = usage.completion_tokens


async def _check(ask: Ask, rails: Rails | None) -> None:
    """Look at what is asked, away from the loop: a schema may take its time, and so may rails.

    Raises:
        AutoGPTError: If a setting is wrong, or the request is refused.
    """
    if any(name in ask.settings for name in _CONSTRAINTS):
        await asyncio.to_thread(check_settings, cast("ManySettings", dict(ask.settings)))
    if rails is not None:
        for prompt in ask.prompts:
            await asyncio.to_thread(rails.check_input, _as_messages(prompt))


def _watches(ask: Ask, rails: Rails | None) -> list[_Watch]:
    """Return what watches over each text; none where all is allowed."""
    if rails is None:
        return []
    form: Form = "text"
    if any(name in ask.settings for name in _CONSTRAINTS):
        form = "json" if "json_schema" in ask.settings else "fixed"
    prompts = [_as_messages(prompt) for prompt in ask.prompts]
    count = ask.rows // len(prompts)
    return [
        _Watch(rails.output_filter(messages, form)) for messages in prompts for _ in range(count)
    ]


class _Show:
    """What of a request's texts is shown."""

    def __init__(self, watches: Sequence[_Watch], rows: int) -> None:
        self._watches = watches
        self._left = set(range(rows))

    @property
    def is_over(self) -> bool:
        """Whether all texts have ended."""
        return not self._left

    async def pieces(self, batch: Sequence[Written]) -> list[Piece]:
        """Return what is shown of what was written; what is to be looked at, away from the loop."""
        if all(map(self._is_quick, batch)):
            return self._pieces(batch)
        return await asyncio.to_thread(self._pieces, batch)

    def _is_quick(self, one: Written) -> bool:
        if not self._watches:
            return True
        return one.finish is None and self._watches[one.row].holds(one.text)

    def _pieces(self, batch: Sequence[Written]) -> list[Piece]:
        pieces = []
        for one in batch:
            if one.row not in self._left:  # a filter ended it
                continue
            piece = Piece(one.row, one.text, one.logprobs, one.finish)
            if self._watches:
                piece = self._watches[one.row].shown(piece)
            if piece.finish is not None:
                self._left.discard(piece.row)
            if piece.text or piece.finish or piece.logprobs:
                pieces.append(piece)
        return pieces


class _Watch:
    """One text behind its filter, which lets it out later than it was written, or otherwise."""

    def __init__(self, watch: OutputFilter) -> None:
        self._watch = watch
        self._behind = ""  # written and not shown yet
        self._held: deque[tuple[int, Sequence[Sequence[object]]]] = deque()
        self._is_altered = False

    def holds(self, text: str) -> bool:
        """Whether this text would only be kept."""
        return self._watch.holds(text)

    def shown(self, piece: Piece) -> Piece:
        """Return what may be shown; logprobs come with their text, of an altered one none do."""
        watch = self._watch
        text = watch.push(piece.text)
        if piece.finish is not None and not watch.stopped:
            text += watch.close()
        if watch.stopped:
            return Piece(piece.row, text, None, "content_filter")
        return Piece(piece.row, text, self._logprobs(piece, text), piece.finish)

    def _logprobs(self, piece: Piece, text: str) -> Sequence[Sequence[object]] | None:
        """Return those of the tokens that ``text`` lets out; each waits for the end of its own."""
        if piece.logprobs is None or self._is_altered:
            return None
        self._behind += piece.text
        self._held.append((len(self._behind), piece.logprobs))
        if not self._behind.startswith(text):
            self._is_altered = True
            return None
        self._behind = self._behind[len(text) :]
        self._held = deque((end - len(text), entries) for end, entries in self._held)
        let_out: list[Sequence[object]] = []
        while self._held and self._held[0][0] <= 0:
            let_out += self._held.popleft()[1]
        return let_out


def _plain(prompt: Prompt) -> object:
    if isinstance(prompt, str):
        return prompt
    return [one.to_dict() if isinstance(one, Message) else one for one in prompt]


def _as_messages(prompt: Prompt) -> list[Message]:
    if isinstance(prompt, str):
        return [Message("user", prompt)]
    messages = [one for one in prompt if isinstance(one, Message)]
    if len(messages) < len(prompt):
        raise UsageError(
            "A prompt of token ids cannot be looked at by the safety rails.", hint="Send text."
        )
    return messages
