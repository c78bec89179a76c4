"""What a tool is: a function, the JSON schema of its arguments, and what it may change.

::

    def search(query: str, limit: int = 5) -> list[str]:
        '''Find notes that mention something.

Args:
            query: What to look for.
            limit: Most notes to return.
        '''

    as_tool(search).schema    # {"type": "object", "properties": {"query": {"type": "string", ...

The schema comes from the type hints, the descriptions from the docstring (Google style). A model's
arguments are checked against it again before the function sees them: a schema that was obeyed while
decoding is a habit, not a guarantee.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import math
import re
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, get_args, get_origin

from autogpt.agent.journal import Effect
from autogpt.core.errors import AutoGPTError, UsageError

__all__ = ["Call", "Cost", "Result", "Tool", "ToolError", "as_tool", "tool"]

Json = Any
F = TypeVar("F", bound=Callable[..., Any])

_TYPES: dict[object, str] = {str: "string", int: "integer", float: "number", bool: "boolean"}
_SHOWN_CHARS = 2000  # of a result, to a model: some 500 tokens


class ToolError(AutoGPTError):
    """A tool could not do what was asked; the model is told the sentence and may mend the call."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Cost:
    """What something takes, or may take at most.

    Attributes:
        steps: Calls of tools and failed parses.
        tokens: Read and written by a model.
        wall_s: Seconds on the clock.
        money: In the currency of the endpoint's prices.
        cpu_s: Processor seconds of training.
        disk_bytes: Bytes written.
    """

    steps: int = 0
    tokens: int = 0
    wall_s: float = 0.0
    money: float = 0.0
    cpu_s: float = 0.0
    disk_bytes: int = 0

    def __add__(self, other: Cost) -> Cost:
        """Return the sum."""
        return Cost(**{name: getattr(self, name) + getattr(other, name) for name in COSTS})

    def __sub__(self, other: Cost) -> Cost:
        """Return the difference."""
        return Cost(**{name: getattr(self, name) - getattr(other, name) for name in COSTS})

    def to_dict(self) -> dict[str, float]:
        """Return what is not zero."""
        return {name: value for name in COSTS if (value := getattr(self, name))}


COSTS = ("steps", "tokens", "wall_s", "money", "cpu_s", "disk_bytes")


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """A tool's name and arguments."""

    tool: str
    arguments: Mapping[str, Json]

    def to_dict(self) -> dict[str, Json]:
        """Return plain values."""
        return {"name": self.tool, "arguments": dict(self.arguments)}


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """What came of a call.

    Attributes:
        ok: Whether the tool did it.
        value: What it returned, or the sentence that says what is wrong.
    """

    ok: bool
    value: Json

    @property
    def text(self) -> str:
        """The value as a model sees it: cut, and said so, where it is long."""
        text = (
            self.value
            if isinstance(self.value, str)
            else json.dumps(self.value, ensure_ascii=False)
        )
        if len(text) > _SHOWN_CHARS:
            text = f"{text[:_SHOWN_CHARS]} ... ({len(text):,} characters, cut)"
        return text if self.ok else f"Error: {text}"

    def to_dict(self) -> dict[str, Json]:
        """Return plain values."""
        return {"ok": self.ok, "value": self.value}


@dataclass(frozen=True, kw_only=True, slots=True)
class Tool:
    """A function that a model may call.

    Attributes:
        name: Unique among the tools of an agent.
        description: What it does, in a sentence or two.
        schema: JSON schema of its arguments, an object.
        run: Does it; gets the arguments by name, returns JSON.
        effect: What it may change.
        aims: Arguments that say where an effect goes (a path, an address, a command): with
            ``--yes`` alone it only goes where the user's own words point.
        reconcile: Of an effect that was begun: its result if it happened, None if it did not;
            raises ``LookupError`` if that cannot be told. Gets the arguments by name.
        cost: The most that a call takes, for what is reserved before it.
        outside: Whether its results hold what strangers wrote.
        version: Part of the fingerprint; of an MCP server's tool, where it comes from.
        close: Ends what its calls began, when a run ends.
    """

    name: str
    description: str
    schema: Mapping[str, Json]
    run: Callable[..., Json]
    effect: Effect = "effect"
    aims: tuple[str, ...] = ()
    reconcile: Callable[..., Json | None] | None = None
    cost: Callable[[Mapping[str, Json]], Cost] | None = None
    outside: bool = True
    version: str = ""
    close: Callable[[], None] | None = None

    @property
    def fingerprint(self) -> str:
        """Hash of what the user approves when a tool is approved: any change needs a new one."""
        return digest(self.name, self.description, self.schema, self.effect, self.version)

    @property
    def properties(self) -> Mapping[str, Mapping[str, Json]]:
        """The schema of each argument."""
        found: Mapping[str, Mapping[str, Json]] = self.schema.get("properties", {})
        return found

    def to_openai(self) -> dict[str, Json]:
        """Return it as the ``tools`` of OpenAI's API have it."""
        return {
            "type": "function",
            "function": {
                "name": self.name,
                "description": self.description,
                "parameters": dict(self.schema),
            },
        }

    def call(self, arguments: Mapping[str, Json]) -> Result:
        """Check the arguments and run; what the tool refuses is a result, too."""
        try:
            checked = check_arguments(self, arguments)
            return Result(ok=True, value=self.run(**checked))
        except AutoGPTError as error:
            return Result(ok=False, value=str(error))
        except Exception as error:  # noqa: BLE001 - a tool is anybody's code
            return Result(ok=False, value=f"{type(error).__name__}: {error}")

    def reserve(self, arguments: Mapping[str, Json]) -> Cost:
        """Return the most that a call takes."""
        own = Cost() if self.cost is None else self.cost(arguments)
        return own + Cost(steps=1)


def digest(*parts: Json) -> str:
    """Return the sha256 of JSON values."""
    text = json.dumps(parts, ensure_ascii=False, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def tool(
    *,
    effect: Effect = "effect",
    aims: Sequence[str] = (),
    name: str | None = None,
    outside: bool = True,
) -> Callable[[F], F]:
    """Say of a function what it may change when it is a tool; see :class:`Tool`."""

    def mark(function: F) -> F:
        function.__tool__ = {  # type: ignore[attr-defined]  # read by as_tool
            "effect": effect,
            "aims": tuple(aims),
            "name": name,
            "outside": outside,
        }
        return function

    return mark


def as_tool(function: Callable[..., Json] | Tool) -> Tool:
    """Return a function as a tool; without :func:`tool` it counts as having effects.

    Raises:
        UsageError: If it has no docstring, or a parameter that no JSON schema can describe.
    """
    if isinstance(function, Tool):
        return function
    marks: dict[str, Any] = getattr(function, "__tool__", {})
    name = str(marks.get("name") or getattr(function, "__name__", type(function).__name__))
    summary, described = _read_docstring(inspect.getdoc(function) or "")
    if not summary:
        raise UsageError(
            f"The function {name!r} has no docstring, so no model could know what it does.",
            hint="Write one sentence, and what each argument is.",
        )
    return Tool(
        name=name,
        description=summary,
        schema=_schema_of(function, name, described),
        run=function,
        effect=marks.get("effect", "effect"),
        aims=marks.get("aims", ()),
        outside=marks.get("outside", True),
    )


def check_arguments(tool: Tool, arguments: Mapping[str, Json]) -> dict[str, Json]:
    """Return the arguments if they fit the schema.

    Raises:
        ToolError: That names the first that does not.
    """
    known = tool.properties
    for name in arguments:
        if name not in known and tool.schema.get("additionalProperties") is not True:
            raise ToolError(f"{tool.name} has no argument {name!r}.", hint=f"It has: {[*known]}.")
    for name in tool.schema.get("required", ()):
        if name not in arguments:
            raise ToolError(f"{tool.name} needs the argument {name!r}.")
    for name, value in arguments.items():
        problem = misfit(value, known.get(name, {}))
        if problem:
            raise ToolError(f"The argument {name!r} of {tool.name} {problem}.")
    return dict(arguments)


_CHECKS: dict[str, Callable[[Json], bool]] = {
    "string": lambda value: isinstance(value, str),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: (
        isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    ),
    "boolean": lambda value: isinstance(value, bool),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
    "null": lambda value: value is None,
}


def misfit(value: Json, schema: Mapping[str, Json]) -> str:
    """Return what keeps a value from fitting the part of JSON schema that tools use, or ""."""
    options = schema.get("anyOf")
    if options:
        problems = [misfit(value, option) for option in options]
        return problems[0] if all(problems) else ""
    if "enum" in schema and value not in schema["enum"]:
        return f"is {value!r:.60}, expected one of {schema['enum']!r:.200}"
    kind = schema.get("type")
    kinds = kind if isinstance(kind, list) else [kind] if kind else []
    if kinds and not any(_CHECKS.get(one, lambda _value: True)(value) for one in kinds):
        return f"is {value!r:.60}, expected {' or '.join(kinds)}"
    if isinstance(value, list):
        found = (misfit(item, schema.get("items", {})) for item in value)
        return next((f"has an item that {problem}" for problem in found if problem), "")
    if isinstance(value, dict):
        return _object_misfit(value, schema)
    return ""


def _object_misfit(value: Mapping[str, Json], schema: Mapping[str, Json]) -> str:
    for name in schema.get("required", ()):
        if name not in value:
            return f"lacks {name!r}"
    known = schema.get("properties", {})
    for name, item in value.items():
        if name not in known and schema.get("additionalProperties") is False:
            return f"has {name!r}, which is not known"
        problem = misfit(item, known.get(name, {}))
        if problem:
            return f"has {name!r}, which {problem}"
    return ""


def _read_docstring(text: str) -> tuple[str, dict[str, str]]:
    """Return the first paragraph, and what it says of each argument."""
    summary = " ".join(text.split("\n\n", 1)[0].split())
    section = re.search(r"^Args:\n((?:[ \t]+.*\n?|\n)+)", text, re.MULTILINE)
    described: dict[str, str] = {}
    if section:
        for match in re.finditer(r"^ {4}(\w+)(?: \(.*?\))?: (.*(?:\n {5,}.*)*)", section[1], re.M):
            described[match[1]] = " ".join(match[2].split())
    return summary, described


def _schema_of(
    function: Callable[..., Json], name: str, described: Mapping[str, str]
) -> dict[str, Json]:
    signature = inspect.signature(function)
    hints = typing.get_type_hints(function)
    properties: dict[str, Json] = {}
    required = []
    for parameter in signature.parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise UsageError(f"The function {name!r} takes *args or **kwargs, a tool may not.")
        hint = hints.get(parameter.name, str)
        try:
            properties[parameter.name] = _schema_of_hint(hint)
        except TypeError as error:
            raise UsageError(
                f"The argument {parameter.name!r} of {name!r} is {hint!r}, which no model can "
                "write.",
                hint="Use str, int, float, bool, Literal, list, dict, a TypedDict, or None.",
            ) from error
        if parameter.name in described:
            properties[parameter.name]["description"] = described[parameter.name]
        if parameter.default is parameter.empty:
            required.append(parameter.name)
        elif parameter.default is not None and isinstance(parameter.default, str | int | float):
            properties[parameter.name]["default"] = parameter.default
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def _schema_of_hint(hint: Any) -> dict[str, Json]:  # noqa: ANN401 - a type is any object
    if hint in _TYPES:
        return {"type": _TYPES[hint]}
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin in (list, Sequence, tuple) or hint is list:
        return {"type": "array", "items": _schema_of_hint(arguments[0]) if arguments else {}}
    if origin in (dict, Mapping) or hint is dict:
        inner = _schema_of_hint(arguments[1]) if len(arguments) == 2 else True
        return {"type": "object", "additionalProperties": inner}
    if origin in (typing.Union, types.UnionType):
        return {"anyOf": [_schema_of_hint(one) for one in arguments]}
    if hint is type(None):
        return {"type": "null"}
    if typing.is_typeddict(hint):
        fields = typing.get_type_hints(hint)
        return {
            "type": "object",
            "properties": {key: _schema_of_hint(one) for key, one in fields.items()},
            "required": sorted(hint.__required_keys__),
            "additionalProperties": False,
        }
    if hint is Any or hint is object:
        return {}
    raise TypeError(hint)
