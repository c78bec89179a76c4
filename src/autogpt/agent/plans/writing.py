"""How a plan puts what it found into the file that the goal names."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Generator, Sequence
from typing import Any

from autogpt.agent.errors import GaveUpError
from autogpt.agent.plans.base import Goal, Request, Use

__all__ = ["rendered", "said", "save"]

Json = Any


def save(
    goal: Goal, path: str, text: str, header: Sequence[str | None], rows: Sequence[Sequence[Json]]
) -> Generator[Request, Any, str]:
    """Write rows, or the text where the file is for people, and return what to say of it.

    Raises:
        GaveUpError: If it cannot be written.
    """
    content = rendered(path, text, [str(name) for name in header], rows)
    result = yield Use("write_file", {"path": path, "text": content})
    if not result.ok:
        raise GaveUpError(str(result.value))
    first = text if len(text) < 200 else ""
    return f"{first}\n{said(path, chinese=goal.chinese)}".strip()


def said(path: str, *, chinese: bool) -> str:
    """Return the sentence that a file was written."""
    return f"已写入 {path}。" if chinese else f"Written to {path}."


def rendered(path: str, text: str, header: Sequence[str], rows: Sequence[Sequence[Json]]) -> str:
    """Return rows in the form that a file's suffix names; of text and Markdown the text itself."""
    suffix = path[path.rfind(".") + 1 :].lower()
    if suffix in ("csv", "tsv"):
        buffer = io.StringIO()
        delimiter = "\t" if suffix == "tsv" else ","
        writer = csv.writer(buffer, lineterminator="\n", delimiter=delimiter)
        writer.writerow(header)
        writer.writerows(rows)
        return buffer.getvalue()
    if suffix in ("json", "jsonl"):
        objects = [dict(zip(header, row, strict=True)) for row in rows]
        if suffix == "jsonl":
            return "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in objects)
        value = objects[0] if len(objects) == 1 else objects
        return json.dumps(value, ensure_ascii=False, indent=2) + "\n"
    return text + "\n"
