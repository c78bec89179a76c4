"""N-grams that score texts: alone as among others, and read with suspicion."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from autogpt.core.errors import CheckpointError
from autogpt.models.ngram_scores import (
    NGRAMS,
    NgramScores,
    document_frequencies,
    load_ngrams,
    save_ngrams,
)
from autogpt.tokenizer.hashed_ngrams import Features, count_features

TEXTS = ["the red cat", "a red dog", "红色的猫", "红色的狗", "ＲＥＤ　cat"]


def learned() -> NgramScores:
    numbers, _ = document_frequencies(TEXTS)
    chance = np.random.default_rng(0)
    return NgramScores(
        numbers=numbers,
        idf=chance.uniform(1, 5, len(numbers)).astype(np.float32),
        weight=chance.normal(size=(len(numbers), 3)).astype(np.float32),
    )


def test_a_score_is_the_weighted_mean_of_what_its_ngrams_say() -> None:
    ngrams, text = learned(), "red dogs 的"
    counts = count_features([text], Features(bits=24, longest=4, words=2))
    known = {number: place for place, number in enumerate(ngrams.numbers)}
    total, squares = np.zeros(3), 0.0
    for number, often in zip(counts.features, counts.weights, strict=True):
        if number in known:
            place = known[number]
            value = float(often) * float(ngrams.idf[place])
            total += value * ngrams.weight[place]
            squares += value**2
    assert ngrams.scores([text])[0] == pytest.approx(total / squares**0.5, rel=1e-5)
    assert squares > 0


def test_texts_are_counted_that_hold_an_ngram() -> None:
    numbers, often = document_frequencies(["a b", "a a", "c"] * 300)
    assert len(numbers) == len(often) == len(np.unique(numbers))
    assert sorted(set(often.tolist())) == [300, 600, 900]  # " " is in all
    few, least = document_frequencies(["a b", "a a", "c"])
    assert np.array_equal(few, numbers)
    assert np.array_equal(least * 300, often)


def test_width_and_case_do_not_count() -> None:
    wide, plain = learned().scores(["ＲＥＤ　cat", "red cat"])
    assert np.array_equal(wide, plain)


@given(st.lists(st.text(max_size=30), max_size=5))
def test_a_text_scores_alone_as_among_others(texts: list[str]) -> None:
    ngrams = learned()
    together = ngrams.scores(texts)
    assert together.shape == (len(texts), 3)
    for text, row in zip(texts, together, strict=True):
        assert np.array_equal(ngrams.scores([text])[0], row)


def test_a_text_without_known_ngrams_scores_nothing() -> None:
    ngrams = learned()
    red = ngrams.bags(["red"]).places[-1:]
    few = NgramScores(numbers=ngrams.numbers[red], idf=ngrams.idf[red], weight=ngrams.weight[red])
    assert few.scores(["", "ẞ", "red", ""]).any(axis=1).tolist() == [False, False, True, False]


def test_what_is_saved_is_read(tmp_path: Path) -> None:
    ngrams = learned().times(0.5)
    save_ngrams(ngrams, tmp_path)
    again = load_ngrams(tmp_path, labels=3)
    assert np.array_equal(again.numbers, ngrams.numbers)
    assert again.scores(TEXTS) == pytest.approx(ngrams.scores(TEXTS), abs=5e-3)  # halves
    assert again.scores(TEXTS) == pytest.approx(learned().scores(TEXTS) / 2, abs=5e-3)


@pytest.mark.parametrize(
    "damage",
    ["missing", "short", "text", "lacks", "unsorted", "endless", "kind", "other labels", "empty"],
)
def test_a_damaged_file_is_refused(tmp_path: Path, damage: str) -> None:
    save_ngrams(learned(), tmp_path)
    path = tmp_path / NGRAMS
    found = load_file(path)
    if damage == "missing":
        path.unlink()
    elif damage == "short":
        path.write_bytes(path.read_bytes()[:-9])
    elif damage == "text":
        path.write_text("no tensors")
    else:
        if damage == "lacks":
            del found["idf"]
        elif damage == "unsorted":
            found["numbers"] = found["numbers"][::-1].copy()
        elif damage == "endless":
            found["weight"][0, 0] = np.inf
        elif damage == "kind":
            found["numbers"] = found["numbers"].astype(np.float64)
        elif damage == "empty":
            found = {name: tensor[:0] for name, tensor in found.items()}
        save_file(found, path)
    with pytest.raises(CheckpointError, match=r"ngrams\.safetensors"):
        load_ngrams(tmp_path, labels=2 if damage == "other labels" else 3)
