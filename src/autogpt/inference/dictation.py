"""Text after a prefix: what a model that sees or hears writes, several rows at a time.

The engine's scheduler shares what was read of a text by its tokens, and a prefix has none; so a
prefix is read at once, whole, into a plain cache, and the likeliest token is chosen until each
row has ended. A row writes what it would write alone, up to rounding.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from autogpt.models.multimodal import MultimodalGPT, places_of
from autogpt.nn.cache import KVCache

__all__ = ["Written", "write_after"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Written:
    """What was written after a prefix.

    Attributes:
        token_ids: Without the token that ended it.
        logprob: Natural logarithm of its probability, its end included.
        prompt_tokens: Places of the prefix, and the token that begins a text.
        is_cut: Whether it ended for want of room.
    """

    token_ids: tuple[int, ...]
    logprob: float
    prompt_tokens: int
    is_cut: bool


@torch.inference_mode()
def write_after(
    model: MultimodalGPT,
    values: Tensor,
    lengths: Int[Tensor, " B"],
    *,
    begin_id: int,
    ends: Collection[int],
    max_tokens: int,
) -> list[Written]:
    """Return the likeliest text after each prefix, token by token.

    Args:
        model: In evaluation mode.
        values: Pictures or frames of sounds, in the model's dtype.
        lengths: Frames of each sound.
        begin_id: Stands before each text.
        ends: Tokens that end it.
        max_tokens: At most so many; also no more than the model's positions leave.
    """
    places = [places_of(int(length), model.medium) for length in lengths]
    longest = max(places) + 1
    room = min(max_tokens, model.config.max_position_embeddings - longest)
    inputs = torch.full((len(places), longest), begin_id, device=values.device)
    cache = KVCache(model.config, len(places), longest + max(1, room), model.embedding.weight.dtype)
    hidden = model.read_media(inputs, values, lengths, cache=cache)
    cache.truncate([count + 1 for count in places])
    last = hidden[torch.arange(len(places)), torch.tensor(places)]  # [B, D]
    texts: list[list[int]] = [[] for _ in places]
    chances, going = [0.0] * len(places), set(range(len(places)))
    for step in range(max(0, room)):
        scores = model.logits(last).log_softmax(-1)
        best, chosen = scores.max(-1)
        for row in list(going):
            token_id = int(chosen[row])
            chances[row] += float(best[row])
            if token_id in ends:
                going.discard(row)
            else:
                texts[row].append(token_id)
        if not going or step == room - 1:
            break
        last = model(chosen[:, None], cache=cache)[:, 0]
    return [
        Written(
            token_ids=tuple(text),
            logprob=chance,
            prompt_tokens=count + 1,
            is_cut=row in going,
        )
        for row, (text, chance, count) in enumerate(zip(texts, chances, places, strict=True))
    ]
