"""Guess the next tokens, check all guesses in one step, keep those that are right.

A step that reads one token reads every weight for it; reading a few tokens more costs little. So
something cheap guesses what comes next, and the model scores all guesses at once:

- :class:`PromptLookup`: what followed the last time the same few tokens stood in the text. Good
  where an answer quotes its prompt: summaries, corrections, code.
- :class:`DraftModel`: a small model with the same vocabulary continues the text greedily.

The text is the one that would have been written without guessing: at each place the row's own
sampler chooses from the model's own scores with the row's own random number, and a guess counts
only if it is what was chosen. So a guess of probability p is kept with probability p, which is
the most that any scheme can keep of a guess made for certain.

:class:`Speculator` watches whether that pays: it measures tokens per second with guesses and
without, and rests where they do not help; how far a row is guessed ahead follows how many of its
guesses were right.

Sources: Leviathan et al. 2023, "Fast Inference from Transformers via Speculative Decoding" (a
guess made for certain is their q = 1); prompt lookup: Saxena 2023.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import torch

from autogpt.inference.backends import Backend, make_batch
from autogpt.inference.blocks import BlockPool, BlockTable
from autogpt.inference.scheduler import Row
from autogpt.nn.paged import BLOCK

__all__ = ["DraftModel", "PromptLookup", "Proposer", "Speculator"]

_LONGEST = 3  # tokens that have to agree for a lookup; shorter, down to 2, if that finds nothing
_FIRST = 4  # guesses for a row of which nothing is known yet
_MOST = 12  # guesses at once; with few rows, products of up to 16 tokens cost about the same
_TRIAL = 4  # steps with guesses, and as many without, before they are compared
_REST = 64  # steps without guesses after they did not pay; doubled each time they still do not
_LONGEST_REST = 1024
_REFRESH = 64  # steps with guesses until one without is measured again
_DECAY = 0.8  # weight of the past in a running mean of step times


class Proposer(Protocol):
    """Guesses what comes next in some texts."""

    def propose(self, rows: Sequence[Row], counts: Sequence[int]) -> list[tuple[int, ...]]:
        """Return up to ``counts`` guesses for each row; none where there is no idea."""

    def forget(self, row: Row) -> None:
        """Drop what was kept for a row that has ended."""


@dataclass(slots=True)
class _Occurrences:
    """Where each short sequence of tokens was last followed by something."""

    places: dict[tuple[int, ...], int] = field(default_factory=dict)
    end: int = 0  # sequences that end before this token are in


class PromptLookup:
    """Guesses that a text goes on as it did the last time it was here.

    It takes constant time per token: the places of all short sequences are kept.
    """

    def __init__(self) -> None:
        self._known: dict[Row, _Occurrences] = {}

    def propose(self, rows: Sequence[Row], counts: Sequence[int]) -> list[tuple[int, ...]]:
        """See :class:`Proposer`."""
        return [self._look_up(row, count) for row, count in zip(rows, counts, strict=True)]

    def forget(self, row: Row) -> None:
        """See :class:`Proposer`."""
        self._known.pop(row, None)

    def _look_up(self, row: Row, count: int) -> tuple[int, ...]:
        known = self._known.setdefault(row, _Occurrences())
        ids = row.token_ids
        for end in range(max(known.end, 2), len(ids)):  # what follows is at ``end``
            for length in range(2, min(_LONGEST, end) + 1):
                known.places[tuple(ids[end - length : end])] = end
        known.end = len(ids)
        for length in range(_LONGEST, 1, -1):
            place = known.places.get(tuple(ids[-length:])) if len(ids) >= length else None
            if place is not None:
                return tuple(ids[place : place + count])
        return ()


@dataclass(slots=True)
class _Draft:
    """What a draft model has read of a row."""

    table: BlockTable = field(default_factory=BlockTable)
    begin: int = 0
    token_ids: list[int] = field(default_factory=list)  # from ``begin`` on


class DraftModel:
    """Guesses with a small model of the same vocabulary, greedily.

    Args:
        backend: Runs the small model.
        context: Tokens it can look back on; of longer texts it sees the end.
        vocab_size: Tokens that exist; the scores of further ones are padding. None: all do.
        rows: Texts it keeps its place in at once; for more it makes no guesses.
        step_tokens: Most tokens of a text that it reads in one step; it guesses once it has
            caught up.
    """

    def __init__(
        self,
        backend: Backend,
        *,
        context: int,
        vocab_size: int | None = None,
        rows: int = 8,
        step_tokens: int = 256,
    ) -> None:
        blocks = rows * -(-context // BLOCK)
        self._backend = backend
        self._context = context
        self._vocab_size = vocab_size
        self._step_tokens = step_tokens
        self._pool = BlockPool(blocks)
        self._cache = backend.new_cache(blocks)
        self._drafts: dict[Row, _Draft] = {}

    def propose(self, rows: Sequence[Row], counts: Sequence[int]) -> list[tuple[int, ...]]:
        """See :class:`Proposer`."""
        ready = [
            place
            for place, (row, count) in enumerate(zip(rows, counts, strict=True))
            if count > 0 and self._catch_up(row, count)
        ]
        guesses: list[list[int]] = [[] for _ in rows]
        while ready:
            new = [
                guesses[place][-1:] or rows[place].token_ids[self._place(rows[place]) :]
                for place in ready
            ]
            scores = self._run([rows[place] for place in ready], new)
            for place, token_id in zip(ready, scores.argmax(-1).tolist(), strict=True):
                guesses[place].append(token_id)
            ready = [place for place in ready if len(guesses[place]) < counts[place]]
        return [tuple(guess) for guess in guesses]

    def forget(self, row: Row) -> None:
        """See :class:`Proposer`."""
        draft = self._drafts.pop(row, None)
        if draft is not None:
            self._pool.release(draft.table)

    def _place(self, row: Row) -> int:
        draft = self._drafts[row]
        return draft.begin + len(draft.token_ids)

    def _catch_up(self, row: Row, count: int) -> bool:
        """Read what the row has gained, but for its last tokens; return whether that is all."""
        draft = self._drafts.setdefault(row, _Draft())
        if len(row.token_ids) - draft.begin + count > self._context:
            self._pool.release(draft.table)
            half = max(1, min(self._context // 2, self._context - count))
            draft.begin, draft.token_ids = max(0, len(row.token_ids) - half), []
        kept = _agreeing(draft.token_ids, row.token_ids[draft.begin :])
        # The last token is read again where the draft has it already: its scores are wanted.
        kept = min(kept, len(row.token_ids) - draft.begin - 1)
        del draft.token_ids[kept:]
        wanted = -(-(len(row.token_ids) - draft.begin + count) // BLOCK) - len(draft.table)
        if wanted > self._pool.free:
            self.forget(row)
            return False
        self._pool.extend(draft.table, max(0, wanted))
        missing = row.token_ids[draft.begin + kept :]
        if len(missing) <= self._step_tokens:
            return True
        self._run([row], [missing[: self._step_tokens]])
        return False

    def _run(self, rows: Sequence[Row], new: Sequence[Sequence[int]]) -> torch.Tensor:
        drafts = [self._drafts[row] for row in rows]
        batch = make_batch(
            new,
            [len(draft.token_ids) for draft in drafts],
            [draft.table.blocks for draft in drafts],
        )
        scores = self._backend.run(batch, self._cache)
        for draft, ids in zip(drafts, new, strict=True):
            draft.token_ids.extend(ids)
        return scores[:, : self._vocab_size]


def _agreeing(first: Sequence[int], second: Sequence[int]) -> int:
    """Return how many tokens two sequences begin alike."""
    if list(second[: len(first)]) == first:
        return len(first)
    return next(
        (place for place, (a, b) in enumerate(zip(first, second, strict=False)) if a != b),
        min(len(first), len(second)),
    )


@dataclass(slots=True)
class _Pace:
    """What steps of one number of rows have cost."""

    plain_s: float | None = None  # running mean of seconds per token of a row, without guesses
    guessed_s: float | None = None  # likewise with guesses
    plain_steps: int = 0
    guessed_steps: int = 0
    resting: int = 0
    rest: int = _REST


class Speculator:
    """Decides when to guess and how far, and keeps the account.

    Args:
        proposer: Makes the guesses.
        clock: Tells seconds; tests bring their own.

    Attributes:
        proposed: Guesses made so far.
        accepted: Those of them that were right.
    """

    def __init__(
        self, proposer: Proposer, *, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._proposer = proposer
        self._clock = clock
        self._reach: dict[Row, int] = {}
        self._paces: dict[int, _Pace] = {}
        self._begin = 0.0
        self.proposed = 0
        self.accepted = 0

    def prepare(self, rows: Sequence[Row], most: Sequence[int]) -> None:
        """Begin a step: give rows guesses, if that is likely to pay.

        Args:
            rows: Those whose newest token is read next.
            most: Guesses that each can use.
        """
        self._begin = self._clock()
        pace = self._paces.setdefault(len(rows), _Pace())
        if not rows or pace.plain_steps < _TRIAL or pace.resting:
            return
        if pace.guessed_steps and pace.guessed_steps % _REFRESH == 0:
            pace.guessed_steps += 1
            return
        counts = [
            min(self._reach.get(row, _FIRST), limit) for row, limit in zip(rows, most, strict=True)
        ]
        for row, guesses in zip(rows, self._proposer.propose(rows, counts), strict=True):
            row.guesses = guesses

    def learn(self, results: Sequence[tuple[Row, int, int]]) -> None:
        """End a step that read no prompts.

        Args:
            results: Of each row of the step: how many guesses it had, how many were right.
        """
        pace = self._paces.setdefault(len(results), _Pace())
        seconds = self._clock() - self._begin
        for row, proposed, accepted in results:
            if proposed:
                self.proposed += proposed
                self.accepted += accepted
                self._reach[row] = (
                    min(_MOST, 2 * proposed) if accepted == proposed else max(2, accepted + 1)
                )
        if not any(proposed for _, proposed, _ in results):
            pace.plain_steps += 1
            pace.plain_s = _mean(pace.plain_s, seconds)
            pace.resting = max(0, pace.resting - 1)
            return
        tokens = 1 + sum(accepted for _, _, accepted in results) / len(results)
        pace.guessed_steps += 1
        pace.guessed_s = _mean(pace.guessed_s, seconds / tokens)
        if pace.guessed_steps % _TRIAL == 0:
            self._judge(pace)

    def forget(self, row: Row) -> None:
        """Drop what was kept for a row that has ended."""
        self._reach.pop(row, None)
        self._proposer.forget(row)

    @staticmethod
    def _judge(pace: _Pace) -> None:
        if pace.plain_s is None or pace.guessed_s is None:
            return
        if pace.guessed_s < pace.plain_s:
            pace.rest = _REST
            return
        pace.resting, pace.guessed_s = pace.rest, None
        pace.rest = min(2 * pace.rest, _LONGEST_REST)


def _mean(mean: float | None, value: float) -> float:
    return value if mean is None else _DECAY * mean + (1 - _DECAY) * value
