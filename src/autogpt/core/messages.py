"""What goes into a model and what comes out: messages, chunks, completions, and their accounts.

Plain values without behavior, shared by every package that runs a model or shows what one said.
They know nothing of tensors, files or the network.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypedDict

__all__ = [
    "ChatModel",
    "Chunk",
    "Completion",
    "FinishReason",
    "Message",
    "Prompt",
    "Role",
    "TemplateMessage",
    "Timing",
    "TokenLogprob",
    "Usage",
    "assistant",
    "system",
    "user",
]

Role = Literal["system", "user", "assistant"]
FinishReason = Literal["stop", "length", "content_filter"]


class TemplateMessage(TypedDict):
    """A message as chat templates read it."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: Role
    content: str

    def to_dict(self) -> TemplateMessage:
        """Return the message as chat templates read it."""
        return {"role": self.role, "content": self.content}


Prompt = str | Sequence[Message]
"""Text to continue, or a conversation to answer."""


def system(content: str) -> Message:
    """Return a message that says how the model is to behave."""
    return Message("system", content)


def user(content: str) -> Message:
    """Return a message from the user."""
    return Message("user", content)


def assistant(content: str) -> Message:
    """Return a message from the model."""
    return Message("assistant", content)


@dataclass(frozen=True, kw_only=True, slots=True)
class Usage:
    """How many tokens were read and written.

    Attributes:
        prompt_tokens: Tokens of the prompt that the model read.
        completion_tokens: Tokens generated, an end-of-text or stop string included.
    """

    prompt_tokens: int
    completion_tokens: int

    def to_dict(self) -> dict[str, int]:
        """Return the fields of the command line's ``usage`` object."""
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Timing:
    """How long it took.

    Attributes:
        load_s: Seconds spent loading the model.
        first_token_s: Seconds from the call to the first token.
        tokens_per_s: Tokens per second after the first one, over all rows of the call; 0 when
            nothing followed the first token.
    """

    load_s: float
    first_token_s: float
    tokens_per_s: float

    def to_dict(self) -> dict[str, float]:
        """Return the fields of the command line's ``timing`` object."""
        return {
            "load_s": round(self.load_s, 4),
            "first_token_s": round(self.first_token_s, 4),
            "tokens_per_s": round(self.tokens_per_s, 2),
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class TokenLogprob:
    """One token and how likely the model found it, before temperature and filters.

    Attributes:
        token: The token's text; a byte that is no character by itself shows as U+FFFD.
        token_bytes: The token's exact bytes.
        logprob: Natural logarithm of its probability.
        top: The most likely tokens at this place, best first, without alternatives of their own.
    """

    token: str
    token_bytes: bytes
    logprob: float
    top: tuple[TokenLogprob, ...] = ()

    def to_dict(self) -> dict[str, object]:
        """Return ``token``, ``bytes``, ``logprob`` and, when asked for, ``top_logprobs``."""
        fields: dict[str, object] = {
            "token": self.token,
            "bytes": list(self.token_bytes),
            "logprob": self.logprob,
        }
        if self.top:
            fields["top_logprobs"] = [alternative.to_dict() for alternative in self.top]
        return fields


@dataclass(frozen=True, kw_only=True, slots=True)
class Chunk:
    """A piece of a completion while it is being written.

    Attributes:
        text: Whole characters to append; empty in a last chunk that only closes the completion.
        index: Which completion of the call it belongs to.
        logprobs: The tokens of ``text``; empty unless asked for.
        finish_reason: Why the completion ended, in its last chunk; None before.
        refusal: With "content_filter", what a safety rail says of it, in one sentence.
        usage: In the last chunk of the completion.
        timing: In the last chunk of the completion.
    """

    text: str
    index: int = 0
    logprobs: tuple[TokenLogprob, ...] = ()
    finish_reason: FinishReason | None = None
    usage: Usage | None = None
    timing: Timing | None = None
    refusal: str | None = None

    def to_dict(self) -> dict[str, object]:
        """Return what is known so far as plain values: one line of a JSON stream."""
        fields: dict[str, object] = {"text": self.text, "index": self.index}
        if self.logprobs:
            fields["logprobs"] = [entry.to_dict() for entry in self.logprobs]
        if self.finish_reason is not None:
            fields["finish_reason"] = self.finish_reason
        if self.usage is not None:
            fields["usage"] = self.usage.to_dict()
        if self.timing is not None:
            fields["timing"] = self.timing.to_dict()
        if self.refusal is not None:
            fields["refusal"] = self.refusal
        return fields


@dataclass(frozen=True, kw_only=True, slots=True)
class Completion:
    """What a model wrote.

    Attributes:
        text: The new text, without the prompt.
        finish_reason: "stop" at end of text, a stop string or a loop, "length" at ``max_tokens``,
            "content_filter" where a safety rail ended it.
        usage: Tokens read and written.
        timing: Seconds and speed.
        logprobs: One entry per token of the text; None unless asked for.
        refusal: With "content_filter", what a safety rail says of it, in one sentence.
    """

    text: str
    finish_reason: FinishReason
    usage: Usage
    timing: Timing
    logprobs: tuple[TokenLogprob, ...] | None = None
    refusal: str | None = None

    def to_dict(self) -> dict[str, object]:
        """Return the fields of ``autogpt generate --json``."""
        fields: dict[str, object] = {
            "text": self.text,
            "finish_reason": self.finish_reason,
            "usage": self.usage.to_dict(),
            "timing": self.timing.to_dict(),
        }
        if self.logprobs is not None:
            fields["logprobs"] = [entry.to_dict() for entry in self.logprobs]
        if self.refusal is not None:
            fields["refusal"] = self.refusal
        return fields


class ChatModel(Protocol):
    """Anything that answers: a loaded model, or a stand-in for one in a test."""

    def stream(
        self,
        prompt: Prompt,
        *,
        max_tokens: int = ...,
        temperature: float | None = ...,
        seed: int | None = ...,
        stop: str | Sequence[str] = ...,
    ) -> Iterator[Chunk]:
        """Yield the completion of ``prompt`` as it is written; the last chunk closes it."""
        ...
