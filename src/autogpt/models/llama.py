"""Llama: rotary positions, RMSNorm, SwiGLU, grouped queries; the base of most open models.

Source: Touvron et al. 2023, "LLaMA"; Llama 3's rotary scaling: Dubey et al. 2024. TinyLlama (Zhang
et al. 2024), SmolLM2 (Allal et al. 2025) and many others are of this family too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from autogpt.models.config import GPTConfig
from autogpt.models.hf_config import only, read, read_sizes, shared_fields, write_sizes
from autogpt.models.hf_rope import read_rope, write_rope

__all__ = ["IGNORED", "PREFIX", "TRANSPOSED", "WEIGHTS", "from_hf", "to_hf"]

WEIGHTS = {
    "embedding.weight": "model.embed_tokens.weight",
    "layers.{}.attention_norm.weight": "model.layers.{}.input_layernorm.weight",
    "layers.{}.attention.query.weight": "model.layers.{}.self_attn.q_proj.weight",
    "layers.{}.attention.key.weight": "model.layers.{}.self_attn.k_proj.weight",
    "layers.{}.attention.value.weight": "model.layers.{}.self_attn.v_proj.weight",
    "layers.{}.attention.output.weight": "model.layers.{}.self_attn.o_proj.weight",
    "layers.{}.attention.query.bias": "model.layers.{}.self_attn.q_proj.bias",
    "layers.{}.attention.key.bias": "model.layers.{}.self_attn.k_proj.bias",
    "layers.{}.attention.value.bias": "model.layers.{}.self_attn.v_proj.bias",
    "layers.{}.attention.output.bias": "model.layers.{}.self_attn.o_proj.bias",
    "layers.{}.network_norm.weight": "model.layers.{}.post_attention_layernorm.weight",
    "layers.{}.network.gate.weight": "model.layers.{}.mlp.gate_proj.weight",
    "layers.{}.network.up.weight": "model.layers.{}.mlp.up_proj.weight",
    "layers.{}.network.down.weight": "model.layers.{}.mlp.down_proj.weight",
    "layers.{}.network.gate.bias": "model.layers.{}.mlp.gate_proj.bias",
    "layers.{}.network.up.bias": "model.layers.{}.mlp.up_proj.bias",
    "layers.{}.network.down.bias": "model.layers.{}.mlp.down_proj.bias",
    "norm.weight": "model.norm.weight",
    "head.weight": "lm_head.weight",
}
TRANSPOSED: frozenset[str] = frozenset()
PREFIX = "model."
IGNORED = (".rotary_emb.inv_freq",)


def from_hf(config: Mapping[str, Any]) -> GPTConfig:
    """Return the switches for a ``config.json`` of ``model_type`` "llama".

    Raises:
        CheckpointError: If a field is missing, wrong, or asks for what is not supported.
        ConfigError: If the sizes contradict each other.
    """
    only(config, "hidden_act", allowed=["silu"])
    defaults = {"bos_token_id": 1, "eos_token_id": 2}  # of transformers' LlamaConfig
    return GPTConfig(
        model_type="llama",
        query_key_norm=False,
        attention_bias=read(config, "attention_bias", bool, default=False),
        network_bias=read(config, "mlp_bias", bool, default=False),
        **read_rope(config),
        **read_sizes({**defaults, **config}),
    )


def to_hf(config: GPTConfig) -> dict[str, Any]:
    """Return the ``config.json`` for the switches."""
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        **shared_fields(config),
        **write_sizes(config),
        **write_rope(config),
        "hidden_act": "silu",
        "attention_bias": config.attention_bias,
        "mlp_bias": config.network_bias,
    }
