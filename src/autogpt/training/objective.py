"""What a model is taught: functions from a model and a micro-batch to a loss.

The loss is a mean over what the micro-batch counts as its weight (``data.batches.Learnable``), so
that micro-batches add up to their step. Head and loss are one function, because their fusion saves
a pass over the logits, by far the largest tensor of a step ([B, T, V]).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from autogpt.data.batches import Batch
from autogpt.models.gpt import GPT

__all__ = ["Objective", "next_token", "next_token_loss"]

Objective = Callable[[Any, Any], Tensor]  # of a model and a micro-batch that suit each other


def next_token_loss(
    model: GPT, hidden: Float[Tensor, "B T D"], targets: Int[Tensor, "B T"]
) -> Float[Tensor, ""]:
    """Return the mean cross-entropy of the next token in nats; targets of -100 do not count.

    The logits are fp32: a bf16 sum over the vocabulary would lose most of its terms.
    """
    logits = model.logits(hidden)  # [B, T, V]
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten())


def next_token(
    model: GPT, batch: Batch, *, head: Callable[..., Tensor] = next_token_loss
) -> Float[Tensor, ""]:
    """Return the mean loss of the tokens to be learned.

    Args:
        model: The model.
        batch: Packed text.
        head: :func:`next_token_loss`, compiled or not.
    """
    return head(model, model(batch.inputs, document_ids=batch.document_ids), batch.targets)
