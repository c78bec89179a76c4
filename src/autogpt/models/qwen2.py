"""Qwen2 and Qwen2.5: Llama with biases on queries, keys and values; some layers may have a window.

Source: Yang et al. 2024, "Qwen2 Technical Report" and "Qwen2.5 Technical Report".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from autogpt.models.config import GPTConfig
from autogpt.models.hf_config import (
    only,
    read,
    read_sizes,
    read_windows,
    shared_fields,
    write_layer_types,
    write_sizes,
)
from autogpt.models.hf_rope import read_rope, write_rope
from autogpt.models.llama import IGNORED, PREFIX, TRANSPOSED, WEIGHTS

__all__ = [
    "IGNORED",
    "PREFIX",
    "TRANSPOSED",
    "WEIGHTS",
    "from_hf",
    "read_qwen_windows",
    "to_hf",
    "write_qwen_windows",
]


def from_hf(config: Mapping[str, Any]) -> GPTConfig:
    """Return the switches for a ``config.json`` of ``model_type`` "qwen2".

    Raises:
        CheckpointError: If a field is missing, wrong, or asks for what is not supported.
        ConfigError: If the sizes contradict each other.
    """
    only(config, "hidden_act", allowed=["silu"])
    return GPTConfig(
        model_type="qwen2",
        query_key_norm=False,
        attention_bias=True,
        attention_output_bias=False,
        **read_qwen_windows(config),
        **read_rope(config),
        **read_sizes(config),
    )


def to_hf(config: GPTConfig) -> dict[str, Any]:
    """Return the ``config.json`` for the switches."""
    return {
        "architectures": ["Qwen2ForCausalLM"],
        "model_type": "qwen2",
        **shared_fields(config),
        **write_sizes(config),
        **write_rope(config),
        "hidden_act": "silu",
        **write_qwen_windows(config),
    }


def read_qwen_windows(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return window and layer types: without ``layer_types``, the layers after the first few slide.

    Raises:
        CheckpointError: As ``hf_config.read_windows``.
    """
    first = read(config, "max_window_layers", int, default=28)  # 28: transformers' Qwen2Config
    enabled = read(config, "use_sliding_window", bool, default=False)
    return read_windows(config, enabled=enabled, slides=lambda layer: layer >= first)


def write_qwen_windows(config: GPTConfig) -> dict[str, Any]:
    """Return the fields of :func:`read_qwen_windows`."""
    if config.sliding_window is None:
        first, layers = config.num_hidden_layers, {}
    else:
        kinds = write_layer_types(config)
        first, layers = kinds.index("sliding_attention"), {"layer_types": kinds}
    return {
        "use_sliding_window": config.sliding_window is not None,
        "sliding_window": config.sliding_window,
        "max_window_layers": first,  # for readers that do not know layer_types
        **layers,
    }
