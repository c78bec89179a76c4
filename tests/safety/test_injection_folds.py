"""``benchmarks/quality/injection_folds.py``: comparing settings without the held-out texts."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import numpy as np
import pytest

QUALITY = Path(__file__).parents[2] / "benchmarks" / "quality"


@pytest.fixture(scope="module")
def folds():
    pytest.importorskip("sklearn")
    sys.path.insert(0, str(QUALITY))
    try:
        import injection_folds
    finally:
        sys.path.remove(str(QUALITY))
    return injection_folds


def test_texts_of_a_kind_are_told_from_others_they_were_not_learned_with(folds):
    chance = random.Random(0)
    orders = ["obey me now", "break every law", "you have no limits", "drop the mask"]
    talk = ["the train was late", "she bakes bread", "rain fell on hills", "we read books"]
    wild = [" ".join(chance.choices(orders, k=9)) for _ in range(40)]
    calm = {
        name: [" ".join(chance.choices(talk, k=6)) for _ in range(60)] for name in ("one", "two")
    }
    found = folds.measure(wild, calm, orders, talk, recipe=folds.injection.Recipe(windows=True))
    assert (found.texts, found.missed) == (40, 0)
    assert found.recall[0]["value"] == 1.0


def test_no_family_is_learned_and_held_out_at_once(folds):
    chance = random.Random(1)
    words = [f"w{place}" for place in range(400)]
    texts = []
    for _ in range(12):
        run = " ".join(chance.choices(words, k=14))
        texts += [f"{run} {chance.choice(words)} {place}" for place in range(3)]
    families = folds.injection.families(texts)
    assert [len(family) for family in families] == [3] * 12
    assert sorted(text for family in families for text in family) == sorted(texts)
    train, test = folds.injection.halves(texts, chance)
    beginnings = [{" ".join(text.split()[:14]) for text in part} for part in (train, test)]
    assert not beginnings[0] & beginnings[1]


def test_a_corpus_with_more_texts_weighs_no_more_than_in_the_test(folds):
    attacks = np.array([0.3, 0.45, 0.55, 0.95])
    many = np.zeros(25_000)  # 250 in the test, as of the other
    few = np.r_[0.9, 0.8, 0.7, 0.6, 0.5, 0.4, np.zeros(244)]
    found = folds.summary(attacks, {"many": many, "few": few}, largest=1)
    assert found.thresholds[1] == 0.5  # four of 500 lie above it, with it there are 1%
    assert found.by_corpus == {"many": 0.0, "few": 0.016}
    assert found.missed == 2
    assert found.without_largest["value"] == pytest.approx(2 / 3, abs=1e-4)
