"""Inputs and parameters held against their JSON Schema, with messages for people.

Only the words of JSON Schema (draft 2020-12) that our tasks use: ``type``, ``enum``, ``items``,
``properties``, ``required``, ``additionalProperties``, ``minimum``, ``maximum``, ``minItems``,
``minLength``, ``oneOf``. What a value means is checked by the task itself.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from autogpt.core.errors import UsageError

__all__ = ["Schema", "check_inputs", "check_parameters", "object_schema"]

Schema = Mapping[str, Any]
"""A JSON Schema, as plain values."""

_TYPES: dict[str, Callable[[object], bool]] = {
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "array": lambda value: isinstance(value, Sequence) and not isinstance(value, str | bytes),
    "object": lambda value: isinstance(value, Mapping),
    "null": lambda value: value is None,
}
_ARTICLE = {"array": "an array", "integer": "an integer", "object": "an object"}


def object_schema(*required: str, **properties: Schema) -> Schema:
    """Return the schema of an object with these properties and no others."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


def check_parameters(task: str, schema: Schema, given: Mapping[str, object]) -> None:
    """Raise a UsageError if a parameter is unknown, missing or wrong; names the nearest one."""
    known: Mapping[str, Schema] = schema["properties"]
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            listed = ", ".join(known) or "none"
            raise UsageError(
                f"The task {task!r} has no parameter {name!r}.",
                hint=f"Did you mean {near[0]!r}?" if near else f"Parameters: {listed}.",
            )
    for name in schema.get("required", ()):
        if name not in given:
            raise UsageError(
                f"The task {task!r} needs the parameter {name!r}.",
                hint=str(known[name].get("description", "")),
            )
    for name, value in given.items():
        _check(value, known[name], f"{name} of the task {task!r}")


def check_inputs(task: str, schema: Schema, inputs: Sequence[object]) -> None:
    """Raise a UsageError if the inputs are no list, or one of them is wrong."""
    if isinstance(inputs, str | bytes | Mapping) or not isinstance(inputs, Sequence):
        raise UsageError(
            f"The task {task!r} takes a list of inputs.", hint='Write ["one", "another"].'
        )
    for number, value in enumerate(inputs, 1):
        _check(value, schema, f"input {number} of the task {task!r}")


def _check(value: object, schema: Schema, where: str) -> None:
    if "oneOf" in schema:
        _check_options(value, schema["oneOf"], where)
        return
    kind = schema.get("type")
    if kind is not None and not _TYPES[kind](value):
        raise UsageError(
            f"{_upper(where)} is {_shown(value)}, expected {_ARTICLE.get(kind, f'a {kind}')}."
        )
    if isinstance(value, int | float):
        _check_range(value, schema, where)
    elif isinstance(value, str):
        _check_text(value, schema, where)
    elif isinstance(value, Mapping):
        _check_object(value, schema, where)
    elif isinstance(value, Sequence):
        if len(value) < schema.get("minItems", 0):
            raise UsageError(f"{_upper(where)} has {len(value)}, too few.")
        for number, item in enumerate(value, 1):
            _check(item, schema.get("items", {}), f"item {number} in {where}")


def _check_options(value: object, options: Sequence[Schema], where: str) -> None:
    """Hold a value against the first schema of its type, so that the message is of that one."""
    for option in options:
        if _TYPES[option["type"]](value):
            _check(value, option, where)
            return
    names = " or ".join(_ARTICLE.get(o["type"], f"a {o['type']}") for o in options)
    raise UsageError(f"{_upper(where)} is {_shown(value)}, expected {names}.")


def _check_text(value: str, schema: Schema, where: str) -> None:
    if len(value) < schema.get("minLength", 0):
        raise UsageError(f"{_upper(where)} is empty.")
    if value not in schema.get("enum", (value,)):
        near = difflib.get_close_matches(value, schema["enum"], n=1)
        raise UsageError(
            f"{_upper(where)} is {_shown(value)}, expected {' or '.join(schema['enum'])}.",
            hint=f"Did you mean {near[0]!r}?" if near else "",
        )


def _check_range(value: float, schema: Schema, where: str) -> None:
    lowest, highest = schema.get("minimum"), schema.get("maximum")
    if (lowest is None or value >= lowest) and (highest is None or value <= highest):
        return
    if None not in (lowest, highest):
        expected = f"from {lowest} to {highest}"
    else:
        expected = f"{lowest} or more" if highest is None else f"{highest} or less"
    raise UsageError(f"{_upper(where)} is {value}, expected {expected}.")


def _check_object(value: Mapping[object, object], schema: Schema, where: str) -> None:
    known: Mapping[str, Schema] = schema.get("properties", {})
    others: Schema | bool = schema.get("additionalProperties", True)
    for name in schema.get("required", ()):
        if name not in value:
            raise UsageError(f"{_upper(where)} has no {name!r}.")
    for name, item in value.items():
        own = known.get(str(name), others)
        if not isinstance(own, bool):
            _check(item, own, f"{name!r} in {where}")
        elif not own:
            raise UsageError(f"{_upper(where)} has the unknown field {name!r}.")


def _shown(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else f"{shown[:57]}..."


def _upper(where: str) -> str:
    """Begin a sentence, without touching the name of a parameter."""
    return f"{where[0].upper()}{where[1:]}" if where.startswith(("input ", "item ")) else where
