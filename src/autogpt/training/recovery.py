"""What training does about a bad step: skip it, go back to a checkpoint, or stop and say why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from torch import Tensor

from autogpt.core.errors import RunError
from autogpt.training.anomalies import StepError
from autogpt.training.checkpoints import RunState
from autogpt.training.diagnosis import Diagnosis, diagnose

if TYPE_CHECKING:
    from autogpt.training.trainer import Trainer

__all__ = ["Rescue", "recover"]

_HINT = (
    "Look at that batch, then go on with --resume and lower rates, as in "
    "--set training.muon_lr=0.003 --set training.lr=0.001."
)


class Rescue(Protocol):
    """What the loop needs of the run folder when something goes wrong."""

    def say(self, line: str) -> None:
        """Tell the user."""

    def last(self) -> tuple[RunState, Mapping[str, Tensor]]:
        """Return the newest checkpoint."""

    def keep(self, diagnosis: Diagnosis, *, step: int, reason: str) -> Path:
        """Save what is suspected, and return where."""

    def smaller(self, micro_batch_size: int) -> None:
        """Write down that micro-batches have fewer rows from now on."""


def recover(trainer: Trainer, anomaly: StepError) -> None:
    """Skip the step that ``anomaly`` was about, or go back to the last checkpoint.

    The data moves on in either case: a batch that did harm is not met again.

    Raises:
        RunError: If going back did not help either, or there is nothing to go back to.
    """
    rescue, at = trainer.rescue, trainer.at
    step = at.steps + 1
    watch = at.watch.after_skip(anomaly.loss)
    if watch.hopeless or (watch.too_much and rescue is None):
        raise _given_up(trainer, anomaly)
    trainer.at = now = replace(at, tokens=at.tokens + trainer.tokens_per_step, watch=watch)
    if not watch.too_much:
        if rescue is not None:
            rescue.say(f"skipped step {step}: {anomaly.reason}")
        return
    assert rescue is not None  # or it would have given up above
    then, tensors = rescue.last()
    watch = watch.after_rollback(then.watch)
    trainer.restore(
        replace(
            then,
            tokens=now.tokens,
            train_s=now.train_s,
            other_s=now.other_s,
            energy_kwh=now.energy_kwh,
            watch=watch,
        ),
        tensors,
    )
    rescue.say(
        f"step {step} went wrong again: {anomaly.reason}; going back to step {then.steps}, with "
        f"{watch.rate_scale:g} times the learning rates"
    )


def _given_up(trainer: Trainer, anomaly: StepError) -> RunError:
    """Find out what went wrong, keep the batch, and return what to tell the user."""
    step, watch = trainer.at.steps + 1, trainer.at.watch
    if trainer.layout.in_shards:  # looking closer would take all processes, each at its own layer
        return RunError(f"Training stopped at step {step}: {anomaly.reason}.", hint=_HINT)
    found = diagnose(trainer.model, list(trainer.parts()), trainer.loss)
    kept = "."
    if trainer.rescue is not None:
        path = trainer.rescue.keep(found, step=step, reason=anomaly.reason)
        kept = f", kept in {str(path)!r}."
    went_back = f" {watch.rollbacks} times back to a checkpoint did not help." * (
        watch.rollbacks > 0
    )
    return RunError(
        f"Training stopped at step {step}: {anomaly.reason}.{went_back} Suspected: {found.where}, "
        f"on micro-batch {found.part}{kept}",
        hint=_HINT,
    )
