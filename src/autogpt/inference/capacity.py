"""How much an engine does at once: texts, tokens of a step, memory for keys and values.

Not here: who gets it (``scheduler``, ``blocks``).
"""

from __future__ import annotations

from dataclasses import dataclass

import psutil

from autogpt.inference.scheduler import Limits
from autogpt.nn.paged import BLOCK

__all__ = ["EngineConfig", "count_blocks"]

# Of the memory that is free, the part that keys and values may come to take, unless it is said.
_MEMORY_SHARE = 0.25


@dataclass(frozen=True, kw_only=True, slots=True)
class EngineConfig:
    """How much an engine does at once.

    Attributes:
        rows: Texts that are written at once; more wait.
        step_tokens: Most tokens of prompts that a step reads while texts are being written.
        prompt_tokens: Most tokens of prompts that a step reads while none is.
        cache_bytes: Memory for keys and values, taken as it is used; at least that of one
            context. None: for ``rows`` whole contexts, but a quarter of the free memory at most.
    """

    rows: int = 64
    step_tokens: int = 128
    prompt_tokens: int = 512
    cache_bytes: int | None = None

    def limits(self, *, context: int) -> Limits:
        """Return what the scheduler keeps to, where the model looks back on ``context`` tokens."""
        return Limits(
            rows=self.rows,
            step_tokens=self.step_tokens,
            prompt_tokens=self.prompt_tokens,
            context=context,
        )


def count_blocks(config: EngineConfig, *, context: int, block_bytes: int) -> int:
    """Return how many blocks fit the memory for keys and values.

    Args:
        config: Says how much memory that is.
        context: Tokens that a text may have; so many fit at least.
        block_bytes: Of a block, of all layers.
    """
    least = -(-context // BLOCK)
    if config.cache_bytes is not None:
        return max(least, config.cache_bytes // block_bytes)
    free = int(psutil.virtual_memory().available * _MEMORY_SHARE)
    return max(least, min(least * config.rows, free // block_bytes))
