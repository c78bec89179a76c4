"""The sentences of errors in the source, as the catalogue spells them: values are {0}, {1}, ..."""

from __future__ import annotations

import ast
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
            if isinstance(node, ast.Call) and getattr(node.func, "id", None) in _ERRORS:
                hints = [word.value for word in node.keywords if word.arg == "hint"]
                for part in (*node.args[:1], *hints):
                    for sentence in sentences_of(part):
                        found.setdefault(sentence, set()).add(package)
    for sentence in _warnings(source / "data" / "checks.py"):
        found.setdefault(sentence, set()).add("data")
    return found


def _warnings(path: Path) -> Iterator[str]:
    """Yield what is said of examples: each is appended to a list of warnings."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and getattr(node.func, "attr", None) == "append":
            yield from sentences_of(node.args[0])


def sentences_of(node: ast.expr) -> Iterator[str]:
    """Yield the sentences that an expression may be."""
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
        yield from sentences_of(node.body)
        yield from sentences_of(node.orelse)
