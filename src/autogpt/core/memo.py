"""What was measured on this machine once, remembered for the next run.

One small JSON file in the user's cache folder (``AUTOGPT_CACHE``, else ``XDG_CACHE_HOME/autogpt``,
else ``~/.cache/autogpt``), by machine: the name of its processor, the cores that may be used and
the version of torch. It is only ever a shortcut: a file that is damaged or cannot be written is
passed over, and things are measured again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from autogpt.core.errors import AutoGPTError
from autogpt.core.files import write_json
from autogpt.core.hardware import processor, usable_cores

__all__ = ["cache_folder", "recall", "remember"]


def cache_folder() -> Path:
    """Return the folder for what can be made again; it may not exist yet."""
    if own := os.environ.get("AUTOGPT_CACHE"):
        return Path(own)
    shared = os.environ.get("XDG_CACHE_HOME")
    return (Path(shared) if shared else Path.home() / ".cache") / "autogpt"


def recall(key: str) -> Mapping[str, object] | None:
    """Return what was remembered under ``key`` on this machine, or None."""
    found = _read().get(key)
    return found if isinstance(found, dict) else None


def remember(key: str, value: Mapping[str, object]) -> None:
    """Keep plain values under ``key``; where nothing can be written, nothing is kept."""
    with contextlib.suppress(AutoGPTError, OSError):
        write_json(_path(), {**_read(), key: dict(value)})


def _read() -> dict[str, object]:
    try:
        kept = json.loads(_path().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return kept if isinstance(kept, dict) else {}


def _path() -> Path:
    return cache_folder() / f"measured-{_machine()}.json"


@cache
def _machine() -> str:
    """Return a short name that changes with the processor, the cores and torch."""
    try:
        torch = version("torch")
    except PackageNotFoundError:
        torch = "none"
    facts = [platform.machine(), processor()[0], str(usable_cores()), torch]
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:16]
