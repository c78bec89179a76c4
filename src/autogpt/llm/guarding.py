"""The rails around a model: prompts on their way in, each completion on its way out.

Everything that writes in this process goes through here, so that a stream and a whole text pass the
same rails; the server, which has its engine in another process, has ``server.rails``. The rails
themselves know neither messages nor chunks: ``safety``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from autogpt.core.messages import (
    Chunk,
    FinishReason,
    Message,
    Prompt,
    Role,
    Timing,
    TokenLogprob,
    Usage,
)
from autogpt.safety.policy import Direction
from autogpt.safety.rails import Admission, Rails
from autogpt.safety.streaming import OutputRail

__all__ = ["GuardedRow", "admit_prompt", "refused_chunk"]

_DIRECTIONS: dict[Role, Direction] = {"system": "context", "assistant": "context"}


def admit_prompt(
    rails: Rails, prompt: Prompt, *, route: str | None = None, untrusted: bool = False
) -> tuple[Prompt, Admission]:
    """Return the prompt as the model may read it, and what the rails say of it.

    Args:
        rails: What is looked for.
        prompt: Text to continue, or messages. What a user says is read in full; a system message
            and earlier answers are masked; any other role counts as untrusted.
        route: The task or route, for rules of its own.
        untrusted: Whether the user's part, too, is a document that nobody wrote for the model.
    """
    own: Direction = "untrusted" if untrusted else "input"
    if isinstance(prompt, str):
        admission = rails.admit([prompt], directions=[own], route=route)
        return (admission.texts or ("",))[0], admission
    messages: Sequence[Message] = prompt
    admission = rails.admit(
        [message.content for message in messages],
        directions=[
            own if message.role == "user" else _DIRECTIONS.get(message.role, "untrusted")
            for message in messages
        ],
        route=route,
    )
    if admission.is_refused:
        return (), admission
    shown = zip(messages, admission.texts, strict=True)
    return [replace(message, content=text) for message, text in shown], admission


def refused_chunk(admission: Admission, index: int) -> Chunk:
    """Return the whole completion of a prompt that the model does not get to see.

    Help in place of an answer is its text; a refusal leaves the text empty.
    """
    helps = admission.verdict.action == "safe-complete"
    return Chunk(
        text=admission.answer if helps else "",
        index=index,
        finish_reason="content_filter",
        usage=Usage(prompt_tokens=0, completion_tokens=0),
        timing=Timing(load_s=0.0, first_token_s=0.0, tokens_per_s=0.0),
        refusal=None if helps else admission.answer,
    )


@dataclass(slots=True)
class GuardedRow:
    """One completion behind its rail.

    Attributes:
        rail: Reads it; None lets everything through.
        is_over: Whether it has ended or was stopped, so that nothing of it passes any more.
    """

    rail: OutputRail | None
    is_over: bool = False

    def push(
        self,
        text: str,
        logprobs: tuple[TokenLogprob, ...],
        finish: FinishReason | None,
    ) -> tuple[str, tuple[TokenLogprob, ...], FinishReason | None]:
        """Return what may be shown of a step, and whether the completion ends with it."""
        self.is_over = finish is not None
        if self.rail is None:
            return text, logprobs, finish
        passed = self.rail.push(text, logprobs)
        shown, entries, blocked = passed.text, passed.logprobs, passed.blocked
        if finish is not None and not blocked:
            rest = self.rail.close()
            shown, entries, blocked = shown + rest.text, entries + rest.logprobs, rest.blocked
        if blocked:
            self.is_over = True
            return shown, entries, "content_filter"
        return shown, entries, finish

    @property
    def refusal(self) -> str | None:
        """What is said of a completion that was stopped."""
        return None if self.rail is None or self.rail.verdict is None else self.rail.answer
