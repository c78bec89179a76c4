"""How well a text is predicted: perplexity for those who know the tokenizer, bits per byte for all.

Bits per byte is what an arithmetic coder driven by the model would need (Shannon 1948), whatever
its tokens are. The text comes in stretches, each scored as one, which are what is resampled.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from autogpt.evaluation.metrics.metric import Metric

__all__ = ["Stretch", "language_metrics"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Stretch:
    """A piece of text and how likely the model found it.

    Attributes:
        place: Where it begins, for people.
        text: The beginning of it, for people.
        nats: Negative logarithm of its probability.
        tokens: How many were scored.
        size_bytes: Of the text in UTF-8.
    """

    place: str
    text: str
    nats: float
    tokens: int
    size_bytes: int


def language_metrics(stretches: Sequence[Stretch]) -> list[Metric]:
    """Return bits per byte, perplexity and loss (nats), the latter two per token."""
    nats = np.array([stretch.nats for stretch in stretches])
    tokens = np.array([stretch.tokens for stretch in stretches], dtype=np.float64)
    size = np.array([stretch.size_bytes for stretch in stretches], dtype=np.float64)
    bits, per_token = np.stack([nats / math.log(2), size], 1), np.stack([nats, tokens], 1)
    return [
        Metric(name="bits_per_byte", formula="ratio", parts=bits, better="lower"),
        Metric(name="perplexity", formula="exponential", parts=per_token, better="lower"),
        Metric(name="loss", formula="ratio", parts=per_token, better="lower"),
    ]
