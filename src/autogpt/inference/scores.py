"""From the turns of a step to the scores of what may come next in each row.

Turns go through the model together. If that fails, each goes alone, and what fails then is told
of that row only. Not here: which turns a step has (``scheduler``), choosing (``sampling``).
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

from autogpt.core.errors import CheckpointError
from autogpt.inference.backends import Backend, PagedCache, make_batch
from autogpt.inference.scheduler import Row, Turn

__all__ = ["Scores", "join", "run_turns"]

_logger = logging.getLogger(__name__)

AnyRow = TypeVar("AnyRow", bound=Row)


class Scores(NamedTuple):
    """Scores of what follows a row's last token, and then each of its guesses.

    Attributes:
        logits: Scores of a whole step.
        first: The row's first place in them.
    """

    logits: Float[Tensor, "rows V"]
    first: int

    def after(self, guesses: int) -> Scores:
        """Return the scores of what follows so many guesses."""
        return Scores(self.logits, self.first + guesses)


def join(scores: Sequence[Scores]) -> Float[Tensor, "R V"]:
    """Return the first scores of each, without a copy where they are a whole step's."""
    whole = scores[0].logits
    if any(one.logits is not whole for one in scores):
        return torch.stack(tuple(one.logits[one.first] for one in scores))
    places = [one.first for one in scores]
    return whole if places == list(range(len(whole))) else whole[places]


def run_turns(
    turns: Sequence[Turn[AnyRow]], backend: Backend, cache: PagedCache, *, vocab_size: int
) -> Iterator[tuple[Turn[AnyRow], Scores | Exception]]:
    """Run the model; yield each turn with its scores, or with what went wrong.

    Args:
        turns: What is read.
        backend: Runs the model.
        cache: Holds its keys and values.
        vocab_size: Scores beyond are of no token.
    """
    for together in _passes(turns):
        yield from zip(together, _run(together, backend, cache, vocab_size), strict=True)


def _passes(turns: Sequence[Turn[AnyRow]]) -> Iterator[Sequence[Turn[AnyRow]]]:
    """Yield the turns that go through the model together.

    Scores of every token are wanted where guesses are checked, but not of whole prompts.
    """
    if any(turn.row.guesses for turn in turns):
        yield [turn for turn in turns if turn.tokens == 1]
        turns = [turn for turn in turns if turn.tokens > 1]
    if turns:
        yield turns


def _run(
    turns: Sequence[Turn[AnyRow]], backend: Backend, cache: PagedCache, vocab_size: int
) -> list[Scores | Exception]:
    new = []
    for row, tokens in turns:
        first = row.begin + row.read
        new.append([*row.token_ids[first : first + tokens], *row.guesses])
    rows = [turn.row for turn in turns]
    batch = make_batch(new, [row.read for row in rows], [row.table.blocks for row in rows])
    all_logits = any(row.guesses for row in rows)
    try:
        logits = backend.run(batch, cache, all_logits=all_logits)
        if logits.shape[1] > vocab_size:
            logits = logits[:, :vocab_size]
        if not math.isfinite(float(logits.max())):  # the largest is NaN if any is
            raise CheckpointError(
                "The model's scores are not numbers, so no token can be chosen.",
                hint="Its weights are damaged, or too large for this dtype; try float32.",
            )
    except Exception as error:  # noqa: BLE001 - what fails for one row must not end the others
        if len(turns) == 1:
            _logger.warning("a row failed: %s", error)
            return [error]
        _logger.warning("a step of %d rows failed, so each goes alone: %s", len(turns), error)
        return [result for turn in turns for result in _run([turn], backend, cache, vocab_size)]
    firsts: list[int] = batch.row_starts.tolist() if all_logits else list(range(len(turns)))
    return [Scores(logits, first) for first in firsts[: len(turns)]]
