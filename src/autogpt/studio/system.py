"""What the machine and the server are doing: hardware, memory, queue, and the last lines said."""

from __future__ import annotations

import logging
import os
import platform
import time
from collections import deque
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

from autogpt.core.hardware import look

__all__ = ["Said", "facts"]

_KEPT = 400
_BEGUN = time.time()


class Said(logging.Handler):
    """Keeps the last lines of this server's log for the page."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self._lines: deque[dict[str, object]] = deque(maxlen=_KEPT)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line."""
        self._lines.append(
            {
                "at": record.created,
                "level": record.levelname.lower(),
                "name": record.name,
                "message": record.getMessage()[:2000],
            }
        )

    def lines(self) -> list[dict[str, object]]:
        """Return the lines, the oldest first."""
        return list(self._lines)


def facts(folder: Path) -> dict[str, object]:
    """Return what this machine is and how busy it is, as plain values."""
    memory = psutil.Process().memory_info()
    return {
        **asdict(look(folder)),
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "python": platform.python_version(),
        "autogpt": _version("autogpt-transformer"),
        "torch": _version("torch"),
        "server_memory_bytes": memory.rss,
        "up_s": time.time() - _BEGUN,
        "folder": str(folder),
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
