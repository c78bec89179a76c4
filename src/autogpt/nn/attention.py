"""Attention: softmax(Q Kᵀ / √E) V, written three ways that give the same numbers.

``reference`` is the formula and nothing else; read it first. ``explicit`` is the same arithmetic
arranged for torch.compile, which fuses scaling, mask and softmax into one pass; ``sdpa`` is
torch's fused kernel. Which of the two is faster depends on the machine, the dtype and the length
(on a CPU in bf16, the kernel's backward loses below about 400 tokens), so the caller chooses.

Source: Vaswani et al. 2017, "Attention Is All You Need", equation 1; grouped queries: Ainslie et
al. 2023, "GQA". Not here: projections, positions, the cache.

Letters in shapes: B batch, T query tokens, S key tokens (S >= T with a cache), H query heads,
K key/value heads, G = H / K queries a key serves, E head width.

A mask is true where a query may look. None means causal: the T queries are the last T of the S
tokens, and each sees itself and everything before. A sliding window is a mask like any other.
:class:`~autogpt.nn.documents.Documents` in place of a mask says where the texts of packed rows lie.

The scale is what scores are multiplied with; None is the paper's 1 / √E.

Who wants to see the weights of a running model hands a function of his own in place of a form's
name (``AttentionFunction``); ``attention_weights`` is the half of the formula before V.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from autogpt.core.errors import ConfigError
from autogpt.nn.documents import Documents

__all__ = [
    "FORMS",
    "AttentionForm",
    "AttentionFunction",
    "Mask",
    "attend",
    "attention_weights",
    "causal_mask",
    "document_mask",
    "explicit_attention",
    "reference_attention",
    "sdpa_attention",
    "window_mask",
]

AttentionForm = Literal["reference", "explicit", "sdpa"]

Mask = Bool[Tensor, "#B 1 T S"] | Documents
"""Who sees whom: true where a query may look, or where the texts of packed rows lie."""

AttentionFunction = Callable[[Tensor, Tensor, Tensor, "Tensor | None", "float | None"], Tensor]
"""Query, key, value, mask and scale to what was mixed; shapes as for ``reference_attention``."""

_SHORT = 512  # tokens, see ``_form_for``


def attend(
    query: Float[Tensor, "B H T E"],
    key: Float[Tensor, "B K S E"],
    value: Float[Tensor, "B K S E"],
    *,
    mask: Mask | None,
    form: AttentionForm | AttentionFunction,
    scale: float | None = None,
) -> Float[Tensor, "B H T E"]:
    """Compute attention in the named form, or by a function that does it and looks on.

    Raises:
        ConfigError: If there is no such form.
    """
    if isinstance(mask, Documents):
        return mask.each(
            lambda *text: attend(*text, mask=None, form=_form_for(form, text[0]), scale=scale),
            *(query, key, value),
        )
    if callable(form):
        return form(query, key, value, mask, scale)
    if form not in FORMS:
        raise ConfigError(f"attention = {form!r} is unknown, expected one of {', '.join(FORMS)}.")
    return FORMS[form](query, key, value, mask, scale)


def _form_for(
    form: AttentionForm | AttentionFunction, query: Float[Tensor, "1 H L E"]
) -> AttentionForm | AttentionFunction:
    """Return the form for one text of many, where the one of long rows is slower.

    In bf16, forward and backward, 9 heads, one core of a Zen 4: 128 tokens 1.6 ms ``explicit``,
    3.5 ms ``sdpa``; 512 tokens 22 and 27 ms; 896 tokens 68 and 53 ms.
    """
    short = query.dtype == torch.bfloat16 and query.shape[2] <= _SHORT
    return "explicit" if short and form == "sdpa" else form


def causal_mask(
    queries: int, keys: int, *, device: torch.device | None = None
) -> Bool[Tensor, "T S"]:
    """Return where each of the last ``queries`` of ``keys`` tokens may look: not ahead."""
    key_position = torch.arange(keys, device=device)
    query_position = torch.arange(keys - queries, keys, device=device)
    return key_position <= query_position[:, None]


def document_mask(
    document_ids: Int[Tensor, "B T"], *, causal: bool = True
) -> Bool[Tensor, "B 1 T T"]:
    """Return a mask that keeps the documents packed into one row apart.

    Args:
        document_ids: Any number for each token, equal within a document.
        causal: Whether tokens look back only.
    """
    same = document_ids[:, :, None] == document_ids[:, None, :]  # [B, T, T]
    if not causal:
        return same[:, None]
    length = document_ids.shape[1]
    return (same & causal_mask(length, length, device=document_ids.device))[:, None]


def window_mask(
    positions: Int[Tensor, "#B T"], keys: int, *, window: int, causal: bool = True
) -> Bool[Tensor, "#B 1 T S"]:
    """Return where each query may look when it sees itself and the ``window`` - 1 tokens before.

    Source: Beltagy et al. 2020, "Longformer", section 3.1; its use in decoders: Jiang et al. 2023,
    "Mistral 7B".

    Args:
        positions: Of the queries, where key ``s`` has position ``s``.
        keys: S.
        window: Tokens a query sees, itself included.
        causal: Whether it sees those before only; otherwise as many behind as well.
    """
    distance = positions[:, :, None] - torch.arange(keys, device=positions.device)  # [B, T, S]
    near = (distance >= 0) & (distance < window) if causal else distance.abs() < window
    return near[:, None]


def reference_attention(
    query: Float[Tensor, "B H T E"],
    key: Float[Tensor, "B K S E"],
    value: Float[Tensor, "B K S E"],
    mask: Bool[Tensor, "#B 1 T S"] | None = None,
    scale: float | None = None,
) -> Float[Tensor, "B H T E"]:
    """Compute softmax(Q Kᵀ / √E) V as the paper writes it; what the other forms are tested against.

    Query head h reads key/value head h // G.
    """
    weights = attention_weights(query, key, mask, scale)
    value = value.repeat_interleave(query.shape[1] // value.shape[1], dim=1)  # [B, H, S, E]
    return weights @ value


def attention_weights(
    query: Float[Tensor, "B H T E"],
    key: Float[Tensor, "B K S E"],
    mask: Bool[Tensor, "#B 1 T S"] | None = None,
    scale: float | None = None,
) -> Float[Tensor, "B H T S"]:
    """Return softmax(Q Kᵀ / √E): how much each query takes of each key; a row's sum is 1."""
    heads, queries, width = query.shape[1:]
    key = key.repeat_interleave(heads // key.shape[1], dim=1)  # [B, H, S, E]
    divisor = math.sqrt(width) if scale is None else 1.0 / scale
    scores = query @ key.transpose(-2, -1) / divisor  # [B, H, T, S]
    if mask is None:
        mask = causal_mask(queries, key.shape[2], device=query.device)
    return scores.masked_fill(~mask, -torch.inf).softmax(dim=-1)


def explicit_attention(
    query: Float[Tensor, "B H T E"],
    key: Float[Tensor, "B K S E"],
    value: Float[Tensor, "B K S E"],
    mask: Bool[Tensor, "#B 1 T S"] | None = None,
    scale: float | None = None,
) -> Float[Tensor, "B H T E"]:
    """Compute attention as two matrix products with one pass between them.

    The G queries that share a key are stacked along T, so keys and values are never repeated. The
    products run in the inputs' dtype; scaling, mask and softmax in fp32, because a bf16 sum over
    S probabilities loses the small ones. Compiled, that pass is one fused loop.
    """
    batch, heads, queries, width = query.shape
    groups, keys = key.shape[1], key.shape[2]
    stacked = query.reshape(batch, groups, heads // groups * queries, width)  # [B, K, G*T, E]
    scores = (stacked @ key.transpose(-2, -1)).view(batch, heads, queries, keys)
    if mask is None:
        mask = causal_mask(queries, keys, device=query.device)
    scaled = scores.float() * (1.0 / math.sqrt(width) if scale is None else scale)
    weights = scaled.masked_fill(~mask, -torch.inf).softmax(dim=-1).to(value.dtype)
    mixed = weights.view(batch, groups, heads // groups * queries, keys) @ value  # [B, K, G*T, E]
    return mixed.view(batch, heads, queries, width)


def sdpa_attention(
    query: Float[Tensor, "B H T E"],
    key: Float[Tensor, "B K S E"],
    value: Float[Tensor, "B K S E"],
    mask: Bool[Tensor, "#B 1 T S"] | None = None,
    scale: float | None = None,
) -> Float[Tensor, "B H T E"]:
    """Compute attention with torch's fused kernel, which never holds all T x S scores.

    Source: Dao et al. 2022, "FlashAttention".
    """
    queries, keys = query.shape[2], key.shape[2]
    if queries == 1 and query.dtype == torch.bfloat16 and query.device.type == "cpu":
        # torch's kernel (2.13) takes 3 to 7 times as long for one bf16 query as for one in fp32,
        # the conversion included, and four times as long as for two.
        wide = sdpa_attention(query.float(), key.float(), value.float(), mask, scale)
        return wide.to(query.dtype)
    # The kernel's own causal flag counts queries from the first key; ours are the last tokens.
    # One query (decoding) sees every key; several after a cache need the mask spelled out.
    causal = mask is None and queries == keys
    if mask is None and 1 < queries < keys:
        mask = causal_mask(queries, keys, device=query.device)
    return F.scaled_dot_product_attention(
        query,
        key,
        value,
        attn_mask=mask,
        is_causal=causal,
        scale=scale,
        enable_gqa=query.shape[1] != key.shape[1],
    )


FORMS: dict[AttentionForm, Callable[..., Tensor]] = {
    "reference": reference_attention,
    "explicit": explicit_attention,
    "sdpa": sdpa_attention,
}
