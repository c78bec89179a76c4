"""Cross-entropy of a large vocabulary without the logits of all tokens at once.

The logits are by far the largest tensor of a step: 1,024 tokens of a vocabulary of 49,152 take
200 MB in fp32, and as much again on the way back. Here they are made for some tokens at a time and
turned at once into the gradient of what made them, so that nothing of that size is kept. It is the
same sum, taken piece by piece.

Source: Wijmans et al. 2024, "Cut Your Losses in Large-Vocabulary Language Models"; Hsu et al. 2024,
"Liger Kernel" (gradients computed on the way forward).

Letters in shapes: N tokens, D hidden, V vocabulary.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor
from torch.utils.checkpoint import checkpoint

__all__ = ["mean_cross_entropy", "token_logprobs"]

_TOKENS = 256  # at a time: enough rows for a fast product


def mean_cross_entropy(
    hidden: Float[Tensor, "N D"],
    weight: Float[Tensor, "V D"],
    targets: Int[Tensor, " N"],
    *,
    smoothing: float = 0.0,
) -> Float[Tensor, ""]:
    """Return the mean loss in nats, in fp32; all targets count, so N must not be 0.

    Args:
        hidden: What a model makes of tokens.
        weight: Of its head.
        targets: The tokens to come.
        smoothing: Share of each target that is spread evenly over the vocabulary (Szegedy et al.
            2016, "Rethinking the Inception Architecture for Computer Vision", section 7).
    """
    loss: Tensor = _MeanCrossEntropy.apply(hidden, weight, targets, smoothing)  # type: ignore[no-untyped-call]
    return loss


def token_logprobs(
    hidden: Float[Tensor, "N D"], weight: Float[Tensor, "V D"], targets: Int[Tensor, " N"]
) -> Float[Tensor, " N"]:
    """Return the natural logarithm of each target's probability, in fp32.

    On the way back logits are computed once more, instead of being kept.
    """
    parts = zip(torch.split(hidden, _TOKENS), torch.split(targets, _TOKENS), strict=True)
    return torch.cat(
        [checkpoint(_logprobs, some, weight, wanted, use_reentrant=False) for some, wanted in parts]
    )


def _logprobs(hidden: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
    scores = F.linear(hidden, weight).float()
    return -F.cross_entropy(scores, targets, reduction="none")


class _MeanCrossEntropy(torch.autograd.Function):
    """See :func:`mean_cross_entropy`."""

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401
        hidden: Tensor,
        weight: Tensor,
        targets: Tensor,
        smoothing: float,
    ) -> Tensor:
        count, sure, rest = len(targets), 1 - smoothing, smoothing / len(weight)
        wants_hidden, wants_weight, *_ = ctx.needs_input_grad
        to_hidden = torch.empty_like(hidden) if wants_hidden else None
        to_weight = torch.zeros_like(weight, dtype=torch.float32) if wants_weight else None
        total = hidden.new_zeros((), dtype=torch.float32)
        for start in range(0, count, _TOKENS):
            some, wanted = hidden[start : start + _TOKENS], targets[start : start + _TOKENS, None]
            scores = F.linear(some, weight)
            logprobs = F.log_softmax(scores, dim=-1, dtype=torch.float32)  # [N, V]
            total -= sure * logprobs.gather(1, wanted).sum()
            if smoothing:
                total -= rest * logprobs.sum()
            if to_hidden is None and to_weight is None:
                continue
            change = logprobs.exp_()  # probabilities, less what they should be
            if smoothing:
                change -= rest
            change.scatter_add_(1, wanted, change.new_full(wanted.shape, -sure))
            change = change.mul_(1 / count).to(weight.dtype)
            if to_hidden is not None:
                torch.mm(change, weight, out=to_hidden[start : start + _TOKENS])
            if to_weight is not None:
                to_weight += change.T @ some
        ctx.save_for_backward(to_hidden, to_weight)
        ctx.weight_dtype = weight.dtype
        return total / count

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:  # noqa: ANN401
        to_hidden, to_weight = ctx.saved_tensors
        return (
            None if to_hidden is None else to_hidden * grad.to(to_hidden.dtype),
            None if to_weight is None else (to_weight * grad).to(ctx.weight_dtype),
            None,
            None,
        )
