"""Blocks are counted right whatever happens, shared by digest, copied before they are written."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from autogpt.inference.blocks import BlockPool, BlockTable, chain


def digests_of(token_ids: list[int], salt: bytes = b"") -> list[bytes]:
    digests = [salt]
    for start in range(0, len(token_ids) - 15, 16):
        digests.append(chain(digests[-1], token_ids[start : start + 16]))
    return digests[1:]


def check(pool: BlockPool, tables: list[BlockTable]) -> None:
    """Hold the pool's account against the tables."""
    held = [0] * pool.count
    for table in tables:
        assert len(set(table.blocks)) == len(table)
        for block in table.blocks:
            held[block] += 1
    assert [pool.holders(block) for block in range(pool.count)] == held
    assert pool.free == held.count(0)
    # What the pool keeps beside the counts.
    free = {block for block in range(pool.count) if held[block] == 0}
    assert set(pool._empty) | set(pool._idle) == free
    assert not set(pool._empty) & set(pool._idle)
    assert all(pool._digests[block] is None for block in pool._empty)
    assert {pool._digests[block] for block in pool._known.values()} == set(pool._known)
    assert pool._set_aside <= free
    rooms = [block for table in tables for block in table.room if block in pool._set_aside]
    assert set(rooms) == pool._set_aside


def test_what_a_table_takes_it_gives_back() -> None:
    pool, table = BlockPool(10), BlockTable()
    pool.extend(table, 3, room=2)
    assert list(table.blocks) == [0, 1, 2]
    assert pool.free == 7
    pool.extend(table, 4)
    assert list(table.blocks) == [0, 1, 2, 3, 4, 5, 6]
    with pytest.raises(ValueError, match="4 blocks wanted, 3 are free"):
        pool.extend(table, 4)
    check(pool, [table])
    pool.release(table)
    assert pool.free == 10
    check(pool, [table])


def test_tables_that_grow_in_turns_stay_in_line() -> None:
    pool, tables = BlockPool(64), [BlockTable() for _ in range(4)]
    for table in tables:
        pool.extend(table, 2, room=8)
    for _ in range(8):
        for table in tables:
            pool.extend(table, 1)
    for table in tables:
        assert all(later == earlier + 1 for earlier, later in pairwise(table.blocks))
    firsts = [table.blocks[0] for table in tables]
    assert firsts == [0, 10, 20, 30]
    check(pool, tables)


def test_space_that_was_set_aside_is_taken_when_nothing_else_is_left() -> None:
    pool, first, second = BlockPool(8), BlockTable(), BlockTable()
    pool.extend(first, 1, room=7)
    pool.extend(second, 7)
    assert pool.free == 0
    check(pool, [first, second])


def test_a_text_that_begins_alike_adopts_what_was_read() -> None:
    pool, table = BlockPool(8), BlockTable()
    ids = list(range(48))
    digests = digests_of(ids)
    pool.extend(table, 3)
    for index, digest in enumerate(digests):
        pool.remember(table, index, digest)
    blocks = list(table.blocks)
    assert pool.find(digests_of([*ids[:32], *range(16)])) == 2
    assert pool.find(digests_of(ids, b"another tenant")) == 0

    twin = BlockTable()
    pool.adopt(twin, digests[:2])  # while the first is in use
    assert list(twin.blocks) == blocks[:2]
    assert pool.holders(blocks[0]) == 2
    pool.release(table)
    pool.release(twin)
    assert pool.free == 8
    late = BlockTable()
    pool.adopt(late, digests)  # and after
    assert list(late.blocks) == blocks
    check(pool, [table, twin, late])


def test_what_was_released_long_ago_is_forgotten_first_and_ends_before_beginnings() -> None:
    pool = BlockPool(6)
    texts = [[token + 100 * text for token in range(32)] for text in range(3)]
    for ids in texts:
        table = BlockTable()
        pool.extend(table, 2)
        for index, digest in enumerate(digests_of(ids)):
            pool.remember(table, index, digest)
        pool.release(table)
    new = BlockTable()
    for left in ([2, 2, 2], [1, 2, 2], [0, 2, 2], [0, 1, 2], [0, 0, 2]):
        assert [pool.find(digests_of(ids)) for ids in texts] == left
        pool.extend(new, 1)
    check(pool, [new])


def test_a_shared_block_is_exchanged_before_it_is_written() -> None:
    pool, table = BlockPool(8), BlockTable()
    pool.extend(table, 2)
    twin = pool.fork(table)
    assert list(twin.blocks) == list(table.blocks)
    source = table.blocks[1]
    copy = pool.own(twin, 1)
    assert copy == (source, twin.blocks[1])
    assert twin.blocks[1] != source
    assert twin.blocks[0] == table.blocks[0]
    assert pool.own(table, 1) is None  # nobody else holds it any more
    check(pool, [table, twin])


def test_a_digest_depends_on_all_that_came_before() -> None:
    first, second = list(range(16)), list(range(16, 32))
    assert digests_of(first + second)[1] != digests_of(second + second)[1]
    assert digests_of(first)[0] == digests_of(first + second)[0]


class Life:
    """Does at random all that may happen to a pool."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.pool = BlockPool(40)
        self.tables: list[BlockTable] = []

    def begin(self) -> None:
        common = list(range(16 * self.chance.randint(0, 2)))
        digests = digests_of([*common, *self.chance.choices(range(3), k=48)])
        table = BlockTable()
        found = self.pool.find(digests)
        self.pool.adopt(table, digests[:found])
        if len(digests) - found > self.pool.free:
            self.pool.release(table)
            return
        self.tables.append(table)
        self.pool.extend(table, len(digests) - found, room=self.chance.randint(0, 6))
        for index, digest in enumerate(digests):
            self.pool.remember(table, index, digest)

    def grow(self) -> None:
        count = min(self.pool.free, self.chance.randint(0, 3))
        self.pool.extend(self.chance.choice(self.tables), count)

    def fork(self) -> None:
        self.tables.append(self.pool.fork(self.chance.choice(self.tables)))

    def write(self) -> None:
        table = self.chance.choice(self.tables)
        if self.pool.free:
            index = self.chance.randrange(len(table))
            self.pool.own(table, index, room=self.chance.randint(0, 3))

    def end(self) -> None:
        self.pool.release(self.tables.pop(self.chance.randrange(len(self.tables))))


@pytest.mark.parametrize("seed", range(4))
def test_no_block_leaks_whatever_happens(seed: int) -> None:
    life = Life(seed)
    actions = [life.begin] * 4 + [life.grow] * 2 + [life.fork, life.write] + [life.end] * 2
    for turn in range(2_500):
        action = life.chance.choice(actions) if life.tables else life.begin
        action()
        if turn % 10 == 0:
            check(life.pool, life.tables)
    while life.tables:
        life.end()
    assert life.pool.free == life.pool.count
