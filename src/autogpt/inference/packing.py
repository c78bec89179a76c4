"""Weights laid out for decoding: the same products, faster for a few rows at a time.

A decode step multiplies one row per text with every weight matrix. oneDNN does that up to five
times faster than the default path when the matrix is rearranged into blocks once (8192 x 384,
float32, two cores of a Zen 4: 115 against 550 us for one row, 290 against 1150 for eight), and it
sums each row in the same order however many rows there are. So a text comes out bit for bit the
same alone and in a batch, which the default path does not promise.

The operators are those that torch.compile calls; where they are missing, the plain layer stays.
A packed model can only run: it has no weights to save or train.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from autogpt.models.gpt import GPT

__all__ = ["PackedLinear", "pack_linear", "pack_model"]

_logger = logging.getLogger(__name__)

# The number of rows that the blocks are chosen for. Measured on Zen 4: a hint of 1 picks a layout
# that is slower from 2 rows on and sums in another order for one row; 8 is as fast for one row.
_ROWS_HINT = 8


class PackedLinear(nn.Module):
    """A linear layer whose weight is in oneDNN's blocked layout.

    Args:
        weight: ``[out, in]``, on the CPU.
        bias: ``[out]`` or None.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        super().__init__()
        # Opaque to everything but oneDNN, so neither a parameter nor a buffer.
        self._weight = torch.ops.mkldnn._reorder_linear_weight.default(
            weight.detach().contiguous(), _ROWS_HINT
        )
        self._bias = None if bias is None else bias.detach()
        self._apply_linear = torch.ops.mkldnn._linear_pointwise.default

    def forward(self, x: Float[Tensor, "*B I"]) -> Float[Tensor, "*B O"]:
        """Return x times the transposed weight, plus the bias."""
        output: Tensor = self._apply_linear(x, self._weight, self._bias, "none", [], "")
        return output


def pack_linear(weight: Tensor, bias: Tensor | None = None) -> PackedLinear | None:
    """Return the packed layer, or None where this machine or this torch cannot.

    The result is compared with the plain product once: the operators are not public.
    """
    if weight.device.type != "cpu" or not torch._C._has_mkldnn:
        return None
    if weight.dtype not in (torch.float32, torch.bfloat16):
        return None
    try:
        with torch.inference_mode():
            packed = PackedLinear(weight, bias)
            probe = torch.linspace(-1, 1, weight.shape[1], dtype=weight.dtype)[None]
            wanted, got = F.linear(probe, weight, bias), packed(probe)
    except (AttributeError, RuntimeError) as error:
        _logger.debug("weights stay unpacked: %s", error)
        return None
    tolerance = 1e-4 if weight.dtype == torch.float32 else 2e-2
    if got.shape != wanted.shape or not torch.allclose(
        got.float(), wanted.float(), rtol=tolerance, atol=tolerance * float(wanted.abs().max())
    ):
        _logger.warning("packed weights give other results on this machine; not used")
        return None
    return packed


def pack_model(model: GPT) -> Callable[[Tensor], Tensor]:
    """Replace every linear layer of ``model`` that can be packed, and return its head.

    Returns:
        What turns hidden states into logits: packed, or the model's own.
    """
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if not isinstance(child, nn.Linear) or child is model.head:
                continue
            packed = pack_linear(child.weight, child.bias)
            if packed is not None:
                setattr(parent, name, packed)
    head = model.embedding if model.head is None else model.head
    return pack_linear(head.weight) or model.logits
