"""From a budget to the sizes of a run, by a simple rule.

What the user has set stays. The rule: a model as large as the time can teach, a batch as large as
leaves enough steps, and micro-batches that stay in the processor's cache. The figures come from
our own runs on two cores (docs/log.md).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from autogpt.models.gpt import GPTConfig
from autogpt.models.presets import ModelConfig
from autogpt.training.trainer import TrainingConfig

__all__ = ["batch_sizes", "preset"]

_PART_TOKENS = 2048  # of a micro-batch: larger was no faster, and took more memory (docs/log.md)
_PART_LOGITS = 1 << 25  # of a micro-batch: 128 MB in fp32


def preset(model: ModelConfig, *, budget_s: float) -> ModelConfig:
    """Decide the preset where it is "auto": a larger model where there is time to teach it."""
    if model.preset != "auto":
        return model
    name: Literal["tiny", "small", "medium"] = (
        "tiny" if budget_s < 15 * 60 else "small" if budget_s < 3 * 3600 else "medium"
    )
    return replace(model, preset=name)


def batch_sizes(training: TrainingConfig, model: GPTConfig) -> TrainingConfig:
    """Decide how many sequences a step and a micro-batch have, where that was left open."""
    length = model.max_position_embeddings
    part = max(1, min(_PART_TOKENS, _PART_LOGITS // model.vocab_size) // length)
    rows = training.batch_size or training.micro_batch_size or max(1, _step_tokens(model) // length)
    at_once = training.micro_batch_size or max(n for n in range(1, part + 1) if rows % n == 0)
    return replace(training, batch_size=rows, micro_batch_size=at_once)


def _step_tokens(model: GPTConfig) -> int:
    """Return about how many tokens a step should have: more for wider models."""
    return 2048 if model.hidden_size <= 256 else 4096 if model.hidden_size <= 384 else 8192
