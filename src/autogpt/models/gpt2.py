"""GPT-2: learned positions, LayerNorm, GELU, biases everywhere, tied embeddings.

Source: Radford et al. 2019, "Language Models are Unsupervised Multitask Learners". Its matrices
are stored as [in, out], and query, key and value side by side in one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from autogpt.core.errors import CheckpointError
from autogpt.models.config import GPTConfig
from autogpt.models.hf_config import only, read, read_special_tokens, shared_fields

__all__ = ["IGNORED", "PREFIX", "TRANSPOSED", "WEIGHTS", "from_hf", "to_hf"]

WEIGHTS = {
    "embedding.weight": "transformer.wte.weight",
    "positions.weight": "transformer.wpe.weight",
    "layers.{}.attention_norm.weight": "transformer.h.{}.ln_1.weight",
    "layers.{}.attention_norm.bias": "transformer.h.{}.ln_1.bias",
    "layers.{}.attention.query.weight": "transformer.h.{}.attn.c_attn.weight",
    "layers.{}.attention.key.weight": "transformer.h.{}.attn.c_attn.weight",
    "layers.{}.attention.value.weight": "transformer.h.{}.attn.c_attn.weight",
    "layers.{}.attention.query.bias": "transformer.h.{}.attn.c_attn.bias",
    "layers.{}.attention.key.bias": "transformer.h.{}.attn.c_attn.bias",
    "layers.{}.attention.value.bias": "transformer.h.{}.attn.c_attn.bias",
    "layers.{}.attention.output.weight": "transformer.h.{}.attn.c_proj.weight",
    "layers.{}.attention.output.bias": "transformer.h.{}.attn.c_proj.bias",
    "layers.{}.network_norm.weight": "transformer.h.{}.ln_2.weight",
    "layers.{}.network_norm.bias": "transformer.h.{}.ln_2.bias",
    "layers.{}.network.up.weight": "transformer.h.{}.mlp.c_fc.weight",
    "layers.{}.network.up.bias": "transformer.h.{}.mlp.c_fc.bias",
    "layers.{}.network.down.weight": "transformer.h.{}.mlp.c_proj.weight",
    "layers.{}.network.down.bias": "transformer.h.{}.mlp.c_proj.bias",
    "norm.weight": "transformer.ln_f.weight",
    "norm.bias": "transformer.ln_f.bias",
    "head.weight": "lm_head.weight",
}
TRANSPOSED = frozenset({
    "transformer.h.{}.attn.c_attn.weight",
    "transformer.h.{}.attn.c_proj.weight",
    "transformer.h.{}.mlp.c_fc.weight",
    "transformer.h.{}.mlp.c_proj.weight",
})  # fmt: skip
PREFIX = "transformer."
IGNORED = (".attn.bias", ".attn.masked_bias")  # the causal mask, in files before 2023


def from_hf(config: Mapping[str, Any]) -> GPTConfig:
    """Return the switches for a ``config.json`` of ``model_type`` "gpt2".

    Raises:
        CheckpointError: If a field is missing, wrong, or asks for what is not supported.
        ConfigError: If the sizes contradict each other.
    """
    # Two names of the tanh approximation.
    only(config, "activation_function", allowed=["gelu_new", "gelu_pytorch_tanh"])
    only(config, "scale_attn_weights", allowed=[True])
    only(config, "scale_attn_by_inverse_layer_idx", allowed=[False])
    only(config, "add_cross_attention", allowed=[False])
    hidden, heads = read(config, "n_embd", int), read(config, "n_head", int)
    if heads < 1 or hidden % heads:
        raise CheckpointError(
            f"config.json says n_embd = {hidden}, not a multiple of n_head = {heads}."
        )
    defaults = {"bos_token_id": 50_256, "eos_token_id": 50_256}  # of transformers' GPT2Config
    return GPTConfig(
        model_type="gpt2",
        vocab_size=read(config, "vocab_size", int),
        hidden_size=hidden,
        intermediate_size=read(config, "n_inner", int, default=4 * hidden),
        num_hidden_layers=read(config, "n_layer", int),
        num_attention_heads=heads,
        num_key_value_heads=heads,
        head_dim=hidden // heads,
        max_position_embeddings=read(config, "n_positions", int),
        norm="layer",
        norm_eps=read(config, "layer_norm_epsilon", float, default=1e-5),
        network="gelu",
        positions="learned",
        query_key_norm=False,
        attention_bias=True,
        network_bias=True,
        tie_word_embeddings=read(config, "tie_word_embeddings", bool, default=True),
        initializer_range=read(config, "initializer_range", float, default=0.02),
        **read_special_tokens({**defaults, **config}),
    )


def to_hf(config: GPTConfig) -> dict[str, Any]:
    """Return the ``config.json`` for the switches; dropout is off, as nothing here uses it."""
    return {
        "architectures": ["GPT2LMHeadModel"],
        "model_type": "gpt2",
        **shared_fields(config),
        "n_embd": config.hidden_size,
        "n_inner": config.intermediate_size,
        "n_layer": config.num_hidden_layers,
        "n_head": config.num_attention_heads,
        "n_positions": config.max_position_embeddings,
        "n_ctx": config.max_position_embeddings,
        "layer_norm_epsilon": config.norm_eps,
        "activation_function": "gelu_new",
        "resid_pdrop": 0.0,
        "embd_pdrop": 0.0,
        "attn_pdrop": 0.0,
        "scale_attn_weights": True,
    }
