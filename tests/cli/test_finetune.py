"""``autogpt finetune`` end to end: a new model, adapters on it, preferences, stop and go on."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
import safetensors.torch
import torch

import autogpt
from autogpt.core.errors import AutoGPTError, RunError, UsageError
from autogpt.core.examples import Pair
from autogpt.core.progress import Progress
from autogpt.recipe import FinetuneResult, finetune
from autogpt.recipe.best import Best, looks_since_best
from autogpt.recipe.lesson_teaching import _lesson
from autogpt.tasks.asking import prompt_for
from autogpt.training import checkpoints
from autogpt.training.record import Entry

WORDS = ["red", "blue", "green", "one", "two", "cat", "dog", "天", "地", "人"]
SMALL = {
    "model": {"preset": "tiny", "hidden_size": 32, "num_hidden_layers": 2, "head_dim": 16},
    "tokenizer": {"kind": "byte"},
    "kernels": {
        "dtype": "float32",
        "attention": "sdpa",
        "compile": "off",
        "threads": 1,
    },
    "training": {"max_steps": 6, "batch_size": 2, "validations": 2},
}


def write_pairs(path: Path) -> Path:
    chance = random.Random(0)
    rows = []
    for number in range(40):
        words = [chance.choice(WORDS) for _ in range(5)]
        rows.append({"text": f"{' '.join(words)} {number}", "summary": f"{words[0]} {words[-1]}"})
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    return path


def write_preferences(path: Path) -> Path:
    rows = [
        {"prompt": f"说 {n}", "chosen": f"yes {n}", "rejected": f"no {n * 7}"} for n in range(20)
    ]
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    return path


def tuned(model: str, data: Path, out: Path, task: str = "summarize", **more: object):
    settings = {**SMALL, **more.pop("settings", {})}  # type: ignore[dict-item]
    return finetune(
        model,
        str(data),
        task=task,
        out=out,
        settings=settings,
        **{"progress": Progress(quiet=True), **more},  # type: ignore[arg-type]
    )


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("finetune")


@pytest.fixture(scope="module")
def pairs(room: Path) -> Path:
    return write_pairs(room / "pairs.jsonl")


@pytest.fixture(scope="module")
def base(room: Path, pairs: Path) -> FinetuneResult:
    return tuned("new", pairs, room / "base")


def weights(run: Path) -> dict[str, torch.Tensor]:
    return safetensors.torch.load_file(run / "model" / "model.safetensors")


def test_a_new_model_is_sized_trained_and_reported(base: FinetuneResult):
    run = Path(base.run)
    assert base.steps == 6
    assert base.tokens > 0
    fields = base.to_dict()
    for name in (
        "run", "model", "parameters", "steps", "tokens", "wall_s", "train_s", "tokens_per_s",
        "val_loss", "val_bits_per_byte", "metrics", "peak_rss_bytes",
    ):  # fmt: skip
        assert name in fields
    assert (run / "report.html").read_text().count("<h1>") == 1
    assert "summarize" in (run / "model" / "README.md").read_text()
    assert not (run / "checkpoints").exists()
    assert not (run / "best").exists()
    assert autogpt.load(run).generate("red", max_tokens=3, temperature=0).text is not None


def test_adapters_alone_learn_and_can_be_loaded(base: FinetuneResult, pairs: Path, room: Path):
    result = tuned(base.run, pairs, room / "lora", method="lora", settings={"lora": {"rank": 2}})
    assert result.adapter is not None
    assert result.learning < result.parameters / 2
    merged = weights(room / "lora")
    plain = weights(Path(base.run))
    assert torch.equal(merged["model.embed_tokens.weight"], plain["model.embed_tokens.weight"])
    name = "model.layers.0.self_attn.q_proj.weight"
    assert not torch.equal(merged[name], plain[name])
    loaded = autogpt.load(base.run, adapters=[room / "lora"])
    whole = autogpt.load(room / "lora")
    prompt = "red blue"
    assert (
        loaded.generate(prompt, max_tokens=8, temperature=0).text
        == whole.generate(prompt, max_tokens=8, temperature=0).text
    )
    rounded = autogpt.load(base.run, adapters=[room / "lora"], quantize="int8")
    assert rounded.generate(prompt, max_tokens=2, temperature=0).text is not None


def test_a_task_is_asked_as_it_was_taught(base: FinetuneResult, pairs: Path, room: Path):
    red = autogpt.load(base.run)
    assert red.form.prompts == {"": "{text}"}  # a new model knows no words
    taught = tuned(base.run, pairs, room / "asked", method="lora", settings={"lora": {"rank": 2}})
    whole, added = autogpt.load(taught.run), autogpt.load(base.run, adapters=[taught.run])
    assert whole.form == added.form
    assert whole.form.ask("天", "zh") == "请概括下面的文本。\n\n天"
    example = Pair(source="red blue 天 one", target="red one")
    for gpt in (red, whole):
        lesson = _lesson(example, task="summarize", form=gpt.form, tokenizer=gpt.tokenizer)
        ids = gpt.encode(prompt_for(gpt, gpt.form.ask(example.source, "en")))
        assert lesson.token_ids[: len(ids)].tolist() == ids
        told, ends = lesson.learned.tolist()[: len(ids)], lesson.learned.tolist()[len(ids) :]
        assert not any(told)
        assert all(ends)
    assert red.summarize(example.source).method == "abstractive"
    assert red.summarize(example.source, method="extractive").text == example.source


def test_translations_are_taught_and_asked(room: Path):
    words = dict(zip(["red", "blue", "one", "two"], "红蓝一二", strict=True))
    data = room / "translations.jsonl"
    rows = [
        {"source": f"{a} and {b} it is {n}", "target": f"{words[a]}和{words[b]}{n}"}
        for n, (a, b) in enumerate([(a, b) for a in words for b in words] * 3)
    ]
    data.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    gpt = autogpt.load(tuned("new", data, room / "translated", "translate").run)
    assert gpt.form.languages == (("en", "zh"),)
    answer = gpt.translate("red and blue it is [5](http://x.y)", to="zh")
    assert "](http://x.y)" in answer.text
    assert answer.usage.completion_tokens > 0
    with pytest.raises(UsageError, match="taught English to Chinese"):
        gpt.translate("天", to="en")


def test_preferences_are_learned(base: FinetuneResult, room: Path):
    data = write_preferences(room / "preferences.jsonl")
    result = tuned(base.run, data, room / "dpo", task="preference", method="lora")
    assert result.val_bits_per_byte is None
    assert 0 <= result.metrics["preference_accuracy"] <= 1
    assert result.val_loss == pytest.approx(0.693, abs=0.2)


class _StopError(Exception):
    pass


class Stopping(Progress):
    """Ends the run from within, as the reader of a pipe may do, when it says something."""

    def __init__(self, words: str) -> None:
        super().__init__(quiet=True)
        self._words = words

    def say(self, line: str) -> None:
        if line.startswith(self._words):
            raise _StopError


@pytest.mark.parametrize("method", ["full", "lora"])
def test_resumed_equals_uninterrupted_bit_for_bit(
    base: FinetuneResult,
    pairs: Path,
    room: Path,
    method: str,
):
    settings = {
        "training": {**SMALL["training"], "checkpoint_every": 2},  # type: ignore[dict-item]
        "lora": {"rank": 2, "dropout": 0.2},
    }
    whole = tuned(base.run, pairs, room / f"whole-{method}", method=method, settings=settings)
    stopped = room / f"stopped-{method}"
    stop = Stopping("validation after step 4")
    with pytest.raises(_StopError):
        tuned(base.run, pairs, stopped, method=method, settings=settings, progress=stop)
    found = checkpoints.latest(stopped)
    assert found is not None
    assert 0 < checkpoints.state_of(found).steps <= 4
    resumed = tuned(base.run, pairs, stopped, method=method, settings=settings, resume=True)
    assert resumed.steps == whole.steps
    assert resumed.val_loss == whole.val_loss
    expected = weights(Path(whole.run))
    for name, weight in weights(stopped).items():
        assert torch.equal(weight, expected[name]), name


def test_other_examples_cannot_be_gone_on_with(base: FinetuneResult, room: Path):
    data, out = write_pairs(room / "changing.jsonl"), room / "changed"
    with pytest.raises(_StopError):
        tuned(base.run, data, out, progress=Stopping("validation after step 2"))
    data.write_text(data.read_text().replace("red", "rot"))
    with pytest.raises(RunError, match="other examples"):
        tuned(base.run, data, out, resume=True)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"task": "dance"}, "no task 'dance'"),
        ({"model": "new", "method": "lora"}, "needs a model that knows something"),
        ({"model": "nowhere"}, "nowhere"),
        ({"task": "preference"}, "preference"),
        ({"settings": {"finetune": {"epoch": 3}}}, "epochs"),
        ({"settings": {"finetune": {"context_length": 100_000}}}, "positions"),
        ({"budget": "5Mtokens", "settings": {"training": {}}}, "not for fine-tuning"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(
    base: FinetuneResult, pairs: Path, tmp_path: Path, change: dict[str, object], words: str
):
    change = dict(change)
    model = str(change.pop("model", base.run))
    with pytest.raises(AutoGPTError) as caught:
        tuned(model, pairs, tmp_path / "wrong", **change)  # type: ignore[arg-type]
    assert words in f"{caught.value.message} {caught.value.hint}"
    assert isinstance(caught.value, UsageError | AutoGPTError)


def test_the_best_weights_are_kept_and_found_again(tmp_path: Path):
    best = Best(tmp_path)
    tensors = {"master.a": torch.ones(2), "adamw.0.a": torch.zeros(2)}
    assert best.offer(1, 2.0, tensors)
    assert best.offer(2, 1.0, {"master.a": torch.full((2,), 3.0)})
    assert not best.offer(3, 1.0, tensors)
    assert not best.offer(4, float("nan"), tensors)
    assert torch.equal(best.load()["a"], torch.full((2,), 3.0))
    assert [p.name for p in (tmp_path / "best").glob("*.safetensors")] == [
        "step-00000002.safetensors"
    ]
    (tmp_path / "best" / "step-00000002.safetensors").write_bytes(b"torn")
    with pytest.raises(AutoGPTError, match="damaged"):
        best.load()


def test_patience_counts_looks_after_the_lowest_loss():
    losses = [3.0, 2.0, 2.5, 2.0, 2.1]
    entries = [
        Entry(kind="validation", step=n, tokens=n, elapsed_s=0, loss=loss)
        for n, loss in enumerate(losses)
    ]
    assert looks_since_best(entries) == 3
    assert looks_since_best([]) == 0
