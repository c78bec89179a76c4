"""Give every error of the source a code: ``make codes`` writes ``core/locales/codes.json``.

Errors are found where they are made, by the names of their classes; those of a class that makes
its own sentence, in its ``super().__init__``. A sentence that is put together elsewhere, and comes
as a variable, has no code of its own.
"""

from __future__ import annotations

import ast
import difflib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from autogpt.core.codes import Registered, prefix_of, registry
from tests.core.sentences import sentences_of

SOURCE = Path("src/autogpt")
FILE = SOURCE / "core/locales/codes.json"
_ALIKE = 0.7  # of the letters: the same sentence in other words


def made(source: Path = SOURCE) -> dict[tuple[str, str], set[str]]:
    """Return (prefix, sentence) of each error in the source, with its hints."""
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in sorted(source.rglob("*.py"))]
    kinds = _kinds(trees)
    found: dict[tuple[str, str], set[str]] = {}
    for tree in trees:
        for kind, call in _calls(tree, kinds):
            hints = [word.value for word in call.keywords if word.arg == "hint"]
            told = {hint for value in hints for hint in sentences_of(value)}
            for sentence in (one for part in call.args[:1] for one in sentences_of(part)):
                found.setdefault((prefix_of(kind), sentence), set()).update(told)
    return found


def _kinds(trees: list[ast.Module]) -> dict[str, str]:
    """Return the kind of each class of errors, by name."""
    classes = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    kinds: dict[str, str] = {"AutoGPTError": "failed"}
    while True:
        before = len(kinds)
        for node in classes:
            bases = [base.id for base in node.bases if isinstance(base, ast.Name)]
            inherited = next((kinds[base] for base in bases if base in kinds), None)
            if inherited is not None:
                kinds.setdefault(node.name, _own_kind(node) or inherited)
        if len(kinds) == before:
            return kinds


def _own_kind(node: ast.ClassDef) -> str | None:
    for statement in node.body:
        names = statement.targets if isinstance(statement, ast.Assign) else []
        if any(isinstance(name, ast.Name) and name.id == "code" for name in names):
            value = statement.value if isinstance(statement, ast.Assign) else None
            return value.value if isinstance(value, ast.Constant) else None  # type: ignore[return-value] # a string
    return None


def _calls(tree: ast.Module, kinds: Mapping[str, str]) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "id", None) in kinds:
            yield kinds[node.func.id], node  # type: ignore[attr-defined] # it has that name
        if isinstance(node, ast.ClassDef) and node.name in kinds:
            for call in ast.walk(node):
                if isinstance(call, ast.Call) and ast.unparse(call.func) == "super().__init__":
                    yield kinds[node.name], call


def assigned(
    kept: Mapping[str, Registered], found: Mapping[tuple[str, str], set[str]]
) -> dict[str, Registered]:
    """Return the registry as the source wants it; codes that were given stay what they are."""
    codes = dict(kept)
    known = {(code.rpartition("-")[0], entry.message): code for code, entry in kept.items()}
    new = sorted(set(found) - set(known))
    gone = {pair: code for pair, code in known.items() if pair not in found}
    for pair in new:
        known[pair] = _reworded(pair, gone) or _next(pair[0], codes)
        codes[known[pair]] = Registered(message=pair[1])
    for pair, code in known.items():
        if pair in found:
            hints = tuple(sorted(found[pair]))
            codes[code] = Registered(message=pair[1], hints=hints)
        elif codes[code].message == pair[1]:
            codes[code] = Registered(message=pair[1], retired=True)
    return dict(sorted(codes.items()))


def _reworded(pair: tuple[str, str], gone: dict[tuple[str, str], str]) -> str | None:
    """Return the code of a sentence that is gone and was like this one; it is taken."""
    near = [one for one in gone if one[0] == pair[0]]
    best = difflib.get_close_matches(pair[1], [one[1] for one in near], n=1, cutoff=_ALIKE)
    return gone.pop((pair[0], best[0])) if best else None


def _next(prefix: str, codes: Mapping[str, Registered]) -> str:
    numbers = [int(code[len(prefix) + 1 :]) for code in codes if code.startswith(f"{prefix}-")]
    return f"{prefix}-{max(numbers, default=0) + 1:03}"


def main() -> None:
    """Write the registry."""
    kept = registry() if FILE.exists() else {}
    entries = {
        code: {
            "message": entry.message,
            **({"hints": entry.hints} if entry.hints else {}),
            **({"retired": True} if entry.retired else {}),
        }
        for code, entry in assigned(kept, made()).items()
    }
    lines = (
        f"  {json.dumps(code)}: {json.dumps(entry, ensure_ascii=False)}"
        for code, entry in entries.items()
    )
    FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
