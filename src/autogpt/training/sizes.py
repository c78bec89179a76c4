"""Sizes of models and of steps: which are worth a thought, what they hold, how long they take.

Not here: which of them a budget is best spent on (``plan``).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from autogpt.models.counting import parameter_count
from autogpt.models.gpt import GPTConfig
from autogpt.models.presets import ModelConfig
from autogpt.training.calibration import PART_TOKENS, StepCosts
from autogpt.training.settings import TrainingConfig

__all__ = [
    "FEWEST_STEPS",
    "batch_of",
    "batch_sizes",
    "candidates",
    "peak_memory_bytes",
    "preset",
    "seconds_per_token",
    "weight_decay",
]

FEWEST_STEPS = 250
"""Of a run: fewer updates learn little, however large they are."""

_PART_LOGITS = 1 << 25  # of a micro-batch: 128 MB in fp32
_WIDTHS = (64, 96, 128, 160, 192, 256, 320, 384, 448, 512, 640, 768, 1024, 1280, 1536, 2048)
_DEPTHS = (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24)
_ASPECT = (28, 72)  # width over depth; Kaplan et al. 2020, figure 5: flat well beyond this
_SHALLOW = (2, 160)  # layers up to which a model may be as wide
_DECAY_PER_EPOCH = 0.06  # of the weights: the more often a text is seen, the more (docs/log.md)
_DECAYS = (0.01, 1.0)


def preset(model: ModelConfig) -> ModelConfig:
    """Decide the preset where it is "auto" and nothing is planned: the smallest."""
    return replace(model, preset="tiny") if model.preset == "auto" else model


def batch_sizes(
    training: TrainingConfig, model: GPTConfig, *, tokens: float | None = None
) -> TrainingConfig:
    """Decide how many sequences a step and a micro-batch have, and the decay, where left open.

    Args:
        training: What is set stays.
        model: Wider models get larger steps.
        tokens: Of the whole run, if known: it should have some 250 steps at least.
    """
    length = model.max_position_embeddings
    part = max(1, min(PART_TOKENS, _PART_LOGITS // model.vocab_size) // length)
    usual = _step_tokens(model)
    if tokens is not None:
        usual = min(usual, max(2 * length, int(tokens / FEWEST_STEPS)))
    rows = training.batch_size or training.micro_batch_size or max(1, usual // length)
    return batch_of(training, rows=rows, most=training.micro_batch_size or part)


def weight_decay(epochs: float) -> float:
    """Return the decay of the matrices for a text that is seen so often.

    It keeps a model from learning a short text by heart: after 8 passes over the plays, 0.5 ends at
    3.35 nats a token where 0.1 ends at 3.58 (docs/log.md). Strong decay for repeated data is found
    best by Kim et al. 2025, "Pre-training under infinite compute", too.
    """
    low, high = _DECAYS
    return min(high, max(low, round(_DECAY_PER_EPOCH * epochs, 2)))


def batch_of(training: TrainingConfig, *, rows: int, most: int) -> TrainingConfig:
    """Return the settings with ``rows`` in a step, and as many of them at once as ``most``."""
    at_once = max(n for n in range(1, min(most, rows) + 1) if rows % n == 0)
    return replace(training, batch_size=rows, micro_batch_size=at_once)


def peak_memory_bytes(
    config: GPTConfig, training: TrainingConfig, *, base_bytes: int, copied: bool = False
) -> int:
    """Return about what the process will hold at most.

    A weight has a master, a gradient sum and one moment (Muon) or two (AdamW) in fp32, and itself
    and its gradient in bf16; a checkpoint copies masters and moments; a token of a micro-batch
    keeps what the backward pass needs in each layer, and its logits in bf16 and fp32.

    Args:
        config: The model.
        training: Its steps.
        base_bytes: Of the process without them.
        copied: Whether layers keep fp32 copies of what they compute norms of: in bf16, where
            nothing is compiled. That doubles what they keep (docs/log.md).
    """
    moments = 4 if training.matrices == "muon" else 8
    embeddings = config.vocab_size * config.hidden_size
    weights = parameter_count(config)
    checkpoint = (weights - embeddings) * (4 + moments) + embeddings * 12
    state = checkpoint + (weights - embeddings) * (12 + moments) + embeddings * 20
    length = config.max_position_embeddings
    tokens = (training.micro_batch_size or 1) * length
    heads = config.num_attention_heads
    layer = 2 * (12 * config.hidden_size + 4 * config.intermediate_size + 2 * heads * length)
    kept = config.num_hidden_layers * layer * (2 if copied else 1)
    activations = tokens * (kept + 8 * config.vocab_size)
    return base_bytes + state + activations


def candidates(settings: ModelConfig, *, shallow: bool = False) -> Iterator[ModelConfig]:
    """Yield sizes to consider; what the user has set is set in all of them.

    Args:
        settings: Of the user.
        shallow: Whether one or two wide layers are considered, too: in a few minutes they learn
            more of a running text than deeper ones (docs/log.md).
    """
    base = preset(settings)
    if settings.preset != "auto" or (settings.hidden_size and settings.num_hidden_layers):
        yield base
        return
    for width in [settings.hidden_size] if settings.hidden_size else _WIDTHS:
        head = settings.head_dim or _head_dim(width)
        for depth in [settings.num_hidden_layers] if settings.num_hidden_layers else _DEPTHS:
            widest = _SHALLOW[1] if shallow and depth <= _SHALLOW[0] else _ASPECT[1]
            usual = _ASPECT[0] <= width / depth <= widest
            if usual or settings.num_hidden_layers or settings.hidden_size:
                heads = settings.num_attention_heads or max(1, width // head)
                yield replace(
                    base,
                    hidden_size=width,
                    num_hidden_layers=depth,
                    head_dim=head,
                    num_attention_heads=heads,
                    num_key_value_heads=settings.num_key_value_heads or heads,
                )


def _head_dim(width: int) -> int:
    return 64 if width % 64 == 0 and width >= 192 else 32


def seconds_per_token(config: GPTConfig, training: TrainingConfig, costs: StepCosts) -> float:
    """Return the seconds of training on one token."""
    step_tokens = (training.batch_size or 1) * config.max_position_embeddings
    return costs.part_s(config) / PART_TOKENS + costs.update_s(config) / step_tokens


def _step_tokens(model: GPTConfig) -> int:
    """Return about how many tokens a step should have: more for wider models."""
    return 2048 if model.hidden_size <= 256 else 4096 if model.hidden_size <= 384 else 8192
