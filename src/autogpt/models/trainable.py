"""What the training loop needs of a model, besides weights: the GPT, or one with another head."""

from __future__ import annotations

from torch import nn

from autogpt.models.config import GPTConfig
from autogpt.nn.attention import AttentionForm

__all__ = ["Trainable"]


class Trainable(nn.Module):
    """A model whose blocks are those of a GPT; how it is called is its objective's business.

    Attributes:
        config: The switches.
        layers: The blocks. They are compiled one by one, and their matrices have a method of their
            own in the optimizer.
        attention: The form in which attention is computed; may be set at any time.
        dropout: Share of what a block adds that is dropped in training; may be set at any time.
    """

    config: GPTConfig
    layers: nn.ModuleList
    attention: AttentionForm
    dropout: float = 0.0
