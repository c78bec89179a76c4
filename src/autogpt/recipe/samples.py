"""What a finished model writes for its card and report, and what it is asked to go on with."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from autogpt.llm import LLM
from autogpt.models.card_facts import Sample
from autogpt.recipe.prepare import Prepared

__all__ = ["beginnings", "sample"]

_SAMPLES = 3
_PROMPT_TOKENS = 8


def beginnings(prepared: Prepared) -> list[str]:
    """Return how some held-out documents begin, evenly spread; or blocks, if there are too few."""
    shard = prepared.validation
    starts = shard.starts if len(shard.starts) >= _SAMPLES else np.arange(len(shard))
    chosen = [int(starts[i * len(starts) // _SAMPLES]) for i in range(_SAMPLES)]
    texts = (
        prepared.tokenizer.decode(shard.tokens[begin : begin + _PROMPT_TOKENS], skip_special=True)
        for begin in chosen
    )
    return [text.strip("\ufffd") for text in texts]


def sample(llm: LLM, prompts: Sequence[str], *, seed: int) -> tuple[Sample, ...]:
    """Let the model go on with each prompt.

    Tokens of less than a tenth of the likeliest one's probability (min-p, Nguyen et al. 2024) are
    left out: a small model's long tail is mostly wrong characters.
    """
    params = llm.sampling(max_tokens=80, temperature=0.7, min_p=0.1, seed=seed)
    return tuple(
        Sample(
            prompt=prompt,
            continuation=completions[0].text,
            settings=f"temperature 0.7, min-p 0.1, seed {seed}",
        )
        for prompt, completions in zip(prompts, llm.complete(prompts, params), strict=True)
    )
