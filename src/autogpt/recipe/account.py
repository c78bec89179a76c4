"""What a run tells of itself while it trains: into its record, to trackers, to the user."""

from __future__ import annotations

from dataclasses import replace

from autogpt.core.progress import Progress
from autogpt.core.units import format_count, format_duration
from autogpt.evaluation.energy import EnergyMeter
from autogpt.training import record, tracking
from autogpt.training.checkpoints import RunState
from autogpt.training.record import Record

__all__ = ["Account"]


class Account:
    """Passes on what the loop tells.

    Args:
        log: The record; None in a process that does not lead.
        trackers: Tools that follow the run.
        meter: Of energy.
        shown: Shows what happens.
    """

    def __init__(
        self,
        log: Record | None,
        trackers: tracking.Trackers,
        meter: EnergyMeter,
        shown: Progress,
    ) -> None:
        self._log, self._trackers, self._meter, self._shown = log, trackers, meter, shown

    def entry(self, entry: record.Entry, share: float, *, train_s: float) -> None:
        """Take an entry of the record.

        Args:
            entry: What was measured.
            share: Of the budget that is done.
            train_s: Seconds in the loop so far.
        """
        if self._log is None:
            return
        self._log.log(entry)
        self._trackers.log(entry)
        self._meter.sample()
        if entry.kind == "validation":
            self._shown.say(_validation_line(entry))
            return
        left = (1 - share) / share * train_s if share else None
        known = entry.tokens_per_s is not None
        speed = f"  {format_count(entry.tokens_per_s or 0)} tokens/s" if known else ""
        self._shown.update(share, f"step {entry.step}  loss {entry.loss:.3f}{speed}", left_s=left)

    def stepped(self, step: int, rate: float) -> None:
        """Note the rate of a step, see ``training.schedule``."""
        if self._log is not None:
            self._log.note(step, rate)

    def state(self, at: RunState) -> RunState:
        """Return where the run is, with what only this account knows."""
        spent = at.energy_kwh + self._meter.stop().kwh
        size = self._log.size_bytes if self._log is not None else None
        return replace(at, energy_kwh=spent, record_bytes=size)


def _validation_line(entry: record.Entry) -> str:
    bits = f", {entry.bits_per_byte:.4f} bits per byte" if entry.bits_per_byte is not None else ""
    return (
        f"validation after step {entry.step} ({format_duration(entry.elapsed_s)}): "
        f"loss {entry.loss:.4f}{bits}"
    )
