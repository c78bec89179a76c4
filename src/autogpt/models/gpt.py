"""The one decoder: every family of language models here is this Transformer with other switches.

::

    token ids -> embedding (+ positions) -> [ block ] x L -> norm -> hidden -> head -> logits

    block:  x = x + attention(norm(x))      tokens look at earlier tokens
            x = x + network(norm(x))        each token is transformed on its own

Read it top to bottom: the switches (:class:`GPTConfig`), the model (:class:`GPT`), its block, its
attention; then how weights begin and what a token costs. The formula of attention itself, rotary
positions, norms and the feed-forward network are in ``autogpt.nn``. A family (``qwen3``, ``llama``,
``gpt2``) is a module beside this one that maps a Hugging Face config to the switches and their
weight names to ours; there are no subclasses. Not here: losses, sampling, files.

Source: Vaswani et al. 2017, "Attention Is All You Need"; decoder only, with norms before each
sublayer, as in Radford et al. 2019 (GPT-2). The default switches are those of Qwen3 (2025).

Letters in shapes: B batch, T tokens, S cached tokens, D hidden, H heads, K key/value heads,
E head width, V vocabulary.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from autogpt.core.errors import ConfigError, UsageError
from autogpt.nn.attention import AttentionForm, attend, document_mask
from autogpt.nn.cache import Cache
from autogpt.nn.layers import build_network, build_norm, project_together
from autogpt.nn.positions import (
    LearnedPositions,
    Llama3Scaling,
    RotaryPositions,
    Rotation,
    SinusoidalPositions,
    rotate,
)

__all__ = ["GPT", "Attention", "Block", "GPTConfig", "flops_per_token", "parameter_count"]


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
        norm: Root-mean-square or layer normalization.
        norm_eps: Its epsilon.
        network: The feed-forward network.
        positions: How order is known.
        rope_theta: Base of rotary positions.
        rope_scaling: Stretching of rotary positions, or None.
        query_key_norm: Normalize each query and key head (Henry et al. 2020, "Query-Key
            Normalization for Transformers"); keeps attention scores bounded in low precision.
        attention_bias: Biases on all four projections of attention.
        network_bias: Biases in the feed-forward network.
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
    norm: Literal["rms", "layer"] = "rms"
    norm_eps: float = 1e-6
    network: Literal["swiglu", "gelu"] = "swiglu"
    positions: Literal["rotary", "learned", "sinusoidal"] = "rotary"
    rope_theta: float = 10_000.0
    rope_scaling: Llama3Scaling | None = None
    query_key_norm: bool = True
    attention_bias: bool = False
    network_bias: bool = False
    tie_word_embeddings: bool = True
    initializer_range: float = 0.02
    bos_token_id: int | None = None
    eos_token_id: int | tuple[int, ...] | None = None
    pad_token_id: int | None = None

    def __post_init__(self) -> None:
        """Check ranges and what contradicts.

        Raises:
            ConfigError: If a setting is out of its range or contradicts another.
        """
        for name in _SIZES:
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} = {getattr(self, name)} must be at least 1.")
        for name in ("norm_eps", "rope_theta", "initializer_range"):
            if not 0 < getattr(self, name) < math.inf:
                raise ConfigError(f"{name} = {getattr(self, name)} must be positive.")
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
        if self.positions == "rotary" and self.head_dim % 2:
            raise ConfigError(f"head_dim = {self.head_dim} must be even for rotary positions.")
        if self.positions == "sinusoidal" and self.hidden_size % 2:
            raise ConfigError(f"hidden_size = {self.hidden_size} must be even for sinusoids.")


_SIZES = (
    "vocab_size",
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "head_dim",
    "max_position_embeddings",
)
_CHOICES = {
    "norm": ("rms", "layer"),
    "network": ("swiglu", "gelu"),
    "positions": ("rotary", "learned", "sinusoidal"),
}


class GPT(nn.Module):
    """A decoder-only Transformer.

    Args:
        config: The switches.
        attention: The form in which attention is computed, see ``autogpt.nn.attention``; it
            changes speed only, and may be set at any time.
    """

    def __init__(self, config: GPTConfig, *, attention: AttentionForm = "sdpa") -> None:
        super().__init__()
        self.config = config
        self.attention: AttentionForm = attention
        self.embedding = nn.Embedding(config.vocab_size, config.hidden_size)
        self.positions = _absolute_positions(config)
        self.rotary = _rotary_positions(config)
        self.layers = nn.ModuleList(Block(config, i) for i in range(config.num_hidden_layers))
        self.norm = build_norm(config.norm, config.hidden_size, eps=config.norm_eps)
        self.head = (
            None
            if config.tie_word_embeddings
            else nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        )
        self.initialize()

    def forward(
        self,
        token_ids: Int[Tensor, "B T"],
        *,
        document_ids: Int[Tensor, "B T"] | None = None,
        positions: Int[Tensor, "B T"] | None = None,
        cache: Cache | None = None,
    ) -> Float[Tensor, "B T D"]:
        """Return what the model makes of each token, having seen it and those before.

        Args:
            token_ids: The text; with a cache, what follows the text already in it.
            document_ids: A number for each token; tokens of different numbers do not see each
                other. None: each row is one text, which is cheaper.
            positions: Place of each token in its text; default 0, 1, 2, ... along the row. Rotary
                positions are relative, so packed documents need not restart at 0.
            cache: Keys and values of earlier tokens; read, extended and advanced.

        Raises:
            UsageError: If the text is longer than the model's positions.
        """
        length = token_ids.shape[1]
        self._check(length, document_ids, positions, cache)
        mask = None
        if cache is not None:
            positions, mask = cache.positions(length), cache.mask(length)
        elif document_ids is not None:
            mask = document_mask(document_ids)

        hidden = self.embedding(token_ids)  # [B, T, D]
        if self.positions is not None:
            hidden = hidden + self.positions(length, positions).to(hidden.dtype)
        rotation = None if self.rotary is None else self.rotary(length, positions)
        for layer in self.layers:
            hidden = layer(hidden, rotation=rotation, mask=mask, cache=cache, form=self.attention)
        if cache is not None:
            cache.advance(length)
        output: Tensor = self.norm(hidden)
        return output

    def logits(self, hidden: Float[Tensor, "*B D"]) -> Float[Tensor, "*B V"]:
        """Score every token of the vocabulary as the next one; fp32 whatever the weights are.

        Separate from :meth:`forward` because V is large: decoding needs the last token's logits
        only, and training fuses them with the loss.
        """
        weight = self.embedding.weight if self.head is None else self.head.weight
        return F.linear(hidden, weight).float()

    @torch.no_grad()
    def initialize(self) -> None:
        """Draw the first weights from torch's generator.

        Matrices and embeddings are normal with ``initializer_range``; those that write into the
        residual stream, two in each block, are divided by sqrt(2 L), so that the sum of all
        blocks starts with the variance of one. Norms start at one, biases at zero. Source:
        Radford et al. 2019 (GPT-2), section 2.3.
        """
        deviation = self.config.initializer_range
        residual = deviation / math.sqrt(2 * self.config.num_hidden_layers)
        for name, parameter in self.named_parameters():
            if name.endswith(("attention.output.weight", "network.down.weight")):
                parameter.normal_(0.0, residual)
            elif parameter.ndim == 2:
                parameter.normal_(0.0, deviation)
            elif name.endswith("bias"):
                parameter.zero_()
            else:
                parameter.fill_(1.0)

    def _check(
        self,
        length: int,
        document_ids: Tensor | None,
        positions: Tensor | None,
        cache: Cache | None,
    ) -> None:
        if cache is not None and (document_ids is not None or positions is not None):
            raise ValueError("a cache fixes documents and positions; they cannot be given as well")
        end = length if cache is None else length + cache.longest
        if end > self.config.max_position_embeddings:
            raise UsageError(
                f"{end} tokens are more than the {self.config.max_position_embeddings} positions "
                "of this model."
            )


class Block(nn.Module):
    """Attention and a feed-forward network, each added to the residual stream.

    Args:
        config: The switches.
        index: Which layer this is; its place in the cache.
    """

    def __init__(self, config: GPTConfig, index: int) -> None:
        super().__init__()
        self.attention_norm = build_norm(config.norm, config.hidden_size, eps=config.norm_eps)
        self.attention = Attention(config, index)
        self.network_norm = build_norm(config.norm, config.hidden_size, eps=config.norm_eps)
        self.network = build_network(
            config.network,
            hidden_size=config.hidden_size,
            intermediate_size=config.intermediate_size,
            bias=config.network_bias,
        )

    def forward(
        self,
        hidden: Float[Tensor, "B T D"],
        *,
        rotation: Rotation | None,
        mask: Bool[Tensor, "#B 1 T S"] | None,
        cache: Cache | None,
        form: AttentionForm,
    ) -> Float[Tensor, "B T D"]:
        """Let the tokens look around, then transform each."""
        hidden = hidden + self.attention(
            self.attention_norm(hidden), rotation=rotation, mask=mask, cache=cache, form=form
        )
        output: Tensor = hidden + self.network(self.network_norm(hidden))
        return output


class Attention(nn.Module):
    """Self-attention with grouped queries: projections, positions, cache, and the formula.

    Args:
        config: The switches.
        index: Which layer this is; its place in the cache.
    """

    def __init__(self, config: GPTConfig, index: int) -> None:
        super().__init__()
        self.index = index
        self.head_dim = config.head_dim
        hidden, bias = config.hidden_size, config.attention_bias
        inner = config.num_attention_heads * config.head_dim
        shared = config.num_key_value_heads * config.head_dim
        self.query = nn.Linear(hidden, inner, bias=bias)
        self.key = nn.Linear(hidden, shared, bias=bias)
        self.value = nn.Linear(hidden, shared, bias=bias)
        self.output = nn.Linear(inner, hidden, bias=bias)
        self.query_norm: nn.Module | None = None
        self.key_norm: nn.Module | None = None
        if config.query_key_norm:
            self.query_norm = build_norm(config.norm, config.head_dim, eps=config.norm_eps)
            self.key_norm = build_norm(config.norm, config.head_dim, eps=config.norm_eps)

    def forward(
        self,
        hidden: Float[Tensor, "B T D"],
        *,
        rotation: Rotation | None,
        mask: Bool[Tensor, "#B 1 T S"] | None,
        cache: Cache | None,
        form: AttentionForm,
    ) -> Float[Tensor, "B T D"]:
        """Mix into each token what it finds among those it may see."""
        projected = project_together(hidden, (self.query, self.key, self.value))
        query, key, value = map(self._heads, projected)  # [B, T, H, E], [B, T, K, E] twice
        if self.query_norm is not None and self.key_norm is not None:
            query, key = self.query_norm(query), self.key_norm(key)

        query, key, value = query.transpose(1, 2), key.transpose(1, 2), value.transpose(1, 2)
        if rotation is not None:  # [B, H, T, E] and [B, K, T, E] from here on
            query, key = rotate(query, rotation), rotate(key, rotation)
        if cache is not None:
            key, value = cache.append(self.index, key, value)  # [B, K, S, E]

        mixed = attend(query, key, value, mask=mask, form=form)  # [B, H, T, E]
        output: Tensor = self.output(mixed.transpose(1, 2).flatten(2))  # [B, T, D]
        return output

    def _heads(self, projected: Float[Tensor, "B T _"]) -> Float[Tensor, "B T _ E"]:
        return projected.reshape(*projected.shape[:-1], -1, self.head_dim)


def _absolute_positions(config: GPTConfig) -> LearnedPositions | SinusoidalPositions | None:
    if config.positions == "learned":
        return LearnedPositions(config.max_position_embeddings, config.hidden_size)
    if config.positions == "sinusoidal":
        return SinusoidalPositions(config.max_position_embeddings, config.hidden_size)
    return None


def _rotary_positions(config: GPTConfig) -> RotaryPositions | None:
    if config.positions != "rotary":
        return None
    return RotaryPositions(
        config.max_position_embeddings,
        config.head_dim,
        theta=config.rope_theta,
        scaling=config.rope_scaling,
    )


def parameter_count(config: GPTConfig) -> int:
    """Return the number of weights of a model, without building it; a tied head counts once."""
    hidden, inner = config.hidden_size, config.num_attention_heads * config.head_dim
    shared = config.num_key_value_heads * config.head_dim
    affine = 2 if config.norm == "layer" else 1  # vectors in a norm: weight, and bias

    attention = 2 * hidden * inner + 2 * hidden * shared
    attention += (inner + 2 * shared + hidden) * config.attention_bias
    attention += 2 * affine * config.head_dim * config.query_key_norm
    wide = 2 if config.network == "swiglu" else 1  # matrices into the intermediate width
    network = (wide + 1) * hidden * config.intermediate_size
    network += (wide * config.intermediate_size + hidden) * config.network_bias
    blocks = config.num_hidden_layers * (attention + network + 2 * affine * hidden)

    embeddings = config.vocab_size * hidden * (1 if config.tie_word_embeddings else 2)
    if config.positions == "learned":
        embeddings += config.max_position_embeddings * hidden
    return blocks + affine * hidden + embeddings


def flops_per_token(config: GPTConfig, context_length: int) -> int:
    """Return the floating point operations to train on one token, forward and backward.

    6 N + 12 L H E T. Each weight multiplies and adds once forward and twice backward, hence 6;
    N counts the weights that multiply: all of them and the head, but not the looked-up embedding
    and position tables. Attention adds 12 L H E T: scores and mixing take 2 T H E
    operations each, in L layers, times 3 with the backward pass. The half of the scores that
    causality masks is counted, as is usual, though a kernel may skip it.

    Source: Kaplan et al. 2020, "Scaling Laws for Neural Language Models", section 2.1; Chowdhery
    et al. 2022, "PaLM", appendix B.

    Args:
        config: The model.
        context_length: T, tokens in a training sequence.
    """
    weights = parameter_count(config)
    if not config.tie_word_embeddings:
        weights -= config.vocab_size * config.hidden_size
    if config.positions == "learned":
        weights -= config.max_position_embeddings * config.hidden_size
    inner = config.num_attention_heads * config.head_dim
    return 6 * weights + 12 * config.num_hidden_layers * inner * context_length
