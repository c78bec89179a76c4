"""One forward pass, watched: the model runs as it always does, and what passes by is written down.

The model is not changed. A second model object shares its weights and has, in place of each layer,
one that calls the layer and keeps what it returns; attention is computed by a function of ours
(``autogpt.nn.attention.AttentionFunction``), which keeps the weights that it multiplies the values
with. So the numbers are those of the pass itself, computed once and not a second time, and a model
that nobody watches does nothing extra.

Of attention weights, L layers x H heads x T x T numbers, a text of 1,000 tokens has hundreds of
millions; of each row only the largest are kept, and everything of the one token that is asked for.

Letters in shapes: L layers, H query heads, K key/value heads, G = H / K, T tokens, E head width,
D hidden, V vocabulary, N kept weights of a row.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, field

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from autogpt.models.gpt import GPT
from autogpt.nn.attention import causal_mask

__all__ = ["HeadHabits", "LayerTrace", "Trace", "trace"]

# Queries go through in pieces whose weights, 4 MiB of fp32, stay in the caches; and a piece needs
# no key beyond its last token, which saves half of the work on a long text.
_WEIGHTS_AT_ONCE = 1 << 20


@dataclass(frozen=True, slots=True)
class HeadHabits:
    """Where the heads of a layer look, on average over the tokens that see more than themselves.

    Attributes:
        first: Share of attention on the first token, which many heads rest on (Xiao et al. 2023,
            "Efficient Streaming Language Models with Attention Sinks").
        itself: On the token itself.
        previous: On the token before.
        entropy_bits: Entropy of a row: 0 looks at one token, log2(T) at all alike.
    """

    first: Float[Tensor, " H"]
    itself: Float[Tensor, " H"]
    previous: Float[Tensor, " H"]
    entropy_bits: Float[Tensor, " H"]


@dataclass(frozen=True, slots=True)
class LayerTrace:
    """What one layer did.

    Attributes:
        keys: The tokens that each token takes most of, by falling weight, for each head and, last,
            for the mean over heads.
        weights: How much of each.
        habits: Where the heads look.
        query: Of the token in focus, for each head.
        key: Of all tokens.
        value: Of all tokens.
        row: The attention weights of the token in focus, whole.
        mixed: What its heads brought back: row times values.
        scale: What products of query and key were multiplied with.
    """

    keys: Int[Tensor, "H+1 T N"]
    weights: Float[Tensor, "H+1 T N"]
    habits: HeadHabits
    query: Float[Tensor, "H E"]
    key: Float[Tensor, "K T E"]
    value: Float[Tensor, "K T E"]
    row: Float[Tensor, "H T"]
    mixed: Float[Tensor, "H E"]
    scale: float


@dataclass(slots=True)
class Trace:
    """A forward pass.

    Attributes:
        hidden: After the last norm, for every token.
        layers: What each layer did.
        residual: The residual stream after each layer, of the tokens that were asked for, before
            any norm.
    """

    hidden: Float[Tensor, "T D"]
    layers: list[LayerTrace]
    residual: list[Float[Tensor, "tokens D"]]


@torch.inference_mode()
def trace(
    model: GPT,
    token_ids: Int[Tensor, " T"],
    *,
    focus: int,
    kept: int,
    lens: Int[Tensor, " tokens"],
) -> Trace:
    """Run the model over a text, and return what happened inside.

    Args:
        model: The model, packed or not; it is not changed.
        token_ids: The text.
        focus: The token of which everything is kept.
        kept: N, weights to keep of every row.
        lens: Tokens of which the residual stream is kept.

    Raises:
        UsageError: If the text is longer than the model's context.
    """
    watch = _Watch(focus=focus, kept=min(kept, len(token_ids)), lens=lens)
    watched = copy.copy(model)
    watched._modules = dict(model._modules)
    watched.layers = nn.ModuleList(_Watched(layer, watch) for layer in model.layers)
    hidden = watched(token_ids[None].to(model.embedding.weight.device))
    return Trace(hidden[0], watch.layers, watch.residual)


class _Watched(nn.Module):
    """A layer that is looked at."""

    def __init__(self, layer: nn.Module, watch: _Watch) -> None:
        super().__init__()
        self.layer = layer
        self._watch = watch

    def forward(self, hidden: Tensor, **view: object) -> Tensor:
        """Run the layer; it gets our function in place of the form of attention."""
        output: Tensor = self.layer(hidden, **{**view, "form": self._watch.attend})
        self._watch.residual.append(output[0, self._watch.lens])
        return output


@dataclass(slots=True)
class _Watch:
    """What was seen so far."""

    focus: int
    kept: int
    lens: Tensor
    layers: list[LayerTrace] = field(default_factory=list)
    residual: list[Tensor] = field(default_factory=list)

    def attend(
        self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, scale: float | None
    ) -> Tensor:
        """Compute attention, query rows in pieces, and keep its weights.

        Low precision is widened first, as the fused kernels sum in fp32 too.
        """
        _, heads, length, width = query.shape
        factor = 1.0 / math.sqrt(width) if scale is None else scale
        query, narrow, wide = query.float(), key.float()[0], value.float()[0]
        grouped = (query[0] * factor).reshape(len(narrow), -1, length, width)  # [K, G, T, E]
        pieces, seen = [], _Rows(self.kept, length)
        step = max(1, _WEIGHTS_AT_ONCE // (heads * length))
        focused: tuple[Tensor, Tensor] | None = None
        for start in range(0, length, step):
            stop = min(start + step, length)
            own = grouped[:, :, start:stop].flatten(1, 2)  # [K, G * P, E]
            scores = torch.bmm(own, narrow[:, :stop].mT).view(heads, stop - start, stop)
            _hide(scores, None if mask is None else mask[0, :, start:stop, :stop])
            weights = scores.softmax(-1)
            mixed = torch.bmm(weights.view(*own.shape[:2], stop), wide[:, :stop]).to(value.dtype)
            mixed = mixed.view(heads, stop - start, width)
            pieces.append(mixed)
            seen.add(weights, scores, start)
            if start <= self.focus < stop:
                place = self.focus - start
                row = nn.functional.pad(weights[:, place], (0, length - stop))
                focused = (row, mixed[:, place].clone())
        assert focused is not None  # the token is one of the text's, so a piece held it
        keys, kept = seen.largest()
        # Copies: a view would keep the whole projection of every layer in memory.
        self.layers.append(
            LayerTrace(
                keys=keys,
                weights=kept,
                habits=seen.habits(),
                query=query[0, :, self.focus].clone(),
                key=key[0].clone(),
                value=value[0].clone(),
                row=focused[0],
                mixed=focused[1],
                scale=factor,
            )
        )
        return torch.cat(pieces, dim=1)[None]


class _Rows:
    """The rows of one layer's attention, as they come."""

    def __init__(self, kept: int, length: int) -> None:
        self._kept, self._length = kept, length
        self._keys: list[Tensor] = []
        self._weights: list[Tensor] = []
        self._sums: list[Tensor] = []

    def add(
        self, weights: Float[Tensor, "H P S"], scores: Float[Tensor, "H P S"], start: int
    ) -> None:
        """Take the rows of P tokens, the first of them number ``start``; overwrite the scores."""
        for own in (weights, weights.mean(0, keepdim=True)):
            values, keys = _largest(own, self._kept)
            self._weights.append(values)
            self._keys.append(keys)
        first = 1 if start == 0 else 0  # the text's first token sees nothing but itself
        if first == weights.shape[1]:
            return
        looks = (
            weights[:, first:, 0],
            weights.diagonal(start, dim1=1, dim2=2)[:, first:],
            weights.diagonal(start - 1, dim1=1, dim2=2),
            self._entropy(weights, scores)[:, first:],
        )
        self._sums.append(torch.stack([look.sum(-1) for look in looks]))  # [4, H]

    def _entropy(self, weights: Tensor, scores: Tensor) -> Float[Tensor, "H P"]:
        """Return -sum w log2 w of each row, where log w is its score less what is the same for all.

        That is known from the largest weight, so no other logarithm is needed.
        """
        values, keys = (column[-2][:, :, :1] for column in (self._weights, self._keys))
        shared = scores.gather(-1, keys) - values.log()
        mean = scores.mul_(weights).sum(-1)  # in place: nothing needs the scores after this
        return (shared[:, :, 0] - mean) / math.log(2)

    def largest(self) -> tuple[Tensor, Tensor]:
        """Return keys and weights of all rows, by falling weight."""
        columns = (self._keys, self._weights)
        keys, weights = (
            torch.cat((torch.cat(column[::2], dim=1), torch.cat(column[1::2], dim=1)))
            for column in columns
        )
        return keys, weights

    def habits(self) -> HeadHabits:
        """Return the means."""
        heads = self._weights[0].shape[0]
        if not self._sums:  # one token, which sees itself
            one, none = torch.ones(heads), torch.zeros(heads)
            return HeadHabits(one, one, none, none)
        means = torch.stack(self._sums).sum(0) / (self._length - 1)
        return HeadHabits(*means.unbind())


def _hide(scores: Float[Tensor, "H P S"], mask: Bool[Tensor, "H P S"] | None) -> None:
    """Give what a token may not look at the lowest score; the last key is the last row's own.

    It is finite, as zero times it has to be zero; its exponential is zero all the same.
    """
    lowest = torch.finfo(scores.dtype).min
    if mask is not None:
        scores.masked_fill_(~mask, lowest)
        return
    rows = scores.shape[1]
    ahead = ~causal_mask(rows, rows, device=scores.device)
    scores[:, :, -rows:].masked_fill_(ahead, lowest)  # all others are behind


def _largest(weights: Float[Tensor, "H P S"], count: int) -> tuple[Tensor, Tensor]:
    """Return the ``count`` largest of each row and their keys; too short rows end with zeros.

    A row of fewer than 64 times ``count`` numbers is sorted in part by a slower way of torch's
    topk (ATen's TopKImpl.h, 2026), which takes twice the time there; it is drawn out to that.
    """
    length, quick = weights.shape[-1], 64 * count
    if 0.4 * quick < length < quick:
        weights = nn.functional.pad(weights, (0, quick - length), value=-1.0)
    values, keys = weights.topk(min(count, length), dim=-1)
    if length >= count:
        return values, keys
    missing = (0, count - length)
    return nn.functional.pad(values, missing), nn.functional.pad(keys, missing)
