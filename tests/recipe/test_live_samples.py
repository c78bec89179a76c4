"""What a model writes while it learns, and that nothing else changes by it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

import autogpt
from autogpt import recipe
from autogpt.core.progress import Progress
from autogpt.llm import LLM
from autogpt.recipe import live_samples
from autogpt.recipe.live_samples import LiveSamples

CLASSIC = Path("src/autogpt/data/quickstart/lunyu.txt")
SETTINGS: dict[str, object] = {
    "model": {
        "preset": "tiny", "hidden_size": 32, "num_hidden_layers": 1, "context_length": 32,
    },
    "training": {"max_steps": 60, "batch_size": 8, "validations": 3},
    "kernels": {"compile": "off", "attention": "explicit", "threads": 1},
}  # fmt: skip


def trained(out: Path) -> str:
    recipe.train(str(CLASSIC), out=out, settings=SETTINGS, progress=Progress(quiet=True))
    return hashlib.sha256((out / "model" / "model.safetensors").read_bytes()).hexdigest()


def test_samples_grow_and_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    weights = trained(tmp_path / "with")
    lines = (tmp_path / "with" / "samples.jsonl").read_text(encoding="utf-8").splitlines()
    entries = [json.loads(line) for line in lines]
    steps = [entry["step"] for entry in entries]
    assert steps == sorted(steps)
    assert steps[-1] == 60
    assert len(set(steps)) >= 3
    assert all(entry["prompt"] and isinstance(entry["text"], str) for entry in entries)
    assert len({entry["prompt"] for entry in entries}) == 2

    monkeypatch.setattr(live_samples, "_FREE_S", -1.0)
    assert trained(tmp_path / "without") == weights
    assert not (tmp_path / "without" / "samples.jsonl").exists()


def test_samples_compile_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A first look once compiled for every length that was written, which took 35 s."""
    trained(tmp_path / "run")
    llm = autogpt.load(tmp_path / "run")
    assert isinstance(llm, LLM)
    compiled: list[object] = []

    def compiler(graph: torch.fx.GraphModule, _: list[torch.Tensor]) -> object:
        compiled.append(graph)
        return graph.forward

    for layer in llm.model.layers:
        layer.compile(backend=compiler, dynamic=False)
    monkeypatch.setattr(live_samples, "beginnings", lambda _: ["The Master said"])
    prepared = SimpleNamespace(tokenizer=llm.tokenizer)
    samples = LiveSamples(tmp_path, prepared, budget_s=None, seed=0, after_step=0)  # type: ignore[arg-type]
    samples.look(llm.model, 1)
    assert (tmp_path / "samples.jsonl").read_text(encoding="utf-8").count("\n") == 1
    assert not compiled
