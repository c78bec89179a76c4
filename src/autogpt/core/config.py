"""Settings: TOML and ``--set`` strings to frozen dataclasses, strictly, and back.

An unknown key is an error that names the nearest known one. Not here: what the settings mean;
each dataclass checks its own values.
"""

from __future__ import annotations

import difflib
import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from autogpt.core.errors import ConfigError

__all__ = [
    "dump_toml",
    "flatten",
    "from_mapping",
    "merge",
    "parse_settings",
    "read_toml",
    "to_mapping",
]

T = TypeVar("T")


def from_mapping(cls: type[T], mapping: Mapping[str, object], *, where: str = "") -> T:
    """Build the frozen dataclass ``cls`` from nested mappings.

    Raises:
        ConfigError: If a key is unknown or missing, or a value has the wrong type.
    """
    hints = get_type_hints(cls)
    names = [field.name for field in fields(cls)]  # type: ignore[arg-type]  # cls is a dataclass
    values: dict[str, Any] = {}
    for key, value in mapping.items():
        if key not in names:
            near = difflib.get_close_matches(key, names, n=1)
            hint = f"Did you mean {where}{near[0]}?" if near else f"Known: {', '.join(names)}."
            raise ConfigError(f"Unknown setting {where + key!r}.", hint=hint)
        values[key] = _convert(hints[key], value, where=f"{where}{key}")
    for field in fields(cls):  # type: ignore[arg-type]  # cls is a dataclass
        absent = field.name not in values
        if absent and field.default is MISSING and field.default_factory is MISSING:
            raise ConfigError(f"{where}{field.name} is missing.")
    return cls(**values)


def _convert(kind: Any, value: object, *, where: str) -> object:  # noqa: ANN401 - a type hint
    if is_dataclass(kind) and isinstance(kind, type):
        if not isinstance(value, Mapping):
            raise ConfigError(f"{where} = {value!r}: a table of settings was expected.")
        return from_mapping(kind, value, where=f"{where}.")
    if get_origin(kind) in (tuple, Mapping):
        return _convert_all(kind, value, where=where)
    for part in _parts(kind):  # a table, or nothing
        if is_dataclass(part) and isinstance(value, Mapping):
            return _convert(part, value, where=where)
    allowed = {part for part in (bool, int, float, str) if part is kind or part in _parts(kind)}
    if isinstance(value, int) and not isinstance(value, bool) and float in allowed:
        return value if int in allowed else float(value)
    if allowed and type(value) not in allowed:
        expected = " or ".join(sorted(part.__name__ for part in allowed))
        raise ConfigError(f"{where} = {value!r}: {expected} was expected.")
    return value


def _convert_all(kind: Any, value: object, *, where: str) -> object:  # noqa: ANN401 - a type hint
    """Convert a list for ``tuple[X, ...]``, or a table for ``Mapping[str, X]``."""
    if get_origin(kind) is tuple:
        if not isinstance(value, list | tuple):
            raise ConfigError(f"{where} = {value!r}: a list was expected.")
        return tuple(_convert(get_args(kind)[0], each, where=where) for each in value)
    if not isinstance(value, Mapping):
        raise ConfigError(f"{where} = {value!r}: a table was expected.")
    inner = get_args(kind)[1]
    return {key: _convert(inner, each, where=f"{where}.{key}") for key, each in value.items()}


def _parts(kind: Any) -> tuple[object, ...]:  # noqa: ANN401 - a type hint
    return get_args(kind) if get_origin(kind) in (Union, UnionType) else ()


def to_mapping(config: object) -> dict[str, object]:
    """Return a dataclass as nested plain values, absent ones left out."""
    result: dict[str, object] = {}
    for field in fields(config):  # type: ignore[arg-type]  # config is a dataclass
        value = getattr(config, field.name)
        if value is not None:
            result[field.name] = to_mapping(value) if is_dataclass(value) else value
    return result


def parse_settings(items: Sequence[str]) -> dict[str, object]:
    """Return nested settings for items like ``training.lr=3e-4``; a bare word is a string.

    Raises:
        ConfigError: If an item has no ``=``.
    """
    result: dict[str, object] = {}
    for item in items:
        key, equals, text = item.partition("=")
        if not equals or not key.strip():
            raise ConfigError(f"{item!r} is not a setting.", hint="Write it like training.lr=3e-4.")
        try:
            value: object = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            value = text
        for part in reversed(key.strip().split(".")):
            value = {part: value}
        result = merge(result, value)  # type: ignore[arg-type]  # a mapping after the loop
    return result


def merge(*layers: Mapping[str, object]) -> dict[str, object]:
    """Return the layers as one; later ones win, tables are merged."""
    result: dict[str, object] = {}
    for layer in layers:
        for key, value in layer.items():
            old = result.get(key)
            both = isinstance(old, Mapping) and isinstance(value, Mapping)
            result[key] = merge(old, value) if both else value  # type: ignore[arg-type]  # both
    return result


def flatten(settings: Mapping[str, object], *, prefix: str = "") -> dict[str, object]:
    """Return nested settings by their dotted names, as in ``training.lr``."""
    flat: dict[str, object] = {}
    for name, value in settings.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, prefix=f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = value
    return flat


def read_toml(path: Path) -> dict[str, object]:
    """Read a recipe.

    Raises:
        ConfigError: If it is missing or not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"The recipe {str(path)!r} cannot be read.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"The recipe {str(path)!r} is not TOML: {error}.") from error


def dump_toml(mapping: Mapping[str, object], *, prefix: str = "") -> str:
    """Return nested mappings of plain values as TOML."""
    plain = [(key, value) for key, value in mapping.items() if not isinstance(value, Mapping)]
    text = "".join(f"{key} = {json.dumps(value, ensure_ascii=False)}\n" for key, value in plain)
    for key, value in mapping.items():
        if isinstance(value, Mapping):
            text += f"\n[{prefix}{key}]\n" + dump_toml(value, prefix=f"{prefix}{key}.")
    return text
