"""How likely a model finds continuations of prompts: each prompt is read once for all of them.

::

    questions = [pose(tokenizer, prompt_ids, "Is it late? It is", [" late", " early"])]
    score(model, head, questions)              # [[Likelihood, Likelihood]]

The numbers are those of reading each prompt with each continuation by itself, within rounding. What
makes it fast: prompts of like length share a pass, a beginning that all share is read once, the
continuations of a prompt lie side by side in its row (``nn.branches``), their last tokens are not
read at all, and only what is asked for is scored, not every token.

:func:`score` runs a model in torch, :func:`score_quantized` any ``Backend``. Not here: what a
likelihood is used for (``tasks.classify``, ``evaluation``).

How a prompt and a continuation are cut into tokens, and what is left out where both are longer than
the context, follows lm-evaluation-harness (EleutherAI, v0.4, ``TemplateLM._encode_pair`` and
``HFLM._loglikelihood_tokens``), so that scores can be compared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int
from torch import Tensor

from autogpt.core.errors import UsageError
from autogpt.inference.backends import BLOCK, Backend, make_batch
from autogpt.models.gpt import GPT
from autogpt.nn.branches import Branches, Trunk
from autogpt.tasks.base import Likelihood
from autogpt.tokenizer.bpe import Tokenizer

__all__ = ["Question", "pose", "score", "score_quantized"]

_TOKENS_AT_ONCE = 2048  # of a pass: enough to fill the cores, little memory
_LOGITS_AT_ONCE = 512  # rows of the vocabulary, 100 MB where it has 50,000 tokens
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
class _Row:
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
    def of(cls, prompt: Sequence[int], *, shared: int) -> _Row:
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


@torch.inference_mode()
def score(
    model: GPT,
    head: Callable[[Tensor], Tensor],
    questions: Sequence[Question],
    *,
    tokens_at_once: int = _TOKENS_AT_ONCE,
) -> list[list[Likelihood]]:
    """Return how likely each continuation of each prompt is.

    Args:
        model: The model, packed or not.
        head: Scores the vocabulary for ``[N, D]``, as ``model.logits``.
        questions: What is asked; of a prompt that is too long with its continuation, the beginning
            is left out.
        tokens_at_once: Of one pass, padding included; memory grows with it.

    Raises:
        UsageError: If a continuation alone is longer than the model's context.
    """
    context = model.config.max_position_embeddings
    windows = [window for window in model.windows if window is not None]
    widest = min([context, *windows])
    shared = _shared_length(questions, context)
    device = model.embedding.weight.device
    trunk = _read_trunk(model, questions[0].prompt[:shared], device) if shared else None
    rows = list(_rows(questions, context=context, widest=widest, shared=shared))
    tally = _Tally(questions, context)
    for batch in _batches(rows, tokens_at_once, most=widest - shared):
        hidden = _read(model, batch, trunk, device)  # [B, T, D]
        tally.add(hidden, batch, head)
    return tally.likelihoods()


def _shared_length(questions: Sequence[Question], context: int) -> int:
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


def _rows(
    questions: Sequence[Question], *, context: int, widest: int, shared: int
) -> Iterator[_Row]:
    """Yield the prompts with their continuations, as many in a row as it holds.

    Args:
        questions: What is asked.
        context: Tokens that the model may see.
        widest: Tokens that a row with several continuations may have; within them a token's place
            in the row says as much as its position.
        shared: Tokens of each prompt that were read before.
    """
    for number, question in enumerate(questions):
        row: _Row | None = None
        for index, continuation in enumerate(question.continuations):
            whose, count = (number, index), len(continuation) - 1
            if len(continuation) > context:
                raise UsageError(
                    f"A continuation has {len(continuation)} tokens, more than the {context} that "
                    "this model can see."
                )
            cut = len(question.prompt) + count - context
            if cut > 0:
                alone = _Row.of(question.prompt[cut:], shared=0)
                alone.add(continuation, whose)
                yield alone
                continue
            if row is not None and count and shared + len(row.token_ids) + count > widest:
                yield row
                row = None
            if row is None:
                row = _Row.of(question.prompt, shared=shared)
            row.add(continuation, whose)
        if row is not None:
            yield row


def _batches(rows: Sequence[_Row], tokens_at_once: int, *, most: int) -> Iterator[list[_Row]]:
    """Yield rows of like length together, the longest first, so that memory is known early.

    Rows of more than ``most`` tokens need a window's mask, which those with branches must not get.
    """
    batch: list[_Row] = []
    for row in sorted(rows, key=lambda row: -len(row.token_ids)):
        longest = len(batch[0].token_ids) if batch else 0
        full = (len(batch) + 1) * longest > tokens_at_once
        if batch and (full or longest > most >= len(row.token_ids)):
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch


def _read_trunk(model: GPT, token_ids: Sequence[int], device: torch.device) -> Trunk:
    ids = torch.tensor([list(token_ids)], device=device)
    cache = Branches(torch.arange(ids.shape[1], device=device)[None], keep=True)
    model(ids, cache=cache)
    return cache.trunk()


def _read(
    model: GPT, rows: Sequence[_Row], trunk: Trunk | None, device: torch.device
) -> Float[Tensor, "B T D"]:
    """Let rows go through the model; padding follows them, so that nothing sees it."""
    longest = len(rows[0].token_ids)
    ids = _padded([row.token_ids for row in rows], longest, device)
    positions = _padded([row.positions for row in rows], longest, device)
    branching = any(row.branches[-1] > 1 for row in rows)
    branches = _padded([row.branches for row in rows], longest, device) if branching else None
    cache = Branches(positions, branches=branches, trunk=trunk)
    hidden: Tensor = model(ids, cache=cache)
    return hidden


def _padded(
    rows: Sequence[Sequence[int]], longest: int, device: torch.device
) -> Int[Tensor, "B T"]:
    return torch.tensor([[*row, *[row[-1]] * (longest - len(row))] for row in rows], device=device)


class _Tally:
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
        rows: Sequence[_Row],
        head: Callable[[Tensor], Tensor],
    ) -> None:
        """Score the tokens that rows ask for; places that several ask for are scored once."""
        places = sorted(
            {(number, place) for number, row in enumerate(rows) for place, _, _ in row.asked}
        )
        for begin in range(0, len(places), _LOGITS_AT_ONCE):
            some = places[begin : begin + _LOGITS_AT_ONCE]
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


# -- through a backend -----------------------------------------------------------------------------


def score_quantized(
    backend: Backend,
    questions: Sequence[Question],
    *,
    context: int,
    tokens_at_once: int = _LOGITS_AT_ONCE,
) -> list[list[Likelihood]]:
    """Return how likely each continuation of each prompt is, by whatever runs the model.

    Whole blocks of keys and values of a prompt are shared by its continuations; the rest of the
    prompt, up to a block, is read again with each.

    Args:
        backend: Runs the model.
        questions: As for :func:`score`.
        context: Tokens that the model may see.
        tokens_at_once: That are scored in one step.

    Raises:
        UsageError: If a continuation alone is longer than the context.
    """
    tally = _Tally(questions, context)
    shared = _shared_length(questions, context) // BLOCK * BLOCK
    rows = list(_rows(questions, context=context, widest=0, shared=0))
    groups: dict[tuple[int, ...], list[_Row]] = {}
    for row in rows:
        first = row.asked[0][0] // BLOCK * BLOCK
        groups.setdefault(tuple(row.token_ids[:first]), []).append(row)
    for some in _grouped(groups.items(), tokens_at_once):
        _run_groups(backend, some, shared, tally)
    return tally.likelihoods()


def _grouped(
    groups: Iterable[tuple[tuple[int, ...], list[_Row]]], tokens_at_once: int
) -> Iterator[list[tuple[tuple[int, ...], list[_Row]]]]:
    """Yield groups that are scored in one step."""
    some: list[tuple[tuple[int, ...], list[_Row]]] = []
    held = 0
    for before, rows in groups:
        for row in rows:
            count = len(row.token_ids) - len(before)
            if some and held + count > tokens_at_once:
                yield some
                some, held = [], 0
            if some and some[-1][0] == before:
                some[-1][1].append(row)
            else:
                some.append((before, [row]))
            held += count
    if some:
        yield some


def _run_groups(
    backend: Backend,
    groups: Sequence[tuple[tuple[int, ...], list[_Row]]],
    shared: int,
    tally: _Tally,
) -> None:
    """Read the beginning that all share, then whole blocks of prompts, then the rest; score it."""
    shared = min([shared, *(len(before) for before, _ in groups)])
    taken = 0

    def take(tokens: int) -> list[int]:
        nonlocal taken
        first, taken = taken, taken + -(-tokens // BLOCK)
        return list(range(first, taken))

    start = take(shared)
    tables = [start + take(len(before) - shared) for before, _ in groups]
    ends = [
        (row, len(before), table + take(len(row.token_ids) - len(before)))
        for (before, rows), table in zip(groups, tables, strict=True)
        for row in rows
    ]
    cache = backend.new_cache(max(1, taken))
    if shared:
        backend.run(make_batch([groups[0][0][:shared]], [0], [start]), cache)
    longer = [
        (before[shared:], table)
        for (before, _), table in zip(groups, tables, strict=True)
        if len(before) > shared
    ]
    if longer:
        new, where = [list(ids) for ids, _ in longer], [table for _, table in longer]
        backend.run(make_batch(new, [shared] * len(new), where), cache)
    batch = make_batch(
        [row.token_ids[first:] for row, first, _ in ends],
        [first for _, first, _ in ends],
        [table for _, _, table in ends],
    )
    logits = backend.run(batch, cache, all_logits=True)
    starts: list[int] = batch.row_starts.tolist()
    asked = [
        (start + place - first, token_id, whose)
        for (row, first, _), start in zip(ends, starts[:-1], strict=True)
        for place, token_id, whose in row.asked
    ]
    tally.add_scores(logits, asked)
