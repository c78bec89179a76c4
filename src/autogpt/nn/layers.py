"""Normalization and the feed-forward network: the parts that see one token at a time.

Not here: anything that mixes tokens (``attention``) or knows their order (``positions``).

Letters in shapes: B batch, T tokens, D hidden, F feed-forward (intermediate) width.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from autogpt.nn.adapters import LoRALinear, project_adapted

__all__ = [
    "GELUNetwork",
    "GatedNetwork",
    "NetworkKind",
    "NormKind",
    "OffsetRMSNorm",
    "build_network",
    "build_norm",
    "project_together",
]

NormKind = Literal["rms", "offset_rms", "layer"]
NetworkKind = Literal["swiglu", "geglu", "gelu"]


def build_norm(kind: NormKind, width: int, *, eps: float) -> nn.Module:
    """Return the normalization of the last dimension.

    All keep their statistics in fp32 when the tokens are bf16: a sum of squares over hundreds of
    values does not survive the 8 bits of a bf16 mantissa.

    Args:
        kind: ``"rms"``, x / rms(x) * weight (Zhang and Sennrich 2019, "Root Mean Square Layer
            Normalization"); ``"offset_rms"``, see :class:`OffsetRMSNorm`; or ``"layer"``,
            (x - mean) / std * weight + bias (Ba et al. 2016, "Layer Normalization").
        width: Size of the last dimension.
        eps: Added to the mean square (or variance) under the root.
    """
    if kind == "rms":
        return nn.RMSNorm(width, eps=eps)
    if kind == "offset_rms":
        return OffsetRMSNorm(width, eps=eps)
    return nn.LayerNorm(width, eps=eps)


class OffsetRMSNorm(nn.Module):
    """x / rms(x) * (1 + weight): root-mean-square normalization whose weight starts at zero.

    In bf16 the weight keeps its own precision, since sum and product are fp32 and only the result
    is rounded. Source: Gemma Team 2024, "Gemma: Open Models Based on Gemini Research and
    Technology", and its published code.

    Args:
        width: Size of the last dimension.
        eps: Added to the mean square under the root.
    """

    def __init__(self, width: int, *, eps: float) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.zeros(width))

    def forward(self, x: Float[Tensor, "*B D"]) -> Float[Tensor, "*B D"]:
        """Normalize the last dimension."""
        gain = 1.0 + self.weight.float()
        return F.rms_norm(x.float(), gain.shape, gain, self.eps).to(x.dtype)


def build_network(
    kind: NetworkKind, *, hidden_size: int, intermediate_size: int, bias: bool
) -> nn.Module:
    """Return the feed-forward network of a block; it maps ``[B, T, D]`` to ``[B, T, D]``.

    Args:
        kind: ``"swiglu"`` or ``"geglu"``, a :class:`GatedNetwork` with SiLU or GELU; or
            ``"gelu"``, a :class:`GELUNetwork`.
        hidden_size: D.
        intermediate_size: F.
        bias: Whether the matrices have biases.
    """
    if kind == "gelu":
        return GELUNetwork(hidden_size, intermediate_size, bias=bias)
    activation = F.silu if kind == "swiglu" else _gelu_tanh
    return GatedNetwork(hidden_size, intermediate_size, bias=bias, activation=activation)


def _gelu_tanh(x: Tensor) -> Tensor:
    """Return GELU in its tanh approximation; GPT-2 and Gemma were trained with it.

    Source: Hendrycks and Gimpel 2016, "Gaussian Error Linear Units", section 2.
    """
    return F.gelu(x, approximate="tanh")


def project_together(
    hidden: Float[Tensor, "*B D"], layers: Sequence[nn.Linear]
) -> tuple[Float[Tensor, "*B _"], ...]:
    """Apply several projections to the same input, in training as one matrix product.

    One wide product is faster than several narrow ones, forward and twice backward, and sums what
    flows back in fp32. Where no gradient is wanted, joining the weights would cost more than it
    saves; the same is true of weights that do not learn, and are not joined already.
    """
    adapted = [layer for layer in layers if isinstance(layer, LoRALinear)]
    if layers[0].training and len(adapted) == len(layers):
        return project_adapted(hidden, adapted)
    if adapted or not layers[0].training or not layers[0].weight.requires_grad:
        return tuple(layer(hidden) for layer in layers)
    sizes = [layer.out_features for layer in layers]
    weight = torch.cat(tuple(layer.weight for layer in layers))
    biases = tuple(layer.bias for layer in layers if layer.bias is not None)
    joined = F.linear(hidden, weight, torch.cat(biases) if biases else None)
    return torch.tensor_split(joined, list(accumulate(sizes))[:-1], dim=-1)


class GatedNetwork(nn.Module):
    """down(activation(gate(x)) * up(x)): a gated feed-forward network.

    Source: Shazeer 2020, "GLU Variants Improve Transformer" (SwiGLU with SiLU, GEGLU with GELU).
    Three matrices, so the intermediate width is near 8/3 of the hidden size to have the
    parameters of the usual two at 4.

    Args:
        hidden_size: D.
        intermediate_size: F.
        bias: Whether the matrices have biases.
        activation: Applied to the gate, value by value.
    """

    def __init__(
        self,
        hidden_size: int,
        intermediate_size: int,
        *,
        bias: bool,
        activation: Callable[[Tensor], Tensor],
    ) -> None:
        super().__init__()
        self.activation = activation
        self.gate = nn.Linear(hidden_size, intermediate_size, bias=bias)
        self.up = nn.Linear(hidden_size, intermediate_size, bias=bias)
        self.down = nn.Linear(intermediate_size, hidden_size, bias=bias)

    def forward(self, hidden: Float[Tensor, "B T D"]) -> Float[Tensor, "B T D"]:
        """Transform every token on its own."""
        gate, up = project_together(hidden, (self.gate, self.up))
        gated = self.activation(gate) * up  # [B, T, F]
        output: Tensor = self.down(gated)
        return output


class GELUNetwork(nn.Module):
    """down(gelu(up(x))): the feed-forward network of GPT-2 (Radford et al. 2019)."""

    def __init__(self, hidden_size: int, intermediate_size: int, *, bias: bool) -> None:
        super().__init__()
        self.up = nn.Linear(hidden_size, intermediate_size, bias=bias)
        self.down = nn.Linear(intermediate_size, hidden_size, bias=bias)

    def forward(self, hidden: Float[Tensor, "B T D"]) -> Float[Tensor, "B T D"]:
        """Transform every token on its own."""
        activated = _gelu_tanh(self.up(hidden))  # [B, T, F]
        output: Tensor = self.down(activated)
        return output
