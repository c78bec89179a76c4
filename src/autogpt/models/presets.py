"""Sizes of models that make sense, and how settings change them.

A preset is a starting point; every size can be set on its own, and what is left out follows from
what is set. Not here: which preset suits a budget and a corpus (``training``).

All presets are Qwen3 (see ``autogpt.models.qwen3``) with tied embeddings: at these sizes an untied
head would hold up to a fifth of the weights. Widths are multiples of 64, which fills the vector
registers of a CPU and the tiles of a GPU. Heads are 64 wide, as in GPT-2 (Radford et al. 2019).
Width over depth is 48 to 64; the loss hardly depends on it (Kaplan et al. 2020, figure 5), while
few wide layers keep matrix products efficient. ``tiny`` gave the lowest loss in three minutes of
two cores (docs/log.md).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from autogpt.core.errors import ConfigError
from autogpt.models.gpt import GPTConfig

__all__ = ["PRESETS", "ModelConfig", "Preset", "build_config"]

_MULTIPLE = 64
_NARROWEST_HEAD = 16


@dataclass(frozen=True, kw_only=True, slots=True)
class Preset:
    """The sizes of a model; names as in :class:`GPTConfig`."""

    hidden_size: int
    num_hidden_layers: int
    head_dim: int
    num_key_value_heads: int


PRESETS = {
    # 2.2M weights with 2,048 tokens of vocabulary
    "tiny": Preset(hidden_size=192, num_hidden_layers=4, head_dim=64, num_key_value_heads=3),
    # 10.2M with 2,048; 12.6M with 8,192
    "small": Preset(hidden_size=384, num_hidden_layers=6, head_dim=64, num_key_value_heads=2),
    # 27.8M with 8,192; 32.0M with 16,384
    "medium": Preset(hidden_size=512, num_hidden_layers=8, head_dim=64, num_key_value_heads=4),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelConfig:
    """What a user may say of a model; None leaves it to the preset.

    Attributes:
        preset: The starting point; "auto" lets the budget and the corpus decide.
        context_length: The longest text the model sees at once, in tokens.
        hidden_size: Width of the residual stream.
        intermediate_size: Width inside the feed-forward network; default 8/3 of the hidden size,
            rounded up to a multiple of 64 (Shazeer 2020).
        num_hidden_layers: Blocks.
        num_attention_heads: Query heads; default ``hidden_size / head_dim``.
        num_key_value_heads: Key/value heads, shared by groups of query heads.
        head_dim: Width of a head; default the preset's, or less where the hidden size needs it.
        tie_word_embeddings: Whether the head is the embedding.
        rope_theta: Base of rotary positions; the 10,000 of Su et al. 2021 suits short contexts.
    """

    preset: Literal["auto", "tiny", "small", "medium"] = "auto"
    context_length: int = 256
    hidden_size: int | None = None
    intermediate_size: int | None = None
    num_hidden_layers: int | None = None
    num_attention_heads: int | None = None
    num_key_value_heads: int | None = None
    head_dim: int | None = None
    tie_word_embeddings: bool = True
    rope_theta: float = 10_000.0

    def __post_init__(self) -> None:
        """Check what can be checked without a preset.

        Raises:
            ConfigError: If the preset is unknown or a size is not positive.
        """
        if self.preset != "auto" and self.preset not in PRESETS:
            raise ConfigError(
                f"preset = {self.preset!r} is unknown, expected auto, {', '.join(PRESETS)}."
            )
        for name in (
            "context_length",
            "hidden_size",
            "intermediate_size",
            "num_hidden_layers",
            "num_attention_heads",
            "num_key_value_heads",
            "head_dim",
        ):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"{name} = {value} must be at least 1.")
        if not 0 < self.rope_theta < math.inf:
            raise ConfigError(f"rope_theta = {self.rope_theta} must be positive.")


def build_config(
    settings: ModelConfig,
    vocab_size: int,
    *,
    eos_token_id: int | None = None,
    pad_token_id: int | None = None,
) -> GPTConfig:
    """Return the full config of a model of our own.

    Args:
        settings: What the user said; its preset must be decided.
        vocab_size: Number of tokens.
        eos_token_id: The token that ends a text.
        pad_token_id: The token that fills up a batch.

    Raises:
        ConfigError: If the preset is still "auto", or sizes contradict each other.
    """
    if settings.preset == "auto":
        raise ConfigError(f"preset = 'auto' is not decided yet, expected {', '.join(PRESETS)}.")
    preset = PRESETS[settings.preset]
    hidden = settings.hidden_size or preset.hidden_size
    head_dim = settings.head_dim or _head_dim(hidden, preset.head_dim)
    heads = settings.num_attention_heads or _heads(hidden, head_dim)
    shared = settings.num_key_value_heads or math.gcd(heads, preset.num_key_value_heads)
    return GPTConfig(
        model_type="qwen3",
        vocab_size=vocab_size,
        hidden_size=hidden,
        intermediate_size=settings.intermediate_size or _intermediate(hidden),
        num_hidden_layers=settings.num_hidden_layers or preset.num_hidden_layers,
        num_attention_heads=heads,
        num_key_value_heads=shared,
        head_dim=head_dim,
        max_position_embeddings=settings.context_length,
        tie_word_embeddings=settings.tie_word_embeddings,
        rope_theta=settings.rope_theta,
        eos_token_id=eos_token_id,
        pad_token_id=pad_token_id,
    )


def _head_dim(hidden_size: int, usual: int) -> int:
    """Return the usual width of a head, or a narrower one that divides the hidden size."""
    shared = math.gcd(hidden_size, usual)
    return shared if shared >= _NARROWEST_HEAD else usual


def _heads(hidden_size: int, head_dim: int) -> int:
    heads, rest = divmod(hidden_size, head_dim)
    if rest or not heads:
        raise ConfigError(
            f"hidden_size = {hidden_size} is not a multiple of head_dim = {head_dim}.",
            hint="Change one of them, or set num_attention_heads.",
        )
    return heads


def _intermediate(hidden_size: int) -> int:
    return math.ceil(hidden_size * 8 / 3 / _MULTIPLE) * _MULTIPLE
