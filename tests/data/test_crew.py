from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest

from autogpt.core.errors import ResourceError
from autogpt.data import crew
from autogpt.data.clean import clean
from autogpt.data.examine import Examined, examine
from autogpt.data.intake import Batch, batched
from autogpt.data.readers import Document
from autogpt.data.steps import CleanConfig, Step

CONFIG = CleanConfig(seed=3)


def texts(count: int) -> Iterator[str]:
    """Yield texts with something for every step to do, in English and Chinese."""
    chance = random.Random(0)
    words = [
        "harbor",
        "lamp",
        "weather",
        "學而",
        "時習",
        "之",
        "不亦",
        "說乎",
        "café",
        "cafe\u0301",
    ]
    for number in range(count):
        text = " ".join(chance.choices(words, k=chance.randrange(1, 120)))
        if number % 7 == 0:
            text += "\r\nnext\x00 line\u2028"
        if number % 11 == 0:
            text = "again and again " * 60
        if number % 13 == 0:
            text = ""
        yield text


def batches(count: int, size: int) -> list[Batch]:
    documents = [(Document(text, f"f.jsonl:{n}"), False) for n, text in enumerate(texts(count))]
    return [documents[start : start + size] for start in range(0, count, size)]


def same(found: Examined, wanted: Examined) -> bool:
    pairs = [(getattr(found, name), getattr(wanted, name)) for name in Examined.__slots__]
    return all(np.array_equal(a, b) if isinstance(a, np.ndarray) else a == b for a, b in pairs)


def test_several_processes_find_what_one_does_in_order():
    given = batches(900, 40)
    alone = list(crew.examined(given, CONFIG, processes=1))
    together = list(crew.examined(given, CONFIG, processes=3, alone_chars=1))
    assert [batch for batch, _ in together] == given
    assert all(same(found, wanted) for (_, found), (_, wanted) in zip(together, alone, strict=True))
    assert sum(found.normalized.documents for _, found in together) > 100
    assert sum(len(found.near_rows) for _, found in together) > 100
    assert any((found.marks != 0).any() for _, found in together)


def test_a_repetitive_text_that_fills_up_a_batch_is_marked():
    text = "".join(random.Random(1).choices("abcdefghij klm", k=200)) * 400
    found = examine([text], CONFIG)
    assert len(text) > 1 << 16
    assert found.marks.tolist() == [Step.REPETITIVE]


def test_a_corpus_is_cleaned_to_the_same_files(tmp_path: Path):
    chance = random.Random(2)
    words = ["".join(chance.choices("etaoinshrdlu", k=7)) for _ in range(5000)]
    rows = list(texts(500)) + [" ".join(chance.choices(words, k=1200)) for _ in range(1000)]
    large = [Document(row, f"f.jsonl:{number}") for number, row in enumerate(rows)]
    assert sum(len(row) for row in rows) > 1.1 * crew._ALONE_CHARS
    results = [
        clean(large, CONFIG, folder=tmp_path / str(processes), processes=processes)
        for processes in (1, 2)
    ]
    assert results[0].report == results[1].report
    for name in ("train.txt", "train.sizes", "validation.txt", "validation.sizes"):
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()


def test_a_process_that_is_killed_is_one_sentence_and_leaves_none_behind():
    before = set(psutil.Process().children())
    given = crew.examined(iter(batches(4000, 20)), CONFIG, processes=2, alone_chars=1)
    next(given)
    next(given)
    workers = set(psutil.Process().children()) - before
    assert len(workers) == 2
    workers.copy().pop().kill()
    with pytest.raises(ResourceError, match="has ended"):
        list(given)
    assert not any(worker.is_running() for worker in workers)


def test_only_a_few_batches_are_read_ahead():
    read = 0

    def counted() -> Iterator[Batch]:
        nonlocal read
        for batch in batches(2000, 10):
            read += 1
            yield batch

    given = crew.examined(counted(), CONFIG, processes=2, alone_chars=1)
    for number, _ in enumerate(given, start=1):
        assert read <= number + 2 * crew._AHEAD
    assert read == 200


def test_batches_hold_every_document_once():
    documents = [(Document("字" * 300_000, "a"), False), (Document("b" * 300_000, "b"), True)]
    assert [len(batch) for batch in batched(documents * 3)] == [2, 2, 2]
