"""The entries of a GGUF header, read by key and type; a wrong one is told by its own name.

Source: GGUF specification (ggml-org, 2023-2025); what the keys mean is up to the caller.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from autogpt.core.errors import CheckpointError

__all__ = ["Entries", "Value"]

Value = int | float | bool | str | list[str] | npt.NDArray[np.generic]

T = TypeVar("T", int, float, bool, str)

_KINDS: dict[type, str] = {
    int: "a whole number",
    float: "a finite number",
    bool: "true or false",
    str: "text",
}
_MOST_SHOWN_CHARS = 60


@dataclass(frozen=True, slots=True)
class Entries:
    """Keys and values of one file.

    Attributes:
        path: The file, for messages.
        values: As read: scalars, text, lists of text, arrays of numbers.
    """

    path: Path
    values: Mapping[str, Value]

    def __contains__(self, key: str) -> bool:
        return key in self.values

    def get(self, key: str, kind: type[T], *, default: T | None = None) -> T:
        """Return the value of ``key``; ``default`` if there is none.

        Raises:
            CheckpointError: If it is missing without default, or of another type.
        """
        value = self.values.get(key)
        if value is None:
            if default is None:
                raise CheckpointError(f"{str(self.path)!r} has no {key!r}.")
            return default
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if (
            not isinstance(value, kind)
            or (kind is int and isinstance(value, bool))
            or (isinstance(value, float) and not math.isfinite(value))
        ):
            raise self.refused(key, _KINDS[kind])
        return value

    def find(self, key: str, kind: type[T]) -> T | None:
        """Return the value of ``key``, or None if there is none.

        Raises:
            CheckpointError: If it is of another type.
        """
        return self.get(key, kind) if key in self.values else None

    def texts(self, key: str) -> list[str]:
        """Return a list of texts.

        Raises:
            CheckpointError: If it is missing or something else.
        """
        value = self.values.get(key)
        if value is None:
            raise CheckpointError(f"{str(self.path)!r} has no {key!r}.")
        if not isinstance(value, list):
            raise self.refused(key, "a list of texts")
        return value

    def numbers(self, key: str, count: int) -> npt.NDArray[np.generic] | None:
        """Return an array of ``count`` numbers, or None if there is none.

        Raises:
            CheckpointError: If it is something else, or of another length.
        """
        value = self.values.get(key)
        if value is None:
            return None
        if not isinstance(value, np.ndarray):
            raise self.refused(key, "an array of numbers")
        if len(value) != count:
            raise CheckpointError(
                f"{str(self.path)!r} has {len(value)} numbers in {key!r}, expected {count}."
            )
        return value

    def refused(self, key: str, expected: str) -> CheckpointError:
        """Return the error that says what ``key`` is and what was expected."""
        value = self.values.get(key)
        shown = f"{len(value)} items" if isinstance(value, list | np.ndarray) else repr(value)
        if len(shown) > _MOST_SHOWN_CHARS:
            shown = f"{shown[: _MOST_SHOWN_CHARS - 3]}..."
        return CheckpointError(f"{str(self.path)!r} says {key} = {shown}, expected {expected}.")
