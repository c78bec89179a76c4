"""What a fine-tuning run will spend: everything left open decided, then held against the clock.

A pretrained model leaves little to choose; what is chosen here are the context, the batch, how to
compute, and how many passes over the examples the budget allows, from a measured step.

Learning rates: 1e-4 for all weights, 5e-4 for adapters (Schulman et al. 2025, "LoRA Without
Regret", found several times the rate of full fine-tuning best for adapters), and a tenth of each
for preferences, so that the model stays near what it was. Under a head of a class half of that
where there are few examples, which are soon unlearned at the full rate, and ten times as much where
there are thousands. Tags, for which all blocks learn to look ahead, want five times as much (both
in docs/log.md). Heads also want smaller and more steps, as in Zhang et al. 2021, "Revisiting
Few-sample BERT Fine-tuning". All are settings.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from autogpt.core.config import to_mapping
from autogpt.core.errors import ConfigError
from autogpt.core.units import format_bytes, format_duration
from autogpt.models.config import GPTConfig
from autogpt.recipe import planning
from autogpt.recipe.base_model import NEW
from autogpt.recipe.settings import HEADS, PAIRS, FinetuneRecipe
from autogpt.training import kernels
from autogpt.training.settings import TrainingConfig
from autogpt.training.sizes import batch_of

__all__ = [
    "Forecast",
    "epochs_of",
    "forecast",
    "seconds_to_spend",
    "usual_training",
    "with_batches",
    "with_context",
    "with_kernels",
    "with_looks",
    "with_rate",
]

_EPOCHS = 3.0
_SHORTEST, _LONGEST, _MULTIPLE = 128, 1024, 64  # tokens of a row
_STEP_TOKENS = 4096
_STEPS_PER_EPOCH = 40  # at least, or so few examples would hardly move the weights
_PART_TOKENS = 2048  # of a micro-batch
_MEDIA_ROWS = 64  # of a step of pictures or sounds
_HEAD_ROWS, _FEWEST_ROWS = 32, 4  # of a step of a head: a text says one thing, however long it is
_FEW_EXAMPLES, _MOST_TIMES = 250, 10.0  # of the rate for so many, where there are more
_FEWEST_STEPS = 60  # of a head on a model that knows something
_FITS = 0.85  # of the budget: a run that is expected to need less follows its steps
_LOOKS_SHARE = 0.1  # of the budget, at most, for looks on the way; the best weights are kept
_OVER_STEP = 1.05  # of a step over its micro-batches: the optimizer
_SAVED_BYTES = 16  # of a weight that learns: the copy for checkpoints, and that of the best


def usual_training(asked: FinetuneRecipe) -> dict[str, object]:
    """Return the settings of training that suit a task and a method, before the user's own."""
    if asked.finetune.task in ("recognize", "transcribe"):
        return _usual_of_media(asked)
    if asked.finetune.base == NEW:
        usual: dict[str, object] = {"training": {"budget": "20m", "validations": 10}}
        # These are read many times, and their loss falls most in the decay.
        if asked.finetune.task in PAIRS:
            usual["finetune"] = {"dropout": 0.1, "label_smoothing": 0.1, "patience": 0}
        elif asked.finetune.task == "tag":
            usual["finetune"] = {"dropout": 0.2, "patience": 0}
        return usual
    rate = 1e-4 if asked.finetune.method == "full" else 5e-4
    # The loss falls most in the decay, so looks without a lower one end nothing.
    finetune: dict[str, object] = {"patience": 0}
    if asked.finetune.task == "preference":
        rate /= 10
    if asked.finetune.task == "classify":
        rate /= 2
        # Three passes over 9,001 questions with 77 labels: 0.927, where five without had 0.920.
        finetune |= {"dropout": 0.1, "label_smoothing": 0.1}
    elif asked.finetune.task == "tag":
        rate = 5e-4
    return {
        "finetune": finetune,
        "training": {
            "budget": "20m",
            "matrices": "adamw",
            "lr": rate,
            "beta2": 0.999,
            "warmup": 0.05,
            "decay": 0.95,
            "validations": 10,
        },
    }


def with_rate(recipe: FinetuneRecipe, *, examples: int) -> FinetuneRecipe:
    """Take larger steps under the head of a class, the more examples there are.

    Args:
        recipe: With the usual rate.
        examples: To learn from.
    """
    chosen = recipe.finetune
    if chosen.task != "classify" or chosen.base == NEW or chosen.method != "full":
        return recipe
    times = min(_MOST_TIMES, max(1.0, examples / _FEW_EXAMPLES))
    return replace(recipe, training=replace(recipe.training, lr=recipe.training.lr * times))


def _usual_of_media(asked: FinetuneRecipe) -> dict[str, object]:
    """Return what suits pictures and sounds: a small model, and broken files that are skipped.

    Sizes and rates are first choices that were not compared with others. Looks without a lower loss
    end nothing: it falls most in the decay.
    """
    training: dict[str, object] = {"budget": "20m", "validations": 5, "batch_size": _MEDIA_ROWS}
    common = {"examples": {"on_error": "skip"}, "finetune": {"patience": 0}}
    if asked.finetune.base != NEW:
        rate = 3e-4 if asked.finetune.method == "full" else 5e-4
        training |= {"matrices": "adamw", "lr": rate, "warmup": 0.05, "decay": 0.95}
        return {**common, "training": training}
    learned = asked.media.encoder is None  # an encoder's states are understood soon: smaller steps
    training |= {"lr": 2e-3, "muon_lr": 0.02} if learned else {"lr": 5e-4, "muon_lr": 4e-3}
    training |= {"weight_decay": 0.05, "decay": 0.7}
    sizes: dict[str, object] = {}
    if asked.model.preset == "auto":
        sizes = {"preset": "tiny", "hidden_size": 128, "num_hidden_layers": 4, "head_dim": 32}
        sizes["num_key_value_heads"] = 4
    return {**common, "training": training, "model": sizes}


def with_context(recipe: FinetuneRecipe, *, longest: int, limit: int | None) -> FinetuneRecipe:
    """Decide how many tokens a row holds.

    Args:
        recipe: What is set stays.
        longest: Tokens of the longest example.
        limit: Positions of the model; None of a new one.

    Raises:
        ConfigError: If the model has fewer positions than are asked for.
    """
    length = recipe.finetune.context_length
    if length is None and recipe.finetune.base == NEW and recipe.model.preset != "auto":
        length = recipe.model.context_length
    if length is None:
        wanted = -(-(longest - 1) // _MULTIPLE) * _MULTIPLE
        length = min(max(wanted, _SHORTEST), _LONGEST, limit or _LONGEST)
    if limit is not None and length > limit:
        raise ConfigError(
            f"finetune.context_length = {length} is more than the {limit} positions of the model."
        )
    model = recipe.model
    if recipe.finetune.base == NEW:
        model = replace(model, context_length=length)
    return replace(recipe, model=model, finetune=replace(recipe.finetune, context_length=length))


def with_kernels(
    recipe: FinetuneRecipe, config: GPTConfig, *, budget_s: float | None = None
) -> FinetuneRecipe:
    """Decide how to compute; compiling only where ``budget_s`` of training earn it back."""
    use = kernels.choose(
        recipe.kernels,
        config,
        length=recipe.finetune.context_length or _LONGEST,
        masked=True,
        budget_s=budget_s,
    )
    return replace(recipe, kernels=use.settings())


def with_batches(
    training: TrainingConfig, *, tokens: int, row_tokens: int, texts: int | None = None
) -> TrainingConfig:
    """Decide how many rows a step and a micro-batch have, where left open.

    Args:
        training: What is set stays.
        tokens: Of the examples.
        row_tokens: Of a row.
        texts: How many examples a head has, each a row; None where there is no head.
    """
    wanted = min(_STEP_TOKENS, tokens // _STEPS_PER_EPOCH)
    usual = max(1, wanted // row_tokens)
    if texts is not None:
        usual = min(_HEAD_ROWS, max(_FEWEST_ROWS, texts // _STEPS_PER_EPOCH))
    rows = training.batch_size or usual
    most = training.micro_batch_size or max(1, _PART_TOKENS // row_tokens)
    return batch_of(training, rows=rows, most=most)


def epochs_of(recipe: FinetuneRecipe, *, rows: int) -> float | None:
    """Return how many passes are wanted; None for as many as the budget allows.

    Args:
        recipe: With its batch decided.
        rows: Of a pass.
    """
    if recipe.finetune.epochs is not None or recipe.finetune.base == NEW:
        return recipe.finetune.epochs
    if recipe.finetune.task not in HEADS:
        return _EPOCHS
    return max(_EPOCHS, _FEWEST_STEPS * (recipe.training.batch_size or 1) / rows)


def seconds_to_spend(training: TrainingConfig) -> float | None:
    """Return the wall time a run may take; None if steps limit it.

    Raises:
        ConfigError: If the budget is of tokens.
    """
    seconds = planning.seconds_to_spend(training)
    if seconds is None and training.max_steps is None:
        raise ConfigError(
            f"The budget {training.budget!r} is of tokens, which are not for fine-tuning.",
            hint="Give a time, as --budget 20m, and passes with --set finetune.epochs=2.",
        )
    return seconds


@dataclass(frozen=True, kw_only=True, slots=True)
class Forecast:
    """What a run is expected to spend.

    Attributes:
        epochs: Passes over the examples.
        steps: Steps of the optimizer.
        step_s: Seconds of one.
        wall_s: From start to finished model.
        peak_memory_bytes: The most it will hold.
        by_clock: Whether the budget ends it, rather than its steps.
    """

    epochs: float
    steps: int
    step_s: float
    wall_s: float
    peak_memory_bytes: int
    by_clock: bool

    def __str__(self) -> str:
        """Return a line for the user."""
        ending = ", where the budget ends" if self.by_clock else ""
        return (
            f"forecast: {self.epochs:.1f} passes in {self.steps} steps{ending}; "
            f"{format_duration(self.wall_s)} in all, {format_bytes(self.peak_memory_bytes)} of "
            "memory"
        )

    def to_dict(self) -> dict[str, object]:
        """Return the forecast as plain values."""
        return to_mapping(self)


def with_looks(training: TrainingConfig, *, look_s: float) -> TrainingConfig:
    """Take no more looks on the way than the budget affords, but one.

    Args:
        training: With the looks that are wanted.
        look_s: Seconds of a look at the validation examples.
    """
    budget_s = seconds_to_spend(training)
    if budget_s is None or not training.validations:
        return training
    afforded = max(1, int(_LOOKS_SHARE * budget_s / look_s))
    return replace(training, validations=min(training.validations, afforded))


def forecast(  # noqa: PLR0913 - each is a measured figure
    training: TrainingConfig,
    *,
    rows: int,
    epochs: float | None,
    part_s: float,
    before_s: float,
    after_s: float,
    look_s: float,
    learning: int,
    peak_bytes: int,
) -> Forecast:
    """Return what a run will spend.

    Args:
        training: With its batch sizes decided.
        rows: In an epoch.
        epochs: Wanted; None: as many as the budget allows.
        part_s: Seconds of a micro-batch.
        before_s: Seconds that are gone.
        after_s: Seconds to save and report.
        look_s: Seconds of a look at the validation examples.
        learning: Weights that learn.
        peak_bytes: The most that was held so far.
    """
    batch_size = training.batch_size or 1
    step_s = _OVER_STEP * part_s * batch_size / (training.micro_batch_size or batch_size)
    around_s = before_s + after_s + (training.validations + 2) * look_s
    budget_s = seconds_to_spend(training)
    steps = training.max_steps
    by_clock = False
    if steps is None and budget_s is not None:
        allowed = max(1, int((budget_s - around_s) / step_s))
        wanted = math.inf if epochs is None else math.ceil(rows * epochs / batch_size)
        by_clock = wanted > _FITS * allowed
        steps = int(min(wanted, allowed))
    assert steps is not None  # a budget has seconds, or steps are set
    return Forecast(
        epochs=steps * batch_size / rows,
        steps=steps,
        step_s=step_s,
        wall_s=around_s + steps * step_s,
        peak_memory_bytes=peak_bytes + _SAVED_BYTES * learning,
        by_clock=by_clock,
    )
