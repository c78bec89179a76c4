"""``finetune --task classify|tag`` end to end, and the verbs that use what it makes."""

from __future__ import annotations

import json
import random
import sys
import tomllib
from pathlib import Path

import pytest
import torch
import transformers
from safetensors.torch import load_file

import autogpt
from autogpt.cli.app import main
from autogpt.core.errors import CheckpointError, DataError
from autogpt.core.progress import Progress
from autogpt.models.head_files import load_headed
from autogpt.models.ngram_scores import NGRAMS, load_ngrams
from autogpt.models.tag_field import FIELD
from autogpt.recipe import FinetuneResult, finetune
from autogpt.tasks.calibration import to_probabilities

WORDS = ["red", "blue", "one", "two", "cat", "天", "地"]
NAMES = ["Ada", "Bea", "李明", "王芳"]
PLACES = ["Paris", "北京"]


def settings(steps: int, **training: object) -> dict[str, object]:
    return {
        "model": {"preset": "tiny", "hidden_size": 32, "num_hidden_layers": 2, "head_dim": 16},
        "tokenizer": {"kind": "byte"},
        "kernels": {"dtype": "float32", "attention": "sdpa", "compile": "off", "threads": 1},
        "training": {"max_steps": steps, "batch_size": 16, "validations": 2, **training},
    }


def tuned(
    model: str, data: Path, out: Path, task: str, steps: int, method: str = "full"
) -> FinetuneResult:
    return finetune(
        model,
        str(data),
        task=task,
        out=out,
        method=method,
        settings=settings(steps),
        progress=Progress(quiet=True),
    )


def labeled(path: Path, *, several: bool = False, count: int = 160) -> Path:
    chance = random.Random(0)
    rows = []
    for _ in range(count):
        words = [chance.choice(WORDS) for _ in range(4)]
        words[chance.randrange(4)] = chance.choice(["good", "bad"])
        label = "好" if "good" in words else "bad"
        also = ["cat"] if "cat" in words else []
        rows.append({"text": " ".join(words), "label": [label, *also] if several else label})
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    return path


def tagged(path: Path, *, count: int = 160) -> Path:
    chance = random.Random(0)
    sentences = []
    for _ in range(count):
        name, place = chance.choice(NAMES), chance.choice(PLACES)
        tokens = [(chance.choice(WORDS), "O"), *spelled(name, "PER"), ("in", "O")]
        tokens += [*spelled(place, "LOC"), (chance.choice(WORDS), "O")]
        sentences.append("\n".join(f"{token}\t{tag}" for token, tag in tokens))
    path.write_text("\n\n".join(sentences) + "\n")
    return path


def spelled(name: str, kind: str) -> list[tuple[str, str]]:
    if name.isascii():
        return [(name, f"B-{kind}")]
    return [(name[0], f"B-{kind}"), *((letter, f"I-{kind}") for letter in name[1:])]


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("heads")


@pytest.fixture(scope="module")
def classified(room: Path) -> FinetuneResult:
    data = labeled(room / "labels.jsonl")
    return tuned("new", data, room / "classified", "classify", 60)


@pytest.fixture(scope="module")
def named(room: Path) -> FinetuneResult:
    return tuned("new", tagged(room / "names.conll"), room / "named", "tag", 60)


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    before, sys.argv = sys.argv, ["autogpt", *arguments]
    try:
        code = main()
    finally:
        sys.argv = before
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_a_label_is_read_from_the_mean_of_all_tokens(room: Path) -> None:
    result = finetune(
        "new",
        str(labeled(room / "means.jsonl")),
        task="classify",
        out=room / "means",
        settings={**settings(60), "finetune": {"pooling": "mean"}},
        progress=Progress(quiet=True),
    )
    assert result.metrics["accuracy"] > 0.9
    classifier = autogpt.load(room / "means")
    good, bad = classifier.predict(["red good 天 two", "bad one 地 two"])
    assert (max(good, key=good.get), max(bad, key=bad.get)) == ("好", "bad")


def test_ngrams_are_added_to_what_the_model_says(room: Path) -> None:
    data = labeled(room / "many.jsonl", count=400)
    result = tuned("new", data, room / "beside", "classify", 5)
    figures = result.metrics
    assert figures["accuracy_of_ngrams"] > 0.95 > figures["accuracy_of_model"]
    assert figures["accuracy"] > figures["accuracy_of_model"]
    both = autogpt.load(room / "beside")
    texts = ["red good 天 two", "bad one 地 two"]
    assert [max(row, key=row.get) for row in both.predict(texts)] == ["好", "bad"]
    folder = Path(result.model)
    assert NGRAMS in json.loads((folder / "manifest.json").read_text())["files"]
    theirs = transformers.AutoModelForSequenceClassification.from_pretrained(folder)
    tokens = transformers.AutoTokenizer.from_pretrained(folder)(texts[0], return_tensors="pt")
    with torch.no_grad():
        alone = theirs(**tokens).logits[0].double().numpy()
    ngrams = load_ngrams(folder, labels=2).scores(texts[:1])[0]
    wanted = to_probabilities(alone + ngrams, temperature=both.settings.temperature)
    found = both.predict(texts[0])
    assert [found[label] for label in both.labels] == pytest.approx(wanted.tolist(), abs=1e-5)
    (folder / NGRAMS).unlink()
    with pytest.raises(CheckpointError, match="ngrams"):
        autogpt.load(room / "beside")


def test_ngrams_may_be_left_out(room: Path) -> None:
    result = finetune(
        "new",
        str(labeled(room / "many.jsonl", count=400)),
        task="classify",
        out=room / "alone",
        settings={**settings(5), "finetune": {"ngrams": False}},
        progress=Progress(quiet=True),
    )
    assert "accuracy_of_ngrams" not in result.metrics
    assert not (Path(result.model) / NGRAMS).exists()
    assert not autogpt.load(room / "alone").settings.ngrams


def test_a_label_is_learned_from_nothing(classified: FinetuneResult, room: Path) -> None:
    assert classified.metrics["accuracy"] > 0.9
    assert {"temperature", "calibration_error", "calibration_error_before"} <= {*classified.metrics}
    model = autogpt.load(room / "classified")
    assert model.labels == ("bad", "好")
    assert model.predict("red good 天 two")["好"] > 0.8
    assert model.predict(["bad one 地 two"])[0]["bad"] > 0.8
    assert model.settings.temperature == pytest.approx(classified.metrics["temperature"])
    assert model.settings.calibration.examples > 8
    assert 0.1 < model.settings.temperature < 2  # few examples, all right: still not certain
    theirs = transformers.AutoModelForSequenceClassification.from_pretrained(classified.model)
    assert theirs.config.label2id == {"bad": 0, "好": 1}


def test_neighbors_are_added_to_what_a_tagger_says(room: Path) -> None:
    result = tuned("new", tagged(room / "many.conll", count=600), room / "near", "tag", 5)
    figures = result.metrics
    assert figures["accuracy_of_field"] > 0.95 > figures["accuracy_of_model"]
    assert figures["f1"] > 0.9
    both = autogpt.load(room / "near")
    assert both.settings.field > 0
    text = "red 李明 in Paris 天"
    found = [(entity.type, entity.text) for entity in both.tag(text).entities]
    assert found == [("PER", "李明"), ("LOC", "Paris")]
    assert all(0.3 < entity.score <= 1 for entity in both.tag(text).entities)
    folder = Path(result.model)
    assert FIELD in json.loads((folder / "manifest.json").read_text())["files"]
    assert transformers.AutoModelForTokenClassification.from_pretrained(folder)
    (folder / FIELD).unlink()
    with pytest.raises(CheckpointError, match="field"):
        autogpt.load(room / "near")


def test_entities_are_learned_from_nothing(named: FinetuneResult, room: Path) -> None:
    assert named.metrics["f1"] > 0.8
    tagger = autogpt.load(room / "named")
    text = "red 李明 in Paris 天"
    answer = tagger.tag(text)
    found = {(entity.type, entity.text) for entity in answer.entities}
    assert found == {("PER", "李明"), ("LOC", "Paris")}
    assert load_headed(Path(named.model))[1].scheme == "BIO"


@pytest.fixture(scope="module")
def base(room: Path) -> FinetuneResult:
    return finetune(
        "new",
        str(labeled(room / "text.jsonl")),
        task="text",
        out=room / "base",
        settings=settings(4),
        progress=Progress(quiet=True),
    )


def test_adapters_learn_a_head_too(
    room: Path, base: FinetuneResult, classified: FinetuneResult
) -> None:
    del classified  # its data are there
    result = tuned(base.model, room / "labels.jsonl", room / "lora", "classify", 30, "lora")
    assert result.learning < result.parameters
    model = autogpt.load(room / "lora")
    assert set(model.predict("red good")) == {"bad", "好"}


def test_blocks_of_no_use_are_left_out_and_the_first_stay_as_they_are(
    room: Path, base: FinetuneResult
) -> None:
    chosen = settings(20)
    chosen["finetune"] = {"layers": 2, "frozen_layers": 1}
    result = finetune(
        base.model,
        str(labeled(room / "again.jsonl")),
        task="classify",
        out=room / "part",
        settings=chosen,
        progress=Progress(quiet=True),
    )
    learned, before = (load_file(Path(f) / "model.safetensors") for f in (result.model, base.model))
    same = {name for name, w in before.items() if name in learned and torch.equal(w, learned[name])}
    first = {name for name in learned if ".layers.0." in name}
    assert first | {"model.embed_tokens.weight"} == same
    assert result.learning < result.parameters
    recipe = tomllib.loads((room / "part" / "recipe.toml").read_text())
    assert recipe["finetune"]["layers"] == 2

    found = tuned(base.model, room / "again.jsonl", room / "found", "classify", 4)
    recipe = tomllib.loads((room / "found" / "recipe.toml").read_text())
    assert 1 <= recipe["finetune"]["layers"] <= 2
    assert recipe["finetune"]["frozen_layers"] == int(5 / 8 * recipe["finetune"]["layers"])
    assert set(autogpt.load(room / "found").predict("red good")) == {"bad", "好"}
    assert found.metrics["accuracy"] > 0.5


def test_several_labels_are_learned(room: Path) -> None:
    data = labeled(room / "several.jsonl", several=True)
    result = tuned("new", data, room / "several", "classify", 40)
    model = autogpt.load(room / "several")
    assert model.head.multi_label
    assert model.labels == ("bad", "cat", "好")
    assert set(model.predict("cat good")) == {"bad", "cat", "好"}
    assert 0 <= result.metrics["calibration_error"] <= 1


def test_what_cannot_be_learned_is_told(room: Path) -> None:
    data = room / "one.jsonl"
    rows = [{"text": f"word {number}", "label": "only"} for number in range(20)]
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(DataError, match="at least two"):
        tuned("new", data, room / "one", "classify", 2)


def test_the_verb_classify(
    room: Path,
    classified: FinetuneResult,
    named: FinetuneResult,
    capsys: pytest.CaptureFixture[str],
) -> None:
    del classified, named
    run = str(room / "classified")
    code, out, _ = said(capsys, "classify", "--model", run, "red good", "--json")
    answer = json.loads(out)
    assert code == 0
    assert answer["label"] == "好"
    assert sum(answer["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    assert answer["usage"] == {"prompt_tokens": len("red good"), "completion_tokens": 0}
    assert answer["timing"]["wall_s"] > 0
    rows = room / "rows.jsonl"
    rows.write_text('{"text": "a bad one"}\n{"text": "good 天"}\n', encoding="utf-8")
    code, out, _ = said(capsys, "classify", "--model", run, "--input", str(rows), "--top-k", "1")
    lines = [json.loads(line) for line in out.splitlines()]
    assert [line["label"] for line in lines] == ["bad", "好"]
    read = [line["usage"]["prompt_tokens"] for line in lines]
    assert read == [len(text.encode()) for text in ("a bad one", "good 天")]
    assert all(len(line["probabilities"]) == 1 for line in lines)
    code, out, _ = said(capsys, "classify", "--model", run, "good")
    assert out.startswith("* ")
    for wrong, message in (
        (["--model", run, "--labels", "a,b", "x"], "labels of its own"),
        (["--model", run], "There is no text"),
        (["x"], "no labels"),
        (["--labels", "a,a", "x"], "twice"),
        (["--model", run, "x", "--threshold", "2"], "from 0 to 1"),
        (["--model", str(room / "named"), "x"], "no trained classification head"),
    ):
        code, _, err = said(capsys, "classify", *wrong)
        assert code == 2, wrong
        assert message in err
        assert "Traceback" not in err


def test_the_verb_tag(
    room: Path, named: FinetuneResult, capsys: pytest.CaptureFixture[str]
) -> None:
    del named
    run = str(room / "named")
    code, out, _ = said(capsys, "tag", "--model", run, "blue Ada in 北京 two", "--json")
    assert code == 0
    answer = json.loads(out)
    assert answer["usage"]["prompt_tokens"] == len("blue Ada in 北京 two".encode())
    assert answer["timing"]["wall_s"] > 0
    entities = answer["entities"]
    assert [entity["text"] for entity in entities] == ["Ada", "北京"]
    assert set(entities[0]) == {"type", "start", "end", "text", "score"}
    code, out, _ = said(capsys, "tag", "--model", run, "blue Ada in 北京 two")
    assert out.splitlines()[0].startswith("PER\tAda\t5-8\t")
    code, _, err = said(capsys, "tag", "--model", str(room / "classified"), "x")
    assert code == 2
    assert "would be noise" in err
