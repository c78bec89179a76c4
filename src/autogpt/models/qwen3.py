"""Qwen3: Qwen2 with query-key normalization, without biases; the family of the models trained here.

Source: Yang et al. 2025, "Qwen3 Technical Report". Chosen because transformers, vLLM, llama.cpp,
Ollama and KerasHub all run it from the folder as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from autogpt.models import llama
from autogpt.models.config import GPTConfig
from autogpt.models.hf_config import only, read, read_sizes, shared_fields, write_sizes
from autogpt.models.hf_rope import read_rope, write_rope
from autogpt.models.qwen2 import read_qwen_windows, write_qwen_windows

__all__ = ["IGNORED", "PREFIX", "TRANSPOSED", "WEIGHTS", "from_hf", "to_hf"]

WEIGHTS = {
    **llama.WEIGHTS,
    "layers.{}.attention.query_norm.weight": "model.layers.{}.self_attn.q_norm.weight",
    "layers.{}.attention.key_norm.weight": "model.layers.{}.self_attn.k_norm.weight",
}
TRANSPOSED: frozenset[str] = frozenset()
PREFIX = "model."
IGNORED = (".rotary_emb.inv_freq",)


def from_hf(config: Mapping[str, Any]) -> GPTConfig:
    """Return the switches for a ``config.json`` of ``model_type`` "qwen3".

    Raises:
        CheckpointError: If a field is missing, wrong, or asks for what is not supported.
        ConfigError: If the sizes contradict each other.
    """
    only(config, "hidden_act", allowed=["silu"])
    default_width = {"head_dim": 128}  # of transformers' Qwen3Config, whatever hidden_size is
    return GPTConfig(
        model_type="qwen3",
        query_key_norm=True,
        attention_bias=read(config, "attention_bias", bool, default=False),
        **read_qwen_windows(config),
        **read_rope(config),
        **read_sizes({**default_width, **config}),
    )


def to_hf(config: GPTConfig) -> dict[str, Any]:
    """Return the ``config.json`` for the switches.

    ``head_dim`` and the sliding window are spelled out, because readers differ in what they
    assume when they are missing.
    """
    return {
        "architectures": ["Qwen3ForCausalLM"],
        "model_type": "qwen3",
        **shared_fields(config),
        **write_sizes(config),
        **write_rope(config),
        "hidden_act": "silu",
        "attention_bias": config.attention_bias,
        **write_qwen_windows(config),
    }
