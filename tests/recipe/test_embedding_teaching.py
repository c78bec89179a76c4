"""A classifier on a sentence encoder: taught, kept, loaded, measured, refused."""

from __future__ import annotations

import json
import random
import shutil
import time
import tomllib
from pathlib import Path

import pytest
import torch
from tests.interop.tiny_encoder import make_encoder

import autogpt
from autogpt.core.errors import CheckpointError, ConfigError, UsageError
from autogpt.core.examples import Labeled
from autogpt.core.progress import Progress
from autogpt.interop.transformers import Embedded
from autogpt.llm.classifier import Classifier
from autogpt.recipe import FinetuneResult, embedding_teaching, finetune, planning
from autogpt.recipe.embedding_plan import plan_reading
from autogpt.recipe.embedding_teaching import EmbeddingRun
from autogpt.recipe.settings import FinetuneRecipe
from autogpt.training.settings import TrainingConfig

KINDS = {"animal": ["cat", "dog", "fox", "狗"], "plant": ["oak", "fern", "rose", "草"]}


def table(path: Path, *, rows: int = 200, several: bool = False) -> Path:
    draw = random.Random(0)
    found = []
    for number in range(rows):
        kinds = draw.sample(sorted(KINDS), k=draw.randint(0, 2) if several else 1)
        words = [draw.choice(KINDS[kind]) for kind in kinds]
        text = " ".join([*draw.choices(["the", "a", "here", "is"], k=4), *words, str(number)])
        found.append({"text": text, "label": kinds if several else kinds[0]})
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in found))
    return path


def tuned(base: str, data: Path, out: Path, **more: object) -> FinetuneResult:
    """Teach for so many steps, so that nothing depends on the speed of the machine."""
    usual = {"seed": 3, "training": {"max_steps": 200}}
    facts = {"task": "classify", "settings": usual, **more}
    return finetune(base, str(data), out=out, progress=Progress(quiet=True), **facts)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Path:
    room = tmp_path_factory.mktemp("embedding")
    make_encoder(room / "encoder", KINDS)
    return room


@pytest.fixture(scope="module")
def learned(room: Path) -> FinetuneResult:
    return tuned(str(room / "encoder"), table(room / "data.jsonl"), room / "run")


def test_a_head_is_learned_and_loaded(room: Path, learned: FinetuneResult) -> None:
    assert learned.metrics["accuracy"] == 1
    assert {"temperature", "calibration_error", "calibration_error_before"} <= {*learned.metrics}
    assert learned.learning == 2 * (8 + 1)
    assert learned.parameters > learned.learning
    assert learned.val_loss < 0.1
    model = autogpt.load(room / "run")
    assert isinstance(model, Classifier)
    assert model.predict("here is a fox")["animal"] > 0.8
    assert [max(row, key=lambda n: row[n]) for row in model.predict(["草", "the 狗 a"])] == [
        "plant",
        "animal",
    ]
    answer = model.classify("the cat")
    assert answer.prompt_tokens == 4  # with the two ends
    assert answer.wall_s > 0
    assert model.settings.temperature == pytest.approx(learned.metrics["temperature"])
    for name in ("recipe.toml", "metrics.jsonl", "report.html", "curves.png", "examples.json"):
        assert (room / "run" / name).stat().st_size > 100, name
    forecast = json.loads((room / "run" / "forecast.json").read_text())
    assert forecast["wall_s"] > 0
    assert not forecast["by_clock"]
    card = (room / "run" / "model" / "README.md").read_text()
    assert "encoder" in card
    assert "from transformers" not in card  # no other program opens the folder
    assert "text-classification" in card


def test_nothing_but_safetensors_and_json_is_kept(room: Path, learned: FinetuneResult) -> None:
    files = {path.name for path in Path(learned.model).iterdir()}
    assert files == {"config.json", "head.json", "model.safetensors", "manifest.json", "README.md"}
    config = json.loads((room / "run/model/config.json").read_text())
    assert config["encoder"]["name"] == str(room / "encoder")
    assert len(config["encoder"]["sha256"]) == 64
    assert config["id2label"] == {"0": "animal", "1": "plant"}


def test_another_encoder_is_refused(room: Path, learned: FinetuneResult, tmp_path: Path) -> None:
    del learned
    other = make_encoder(tmp_path / "other", {"animal": ["cat"], "thing": ["oak"]})
    shutil.copytree(room / "run", tmp_path / "run")
    path = tmp_path / "run/model/config.json"
    (tmp_path / "run/model/manifest.json").unlink()
    path.write_text(path.read_text().replace(str(room / "encoder"), str(other)))
    with pytest.raises(CheckpointError, match="not the encoder that this model was taught with"):
        autogpt.load(tmp_path / "run")
    path.write_text(path.read_text().replace(str(other), str(tmp_path / "gone")))
    with pytest.raises(UsageError, match="gone"):
        autogpt.load(tmp_path / "run")
    path.write_text(path.read_text().replace('"width": 8', '"width": 9'))
    with pytest.raises(CheckpointError, match=r"score.weight.*\[2, 8\].*\[2, 9\]"):
        autogpt.load(tmp_path / "run")


def test_several_labels_or_none(room: Path) -> None:
    data = table(room / "several.jsonl", several=True)
    result = tuned(str(room / "encoder"), data, room / "several")
    model = autogpt.load(room / "several")
    assert model.head.multi_label
    assert set(model.classify("a cat and an oak").labels) == {"animal", "plant"}
    assert model.classify("here is a").labels == ()
    assert result.metrics["accuracy"] > 0.9


def test_the_same_seed_gives_the_same_head(room: Path, learned: FinetuneResult) -> None:
    again = tuned(str(room / "encoder"), room / "data.jsonl", room / "again")
    assert again.val_loss == learned.val_loss
    one, other = (Path(r.model, "model.safetensors").read_bytes() for r in (learned, again))
    assert one == other


class Slow:
    """Stands for an encoder that reads a hundred texts a second."""

    dimension, max_tokens = 4, 64

    def read(self, texts: list[str]) -> Embedded:
        time.sleep(0.01 * len(texts))
        return Embedded(torch.ones(len(texts), 4), [3] * len(texts))


def test_a_budget_that_is_too_small_for_all_texts_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planning, "finishing_s", lambda *_, **__: 1.0)
    examples = [
        Labeled(text=f"{number:05} here", labels=("rare" if number % 10 == 0 else "common",))
        for number in range(4000)
    ]
    recipe = FinetuneRecipe(training=TrainingConfig(budget="11s"))
    plan = plan_reading(
        recipe,
        Slow(),  # type: ignore[arg-type]
        train=examples[:3600],
        held_out=examples[3600:],
        labels=2,
        begin=time.perf_counter(),
    )
    count = len(plan.train) + len(plan.held_out)
    assert 200 < count < 1000  # some nine seconds are left for reading
    assert plan.forecast.by_clock
    assert plan.forecast.wall_s < 12
    for side in (plan.train, plan.held_out):
        rare = sum(one.labels == ("rare",) for one in side)
        assert rare == pytest.approx(len(side) / 10, abs=1.5)
    run = EmbeddingRun(recipe, tmp_path, Progress(quiet=True), begun=None)
    read = run._read(Slow(), examples, time.perf_counter())  # type: ignore[arg-type]
    assert len(read.examples) == len(read.vectors) < 1000  # slower than was thought: it stops
    assert read.tokens == 3 * len(read.examples)


def test_a_stopped_run_is_begun_again(room: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    base, data = str(room / "encoder"), room / "data.jsonl"
    with monkeypatch.context() as patch:
        patch.setattr(embedding_teaching, "regression_path", stop)
        with pytest.raises(KeyboardInterrupt):
            tuned(base, data, room / "stopped")
    result = tuned(base, data, room / "stopped", resume=True)
    assert result.metrics["accuracy"] == 1
    lines = (room / "stopped/metrics.jsonl").read_text().splitlines()
    steps = [json.loads(line)["step"] for line in lines]
    assert steps == sorted(steps)
    assert steps.count(0) == 1
    assert tomllib.loads((room / "stopped/recipe.toml").read_text())["seed"] == 3


@pytest.mark.parametrize(
    ("more", "error", "message"),
    [
        ({"task": "chat"}, UsageError, "neither writes nor marks words"),
        ({"task": "tag"}, UsageError, "the task 'tag' cannot be learned on it"),
        ({"method": "lora"}, UsageError, "nothing for --method lora to change"),
        ({"settings": {"training": {"lr": 0.1}}}, ConfigError, "training.lr means nothing"),
        ({"settings": {"finetune": {"layers": 2}}}, ConfigError, "finetune.layers means nothing"),
        ({"budget": "5Mtokens", "settings": {}}, ConfigError, "of tokens"),
    ],
)
def test_what_cannot_be_is_told(
    room: Path, tmp_path: Path, more: dict[str, object], error: type[Exception], message: str
) -> None:
    data = table(tmp_path / "data.jsonl", rows=20)
    with pytest.raises(error, match=message):
        tuned(str(room / "encoder"), data, tmp_path / "run", **more)
    assert not (tmp_path / "run" / "model").exists()
