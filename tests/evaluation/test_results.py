"""From predictions to figures, files and the page."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path

import numpy as np
import pytest

from autogpt.core.errors import CheckpointError, RunError
from autogpt.core.examples import Entity, Labeled, Pair, Tagged
from autogpt.evaluation import results
from autogpt.evaluation.judging import (
    Judged,
    judge_entities,
    judge_labels,
    judge_summaries,
    judge_translations,
)
from autogpt.evaluation.results import Evaluation, conclude
from autogpt.evaluation.results_page import render_page

LABELS = ("天气", "music", "news")


def labeled(number: int = 60) -> tuple[list[Labeled], list[dict[str, float]]]:
    random = np.random.default_rng(0)
    words = {"天气": "下雨 晴天", "music": "song album", "news": "vote minister"}
    examples, chances = [], []
    for place in range(number):
        label = LABELS[place % 3]
        examples.append(
            Labeled(text=f"{words[label]} {place}", labels=(label,), place=f"t.csv:{place + 2}")
        )
        sure = float(random.uniform(0.4, 0.95))
        said = label if random.uniform() < 0.8 else LABELS[(place + 1) % 3]
        chances.append({one: sure if one == said else (1 - sure) / 2 for one in LABELS})
    return examples, chances


def concluded(judged: Judged, task: str = "classify") -> Evaluation:
    return conclude(judged, model="runs/mine", data="t.csv", task=task, wall_s=2.0)


def test_labels_against_baselines():
    examples, chances = labeled()
    judged = judge_labels(examples, chances)
    assert [m.name for m in judged.metrics] == [
        "accuracy",
        "macro_f1",
        "expected_calibration_error",
    ]
    found = concluded(judged).to_dict()
    metrics, baselines = found["metrics"], found["baselines"]
    assert isinstance(metrics, dict)
    assert isinstance(baselines, dict)
    assert metrics["accuracy_low"] < metrics["accuracy"] < metrics["accuracy_high"]
    assert baselines["majority_accuracy"] == pytest.approx(1 / 3)
    assert baselines["linear_accuracy"] == 1.0  # the words tell
    assert any("fifths" in note for note in judged.notes)
    against = concluded(judged).against
    assert against["majority"][0].winner == 1
    assert against["linear"][0].winner == 0


def test_training_examples_are_what_baselines_learn_from():
    examples, chances = labeled(30)
    wrong = [Labeled(text=e.text, labels=("news",)) for e in examples[:-1]]
    train = [*wrong, Labeled(text="下雨", labels=("天气",))]
    judged = judge_labels(examples, chances, train=train)
    assert not any("No training examples" in note for note in judged.notes)
    assert judged.baselines["majority"][0].value == pytest.approx(1 / 3)
    assert judged.baselines["linear"][0].value < 0.9


def test_a_baseline_that_cannot_be_had_is_noted():
    judged = judge_labels([Labeled(text="x", labels=("a",))] * 3, [{"a": 1.0}] * 3)
    assert set(judged.baselines) == {"majority"}
    assert any("too few" in note for note in judged.notes)


def test_entities():
    text = "Ada lives in Bath"
    right = (
        Entity(type="PER", start=0, end=3, text="Ada"),
        Entity(type="LOC", start=13, end=17, text="Bath"),
    )
    examples = [Tagged(text=text, entities=right, place=f"f:{n}") for n in range(12)]
    judged = judge_entities(examples, [right] * 11 + [right[:1]])
    assert judged.metrics[0].value == pytest.approx(2 * 23 / (2 * 23 + 1))
    assert judged.baselines["crf"][0].value > 0.9
    assert judged.rows[0].expected == "PER: Ada; LOC: Bath"
    assert judged.rows[11].score == pytest.approx(2 / 3)
    assert judged.confusion["LOC", ""] == 1


def test_texts():
    pairs = [
        Pair(source="The program reads PNG files. It is old.", target="reads PNG files"),
        Pair(source="这个程序读取文件。它很快。", target="读取文件的程序"),
    ]
    judged = judge_summaries(pairs, ["reads PNG files", "程序读取JPEG"], train=pairs)
    assert judged.baselines["neighbor"][0].value == pytest.approx(100.0)
    assert 0 < judged.baselines["lead"][0].value < 100
    facts = next(m for m in judged.metrics if m.name == "facts_in_source")
    assert facts.value == pytest.approx(1 / 2)
    assert judged.rows[0].score > judged.rows[1].score
    translated = judge_translations(pairs, ["reads PNG files", "读取文件的程序"])
    assert [m.name for m in translated.metrics] == ["bleu", "chrf"]
    assert translated.metrics[1].value == pytest.approx(100.0)
    assert translated.baselines["copy"][1].value < 80
    assert set(translated.baselines) == {"copy"}


def test_files(tmp_path: Path):
    examples, chances = labeled()
    found = concluded(judge_labels(examples, chances))
    results.write(tmp_path / "e", found)
    assert results.is_evaluation(tmp_path / "e")
    assert results.is_evaluation(tmp_path / "e" / "evaluation.json")
    assert not results.is_evaluation(tmp_path)
    fields = json.loads((tmp_path / "e" / "evaluation.json").read_text(encoding="utf-8"))
    assert fields == json.loads(json.dumps(found.to_dict()))
    lines = (tmp_path / "e" / "predictions.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 60
    assert json.loads(lines[0])["expected"] == "天气"
    stored = results.read(tmp_path / "e")
    for ours, theirs in zip(found.judged.metrics, stored.metrics, strict=True):
        assert ours.value == theirs.value
        assert ours.better == theirs.better
    assert (tmp_path / "e" / "statistics.safetensors").stat().st_size < 30_000


def test_damage_is_told(tmp_path: Path):
    examples, chances = labeled()
    results.write(tmp_path, concluded(judge_labels(examples, chances)))
    statistics = tmp_path / "statistics.safetensors"
    whole = statistics.read_bytes()
    statistics.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CheckpointError, match="damaged"):
        results.read(tmp_path)
    statistics.unlink()
    with pytest.raises(CheckpointError, match="missing"):
        results.read(tmp_path)
    (tmp_path / "evaluation.json").write_text('{"format": 99}', encoding="utf-8")
    with pytest.raises(RunError, match="format"):
        results.read(tmp_path)


def test_the_page_has_what_it_must():
    examples, chances = labeled()
    examples[1] = Labeled(text="<script>alert(1)</script>", labels=("news",), place="t.csv:3")
    page = render_page(concluded(judge_labels(examples, chances)))
    shown = html.unescape(page)
    assert "Content-Security-Policy" in page
    assert "<script" not in page
    assert not re.findall(r"(?:src|href)=\"(?!data:)", page)
    assert "What is taken for what" in page
    assert "Is it as right as it is sure?" in page
    assert "<circle" in page
    assert "Worst examples" in page
    assert "TF-IDF and logistic regression" in page
    assert "the commonest label" in page
    assert "p < 0.001" in shown
    assert "天气" in page
    assert '"PingFang SC"' in page  # the style is not escaped
    assert " to " in page


def test_the_page_of_many_labels_shows_the_most_mistaken():
    examples = [Labeled(text=str(n), labels=(f"l{n:02}",)) for n in range(40)]
    chances = [{f"l{(n + (n < 25)) % 40:02}": 1.0} for n in range(40)]
    page = render_page(concluded(judge_labels(examples, chances)))
    assert "The 20 that are mistaken most often" in page
    assert "l00" in page


def test_the_page_of_texts_has_no_matrix():
    pairs = [Pair(source="Where is it?", target="它在哪里？")]
    page = render_page(concluded(judge_translations(pairs, ["它在哪儿？"]), "translate"))
    assert "What is taken for what" not in page
    assert "tok:zh" in page
    assert "它在哪儿" in page
