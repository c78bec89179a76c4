from __future__ import annotations

import pytest

from autogpt.core.errors import ConfigError
from autogpt.models.counting import parameter_count
from autogpt.models.presets import PRESETS, ModelConfig, build_config


@pytest.mark.parametrize(
    ("preset", "vocab_size", "millions"),
    [("tiny", 2048, 2.2), ("small", 2048, 10.2), ("medium", 8192, 27.8)],
)
def test_presets_have_the_size_they_say(preset: str, vocab_size: int, millions: float) -> None:
    config = build_config(ModelConfig(preset=preset), vocab_size)
    assert parameter_count(config) / 1e6 == pytest.approx(millions, rel=0.05)
    assert config.max_position_embeddings == 256
    assert config.num_attention_heads * config.head_dim == config.hidden_size
    assert config.hidden_size % 64 == config.intermediate_size % 64 == 0
    assert config.model_type == "qwen3"


def test_settings_change_the_preset_and_the_rest_follows() -> None:
    settings = ModelConfig(preset="small", hidden_size=320, num_hidden_layers=3, context_length=64)
    config = build_config(settings, 100, eos_token_id=5, pad_token_id=6)
    assert (config.hidden_size, config.num_hidden_layers) == (320, 3)
    assert (config.num_attention_heads, config.num_key_value_heads) == (5, 1)
    assert config.intermediate_size == 896
    assert config.max_position_embeddings == 64
    assert (config.eos_token_id, config.pad_token_id) == (5, 6)


def test_every_setting_reaches_the_config() -> None:
    config = build_config(
        ModelConfig(
            preset="tiny",
            intermediate_size=200,
            num_attention_heads=6,
            num_key_value_heads=3,
            head_dim=16,
            tie_word_embeddings=False,
            rope_theta=500.0,
        ),
        100,
    )
    assert config.intermediate_size == 200
    assert (config.num_attention_heads, config.num_key_value_heads, config.head_dim) == (6, 3, 16)
    assert not config.tie_word_embeddings
    assert config.rope_theta == 500.0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"preset": "huge"}, "preset = 'huge' is unknown, expected auto, tiny, small, medium"),
        ({"hidden_size": -64}, "hidden_size = -64 must be at least 1"),
        ({"context_length": 0}, "context_length = 0 must be at least 1"),
        ({"rope_theta": -1.0}, "rope_theta = -1.0 must be positive"),
        ({"hidden_size": 100}, "hidden_size = 100 is not a multiple of head_dim = 64"),
        ({"num_key_value_heads": 2}, "must be a multiple of num_key_value_heads = 2"),
    ],
)
def test_wrong_settings_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build_config(ModelConfig(**{"preset": "tiny", **settings}), 100)


def test_auto_is_for_the_planner() -> None:
    with pytest.raises(ConfigError, match="not decided yet"):
        build_config(ModelConfig(), 100)
    assert set(PRESETS) == {"tiny", "small", "medium"}
