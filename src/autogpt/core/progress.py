"""What a user sees of long work: a bar on a terminal, a line now and then in a log.

Everything goes to standard error. On a terminal the bar shows the share done, what is worth
knowing right now, and the time left; lines said meanwhile appear above it. Elsewhere a line is
written at most every ten seconds, so that logs stay readable.
"""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Self, TextIO

from rich.console import Console
from rich.progress import BarColumn, TaskProgressColumn, TextColumn
from rich.progress import Progress as Bar

from autogpt.core.units import format_duration

__all__ = ["Progress"]

_LINE_EVERY_S = 10.0


class Progress:
    """Shows how far long work is; a context manager, so that the terminal is left as it was.

    Args:
        quiet: Show nothing at all.
        stream: Where to; standard error by default.
    """

    def __init__(self, *, quiet: bool = False, stream: TextIO | None = None) -> None:
        self._console = Console(file=stream or sys.stderr, quiet=quiet, highlight=False)
        self._live = self._console.is_terminal and not quiet
        self._bar = Bar(
            TaskProgressColumn(),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[tail]}"),
            TextColumn("{task.fields[left]}"),
            console=self._console,
            transient=True,
        )
        self._task = self._bar.add_task("", total=1.0, visible=False, tail="", left="")
        self._last_line = -_LINE_EVERY_S

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

    def say(self, line: str) -> None:
        """Write a line, above the bar if there is one."""
        self._console.print(line, markup=False, soft_wrap=True)

    def update(self, share: float, tail: str, *, left_s: float | None = None) -> None:
        """Show that ``share`` (0 to 1) is done, with a few words and the seconds left."""
        left = "" if left_s is None or share >= 1 else f"{format_duration(left_s)} left"
        if self._live:
            self._bar.update(self._task, completed=share, visible=share < 1, tail=tail, left=left)
            return
        now = time.monotonic()
        if share >= 1 or now - self._last_line >= _LINE_EVERY_S:
            self._last_line = now
            self.say(f"{share:4.0%}  {tail}  {left}".rstrip())
