"""The table on paper says what its script computes, and its formulas what the code does."""

from __future__ import annotations

import importlib.util
import statistics
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

from autogpt.models.counting import flops_per_token, parameter_count
from autogpt.models.gpt import GPT, GPTConfig
from autogpt.training.optim import Optimizer, OptimizerConfig

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def cluster() -> ModuleType:
    path = ROOT / "benchmarks" / "cluster.py"
    spec = importlib.util.spec_from_file_location("cluster", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["cluster"] = module  # where dataclasses look for their module
    spec.loader.exec_module(module)
    return module


def test_the_page_shows_what_the_script_computes(cluster: ModuleType):
    page = (ROOT / "docs" / "cluster.md").read_text(encoding="utf-8")
    assert cluster.filled(page) == page
    assert page.count("| replicate |") == 3
    assert cluster.filled(page.replace("16.44", "1.44")) == page


def test_state_is_what_a_model_and_its_optimizer_hold(cluster: ModuleType):
    config = GPTConfig(
        vocab_size=97,
        hidden_size=32,
        intermediate_size=80,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        max_position_embeddings=16,
    )
    model = GPT(config).to(torch.bfloat16)
    optimizer = Optimizer(model, OptimizerConfig())
    kept = sum(t.numel() * t.element_size() for t in optimizer.state().values())  # masters, moments
    weights = sum(weight.numel() for weight in model.parameters())
    sums, in_bf16 = 4 * weights, 2 * 2 * weights
    assert cluster.state_bytes(config) == kept + sums + in_bf16
    shapes = {(rows, columns) for _, rows, columns in cluster.matrices(config)}
    of_blocks = {
        tuple(w.shape) for n, w in model.named_parameters() if "layers" in n and w.ndim == 2
    }
    assert shapes == of_blocks


def test_a_billion_weights(cluster: ModuleType):
    model = cluster.ONE_BILLION
    assert parameter_count(model) == pytest.approx(1e9, rel=0.02)
    one, eight = (cluster.estimate("replicate", gpus) for gpus in (1, 8))
    assert one.traffic == 0
    assert one.compute_s == pytest.approx(8 * eight.compute_s)
    tokens = one.steps * (1 << 20)
    peak_s = tokens * flops_per_token(model, 2048) / 989e12
    assert one.steps * one.compute_s == pytest.approx(peak_s / cluster.EFFICIENCY)
    sharded = cluster.estimate("shard", 8)
    assert sharded.state == pytest.approx(eight.state / 8)
    assert sharded.memory < eight.memory
    assert sharded.traffic > eight.traffic
    assert cluster.muon_flops(model, 8) < cluster.muon_flops(model, 1) / 7


def test_the_formula_is_the_middle_of_published_runs(cluster: ModuleType):
    runs = cluster.RUNS
    assert len(runs) >= 8
    assert statistics.median(run.utilization for run in runs) == pytest.approx(
        cluster.EFFICIENCY, abs=0.005
    )
    palm = next(run for run in runs if "PaLM" in run.name)
    assert palm.utilization == pytest.approx(0.462, abs=0.001)  # as the paper says itself
    llama = next(run for run in runs if "405B" in run.name)
    assert llama.utilization == pytest.approx(0.41, abs=0.01)  # 41% in its table 4
    assert all(abs(run.off) < 0.4 for run in runs)
    large = [run for run in runs if run.flops > 1e10 and "Megatron" not in run.name]
    assert statistics.median(abs(run.off) for run in large) < 0.13


@pytest.mark.parametrize("name", ["slurm.sh", "kubernetes.yaml", "skypilot.yaml"])
def test_examples_give_a_command_that_exists(name: str):
    text = (ROOT / "examples" / "cluster" / name).read_text(encoding="utf-8")
    words = text.replace("\\\n", " ").replace("\n", " ").split()
    assert words.index("-m") < words.index("autogpt", words.index("-m"))
    assert "train" in words
    for flag in ("--budget", "--out", "--resume", "--quiet"):
        assert any(word == flag for word in words)
