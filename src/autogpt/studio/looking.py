"""Looks into an upload, in a process of its own; what was found is kept beside it."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import sys
from pathlib import Path
from typing import Any

from autogpt.core.errors import DataError
from autogpt.core.files import read_json, write_json

__all__ = ["look"]

_MOST_S = 120.0


async def look(path: Path, *, tokenizer: Path | None = None) -> dict[str, Any]:
    """Return what a file holds, see ``sniff``; or ``{"error": ...}``.

    Args:
        path: The file, in a folder of its own.
        tokenizer: A model folder whose tokens are shown.

    Raises:
        DataError: If it takes too long, or too much memory.
    """
    known = hashlib.sha256(str(tokenizer).encode()).hexdigest()[:12]
    kept = path.parent / f"look-{known}.json"
    if kept.is_file():
        found: dict[str, Any] = read_json(kept)
        return found
    options = [] if tokenizer is None else ["--tokenizer", str(tokenizer)]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "autogpt.studio.sniff", str(path), *options),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(_MOST_S):
            printed, _ = await process.communicate()
        found = json.loads(printed)
    except (TimeoutError, ValueError) as error:
        raise DataError(
            f"What is in {path.name!r} could not be seen.", hint="Give a smaller part of it."
        ) from error
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
    write_json(kept, found)
    return found
