"""Placeholders in place of secrets and personal data, and the way back.

::

    vault = Vault()
    masked = vault.mask("Write to ada@example.org", find_personal(...))   # "Write to [EMAIL_1]"
    vault.unmask("I wrote to [EMAIL_1].")                                 # "I wrote to ada@..."

The same value gets the same placeholder, so that a model can tell two apart without seeing either.
A vault lives as long as its request; it is never written anywhere.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from autogpt.safety.spans import Span

__all__ = ["PLACEHOLDER", "Vault", "replace_spans"]

PLACEHOLDER = re.compile(r"\[[A-Z][A-Z0-9_]*_[0-9]+\]")
"""How placeholders look."""


def replace_spans(text: str, spans: Sequence[Span]) -> str:
    """Return the text with each span replaced by its kind, as in ``[EMAIL]``; for good."""
    pieces, place = [], 0
    for span in spans:
        pieces += [text[place : span.start], f"[{kind(span)}]"]
        place = span.end
    return "".join([*pieces, text[place:]])


def kind(span: Span) -> str:
    """Return what a placeholder calls the span."""
    return (span.category.partition(".")[2] or span.category).upper()


class Vault:
    """What was masked in one request, by placeholder.

    Args:
        reserved: All texts of the request: what looks like a placeholder in them is left alone.
    """

    def __init__(self, reserved: str = "") -> None:
        self._reserved = frozenset(match[0] for match in PLACEHOLDER.finditer(reserved))
        self._values: dict[str, str] = {}
        self._names: dict[tuple[str, str], str] = {}
        self._counts: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._values)

    @property
    def longest(self) -> int:
        """Characters of the longest placeholder; 0 if there is none."""
        return max(map(len, self._values), default=0)

    def mask(self, text: str, spans: Sequence[Span]) -> str:
        """Return the text with spans replaced by placeholders that the text does not hold yet.

        Args:
            text: The text.
            spans: In order, none overlapping.
        """
        pieces, place = [], 0
        for span in spans:
            value = text[span.start : span.end]
            pieces += [text[place : span.start], self._name(kind(span), value, text)]
            place = span.end
        return "".join([*pieces, text[place:]])

    def _name(self, kind: str, value: str, text: str) -> str:
        known = self._names.get((kind, value))
        if known is not None:
            return known
        while True:
            self._counts[kind] = self._counts.get(kind, 0) + 1
            name = f"[{kind}_{self._counts[kind]}]"
            if name not in self._reserved and name not in text:
                self._values[name] = value
                self._names[kind, value] = name
                return name

    def unmask(self, text: str, *, in_json: bool = False) -> str:
        """Return the text with the placeholders of this vault replaced by what they stand for.

        Args:
            text: What was written.
            in_json: Whether it is JSON: then quotes and backslashes of a value are escaped.
        """
        if not self._values:
            return text

        def value(match: re.Match[str]) -> str:
            found = self._values.get(match[0])
            if found is None:
                return match[0]
            return json.dumps(found, ensure_ascii=False)[1:-1] if in_json else found

        return PLACEHOLDER.sub(value, text)
