"""``autogpt plan`` and a run that keeps to its plan, through the command line."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from tests.cli.commands import run

WORDS = ["the", "cat", "sat", "on", "a", "mat", "and", "saw", "床前明月光", "疑是地上霜", "dog"]


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    chosen = random.Random(0)
    lines = (" ".join(chosen.choices(WORDS, k=9)) + "." for _ in range(4000))
    path = tmp_path / "corpus.txt"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_plan_says_what_a_budget_buys(corpus: Path, tmp_path: Path):
    result = run("plan", str(corpus), "--budget", "10m", "--json", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    made = json.loads(result.stdout)
    assert made["budget_s"] == 600
    assert made["parameters"] > 10_000
    assert made["tokens"] > 1000
    assert made["model"]["hidden_size"] % 32 == 0
    seen = made["predicted"]
    assert seen["wall_s_low"] < seen["wall_s"] < seen["wall_s_high"]
    assert seen["bits_per_byte_low"] < seen["bits_per_byte"] < seen["bits_per_byte_high"]
    assert seen["peak_memory_bytes"] > 100_000_000
    assert seen["energy_kwh"] > 0
    assert seen["cost"] is None
    assert len(made["alternatives"]) == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["corpus.txt"]


def test_money_needs_a_price_and_then_buys_time(corpus: Path, tmp_path: Path):
    without = run("plan", str(corpus), "--budget", "$0.10", cwd=tmp_path)
    assert without.returncode == 2
    assert "--price-per-hour" in without.stderr
    priced = run("plan", str(corpus), "--budget", "$0.10", "--price-per-hour", "0.5", cwd=tmp_path)
    assert priced.returncode == 0, priced.stderr
    assert "12m 00s" in priced.stdout
    assert "bits per byte" in priced.stdout


def test_a_run_keeps_its_plan_and_is_held_against_it(corpus: Path, tmp_path: Path):
    result = run("train", str(corpus), "--budget", "60000 tokens", "--out", "r", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    kept = json.loads((tmp_path / "r" / "plan.json").read_text(encoding="utf-8"))
    config = json.loads((tmp_path / "r" / "model" / "config.json").read_text(encoding="utf-8"))
    assert config["hidden_size"] == kept["model"]["hidden_size"]
    assert config["num_hidden_layers"] == kept["model"]["num_hidden_layers"]
    last = (tmp_path / "r" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()[-1]
    assert json.loads(last)["tokens"] == kept["tokens"]
    report = (tmp_path / "r" / "report.html").read_text(encoding="utf-8")
    assert "The plan, and what happened" in report
    assert "Plan for 60000 tokens" in result.stderr
    more = run("train", "--from", "r", "--budget", "9000tokens", "--out", "s", cwd=tmp_path)
    assert more.returncode == 0, more.stderr
    last = (tmp_path / "s" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()[-1]
    assert json.loads(last)["tokens"] == pytest.approx(9000, rel=0.1)
