"""The switches of the one decoder: what distinguishes a family of models from another.

A family (``autogpt.models.family``) maps a Hugging Face config to these switches; ``autogpt.models
.gpt`` builds the model they describe. Not here: what a user may set (``presets``).

Letters: V vocabulary, D hidden, H heads, K key/value heads, E head width.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal, get_args

from autogpt.core.errors import ConfigError
from autogpt.nn.layers import NetworkKind, NormKind
from autogpt.nn.positions import RopeScaling, YarnScaling

__all__ = ["GPTConfig", "LayerType", "PositionKind"]

PositionKind = Literal["rotary", "learned", "sinusoidal"]
LayerType = Literal["full_attention", "sliding_attention"]


@dataclass(frozen=True, kw_only=True, slots=True)
class GPTConfig:
    """The switches of a decoder; names as in Hugging Face where one exists.

    Attributes:
        model_type: The family, which decides how the model is saved.
        vocab_size: V.
        hidden_size: D.
        intermediate_size: Width inside the feed-forward network.
        num_hidden_layers: Blocks.
        num_attention_heads: H.
        num_key_value_heads: K; divides H.
        head_dim: E; H * E need not equal D.
        max_position_embeddings: The longest sequence.
        norm: Normalization, see ``autogpt.nn.layers.build_norm``.
        norm_eps: Its epsilon.
        post_norms: Normalize also what attention and network return (Ding et al. 2021, "CogView",
            there called sandwich normalization).
        network: The feed-forward network, see ``autogpt.nn.layers.build_network``.
        positions: How order is known.
        rope_theta: Base of rotary positions.
        rope_scaling: Stretching of rotary positions, or None.
        rope_local_base_freq: Base of rotary positions in layers with a sliding window, which are
            never stretched; None: as in all other layers.
        sliding_window: Tokens that a token sees, itself included, in layers with a window, and
            without ``is_causal`` as many to the other side; None: no layer has one.
        layer_types: Which layers have the window, a name for each; None: all, if there is one.
        query_pre_attn_scalar: Attention scores are divided by its root; None: by that of E.
        query_key_norm: Normalize each query and key head (Henry et al. 2020, "Query-Key
            Normalization for Transformers"); keeps attention scores bounded in low precision.
        attention_bias: Biases on the projections to queries, keys and values.
        attention_output_bias: Bias on the projection that follows; None: as ``attention_bias``.
        network_bias: Biases in the feed-forward network.
        embedding_multiplier: Embeddings are multiplied with it on their way in.
        is_causal: Tokens look back only. Without it they look at the whole text, so the model
            cannot continue one; for tags (``heads``).
        tie_word_embeddings: The head is the embedding (Press and Wolf 2017).
        initializer_range: Standard deviation of the first weights.
        bos_token_id: Begins a text, if the tokenizer has such a token.
        eos_token_id: Ends a text; several for some models.
        pad_token_id: Fills up a batch.
    """

    model_type: str = "qwen3"
    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int
    max_position_embeddings: int
    norm: NormKind = "rms"
    norm_eps: float = 1e-6
    post_norms: bool = False
    network: NetworkKind = "swiglu"
    positions: PositionKind = "rotary"
    rope_theta: float = 10_000.0
    rope_scaling: RopeScaling | None = None
    rope_local_base_freq: float | None = None
    sliding_window: int | None = None
    layer_types: tuple[LayerType, ...] | None = None
    query_pre_attn_scalar: int | None = None
    query_key_norm: bool = True
    attention_bias: bool = False
    attention_output_bias: bool | None = None
    network_bias: bool = False
    embedding_multiplier: float = 1.0
    is_causal: bool = True
    tie_word_embeddings: bool = True
    initializer_range: float = 0.02
    bos_token_id: int | None = None
    eos_token_id: int | tuple[int, ...] | None = None
    pad_token_id: int | None = None

    @property
    def windows(self) -> tuple[int | None, ...]:
        """Tokens that a token sees in each layer; None where it sees all before it."""
        if self.layer_types is None:
            return (self.sliding_window,) * self.num_hidden_layers
        return tuple(
            self.sliding_window if kind == "sliding_attention" else None
            for kind in self.layer_types
        )

    def with_layers(self, count: int) -> GPTConfig:
        """Return the switches of a model of the first ``count`` layers."""
        kinds = self.layer_types
        return replace(
            self, num_hidden_layers=count, layer_types=None if kinds is None else kinds[:count]
        )

    def __post_init__(self) -> None:
        """Check ranges and what contradicts.

        Raises:
            ConfigError: If a setting is out of its range or contradicts another.
        """
        for name in _SIZES:
            size = getattr(self, name)
            if size is not None and size < 1:
                raise ConfigError(f"{name} = {size} must be at least 1.")
        for name in _FACTORS:
            factor = getattr(self, name)
            if factor is not None and not 0 < factor < math.inf:
                raise ConfigError(f"{name} = {factor} must be positive.")
        for name, allowed in _CHOICES.items():
            if getattr(self, name) not in allowed:
                raise ConfigError(
                    f"{name} = {getattr(self, name)!r} is unknown, expected {' or '.join(allowed)}."
                )
        if self.num_attention_heads % self.num_key_value_heads:
            raise ConfigError(
                f"num_attention_heads = {self.num_attention_heads} must be a multiple of "
                f"num_key_value_heads = {self.num_key_value_heads}."
            )
        self._check_positions()
        self._check_layer_types()

    def _check_positions(self) -> None:
        if self.positions == "rotary" and self.head_dim % 2:
            raise ConfigError(f"head_dim = {self.head_dim} must be even for rotary positions.")
        if self.positions == "sinusoidal" and self.hidden_size % 2:
            raise ConfigError(f"hidden_size = {self.hidden_size} must be even for sinusoids.")
        if isinstance(self.rope_scaling, YarnScaling) and self.rope_theta <= 1:
            raise ConfigError(f"rope_theta = {self.rope_theta} must be above 1 for yarn scaling.")
        if self.rope_local_base_freq is not None and self.sliding_window is None:
            raise ConfigError(
                f"rope_local_base_freq = {self.rope_local_base_freq} is for layers with a sliding "
                "window, but sliding_window is not set."
            )

    def _check_layer_types(self) -> None:
        if self.layer_types is None:
            return
        for kind in self.layer_types:
            if kind not in get_args(LayerType):
                raise ConfigError(
                    f"layer_types holds {kind!r}, expected {' or '.join(get_args(LayerType))}."
                )
        if len(self.layer_types) != self.num_hidden_layers:
            raise ConfigError(
                f"layer_types names {len(self.layer_types)} layers, expected "
                f"num_hidden_layers = {self.num_hidden_layers}."
            )
        if self.sliding_window is None:
            raise ConfigError("layer_types is given, but sliding_window is not.")


_SIZES = (
    "vocab_size",
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "head_dim",
    "max_position_embeddings",
    "sliding_window",
    "query_pre_attn_scalar",
)
_FACTORS = (
    "norm_eps",
    "rope_theta",
    "rope_local_base_freq",
    "embedding_multiplier",
    "initializer_range",
)
_CHOICES = {
    "norm": get_args(NormKind),
    "network": get_args(NetworkKind),
    "positions": get_args(PositionKind),
}
