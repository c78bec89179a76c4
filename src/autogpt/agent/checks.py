"""Checks: what code can find out about a result. Only they can call a run verified.

A goal becomes checks in two ways: what its words demand (``demands``: a file to be written, a
metric to be reached), and what the plan that was taken can prove of its own answer (a figure worked
out a second time by other means, a quote that stands in its source). Whoever starts a run can add
more. A run is *verified* if at least one check that speaks for the goal passed and none failed. A
model can neither add a check that counts nor pass one.
"""

from __future__ import annotations

import csv
import io
import json
import shlex
import tempfile
import tomllib
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from xml.etree import ElementTree

from autogpt.agent.tools.base import ToolError, misfit
from autogpt.agent.tools.folder import Folder
from autogpt.core.errors import AutoGPTError

__all__ = [
    "Check",
    "Checked",
    "Command",
    "FileParses",
    "Grounded",
    "Metric",
    "Quote",
    "Same",
    "Scene",
    "Schema",
    "judge",
    "run_checks",
]

Json = Any


@dataclass(frozen=True, kw_only=True, slots=True)
class Scene:
    """What a check sees.

    Attributes:
        folder: The folder of the run.
        answer: What the agent answered.
        measured: Metrics that code measured in this run, by model folder and name.
    """

    folder: Folder
    answer: str
    measured: Mapping[tuple[str, str], float]


@dataclass(frozen=True, kw_only=True, slots=True)
class Checked:
    """What a check found.

    Attributes:
        name: What was checked.
        passed: Whether it holds.
        detail: What was found.
        speaks: Whether passing says something for the goal.
    """

    name: str
    passed: bool
    detail: str
    speaks: bool = True

    def to_dict(self) -> dict[str, Json]:
        """Return plain values."""
        return {"name": self.name, "passed": self.passed, "detail": self.detail}


class Check(Protocol):
    """Something that code can find out."""

    def run(self, scene: Scene) -> Checked:
        """Find it out."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class FileParses:
    """A file exists, is not empty, and is what its suffix says.

    Attributes:
        path: In the folder.
        was: Its sha256 before the run; where given, it must have changed. ``""`` is no file.
    """

    path: str
    was: str | None = None
    speaks: bool = True

    def run(self, scene: Scene) -> Checked:
        """Read and parse it."""
        name = f"{self.path} exists and parses"
        try:
            content = scene.folder.read(self.path)
            parse_file(self.path, content)
        except (ToolError, ValueError) as error:
            return Checked(name=name, passed=False, detail=str(error), speaks=self.speaks)
        if not content.strip():
            return Checked(name=name, passed=False, detail="It is empty.", speaks=self.speaks)
        if self.was is not None and scene.folder.sha256(self.path) == self.was:
            detail = "It is what it was before the run."
            return Checked(name=name, passed=False, detail=detail, speaks=self.speaks)
        return Checked(name=name, passed=True, detail=f"{len(content)} bytes", speaks=self.speaks)


@dataclass(frozen=True, kw_only=True, slots=True)
class Command:
    """A command exits with 0, in the sandbox, with the folder to read from."""

    command: str

    def run(self, scene: Scene) -> Checked:
        """Run it."""
        from autogpt.agent.escapes import find_sandbox

        name = f"command exits 0: {self.command}"
        with tempfile.TemporaryDirectory() as place:
            scratch = Path(place, "scratch")
            scratch.mkdir()
            for path in scene.folder.files():
                copy = scratch / path
                copy.parent.mkdir(parents=True, exist_ok=True)
                copy.write_bytes(scene.folder.read(path))
            ran = find_sandbox().run(shlex.split(self.command), scratch=scratch)
        last = (ran.stderr or ran.stdout).strip().splitlines()[-1:]
        return Checked(
            name=name, passed=ran.code == 0, detail=f"exit code {ran.code}: {' '.join(last)}"[:300]
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Metric:
    """A metric that code measured in this run is at least so much.

    Attributes:
        name: As in ``accuracy``.
        at_least: From 0 to 1 for shares.
        model: Of which model; None: of any that was measured.
    """

    name: str
    at_least: float
    model: str | None = None

    def run(self, scene: Scene) -> Checked:
        """Look it up among what was measured."""
        name = f"{self.name} >= {self.at_least:g}"
        found = [
            value
            for (model, metric), value in scene.measured.items()
            if metric == self.name and self.model in (None, model)
        ]
        if not found:
            return Checked(name=name, passed=False, detail="It was not measured in this run.")
        return Checked(
            name=name, passed=found[-1] >= self.at_least, detail=f"measured {found[-1]:.4f}"
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Schema:
    """A JSON file, or the answer, fits a schema.

    Attributes:
        schema: JSON schema.
        path: The file; of ``.jsonl`` every line; None: the answer.
    """

    schema: Mapping[str, Json]
    path: str | None = None

    def run(self, scene: Scene) -> Checked:
        """Compare."""
        name = f"{self.path or 'the answer'} fits the schema"
        try:
            text = scene.answer if self.path is None else scene.folder.text(self.path)
            lines = text.splitlines() if (self.path or "").endswith(".jsonl") else [text]
            problems = [misfit(json.loads(line), self.schema) for line in lines if line.strip()]
        except (ToolError, ValueError) as error:
            return Checked(name=name, passed=False, detail=str(error))
        wrong = [problem for problem in problems if problem]
        if not problems:
            wrong = ["is empty"]
        return Checked(name=name, passed=not wrong, detail=wrong[0] if wrong else "it does")


@dataclass(frozen=True, kw_only=True, slots=True)
class Quote:
    """A quote stands in its source, but for spaces."""

    quote: str
    path: str
    speaks: bool = True

    def run(self, scene: Scene) -> Checked:
        """Look for it."""
        name = f"the quote is in {self.path}"
        try:
            source = scene.folder.text(self.path)
        except ToolError as error:
            return Checked(name=name, passed=False, detail=str(error), speaks=self.speaks)
        held = bool(_squeezed(self.quote)) and _squeezed(self.quote) in _squeezed(source)
        shown = f"{self.quote[:80]!r}"
        return Checked(name=name, passed=held, detail=shown, speaks=self.speaks)


@dataclass(frozen=True, kw_only=True, slots=True)
class Same:
    """What was answered is what comes out when it is worked out again, by other means.

    Attributes:
        what: Of what.
        claimed: What the answer says.
        again: Works it out from the files.
    """

    what: str
    claimed: Json
    again: Callable[[Folder], Json]

    def run(self, scene: Scene) -> Checked:
        """Work it out."""
        name = f"{self.what}, worked out again"
        try:
            found = self.again(scene.folder)
        except (AutoGPTError, ValueError, ArithmeticError, LookupError, TypeError) as error:
            return Checked(name=name, passed=False, detail=str(error))
        same = alike(self.claimed, found)
        detail = f"{found!r:.120}" if same else f"{found!r:.120}, not {self.claimed!r:.120}"
        return Checked(name=name, passed=same, detail=detail)


@dataclass(frozen=True, kw_only=True, slots=True)
class Grounded:
    """Every choice that the plan made is one that the goal's own words name.

    Attributes:
        slots: What each choice is, by its name: None where the words decided it, else what was
            chosen without them.
    """

    slots: Mapping[str, str | None]

    def run(self, scene: Scene) -> Checked:  # noqa: ARG002 - as of Check
        """Look for choices that nobody asked for."""
        guessed = [f"{name} = {value}" for name, value in self.slots.items() if value is not None]
        return Checked(
            name="every choice is named in the goal",
            passed=not guessed,
            detail=f"guessed: {', '.join(guessed)}" if guessed else ", ".join(self.slots),
            speaks=False,
        )


def run_checks(checks: Sequence[Check], scene: Scene) -> list[Checked]:
    """Run all; one that breaks has failed."""
    found = []
    for check in checks:
        try:
            found.append(check.run(scene))
        except AutoGPTError as error:
            found.append(Checked(name=type(check).__name__, passed=False, detail=str(error)))
    return found


def judge(checked: Sequence[Checked]) -> str:
    """Return ``verified`` or ``unverified``."""
    speaking = any(one.passed and one.speaks for one in checked)
    return "verified" if speaking and all(one.passed for one in checked) else "unverified"


def parse_file(path: str, content: bytes) -> None:  # noqa: C901 - a line a format
    """Read a file as what its suffix says.

    Raises:
        ValueError: If it is something else.
    """
    suffix = path[path.rfind(".") + 1 :].lower()
    if suffix == "parquet":
        from pyarrow import ArrowException, parquet

        try:
            parquet.read_schema(io.BytesIO(content))
        except ArrowException as error:
            raise ValueError(f"{path} is not Parquet: {error}") from error
        return
    text = content.decode("utf-8-sig")
    if suffix == "json":
        json.loads(text)
    elif suffix == "jsonl":
        for line in text.splitlines():
            if line.strip():
                json.loads(line)
    elif suffix in ("csv", "tsv"):
        rows = list(csv.reader(io.StringIO(text), delimiter="\t" if suffix == "tsv" else ","))
        if len({len(row) for row in rows if row}) > 1:
            raise ValueError(f"{path} has rows of different lengths")
    elif suffix == "toml":
        tomllib.loads(text)
    elif suffix == "xml":
        if "<!DOCTYPE" in text or "<!ENTITY" in text:
            raise ValueError(f"{path} declares entities")
        try:
            ElementTree.fromstring(text)
        except ElementTree.ParseError as error:
            raise ValueError(f"{path} is not XML: {error}") from error


def alike(one: Json, other: Json) -> bool:
    """Whether two values are the same, numbers up to rounding."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, int | float) and isinstance(other, int | float):
        return abs(one - other) <= 1e-9 * max(1.0, abs(one), abs(other))
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(alike, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(alike(one[key], other[key]) for key in one)
    return type(one) is type(other) and bool(one == other)


def _squeezed(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).split())
