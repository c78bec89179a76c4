"""What a field learns of tags: CRFsuite's own probabilities, and how much of them is added."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pycrfsuite
import pytest

from autogpt.core.examples import Entity, Tagged
from autogpt.models.tag_field import feature_numbers
from autogpt.recipe import field_teaching
from autogpt.recipe.field_teaching import learn_field
from autogpt.tasks.spans import units_of

LABELS = ("O", "B-LOC", "I-LOC", "B-PER", "I-PER")
NAMES = ["Ada Byron", "Bea", "李明", "王小芳"]
PLACES = ["Rom", "北京", "New York"]


def sentences(count: int) -> list[Tagged]:
    chance = np.random.default_rng(0)
    found = []
    for _ in range(count):
        name, place = str(chance.choice(NAMES)), str(chance.choice(PLACES))
        text = f"so {name} went to {place} again"
        entities = tuple(
            Entity(type=kind, start=text.index(word), end=text.index(word) + len(word), text=word)
            for kind, word in (("PER", name), ("LOC", place))
        )
        found.append(Tagged(text=text, entities=entities))
    return found


def test_the_field_says_what_crfsuite_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = tmp_path / "crf"
    train = pycrfsuite.Trainer.train

    def keeping(self: object, path: str) -> None:
        train(self, str(kept))
        Path(path).write_bytes(kept.read_bytes())

    monkeypatch.setattr(field_teaching, "_FEWEST_STEPS", 60)
    monkeypatch.setattr(pycrfsuite.Trainer, "train", keeping)
    looks = sentences(40)
    learned = learn_field(sentences(80), looks, LABELS, budget_s=None, say=print)
    assert learned is not None
    tagger = pycrfsuite.Tagger()
    tagger.open(str(kept))
    for example, found in zip(looks, learned.looks, strict=True):
        numbers = feature_numbers(example.text, units_of(example.text))
        tagger.set([[f"{number:x}" for number in own] for own in numbers])
        for unit, row in enumerate(np.exp(found)):
            wanted = [tagger.marginal(label, unit) for label in LABELS]
            assert row == pytest.approx(wanted, abs=1e-5)
    right = np.concatenate(learned.targets) == np.concatenate(learned.looks).argmax(axis=1)
    assert right.mean() > 0.99


def test_a_field_needs_sentences_to_look_at() -> None:
    assert learn_field(sentences(9), sentences(9), LABELS, budget_s=1.0, say=print) is None


def test_without_crfsuite_a_tagger_is_taught_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pycrfsuite", None)
    said: list[str] = []
    found = learn_field(sentences(9), sentences(80), LABELS, budget_s=None, say=said.append)
    assert found is None
    assert "autogpt[evaluate]" in said[0]
