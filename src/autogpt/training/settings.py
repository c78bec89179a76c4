"""The settings of a training run, and the learning rate that they give at each share of it."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from autogpt.core.budget import parse_budget
from autogpt.core.errors import ConfigError
from autogpt.training.optim import OptimizerConfig

__all__ = ["TrainingConfig", "learning_rate"]


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingConfig(OptimizerConfig):
    """How a model is trained; the optimizer's settings are here too.

    Attributes:
        budget: For the whole run, as in ``10m``, ``5Mtokens``, ``0.02kWh`` or ``$1.50``.
        price_per_hour: Of this machine, for a budget of money.
        country: Where the power is from, as CHN or DEU (ISO 3166-1 alpha-3), for the card's
            estimate of CO2; nothing is looked up. Needs the extra ``carbon``.
        max_steps: Replaces the budget; the schedule then follows steps.
        enough_steps: Ends the run within its budget, where the text is learned before: the
            schedule follows whichever comes first. Set by the plan.
        schedule: A run whose schedule is followed step by step; replaces the budget, too.
        batch_size: Sequences a step.
        micro_batch_size: Sequences at once, a divisor of the batch size; the gradients of a
            step's micro-batches are added up. Smaller takes less memory.
        warmup: Share of the budget in which the learning rate rises.
        decay: Share of the budget, at the end, in which it falls to 0.
        validations: Looks at the validation split on the way, evenly spread.
        checkpoint_every: Steps that may be lost at most, otherwise about a minute's. Twice as often
            a checkpoint is begun, because the newest may not be on disk yet.
    """

    budget: str = "10m"
    price_per_hour: float | None = None
    country: str | None = None
    max_steps: int | None = None
    enough_steps: int | None = None
    schedule: str | None = None
    batch_size: int | None = None
    micro_batch_size: int | None = None
    warmup: float = 0.02
    decay: float = 0.5
    validations: int = 4
    checkpoint_every: int | None = None

    def __post_init__(self) -> None:
        """Check ranges.

        Raises:
            UsageError: If the budget is none.
            ConfigError: If a setting is out of its range.
        """
        OptimizerConfig.__post_init__(self)
        parse_budget(self.budget)
        if self.price_per_hour is not None and not 0 < self.price_per_hour < math.inf:
            raise ConfigError(f"price_per_hour = {self.price_per_hour} must be positive.")
        if self.country is not None and not re.fullmatch("[A-Z]{3}", self.country):
            raise ConfigError(
                f"country = {self.country!r} is no code of three letters, as CHN, DEU or USA."
            )
        counts = ("max_steps", "enough_steps", "batch_size", "micro_batch_size", "checkpoint_every")
        for name in counts:
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"{name} = {value} must be at least 1.")
        if self.validations < 0:
            raise ConfigError(f"validations = {self.validations} must not be negative.")
        for name in ("warmup", "decay"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"{name} = {getattr(self, name)} must be from 0 to 1.")
        if self.batch_size and self.micro_batch_size and self.batch_size % self.micro_batch_size:
            raise ConfigError(
                f"batch_size = {self.batch_size} must be a multiple of "
                f"micro_batch_size = {self.micro_batch_size}."
            )


def learning_rate(share: float, config: TrainingConfig) -> float:
    """Return the rate as a share of its peak; the first step already learns a little."""
    rising = max(0.01, share / config.warmup) if config.warmup else 1.0
    falling = (1 - share) / config.decay if config.decay else 1.0
    return max(0.0, min(1.0, rising, falling))
