"""Mistral: Llama with a sliding window in every layer, in its first version, and without biases.

Source: Jiang et al. 2023, "Mistral 7B".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from autogpt.models.config import GPTConfig
from autogpt.models.hf_config import only, read_sizes, read_windows, shared_fields, write_sizes
from autogpt.models.hf_rope import read_rope, write_rope
from autogpt.models.llama import IGNORED, PREFIX, TRANSPOSED, WEIGHTS

__all__ = ["IGNORED", "PREFIX", "TRANSPOSED", "WEIGHTS", "from_hf", "to_hf"]


def from_hf(config: Mapping[str, Any]) -> GPTConfig:
    """Return the switches for a ``config.json`` of ``model_type`` "mistral".

    Raises:
        CheckpointError: If a field is missing, wrong, or asks for what is not supported.
        ConfigError: If the sizes contradict each other.
    """
    only(config, "hidden_act", allowed=["silu"])
    only(config, "attention_bias", allowed=[False])
    only(config, "layer_types", allowed=[])  # of Ministral, a family of its own
    defaults = {"bos_token_id": 1, "eos_token_id": 2}  # of transformers' MistralConfig
    return GPTConfig(
        model_type="mistral",
        query_key_norm=False,
        **read_windows(config, slides=lambda _: True),
        **read_rope(config),
        **read_sizes({**defaults, **config}),
    )


def to_hf(config: GPTConfig) -> dict[str, Any]:
    """Return the ``config.json`` for the switches; a missing window is null, not left out."""
    return {
        "architectures": ["MistralForCausalLM"],
        "model_type": "mistral",
        **shared_fields(config),
        **write_sizes(config),
        **write_rope(config),
        "hidden_act": "silu",
        "sliding_window": config.sliding_window,
    }
