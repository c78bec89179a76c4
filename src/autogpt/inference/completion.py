"""One completion on its way, and what is told of it after each step.

A completion is a row of the scheduler with what turns its tokens into text. Here is decided when
it ends: at a token that ends texts, at a stop string, where it loops, or at ``max_tokens``.
Not here: when it is its turn (``scheduler``), which token comes next (``sampling``).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass, field
from typing import Self

from autogpt.core.messages import FinishReason, TokenLogprob
from autogpt.inference.sampling import Choice, RowSampler
from autogpt.inference.scheduler import Row
from autogpt.inference.stopping import TextStream
from autogpt.tokenizer.bpe import Tokenizer

__all__ = ["Completion", "StepOutput", "end_ids"]

_NO_LOGPROBS: tuple[TokenLogprob, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class StepOutput:
    """What one step did to one row.

    Attributes:
        request: The request, as ``Engine.add_request`` returned it.
        row: Which completion of the request; from ``generate``, ``prompt * n + completion``.
        token_id: The token that was chosen; None if the row failed.
        text: Whole characters that became safe to show; may be empty.
        logprobs: The tokens of ``text``, if asked for.
        finish_reason: Set in the last output of a row that did not fail.
        error: Set in the last output of a row that failed.
        reused: Tokens of the prompt that an earlier prompt had been read with already.
    """

    request: int = 0
    row: int
    token_id: int | None
    text: str = ""
    logprobs: tuple[TokenLogprob, ...] = ()
    finish_reason: FinishReason | None = None
    error: Exception | None = None
    reused: int = 0

    @property
    def is_last(self) -> bool:
        """Whether nothing of this row follows."""
        return self.finish_reason is not None or self.error is not None

    def renumbered(self, request: int, row: int) -> StepOutput:
        """Return the output under other numbers."""
        return StepOutput(
            request=request,
            row=row,
            token_id=self.token_id,
            text=self.text,
            logprobs=self.logprobs,
            finish_reason=self.finish_reason,
            error=self.error,
            reused=self.reused,
        )


@dataclass(kw_only=True, slots=True, eq=False)
class Completion(Row):
    """A row that becomes text.

    Attributes:
        request: The request it belongs to.
        index: Which of the request's completions it is.
        prompt_length: Tokens of the prompt.
        sampler: Chooses its tokens.
        text: Turns them into text.
        twins: Completions of the same prompt that wait until it is read.
        is_over: Whether it has ended.
    """

    request: int
    index: int
    prompt_length: int
    sampler: RowSampler
    text: TextStream
    twins: list[Completion] = field(default_factory=list)
    is_over: bool = False

    @classmethod
    def of_prompt(
        cls,
        prompt_ids: Sequence[int],
        sampler: RowSampler,
        tokenizer: Tokenizer,
        *,
        request: int,
        index: int,
        salt: bytes,
    ) -> Self:
        """Return a completion of which nothing is written yet."""
        return cls(
            token_ids=list(prompt_ids),
            most=len(prompt_ids) + sampler.params.max_tokens,
            salt=salt,
            request=request,
            index=index,
            prompt_length=len(prompt_ids),
            sampler=sampler,
            text=TextStream(tokenizer, sampler.params.stop, unless=sampler.params.stop_unless),
        )

    @property
    def tokens_left(self) -> int:
        """Tokens that may still be written."""
        return self.sampler.params.max_tokens - (len(self.token_ids) - self.prompt_length)

    def push(self, choice: Choice, tokenizer: Tokenizer, ends: Set[int]) -> StepOutput:
        """Add a token, and see whether the text ends.

        Args:
            choice: The token.
            tokenizer: Knows its text.
            ends: Tokens that end a text.
        """
        self.token_ids.append(choice.token_id)
        self.sampler.push(choice.token_id)
        finish: FinishReason | None = None
        text, logprobs = "", _NO_LOGPROBS
        if choice.token_id in ends:
            finish = "stop"
        else:
            released = self.text.push(choice.token_id, choice.account(tokenizer))
            text, logprobs = released.text, released.logprobs
            if released.stopped or self.sampler.looping:
                finish = "stop"
            elif self.tokens_left == 0:
                finish = "length"
        if finish is not None:
            rest = self.text.close()
            text, logprobs = text + rest.text, logprobs + rest.logprobs
        return StepOutput(
            request=self.request,
            row=self.index,
            token_id=choice.token_id,
            text=text,
            logprobs=logprobs,
            finish_reason=finish,
            reused=self.reused or 0,
        )


def end_ids(tokenizer: Tokenizer, *declared: int | Iterable[int] | None) -> frozenset[int]:
    """Return the tokens that end a text: those declared, and those of the tokenizer.

    The tokenizer's are the end of a message, the separator of documents, and the beginning of a
    message: a model that begins another one is done with its own.

    Args:
        tokenizer: Names its special tokens.
        declared: ``eos_token_id`` of the model's files: one id, several, or None.
    """
    ids = {tokenizer.eos_id, tokenizer.pad_id}
    if tokenizer.im_start_id is not None:
        ids.add(tokenizer.im_start_id)
    for value in declared:
        ids.update([value] if isinstance(value, int) else value or ())
    return frozenset(ids)
