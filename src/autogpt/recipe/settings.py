"""Every setting of a run, by room; each room's dataclass lives beside what it configures.

``recipe.toml`` begins with the version of its format, so that a later one is told apart.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from autogpt.core.config import dump_toml, read_toml, to_mapping
from autogpt.core.errors import ConfigError
from autogpt.core.files import write_text
from autogpt.data.augmentation import AugmentConfig
from autogpt.data.clean import CleanConfig
from autogpt.data.examples import ExamplesConfig
from autogpt.data.preprocessing import MediaConfig
from autogpt.data.readers import ReadConfig
from autogpt.models.presets import ModelConfig
from autogpt.nn.adapters import LoRAConfig
from autogpt.tokenizer.training import TokenizerConfig
from autogpt.training.kernels import KernelConfig
from autogpt.training.layout import ParallelConfig
from autogpt.training.settings import TrainingConfig

__all__ = [
    "FORMAT",
    "HEADS",
    "PAIRS",
    "FinetuneConfig",
    "FinetuneRecipe",
    "OriginConfig",
    "Recipe",
    "read_recipe",
    "write_recipe",
]

FORMAT = 1
HEADS = ("classify", "tag")
"""Tasks whose answer is a label, by a head."""
PAIRS = ("summarize", "translate")
"""Tasks that make one text of another."""


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


@dataclass(frozen=True, kw_only=True, slots=True)
class FinetuneConfig:
    """What a fine-tuning run does.

    Attributes:
        task: As in ``recipe.teaching.TEACHERS``.
        base: The model it begins with; ``new`` for one that is sized for the data.
        method: ``full`` steps the weights themselves (see ``frozen_layers``), ``lora`` adapters
            beside frozen ones.
        epochs: Passes over the examples, unless the budget ends first; None: 3, of a few texts with
            labels more, of a new model as many as the budget allows.
        patience: Looks at the validation examples without a lower loss, after which it ends; 0:
            never, as is usual where a model is given.
        context_length: Tokens that a row holds; None: what the longest example needs, from 128 to
            1,024. Longer examples are cut.
        validation_share: Of the examples that are held out where no validation file is given; of
            what is written from text 128 KiB at most, or a hundred examples.
        layers: Blocks that a model with a head keeps, from the first; None: those that are of
            use to it, of a new model all.
        frozen_layers: Blocks, from the first, that stay as they are, and the embedding with them;
            None: of a class 5 of 8, so that the others are learned in half the time, otherwise 0.
        pooling: What the label of a text is read from: its last token, as transformers does, or the
            mean of all, which small models from nothing learn better.
        ngrams: Whether what n-grams say of a text's class, and of a tag the words around it, is
            added to the model's scores, as far as the validation examples say that it is worth.
        dropout: Share of what blocks add that is dropped in training.
        label_smoothing: Share of each token to be written that is spread over the vocabulary, or
            of each label over all; the loss of training counts it, that of validation does not.
        beta: How strongly preferences hold a model to what it was.
    """

    task: str = "text"
    base: str = "new"
    method: Literal["full", "lora"] = "full"
    epochs: float | None = None
    patience: int = 3
    context_length: int | None = None
    validation_share: float = 0.1
    layers: int | None = None
    frozen_layers: int | None = None
    pooling: Literal["last", "mean"] = "last"
    ngrams: bool = True
    dropout: float = 0.0
    label_smoothing: float = 0.0
    beta: float = 0.1

    def __post_init__(self) -> None:
        """Check ranges.

        Raises:
            ConfigError: If a setting is out of its range.
        """
        if self.method not in ("full", "lora"):
            raise ConfigError(f"method = {self.method!r} is unknown, expected full or lora.")
        if self.method == "lora" and self.base == "new":
            raise ConfigError(
                "method = 'lora' needs a model that knows something already; a new one does not.",
                hint="Use --method full, or name a model.",
            )
        if self.epochs is not None and not 0 < self.epochs < math.inf:
            raise ConfigError(f"epochs = {self.epochs} must be positive.")
        if self.patience < 0:
            raise ConfigError(f"patience = {self.patience} must not be negative.")
        if self.context_length is not None and self.context_length < 8:
            raise ConfigError(f"context_length = {self.context_length} must be at least 8.")
        if not 0 < self.validation_share < 1:
            raise ConfigError(
                f"validation_share = {self.validation_share} must be between 0 and 1."
            )
        for name in ("dropout", "label_smoothing"):
            if not 0 <= (share := getattr(self, name)) < 1:
                raise ConfigError(f"{name} = {share} must be from 0 to below 1.")
        self._check_layers()
        if not 0 < self.beta < math.inf:
            raise ConfigError(f"beta = {self.beta} must be positive.")

    def _check_layers(self) -> None:
        if self.layers is not None and self.layers < 1:
            raise ConfigError(f"layers = {self.layers} must be at least 1.")
        if self.pooling != "last" and self.task != "classify":
            raise ConfigError(f"pooling = {self.pooling!r} is for the task 'classify'.")
        if self.layers is not None and self.task not in HEADS:
            raise ConfigError(
                f"layers = {self.layers} is for models with a head, not for {self.task!r}."
            )
        if self.frozen_layers is not None and self.frozen_layers < 0:
            raise ConfigError(f"frozen_layers = {self.frozen_layers} must not be negative.")
        if self.frozen_layers and (self.base == "new" or self.method == "lora"):
            raise ConfigError(
                f"frozen_layers = {self.frozen_layers} is for --method full and a model that knows "
                "something already."
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class FinetuneRecipe:
    """Every setting of a fine-tuning run; ``tokenizer`` and ``model`` are of a new model alone.

    ``media`` and ``augment`` are of pictures and sounds alone.
    """

    seed: int = 0
    finetune: FinetuneConfig = field(default_factory=FinetuneConfig)
    examples: ExamplesConfig = field(default_factory=ExamplesConfig)
    lora: LoRAConfig = field(default_factory=LoRAConfig)
    tokenizer: TokenizerConfig = field(default_factory=TokenizerConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    kernels: KernelConfig = field(default_factory=KernelConfig)
    media: MediaConfig = field(default_factory=MediaConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)


def write_recipe(path: Path, recipe: Recipe | FinetuneRecipe) -> None:
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
