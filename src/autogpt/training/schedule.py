"""The schedule that a run has realized: the learning rate of each step, kept and followed again.

A run with a budget of time follows the clock, so its rates depend on how fast the machine was. They
are written down step by step, and another run can follow them: with the same data, seed, batches
and kernels it ends at the same weights, bit for bit.

``schedule.f64`` holds one little-endian float64 a step: the rate as a share of its peak.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from autogpt.core.errors import RunError
from autogpt.core.files import explain_os_errors

__all__ = ["SCHEDULE", "Realized", "read_schedule"]

SCHEDULE = "schedule.f64"
_RATE = np.dtype("<f8")


class Realized:
    """Writes the rate of each step of a run.

    Args:
        run: The run folder, which exists.
        steps: Steps that are done; what a stopped run has written after them is dropped. Of a run
            that was begun without a schedule, none is kept.
    """

    def __init__(self, run: Path, *, steps: int) -> None:
        self._path = run / SCHEDULE
        with explain_os_errors(self._path):
            self._path.touch()
            self._kept = self._path.stat().st_size >= steps * _RATE.itemsize
            self._file = self._path.open("r+b")
            self._file.truncate(steps * _RATE.itemsize if self._kept else 0)

    def note(self, step: int, rate: float) -> None:
        """Note the rate of a step, counted from 0; after a step back, again.

        Raises:
            ResourceError: If the disk is full.
        """
        if not self._kept:
            return
        with explain_os_errors(self._path):
            self._file.seek(step * _RATE.itemsize)
            self._file.write(np.array(rate, _RATE).tobytes())

    def sync(self) -> None:
        """Make what is noted durable, before a checkpoint claims it.

        Raises:
            ResourceError: If the disk is full or fails.
        """
        with explain_os_errors(self._path):
            self._file.flush()
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Release the file.

        Raises:
            ResourceError: If the disk is full.
        """
        with explain_os_errors(self._path):
            self._file.close()


def read_schedule(path: Path) -> Sequence[float]:
    """Return the rates that a run has noted, one a step.

    Args:
        path: The run folder, or the file in it.

    Raises:
        RunError: If there is none, or it is damaged.
    """
    file = path / SCHEDULE if path.is_dir() else path
    try:
        rates = np.frombuffer(file.read_bytes(), _RATE)
    except FileNotFoundError as error:
        raise RunError(
            f"There is no schedule {str(file)!r}.", hint="Name the folder of a run."
        ) from error
    except ValueError as error:  # half a number at the end
        raise RunError(f"The schedule {str(file)!r} is damaged.") from error
    if len(rates) == 0 or not ((rates >= 0) & (rates <= 1)).all():
        raise RunError(f"The schedule {str(file)!r} is empty or damaged.")
    return [float(rate) for rate in rates]
