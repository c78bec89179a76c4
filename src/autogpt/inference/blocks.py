"""Who holds which block of keys and values: counting, sharing, remembering, forgetting.

::

    pool = BlockPool(1024)
    table = BlockTable()
    pool.adopt(table, digests)             # blocks that earlier texts began with alike
    pool.extend(table, 5, room=20)         # five more, with space behind them if there is any
    pool.own(table, 4)                     # before writing: a shared block is exchanged
    pool.remember(table, 0, digests[0])    # full and read: others may begin with it
    pool.release(table)

A block has as many holders as tables name it. One that nobody holds keeps what it has read until
it is needed for something else, least recently released first, so that a text which begins like
an earlier one need not be read again. What a block has read is known by a digest over all tokens
from the beginning of the text to the block's end, and over a salt: texts of different tenants
never share.

Blocks are handed out so that a table's blocks follow each other where possible, because they are
then read where they lie (``nn.paged``). Where a table begins, the room it will want is set aside;
others take it only when nothing else is left.

Pure bookkeeping: no tensors. Not here: who gets blocks when there are too few (``scheduler``).

Source: Kwon et al. 2023, "PagedAttention", section 4; digests of prefixes as in vLLM (2024).
"""

from __future__ import annotations

import hashlib
import itertools
from array import array
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

__all__ = ["BlockPool", "BlockTable", "chain"]

_CANDIDATES = 4  # places looked at for a table to begin, among the empty and the remembered


def chain(before: bytes, token_ids: Iterable[int]) -> bytes:
    """Return the digest of a text that goes on with ``token_ids``.

    Args:
        before: Digest of the text up to here; of an empty text, a salt of up to 64 bytes.
        token_ids: One block of tokens.
    """
    return hashlib.blake2b(array("q", token_ids).tobytes(), key=before, digest_size=16).digest()


@dataclass(slots=True, eq=False)
class BlockTable:
    """The blocks of one text, in order. Changed by the pool only."""

    blocks: array[int] = field(default_factory=lambda: array("i"))
    room: range = range(0)  # blocks set aside to go on with

    def __len__(self) -> int:
        return len(self.blocks)


class BlockPool:
    """Numbered blocks and their holders.

    Args:
        count: Blocks, numbered from 0.
    """

    def __init__(self, count: int) -> None:
        if count < 1:
            raise ValueError(f"{count=} must be at least 1")
        self.count = count
        self._holders = [0] * count
        self._digests: list[bytes | None] = [None] * count
        self._known: dict[bytes, int] = {}
        # Without a holder, first to be taken first: those that remember nothing, and the others.
        self._empty: OrderedDict[int, None] = OrderedDict.fromkeys(range(count))
        self._idle: OrderedDict[int, None] = OrderedDict()
        self._set_aside: set[int] = set()
        self._is_taken = bytearray(count)
        # When a block was released last; those of one table at the same time.
        self._released = [0] * count
        self._time = 0

    @property
    def free(self) -> int:
        """Blocks without a holder."""
        return len(self._empty) + len(self._idle)

    @property
    def taken(self) -> int:
        """Blocks that have been written to; the others' memory is still the system's."""
        return sum(self._is_taken)

    @property
    def remembered(self) -> int:
        """Blocks that a text could begin with."""
        return len(self._known)

    def holders(self, block: int) -> int:
        """Return how many tables name the block."""
        return self._holders[block]

    def find(self, digests: Iterable[bytes]) -> int:
        """Return how many blocks from the beginning are remembered."""
        return sum(1 for _ in itertools.takewhile(self._known.__contains__, digests))

    def adopt(self, table: BlockTable, digests: Sequence[bytes]) -> None:
        """Begin an empty table with remembered blocks, all of which must be."""
        for digest in digests:
            block = self._known[digest]
            self._idle.pop(block, None)
            self._holders[block] += 1
            table.blocks.append(block)

    def extend(self, table: BlockTable, count: int, *, room: int = 0) -> None:
        """Add ``count`` blocks to a table.

        Args:
            table: Gets them.
            count: At most ``free``.
            room: Further blocks that the table is likely to want later.

        Raises:
            ValueError: If fewer are free.
        """
        if count > self.free:
            raise ValueError(f"{count} blocks wanted, {self.free} are free")
        for index in range(count):
            block = self._next(table, count - index + room)
            self._hold(block)
            table.blocks.append(block)

    def fork(self, table: BlockTable) -> BlockTable:
        """Return a second table of the same blocks."""
        for block in table.blocks:
            self._holders[block] += 1
        return BlockTable(table.blocks[:])

    def own(self, table: BlockTable, index: int, *, room: int = 0) -> tuple[int, int] | None:
        """Make sure that nobody else holds a block of the table, which is about to be written.

        Args:
            table: Whose block.
            index: Which of its blocks.
            room: Further blocks that the table is likely to want later.

        Returns:
            None if so; else the block it was, and the one that took its place, to which the
            contents must be copied.
        """
        source = table.blocks[index]
        if self._holders[source] == 1:
            self._forget(source)
            return None
        target = self._next(table, 1 + room)
        self._hold(target)
        self._holders[source] -= 1
        table.blocks[index] = target
        return source, target

    def remember(self, table: BlockTable, index: int, digest: bytes) -> None:
        """Note what a full block has read; of two that have read the same, the first is known."""
        block = table.blocks[index]
        if self._digests[block] is None and digest not in self._known:
            self._digests[block] = digest
            self._known[digest] = block

    def release(self, table: BlockTable) -> None:
        """Give all blocks back and empty the table.

        The end of a text is forgotten before its beginning, which others are likelier to share.
        """
        self._time += 1
        for block in reversed(table.blocks):
            self._holders[block] -= 1
            if self._holders[block] == 0:
                self._released[block] = self._time
                (self._empty if self._digests[block] is None else self._idle)[block] = None
        self._set_aside.difference_update(table.room)
        del table.blocks[:]
        table.room = range(0)

    def _hold(self, block: int) -> None:
        self._forget(block)
        self._empty.pop(block, None)
        self._idle.pop(block, None)
        self._set_aside.discard(block)
        self._holders[block] = self._is_taken[block] = 1

    def _forget(self, block: int) -> None:
        digest = self._digests[block]
        if digest is not None:
            self._digests[block] = None
            del self._known[digest]

    def _next(self, table: BlockTable, wanted: int) -> int:
        """Return the block to take next, the first of ``wanted``."""
        if table.room:
            block, table.room = table.room[0], table.room[1:]
            if self._holders[block] == 0:
                return block
            self._set_aside.difference_update(table.room)
            table.room = range(0)
        following = table.blocks[-1] + 1 if table.blocks else -1
        if following in self._empty and following not in self._set_aside:
            return following
        place = max(self._places(wanted), key=len, default=range(0))
        if not place:  # all that is left has been set aside
            return next(itertools.chain(self._empty, self._idle))
        table.room = place[1:]
        self._set_aside.update(table.room)
        return place[0]

    def _places(self, wanted: int) -> Iterator[range]:
        """Yield stretches of free blocks to begin at, the best first, none beyond a good one."""
        for blocks in (self._empty, self._idle):
            candidates = (block for block in blocks if block not in self._set_aside)
            for block in itertools.islice(candidates, _CANDIDATES):
                place = self._stretch(block, wanted)
                yield place
                if len(place) == wanted:
                    return

    def _stretch(self, block: int, wanted: int) -> range:
        """Return up to ``wanted`` neighbors of ``block`` that nobody would miss more than it."""
        begin, end = block, block + 1
        while end - begin < wanted and self._spare(begin - 1, block):
            begin -= 1
        while end - begin < wanted and self._spare(end, block):
            end += 1
        return range(begin, end)

    def _spare(self, block: int, like: int) -> bool:
        if not 0 <= block < self.count or block in self._set_aside:
            return False
        if block in self._empty:
            return True
        return block in self._idle and self._released[block] <= self._released[like]
