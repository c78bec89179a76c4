"""The loss of a model on held-out text, by one process or by several, each a part of it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from autogpt.data.batches import Learnable, grouped, windows
from autogpt.data.shards import TokenShard
from autogpt.models.trainable import Trainable
from autogpt.training.kernels import eager
from autogpt.training.layout import Layout
from autogpt.training.objective import Objective, next_token

__all__ = ["Measured", "evaluate", "mean_loss", "measure"]


@dataclass(frozen=True, slots=True)
class Measured:
    """The loss on the whole validation split, in nats a token and in bits a byte of text.

    The latter is None where the loss is not one of tokens.
    """

    loss: float
    bits_per_byte: float | None


def measure(
    model: Trainable,
    batches: Iterator[Learnable],
    *,
    objective: Objective,
    learned_bytes: int | None,
    layout: Layout | None = None,
) -> Measured:
    """Measure an objective's loss over all batches.

    Args:
        model: As it is.
        batches: Of held-out examples.
        objective: What is learned.
        learned_bytes: Bytes of the text that is learned; None if it is none.
        layout: How the model lies in the processes.
    """
    loss, count = mean_loss(model, batches, objective=objective, layout=layout)
    bits = None if learned_bytes is None else loss * count / math.log(2) / learned_bytes
    return Measured(loss, bits)


def evaluate(
    model: Trainable, shard: TokenShard, *, context_length: int, layout: Layout | None = None
) -> Measured:
    """Measure the loss over the whole shard, every token after the first scored once."""
    batches = windows(shard, batch_size=_rows(context_length), context_length=context_length)
    return measure(
        model,
        batches,
        objective=next_token,
        learned_bytes=shard.total_bytes,
        layout=layout,
    )


@torch.inference_mode()
def mean_loss(
    model: Trainable,
    batches: Iterator[Learnable],
    *,
    objective: Objective = next_token,
    layout: Layout | None = None,
) -> tuple[float, float]:
    """Return the mean loss over all batches, each by its weight, and the sum of the weights.

    A model in training is put back as it was. Of several processes each measures its part.
    """
    layout = layout or Layout()
    world = layout.world
    form, training = model.attention, model.training
    model.attention = "sdpa"
    model.eval()
    total, count = 0.0, 0.0
    with eager():
        for group in grouped(batches, world.size):  # a sharded model is run by all at once
            batch = group[min(world.rank, len(group) - 1)]
            weight = batch.weight if world.rank < len(group) else 0
            loss = float(objective(model, batch.to(world.device)))
            if weight:
                total += loss * weight
                count += weight
    layout.rest(model)
    model.attention = form
    model.train(training)
    total, count = world.summed_each(total, count)
    return total / count, count


def _rows(context_length: int) -> int:
    """Return rows of about 4,096 tokens: enough to fill the cores, little memory."""
    return max(1, 4096 // context_length)
