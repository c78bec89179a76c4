from __future__ import annotations

import argparse
import importlib.util
import inspect
import json
import random
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autogpt.core.errors import ConfigError, DataError, ResourceError
from autogpt.core.units import format_bytes
from autogpt.data import duplicates, quality
from autogpt.data.clean import CleanConfig, CleanResult, clean
from autogpt.data.readers import Document, read

PACKAGE = Path(str(importlib.util.find_spec("autogpt").submodule_search_locations[0]))  # type: ignore[union-attr,index]  # it is a package
QUICKSTART = PACKAGE / "data" / "quickstart"
PLAYS, ANALECTS, POEMS = (
    (QUICKSTART / name).read_text() for name in ("tinyshakespeare.txt", "lunyu.txt", "tang300.txt")
)


def rows(texts: Iterable[str]) -> list[Document]:
    return [Document(text, f"rows.jsonl:{number}") for number, text in enumerate(texts, 1)]


def run(folder: Path, texts: Iterable[str | Document], **settings: object) -> CleanResult:
    documents = [
        text if isinstance(text, Document) else Document(text, f"rows.jsonl:{number}")
        for number, text in enumerate(texts, 1)
    ]
    return clean(documents, CleanConfig(**settings), folder=folder)  # type: ignore[arg-type]


def removed(result: CleanResult) -> dict[str, int]:
    return {step.step: step.documents for step in result.report.steps if step.documents}


def everything(result: CleanResult) -> list[str]:
    return [*result.train, *result.validation]


def sentences(count: int, seed: int = 0, words: int = 40) -> list[str]:
    chance = random.Random(seed)
    vocabulary = sorted({word for word in PLAYS[:200_000].split() if word.isalpha()})
    return [" ".join(chance.choices(vocabulary, k=words)) + "." for _ in range(count)]


def chinese(count: int, seed: int = 0, length: int = 80) -> list[str]:
    chance = random.Random(seed)
    characters = sorted(filter(str.isalpha, set(ANALECTS + POEMS)))
    return ["".join(chance.choices(characters, k=length)) for _ in range(count)]


def test_the_quickstart_texts_are_split_fairly_and_nothing_is_lost(tmp_path: Path) -> None:
    result = clean(read([str(path) for path in sorted(QUICKSTART.glob("*.txt"))]), folder=tmp_path)
    total = result.train.bytes + result.validation.bytes
    assert total == result.report.bytes_in == result.report.bytes_out
    assert removed(result) == {}
    assert 0.08 < result.validation.bytes / total < 0.12
    held = "".join(result.validation)
    for text in (PLAYS, ANALECTS, POEMS):
        share = sum(len(block) for block in result.validation if block in text) / len(text)
        assert 0.05 < share < 0.2
    assert len(held) == result.validation.chars
    # Counted, not compared as lists: a failure would print a difference of a million lines.
    assert Counter(PLAYS + ANALECTS + POEMS) == Counter("".join(everything(result)))
    assert {path.name for path in tmp_path.iterdir()} == {
        "train.txt", "train.sizes", "validation.txt", "validation.sizes",
    }  # fmt: skip


def test_contiguous_blocks_are_marked_and_join_to_the_text(tmp_path: Path) -> None:
    result = clean(read([str(QUICKSTART / "tinyshakespeare.txt")]), folder=tmp_path)
    assert result.validation.bytes / len(PLAYS) == pytest.approx(0.1, abs=0.02)
    for side in (result.train, result.validation):
        runs: list[str] = []
        for text, continues in side.items():
            if continues:
                runs[-1] += text
            else:
                runs.append(text)
        assert len(runs) == side.documents < side.rows
        assert all(run in PLAYS for run in runs)
        assert side.path.read_text() == "".join(runs)
        assert side.bytes == side.path.stat().st_size


@pytest.mark.parametrize("count", [2, 5, 30, 300, 3000])
def test_both_sides_are_never_empty_and_never_share_a_text(tmp_path: Path, count: int) -> None:
    texts = sentences(count, words=8)
    copies = [text.upper().replace(" ", "\n ") for text in texts[::3]]
    result = run(tmp_path, texts + copies, exact_duplicates=False, near_duplicates=False)
    train = {quality.comparable(text) for text in result.train}
    held = {quality.comparable(text) for text in result.validation}
    assert train
    assert held
    assert not train & held
    if count >= 300:
        share = result.validation.bytes / (result.train.bytes + result.validation.bytes)
        assert share == pytest.approx(0.1, abs=0.02)


def test_the_side_of_a_text_does_not_depend_on_order(tmp_path: Path) -> None:
    texts = sentences(500, words=12)
    one = run(tmp_path / "1", texts)
    two = run(tmp_path / "2", reversed(texts))
    assert set(one.validation) == set(two.validation)
    other = run(tmp_path / "3", texts, seed=1)
    assert set(one.validation) != set(other.validation)


def test_validation_is_capped(tmp_path: Path) -> None:
    result = run(tmp_path, sentences(400), validation_max_bytes=2_000)
    assert 0 < result.validation.bytes < 4_000


def test_a_small_file_beside_a_large_one_is_represented(tmp_path: Path) -> None:
    large = [Document(text, f"en.jsonl:{n}") for n, text in enumerate(sentences(3000))]
    small = [Document(text, f"zh.jsonl:{n}") for n, text in enumerate(chinese(300))]
    result = clean(large + small, folder=tmp_path)
    held = [text for text in result.validation if not text.isascii()]
    assert 20 <= len(held) <= 40


def test_parts_of_one_document_among_many_stay_together(tmp_path: Path) -> None:
    texts = sentences(900)
    documents = [
        Document("".join(part), f"rows.jsonl:{number // 3}", number % 3)
        for number, part in enumerate(texts)
    ]
    result = clean(documents, CleanConfig(near_duplicates=False), folder=tmp_path)
    held = set(result.validation)
    for first in range(0, 900, 3):
        assert len({text in held for text in texts[first : first + 3]}) == 1
    assert result.train.documents + result.validation.documents == 300


def test_exact_duplicates_go_but_for_case_and_space(tmp_path: Path) -> None:
    texts = sentences(100)
    copies = [texts[3], texts[4].upper(), texts[5].replace(" ", "  "), texts[3]]
    result = run(tmp_path, texts + copies)
    assert removed(result) == {"duplicates": 4}
    step = next(step for step in result.report.steps if step.step == "duplicates")
    assert len(step.examples) == 2
    assert step.bytes == sum(map(len, copies))
    assert sorted(everything(result)) == sorted(texts)


def changed(text: str, seed: int) -> str:
    """Return a text with one word in sixty replaced."""
    chance = random.Random(seed)
    words = text.split(" ") if " " in text else list(text)
    for _ in range(max(1, len(words) // 60)):
        words[chance.randrange(len(words))] = "另" if not text.isascii() else "other"
    return (" " if " " in text else "").join(words)


@pytest.mark.parametrize("make", [sentences, chinese])
def test_near_duplicates_go_in_english_and_chinese(tmp_path: Path, make: object) -> None:
    texts = make(200, 1, 200)  # type: ignore[operator]  # one of two functions
    copies = [changed(text, number) for number, text in enumerate(texts[:100])]
    result = run(tmp_path, texts + copies)
    found = removed(result)
    assert set(found) <= {"near duplicates", "also in validation"}
    assert sum(found.values()) >= 95
    assert set(texts[100:]) <= set(everything(result))


def test_nothing_near_the_validation_text_stays_in_train(tmp_path: Path) -> None:
    texts = sentences(300, 2, 150)
    copies = [text.replace(text.split()[7], "changed", 1) for text in texts]
    result = run(tmp_path, texts + copies)
    pair = {text: number % 300 for number, text in enumerate(texts + copies)}
    held = {pair[text] for text in result.validation}
    both = [text for text in result.train if pair[text] in held]
    assert len(both) <= 3
    assert removed(result)["also in validation"] >= 20


def test_flags_turn_steps_off(tmp_path: Path) -> None:
    texts = sentences(200, 3, 100)
    dirty = [
        *texts,
        texts[0],
        changed(texts[1], 1),
        "a",
        "spam and eggs " * 50,
        "e\u0301\r\n\x07" * 9,
    ]
    on = run(tmp_path / "on", dirty)
    assert removed(on) == {
        "unicode and line ends": 1, "control characters": 1, "too short": 1, "repetitive": 1,
        "duplicates": 1, "near duplicates": 1,
    } or removed(on).get("also in validation")  # fmt: skip
    assert "é\n" * 9 in everything(on)
    off = run(
        tmp_path / "off", dirty, normalize=False, control=False, short=False, repetitive=False,
        exact_duplicates=False, near_duplicates=False,
    )  # fmt: skip
    assert removed(off) == {}
    assert sorted(everything(off)) == sorted(dirty)


def test_poems_plays_code_and_chat_are_not_damaged(tmp_path: Path) -> None:
    song = "We all live in a yellow submarine,\nyellow submarine, yellow submarine.\n"
    verse = (
        "In the town where I was born\nlived a man who sailed to sea,\nand he told us of his life\n"
    )
    verse += (
        "in the land of submarines.\nSo we sailed up to the sun\ntill we found the sea of green.\n"
    )
    chat = [
        "hi",
        "ok!",
        "好",
        "再见",
        "lol",
        "哈哈哈哈哈",
        "no no no no no",
        "3 + 4 = 7",
        "3 + 4 = 8",
    ]
    code = [inspect.getsource(module) for module in (json, random, duplicates, quality, argparse)]
    speeches = list(dict.fromkeys(part.lower() for part in PLAYS.split("\n\n")[:1500]))
    poems = POEMS.split("\n\n")
    texts = [song * 2 + verse + song * 2, *chat, *code, *speeches, *poems]
    texts += [line for line in ANALECTS.split("\n") if line]
    result = run(tmp_path, texts)
    dropped = removed(result)
    assert not {"too short", "repetitive"} & set(dropped)
    assert sum(dropped.values()) <= 6  # poems that the anthology prints twice


@pytest.mark.parametrize(
    "text",
    ["buy now cheap! " * 30, "哈哈哈哈" * 40, "the same line\n" * 50, "the cat\nsat\n" * 40,
     "=" * 500, "\n".join(["A line that comes again and again."] * 30 + ["Another line."] * 4)],
)  # fmt: skip
def test_repetition_is_found(tmp_path: Path, text: str) -> None:
    result = run(tmp_path, [*sentences(200), text])
    assert removed(result) == {"repetitive": 1}


def test_blocks_of_one_text_are_kept_though_they_resemble_each_other(tmp_path: Path) -> None:
    chance = random.Random(0)
    log = "".join(
        f"2024-05-{day:02} {hour:02}:00 request {chance.randrange(10**6)} took "
        f"{chance.random():.4f} s and gave {chance.choice(['ok', 'late', 'failed'])}\n"
        for day in range(1, 29)
        for hour in range(24)
    )
    result = run(tmp_path, [Document(log, "log.txt")])
    assert removed(result) == {}
    assert sorted("".join(everything(result))) == sorted(log)


def test_minhash_estimates_are_unbiased() -> None:
    texts = [text.encode() for text in sentences(200, 4, 300)]
    copies = [changed(text.decode(), number).encode() for number, text in enumerate(texts)]

    def grams(text: bytes) -> set[bytes]:
        return {text[at : at + 8] for at in range(len(text) - 7)}

    true = [
        len(grams(a) & grams(b)) / len(grams(a) | grams(b))
        for a, b in zip(texts, copies, strict=True)
    ]
    values = []
    for batch in (texts, copies):
        hashed, starts = quality.windows(batch)
        values.append(duplicates.signatures(hashed, starts, 0)[0])
    estimates = ((values[0] == values[1]).mean(axis=1) - 1 / 256) / (1 - 1 / 256)
    assert abs(np.mean(estimates - true)) < 0.01
    assert np.std(estimates - true) < 0.06


@settings(max_examples=50)
@given(st.text(min_size=1, max_size=300))
def test_repair_is_stable_and_leaves_no_controls(text: str) -> None:
    once = quality.without_controls(quality.normalize(text))
    assert quality.without_controls(quality.normalize(once)) == once
    assert "\r" not in once
    assert "\0" not in once
    assert quality.comparable(text.upper()) == quality.comparable(f" {text.upper()}\n")


@settings(max_examples=30, deadline=None)
@given(texts=st.lists(st.text(max_size=60), max_size=12))
def test_any_texts_are_cleaned_or_refused_in_one_sentence(
    texts: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    try:
        result = run(tmp_path_factory.mktemp("any"), texts)
    except DataError:
        whole = {quality.comparable(quality.without_controls(text)) for text in texts}
        assert sum(len(text) >= CleanConfig().min_bytes for text in whole) < 2
    else:
        held = set(map(quality.comparable, result.validation))
        assert held
        assert not held & set(map(quality.comparable, result.train))


@pytest.mark.parametrize("texts", [[], [""], ["one"], ["the same text"] * 50, ["x" * 300]])
def test_a_corpus_too_small_is_one_sentence(tmp_path: Path, texts: list[str]) -> None:
    with pytest.raises(DataError, match="The corpus is too small"):
        run(tmp_path, texts)
    assert list(tmp_path.iterdir()) == []


def test_an_error_while_reading_leaves_nothing_behind(tmp_path: Path) -> None:
    def documents() -> Iterator[Document]:
        yield from rows(sentences(10))
        raise DataError("line 11 is broken.")

    with pytest.raises(DataError, match="line 11"):
        clean(documents(), folder=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_way_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(ResourceError):
        run(tmp_path / "file" / "folder", sentences(10))


def test_the_report_is_plain_values_and_a_table(tmp_path: Path) -> None:
    texts = sentences(50)
    seen: list[int] = []
    result = clean(rows([*texts, texts[0]]), folder=tmp_path, progress=seen.append)
    assert sum(seen) == sum(map(len, texts)) + len(texts[0])
    report = json.loads(json.dumps(result.report.to_dict()))
    assert report["rows_in"] == 51
    assert report["rows_out"] == 50
    table = result.report.table()
    assert table[4][:2] == ("duplicates", "1 removed")
    size = f"{format_bytes(report['bytes_out'])} of {format_bytes(report['bytes_in'])}"
    assert table[-1][:3] == ("total", "50 of 51 kept", size)
    assert all(len(example) <= 80 for step in result.report.steps for example in step.examples)


@pytest.mark.parametrize(
    "settings",
    [{"validation_fraction": 0}, {"near_threshold": 1.5}, {"seed": -1}, {"min_bytes": -1}],
)
def test_config_is_checked(settings: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="was expected"):
        CleanConfig(**settings)  # type: ignore[arg-type]  # the mistake under test
