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
from autogpt.data.media_batches import MediaBatch
from autogpt.data.preferences import PairBatch
from autogpt.data.text_batches import TextBatch
from autogpt.models.gpt import GPT
from autogpt.models.heads import HeadedGPT
from autogpt.models.multimodal import MultimodalGPT
from autogpt.nn.head_loss import mean_cross_entropy, token_logprobs

__all__ = [
    "Objective",
    "head_loss",
    "learned_tokens",
    "margins",
    "media_tokens",
    "next_token",
    "next_token_loss",
    "preference",
    "text_logprobs",
]

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


def learned_tokens(model: GPT, batch: Batch, *, smoothing: float = 0.0) -> Float[Tensor, ""]:
    """Return the mean loss of the tokens to be learned, where those are few.

    The same number as :func:`next_token`; prompts and padding cost no logits, and no more than
    some tokens' logits are held at once. Not for compiling: how many are learned differs.

    Args:
        model: The model.
        batch: Packed text.
        smoothing: Share of each target that is spread over the vocabulary, in training alone.
    """
    hidden = model(batch.inputs, document_ids=batch.document_ids)  # [B, T, D]
    learned = batch.targets != -100
    return mean_cross_entropy(
        hidden[learned],
        _head(model),
        batch.targets[learned],
        smoothing=smoothing if model.training else 0.0,
    )


def media_tokens(model: MultimodalGPT, batch: MediaBatch) -> Float[Tensor, ""]:
    """Return the mean loss of the tokens that are written of pictures or sounds."""
    values = batch.values.to(model.embedding.weight.dtype)
    hidden = model.read_media(batch.inputs, values, batch.lengths)  # [B, T, D]
    learned = batch.targets != -100
    return mean_cross_entropy(hidden[learned], _head(model), batch.targets[learned])


def text_logprobs(
    model: GPT, inputs: Int[Tensor, "B T"], targets: Int[Tensor, "B T"]
) -> Float[Tensor, " B"]:
    """Return the logarithm of the probability of each row's targets; those of -100 do not count."""
    learned = targets != -100
    found = token_logprobs(model(inputs)[learned], _head(model), targets[learned])
    rows = learned.nonzero()[:, 0]
    return found.new_zeros(len(inputs)).index_add(0, rows, found)


def margins(model: GPT, batch: PairBatch, *, beta: float) -> Float[Tensor, " B"]:
    """Return how much more a model prefers the chosen answers than its reference did, times beta.

    Both are differences of log-probabilities in nats. Source: Rafailov et al. 2023, "Direct
    Preference Optimization", equation 7: the difference of two implicit rewards.
    """
    gained = text_logprobs(model, batch.inputs, batch.targets) - batch.reference  # [2 B]
    chosen, rejected = gained.chunk(2)
    return beta * (chosen - rejected)


def preference(model: GPT, batch: PairBatch, *, beta: float) -> Float[Tensor, ""]:
    """Return the mean loss of pairs: -log sigmoid of their margins (DPO, equation 7).

    Args:
        model: In training; the reference is what it was before, by its log-probabilities.
        batch: Pairs of answers.
        beta: How strongly the model is held to its reference.
    """
    return -F.logsigmoid(margins(model, batch, beta=beta)).mean()


def head_loss(model: HeadedGPT, batch: TextBatch, *, smoothing: float = 0.0) -> Float[Tensor, ""]:
    """Return the mean cross-entropy of a head's labels in nats.

    Of one label a text, or one a token (those of -100 do not count), over all labels; of several a
    text, of each label being there or not, summed over the labels, so that rare ones count.

    Args:
        model: The model.
        batch: Texts.
        smoothing: Share of each target that is spread over the labels, where it is one of them, in
            training alone (Szegedy et al. 2016, "Rethinking the Inception Architecture").
    """
    scores = model.read_rows(  # [B, C] or [B, T, C]
        batch.inputs, batch.lengths, hidden=batch.hidden, blocks=slice(batch.blocks, None)
    )
    if batch.targets.is_floating_point():
        each = F.binary_cross_entropy_with_logits(scores, batch.targets, reduction="none")
        return each.sum(-1).mean()
    return F.cross_entropy(
        scores.flatten(0, -2),
        batch.targets.flatten(),
        label_smoothing=smoothing if model.training else 0.0,
    )


def _head(model: GPT) -> Tensor:
    return model.embedding.weight if model.head is None else model.head.weight
