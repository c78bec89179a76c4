"""Products with weights of 4 or 8 bits in torch: what runs where the C++ decoder cannot.

Machines without a C++ compiler have no decoder (``native``). Torch has products of its own that
read weights of few bits, and a token waits for weights to be read: a model of 135M weights writes
nearly twice as fast with them as in bf16. From 16 rows on they take up to twice as long as bf16,
so prompts are read more slowly (docs/log.md).

Rounding follows ``nn.quantize`` for 4 bits, whose scales and minimums become bf16; for 8 bits a row
has one scale. A row's numbers do not depend on the rows beside it.

The operators are not public, so each product is compared with the plain one before it is used.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import BFloat16
from torch import Tensor

from autogpt.nn.quantize import GROUP, Bits, quantize

__all__ = ["weight_only_product"]

_logger = logging.getLogger(__name__)

_ROWS = 16  # outputs come in multiples of it
_CENTER = 8  # what torch's 4 bits say for zero
_TILES = 1  # of torch's order of weights; processors have one order only
_COMPARED = 1024  # outputs whose product is compared with the plain one
_TOLERANCE = 0.02  # of the results' size: some times what rounding scales to bf16 costs


def weight_only_product(
    weight: BFloat16[Tensor, "O I"], bias: Tensor | None, bits: Bits
) -> Callable[[Tensor], Tensor] | None:
    """Return the product with a matrix, rounded to so many bits; None where torch has none.

    Args:
        weight: The matrix; for 4 bits I is a multiple of 32, O of 16.
        bias: Added to the result, ``[O]``.
        bits: 4 or 8.
    """
    if weight.device.type != "cpu" or weight.dtype != torch.bfloat16:
        return None
    if bits == 4 and (weight.shape[1] % GROUP or weight.shape[0] % _ROWS):
        return None
    try:
        few, multiply = _of_4_bits(weight) if bits == 4 else _of_8_bits(weight)
        chance = torch.Generator().manual_seed(0)
        probe = torch.randn((2, weight.shape[1]), generator=chance).bfloat16()
        wanted, got = F.linear(probe.float(), few), multiply(probe).float()[:, : len(few)]
    except (AttributeError, RuntimeError) as error:
        _logger.debug("weights stay in bf16: %s", error)
        return None
    if not float((got - wanted).norm()) <= _TOLERANCE * float(wanted.norm()):
        _logger.warning("torch's product of %d bits is wrong on this machine; bf16 is used", bits)
        return None

    def product(x: Tensor) -> Tensor:
        output = multiply(x.reshape(-1, x.shape[-1])).view(*x.shape[:-1], -1)
        return output if bias is None else output + bias

    return product


def _of_4_bits(weight: Tensor) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """Return the first outputs' rounded weights, and what multiplies rows with all."""
    matrix = quantize(weight, 4)
    assert matrix.minimums is not None
    packed = torch.ops.aten._convert_weight_to_int4pack_for_cpu(matrix.levels().int(), _TILES)
    scales = matrix.by_row(matrix.scales).float()
    zeros = matrix.by_row(matrix.minimums).float() + _CENTER * scales
    steps = torch.stack((scales.T, zeros.T), dim=-1).bfloat16().contiguous()  # [G, O, 2]

    def multiply(rows: Tensor) -> Tensor:
        found: Tensor = torch.ops.aten._weight_int4pack_mm_for_cpu(rows, packed, GROUP, steps)
        return found

    return matrix.first(_COMPARED).dequantize(), multiply


def _of_8_bits(weight: Tensor) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    scales = torch.empty(len(weight), dtype=torch.bfloat16)
    levels = torch.empty(weight.shape, dtype=torch.int8)
    for begin in range(0, len(weight), _COMPARED):  # whole, temporaries would be a head in fp32
        rows = slice(begin, begin + _COMPARED)
        part = weight[rows].float()
        scales[rows] = part.abs().amax(dim=1) / 127
        inverse = torch.where(scales[rows] > 0, 1.0 / scales[rows].float(), 0.0)
        levels[rows] = part.mul_(inverse[:, None]).round_().clamp_(-127, 127)

    def multiply(rows: Tensor) -> Tensor:
        found: Tensor = torch.ops.aten._weight_int8pack_mm(rows, levels, scales)
        return found

    few = slice(0, _COMPARED)
    return levels[few].float() * scales[few].float()[:, None], multiply
