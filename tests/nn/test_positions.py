from __future__ import annotations

import math

import pytest
import torch

from autogpt.core.errors import ConfigError
from autogpt.nn.positions import (
    LearnedPositions,
    LinearScaling,
    Llama3Scaling,
    RotaryPositions,
    SinusoidalPositions,
    YarnScaling,
    inverse_frequencies,
    rotate,
)


def rotary(max_positions: int = 64) -> RotaryPositions:
    return RotaryPositions(max_positions, 8, theta=10_000.0, scaling=None)


def test_rotation_turns_pairs_by_position_times_frequency() -> None:
    x = torch.randn(1, 1, 5, 8, generator=torch.Generator().manual_seed(0))
    turned = rotate(x, rotary()(5))
    for position in range(5):
        for pair in range(4):
            angle = position * 10_000 ** (-2 * pair / 8)
            first, second = x[0, 0, position, pair], x[0, 0, position, pair + 4]
            expected = first * math.cos(angle) - second * math.sin(angle)
            assert turned[0, 0, position, pair] == pytest.approx(float(expected), abs=1e-6)
            expected = second * math.cos(angle) + first * math.sin(angle)
            assert turned[0, 0, position, pair + 4] == pytest.approx(float(expected), abs=1e-6)


def test_scores_depend_on_distance_only() -> None:
    generator = torch.Generator().manual_seed(0)
    query, key = torch.randn(2, 1, 1, 1, 8, generator=generator)
    table = rotary()

    def score(query_position: int, key_position: int) -> float:
        turned_query = rotate(query, table(1, torch.tensor([[query_position]])))
        turned_key = rotate(key, table(1, torch.tensor([[key_position]])))
        return float((turned_query * turned_key).sum())

    assert score(9, 4) == pytest.approx(score(55, 50), abs=1e-5)
    assert score(9, 4) != pytest.approx(score(9, 5), abs=1e-3)


def test_given_positions_select_the_same_rows() -> None:
    table = rotary()
    ramp, chosen = table(6), table(6, torch.arange(6)[None])
    torch.testing.assert_close(chosen.cos[0, 0], ramp.cos, atol=0, rtol=0)
    torch.testing.assert_close(chosen.sin[0, 0], ramp.sin, atol=0, rtol=0)


def test_angles_stay_fp32_through_casts_and_back() -> None:
    table = rotary()
    before = table(64).cos.clone()
    table.to(torch.bfloat16)
    assert table(64).cos.dtype == torch.float32
    table.to(torch.float32)
    assert torch.equal(table(64).cos, before)
    assert not table.state_dict()


def test_bf16_queries_come_back_as_bf16() -> None:
    assert rotate(torch.ones(1, 1, 3, 8).bfloat16(), rotary()(3)).dtype == torch.bfloat16


def test_llama3_scaling_keeps_short_waves_and_stretches_long_ones() -> None:
    scaling = Llama3Scaling(
        factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=8192
    )
    plain = inverse_frequencies(128, theta=500_000.0)
    scaled = inverse_frequencies(128, theta=500_000.0, scaling=scaling)
    waves = 2 * math.pi / plain
    short, long = waves < 8192 / 4.0, waves > 8192 / 1.0
    torch.testing.assert_close(scaled[short], plain[short])
    torch.testing.assert_close(scaled[long], plain[long] / 8)
    between = ~short & ~long
    assert between.any()
    assert ((scaled[between] < plain[between]) & (scaled[between] > plain[between] / 8)).all()


def test_linear_scaling_slows_all_waves_alike() -> None:
    scaled = inverse_frequencies(128, theta=500.0, scaling=LinearScaling(factor=4.0))
    torch.testing.assert_close(scaled, inverse_frequencies(128, theta=500.0) / 4)


def test_yarn_keeps_fast_pairs_slows_the_slow_ones_and_amplifies() -> None:
    scaling = YarnScaling(factor=4.0, original_max_position_embeddings=4096, attention_factor=1.25)
    plain = inverse_frequencies(128, theta=10_000.0)
    scaled = inverse_frequencies(128, theta=10_000.0, scaling=scaling)
    turns = 4096 * plain / (2 * math.pi)
    ratio = scaled / plain
    torch.testing.assert_close(ratio[turns > 40], torch.ones_like(ratio[turns > 40]))
    torch.testing.assert_close(ratio[turns < 0.9], torch.full_like(ratio[turns < 0.9], 0.25))
    assert (ratio.diff() <= 1e-6).all()
    ramp = (ratio > 0.26) & (ratio < 0.99)
    assert 10 < int(ramp.sum()) < 40
    steps = ratio[ramp].diff()  # linear in the number of the pair: YaRN, equation 13
    torch.testing.assert_close(steps, steps.mean().expand_as(steps), rtol=0.01, atol=1e-5)

    table = RotaryPositions(8, 128, theta=10_000.0, scaling=scaling)(8)
    torch.testing.assert_close(table.cos[0], torch.full((128,), 1.25))


@pytest.mark.parametrize(
    "wrong",
    [
        {"factor": 0.0},
        {"factor": math.nan},
        {"attention_factor": 0.0},
        {"beta_slow": 32.0},
        {"original_max_position_embeddings": 0},
    ],
)
def test_yarn_out_of_range_is_refused(wrong: dict[str, float]) -> None:
    right = {"factor": 4.0, "original_max_position_embeddings": 64, "attention_factor": 1.0}
    with pytest.raises(ConfigError, match="Rotary scaling needs"):
        YarnScaling(**{**right, **wrong})  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="Rotary scaling needs factor >= 1"):
        LinearScaling(factor=0.5)


@pytest.mark.parametrize(
    "wrong", [{"factor": 0.5}, {"low_freq_factor": 4.0}, {"original_max_position_embeddings": 0}]
)
def test_scaling_out_of_range_is_refused(wrong: dict[str, float]) -> None:
    right = {
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192,
    }
    with pytest.raises(ConfigError, match="Rotary scaling needs"):
        Llama3Scaling(**{**right, **wrong})  # type: ignore[arg-type]


def test_sinusoidal_positions_are_sines_and_cosines() -> None:
    table = SinusoidalPositions(16, 6)(16)
    assert table.shape == (16, 6)
    assert table[0].tolist() == [0, 0, 0, 1, 1, 1]
    assert float(table[5, 1]) == pytest.approx(math.sin(5 * 10_000 ** (-2 / 6)), abs=1e-6)
    torch.testing.assert_close(
        SinusoidalPositions(16, 6)(2, torch.tensor([[3, 5]]))[0, 1], table[5]
    )


def test_learned_positions_are_rows_of_a_weight() -> None:
    learned = LearnedPositions(16, 6)
    assert torch.equal(learned(4), learned.weight[:4])
    assert torch.equal(learned(2, torch.tensor([[3, 5]]))[0], learned.weight[[3, 5]])
