"""The seam between the engine and what computes: one step of many rows in, logits out.

::

    cache = backend.new_cache(blocks)
    logits = backend.run(batch, cache)         # [R, V]

A row of a batch reads any number of new tokens: a piece of a prompt, the newest token of a text,
or that and some guesses to check. Where a row's keys and values lie is said by its block table;
who owns a block is not known here (``blocks``), nor whose turn it is (``scheduler``).

:class:`TorchBackend` is the reference. Rows that read equally few tokens go through the model
together, longer pieces one by one. A packed model's products give a row the same bits whatever
stands beside it, and each row attends to its own tokens only, so a row's logits do not depend on
its neighbors: in float32 and in bfloat16 they are the same to the bit where oneDNN's products
are used, and within rounding (1e-5 of float32 logits) elsewhere.

Letters in shapes: R rows, N new tokens of all rows, M blocks of the longest row, V vocabulary.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from autogpt.models.gpt import GPT
from autogpt.nn.paged import BLOCK, PagedCache, PagedRows

__all__ = ["BLOCK", "Backend", "PagedCache", "StepBatch", "TorchBackend", "make_batch"]

# Rows of up to this many new tokens share their matrix products: there the time goes into reading
# the weights. Longer pieces fill the products by themselves.
_SHARED_TOKENS = 16


@dataclass(frozen=True, slots=True)
class StepBatch:
    """What all rows read in one step.

    Attributes:
        token_ids: Int64 ``[N]``, the new tokens, row after row, one or more each.
        positions: Int64 ``[N]``, the place of each in its text.
        row_starts: Int32 ``[R + 1]``, where each row begins in ``token_ids``; the last is N.
        block_tables: Int32 ``[R, M]``, the physical block of each logical block; -1 for none.
        lengths: Int32 ``[R]``, tokens that the cache holds of each row after this step.
    """

    token_ids: Int[Tensor, " N"]
    positions: Int[Tensor, " N"]
    row_starts: Int[Tensor, " R+1"]
    block_tables: Int[Tensor, "R M"]
    lengths: Int[Tensor, " R"]


def make_batch(
    new: Sequence[Sequence[int]], before: Sequence[int], tables: Sequence[Sequence[int]]
) -> StepBatch:
    """Return a batch.

    Args:
        new: Tokens that each row reads, one or more.
        before: Tokens that the cache holds of it.
        tables: Its blocks, enough for both.
    """
    counts = [len(ids) for ids in new]
    lengths = [held + count for held, count in zip(before, counts, strict=True)]
    places = [
        place for held, length in zip(before, lengths, strict=True) for place in range(held, length)
    ]
    blocks = np.full((len(new), max(map(len, tables))), -1, dtype=np.int32)
    for row, table in enumerate(tables):
        blocks[row, : len(table)] = table
    return StepBatch(
        token_ids=torch.tensor([token_id for ids in new for token_id in ids]),
        positions=torch.tensor(places),
        row_starts=torch.tensor([0, *itertools.accumulate(counts)], dtype=torch.int32),
        block_tables=torch.from_numpy(blocks),
        lengths=torch.tensor(lengths, dtype=torch.int32),
    )


class Backend(Protocol):
    """Runs one model."""

    def new_cache(self, blocks: int) -> PagedCache:
        """Return room for the keys and values of ``blocks`` * 16 tokens."""

    def run(
        self, batch: StepBatch, cache: PagedCache, *, all_logits: bool = False
    ) -> Float[Tensor, "rows V"]:
        """Read the new tokens, keep their keys and values, and score what follows.

        A block that two rows share is written by neither.

        Returns:
            float32 scores of what follows the last new token of each row, ``[R, V]``; with
            ``all_logits`` of what follows each new token, ``[N, V]``.
        """


class TorchBackend:
    """The model in torch.

    Args:
        model: The model, packed or not; it is not changed.
        head: Scores the vocabulary for ``[*, D]``; default the model's own.
    """

    def __init__(self, model: GPT, head: Callable[[Tensor], Tensor] | None = None) -> None:
        self._model = model
        self._head = head or model.logits

    def new_cache(self, blocks: int) -> PagedCache:
        """Return room for the keys and values of ``blocks`` * 16 tokens, in the model's dtype."""
        weight = self._model.embedding.weight
        return PagedCache.allocate(
            self._model.config, blocks, dtype=weight.dtype, device=weight.device
        )

    @torch.inference_mode()
    def run(
        self, batch: StepBatch, cache: PagedCache, *, all_logits: bool = False
    ) -> Float[Tensor, "rows V"]:
        """See :class:`Backend`."""
        starts: list[int] = batch.row_starts.tolist()
        lengths: list[int] = batch.lengths.tolist()
        firsts: list[int] = batch.block_tables[:, 0].tolist()
        scores: list[Tensor] = []
        order: list[int] = []  # where in the result each score belongs
        for rows in _rectangles(starts, lengths, firsts):
            places = [place for row in rows for place in range(starts[row], starts[row + 1])]
            order += places if all_logits else rows
            hidden = self._read(batch, cache, rows, places, lengths)  # [B, T, D]
            scores.append(self._head(hidden.flatten(0, 1) if all_logits else hidden[:, -1]))
        logits = scores[0] if len(scores) == 1 else torch.cat(scores)
        if order != list(range(len(order))):
            logits = logits[torch.tensor(order, device=logits.device).argsort()]
        return logits.float()

    def _read(
        self,
        batch: StepBatch,
        cache: PagedCache,
        rows: list[int],
        places: list[int],
        lengths: Sequence[int],
    ) -> Float[Tensor, "B T D"]:
        """Let some rows, all of equally many new tokens, go through the model."""
        ids, positions, tables = batch.token_ids, batch.positions, batch.block_tables.numpy()
        if places != list(range(ids.shape[0])):
            index = torch.tensor(places)
            ids, positions = ids[index], positions[index]
            tables, lengths = tables[rows], [lengths[row] for row in rows]
        device = self._model.embedding.weight.device
        shape = (len(rows), len(places) // len(rows))
        view = PagedRows(cache, tables, lengths, positions.view(shape).to(device))
        hidden: Tensor = self._model(ids.view(shape).to(device), cache=view)
        return hidden


def _rectangles(
    starts: Sequence[int], lengths: Sequence[int], firsts: Sequence[int]
) -> Iterator[list[int]]:
    """Yield groups of rows that go through the model together, equally many tokens each.

    Within a group, equally long rows are neighbors and in the order of their memory.
    """
    groups: dict[int, list[int]] = {}
    long: list[int] = []
    for row in range(len(lengths)):
        count = starts[row + 1] - starts[row]
        if count <= _SHARED_TOKENS:
            groups.setdefault(count, []).append(row)
        else:
            long.append(row)
    for rows in groups.values():
        yield sorted(rows, key=lambda row: (lengths[row], firsts[row]))
    for row in long:
        yield [row]
