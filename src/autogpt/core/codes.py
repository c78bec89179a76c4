"""Codes of errors that stay the same when their words change, as in ``AG-DATA-012``.

``locales/codes.json`` holds the sentence of each code, its values numbered, and what to do. It is
made from the source by ``make codes`` and checked by ``tests/core/test_codes.py``: a new error gets
the next number of its kind, one whose words change keeps its own, and one that is gone is marked
retired, so that no number means two things. A sentence is found by its words when it is shown, so
no error has to carry a code; one that is not in the registry gets ``000`` of its kind.

Not here: what a kind is and its exit code (``errors``), the Chinese sentences (``i18n``).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

__all__ = ["Registered", "find_code", "pattern_of", "prefix_of", "registry"]

_VALUE = re.compile(r"\{(\d+)\}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Registered:
    """What a code stands for.

    Attributes:
        message: The sentence, with ``{0}`` for a value.
        hints: What to do, as it is said in different places; may be empty.
        retired: Whether no place in the source says it any more.
    """

    message: str
    hints: tuple[str, ...] = ()
    retired: bool = False


@cache
def registry() -> Mapping[str, Registered]:
    """Return every code ever given, by kind and number."""
    kept = (files("autogpt.core") / "locales" / "codes.json").read_text(encoding="utf-8")
    return {
        code: Registered(
            message=entry["message"],
            hints=tuple(entry.get("hints", ())),
            retired=entry.get("retired", False),
        )
        for code, entry in json.loads(kept).items()
    }


def prefix_of(kind: str) -> str:
    """Return how codes of a kind (``AutoGPTError.code``) begin: ``AG-DATA``, ``AG-EXTRA``."""
    return f"AG-{kind.rpartition('_')[2].upper()}"


def find_code(kind: str, message: str) -> str:
    """Return the code of an error.

    Args:
        kind: ``AutoGPTError.code``, as "data".
        message: As it is shown, in English.
    """
    prefix = prefix_of(kind)
    for code, literals, sentence in _ordered().get(prefix, ()):
        # Most are told apart by their words; an expression is made for the few that are left.
        if all(part in message for part in literals) and pattern_of(sentence).fullmatch(message):
            return code
    return f"{prefix}-000"


@cache
def _ordered() -> Mapping[str, tuple[tuple[str, tuple[str, ...], str], ...]]:
    """Return the sentences of each kind, those that say most for themselves first."""
    kinds: dict[str, list[tuple[str, tuple[str, ...], str]]] = {}
    for code, entry in registry().items():
        literals = tuple(part for part in _VALUE.split(entry.message)[::2] if part)
        if not entry.retired and any(any(map(str.isalpha, part)) for part in literals):
            prefix = code.rpartition("-")[0]
            kinds.setdefault(prefix, []).append((code, literals, entry.message))
    return {
        prefix: tuple(sorted(entries, key=lambda entry: -sum(map(len, entry[1]))))
        for prefix, entries in kinds.items()
    }


def pattern_of(sentence: str) -> re.Pattern[str]:
    """Return the expression of a sentence: any text where a value is."""
    words = (re.escape(part) for part in _VALUE.split(sentence)[::2])
    return re.compile("(.*?)".join(words), re.DOTALL)
