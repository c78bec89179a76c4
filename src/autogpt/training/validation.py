"""The loss of a model on held-out text, by one process or by several, each a part of it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from autogpt.data.batches import grouped, windows
from autogpt.data.shards import TokenShard
from autogpt.models.gpt import GPT
from autogpt.training.kernels import eager
from autogpt.training.layout import Layout
from autogpt.training.objective import next_token_loss

__all__ = ["Measured", "evaluate"]


@dataclass(frozen=True, slots=True)
class Measured:
    """The loss on the whole validation split, in nats a token and in bits a byte of text."""

    loss: float
    bits_per_byte: float


@torch.inference_mode()
def evaluate(
    model: GPT, shard: TokenShard, *, context_length: int, layout: Layout | None = None
) -> Measured:
    """Measure the loss over the whole shard, every token after the first scored once.

    A model in training is put back as it was. Of several processes each measures its part.
    """
    layout = layout or Layout()
    world = layout.world
    form, training = model.attention, model.training
    model.attention = "sdpa"
    model.eval()
    total, count = 0.0, 0
    batches = windows(shard, batch_size=_rows(context_length), context_length=context_length)
    with eager():
        for group in grouped(batches, world.size):  # a sharded model is run by all at once
            batch = group[min(world.rank, len(group) - 1)].to(world.device)
            hidden = model(batch.inputs, document_ids=batch.document_ids)
            loss = float(next_token_loss(model, hidden, batch.targets))
            scored = int((batch.targets != -100).sum()) if world.rank < len(group) else 0
            total += loss * scored
            count += scored
    layout.rest(model)
    model.attention = form
    model.train(training)
    total, count = world.summed(total), int(world.summed(count))
    return Measured(total / count, total / math.log(2) / shard.total_bytes)


def _rows(context_length: int) -> int:
    """Return rows of about 4,096 tokens: enough to fill the cores, little memory."""
    return max(1, 4096 // context_length)
