"""A loaded model made fast for decoding: the same formulas with fewer, larger products.

A decode step multiplies one row per text with every weight matrix, so its time is that of reading
the weights once, and of starting some hundred small operations. Hence

- queries, keys and values come from one product, as do gate and up;
- matrices are rearranged into oneDNN's blocks, which reads them at twice the rate of the default
  path (float32, 864 x 320, not in the caches, two cores of a Zen 4: 66 against 157 us);
- queries and keys are normalized and turned together.

It also makes a row's numbers independent of its neighbors, to the bit: from two rows on, oneDNN
sums each row in the same order however many there are (a single row that it would sum otherwise
is sent twice), and rows of different lengths attend one by one, because a sum over a padded row
is rounded differently.

The packing operators are those that torch.compile calls; where they are missing, plain products
take their place, and rows then agree up to rounding. A packed model can only run: its weights can
no longer be saved or trained.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from autogpt.inference.weight_only import weight_only_product
from autogpt.models.gpt import GPT, Attention
from autogpt.nn.attention import AttentionForm, AttentionFunction, Mask, attend
from autogpt.nn.cache import WHOLE, Cache, Span
from autogpt.nn.layers import GatedNetwork, OffsetRMSNorm
from autogpt.nn.positions import Rotation, rotate
from autogpt.nn.quantize import Bits

__all__ = ["PackedLinear", "pack_layers", "pack_model"]

_logger = logging.getLogger(__name__)

# The number of rows that the blocks are chosen for. Measured on Zen 4: a hint of 1 picks a layout
# that is slower from 2 rows on and sums one row in another order; 8 is as fast for one row.
_ROWS_HINT = 8


class PackedLinear(nn.Module):
    """One or several linear layers as one, in oneDNN's layout where this machine has it.

    Args:
        layers: Layers that read the same input; their outputs are concatenated.
        bits: Round the weights to so many, where torch has products for it.

    Attributes:
        is_packed: Whether the layout is oneDNN's.
        product: What ``forward`` calls; saves the layers here torch's work around a call.
    """

    def __init__(self, *layers: nn.Linear, bits: Bits | None = None) -> None:
        super().__init__()
        weight = _joined([layer.weight.detach() for layer in layers])
        biases = [layer.bias.detach() for layer in layers if layer.bias is not None]
        bias = _joined(biases) if biases else None
        small = None if bits is None else weight_only_product(weight, bias, bits)
        packed = None if small else _packed(weight, bias)
        self.is_packed = packed is not None
        self.product = small or packed or _plain(weight, bias)

    def forward(self, x: Float[Tensor, "*B I"]) -> Float[Tensor, "*B O"]:
        """Return x times the transposed weight, plus the bias."""
        return self.product(x)


class PackedNorm(nn.Module):
    """Root-mean-square normalization in half the operations of torch's.

    Args:
        weight: ``[D]``, or ``[heads, E]`` for a norm of each head; in fp32 it multiplies before
            the result is rounded.
        eps: Added to the mean square.
    """

    def __init__(self, weight: Tensor, eps: float) -> None:
        super().__init__()
        self._weight = weight.detach()
        self._eps = torch.tensor(eps, device=weight.device)
        self._per_value = 1.0 / weight.shape[-1]

    def forward(self, x: Float[Tensor, "*B D"]) -> Float[Tensor, "*B D"]:
        """Return x / rms(x) * weight; the statistics are float32."""
        length = torch.linalg.vector_norm(x, dim=-1, keepdim=True, dtype=torch.float32)
        scale = torch.addcmul(self._eps, length, length, value=self._per_value).rsqrt_()
        scaled = x * scale
        if self._weight.dtype == scaled.dtype:
            return scaled.mul_(self._weight).to(x.dtype)
        return scaled.to(x.dtype).mul_(self._weight)


class PackedGated(nn.Module):
    """``GatedNetwork`` with gate and up in one product."""

    def __init__(self, network: GatedNetwork, *, bits: Bits | None = None) -> None:
        super().__init__()
        self._activation = network.activation
        self._gate_up = PackedLinear(network.gate, network.up, bits=bits).product
        self._down = PackedLinear(network.down, bits=bits).product

    def forward(self, hidden: Float[Tensor, "B T D"]) -> Float[Tensor, "B T D"]:
        """Transform every token on its own."""
        gate, up = self._gate_up(hidden).chunk(2, dim=-1)
        output: Tensor = self._down(self._activation(gate).mul_(up))
        return output


class PackedAttention(nn.Module):
    """``Attention`` with one product for queries, keys and values, and exact rows."""

    def __init__(self, attention: Attention, *, bits: Bits | None = None) -> None:
        super().__init__()
        self._index = attention.index
        self._head_dim = attention.head_dim
        self._window, self._scale = attention.window, attention.scale
        self._queries = attention.query.out_features // attention.head_dim  # H
        self._shared = attention.key.out_features // attention.head_dim  # K
        layers = (attention.query, attention.key, attention.value)
        self._project = PackedLinear(*layers, bits=bits).product
        self._output = PackedLinear(attention.output, bits=bits).product
        norm = self._joint_norm(attention.query_norm, attention.key_norm)
        self._norm = None if norm is None else norm.forward

    def _joint_norm(self, query: nn.Module | None, key: nn.Module | None) -> PackedNorm | None:
        if query is None or key is None:
            return None
        (query_gain, eps), (key_gain, _) = _gain(query), _gain(key)
        rows = [query_gain] * self._queries + [key_gain] * self._shared
        return PackedNorm(torch.stack(tuple(rows)), eps)  # [H + K, E]

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
        heads = self._project(hidden)
        heads = heads.view(*hidden.shape[:-1], -1, self._head_dim)  # [B, T, H + 2 K, E]
        turned, value = torch.split_with_sizes(
            heads, [self._queries + self._shared, self._shared], dim=2
        )
        if self._norm is not None:
            turned = self._norm(turned)
        turned, value = turned.transpose(1, 2), value.transpose(1, 2)  # [B, H + K, T, E]
        if rotation is not None:
            turned = rotate(turned, rotation)
        query, key = torch.split_with_sizes(turned, [self._queries, self._shared], dim=1)

        if cache is None:
            mixed = attend(query, key, value, mask=mask, form=form, scale=self._scale)
        else:
            cache.store(self._index, key, value)
            spans = cache.spans(self._index, window=self._window)
            mixed = _attend_to_spans(query, spans, form=form, scale=self._scale)
        output: Tensor = self._output(mixed.transpose(1, 2).flatten(2))
        return output


def _attend_to_spans(
    query: Float[Tensor, "B H T E"],
    spans: Iterable[Span],
    *,
    form: AttentionForm | AttentionFunction,
    scale: float | None,
) -> Float[Tensor, "B H T E"]:
    """Attend in each row to the tokens it holds, and not to its neighbors' padding."""
    parts = []
    for rows, tokens, key, value, mask in spans:
        whole = rows == tokens == WHOLE
        asking = query if whole else query[rows, :, tokens]
        part = attend(asking, key, value, mask=mask, form=form, scale=scale)
        if whole:
            return part
        parts.append((rows, tokens, part))
    if query.shape[2] == 1:
        return torch.cat([part for _, _, part in parts])
    mixed = torch.empty_like(query)
    for rows, tokens, part in parts:
        mixed[rows, :, tokens] = part
    return mixed


@torch.no_grad()
def pack_model(model: GPT, *, bits: Bits | None = None) -> Callable[[Tensor], Tensor]:
    """Replace the layers of ``model`` by packed ones, and return its head.

    Args:
        model: The model.
        bits: Round the layers' weights to so many, and the head's to 8, where torch has products
            for it (``weight_only``).

    Returns:
        What turns hidden states ``[B, D]`` into logits ``[B, V]``; a tied embedding is copied.
    """
    if model.head is None:
        head = nn.Linear(1, 1, bias=False, device="meta")
        head.weight = model.embedding.weight
    else:
        head = model.head
    packed_head = PackedLinear(head, bits=None if bits is None else 8).product
    if model.head is not None:
        model.head = None
    pack_layers(model, bits=bits)
    model.eval()
    return packed_head


@torch.no_grad()
def pack_layers(parent: nn.Module, *, bits: Bits | None = None) -> None:
    """Replace the layers of a model by packed ones; what scores the vocabulary stays."""
    for name, child in list(parent.named_children()):
        packed = _pack_layer(child, bits)
        if packed is None:
            pack_layers(child, bits=bits)
        else:
            setattr(parent, name, packed)


def _pack_layer(layer: nn.Module, bits: Bits | None) -> nn.Module | None:
    """Return the packed layer, or None for a layer to look into or to leave."""
    if isinstance(layer, Attention) and not isinstance(layer.query_norm, nn.LayerNorm):
        return PackedAttention(layer, bits=bits)
    if isinstance(layer, GatedNetwork):
        return PackedGated(layer, bits=bits)
    if isinstance(layer, nn.Linear):
        return PackedLinear(layer, bits=bits)
    if isinstance(layer, nn.RMSNorm | OffsetRMSNorm):
        return PackedNorm(*_gain(layer))
    return None


def _gain(norm: nn.Module) -> tuple[Tensor, float]:
    """Return what a root-mean-square norm multiplies with, and its epsilon."""
    if isinstance(norm, OffsetRMSNorm):
        return 1.0 + norm.weight.float(), norm.eps
    if isinstance(norm, nn.RMSNorm):
        return norm.weight, float(norm.eps or 0.0)
    raise TypeError(f"no root-mean-square norm: {norm}")


def _joined(parts: list[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def _plain(weight: Tensor, bias: Tensor | None) -> Callable[[Tensor], Tensor]:
    return lambda x: F.linear(x, weight, bias)


def _packed(weight: Tensor, bias: Tensor | None) -> Callable[[Tensor], Tensor] | None:
    """Return the product with oneDNN's layout of ``weight``, or None where it cannot be had.

    It is compared with the plain product once, because the operators are not public.
    """
    if weight.device.type != "cpu" or weight.dtype not in (torch.float32, torch.bfloat16):
        return None
    try:
        blocks = torch.ops.mkldnn._reorder_linear_weight.default(weight.contiguous(), _ROWS_HINT)
        multiply = torch.ops.mkldnn._linear_pointwise.default
        probe = torch.linspace(-1, 1, weight.shape[1]).to(weight.dtype)[None]
        wanted, got = F.linear(probe, weight, bias), multiply(probe, blocks, bias, "none", [], "")
    except (AttributeError, RuntimeError) as error:
        _logger.debug("weights stay as they are: %s", error)
        return None
    tolerance = 1e-4 if weight.dtype == torch.float32 else 2e-2
    if got.shape != wanted.shape or float((got - wanted).abs().max()) > tolerance * float(
        wanted.abs().max()
    ):
        _logger.warning("oneDNN's packed product is wrong on this machine; it is not used")
        return None

    def product(x: Tensor) -> Tensor:
        output: Tensor = multiply(x, blocks, bias, "none", [], "")
        return output

    # Where the width is large beside the height, threads share the sum of a single row.
    chance = torch.Generator().manual_seed(0)
    rows = torch.randn((16, weight.shape[1]), generator=chance).to(weight.dtype)
    if torch.equal(torch.cat([product(row[None]) for row in rows]), product(rows)):
        return product
    width = weight.shape[1]

    def paired(x: Tensor) -> Tensor:
        if x.numel() > width:
            return product(x)
        return product(x.reshape(1, width).expand(2, width))[:1].view(*x.shape[:-1], -1)

    return paired
