"""What parts of a step take: measured as far as there is time for it, and remembered."""

from __future__ import annotations

from pathlib import Path

import pytest

from autogpt.models.gpt import GPTConfig
from autogpt.training import calibration
from autogpt.training.calibration import WIDTHS, StepCosts


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AUTOGPT_CACHE", str(tmp_path))
    return tmp_path


def measure(allowed_s: float) -> StepCosts:
    return calibration.measure(
        dtype="float32", length=32, masked=False, compiled=False, speedup=1.0, allowed_s=allowed_s
    )


def config(width: int) -> GPTConfig:
    return GPTConfig(
        vocab_size=500,
        hidden_size=width,
        intermediate_size=4 * width,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        head_dim=width // 2,
        max_position_embeddings=32,
    )


def test_little_time_leaves_out_the_widest_and_much_measures_them_after_all() -> None:
    few = measure(allowed_s=0)
    assert [int(width) for width in few.block_s] == list(WIDTHS[:3])
    assert few.part_s(config(64)) < few.part_s(config(256)) < few.part_s(config(512))
    assert measure(allowed_s=1) == few  # it is remembered
    whole = measure(allowed_s=60)
    assert [int(width) for width in whole.head_step_s] == list(WIDTHS)
    assert measure(allowed_s=0) == whole


def test_what_a_real_step_took_corrects_the_next_plan() -> None:
    costs = measure(allowed_s=0)
    size = config(128)
    calibration.correct(costs, size, part_s=4 * costs.part_s(size), compiled=False)
    assert measure(allowed_s=0).part_s(size) == pytest.approx(2 * costs.part_s(size))
