"""Steps that must not count: a loss or gradient that is no number, a loss far above its past.

A step is judged before it reaches the weights. A bad one is skipped, and the data moves on. Three
in a row, or more than every sixteenth step for a while, and training goes back to the last
checkpoint with half the rates; after the third time it stops. All that is decided from lives in
:class:`Watch`, which is part of every checkpoint, so a resumed run decides alike.

Skipping the batches of a spike and going back is what Chowdhery et al. 2022 ("PaLM", section 5.1)
did by hand; a spike as seven deviations above the recent losses is the measure of OLMo et al. 2024
("2 OLMo 2 Furious", section 3.1). Here a leap is measured from the median of the last losses, so
that a falling loss hides none, and against the leaps upwards before it: batches of an odd kind
that come once in a hundred steps or more often are usual then, and are learned from. Ten times
their root mean square is seven deviations where noise is symmetric. The whole nat that a spike must
also have keeps the odd hard batch of a quiet run from being one.

Not here: finding out what went wrong (``diagnosis``), memory (``memory``).
"""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass, replace

__all__ = ["StepError", "Watch"]

_LOSSES, _LEAPS = 16, 512  # remembered
_ENOUGH = 32  # leaps before a spike can be told
_FEW = 64  # leaps; fewer are taken for so many
_TIMES = 10.0
_LEAST_LEAP = 1.0  # nats
_SKIP, _TOO_MUCH = 16, 48  # a skip costs 16 good steps; three at once are too much
_MOST_ROLLBACKS = 3
_FORGIVEN_AFTER = 1000  # good steps
_SLOWER = 0.5


class StepError(Exception):
    """A step that was not applied; ``reason`` says why in a few words, ``loss`` is its loss."""

    def __init__(self, reason: str, *, loss: float) -> None:
        super().__init__(reason)
        self.reason, self.loss = reason, loss


@dataclass(frozen=True, kw_only=True, slots=True)
class Watch:
    """What is known of a run's health.

    Attributes:
        losses: The last ones, in nats a token, those of skipped steps too.
        leaps: How far each was above the median of those before it; 0 where it was below.
        trouble: Rises with each skipped step and falls with each good one.
        skipped: Steps skipped in all.
        rollbacks: Times that training went back, and was not forgiven yet.
        good: Good steps since it last went back.
        rate_scale: What the learning rates are multiplied by.
    """

    losses: tuple[float, ...] = ()
    leaps: tuple[float, ...] = ()
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
            raise StepError("the loss is no longer a number", loss=loss)
        if len(self.leaps) < _ENOUGH:
            return
        usual = statistics.median(self.losses)
        mean_square = sum(leap * leap for leap in self.leaps) / max(_FEW, len(self.leaps))
        if loss - usual > max(_LEAST_LEAP, _TIMES * math.sqrt(mean_square)):
            raise StepError(f"the loss leapt to {loss:.2f}, {usual:.2f} being usual", loss=loss)

    def check_norm(self, norm: float, *, loss: float) -> None:
        """Judge the norm of a step's gradient.

        Raises:
            StepError: If it is no number.
        """
        if not math.isfinite(norm):
            raise StepError("a gradient is no longer a number", loss=loss)

    def after_good(self, loss: float) -> Watch:
        """Return what is known after a step that was applied."""
        good = self.good + 1
        return replace(
            self._having_seen(loss),
            trouble=max(0, self.trouble - 1),
            rollbacks=0 if good >= _FORGIVEN_AFTER else self.rollbacks,
            good=good,
        )

    def after_skip(self, loss: float) -> Watch:
        """Return what is known after a step that was skipped."""
        return replace(
            self._having_seen(loss), trouble=self.trouble + _SKIP, skipped=self.skipped + 1
        )

    def after_rollback(self, then: Watch) -> Watch:
        """Return what is known after going back to a checkpoint that knew ``then``."""
        return replace(
            self,
            losses=then.losses,
            leaps=then.leaps,
            trouble=0,
            rollbacks=self.rollbacks + 1,
            good=0,
            rate_scale=self.rate_scale * _SLOWER,
        )

    def _having_seen(self, loss: float) -> Watch:
        if not math.isfinite(loss):
            return self
        leap = max(0.0, loss - statistics.median(self.losses)) if self.losses else 0.0
        return replace(
            self,
            losses=(*self.losses[1 - _LOSSES :], loss),
            leaps=(*self.leaps[1 - _LEAPS :], leap),
        )

    @property
    def too_much(self) -> bool:
        """Whether skipping steps does not help any more."""
        return self.trouble >= _TOO_MUCH

    @property
    def hopeless(self) -> bool:
        """Whether going back did not help either."""
        return self.too_much and self.rollbacks >= _MOST_ROLLBACKS
