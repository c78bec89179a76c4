"""What n-grams learn of labels, and how much of it is added to what a model says."""

from __future__ import annotations

import numpy as np
import pytest

from autogpt.recipe import ngram_teaching
from autogpt.recipe.ngram_teaching import LearnedNgrams, fit_ngrams


def test_a_word_tells_a_label() -> None:
    chance = np.random.default_rng(0)
    targets = chance.integers(2, size=200)
    nouns = ["cat", "dog", "天", "地", "Haus"]
    texts = [f"{['bad', 'good'][each]} {chance.choice(nouns)}" for each in targets]
    found = fit_ngrams(texts, targets, labels=2, seconds=None, seed=0)
    scores = found.scores(["a good bird", "好 bad", "bird"])
    assert scores.argmax(1).tolist()[:2] == [1, 0]
    assert abs(scores[2, 0] - scores[2, 1]) < abs(scores[0, 0] - scores[0, 1])


def test_several_labels_are_learned_apart() -> None:
    texts = ["red round", "red", "round", "plain"] * 20
    targets = np.array([[1, 1], [1, 0], [0, 1], [0, 0]] * 20)
    found = fit_ngrams(texts, targets, labels=2, seconds=None, seed=0)
    red, round_ = found.scores(["so red", "so round"])
    assert red[0] > red[1]
    assert round_[1] > round_[0]


def test_of_very_many_texts_some_are_learned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ngram_teaching, "_MOST_CHARS", 300)
    texts, targets = ["good", "evil"] * 100, np.array([1, 0] * 100)
    found = fit_ngrams(texts, targets, labels=2, seconds=0.0, seed=0)
    assert found.scores(["good", "evil"]).argmax(1).tolist() == [1, 0]
    again = fit_ngrams(texts, targets, labels=2, seconds=0.0, seed=0)
    assert np.array_equal(again.weight, found.weight)


def test_ngrams_that_know_nothing_are_left_out() -> None:
    chance = np.random.default_rng(0)
    targets = chance.integers(2, size=2000)
    right = np.where(np.arange(2) == targets[:, None], 1.0, -1.0)
    known = fit_ngrams(["a a", "b b"] * 20, np.array([0, 1] * 20), labels=2, seconds=None, seed=0)
    wrong = LearnedNgrams(known, -right)
    scores, ngrams, _ = wrong.beside(right, targets, multi_label=False)
    assert ngrams is None
    assert np.array_equal(scores, right)
    helpful = LearnedNgrams(known, right + chance.normal(0, 1, right.shape))
    noisy = right + chance.normal(0, 1, right.shape)
    scores, ngrams, figures = helpful.beside(noisy, targets, multi_label=False)
    assert ngrams is not None
    share = float(ngrams.weight[0, 0] / known.weight[0, 0])
    assert share == pytest.approx(1.0, abs=0.2)
    assert scores == pytest.approx(noisy + share * helpful.looks, abs=1e-6)
    alone = (noisy.argmax(1) == targets).mean()
    assert figures["accuracy_of_model"] == alone
    assert (scores.argmax(1) == targets).mean() > alone + 0.05
