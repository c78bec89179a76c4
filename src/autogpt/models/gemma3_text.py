"""Gemma 3, text only: most layers see a sliding window, and every sublayer is normalized twice.

What else is its own: norms count their weight from one, embeddings are multiplied by the root of
the width, scores are scaled by a setting of their own, the network is gated by GELU, and layers
with a window have another base of rotary positions. Of a model that looks to both sides, as
EmbeddingGemma, ``config.json`` says how wide the whole window is, the switches how far to a side.

Source: Gemma Team 2025, "Gemma 3 Technical Report".
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from autogpt.core.errors import CheckpointError
from autogpt.models import llama
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
from autogpt.models.hf_rope import read_rope_by_layer_type, write_rope
from autogpt.models.llama import IGNORED, PREFIX, TRANSPOSED

__all__ = ["IGNORED", "PREFIX", "TRANSPOSED", "WEIGHTS", "from_hf", "halved", "to_hf"]

WEIGHTS = {
    **llama.WEIGHTS,
    "layers.{}.attention.query_norm.weight": "model.layers.{}.self_attn.q_norm.weight",
    "layers.{}.attention.key_norm.weight": "model.layers.{}.self_attn.k_norm.weight",
    "layers.{}.attention_post_norm.weight": "model.layers.{}.post_attention_layernorm.weight",
    "layers.{}.network_norm.weight": "model.layers.{}.pre_feedforward_layernorm.weight",
    "layers.{}.network_post_norm.weight": "model.layers.{}.post_feedforward_layernorm.weight",
}

_GELU = "gelu_pytorch_tanh"
_LOCAL_THETA = 10_000.0
_WINDOW = 4096
# What transformers' Gemma3TextConfig assumes, where it differs from other families.
_DEFAULTS = {
    "num_key_value_heads": 4,
    "head_dim": 256,
    "tie_word_embeddings": True,
    "bos_token_id": 2,
    "eos_token_id": 1,
    "pad_token_id": 0,
}


def from_hf(config: Mapping[str, Any]) -> GPTConfig:
    """Return the switches for a ``config.json`` of ``model_type`` "gemma3_text".

    Raises:
        CheckpointError: If a field is missing, wrong, or asks for what is not supported.
        ConfigError: If the sizes contradict each other.
    """
    only(config, "hidden_activation", allowed=[_GELU])
    only(config, "attn_logit_softcapping", allowed=[])
    only(config, "final_logit_softcapping", allowed=[])
    sizes = read_sizes({**_DEFAULTS, **config})
    every = read(config, "sliding_window_pattern", int, default=6)
    if every < 1:
        raise CheckpointError(f"config.json says sliding_window_pattern = {every}, expected >= 1.")
    windows = read_windows(config, slides=lambda layer: (layer + 1) % every != 0)
    is_causal = not read(config, "use_bidirectional_attention", bool, default=False)
    if not is_causal and windows["sliding_window"] is not None:
        windows["sliding_window"] = halved(windows["sliding_window"])
    rope = read_rope_by_layer_type(config, theta=1_000_000.0, local_theta=_LOCAL_THETA)
    if windows["sliding_window"] is None:
        rope["rope_local_base_freq"] = None
    return GPTConfig(
        model_type="gemma3_text",
        norm="offset_rms",
        post_norms=True,
        network="geglu",
        query_pre_attn_scalar=read(config, "query_pre_attn_scalar", int, default=256),
        query_key_norm=True,
        attention_bias=read(config, "attention_bias", bool, default=False),
        embedding_multiplier=math.sqrt(max(sizes["hidden_size"], 1)),
        **windows,
        **rope,
        **{**sizes, "is_causal": is_causal},
    )


def halved(window: int) -> int:
    """Return how far a token sees to each side, itself included, with a window of both sides."""
    return window // 2 + 1


def to_hf(config: GPTConfig) -> dict[str, Any]:
    """Return the ``config.json`` for the switches."""
    window = config.sliding_window
    if window is not None and not config.is_causal:
        window = 2 * (window - 1)  # halved by who reads it
    shared = shared_fields(config)
    shared.pop("is_causal", None)  # said by a field of its own
    return {
        "architectures": ["Gemma3ForCausalLM"],
        "model_type": "gemma3_text",
        **shared,
        **write_sizes(config),
        **write_rope(config),
        "rope_local_base_freq": config.rope_local_base_freq or _LOCAL_THETA,
        "hidden_activation": _GELU,
        "attention_bias": config.attention_bias,
        "query_pre_attn_scalar": config.query_pre_attn_scalar,
        # Asked for by transformers even where no layer has a window.
        "sliding_window": window or _WINDOW,
        "use_bidirectional_attention": not config.is_causal,
        "layer_types": write_layer_types(config),
        "attn_logit_softcapping": None,
        "final_logit_softcapping": None,
    }
