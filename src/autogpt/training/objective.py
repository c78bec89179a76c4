"""What a model is taught: functions from hidden states and targets to a loss.

Head and loss are one function, because their fusion saves a pass over the logits, by far the
largest tensor of a step ([B, T, V]).
"""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from autogpt.models.gpt import GPT

__all__ = ["next_token_loss"]


def next_token_loss(
    model: GPT, hidden: Float[Tensor, "B T D"], targets: Int[Tensor, "B T"]
) -> Float[Tensor, ""]:
    """Return the mean cross-entropy of the next token in nats; targets of -100 do not count.

    The logits are fp32: a bf16 sum over the vocabulary would lose most of its terms.
    """
    logits = model.logits(hidden)  # [B, T, V]
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten())
