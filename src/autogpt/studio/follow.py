"""How far a job is: read from the files it writes, from wherever the last look ended."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from autogpt.studio.worker import STDERR, STDOUT

__all__ = ["count_lines", "error_in", "last_object", "lines_after", "log", "objects", "progress"]

_TAIL_BYTES = 1 << 14
_RESULT_BYTES = 1 << 20
_MOST_LINES = 4000
_SHARE = re.compile(r"^\s*(\d{1,3})%\s\s(.*?)(?:\s\s+(\d[\d.hms ]*) left)?\s*$")


def progress(folder: Path) -> dict[str, object] | None:
    """Return the share done, a few words and the time left, as the job last said; None before."""
    for line in reversed(_tail(folder / STDERR, _TAIL_BYTES).splitlines()):
        if match := _SHARE.match(line):
            return {"share": int(match[1]) / 100, "words": match[2].strip(), "left": match[3]}
    return None


def log(folder: Path, stream: Literal["stderr", "stdout"] = "stderr") -> str:
    """Return the end of what a job said."""
    return _tail(folder / (STDERR if stream == "stderr" else STDOUT), 4 * _TAIL_BYTES)


def objects(folder: Path, *, most: int = 200) -> list[dict[str, Any]]:
    """Return the JSON objects a job printed, a line each, the first of them."""
    found: list[dict[str, Any]] = []
    path = folder / STDOUT
    if not path.is_file():
        return found
    with path.open("rb") as file:
        for line in file:
            value = _object(line)
            if value is not None:
                found.append(value)
            if len(found) >= most:
                break
    return found


def last_object(folder: Path) -> dict[str, Any] | None:
    """Return the last JSON object a job printed."""
    for line in reversed(_tail(folder / STDOUT, _RESULT_BYTES).splitlines()):
        value = _object(line.encode())
        if value is not None:
            return value
    return None


def error_in(folder: Path, result: Mapping[str, Any] | None, exit_code: int) -> dict[str, Any]:
    """Return the error of a job that failed: as it told it, else its last words."""
    told = (result or {}).get("error")
    if isinstance(told, dict) and isinstance(told.get("message"), str):
        return told
    words = [line for line in log(folder).splitlines() if line.strip()]
    message = words[-1].removeprefix("autogpt: ")[:500] if words else f"It ended with {exit_code}."
    return {"code": "failed", "message": message, "hint": ""}


def lines_after(path: Path, offset: int) -> dict[str, object]:
    """Return the whole lines of a file of JSON lines behind byte ``offset``, as values.

    A file that is shorter than that was cut (a run that was resumed): all of it comes again.

    Returns:
        ``entries``, the ``offset`` to ask with next time, and whether it is a ``reset``.
    """
    if not path.is_file():
        return {"entries": [], "offset": 0, "reset": offset > 0}
    reset = path.stat().st_size < offset
    begin = 0 if reset else offset
    entries: list[dict[str, Any]] = []
    with path.open("rb") as file:
        file.seek(begin)
        for line in file:
            if not line.endswith(b"\n") or len(entries) >= _MOST_LINES:
                break
            begin += len(line)
            value = _object(line)
            if value is not None:
                entries.append(value)
    return {"entries": entries, "offset": begin, "reset": reset}


def count_lines(path: Path) -> int:
    """Return how many lines a file has; 0 if it is not there."""
    if not path.is_file():
        return 0
    with path.open("rb") as file:
        return sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(1 << 20), b""))


def _tail(path: Path, size: int) -> str:
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - size))
        return file.read().decode("utf-8", errors="replace")


def _object(line: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(line)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
