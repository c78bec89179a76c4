"""Whose turn it is: which tokens of which texts the next step reads.

::

    waiting  --admit-->  running  --finish, cancel-->  gone
       ^                    |
       +-----pre-empt-------+        when blocks run out: the youngest, to be read again later

Texts are served in the order they came. A step reads

- the newest token of every text that is being written, and guesses to check after it;
- then pieces of prompts, up to a budget of tokens: in turn one piece of each prompt that is being
  read, oldest first, and of new ones if rows and blocks are free; then round again.

So a long prompt delays a text that is being written by one budget a step at most, and a short
prompt behind a long one by no more. Pieces end at multiples of 64 tokens (``nn.paged.GRID``).

A prompt gets all its blocks when it is admitted, a text more as it grows. The oldest text is
never pre-empted for another, and the pool holds at least one whole context, so it always ends.

When a text outgrows the context, its older half is forgotten and the later half is read again
like a prompt.

Pure bookkeeping: no tensors. Not here: running the model, choosing tokens (``engine``).

Sources: continuous batching, Yu et al. 2022, "Orca"; pieces of prompts beside decoding, Agrawal et
al. 2024, "Sarathi-Serve"; pre-emption by recomputation, Kwon et al. 2023, "PagedAttention".
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, TypeVar

from autogpt.inference.blocks import BlockPool, BlockTable, chain
from autogpt.nn.paged import BLOCK, GRID

__all__ = ["Limits", "Row", "Scheduler", "Step", "Turn"]

_COPIED = 8  # blocks; up to 128 tokens cost less to keep twice than to gather in every step


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """How much a step may hold.

    Attributes:
        rows: Most texts that are running; more wait.
        step_tokens: Most tokens of prompts that a step reads while texts are being written.
        prompt_tokens: Most tokens of prompts that a step reads while none is.
        context: Most tokens that the model can look back on.
    """

    rows: int = 64
    step_tokens: int = 128
    prompt_tokens: int = 512
    context: int

    def __post_init__(self) -> None:
        for name in ("rows", "step_tokens", "prompt_tokens", "context"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)} must be at least 1")


@dataclass(kw_only=True, slots=True, eq=False)
class Row:
    """A text on its way.

    Attributes:
        token_ids: The prompt and what has been written.
        most: Tokens that it may grow to.
        salt: Texts share what has been read only within the same one; up to 64 bytes.
        begin: Tokens before this one are forgotten.
        read: Tokens from ``begin`` on whose keys and values are kept.
        guesses: Tokens that may come next, to be checked in the next step.
        table: Where keys and values lie.
        digests: Of the full blocks from ``begin`` on.
        is_running: Whether it takes part in steps.
        reused: Tokens that needed no reading when it was admitted first; None before.
    """

    token_ids: list[int]
    most: int
    salt: bytes = b""
    begin: int = 0
    read: int = 0
    guesses: tuple[int, ...] = ()
    table: BlockTable = field(default_factory=BlockTable)
    digests: list[bytes] = field(default_factory=list)
    is_running: bool = False
    reused: int | None = None

    @property
    def pending(self) -> int:
        """Tokens that are still to be read."""
        return len(self.token_ids) - self.begin - self.read

    def extend_digests(self, blocks: int) -> None:
        """Make sure that the first ``blocks`` blocks, all full, have a digest."""
        while len(self.digests) < blocks:
            start = self.begin + len(self.digests) * BLOCK
            before = self.digests[-1] if self.digests else self.salt
            self.digests.append(chain(before, self.token_ids[start : start + BLOCK]))


AnyRow = TypeVar("AnyRow", bound=Row)


class Turn(NamedTuple, Generic[AnyRow]):
    """What one row reads in a step: its next ``tokens`` tokens, and then its guesses."""

    row: AnyRow
    tokens: int


@dataclass(slots=True)
class Step(Generic[AnyRow]):
    """What one step does: block contents to copy first (from, to), then the rows' turns."""

    copies: list[tuple[int, int]] = field(default_factory=list)
    turns: list[Turn[AnyRow]] = field(default_factory=list)


class Scheduler(Generic[AnyRow]):
    """Decides step by step.

    Args:
        pool: The blocks; at least those of one context.
        limits: How much a step may hold.
    """

    def __init__(self, pool: BlockPool, limits: Limits) -> None:
        if pool.count * BLOCK < limits.context:
            raise ValueError(f"{pool.count} blocks do not hold a context of {limits.context}")
        self._pool = pool
        self._limits = limits
        self.running: list[AnyRow] = []  # oldest first
        self.waiting: deque[AnyRow] = deque()
        self.preemptions = 0
        self._copies: list[tuple[int, int]] = []  # that the next step has to make

    def add(self, row: AnyRow, *, first: bool = False) -> None:
        """Let a row wait for its turn, at the end of the queue or at its head."""
        if first:
            self.waiting.appendleft(row)
        else:
            self.waiting.append(row)

    def discard(self, row: AnyRow) -> None:
        """Forget a row, wherever it is, if it is here; its blocks are given back."""
        if row.is_running:
            self.running.remove(row)
            self._stop(row)
        elif row in self.waiting:
            self.waiting.remove(row)

    def can_fork(self) -> bool:
        """Return whether one more row may run."""
        return len(self.running) < self._limits.rows

    def fork(self, row: AnyRow, twin: AnyRow) -> None:
        """Let ``twin``, which has the same tokens, run on from where ``row`` is.

        A long beginning is shared. A short one is copied if there is space, because a text that
        lies in one piece is read faster.
        """
        twin.begin, twin.read = row.begin, row.read
        twin.digests = list(row.digests)
        count = len(row.table)
        room = self._room(row) + len(self.running)
        if count <= _COPIED and count + room <= self._pool.free:
            self._pool.extend(twin.table, count, room=self._room(row))
            self._copies += zip(row.table.blocks, twin.table.blocks, strict=True)
        else:
            twin.table = self._pool.fork(row.table)
        twin.is_running = True
        self.running.insert(self.running.index(row) + 1, twin)

    def schedule(self) -> Step[AnyRow]:
        """Return what the next step does; empty only if there are no rows."""
        step: Step[AnyRow] = Step(copies=self._copies)
        self._copies = []
        for row in tuple(self.running):
            if row.is_running and row.pending == 1:
                self._write(row, step)
        self._read(step)
        return step

    def done(self, turn: Turn[AnyRow]) -> None:
        """Count what a turn has read, except guesses, which ``accept`` counts."""
        self._count(turn.row, turn.tokens)

    def accept(self, row: AnyRow) -> None:
        """Count one more guess that turned out right; it must be among the row's tokens now."""
        self._count(row, 1)

    def _count(self, row: AnyRow, tokens: int) -> None:
        full, row.read = row.read // BLOCK, row.read + tokens
        for index in range(full, row.read // BLOCK):
            row.extend_digests(index + 1)
            self._pool.remember(row.table, index, row.digests[index])

    def _write(self, row: AnyRow, step: Step[AnyRow]) -> None:
        """Give a row whose newest token is to be read its turn, if there are blocks for it."""
        if row.read == self._limits.context and (not self._slide(row) or row.pending > 1):
            return
        row.guesses = row.guesses[: self._limits.context - row.read - 1]
        if self._grow(row, step):
            step.turns.append(Turn(row, 1))

    def _slide(self, row: AnyRow) -> bool:
        """Forget the older half of the context; return whether the row still runs."""
        row.begin = len(row.token_ids) - max(1, self._limits.context // 2)
        row.read = 0
        row.guesses = ()
        row.digests = []
        self._pool.release(row.table)
        while self._pool.free < _blocks(row.pending):  # others may hold what it gave back
            if not self._preempt_youngest(keep=row):
                return False
        self._occupy(row)
        return True

    def _grow(self, row: AnyRow, step: Step[AnyRow]) -> bool:
        """Make sure that a row can write; return whether it still runs."""
        while True:
            tokens = row.read + 1 + len(row.guesses)
            more = max(0, _blocks(tokens) - len(row.table))
            index = row.read // BLOCK  # the block that is written first
            shared = index < len(row.table) and self._pool.holders(row.table.blocks[index]) > 1
            if more + shared <= self._pool.free:
                break
            if row.guesses:
                row.guesses = ()
            elif not self._preempt_youngest(keep=row):
                return False
        room = self._room(row)
        if shared:
            copy = self._pool.own(row.table, index, room=room)
            if copy is not None:
                step.copies.append(copy)
        self._pool.extend(row.table, more, room=max(0, room - more))
        return True

    def _preempt_youngest(self, *, keep: AnyRow) -> bool:
        """Take the blocks of the youngest row; return whether ``keep`` was not that one."""
        youngest = self.running[-1]
        self._preempt(youngest)
        return youngest is not keep

    def _preempt(self, row: AnyRow) -> None:
        self.running.remove(row)
        self._stop(row)
        self.waiting.appendleft(row)
        self.preemptions += 1

    def _stop(self, row: AnyRow) -> None:
        self._pool.release(row.table)
        row.is_running = False
        row.read = 0
        row.guesses = ()

    def _read(self, step: Step[AnyRow]) -> None:
        """Spend the budget on pieces of prompts."""
        limits = self._limits
        budget = limits.step_tokens if step.turns else limits.prompt_tokens
        granted: dict[AnyRow, int] = {}
        for row in self._readers():
            piece = self._piece(row, granted.get(row, 0))
            if not piece:
                continue
            if piece > budget and granted:
                break
            granted[row] = granted.get(row, 0) + piece
            budget -= piece
            if budget <= 0:
                break
        step.turns += [Turn(row, tokens) for row, tokens in granted.items()]

    def _readers(self) -> Iterator[AnyRow]:
        """Yield rows in the order in which they are offered a piece, until all are read."""
        rows = [row for row in self.running if row.pending > 1]
        yield from rows
        while self.waiting and self._admit(self.waiting[0]):
            rows.append(self.running[-1])
            yield rows[-1]
        longest = max((row.pending for row in rows), default=0)
        for _ in range(longest // GRID + 1):
            yield from rows

    @staticmethod
    def _piece(row: AnyRow, granted: int) -> int:
        """Return the size of the next piece after ``granted`` tokens; 0 if there is none."""
        return min(row.pending - granted, GRID - (row.read + granted) % GRID)

    def _admit(self, row: AnyRow) -> bool:
        """Let the first of those who wait run, if there is a row and all blocks of its prompt."""
        if len(self.running) >= self._limits.rows:
            return False
        # The last token is read in any case, and a beginning ends where pieces do.
        row.extend_digests((row.pending - 1) // BLOCK)
        found = self._pool.find(row.digests[: (row.pending - 1) // BLOCK])
        found -= found % (GRID // BLOCK)
        self._pool.adopt(row.table, row.digests[:found])
        # Each row that runs may want a block soon.
        if _blocks(row.pending) - found + len(self.running) > self._pool.free:
            self._pool.release(row.table)
            return False
        row.read = found * BLOCK
        if row.reused is None:
            row.reused = row.read
        self._occupy(row)
        self.waiting.popleft()
        row.is_running = True
        self.running.append(row)
        return True

    def _occupy(self, row: AnyRow) -> None:
        """Give a row the blocks of all that it is to read."""
        more = _blocks(row.read + row.pending) - len(row.table)
        self._pool.extend(row.table, more, room=max(0, self._room(row) - more))

    def _room(self, row: AnyRow) -> int:
        """Return how many more blocks a row may come to want."""
        most = min(row.most - row.begin, self._limits.context)
        return max(0, _blocks(most) - len(row.table))


def _blocks(tokens: int) -> int:
    return -(-tokens // BLOCK)
