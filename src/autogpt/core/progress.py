"""What a user sees of long work: a bar on a terminal, a line now and then in a log.

Everything goes to standard error. On a terminal the bar shows the share done, the time left, and
what is worth knowing right now; lines said meanwhile appear above it. Elsewhere a line is written
at most every ten seconds, the first and the last one always, so that logs stay readable.
"""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Self, TextIO

from autogpt.core.units import format_bytes, format_duration

__all__ = ["ByteProgress", "Progress"]

_LINE_EVERY_S = 10.0
_DRAWS_PER_S = 4.0  # as often as one reads; drawing takes time from the work


class Progress:
    """Shows how far long work is; a context manager, so that the terminal is left as it was.

    Args:
        quiet: Show nothing at all.
        stream: Where to; standard error by default.

    Attributes:
        console: For what is more than a line.
    """

    def __init__(self, *, quiet: bool = False, stream: TextIO | None = None) -> None:
        # Most who import this show no progress, and rich takes a tenth of a second.
        from rich.console import Console
        from rich.progress import BarColumn, TaskProgressColumn, TextColumn
        from rich.progress import Progress as Bar
        from rich.table import Column

        shown_on = stream or sys.stderr
        self.console = self._console = Console(file=shown_on, quiet=quiet, highlight=False)
        # A log may ask for colors (FORCE_COLOR) and a terminal may not move its cursor (TERM=dumb).
        self._live = shown_on.isatty() and self._console.is_interactive and not quiet
        self._bar = Bar(
            TaskProgressColumn(),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[left]}", markup=False),
            # Takes the rest of the line and is cut there, so that the others keep their width.
            TextColumn(
                "{task.fields[tail]}", markup=False, table_column=Column(ratio=1, no_wrap=True)
            ),
            console=self._console,
            transient=True,
            expand=True,
            redirect_stdout=False,  # what is printed there is a result
            refresh_per_second=_DRAWS_PER_S,
        )
        self._task = self._bar.add_task("", total=1.0, visible=False, tail="", left="")
        self._line_at = -_LINE_EVERY_S
        self._line = self._waiting = ""

    def __enter__(self) -> Self:
        if self._live:
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live:
            self._bar.stop()
        elif self._waiting:
            self._write()

    def say(self, line: str) -> None:
        """Write a line, above the bar if there is one."""
        self._console.print(line, markup=False, soft_wrap=True)

    def update(self, share: float, tail: str, *, left_s: float | None = None) -> None:
        """Show that ``share`` (0 to 1) is done, with a few words and the seconds left."""
        left = "" if left_s is None or share >= 1 else f"{format_duration(left_s)} left"
        if self._live:
            self._bar.update(self._task, completed=share, visible=share < 1, tail=tail, left=left)
            return
        line = f"{share:4.0%}  {tail}  {left}".rstrip()
        self._waiting = "" if line == self._line else line
        due = share >= 1 or time.monotonic() - self._line_at >= _LINE_EVERY_S
        if due and self._waiting:
            self._write()

    def _write(self) -> None:
        self._line, self._waiting, self._line_at = self._waiting, "", time.monotonic()
        self.say(self._line)


class ByteProgress:
    """Counts bytes as they arrive, and shows share, rate and time left.

    Args:
        progress: Where it is shown.
        total_bytes: How many there will be.
    """

    def __init__(self, progress: Progress, total_bytes: int) -> None:
        self._progress = progress
        self._total = max(1, total_bytes)
        self._skipped = self._arrived = 0
        self._begin = time.monotonic()

    def skip(self, size_bytes: int) -> None:
        """Count bytes that were there before; they say nothing of the rate."""
        self._skipped += size_bytes

    def add(self, size_bytes: int) -> None:
        """Count bytes that arrived."""
        self._arrived += size_bytes
        done = min(self._total, self._skipped + self._arrived)
        rate = self._arrived / max(1e-3, time.monotonic() - self._begin)
        self._progress.update(
            done / self._total,
            f"{format_bytes(done)} of {format_bytes(self._total)}, {format_bytes(rate)}/s",
            left_s=(self._total - done) / rate if rate else None,
        )
