"""Steps that must not count: a loss or gradient that is no number, a loss far above its past.

A step is judged before it reaches the weights. A bad one is skipped, and the data moves on. Three
in a row, or more than every sixteenth step for a while, and training goes back to the last
checkpoint with half the rates; after the third time it stops. All that is decided from lives in
:class:`Watch`, which is part of every checkpoint, so a resumed run decides alike.

Skipping the batches of a spike and going back is what Chowdhery et al. 2022 ("PaLM", section 5.1)
did by hand; a spike as seven deviations above the recent losses is the measure of OLMo et al. 2024
("2 OLMo 2 Furious", section 3.1), here of the median, which the spikes themselves do not move. The
whole nat that it must also rise by keeps the odd hard batch of a quiet run from being one.

Not here: finding out what went wrong (``diagnosis``), memory (``memory``).
"""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass, replace

__all__ = ["StepError", "Watch"]

_WINDOW = 64  # losses remembered
_ENOUGH = 32  # of them before a spike can be told
_DEVIATIONS = 7.0
_MAD_TO_DEVIATION = 1.4826  # of a normal distribution
_LEAST_RISE = 1.0  # nats
_SKIP, _TOO_MUCH = 16, 48  # a skip costs 16 good steps; three at once are too much
_MOST_ROLLBACKS = 3
_FORGIVEN_AFTER = 1000  # good steps
_SLOWER = 0.5


class StepError(Exception):
    """A step that was not applied; ``reason`` says why in a few words."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, kw_only=True, slots=True)
class Watch:
    """What is known of a run's health.

    Attributes:
        losses: Of the last good steps, in nats a token.
        trouble: Rises with each skipped step and falls with each good one.
        skipped: Steps skipped in all.
        rollbacks: Times that training went back, and was not forgiven yet.
        good: Good steps since it last went back.
        rate_scale: What the learning rates are multiplied by.
    """

    losses: tuple[float, ...] = ()
    trouble: int = 0
    skipped: int = 0
    rollbacks: int = 0
    good: int = 0
    rate_scale: float = 1.0

    def check_loss(self, loss: float) -> None:
        """Judge the loss of a step, in nats a token.

        Raises:
            StepError: If it is no number, or a spike.
        """
        if not math.isfinite(loss):
            raise StepError("the loss is no longer a number")
        if len(self.losses) < _ENOUGH:
            return
        usual = statistics.median(self.losses)
        deviation = statistics.median(abs(past - usual) for past in self.losses)
        limit = usual + max(_LEAST_RISE, _DEVIATIONS * _MAD_TO_DEVIATION * deviation)
        if loss > limit:
            raise StepError(f"the loss leapt to {loss:.2f}, {usual:.2f} being usual")

    def check_norm(self, norm: float) -> None:
        """Judge the norm of a step's gradient.

        Raises:
            StepError: If it is no number.
        """
        if not math.isfinite(norm):
            raise StepError("a gradient is no longer a number")

    def after_good(self, loss: float) -> Watch:
        """Return what is known after a step that was applied."""
        good = self.good + 1
        return replace(
            self,
            losses=(*self.losses[1 - _WINDOW :], loss),
            trouble=max(0, self.trouble - 1),
            rollbacks=0 if good >= _FORGIVEN_AFTER else self.rollbacks,
            good=good,
        )

    def after_skip(self) -> Watch:
        """Return what is known after a step that was skipped."""
        return replace(self, trouble=self.trouble + _SKIP, skipped=self.skipped + 1)

    def after_rollback(self, then: Watch) -> Watch:
        """Return what is known after going back to a checkpoint that knew ``then``."""
        return replace(
            self,
            losses=then.losses,
            trouble=0,
            rollbacks=self.rollbacks + 1,
            good=0,
            rate_scale=self.rate_scale * _SLOWER,
        )

    @property
    def too_much(self) -> bool:
        """Whether skipping steps does not help any more."""
        return self.trouble >= _TOO_MUCH

    @property
    def hopeless(self) -> bool:
        """Whether going back did not help either."""
        return self.too_much and self.rollbacks >= _MOST_ROLLBACKS
