from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from autogpt.core.errors import ConfigError
from autogpt.core.memo import remember
from autogpt.models.gpt import GPTConfig
from autogpt.training.kernels import KernelConfig, choose, obeyed

CONFIG = GPTConfig(
    vocab_size=17,
    hidden_size=16,
    intermediate_size=32,
    num_hidden_layers=1,
    num_attention_heads=2,
    num_key_value_heads=2,
    head_dim=8,
    max_position_embeddings=16,
)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("AUTOGPT_CACHE", str(tmp_path))
    threads = torch.get_num_threads()
    yield tmp_path
    torch.set_num_threads(threads)


def decide(settings: KernelConfig, *, budget_s: float | None = 10.0):
    return choose(settings, CONFIG, length=16, masked=False, budget_s=budget_s)


def test_what_is_given_is_obeyed():
    settings = KernelConfig(dtype="float32", attention="sdpa", compile="on", threads=1)
    chosen = decide(settings)
    assert (chosen.dtype, chosen.attention, chosen.compiled) == ("float32", "sdpa", True)
    assert torch.get_num_threads() == 1
    assert chosen == obeyed(settings)


def test_the_number_of_threads_that_openmp_is_told_is_obeyed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert decide(KernelConfig(dtype="float32", attention="sdpa")).threads == 1
    assert torch.get_num_threads() == 1
    assert decide(KernelConfig(dtype="float32", attention="sdpa", threads=2)).threads == 2


def test_what_was_measured_is_remembered(cache: Path):
    first = decide(KernelConfig())
    (file,) = cache.glob("measured-*.json")
    kept = json.loads(file.read_text(encoding="utf-8"))
    assert any(key.startswith("dtype") for key in kept)
    assert any(key.startswith("attention") for key in kept)
    for key, value in kept.items():
        if key.startswith("attention"):
            other = "sdpa" if first.attention == "explicit" else "explicit"
            remember(key, {**value, "fastest": other})
    assert decide(KernelConfig()).attention != first.attention


def test_a_damaged_memory_is_passed_over(cache: Path):
    first = decide(KernelConfig())
    (file,) = cache.glob("measured-*.json")
    file.write_text("not JSON", encoding="utf-8")
    assert decide(KernelConfig(attention=first.attention)).attention == first.attention


def test_compiling_has_to_be_earned_back():
    assert not decide(KernelConfig(), budget_s=20).compiled
    assert not decide(KernelConfig(), budget_s=None).compiled
    settings = KernelConfig(attention="explicit", dtype="float32")
    assert not decide(settings, budget_s=10_000).compiled  # until it was seen to gain something
    remember("compiling, float32", {"seconds": 30.0, "speedup": 1.5})
    assert not decide(settings, budget_s=130).compiled
    assert decide(settings, budget_s=140).compiled
    remember("compiling, float32", {"seconds": 30.0, "speedup": 0.9})
    assert not decide(settings, budget_s=10_000).compiled


def test_nothing_is_compiled_without_a_compiler(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delenv("CXX", raising=False)
    assert not decide(KernelConfig(), budget_s=10_000).compiled
    with pytest.raises(ConfigError, match="compiler"):
        decide(KernelConfig(compile="on"))


@pytest.mark.parametrize(
    "settings", [{"dtype": "float8"}, {"attention": "flash"}, {"compile": "yes"}, {"threads": 0}]
)
def test_wrong_settings_are_refused(settings: dict[str, object]):
    with pytest.raises(ConfigError):
        KernelConfig(**settings)  # type: ignore[arg-type]


def test_undecided_kernels_are_refused():
    with pytest.raises(ConfigError, match="not decided"):
        obeyed(KernelConfig())
