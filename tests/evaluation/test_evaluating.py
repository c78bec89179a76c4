"""From a model and files to an evaluation, and several of them compared; the command too."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from autogpt.cli.app import app
from autogpt.core.errors import AutoGPTError, DataError, UsageError
from autogpt.core.examples import Entity
from autogpt.evaluation import results
from autogpt.models.checkpoint import save_model
from autogpt.models.gpt import GPT, GPTConfig
from autogpt.recipe.evaluating import Settings, evaluate, evaluate_model
from autogpt.recipe.model_comparison import compare_models
from autogpt.tasks.asking import Form
from autogpt.tokenizer.bpe import TokenizerConfig, train

TEXT = "The boiler is broken. 锅炉坏了，请派人来修。 Shall I compare thee to a summer's day?\n" * 6


class Keyword:
    """A classifier that looks for a word; it has what a trained head has."""

    labels = ("good", "bad")

    def __init__(self, *words: str) -> None:
        self.words = words

    def predict(self, texts: Sequence[str]) -> list[dict[str, float]]:
        good = [0.9 if any(word in text for word in self.words) else 0.2 for text in texts]
        return [{"good": p, "bad": 1 - p} for p in good]


@dataclass
class Found:
    text: str
    entities: tuple[Entity, ...] = ()


class Capitals:
    """A tagger that takes words with a capital letter for people."""

    def tag(self, texts: Sequence[str]) -> list[Found]:
        return [
            Found(
                text,
                tuple(
                    Entity(type="PER", start=m.start(), end=m.end(), text=m[0])
                    for m in re.finditer(r"\b[A-Z][a-z]+", text)
                ),
            )
            for text in texts
        ]


class Copier:
    """Summarizes by the first words, translates not at all."""

    def summarize(self, text: str) -> Found:
        return Found(" ".join(text.split()[:4]))

    def translate(self, text: str, *, to: str) -> Found:
        return Found(text if to == "en" else "锅炉坏了")


class Translator(Copier):
    """One that was taught to translate."""

    form = Form(task="translate", prompts={"": "{text}"})


def reviews(folder: Path) -> Path:
    rows = ["text,label"]
    for n in range(30):
        rows += [f"it works nicely {n},good", f"很好用 {n},good", f"it broke again {n},bad"]
    path = folder / "reviews.csv"
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    settings = TokenizerConfig(kind="bpe", vocab_size=300)
    tokenizer = train([TEXT], settings, corpus_bytes=len(TEXT.encode()))
    torch.manual_seed(0)
    config = GPTConfig(
        vocab_size=tokenizer.vocab_size, hidden_size=32, intermediate_size=64,
        num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=2, head_dim=16,
        max_position_embeddings=64, eos_token_id=tokenizer.eos_id, pad_token_id=tokenizer.pad_id,
    )  # fmt: skip
    save_model(GPT(config), folder / "model", tokenizer=tokenizer, generation_config=None)
    return folder


def test_a_classifier(tmp_path: Path):
    found = evaluate_model(Keyword("nicely"), str(reviews(tmp_path)))
    metrics = found.to_dict()["metrics"]
    assert isinstance(metrics, dict)
    assert found.task == "classify"
    assert metrics["accuracy"] == pytest.approx(2 / 3, abs=1e-5)
    assert found.judged.confusion["good", "bad"] == 30
    assert {"linear", "majority"} == set(found.baselines)


def test_baselines_learn_from_named_examples(tmp_path: Path):
    data = reviews(tmp_path)
    found = evaluate_model(Keyword("nicely"), str(data), settings=Settings(train=[str(data)]))
    (note,) = found.judged.notes
    assert note.startswith("On 90 examples perfectly honest confidences would show")
    assert found.baselines["linear"][0].value == 1.0


def test_labels_that_the_model_does_not_know(tmp_path: Path):
    path = tmp_path / "other.csv"
    path.write_text("text,label\na b,good\nc d,odd\n", encoding="utf-8")
    with pytest.raises(DataError, match="'odd'"):
        evaluate_model(Keyword("a"), str(path))


def test_a_tagger(tmp_path: Path):
    path = tmp_path / "names.conll"
    path.write_text("Ada B-PER\nsings O\n\nthe O\nBoat B-LOC\n\n" * 6, encoding="utf-8")
    found = evaluate_model(Capitals(), str(path))
    assert found.task == "tag"
    figures = {figure.name: figure.value for figure in found.figures}
    assert figures["f1"] == pytest.approx(2 * 6 / (2 * 6 + 6 + 6))
    assert found.judged.confusion["LOC", "PER"] == 6


def test_texts(tmp_path: Path):
    path = tmp_path / "pairs.jsonl"
    rows = [{"source": "The boiler is broken again today", "target": "锅炉坏了"}] * 3
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    with pytest.raises(UsageError, match="several tasks"):
        evaluate_model(Copier(), str(path))
    found = evaluate_model(Copier(), str(path), settings=Settings(task="translate"))
    assert found.figures[0].value == pytest.approx(100.0)
    assert "tok:zh" in found.judged.metrics[0].signature
    assert evaluate_model(Translator(), str(path)).figures == found.figures
    summaries = evaluate_model(Copier(), str(path), settings=Settings(task="summarize", limit=2))
    assert summaries.examples == 2
    assert summaries.figures[0].name == "rouge_l"


def test_a_text_on_a_real_model(model: Path, tmp_path: Path):
    path = tmp_path / "text.txt"
    path.write_text(TEXT, encoding="utf-8")
    found = evaluate(str(model), str(path), out=tmp_path / "e")
    figures = {figure.name: figure for figure in found.figures}
    # Random weights know nothing: as unsure as among all tokens.
    assert figures["perplexity"].value == pytest.approx(300, rel=0.15)
    assert set(found.baselines) == {"gzip", "xz"}
    assert (tmp_path / "e" / "evaluation.html").is_file()


def test_models_are_compared(tmp_path: Path):
    data = str(reviews(tmp_path))
    for name, words in (("one", ["nicely"]), ("二", ["nicely", "很好"]), ("three", ["nicely"])):
        results.write(tmp_path / name, evaluate_model(Keyword(*words), data, name=name))
    folders = [tmp_path / name for name in ("one", "二", "three")]
    found = compare_models(folders, plot=tmp_path / "c.png")
    accuracy = found.differences["accuracy"]
    assert [one.winner for one in accuracy] == [1, None, 1]
    assert accuracy[0].method == "McNemar"
    assert accuracy[0].p < 1e-6
    assert accuracy[1].p == 1.0
    fields = found.to_dict()
    assert json.loads(json.dumps(fields)) == fields
    with Image.open(tmp_path / "c.png") as picture:
        assert picture.width > 800


def test_other_examples_do_not_compare(tmp_path: Path):
    data = str(reviews(tmp_path))
    for name, limit in (("one", None), ("two", 40)):
        found = evaluate_model(Keyword("nicely"), data, settings=Settings(limit=limit))
        results.write(tmp_path / name, found)
    with pytest.raises(UsageError, match="same examples"):
        compare_models([tmp_path / "one", tmp_path / "two"], plot=tmp_path / "c.png")
    with pytest.raises(UsageError, match="nothing to compare"):
        compare_models([tmp_path / "one"], plot=tmp_path / "c.png")


def test_the_command(model: Path, tmp_path: Path):
    questions = tmp_path / "arc_easy.jsonl"
    rows = [
        {"query": f"Question: Is {n} odd?", "choices": ["yes", "no"], "gold": n % 2}
        for n in range(6)
    ]
    questions.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    suite = ["evaluate", str(model), "--suite", "arc_easy", "--suite-data", str(tmp_path)]
    said = CliRunner().invoke(app, [*suite, "--json", "-q"])
    fields = json.loads(said.stdout)
    assert fields["metrics"]["acc_low"] <= fields["metrics"]["acc"] <= fields["metrics"]["acc_high"]
    assert fields["baselines"]["chance_acc"] == 0.5
    for out in ("a", "b"):
        said = CliRunner().invoke(app, [*suite, "--limit", "4", "--out", str(tmp_path / out)])
        assert "4 examples" in said.stdout, said.output
    plot = str(tmp_path / "c.png")
    said = CliRunner().invoke(
        app, ["compare", str(tmp_path / "a"), str(tmp_path / "b"), "--plot", plot]
    )
    assert "may be chance" in said.stdout, said.output


@pytest.mark.parametrize(
    ("settings", "data", "says"),
    [
        ({}, None, "nothing to evaluate"),
        ({"suite": "arc_easy"}, "x.csv", "were given"),
        ({"suite": "arc_easy"}, None, "not known where"),
        ({"suite": "mmlu"}, None, "no suite"),
        ({"task": "sing"}, "x.csv", "cannot be evaluated"),
        ({"limit": 0}, "x.csv", "limit is 0"),
        ({"window": 1}, "x.csv", "window is 1"),
        ({"suite": "arc_easy", "task": "tag"}, None, "its own task"),
        ({}, "x.csv", "x.csv"),
    ],
)
def test_wrong_use_is_one_sentence(settings: dict[str, object], data: str | None, says: str):
    with pytest.raises(AutoGPTError, match=says):
        evaluate_model(Keyword("a"), data, settings=Settings(**settings))  # type: ignore[arg-type]


def test_a_model_that_cannot(tmp_path: Path):
    path = tmp_path / "p.jsonl"
    path.write_text('{"source": "a", "target": "b"}\n', encoding="utf-8")
    with pytest.raises(UsageError, match="cannot be evaluated on the task 'translate'"):
        evaluate_model(Keyword("a"), str(path), settings=Settings(task="translate"))
