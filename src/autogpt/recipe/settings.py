"""Every setting of a run, by room; each room's dataclass lives beside what it configures."""

from __future__ import annotations

from dataclasses import dataclass, field

from autogpt.data.clean import CleanConfig
from autogpt.data.readers import ReadConfig
from autogpt.models.presets import ModelConfig
from autogpt.tokenizer.training import TokenizerConfig
from autogpt.training.kernels import KernelConfig
from autogpt.training.trainer import TrainingConfig

__all__ = ["Recipe"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """Every setting of a run; ``recipe.toml`` holds one with everything decided."""

    seed: int = 0
    read: ReadConfig = field(default_factory=ReadConfig)
    clean: CleanConfig = field(default_factory=CleanConfig)
    tokenizer: TokenizerConfig = field(default_factory=TokenizerConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    kernels: KernelConfig = field(default_factory=KernelConfig)
