"""The one decoder: every family of language models here is this Transformer with other switches.

::

    token ids -> embedding (+ positions) -> [ block ] x L -> norm -> hidden -> head -> logits

    block:  x = x + attention(norm(x))      tokens look at earlier tokens
            x = x + network(norm(x))        each token is transformed on its own

What the two add is normalized as well in families with ``post_norms``; layers with a sliding
window have a mask of their own, and in some families rotary positions of their own.

Read it top to bottom: the model (:class:`GPT`) and how its weights begin, its block, its attention.
The switches are in ``autogpt.models.config``, what a token costs is in ``counting``; the formula of
attention itself, rotary positions, norms and the feed-forward network are in ``autogpt.nn``. A
family (``qwen3``, ``gemma3_text``, ``gpt2``) is a module beside this one that maps a Hugging Face
config to the switches and their weight names to ours; there are no subclasses. Not here: losses,
sampling, files.

Source: Vaswani et al. 2017, "Attention Is All You Need"; decoder only, with norms before each
sublayer, as in Radford et al. 2019 (GPT-2). The default switches are those of Qwen3 (2025).

Letters in shapes: B batch, T tokens, S cached tokens, D hidden, H heads, K key/value heads,
E head width, V vocabulary.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from autogpt.core.errors import UsageError
from autogpt.models.config import GPTConfig
from autogpt.models.trainable import Trainable
from autogpt.nn.attention import (
    AttentionForm,
    AttentionFunction,
    Mask,
    attend,
    document_mask,
    window_mask,
)
from autogpt.nn.cache import Cache
from autogpt.nn.documents import Documents, find_documents
from autogpt.nn.layers import build_network, build_norm, project_together
from autogpt.nn.positions import (
    LearnedPositions,
    RotaryPositions,
    Rotation,
    SinusoidalPositions,
    rotate,
)

__all__ = ["GPT", "Attention", "Block", "GPTConfig"]


class View(NamedTuple):
    """What the layers of one kind need to know of the tokens' order and of who sees whom."""

    mask: Mask | None
    rotation: Rotation | None


class GPT(Trainable):
    """A decoder-only Transformer.

    Args:
        config: The switches.
        attention: The form in which attention is computed, see ``autogpt.nn.attention``; it
            changes speed only, and may be set at any time.
    """

    def __init__(self, config: GPTConfig, *, attention: AttentionForm = "sdpa") -> None:
        super().__init__()
        self.config = config
        self.attention = attention
        self.embedding = nn.Embedding(config.vocab_size, config.hidden_size)
        self.positions = _absolute_positions(config)
        self.rotary, self.local_rotary = _rotary_positions(config)
        self.windows = config.windows
        self.layers = nn.ModuleList(Block(config, i) for i in range(config.num_hidden_layers))
        self.norm = _norm(config)
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
        hidden: Float[Tensor, "B T D"] | None = None,
        blocks: slice = slice(None),
        mask: Mask | None = None,
    ) -> Float[Tensor, "B T D"]:
        """Return what the model makes of each token, having seen it and those before.

        Args:
            token_ids: The text; with a cache, what follows the text already in it.
            document_ids: A number for each token; tokens of different numbers do not see each
                other. None: each row is one text, which is cheaper.
            positions: Place of each token in its text; default 0, 1, 2, ... along the row. Rotary
                positions are relative, so packed documents need not restart at 0.
            cache: Keys and values of earlier tokens; read, extended and advanced.
            hidden: What the blocks before those of ``blocks`` made of the tokens; before all of
                them, what is read in place of the tokens' embeddings (``multimodal``).
            blocks: Which blocks to go through; without the last, what comes is not normalized.
            mask: Who sees whom, where neither causality nor documents nor the cache say it; with a
                cache, of an unpacked model only.

        Raises:
            UsageError: If the text is longer than the model's positions.
        """
        length = token_ids.shape[1]
        self._check(length, document_ids, positions, cache)
        if cache is not None:
            positions = cache.positions(length)
        if mask is None:
            mask = self._mask(length, document_ids, cache)

        dropout = self.dropout if self.training else 0.0
        if hidden is None:
            hidden = self.embed(token_ids)  # [B, T, D]
            if self.positions is not None:
                hidden = hidden + self.positions(length, positions).to(hidden.dtype)
            if dropout:
                hidden = F.dropout(hidden, dropout)
        everything = View(mask, None if self.rotary is None else self.rotary(length, positions))
        nearby = self._nearby(everything, length, positions, cache)
        for layer, window in zip(list(self.layers)[blocks], self.windows[blocks], strict=True):
            mask, rotation = everything if window is None else nearby
            hidden = layer(
                hidden,
                rotation=rotation,
                mask=mask,
                cache=cache,
                form=self.attention,
                dropout=dropout,
            )
        if cache is not None:
            cache.advance(length)
        if blocks.stop is not None:
            return hidden
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
        blocks starts with the variance of one. Norms start by changing nothing, biases at zero.
        Source: Radford et al. 2019 (GPT-2), section 2.3.
        """
        deviation = self.config.initializer_range
        residual = deviation / math.sqrt(2 * self.config.num_hidden_layers)
        neutral = 0.0 if self.config.norm == "offset_rms" else 1.0
        for name, parameter in self.named_parameters():
            if name.endswith(("attention.output.weight", "network.down.weight")):
                parameter.normal_(0.0, residual)
            elif parameter.ndim == 2:
                parameter.normal_(0.0, deviation)
            elif name.endswith("bias"):
                parameter.zero_()
            else:
                parameter.fill_(neutral)

    def embed(self, token_ids: Int[Tensor, "B T"]) -> Float[Tensor, "B T D"]:
        """Return the embeddings of tokens, as the first block reads them."""
        hidden: Tensor = self.embedding(token_ids)
        if self.config.embedding_multiplier == 1.0:
            return hidden
        # Rounded to bf16 before it multiplies bf16, as it was when Gemma was trained.
        return hidden * torch.tensor(self.config.embedding_multiplier, dtype=hidden.dtype)

    def _mask(
        self, length: int, document_ids: Int[Tensor, "B T"] | None, cache: Cache | None
    ) -> Mask | None:
        """Return who sees whom; None: each token what is before it."""
        if cache is not None:
            return cache.mask(length)
        if document_ids is not None:
            if self.config.is_causal and not callable(self.attention):
                documents, window = find_documents(document_ids), self.config.sliding_window
                if documents is not None and (window is None or documents.longest <= window):
                    return documents
            return document_mask(document_ids, causal=self.config.is_causal)
        if self.config.is_causal:
            return None
        device = self.embedding.weight.device
        return torch.ones(1, 1, length, length, dtype=torch.bool, device=device)

    def _nearby(
        self, everything: View, length: int, positions: Tensor | None, cache: Cache | None
    ) -> View:
        """Return what layers with a sliding window need, given what layers without need."""
        window, mask = self.config.sliding_window, everything.mask
        if window is None:
            return everything
        keys = length if cache is None else length + cache.longest
        if keys > window and not isinstance(mask, Documents):  # none of them is longer
            # Without a cache, the place in the row: packed documents lie in it side by side, so
            # that tokens are as far apart as in their document.
            row = torch.arange(length, device=self.embedding.weight.device)[None]
            places = row if cache is None else cache.positions(length)
            near = window_mask(places, keys, window=window, causal=self.config.is_causal)
            mask = near if mask is None else near & mask
        rotary = self.local_rotary
        return View(mask, everything.rotation if rotary is None else rotary(length, positions))

    def _check(
        self,
        length: int,
        document_ids: Tensor | None,
        positions: Tensor | None,
        cache: Cache | None,
    ) -> None:
        if cache is not None and not self.config.is_causal:
            raise UsageError("This model looks at the whole text, so it cannot continue one.")
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
        self.attention_norm = _norm(config)
        self.attention = Attention(config, index)
        self.attention_post_norm = _norm(config) if config.post_norms else None
        self.network_norm = _norm(config)
        self.network = build_network(
            config.network,
            hidden_size=config.hidden_size,
            intermediate_size=config.intermediate_size,
            bias=config.network_bias,
        )
        self.network_post_norm = _norm(config) if config.post_norms else None

    def forward(
        self,
        hidden: Float[Tensor, "B T D"],
        *,
        rotation: Rotation | None,
        mask: Mask | None,
        cache: Cache | None,
        form: AttentionForm | AttentionFunction,
        dropout: float = 0.0,
    ) -> Float[Tensor, "B T D"]:
        """Let the tokens look around, then transform each; what is added may be dropped in part.

        Source: Srivastava et al. 2014, "Dropout"; its places: Vaswani et al. 2017, section 5.4.
        """
        found = self.attention(
            self.attention_norm(hidden), rotation=rotation, mask=mask, cache=cache, form=form
        )
        if self.attention_post_norm is not None:
            found = self.attention_post_norm(found)
        hidden = hidden + (F.dropout(found, dropout) if dropout else found)
        made = self.network(self.network_norm(hidden))
        if self.network_post_norm is not None:
            made = self.network_post_norm(made)
        output: Tensor = hidden + (F.dropout(made, dropout) if dropout else made)
        return output


class Attention(nn.Module):
    """Self-attention with grouped queries: projections, positions, cache, and the formula.

    Args:
        config: The switches.
        index: Which layer this is; its place in the cache.

    Attributes:
        index: As given.
        head_dim: E.
        scale: See ``autogpt.nn.attention``.
        window: Tokens that a token sees here, or None. For those who replace this layer: the mask
            that the model hands to it says so already.
    """

    def __init__(self, config: GPTConfig, index: int) -> None:
        super().__init__()
        self.index = index
        self.head_dim = config.head_dim
        self.window = config.windows[index]
        scalar = config.query_pre_attn_scalar
        self.scale = None if scalar is None else 1.0 / math.sqrt(scalar)
        hidden, bias = config.hidden_size, config.attention_bias
        inner = config.num_attention_heads * config.head_dim
        shared = config.num_key_value_heads * config.head_dim
        self.query = nn.Linear(hidden, inner, bias=bias)
        self.key = nn.Linear(hidden, shared, bias=bias)
        self.value = nn.Linear(hidden, shared, bias=bias)
        output_bias = config.attention_output_bias
        self.output = nn.Linear(inner, hidden, bias=bias if output_bias is None else output_bias)
        self.query_norm: nn.Module | None = None
        self.key_norm: nn.Module | None = None
        if config.query_key_norm:
            self.query_norm = _norm(config, config.head_dim)
            self.key_norm = _norm(config, config.head_dim)

    def forward(
        self,
        hidden: Float[Tensor, "B T D"],
        *,
        rotation: Rotation | None,
        mask: Mask | None,
        cache: Cache | None,
        form: AttentionForm | AttentionFunction,
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

        mixed = attend(query, key, value, mask=mask, form=form, scale=self.scale)  # [B, H, T, E]
        output: Tensor = self.output(mixed.transpose(1, 2).flatten(2))  # [B, T, D]
        return output

    def _heads(self, projected: Float[Tensor, "B T _"]) -> Float[Tensor, "B T _ E"]:
        return projected.reshape(*projected.shape[:-1], -1, self.head_dim)


def _norm(config: GPTConfig, width: int | None = None) -> nn.Module:
    return build_norm(config.norm, width or config.hidden_size, eps=config.norm_eps)


def _absolute_positions(config: GPTConfig) -> LearnedPositions | SinusoidalPositions | None:
    if config.positions == "learned":
        return LearnedPositions(config.max_position_embeddings, config.hidden_size)
    if config.positions == "sinusoidal":
        return SinusoidalPositions(config.max_position_embeddings, config.hidden_size)
    return None


def _rotary_positions(
    config: GPTConfig,
) -> tuple[RotaryPositions | None, RotaryPositions | None]:
    """Return the angles of most layers, and of those with a window where they have their own."""
    if config.positions != "rotary":
        return None, None
    length, width = config.max_position_embeddings, config.head_dim
    rotary = RotaryPositions(length, width, theta=config.rope_theta, scaling=config.rope_scaling)
    if config.rope_local_base_freq is None:
        return rotary, None
    local = RotaryPositions(length, width, theta=config.rope_local_base_freq, scaling=None)
    return rotary, local
