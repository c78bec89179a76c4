"""Every setting of a run, by room; each room's dataclass lives beside what it configures.

``recipe.toml`` begins with the version of its format, so that a later one is told apart.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from autogpt.core.config import dump_toml, read_toml, to_mapping
from autogpt.core.errors import ConfigError
from autogpt.core.files import write_text
from autogpt.data.clean import CleanConfig
from autogpt.data.readers import ReadConfig
from autogpt.models.presets import ModelConfig
from autogpt.tokenizer.training import TokenizerConfig
from autogpt.training.kernels import KernelConfig
from autogpt.training.layout import ParallelConfig
from autogpt.training.trainer import TrainingConfig

__all__ = ["FORMAT", "OriginConfig", "Recipe", "read_recipe", "write_recipe"]

FORMAT = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class OriginConfig:
    """Where a run's weights come from.

    Attributes:
        run: The run it was forked from; None if it began from nothing.
        first_row: How far in the order of the data it begins.
    """

    run: str | None = None
    first_row: int = 0

    def __post_init__(self) -> None:
        """Check ranges.

        Raises:
            ConfigError: If the row is negative.
        """
        if self.first_row < 0:
            raise ConfigError(f"first_row = {self.first_row} must not be negative.")


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
    parallel: ParallelConfig = field(default_factory=ParallelConfig)
    origin: OriginConfig = field(default_factory=OriginConfig)


def write_recipe(path: Path, recipe: Recipe) -> None:
    """Write a recipe as TOML, atomically.

    Raises:
        ResourceError: If the disk is full or the folder cannot be written.
    """
    write_text(path, dump_toml({"format": FORMAT, **to_mapping(recipe)}))


def read_recipe(path: Path) -> dict[str, object]:
    """Return the settings in a recipe, as nested plain values.

    Raises:
        ConfigError: If it is missing, not TOML, or of a newer version.
    """
    settings = read_toml(path)
    version = settings.pop("format", FORMAT)
    if not isinstance(version, int) or version > FORMAT:
        raise ConfigError(
            f"The recipe {str(path)!r} has format {version!r}, of a newer AutoGPT; this one reads "
            f"up to {FORMAT}.",
            hint="Update it: pip install -U autogpt-transformer",
        )
    return settings
