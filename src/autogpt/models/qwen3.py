"""Qwen3: Llama with query-key normalization; the family of the models trained here.

Source: Yang et al. 2025, "Qwen3 Technical Report". Chosen because transformers, vLLM, llama.cpp,
Ollama and KerasHub all run it from the folder as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from autogpt.core.errors import CheckpointError
from autogpt.models import llama
from autogpt.models.family import only, read_sizes, shared_fields, write_sizes
from autogpt.models.gpt import GPTConfig

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
    only(config, "use_sliding_window", allowed=[False])
    kinds = set(config.get("layer_types") or ()) - {"full_attention"}
    if kinds:
        raise CheckpointError(
            f"config.json asks for layer_types {', '.join(sorted(map(repr, kinds)))}, but only "
            "'full_attention' is supported."
        )
    default_width = {"head_dim": 128}  # of transformers' Qwen3Config, whatever hidden_size is
    return GPTConfig(
        model_type="qwen3", query_key_norm=True, **read_sizes({**default_width, **config})
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
        "use_sliding_window": False,
        "sliding_window": None,
        "max_window_layers": config.num_hidden_layers,
    }
