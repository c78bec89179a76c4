"""Muon for the matrices of the blocks, AdamW for the rest, on fp32 masters of the weights.

Source: Jordan et al. 2024, "Muon: An optimizer for hidden layers"; AdamW: Loshchilov and Hutter
2019. The update is scaled by sqrt(max(1, rows / columns)) as in Jordan's code.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from autogpt.models.gpt import GPT

__all__ = ["Optimizer", "orthogonalize"]

_STEPS = 5
_A, _B, _C = 3.4445, -4.7750, 2.0315  # quintic coefficients of Jordan et al. 2024


def orthogonalize(matrices: Float[Tensor, "N R C"]) -> Float[Tensor, "N R C"]:
    """Return the nearest semi-orthogonal matrices, about, by five Newton-Schulz steps."""
    wide = matrices.shape[1] <= matrices.shape[2]
    x = matrices if wide else matrices.mT
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(_STEPS):
        gram = x @ x.mT
        x = _A * x + (_B * gram + _C * gram @ gram) @ x
    result: Tensor = x if wide else x.mT
    return result


class Optimizer:
    """Steps a model whose weights may be bf16; the masters are fp32.

    Args:
        model: Weights are updated in place.
        matrix_lr: Muon's rate, of the blocks' matrices.
        vector_lr: AdamW's rate, of embeddings, head and norms.
        momentum: Muon's.
        weight_decay: Of the matrices, decoupled.
        compute_dtype: Of the Newton-Schulz products.
    """

    def __init__(
        self,
        model: GPT,
        *,
        matrix_lr: float,
        vector_lr: float,
        momentum: float,
        weight_decay: float,
        compute_dtype: torch.dtype,
    ) -> None:
        self._weights = list(model.parameters())
        self._masters = [weight.detach().clone().float() for weight in self._weights]
        self._matrix_lr, self._momentum, self._decay = matrix_lr, momentum, weight_decay
        self._compute_dtype = compute_dtype
        by_shape: dict[torch.Size, list[int]] = defaultdict(list)
        rest: list[int] = []
        for index, (name, weight) in enumerate(model.named_parameters()):
            if name.startswith("layers.") and weight.ndim == 2:
                by_shape[weight.shape].append(index)
            else:
                rest.append(index)
        self._groups = list(by_shape.values())
        self._velocity = [torch.zeros(len(g), *self._masters[g[0]].shape) for g in self._groups]
        self._rest = rest
        self._vector_lr = vector_lr
        self._adam = torch.optim.AdamW(
            [self._masters[index] for index in rest],
            lr=vector_lr,
            betas=(0.9, 0.95),
            weight_decay=0.0,
            fused=True,
        )

    @torch.no_grad()
    def step(self, *, scale: float, clip: float) -> float:
        """Apply the gradients at ``scale`` times the rates, and clear them.

        Returns:
            The norm of all gradients before it was clipped to ``clip``.
        """
        gradients = [
            torch.zeros_like(master) if weight.grad is None else weight.grad.float()
            for weight, master in zip(self._weights, self._masters, strict=True)
        ]
        norm = float(torch.nn.utils.get_total_norm(gradients))
        if norm > clip:
            torch._foreach_mul_(gradients, clip / norm)
        for group, velocity in zip(self._groups, self._velocity, strict=True):
            self._step_matrices(group, velocity, gradients, scale)
        for index in self._rest:
            self._masters[index].grad = gradients[index]
        self._adam.param_groups[0]["lr"] = self._vector_lr * scale
        self._adam.step()
        for weight, master in zip(self._weights, self._masters, strict=True):
            weight.copy_(master)
            weight.grad = None
        return norm

    def _step_matrices(
        self, group: Sequence[int], velocity: Tensor, gradients: Sequence[Tensor], scale: float
    ) -> None:
        gradient = torch.stack([gradients[index] for index in group])
        velocity.lerp_(gradient, 1 - self._momentum)
        update = gradient.lerp(velocity, self._momentum).to(self._compute_dtype)
        update = orthogonalize(update).float()
        rate = self._matrix_lr * scale
        ratio = max(1.0, gradient.shape[1] / gradient.shape[2]) ** 0.5
        for index, change in zip(group, update, strict=True):
            self._masters[index].mul_(1 - rate * self._decay).add_(change, alpha=-rate * ratio)
