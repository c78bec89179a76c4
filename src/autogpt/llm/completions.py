"""From the tokens of an engine to the chunks that are shown, and from chunks to whole completions.

Not here: what writes the tokens (``inference.engine``), what the rails are (``llm.guarding``).
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from autogpt.core.messages import Chunk, Completion, FinishReason, Timing, TokenLogprob, Usage
from autogpt.inference.completion import StepOutput
from autogpt.llm.guarding import GuardedRow

__all__ = ["as_chunks", "whole_completions"]


def as_chunks(
    steps: Iterator[StepOutput],
    rows: Sequence[tuple[int, GuardedRow]],
    *,
    prompt_tokens: Sequence[int],
    begin: float,
    load_s: float,
) -> Iterator[Chunk]:
    """Yield what may be shown of each step; writing stops where nothing more would be shown.

    Args:
        steps: What the engine writes.
        rows: Of each row of the engine, the index of its completion and its rail.
        prompt_tokens: How many tokens the prompt of each row has.
        begin: When the prompts came in, by ``time.perf_counter``.
        load_s: Seconds that loading the model took.
    """
    written = [0] * len(prompt_tokens)
    first: float | None = None
    total = 0
    for step in steps:
        index, row = rows[step.row]
        if row.is_over:  # the others are still being written
            continue
        now = time.perf_counter()
        first = first or now
        total += 1
        written[step.row] += 1
        text, logprobs, finish = row.push(step.text, step.logprobs, step.finish_reason)
        if finish is None:
            if text or logprobs:
                yield Chunk(text=text, index=index, logprobs=logprobs)
            continue
        yield Chunk(
            text=text,
            index=index,
            logprobs=logprobs,
            finish_reason=finish,
            usage=Usage(prompt_tokens=prompt_tokens[step.row], completion_tokens=written[step.row]),
            timing=Timing(
                load_s=load_s,
                first_token_s=first - begin,
                tokens_per_s=(total - 1) / (now - first) if now > first else 0.0,
            ),
            refusal=row.refusal,
        )
        if all(each.is_over for _, each in rows):
            break  # nothing that is still written would be shown
    if isinstance(steps, Generator):
        steps.close()


def whole_completions(
    chunks: Iterable[Chunk], count: int, *, logprobs: int | None
) -> list[Completion]:
    """Return the ``count`` completions whose chunks come mixed, in the order of their indices.

    Args:
        chunks: All of them.
        count: How many completions.
        logprobs: As in ``SamplingParams``; None: completions have none.
    """
    drafts = [_Draft() for _ in range(count)]
    for chunk in chunks:
        drafts[chunk.index].add(chunk)
    return [draft.finished(logprobs=logprobs) for draft in drafts]


@dataclass(slots=True)
class _Draft:
    """A completion whose chunks are being collected."""

    pieces: list[str] = field(default_factory=list)
    entries: list[TokenLogprob] = field(default_factory=list)
    last: Chunk | None = None

    def add(self, chunk: Chunk) -> None:
        self.pieces.append(chunk.text)
        self.entries.extend(chunk.logprobs)
        self.last = chunk

    def finished(self, *, logprobs: int | None) -> Completion:
        last = self.last
        if last is None or last.finish_reason is None or last.usage is None or last.timing is None:
            raise RuntimeError("the engine ended without finishing every row")
        finish_reason: FinishReason = last.finish_reason
        return Completion(
            text="".join(self.pieces),
            finish_reason=finish_reason,
            usage=last.usage,
            timing=last.timing,
            logprobs=None if logprobs is None else tuple(self.entries),
            refusal=last.refusal,
        )
