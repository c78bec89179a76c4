"""From tools and a request to one valid call: a model writes it under the tool's JSON schema.

The schema that is decoded under is tightened from what the tool asks: nothing but what it names,
required arguments first and optional ones left to the model, values of an enum as they are. What
comes out is JSON that fits, whoever the model is; whether it is the right call shows in its
confidence (``models.sureness``): act from ``ACT``, ask from ``ASK``, below that turn to a larger
model, or say so.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal

from autogpt.agent.models import parsed
from autogpt.agent.tools.base import Call, Tool
from autogpt.core.errors import ConfigError
from autogpt.core.messages import Message, assistant, system, user

__all__ = ["ACT", "ASK", "call_messages", "call_schema", "decide", "read_call", "spans",
           "tightened", "tool_lines"]  # fmt: skip

Json = Any
Decision = Literal["act", "ask", "escalate"]

# Of the geometric mean probability of a call's tokens; set by hand, not yet fitted to how often a
# model is right.
ACT, ASK = 0.80, 0.55

_KEPT = ("type", "enum", "const", "items", "properties", "required", "anyOf", "format", "minimum",
         "maximum", "additionalProperties")  # fmt: skip
_TYPES = {
    "dict": "object", "hashmap": "object", "map": "object", "any": None, "tuple": "array",
    "float": "number", "double": "number", "long": "integer", "int": "integer", "short": "integer",
    "byte": "integer", "bigint": "integer", "char": "string", "str": "string", "bool": "boolean",
    "list": "array", "arraylist": "array", "set": "array",
}  # fmt: skip
_HELD = {"enum", "const", "format", "pattern"}  # what has it is no free text
_DEPTH = 8
_MARKS = " .,;:?!'\"()[]，。；：？！“”‘’（）「」"
_MOST_SPANS = 1000
_MANY = 3  # tools: as many are told in a line each


def decide(confidence: float | None) -> Decision:
    """Return what to do with an answer that a model is so sure of; None counts as unsure."""
    if confidence is None:
        return "ask"
    if confidence >= ACT:
        return "act"
    return "ask" if confidence >= ASK else "escalate"


def call_schema(
    tools: Sequence[Tool], *, may_decline: bool = False, words_of: str | None = None
) -> dict[str, Json]:
    """Return the schema of a call of one of the tools; or of none, ``{"name": "none"}``.

    Args:
        tools: To choose from.
        may_decline: Whether none may be called.
        words_of: Free text in arguments must be words of this text, in its order: a small model
            else copies the description of an argument in place of its value.
    """
    own = spans(words_of) if words_of else []
    options = [
        {
            "type": "object",
            "properties": {
                "name": {"const": tool.name},
                "arguments": _from_words(tightened(tool.schema), own),
            },
            "required": ["name", "arguments"],
            "additionalProperties": False,
        }
        for tool in tools
    ]
    if may_decline:
        options.append(
            {
                "type": "object",
                "properties": {"name": {"const": "none"}},
                "required": ["name"],
                "additionalProperties": False,
            }
        )
    return options[0] if len(options) == 1 else {"anyOf": options}


def spans(text: str, most_words: int = 8) -> list[str]:
    """Return runs of words of a text, without marks at their ends, and the whole text.

    A Chinese character counts as a word.
    """
    places = [found.span() for found in re.finditer(r"[\u3400-\u9fff]|[^\s\u3400-\u9fff]+", text)]
    found = [
        text[places[first][0] : places[last][1]].strip(_MARKS)
        for first in range(len(places))
        for last in range(first, min(len(places), first + most_words))
    ]
    return list(dict.fromkeys(one for one in [*found[:_MOST_SPANS], text.strip()] if one))


def _from_words(schema: dict[str, Json], words: Sequence[str]) -> dict[str, Json]:
    """Return a schema whose free texts are some of these."""
    if not words:
        return schema
    if schema.get("type") == "string" and not _HELD & schema.keys():
        return {"enum": list(words)}
    found = dict(schema)
    if "properties" in found:
        own = found["properties"].items()
        found["properties"] = {name: _from_words(one, words) for name, one in own}
    if isinstance(found.get("items"), dict):
        found["items"] = _from_words(found["items"], words)
    return found


def tightened(  # noqa: C901 - a line a keyword
    schema: Mapping[str, Json], depth: int = 0
) -> dict[str, Json]:
    """Return a schema to decode under: what constrains is kept, annotations are left out.

    Types of other languages, as function descriptions in the wild have them (``dict``, ``float``,
    ``ArrayList``), become those of JSON. Nesting below 8 levels becomes any JSON. Patterns that
    cannot be decoded under, as those that look ahead, are left out: the tool says what it wants.
    """
    if depth > _DEPTH or not isinstance(schema, Mapping):
        return {}
    found: dict[str, Json] = {name: schema[name] for name in _KEPT if name in schema}
    kind = found.get("type")
    if isinstance(kind, str):
        named = _TYPES.get(kind.lower(), kind.lower())
        if named is None:
            del found["type"]
        else:
            found["type"] = named
    if found.get("type") == "object" and "properties" in found:
        own = found["properties"]
        found["properties"] = {name: tightened(one, depth + 1) for name, one in own.items()}
        found["required"] = [name for name in found.get("required") or [] if name in own]
        found["additionalProperties"] = False
    elif found.get("type") == "array":
        found["items"] = tightened(found.get("items") or {}, depth + 1)
    if "anyOf" in found:
        found["anyOf"] = [tightened(one, depth + 1) for one in found["anyOf"]]
    if not found.get("enum", True) or "const" in found:
        found.pop("enum", None)
    if "enum" in found:
        found.pop("type", None)
    elif found.get("type") == "string" and _is_decodable(schema.get("pattern")):
        found["pattern"] = schema["pattern"]
    if found.get("type") not in ("object", "array"):
        for name in ("items", "properties", "required", "additionalProperties"):
            found.pop(name, None)
    return found


def _is_decodable(pattern: Json) -> bool:
    return isinstance(pattern, str) and _is_regular(pattern)


@lru_cache(256)
def _is_regular(pattern: str) -> bool:
    from autogpt.inference.constraint import json_schema

    try:
        json_schema({"type": "string", "pattern": pattern})
    except ConfigError:
        return False
    return True


def call_messages(
    request: str,
    tools: Sequence[Tool],
    *,
    done: Sequence[str] = (),
    chinese: bool = False,
    examples: bool = True,
) -> list[Message]:
    """Return the conversation that asks for a call.

    Args:
        request: What is wanted.
        tools: To choose from.
        done: What was called before and what came of it, a line each.
        chinese: Whether to ask in Chinese.
        examples: Whether to show two calls first, of one tool or two; a model that was taught to
            call needs none.
    """
    many = len(tools) >= _MANY
    described = "\n".join(tool_lines(tool, brief=many) for tool in tools)
    told = "Write the function call that is asked for, as JSON. Values come from the question."
    shown: list[Message] = [system(told)]
    known = _EXAMPLES[1:] if chinese else _EXAMPLES[:2]
    for example in known if examples and not many else ():  # many tools leave no room for them
        shown += [user(f"{example[0]}\n\nQuestion: {example[1]}"), assistant(example[2])]
    history = "".join(f"\n{line}" for line in done)
    return [*shown, user(f"{described}\n\nQuestion: {request}{history}")]


# Calls of functions that no agent has: small models copy the form, and where values come from.
_EXAMPLES = (
    (
        "book_table: Reserve a table in a restaurant.\n"
        "  restaurant (string): Name and city, as in Name, City\n"
        "  people (integer): How many guests\n"
        "  smoking (boolean, optional): Smoking area",
        "Get us a table for four at Chez Paul, Lyon please",
        '{"name": "book_table", "arguments": {"restaurant": "Chez Paul, Lyon", "people": 4}}',
    ),
    (
        "send_note: Send a note to a colleague.\n"
        "  to (string): Who gets it\n"
        "  text (string): The words of the note\n"
        '  urgency (string, one of ["low", "high"]): How urgent it is',
        "Tell Maria Lopez it's urgent: the server is down",
        '{"name": "send_note", "arguments": {"to": "Maria Lopez", "text": "the server is down", '
        '"urgency": "high"}}',
    ),
    (
        "find_train: Find a train.\n  start (string): From where\n  end (string): Where to",
        "从杭州到北京的火车几点开？",
        '{"name": "find_train", "arguments": {"start": "杭州", "end": "北京"}}',
    ),
)


def read_call(text: str, tools: Sequence[Tool]) -> Call | None:
    """Return the call that a model wrote; None if it declines.

    Raises:
        ValueError: If it is no call of one of the tools.
    """
    value = parsed(text)
    if not isinstance(value, dict):
        raise ValueError("a call is an object")
    name = value.get("name")
    if name == "none":
        return None
    arguments = value.get("arguments", {})
    if name not in {tool.name for tool in tools} or not isinstance(arguments, dict):
        raise ValueError(f"{name!r} is not one of the tools")
    return Call(tool=str(name), arguments=arguments)


def tool_lines(tool: Tool, *, brief: bool = False) -> str:
    """Return a tool in a line or two: small models read prose better than a schema.

    Args:
        tool: The tool.
        brief: One line: names, types, and the first sentence of what it does.
    """
    if brief:
        return _brief_line(tool)
    required = set(tool.schema.get("required") or ())
    parts = []
    for name, schema in tool.properties.items():
        kind = schema.get("type", "any")
        facts = [str(kind)] + ([] if name in required else ["optional"])
        if "enum" in schema:
            facts.append("one of " + json.dumps(schema["enum"], ensure_ascii=False))
        elif name not in required and schema.get("default") not in (None, ""):
            facts.append(f"default {json.dumps(schema['default'], ensure_ascii=False)}")
        about = " ".join(str(schema.get("description", "")).split())
        parts.append(f"  {name} ({', '.join(facts)}): {about[:160]}")
    return "\n".join([f"{tool.name}: {' '.join(tool.description.split())[:240]}", *parts])


def _brief_line(tool: Tool) -> str:
    """Return ``name(argument: type, other?: a|b) What it does.``."""
    required = set(tool.schema.get("required") or ())
    parts = []
    for name, schema in tool.properties.items():
        options = schema.get("enum")
        kind = "|".join(map(str, options)) if options else str(schema.get("type", "any"))
        parts.append(f"{name}{'' if name in required else '?'}: {kind[:80]}")
    first = re.split(r"(?<=[.。!?])\s", " ".join(tool.description.split()))[0]
    return f"{tool.name}({', '.join(parts)}) {first[:160]}"
