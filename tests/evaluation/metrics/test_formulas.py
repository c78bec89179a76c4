"""Formulas against the libraries that made the figures known, and against sums done by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sacrebleu.metrics import BLEU, CHRF
from seqeval.metrics import f1_score as seqeval_f1
from seqeval.metrics import precision_score as seqeval_precision
from seqeval.metrics import recall_score as seqeval_recall
from seqeval.scheme import IOB2
from sklearn.metrics import accuracy_score, f1_score

from autogpt.core.examples import Entity
from autogpt.evaluation.metrics.entities import entity_confusions, entity_metrics, type_scores
from autogpt.evaluation.metrics.labels import (
    calibration,
    calibration_by_chance,
    class_scores,
    confusions,
    label_metrics,
)
from autogpt.evaluation.metrics.language import Stretch, language_metrics
from autogpt.evaluation.metrics.texts import translation_metrics

LABELS = st.sampled_from(["weather", "music", "天气", "other"])
WORDS = st.lists(st.sampled_from(["the", "cat", "sat", "on", "mat", "."]), max_size=9).map(" ".join)
HAN = st.text("今天天气很好，不错吗", max_size=9)


@given(st.lists(st.tuples(LABELS, LABELS), min_size=1, max_size=30))
def test_labels_as_scikit_learn(pairs: list[tuple[str, str]]):
    expected, predicted = [e for e, _ in pairs], [p for _, p in pairs]
    found = {
        m.name: m.value for m in label_metrics([(e,) for e in expected], [(p,) for p in predicted])
    }
    assert found["accuracy"] == pytest.approx(accuracy_score(expected, predicted))
    assert found["macro_f1"] == pytest.approx(
        f1_score(expected, predicted, average="macro", zero_division=0)
    )
    assert "micro_f1" not in found


def test_several_labels_by_hand():
    expected = [("a", "b"), (), ("c",)]
    predicted = [("a",), ("b",), ("c",)]
    found = {m.name: m.value for m in label_metrics(expected, predicted)}
    assert found["accuracy"] == pytest.approx(1 / 3)
    assert found["micro_f1"] == pytest.approx(2 * 2 / (2 * 2 + 1 + 1))
    assert found["macro_f1"] == pytest.approx(2 / 3)  # a and c are perfect, b never right
    assert confusions(expected, predicted) == {
        ("a", "a"): 1, ("b", ""): 1, ("", "b"): 1, ("c", "c"): 1
    }  # fmt: skip


def test_a_label_by_itself():
    scores = class_scores([("a",), ("a",), ("b",)], [("a",), ("b",), ("b",)])
    assert [(s.name, s.precision, s.recall, s.count) for s in scores] == [
        ("a", 1.0, 0.5, 2),
        ("b", 0.5, 1.0, 1),
    ]
    assert scores[0].f1 == pytest.approx(2 / 3)


def test_calibration_by_hand():
    # Three sure at 0.9, of which two are right; one unsure at 0.5, right.
    expected = [("a",), ("a",), ("b",), ("a",)]
    chances = [{"a": 0.9, "b": 0.1}] * 3 + [{"a": 0.5, "b": 0.5}]
    predicted = [("a",)] * 4
    error = next(
        m for m in label_metrics(expected, predicted, chances) if m.formula == "calibration_error"
    )
    assert error.value == pytest.approx((3 * abs(0.9 - 2 / 3) + 1 * abs(0.5 - 1.0)) / 4)
    bins = calibration(expected, chances)
    assert [(b.count, round(b.accuracy, 3), round(b.confidence, 3)) for b in bins] == [
        (1, 1.0, 0.5),
        (3, 0.667, 0.9),
    ]


def test_what_says_the_truth_is_calibrated():
    random = np.random.default_rng(0)
    chance = random.uniform(0.5, 1.0, 20_000)
    right = random.uniform(size=20_000) < chance
    expected = [("a",) if r else ("b",) for r in right]
    chances = [{"a": p, "b": 1 - p} for p in chance.tolist()]
    error = label_metrics(expected, [("a",)] * 20_000, chances)[-1]
    assert error.value < 0.02
    overconfident = [{"a": 0.99, "b": 0.01}] * 20_000
    assert label_metrics(expected, [("a",)] * 20_000, overconfident)[-1].value > 0.2


def entity(kind: str, start: int, end: int) -> Entity:
    return Entity(type=kind, start=start, end=end, text="x" * (end - start))


def tags(entities: list[Entity], length: int) -> list[str]:
    row = ["O"] * length
    for one in entities:
        row[one.start : one.end] = [f"B-{one.type}"] + [f"I-{one.type}"] * (one.end - one.start - 1)
    return row


SPANS = st.lists(
    st.tuples(st.sampled_from(["PER", "LOC"]), st.integers(1, 3), st.integers(0, 2)), max_size=4
)


def place(drawn: list[tuple[str, int, int]]) -> list[Entity]:
    entities, at = [], 0
    for kind, size, gap in drawn:
        entities.append(entity(kind, at + gap, at + gap + size))
        at += gap + size
    return entities


@given(st.lists(st.tuples(SPANS, SPANS), min_size=1, max_size=6))
def test_entities_as_seqeval_strict(rows: list[tuple[list[tuple[str, int, int]], ...]]):
    expected, predicted = [place(e) for e, _ in rows], [place(p) for _, p in rows]
    if not any(expected) or not any(predicted):
        return  # seqeval warns; what we give then is tested below
    truth, said = [tags(e, 24) for e in expected], [tags(p, 24) for p in predicted]
    found = {m.name: m.value for m in entity_metrics(expected, predicted)}
    strict = {"mode": "strict", "scheme": IOB2, "zero_division": 0}
    assert found["f1"] == pytest.approx(seqeval_f1(truth, said, **strict))
    assert found["precision"] == pytest.approx(seqeval_precision(truth, said, **strict))
    assert found["recall"] == pytest.approx(seqeval_recall(truth, said, **strict))
    assert found["macro_f1"] == pytest.approx(seqeval_f1(truth, said, average="macro", **strict))


def test_entities_by_hand():
    expected = [[entity("PER", 0, 2), entity("LOC", 5, 7)], [entity("PER", 0, 3)]]
    predicted = [[entity("PER", 0, 2), entity("PER", 5, 7)], [entity("PER", 0, 2)]]
    found = {m.name: m.value for m in entity_metrics(expected, predicted)}
    assert found["f1"] == pytest.approx(2 / 6)
    assert {(s.name, s.count) for s in type_scores(expected, predicted)} == {("PER", 2), ("LOC", 1)}
    assert entity_confusions(expected, predicted) == {
        ("PER", "PER"): 1, ("LOC", "PER"): 1, ("PER", ""): 1, ("", "PER"): 1
    }  # fmt: skip


def test_nothing_to_find_and_nothing_found():
    assert [m.value for m in entity_metrics([[]], [[]])] == [0.0] * 4


@given(st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=8))
def test_bleu_and_chrf_as_sacrebleu(pairs: list[tuple[str, str]]):
    written, references = [w for w, _ in pairs], [r for _, r in pairs]
    bleu, chrf = translation_metrics(written, references)
    if bleu.parts[:, 6:].sum(0).all():  # else sacrebleu takes the logarithm of 0 for -9999999999
        assert bleu.value == pytest.approx(
            BLEU(force=True).corpus_score(written, [references]).score
        )
    assert chrf.value == pytest.approx(CHRF().corpus_score(written, [references]).score)


@given(st.lists(st.tuples(HAN, HAN.filter(bool)), min_size=1, max_size=8))
def test_chinese_bleu_as_sacrebleu(pairs: list[tuple[str, str]]):
    written, references = [w for w, _ in pairs], [r for _, r in pairs]
    bleu, chrf = translation_metrics(written, references)
    scorer = BLEU(tokenize=bleu.signature.split("tok:")[1].split("|")[0])
    expected = scorer.corpus_score(written, [references]).score
    assert bleu.value == pytest.approx(expected, abs=1e-6)
    assert chrf.value == pytest.approx(CHRF().corpus_score(written, [references]).score)


def test_the_example_of_sacrebleu():
    # From its README (2.x): a system of three sentences, here with the first of its references.
    references = [
        "The dog bit the man.", "It was not unexpected.", "The man bit him first."
    ]  # fmt: skip
    written = ["The dog bit the man.", "It wasn't surprising.", "The man had just bitten him."]
    bleu, chrf = translation_metrics(written, references)
    assert bleu.value == pytest.approx(BLEU().corpus_score(written, [references]).score)
    assert "tok:13a" in bleu.signature
    assert "smooth:exp" in bleu.signature
    assert "nc:6" in chrf.signature
    assert "tok:zh" in translation_metrics(["你好"], ["你好。"])[0].signature
    assert "tok:char" in translation_metrics(["これは"], ["これはペンです"])[0].signature


def test_perplexity_by_hand():
    stretches = [
        Stretch(place="a", text="", nats=np.log(2) * 8, tokens=4, size_bytes=8),
        Stretch(place="b", text="", nats=np.log(2) * 24, tokens=4, size_bytes=8),
    ]
    found = {m.name: m.value for m in language_metrics(stretches)}
    assert found["bits_per_byte"] == pytest.approx(2.0)
    assert found["perplexity"] == pytest.approx(2.0**4)
    assert found["loss"] == pytest.approx(np.log(16))


@pytest.mark.parametrize("labels", [1, 3])
def test_honest_confidences_show_the_error_that_chance_makes(labels: int) -> None:
    chance = np.random.default_rng(0)
    found, wanted = [], []
    for _ in range(200):
        sure = chance.uniform(0.5, 1.0, (400, labels))
        right = chance.uniform(size=sure.shape) < sure
        probabilities = [
            {f"yes{place}": one for place, one in enumerate(row)}
            | ({"no": 1 - row[0]} if labels == 1 else {})
            for row in sure.tolist()
        ]
        expected = [
            tuple(f"yes{place}" for place in np.flatnonzero(row))
            or (("no",) if labels == 1 else ())
            for row in right
        ]
        bins = calibration(expected, probabilities)
        count = sum(each.count for each in bins)
        found.append(sum(abs(b.confidence - b.accuracy) * b.count for b in bins) / count)
        if not wanted:
            wanted = list(calibration_by_chance(expected, probabilities))
    assert wanted[0] == pytest.approx(float(np.mean(found)), rel=0.1)
    assert wanted[1] == pytest.approx(float(np.quantile(found, 0.95)), rel=0.15)
