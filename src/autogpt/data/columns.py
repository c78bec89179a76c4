"""The first records of a file, by field: what is where, and of what kind.

Values are what JSON, CSV and Parquet give. What they mean is decided in ``shapes.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

__all__ = [
    "Columns",
    "are_messages",
    "by_name",
    "folded",
    "is_label",
    "is_list_of",
    "is_text",
    "is_text_or_messages",
    "most",
]

_FEW = 0.2  # labels repeat: there are at most this many different ones a row


class Columns:
    """The first records of a file, by their fields; a few of them may be broken."""

    def __init__(self, rows: Sequence[Any]) -> None:
        self.lists = most(rows, are_messages)
        mappings = [mapping for row in rows if (mapping := by_name(row)) is not None]
        self.names = list(dict.fromkeys(key for row in mappings for key in row))
        self._values = {
            key: [row[key] for row in mappings if row.get(key) is not None] for key in self.names
        }
        self._folded = {folded(key): key for key in reversed(self.names)}

    def values(self, name: str) -> list[Any]:
        """Return what is in a field, where something is."""
        return self._values.get(name, [])

    def find(self, *usual: str, of: Callable[[Any], bool]) -> str | None:
        """Return the first field of a usual name whose values are ``of`` the right kind."""
        for key in usual:
            name = self._folded.get(key)
            if name is not None and most(self._values[name], of):
                return name
        return None

    def texts(self) -> list[str]:
        """Return the fields that hold texts, and not always the same or numbers."""
        found = []
        for name in self.names:
            strings = [value for value in self._values[name] if isinstance(value, str)]
            differ = len(strings) == 1 or len(set(strings)) > 1
            if differ and most(self._values[name], is_text) and not all(map(_is_number, strings)):
                found.append(name)
        return found

    def repeats(self, name: str) -> bool:
        """Whether the values of a field recur as labels do."""
        values = [value for value in self._values[name] if isinstance(value, str | int)]
        return 1 < len(set(values)) <= max(2, _FEW * len(values)) < len(values)

    def longest(self, names: Sequence[str]) -> str | None:
        """Return the field that holds most text."""
        sizes = {name: sum(len(str(value)) for value in self._values[name]) for name in names}
        return max(names, key=lambda name: sizes[name], default=None)


def by_name(row: object) -> dict[str, Any] | None:
    """Return the fields of a record, or None if it has none.

    A mapping of texts in it is a field for each (``translation.en``); the columns of a list are
    called ``1``, ``2``...
    """
    if isinstance(row, list) and all(isinstance(item, str | int | float) for item in row):
        return {str(number): item for number, item in enumerate(row, 1)}
    if not isinstance(row, dict):
        return None
    result: dict[str, Any] = {}
    for key, value in row.items():
        result[str(key)] = value
        if isinstance(value, dict) and all(isinstance(item, str) for item in value.values()):
            result |= {f"{key}.{inner}": item for inner, item in value.items()}
    return result


def most(values: Sequence[Any], are: Callable[[Any], bool]) -> bool:
    """Whether more than half of the values are of a kind."""
    return 2 * sum(map(are, values)) > len(values)


def folded(name: str) -> str:
    """Return a name as the lists of usual ones spell it; of a field within a field, its own."""
    return name.strip().casefold().replace("-", "_").replace(" ", "_").rpartition(".")[2]


def _is_number(value: str) -> bool:
    return value.strip().removeprefix("-").replace(".", "", 1).isdecimal()


def is_text(value: object) -> bool:
    """Whether a value is a text."""
    return isinstance(value, str)


def is_label(value: object) -> bool:
    """Whether a value may be a label, or a list of them."""
    return isinstance(value, str | int | float) or is_list_of(value, (str, int))


def is_list_of(value: object, kind: type | tuple[type, ...]) -> bool:
    """Whether a value is a list of these only."""
    return isinstance(value, list) and all(isinstance(item, kind) for item in value)


def are_messages(value: object) -> bool:
    """Whether a value is a list of messages, as OpenAI's or ShareGPT's."""
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(item, dict) and ("role" in item or "from" in item) for item in value)
    )


def is_text_or_messages(value: object) -> bool:
    """Whether a value is a text, a message or several."""
    return isinstance(value, str | dict) or are_messages(value)
