"""Normalization and the feed-forward network: the parts that see one token at a time.

Not here: anything that mixes tokens (``attention``) or knows their order (``positions``).

Letters in shapes: B batch, T tokens, D hidden, F feed-forward (intermediate) width.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["GELUNetwork", "SwiGLUNetwork", "build_network", "build_norm", "project_together"]


def build_norm(kind: Literal["rms", "layer"], width: int, *, eps: float) -> nn.Module:
    """Return the normalization of the last dimension.

    Both keep their statistics in fp32 when the tokens are bf16: a sum of squares over hundreds of
    values does not survive the 8 bits of a bf16 mantissa.

    Args:
        kind: ``"rms"``, x / rms(x) * weight (Zhang and Sennrich 2019, "Root Mean Square Layer
            Normalization"); or ``"layer"``, (x - mean) / std * weight + bias (Ba et al. 2016,
            "Layer Normalization").
        width: Size of the last dimension.
        eps: Added to the mean square (or variance) under the root.
    """
    if kind == "rms":
        return nn.RMSNorm(width, eps=eps)
    return nn.LayerNorm(width, eps=eps)


def build_network(
    kind: Literal["swiglu", "gelu"], *, hidden_size: int, intermediate_size: int, bias: bool
) -> nn.Module:
    """Return the feed-forward network of a block; it maps ``[B, T, D]`` to ``[B, T, D]``."""
    network = SwiGLUNetwork if kind == "swiglu" else GELUNetwork
    return network(hidden_size, intermediate_size, bias=bias)


def project_together(
    hidden: Float[Tensor, "*B D"], layers: Sequence[nn.Linear]
) -> tuple[Float[Tensor, "*B _"], ...]:
    """Apply several projections to the same input, in training as one matrix product.

    One wide product is faster than several narrow ones, forward and twice backward, and sums what
    flows back in fp32. Where no gradient is wanted, joining the weights would cost more than it
    saves.
    """
    if not layers[0].training:
        return tuple(layer(hidden) for layer in layers)
    sizes = [layer.out_features for layer in layers]
    weight = torch.cat(tuple(layer.weight for layer in layers))
    biases = tuple(layer.bias for layer in layers if layer.bias is not None)
    joined = F.linear(hidden, weight, torch.cat(biases) if biases else None)
    return torch.tensor_split(joined, list(accumulate(sizes))[:-1], dim=-1)


class SwiGLUNetwork(nn.Module):
    """down(silu(gate(x)) * up(x)): a gated feed-forward network.

    Source: Shazeer 2020, "GLU Variants Improve Transformer". Three matrices, so the intermediate
    width is near 8/3 of the hidden size to have the parameters of the usual two at 4.
    """

    def __init__(self, hidden_size: int, intermediate_size: int, *, bias: bool) -> None:
        super().__init__()
        self.gate = nn.Linear(hidden_size, intermediate_size, bias=bias)
        self.up = nn.Linear(hidden_size, intermediate_size, bias=bias)
        self.down = nn.Linear(intermediate_size, hidden_size, bias=bias)

    def forward(self, hidden: Float[Tensor, "B T D"]) -> Float[Tensor, "B T D"]:
        """Transform every token on its own."""
        gate, up = project_together(hidden, (self.gate, self.up))
        gated = F.silu(gate) * up  # [B, T, F]
        output: Tensor = self.down(gated)
        return output


class GELUNetwork(nn.Module):
    """down(gelu(up(x))): the feed-forward network of GPT-2.

    Source: Hendrycks and Gimpel 2016, "Gaussian Error Linear Units", in the tanh approximation
    that GPT-2 was trained with (Radford et al. 2019).
    """

    def __init__(self, hidden_size: int, intermediate_size: int, *, bias: bool) -> None:
        super().__init__()
        self.up = nn.Linear(hidden_size, intermediate_size, bias=bias)
        self.down = nn.Linear(intermediate_size, hidden_size, bias=bias)

    def forward(self, hidden: Float[Tensor, "B T D"]) -> Float[Tensor, "B T D"]:
        """Transform every token on its own."""
        activated = F.gelu(self.up(hidden), approximate="tanh")  # [B, T, F]
        output: Tensor = self.down(activated)
        return output
