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

import torch
from jaxtyping import Float, Int
from torch import Tensor

from autogpt.inference.backends import BLOCK, Backend, make_batch
from autogpt.inference.likelihood_rows import (
    LOGITS_AT_ONCE,
    Question,
    Row,
    Tally,
    pose,
    rows_of,
    shared_length,
)
from autogpt.models.gpt import GPT
from autogpt.nn.branches import Branches, Trunk
from autogpt.tasks.base import Likelihood

__all__ = ["Question", "pose", "score", "score_quantized"]

_TOKENS_AT_ONCE = 2048  # of a pass: enough to fill the cores, little memory


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
    shared = shared_length(questions, context)
    device = model.embedding.weight.device
    trunk = _read_trunk(model, questions[0].prompt[:shared], device) if shared else None
    rows = list(rows_of(questions, context=context, widest=widest, shared=shared))
    tally = Tally(questions, context)
    for batch in _batches(rows, tokens_at_once, most=widest - shared):
        hidden = _read(model, batch, trunk, device)  # [B, T, D]
        tally.add(hidden, batch, head)
    return tally.likelihoods()


def _batches(rows: Sequence[Row], tokens_at_once: int, *, most: int) -> Iterator[list[Row]]:
    """Yield rows of like length together, the longest first, so that memory is known early.

    Rows of more than ``most`` tokens need a window's mask, which those with branches must not get.
    """
    batch: list[Row] = []
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
    model: GPT, rows: Sequence[Row], trunk: Trunk | None, device: torch.device
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


def score_quantized(
    backend: Backend,
    questions: Sequence[Question],
    *,
    context: int,
    tokens_at_once: int = LOGITS_AT_ONCE,
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
    tally = Tally(questions, context)
    shared = shared_length(questions, context) // BLOCK * BLOCK
    rows = list(rows_of(questions, context=context, widest=0, shared=0))
    groups: dict[tuple[int, ...], list[Row]] = {}
    for row in rows:
        first = row.asked[0][0] // BLOCK * BLOCK
        groups.setdefault(tuple(row.token_ids[:first]), []).append(row)
    for some in _grouped(groups.items(), tokens_at_once):
        _run_groups(backend, some, shared, tally)
    return tally.likelihoods()


def _grouped(
    groups: Iterable[tuple[tuple[int, ...], list[Row]]], tokens_at_once: int
) -> Iterator[list[tuple[tuple[int, ...], list[Row]]]]:
    """Yield groups that are scored in one step."""
    some: list[tuple[tuple[int, ...], list[Row]]] = []
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
    groups: Sequence[tuple[tuple[int, ...], list[Row]]],
    shared: int,
    tally: Tally,
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
