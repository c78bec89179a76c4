"""Models that have a short name: what they are, where their files come from, their sha256.

The table is ``catalog.toml`` beside this file; a file of the same form adds names of one's own.
Not here: which of them are on this machine (``store``), how they get there (``pull``).
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

from autogpt.core.config import from_mapping, read_toml
from autogpt.core.errors import ConfigError
from autogpt.core.files import MANIFEST

__all__ = [
    "Catalog",
    "Hub",
    "License",
    "Model",
    "ModelFile",
    "Recommendation",
    "Wheel",
    "is_short_name",
    "nearest",
    "read_catalog",
    "safe_name",
]

_SHORT_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,79}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_REPO = re.compile(r"[\w.-]{1,96}(?:/[\w.-]{1,96})?", re.ASCII)
_PACKAGE = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_VERSION = re.compile(r"[A-Za-z0-9.!+_-]+")

# Bytes of memory for each weight, in bf16, a fifth more for keys, values and passing ones; and what
# Python and torch take before there is any model.
_BYTES_A_WEIGHT = 2 * 1.2
_BASE_BYTES = 500 * 10**6


@dataclass(frozen=True, kw_only=True, slots=True)
class License:
    """Under which terms a model may be used.

    Attributes:
        name: Its short name, as models give it.
        title: What it is called.
        url: Where to read it.
        must_accept: Whether the user has to agree before the model is fetched.
    """

    name: str
    title: str
    url: str
    must_accept: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelFile:
    """One file of a model.

    Attributes:
        name: Its place in the model folder, with ``/``.
        size_bytes: Its length.
        sha256: Of its content, hexadecimal.
        optional: Whether a source may lack it.
    """

    name: str
    size_bytes: int
    sha256: str
    optional: bool = False

    def __post_init__(self) -> None:
        _check(safe_name(self.name), "name", self.name, "a relative path")
        _check(self.name != MANIFEST, "name", self.name, "another name (the store writes that)")
        _check(self.size_bytes > 0, "size_bytes", self.size_bytes, "1 or more")
        _check(_SHA256.fullmatch(self.sha256), "sha256", self.sha256, "64 hexadecimal digits")


@dataclass(frozen=True, kw_only=True, slots=True)
class Hub:
    """A repository of the Hugging Face hub.

    Attributes:
        repo: ``organization/name``.
        revision: A commit, tag or branch.
    """

    repo: str
    revision: str = "main"

    def __post_init__(self) -> None:
        _check(_REPO.fullmatch(self.repo), "repo", self.repo, "organization/name")


@dataclass(frozen=True, kw_only=True, slots=True)
class Wheel:
    """A package of a Python package index that carries files of a model.

    Attributes:
        package: Its name.
        version: The one version that is meant.
        size_bytes: Length of the wheel.
        sha256: Of the wheel.
        files: Names of the model, each with the name inside the wheel.
    """

    package: str
    version: str
    size_bytes: int
    sha256: str
    files: Mapping[str, str]

    def __post_init__(self) -> None:
        _check(_PACKAGE.fullmatch(self.package), "package", self.package, "a package name")
        _check(_VERSION.fullmatch(self.version), "version", self.version, "one version")
        _check(self.size_bytes > 0, "size_bytes", self.size_bytes, "1 or more")
        _check(_SHA256.fullmatch(self.sha256), "sha256", self.sha256, "64 hexadecimal digits")


@dataclass(frozen=True, kw_only=True, slots=True)
class Model:
    """A model that has a short name.

    Attributes:
        name: The short name.
        about: One line.
        license: A key of the catalog's licenses, or any other name of one.
        languages: Two-letter codes; "many" stands for dozens more.
        uses: What it serves for: verbs, and "embed".
        parameters: Number of weights.
        files: What it consists of.
        hub: Where the hub has it.
        wheels: The wheels that carry it; parts of one file in order.
    """

    name: str
    about: str
    license: str
    languages: tuple[str, ...]
    uses: tuple[str, ...]
    parameters: int
    files: tuple[ModelFile, ...]
    hub: Hub | None = None
    wheels: tuple[Wheel, ...] = ()

    def __post_init__(self) -> None:
        _check(is_short_name(self.name), "name", self.name, "lower case, digits, . _ -")
        _check(self.files, "files", [], "one or more")
        known = {file.name for file in self.files}
        carried = {name for wheel in self.wheels for name in wheel.files}
        _check(carried <= known, "wheels", sorted(carried - known), "names of its files")
        required = {file.name for file in self.files if not file.optional}
        lacking = sorted(required - carried) if self.wheels else []
        _check(not lacking, "wheels", lacking, "every file that is not optional")

    @property
    def size_bytes(self) -> int:
        """Length of all its files."""
        return sum(file.size_bytes for file in self.files)

    def to_dict(self) -> dict[str, object]:
        """Return what a user wants to know of it, as plain values."""
        return {
            "name": self.name,
            "about": self.about,
            "license": self.license,
            "languages": list(self.languages),
            "uses": list(self.uses),
            "parameters": self.parameters,
            "size_bytes": self.size_bytes,
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Recommendation:
    """A model of the hub that suits a memory and a use.

    Attributes:
        reference: As for MODEL, ``hf:organization/name``.
        about: One line.
        license: As in :class:`Model`.
        languages: As in :class:`Model`.
        uses: As in :class:`Model`.
        parameters_m: Million weights.
    """

    reference: str
    about: str
    license: str
    languages: tuple[str, ...]
    uses: tuple[str, ...]
    parameters_m: int

    @property
    def memory_bytes(self) -> int:
        """Memory to run it in bf16: 2 bytes a weight and a fifth more, and 0.5 GB for torch."""
        return _BASE_BYTES + round(self.parameters_m * 10**6 * _BYTES_A_WEIGHT)

    def to_dict(self) -> dict[str, object]:
        """Return it as plain values."""
        return {
            "reference": self.reference,
            "about": self.about,
            "license": self.license,
            "languages": list(self.languages),
            "uses": list(self.uses),
            "parameters_m": self.parameters_m,
            "memory_bytes": self.memory_bytes,
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Catalog:
    """All models that have a short name.

    Attributes:
        default: The model of chat, tasks, serve and agent where none is named.
        licenses: By name.
        models: By short name.
        recommended: Models of the hub, smallest first.
    """

    default: str = ""
    licenses: Mapping[str, License] = field(default_factory=dict)
    models: Mapping[str, Model] = field(default_factory=dict)
    recommended: tuple[Recommendation, ...] = ()

    def license_of(self, name: str) -> License:
        """Return what is known of a license; an unknown one has no address to read it at."""
        known = {key.lower(): value for key, value in self.licenses.items()}
        return known.get(name.lower(), License(name=name, title=name or "not stated", url=""))


def read_catalog(own: Path | None = None) -> Catalog:
    """Return the catalog of this package, with the names of a file of one's own added.

    Raises:
        ConfigError: If the file cannot be read, is not a catalog, or takes a name twice.
    """
    shipped = _shipped()
    if own is None:
        return shipped
    added = _parse(read_toml(own), licenses=shipped.licenses)
    for kind, old, new in (
        ("model", shipped.models, added.models),
        ("license", shipped.licenses, added.licenses),
    ):
        twice = sorted(set(old) & set(new))
        if twice:
            raise ConfigError(
                f"The catalog {str(own)!r} names the {kind} {twice[0]!r}, which there is already.",
                hint="Choose another name.",
            )
    return Catalog(
        default=shipped.default,
        licenses={**shipped.licenses, **added.licenses},
        models={**shipped.models, **added.models},
        recommended=(*shipped.recommended, *added.recommended),
    )


@cache
def _shipped() -> Catalog:
    return _parse(read_toml(Path(__file__).with_name("catalog.toml")))


def is_short_name(text: str) -> bool:
    """Whether ``text`` may be the short name of a model."""
    return bool(_SHORT_NAME.fullmatch(text))


def nearest(text: str, names: Collection[str], *, most: int = 3) -> list[str]:
    """Return the names that ``text`` may have meant: those it begins, else those like it."""
    begun = sorted(name for name in names if len(text) >= 3 and name.startswith(text))
    return (begun or difflib.get_close_matches(text, names, n=most, cutoff=0.6))[:most]


def safe_name(name: str) -> bool:
    """Whether ``name`` stays inside the folder it is put into, on every system."""
    parts = PurePosixPath(name).parts
    plain = not re.search(r"[\\:\0]", name) and name == "/".join(parts)
    return plain and bool(parts) and not set(parts) & {"..", "/"}


def _parse(table: Mapping[str, Any], *, licenses: Mapping[str, License] | None = None) -> Catalog:
    named = {key: _with_names(table[key]) for key in ("licenses", "models") if key in table}
    catalog = from_mapping(Catalog, {**table, **named})
    needed = {model.license for model in catalog.models.values()}
    needed |= {each.license for each in catalog.recommended}
    unknown = sorted(needed - set(catalog.licenses) - set(licenses or {}))
    if unknown:
        raise ConfigError(
            f"A catalog names the license {unknown[0]!r}, but its licenses do not have it."
        )
    if catalog.default and catalog.default not in catalog.models:
        raise ConfigError(f"The catalog's default {catalog.default!r} is none of its models.")
    return catalog


def _with_names(tables: object) -> object:
    """Return tables that say their own names."""
    if not isinstance(tables, Mapping):
        return tables
    return {
        name: {"name": name, **table} if isinstance(table, Mapping) else table
        for name, table in tables.items()
    }


def _check(holds: object, name: str, value: object, expected: str) -> None:
    if not holds:
        raise ConfigError(f"{name} = {value!r}: {expected} was expected.")
