"""Prompts with continuations as rows to be read, and what is added up of them.

What ``likelihood`` reads with a model in torch or through a backend is laid out here once: all
continuations of a prompt beside each other in its row, each token that is scored with whose it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from autogpt.core.errors import UsageError
from autogpt.tasks.base import Likelihood
from autogpt.tokenizer.bpe import Tokenizer

__all__ = ["LOGITS_AT_ONCE", "Question", "Row", "Tally", "pose", "rows_of", "shared_length"]

LOGITS_AT_ONCE = 512
"""Rows of the vocabulary: 100 MB where it has 50,000 tokens."""

_LEAST_SHARED = 8  # tokens; to read fewer once is not worth a pass of its own


@dataclass(frozen=True, slots=True)
class Question:
    """A prompt and continuations, as token ids; none is empty."""

    prompt: Sequence[int]
    continuations: Sequence[Sequence[int]]

    def __post_init__(self) -> None:
        """Check that there is something to score.

        Raises:
            UsageError: If the prompt or a continuation has no token.
        """
        if not len(self.prompt) or not all(len(ids) for ids in self.continuations):
            raise UsageError("A prompt or a continuation is empty, so there is nothing to score.")


def pose(
    tokenizer: Tokenizer,
    before: Sequence[int],
    prompt: str,
    continuations: Sequence[str],
) -> Question:
    """Return a prompt of text and what may follow it as token ids.

    Spaces at the end of the prompt go to the continuations, because tokens begin with spaces; a
    continuation's tokens are those that the whole text has beyond the prompt's own.

    Args:
        tokenizer: The model's.
        before: Tokens before every text, or what an empty prompt begins with.
        prompt: Text.
        continuations: Texts, none of them empty.

    Raises:
        UsageError: If a continuation is empty.
    """
    kept = prompt.rstrip()
    moved = prompt[len(kept) :]
    if not kept:
        kept, moved = "", prompt
    texts = [moved + text for text in continuations]
    if not all(continuations):
        raise UsageError("A continuation is empty, so there is nothing to score.")
    own, *whole = tokenizer.encode_batch([kept, *(kept + text for text in texts)])
    rest = [
        ids[len(own) :].tolist() or tokenizer.encode(text)
        for ids, text in zip(whole, texts, strict=True)
    ]
    return Question([*before, *own.tolist()], rest)


@dataclass(slots=True)
class Row:
    """A prompt with some of its continuations.

    Attributes:
        token_ids: All tokens to read, without a beginning that was read before.
        positions: Their places in the text.
        branches: 0 in the prompt, else the number of the continuation.
        asked: For each token that is scored: where the row says what follows, the token, and whose
            it is, as (question, continuation).
    """

    token_ids: list[int]
    positions: list[int]
    branches: list[int]
    asked: list[tuple[int, int, tuple[int, int]]] = field(default_factory=list)

    @classmethod
    def of(cls, prompt: Sequence[int], *, shared: int) -> Row:
        """Return a prompt alone, without a beginning that was read before."""
        rest = list(prompt[shared:])
        return cls(rest, list(range(shared, len(prompt))), [0] * len(rest))

    def add(self, continuation: Sequence[int], whose: tuple[int, int]) -> None:
        """Lay a continuation beside those there are."""
        last = self.branches.count(0) - 1  # the prompt's last token
        number = self.branches[-1] + 1
        first = self.positions[last] + 1
        place = len(self.token_ids)
        self.asked.append((last, int(continuation[0]), whose))
        for offset, token_id in enumerate(continuation[1:]):
            self.asked.append((place + offset, int(token_id), whose))
        count = len(continuation) - 1
        self.token_ids += [int(token_id) for token_id in continuation[:-1]]
        self.positions += range(first, first + count)
        self.branches += [number] * count


def shared_length(questions: Sequence[Question], context: int) -> int:
    """Return the length of the beginning that all prompts share, or 0 if it is not worth it."""
    if len(questions) < 2:
        return 0
    longest = max(len(q.prompt) + max(map(len, q.continuations), default=0) for q in questions)
    if longest > context:
        return 0
    prompts = [list(question.prompt) for question in questions]
    low, high = min(prompts), max(prompts)  # in the order of words: what they share, all share
    pairs = enumerate(zip(low, high, strict=False))
    same = next((i for i, (one, other) in pairs if one != other), len(low))
    # The last token of each prompt is read in its row: it says what follows.
    same = min([same, *(len(prompt) - 1 for prompt in prompts)])
    return same if same >= _LEAST_SHARED else 0


def rows_of(
    questions: Sequence[Question], *, context: int, widest: int, shared: int
) -> Iterator[Row]:
    """Yield the prompts with their continuations, as many in a row as it holds.

    Args:
        questions: What is asked.
        context: Tokens that the model may see.
        widest: Tokens that a row with several continuations may have; within them a token's place
            in the row says as much as its position.
        shared: Tokens of each prompt that were read before.
    """
    for number, question in enumerate(questions):
        row: Row | None = None
        for index, continuation in enumerate(question.continuations):
            whose, count = (number, index), len(continuation) - 1
            if len(continuation) > context:
                raise UsageError(
                    f"A continuation has {len(continuation)} tokens, more than the {context} that "
                    "this model can see."
                )
            cut = len(question.prompt) + count - context
            if cut > 0:
                alone = Row.of(question.prompt[cut:], shared=0)
                alone.add(continuation, whose)
                yield alone
                continue
            if row is not None and count and shared + len(row.token_ids) + count > widest:
                yield row
                row = None
            if row is None:
                row = Row.of(question.prompt, shared=shared)
            row.add(continuation, whose)
        if row is not None:
            yield row


class Tally:
    """Adds up what is asked for, as the passes come."""

    def __init__(self, questions: Sequence[Question], context: int) -> None:
        self._context = context
        self._sums = [[0.0] * len(question.continuations) for question in questions]
        self._greedy = [[True] * len(question.continuations) for question in questions]
        self._tokens = [[len(ids) for ids in question.continuations] for question in questions]
        self._prompts = [len(question.prompt) for question in questions]

    def add(
        self,
        hidden: Float[Tensor, "B T D"],
        rows: Sequence[Row],
        head: Callable[[Tensor], Tensor],
    ) -> None:
        """Score the tokens that rows ask for; places that several ask for are scored once."""
        places = sorted(
            {(number, place) for number, row in enumerate(rows) for place, _, _ in row.asked}
        )
        for begin in range(0, len(places), LOGITS_AT_ONCE):
            some = places[begin : begin + LOGITS_AT_ONCE]
            index = torch.tensor(some, device=hidden.device)
            logits = head(hidden[index[:, 0], index[:, 1]])  # [N, V]
            order = {place: number for number, place in enumerate(some)}
            asked = [
                (order[number, place], token_id, whose)
                for number, row in enumerate(rows)
                for place, token_id, whose in row.asked
                if (number, place) in order
            ]
            self.add_scores(logits, asked)

    def add_scores(
        self, logits: Float[Tensor, "N V"], asked: Sequence[tuple[int, int, tuple[int, int]]]
    ) -> None:
        """Add tokens, each as (row of the scores, token, whose it is)."""
        logits = logits.float()
        total = logits.logsumexp(-1)  # [N]
        best = logits.argmax(-1)  # [N]
        which = torch.tensor([row for row, _, _ in asked], device=logits.device)
        tokens = torch.tensor([token_id for _, token_id, _ in asked], device=logits.device)
        found: list[float] = (logits[which, tokens] - total[which]).tolist()
        hits: list[bool] = (best[which] == tokens).tolist()
        for logprob, hit, (_, _, (question, continuation)) in zip(found, hits, asked, strict=True):
            self._sums[question][continuation] += logprob
            self._greedy[question][continuation] &= hit

    def likelihoods(self) -> list[list[Likelihood]]:
        """Return what was added up."""
        return [
            [
                Likelihood(
                    logprob=logprob,
                    tokens=count,
                    greedy=greedy,
                    prompt_tokens=min(asked, self._context - count + 1),
                )
                for logprob, count, greedy in zip(*columns, strict=True)
            ]
            for asked, *columns in zip(
                self._prompts, self._sums, self._tokens, self._greedy, strict=True
            )
        ]
