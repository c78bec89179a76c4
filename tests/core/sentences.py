"""The sentences of errors in the source, as the catalogue spells them: values are {0}, {1}, ..."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

_ERRORS = {
    "AutoGPTError", "CheckpointError", "ConfigError", "DataError", "DownloadError", "LicenseError",
    "RefusedError", "ResourceError", "RunError", "UsageError",
}  # fmt: skip


def raised(source: Path) -> dict[str, set[str]]:
    """Return each sentence of an error, and the packages in which it is made."""
    found: dict[str, set[str]] = {}
    for path in sorted(source.rglob("*.py")):
        package = path.relative_to(source).parts[0]
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            place = _place(node)
            if isinstance(node, ast.Call) and place is not None:
                hints = [word.value for word in node.keywords if word.arg == "hint"]
                for part in (*node.args[place : place + 1], *hints):
                    for sentence in filter(re.compile(r"[^\W\d]").search, _sentences(part)):
                        found.setdefault(sentence, set()).add(package)
    for sentence in _warnings(source / "data" / "checks.py"):
        found.setdefault(sentence, set()).add("data")
    return found


def _place(node: ast.AST) -> int | None:
    """Return which argument of a call is the sentence of an error; None if none is."""
    if not isinstance(node, ast.Call):
        return None
    name = getattr(node.func, "id", None)
    return 0 if name in _ERRORS else 1 if name == "ApiError" else None


def _warnings(path: Path) -> Iterator[str]:
    """Yield what is said of examples: each is appended to a list of warnings."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and getattr(node.func, "attr", None) == "append":
            yield from _sentences(node.args[0])


def _sentences(node: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value:
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        text, count = "", 0
        for value in node.values:
            if isinstance(value, ast.Constant):
                text += str(value.value)
            else:
                text += f"{{{count}}}"
                count += 1
        yield text
    elif isinstance(node, ast.IfExp):
        yield from _sentences(node.body)
        yield from _sentences(node.orelse)
