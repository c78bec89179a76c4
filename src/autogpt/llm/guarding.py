"""The rails around a model: prompts on their way in, each completion on its way out.

Everything that writes in this process goes through here, so that a stream and a whole text pass the
same rails; the server, which has its engine in another process, has ``server.rails``. The rails
themselves know neither messages nor chunks: ``safety``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

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
from autogpt.safety.streaming import Form, OutputRail

__all__ = ["Admitted", "GuardedRow", "admit_prompt", "admit_prompts", "refused_chunk"]

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


@dataclass(slots=True)
class Admitted:
    """Several prompts behind the rails.

    Attributes:
        prompts: Those that the model may read, as it may read them.
        rows: Of each completion of those: its index among the completions of all, and its rail.
        refused: The whole completions of the others.
    """

    prompts: list[Prompt] = field(default_factory=list)
    rows: list[tuple[int, GuardedRow]] = field(default_factory=list)
    refused: list[Chunk] = field(default_factory=list)


def admit_prompts(
    rails: Rails | None,
    prompts: Sequence[Prompt],
    *,
    n: int = 1,
    route: str | None = None,
    untrusted: bool = False,
    form: Form = "text",
) -> Admitted:
    """Return which prompts the model may read, the rows they give, and refusals.

    Args:
        rails: What is looked for; None lets everything pass.
        prompts: Texts, or conversations.
        n: Completions of each.
        route: As in :func:`admit_prompt`.
        untrusted: As in :func:`admit_prompt`.
        form: What is written, as the rails of the way out need to know.

    Raises:
        RefusedError: If there is one prompt, and it is refused.
    """
    if rails is None or not rails.policy.enabled:
        return Admitted(
            list(prompts), [(index, GuardedRow(None)) for index in range(len(prompts) * n)]
        )
    found = Admitted()
    for place, prompt in enumerate(prompts):
        shown, admission = admit_prompt(rails, prompt, route=route, untrusted=untrusted)
        if len(prompts) == 1:
            admission.raise_if_refused()
        indices = range(place * n, (place + 1) * n)
        if admission.is_refused:
            found.refused += [refused_chunk(admission, index) for index in indices]
            continue
        found.prompts.append(shown)
        found.rows += [
            (index, GuardedRow(rails.output(admission.vault, route=route, form=form)))
            for index in indices
        ]
    return found
