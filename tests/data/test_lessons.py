from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from autogpt.core.errors import ConfigError, DataError
from autogpt.data.batches import Batch
from autogpt.data.lessons import LessonBatches, Lessons, lesson_windows
from autogpt.tokenizer.lessons import Lesson


def lesson(first: int, prompt: int, answer: int) -> Lesson:
    """Tokens first, first + 1...; those of the answer are learned."""
    ids = np.arange(first, first + prompt + answer, dtype=np.int32)
    return Lesson(ids, np.arange(prompt + answer) >= prompt)


def told(batch: Batch) -> list[tuple[list[int], list[int]]]:
    """Return the inputs and targets of each lesson in a batch, without what fills it up."""
    found = []
    assert batch.document_ids is not None
    for inputs, targets, documents in zip(
        batch.inputs.tolist(), batch.targets.tolist(), batch.document_ids.tolist(), strict=True
    ):
        assert documents == sorted(documents)
        for number in dict.fromkeys(documents):
            places = [place for place, here in enumerate(documents) if here == number]
            pair = [inputs[p] for p in places], [targets[p] for p in places]
            if set(pair[1]) != {-100}:
                found.append(pair)
    return found


_SIZES = st.lists(st.tuples(st.integers(1, 12), st.integers(1, 12)), min_size=1, max_size=40)


@given(_SIZES, st.integers(24, 40), st.integers(1, 5), st.integers(0, 3))
def test_every_lesson_once_an_epoch_with_its_mask(
    sizes: list[tuple[int, int]], length: int, batch_size: int, seed: int
) -> None:
    made = [lesson(1 + 100 * n, *size) for n, size in enumerate(sizes)]
    lessons = Lessons.collect(made, context_length=length)
    batches = LessonBatches(
        lessons=lessons, batch_size=batch_size, context_length=length, seed=seed
    )
    expected = []
    for item in made:
        ids, learned = item.token_ids.tolist(), item.learned.tolist()
        targets = [i if on else -100 for i, on in zip(ids[1:], learned[1:], strict=True)]
        expected.append((ids[:-1], targets))
    rows = [row for index in range(30) for row in range_of(batches[index])]
    begin = 0
    for epoch in range(1, 3):
        end = batches.rows_in(epoch)
        if end > len(rows):
            break
        seen = [pair for row in rows[begin:end] for pair in told(row)]
        assert sorted(seen) == sorted(expected)
        begin = end
    windows = lesson_windows(lessons, batch_size=batch_size, context_length=length)
    assert sorted(pair for batch in windows for pair in told(batch)) == sorted(expected)


def range_of(batch: Batch) -> list[Batch]:
    """Return the rows of a batch as batches."""
    assert batch.document_ids is not None
    assert batch.inputs.shape == batch.targets.shape == batch.document_ids.shape
    parts = zip(batch.inputs, batch.targets, batch.document_ids, strict=True)
    return [Batch(*(part[None] for part in row)) for row in parts]


def many(count: int = 300, length: int = 64) -> LessonBatches:
    generator = np.random.default_rng(1)
    made = [lesson(n, *generator.integers(1, 30, 2).tolist()) for n in range(count)]
    lessons = Lessons.collect(made, context_length=length)
    return LessonBatches(lessons=lessons, batch_size=4, context_length=length, seed=7)


def test_a_batch_depends_on_lessons_seed_and_number_only() -> None:
    batches = many()
    far = batches[200]
    for index in (3, 0, 200):
        first, again = batches[index], many()[index]
        assert torch.equal(first.inputs, again.inputs)
        assert torch.equal(first.targets, again.targets)
    assert torch.equal(far.inputs, batches[200].inputs)
    other = replace(batches, seed=8)
    assert not torch.equal(other[0].inputs, batches[0].inputs)


def test_smaller_batches_and_later_beginnings_go_through_the_same_rows() -> None:
    batches = many()
    halves = replace(batches, batch_size=2)
    later = replace(batches, first_row=4)
    for index in (0, 5, 40):
        joined = torch.cat([halves[2 * index].inputs, halves[2 * index + 1].inputs])
        assert torch.equal(joined, batches[index].inputs)
        assert torch.equal(later[index].inputs, batches[index + 1].inputs)


def test_rows_are_nearly_full_and_epochs_differ() -> None:
    batches = many(count=3000)
    rows = batches.rows_in(1)
    places = int(batches.lessons.sizes.sum())
    assert places / (rows * 64) > 0.97
    assert batches.epochs_in(rows) == 1
    assert batches.epochs_in(rows + batches.rows_in(2) // 4) == pytest.approx(1.5, abs=0.01)
    first, second = batches[0].inputs, replace(batches, first_row=rows)[0].inputs
    assert not torch.equal(first, second)


def test_too_long_lessons_lose_the_beginning_of_their_prompt() -> None:
    lessons = Lessons.collect(
        [lesson(0, 30, 4), lesson(100, 5, 6), lesson(200, 3, 30), lesson(300, 9, 10)],
        context_length=10,
    )
    kept = np.split(lessons.token_ids, lessons.starts[1:-1])
    assert [part.tolist() for part in kept] == [
        list(range(23, 34)),
        list(range(100, 111)),
        list(range(202, 213)),  # the answer alone is too long: its end goes
        list(range(308, 319)),
    ]
    assert [part.sum() for part in np.split(lessons.learned, lessons.starts[1:-1])] == [
        4,
        6,
        10,
        10,
    ]
    report = lessons.report.to_dict()
    assert report["longest"] == 34
    assert (report["cut"], report["cut_answers"], report["cut_tokens"]) == (3, 1, 23 + 22 + 8)
    assert (report["lessons"], report["tokens"], report["learned"]) == (4, 44, 30)


def test_long_texts_become_several_lessons_and_lose_nothing() -> None:
    everything = Lesson(np.arange(25, dtype=np.int32), np.ones(25, dtype=np.bool_))
    lessons = Lessons.collect([everything], context_length=10)
    assert lessons.report.split == 1
    assert len(lessons) == 3
    targets = [
        target
        for batch in lesson_windows(lessons, batch_size=2, context_length=10)
        for _, targets in told(batch)
        for target in targets
    ]
    assert sorted(targets) == list(range(1, 25))


def test_what_teaches_nothing_is_left_out_or_refused() -> None:
    empty = Lesson(np.arange(3, dtype=np.int32), np.zeros(3, dtype=np.bool_))
    one = Lesson(np.arange(1, dtype=np.int32), np.ones(1, dtype=np.bool_))
    lessons = Lessons.collect([empty, lesson(0, 2, 2), one], context_length=8)
    assert (len(lessons), lessons.report.without_learning) == (1, 2)
    with pytest.raises(DataError, match="nothing to learn"):
        Lessons.collect([empty], context_length=8)
    with pytest.raises(ConfigError, match="at least 2"):
        Lessons.collect([empty], context_length=1)
    with pytest.raises(ConfigError, match="do not fit"):
        LessonBatches(lessons=lessons, batch_size=1, context_length=4, seed=0)


def test_fingerprint_and_bytes() -> None:
    first = Lessons.collect([lesson(0, 2, 3)], context_length=8)
    assert first.learned_bytes(np.arange(9, dtype=np.int32)) == 2 + 3 + 4
    assert first.fingerprint() == Lessons.collect([lesson(0, 2, 3)], context_length=8).fingerprint()
    assert first.fingerprint() != Lessons.collect([lesson(0, 1, 4)], context_length=8).fingerprint()
