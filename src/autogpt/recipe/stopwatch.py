"""Where the time of a run goes."""

from __future__ import annotations

import time

__all__ = ["Stopwatch"]


class Stopwatch:
    """Seconds of a run, phase by phase.

    Args:
        begun: When it began, by ``time.perf_counter``; None: now.

    Attributes:
        begin: As given.
        phases: Name of a phase -> seconds.
    """

    def __init__(self, begun: float | None = None) -> None:
        self.begin = self._mark = time.perf_counter() if begun is None else begun
        self.phases: dict[str, float] = {}

    @property
    def passed(self) -> float:
        """Seconds since the beginning."""
        return time.perf_counter() - self.begin

    def mark(self) -> None:
        """Begin a phase here, and count what was before for none."""
        self._mark = time.perf_counter()

    def lap(self, name: str) -> None:
        """Count the time since the last phase for this one."""
        now = time.perf_counter()
        self.phases[name] = self.phases.get(name, 0.0) + now - self._mark
        self._mark = now
