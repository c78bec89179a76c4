"""Everyone's turn comes, nobody stalls the others, and no block is lost on the way."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from autogpt.inference.blocks import BlockPool
from autogpt.inference.scheduler import Limits, Row, Scheduler, Step


def make(blocks: int = 64, **limits: int) -> Scheduler[Row]:
    settings = {"context": 256, "rows": 8, "step_tokens": 128, "prompt_tokens": 256}
    return Scheduler(BlockPool(blocks), Limits(**settings | limits))


def row_of(length: int, *, more: int = 16, first: int = 0) -> Row:
    return Row(token_ids=list(range(first, first + length)), most=length + more)


def run(scheduler: Scheduler[Row], write: Callable[[Row], bool]) -> Step[Row]:
    """Do one step in place of an engine; ``write`` adds a token or says that the row is over."""
    step = scheduler.schedule()
    for turn in step.turns:
        is_read = turn.tokens == turn.row.pending
        scheduler.done(turn)
        if is_read and not write(turn.row):
            scheduler.discard(turn.row)
    return step


def keep_writing(row: Row) -> bool:
    row.token_ids.append(7)
    return len(row.token_ids) < row.most


def turns_of(step: Step[Row]) -> list[tuple[int, int]]:
    return [(turn.row.token_ids[0], turn.tokens) for turn in step.turns]


def test_a_prompt_is_read_in_pieces_that_end_on_the_grid() -> None:
    scheduler = make()
    scheduler.add(row_of(250))
    assert turns_of(run(scheduler, keep_writing)) == [(0, 250)]
    scheduler = make(prompt_tokens=64)
    scheduler.add(row_of(150))
    pieces = [turns_of(run(scheduler, keep_writing)) for _ in range(4)]
    assert pieces == [[(0, 64)], [(0, 64)], [(0, 22)], [(0, 1)]]


def test_a_long_prompt_stalls_nobody() -> None:
    scheduler = make(step_tokens=64)
    writing = row_of(10)
    scheduler.add(writing)
    run(scheduler, keep_writing)
    scheduler.add(row_of(200, first=1000))
    for _ in range(4):
        step = run(scheduler, keep_writing)
        tokens = dict(turns_of(step))
        assert tokens[0] == 1  # goes on in every step
        assert sum(tokens.values()) <= 1 + 64
    assert len(writing.token_ids) == 15


def test_a_short_prompt_overtakes_a_long_one_that_came_first() -> None:
    scheduler = make(prompt_tokens=128)
    scheduler.add(row_of(250, first=1000))
    scheduler.add(row_of(20, first=2000))
    assert turns_of(run(scheduler, keep_writing)) == [(1000, 64), (2000, 20)]
    assert turns_of(run(scheduler, keep_writing)) == [(2000, 1), (1000, 128)]


def test_first_come_first_served() -> None:
    scheduler = make(rows=2)
    for first in range(0, 500, 100):
        scheduler.add(row_of(20, more=4, first=first))
    order: list[int] = []
    while scheduler.running or scheduler.waiting:
        order += [turn.row.token_ids[0] for turn in run(scheduler, keep_writing).turns]
        assert len(scheduler.running) <= 2
    assert [first for place, first in enumerate(order) if first not in order[:place]] == [
        0, 100, 200, 300, 400,
    ]  # fmt: skip


def test_one_that_waits_for_blocks_is_not_overtaken() -> None:
    scheduler = make(blocks=16)
    scheduler.add(row_of(150, more=60))
    run(scheduler, keep_writing)
    scheduler.add(row_of(200, first=1000))
    scheduler.add(row_of(10, first=2000))
    run(scheduler, keep_writing)
    assert [row.token_ids[0] for row in scheduler.waiting] == [1000, 2000]


def test_the_youngest_is_pre_empted_and_reads_again() -> None:
    scheduler = make(blocks=16)
    old, young = row_of(110, more=120), row_of(100, more=120, first=1000)
    scheduler.add(old)
    scheduler.add(young)
    written = {id(old): 0, id(young): 0}

    def write(row: Row) -> bool:
        written[id(row)] += 1
        return keep_writing(row)

    while old.is_running or old in scheduler.waiting:
        run(scheduler, write)
    assert scheduler.preemptions > 0
    assert written[id(old)] == 120
    while scheduler.running or scheduler.waiting:
        run(scheduler, write)
    assert written[id(young)] == 120
    assert scheduler._pool.free == 16


def test_a_common_beginning_is_read_once() -> None:
    scheduler = make()
    scheduler.add(row_of(200))
    run(scheduler, keep_writing)
    twin = row_of(150, more=60)
    twin.token_ids += [5] * 30
    scheduler.add(twin)
    step = run(scheduler, keep_writing)
    # 128 of the 150 common tokens end where pieces do.
    assert {turn.row is twin: turn.tokens for turn in step.turns} == {False: 1, True: 52}
    assert list(twin.table.blocks[:8]) == list(scheduler.running[0].table.blocks[:8])
    stranger = Row(token_ids=list(range(200)), most=210, salt=b"another tenant")
    scheduler.add(stranger)
    tokens = 0
    while stranger.read < 200:
        tokens += sum(
            turn.tokens for turn in run(scheduler, keep_writing).turns if turn.row is stranger
        )
    assert tokens == 200


def test_a_text_that_outgrows_the_context_reads_its_later_half_again() -> None:
    scheduler = make(context=64, blocks=4)
    row = row_of(60, more=100)
    scheduler.add(row)
    lengths = []
    while scheduler.running or scheduler.waiting:
        step = run(scheduler, keep_writing)
        lengths.append((step.turns[0].tokens, row.read))
        assert row.read <= 64
    assert lengths[:7] == [(60, 60), (1, 61), (1, 62), (1, 63), (1, 64), (32, 32), (1, 33)]
    assert len(row.token_ids) == 160


def test_guesses_give_way_before_anyone_is_pre_empted() -> None:
    scheduler = make(blocks=16, context=256)
    first, second = row_of(120, more=20), row_of(110, more=20, first=1000)
    scheduler.add(first)
    scheduler.add(second)
    run(scheduler, keep_writing)
    first.guesses = tuple(range(40))
    step = scheduler.schedule()
    assert len(step.turns) == 2
    assert first.guesses == ()
    assert scheduler.preemptions == 0


def test_a_pool_smaller_than_the_context_is_refused() -> None:
    with pytest.raises(ValueError, match="do not hold a context"):
        make(blocks=15)


class Life:
    """Random arrivals, cancels, guesses and forks, step by step."""

    def __init__(self, seed: int, blocks: int) -> None:
        self.chance = random.Random(seed)
        self.scheduler = make(blocks=blocks, rows=6)
        self.live: list[Row] = []
        self.arrivals = self.cancels = self.finished = 0

    def arrive(self) -> None:
        chance = self.chance
        length = chance.choice([1, 15, 16, 17, chance.randint(1, 250)])
        ids = [*range(chance.choice([0, 32, 100])), *chance.choices(range(50), k=length)][:256]
        row = Row(token_ids=ids, most=len(ids) + chance.choice([1, 5, 40, 300]))
        self.live.append(row)
        self.scheduler.add(row, first=chance.random() < 0.05)
        self.arrivals += 1

    def cancel(self) -> None:
        self.scheduler.discard(self.live.pop(self.chance.randrange(len(self.live))))
        self.cancels += 1

    def guess(self) -> None:
        for row in self.scheduler.running:
            if row.pending == 1 and self.chance.random() < 0.3:
                row.guesses = tuple(self.chance.choices(range(50), k=self.chance.randint(1, 20)))

    def fork(self) -> None:
        source = self.chance.choice(self.scheduler.running)
        twin = Row(token_ids=list(source.token_ids), most=source.most)
        self.scheduler.fork(source, twin)
        self.live.append(twin)

    def write(self, row: Row) -> bool:
        row.token_ids.append(self.chance.randrange(50))
        for guess in row.guesses:
            if self.chance.random() < 0.5 or len(row.token_ids) >= row.most:
                break
            row.token_ids.append(guess)
            self.scheduler.accept(row)
        row.guesses = ()
        if len(row.token_ids) < row.most:
            return True
        self.live.remove(row)
        self.finished += 1
        return False

    def check(self) -> None:
        pool = self.scheduler._pool
        held = [0] * pool.count
        for row in self.scheduler.running:
            assert len(row.table) * 16 >= row.read
            for block in row.table.blocks:
                held[block] += 1
        assert [pool.holders(block) for block in range(pool.count)] == held
        assert pool.free == held.count(0)


@pytest.mark.parametrize(("seed", "blocks"), [(0, 16), (1, 20), (2, 40)])
def test_no_block_leaks_over_random_arrivals_cancels_and_pre_emptions(
    seed: int, blocks: int
) -> None:
    life = Life(seed, blocks)
    scheduler = life.scheduler
    while life.arrivals < 3_400 or life.live:
        for _ in range(life.chance.choice([0, 0, 1, 2]) if life.arrivals < 3_400 else 0):
            life.arrive()
        for _ in range(2 if len(life.live) > 12 else int(life.chance.random() < 0.1)):
            if life.live:
                life.cancel()
        life.guess()
        waiting = bool(scheduler.running or scheduler.waiting)
        step = run(scheduler, life.write)
        assert bool(step.turns) == waiting
        if life.chance.random() < 0.05 and scheduler.running and scheduler.can_fork():
            life.fork()
        life.check()
    assert life.arrivals >= 3_400
    assert life.cancels > 300
    assert life.finished > 300
    assert scheduler.preemptions > (20 if blocks < 40 else 0)
    assert scheduler._pool.free == blocks
    assert not scheduler._pool._set_aside
