"""Function calls: how a model is told of tools, the grammar of a call, and reading one as it comes.

A call is written as Qwen and Hermes models write it, so that models trained on it know it, and
others are led to it by the grammar::

    <tool_call>
    {"name": "weather", "arguments": {"city": "北京"}}
    </tool_call>

Arguments always follow the function's JSON schema, also when tokens run out: the grammar closes
what is open (``inference.grammar``). Where the model may choose ("auto"), it writes text or calls,
never both in one answer.

Source: the chat template of Qwen2.5 (2024).
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from autogpt.core.messages import Message

__all__ = [
    "OPEN",
    "Call",
    "CallReader",
    "Tool",
    "calls_as_text",
    "explain",
    "grammar",
    "new_call_id",
]

OPEN = "<tool_call>\n"
"""What a call begins with."""
_CLOSE = "\n</tool_call>"
_MOST_CALLS = 8  # of one answer
# A text that does not begin like a call. The grammar's reader takes "<[" for a token.
_TEXT = '"" | "<" | /([^<]|[<][^t])(.|\\n)*/'
_STYLE = {
    "whitespace_flexible": False,
    "item_separator": ", ?",
    "key_separator": ": ?",
    "lenient": False,
    "coerce_one_of": False,
    "json_allowed_escapes": 'nrbtf\\"',
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Tool:
    """A function that may be called.

    Attributes:
        name: Letters, digits, _ and -.
        description: What it does.
        parameters: The JSON schema of its arguments; None for any object.
    """

    name: str
    description: str = ""
    parameters: Mapping[str, Any] | None = None

    @property
    def schema(self) -> Mapping[str, Any]:
        """The schema of the arguments, which are an object in any case."""
        if not self.parameters:
            return {"type": "object"}
        return {"type": "object", **self.parameters}


def explain(tools: Sequence[Tool], messages: Sequence[Message]) -> list[Message]:
    """Return the messages with the tools told in the system's."""
    listed = "\n".join(
        json.dumps(
            {
                "type": "function",
                "function": {
                    "name": tool.name,
                    "description": tool.description,
                    "parameters": tool.schema,
                },
            },
            ensure_ascii=False,
        )
        for tool in tools
    )
    told = (
        "# Tools\n\nYou may call one or more functions to assist with the user query.\n\n"
        "You are provided with function signatures within <tools></tools> XML tags:\n<tools>\n"
        f"{listed}\n</tools>\n\nFor each function call, return a json object with function name "
        "and arguments within <tool_call></tool_call> XML tags:\n<tool_call>\n"
        '{"name": <function-name>, "arguments": <args-json-object>}\n</tool_call>'
    )
    if messages and messages[0].role == "system":
        first = Message("system", f"{messages[0].content}\n\n{told}")
        return [first, *messages[1:]]
    return [Message("system", told), *messages]


def calls_as_text(calls: Sequence[tuple[str, str]]) -> str:
    """Return calls of an earlier turn, each a name and its arguments, as the model wrote them."""
    return "\n".join(
        f'{OPEN}{{"name": {json.dumps(name)}, "arguments": {arguments}}}{_CLOSE}'
        for name, arguments in calls
    )


def grammar(
    tools: Sequence[Tool],
    *,
    choice: Literal["auto", "required"],
    parallel: bool,
    otherwise: Mapping[str, Any] | None = None,
) -> str:
    """Return the rules of an answer, in Lark's syntax.

    Args:
        tools: Those that may be called.
        choice: "required" leaves no text beside calls.
        parallel: Whether there may be several calls.
        otherwise: The schema of the answer where it is not a call; None for any text.
    """
    names = [f"call_{index}" for index in range(len(tools))]
    calls = f'call ("\\n" call)~0..{_MOST_CALLS - 1}' if parallel else "call"
    rules = [f"start: {calls} | text" if choice == "auto" else f"start: {calls}"]
    if choice == "auto":
        rules.append(f"text: {_TEXT if otherwise is None else '%json ' + _inline(otherwise)}")
    rules.append(f"call: {' | '.join(names)}")
    for name, tool in zip(names, tools, strict=True):
        opening = json.dumps(f'{OPEN}{{"name": {json.dumps(tool.name)}, "arguments": ')
        rules.append(f"{name}: {opening} {name}_arguments {json.dumps('}' + _CLOSE)}")
        rules.append(f"{name}_arguments: %json {_inline(tool.schema)}")
    return "\n".join(rules) + "\n"


def _inline(schema: Mapping[str, Any]) -> str:
    """Return a schema as it may stand in a grammar, which has words of its own for tokens."""
    text = json.dumps({**_bare(schema), "x-guidance": _STYLE}, ensure_ascii=False)
    return text.replace("<", "\\u003c").replace("=", "\\u003d")


def _bare(node: Any) -> Any:  # noqa: ANN401 - any JSON
    """Return a schema without what is said to people only."""
    if isinstance(node, Mapping):
        return {
            key: value if key in ("const", "enum") else _bare(value)
            for key, value in node.items()
            if not (key in ("title", "description", "$comment") and isinstance(value, str))
        }
    return [_bare(one) for one in node] if isinstance(node, list) else node


def new_call_id() -> str:
    """Return a name for a call."""
    return f"call_{secrets.token_hex(12)}"


@dataclass(frozen=True, slots=True)
class Call:
    """News of a call.

    Attributes:
        index: Which call of the answer.
        name: Of the function, where the call begins; None later.
        arguments: JSON text to append.
        is_over: Whether the call is complete.
    """

    index: int
    name: str | None
    arguments: str
    is_over: bool


class CallReader:
    """Splits an answer into text and calls while it is being written.

    Args:
        may_call: Whether there may be calls; else all of it is text, whatever it looks like.
    """

    def __init__(self, *, may_call: bool = True) -> None:
        self._held = ""
        self._state: Literal["start", "text", "name", "arguments"]
        self._state = "start" if may_call else "text"
        self.calls = 0

    def push(self, text: str, *, is_last: bool = False) -> list[str | Call]:
        """Return what is certain: text to append, and news of calls."""
        self._held += text
        news: list[str | Call] = []
        while self._advance(news, is_last=is_last):
            pass
        return news

    def _advance(self, news: list[str | Call], *, is_last: bool) -> bool:
        """Read as far as the next turning; return whether there may be more behind it."""
        if self._state == "start":
            return self._read_start(is_last=is_last)
        if self._state == "text":
            if self._held:
                news.append(self._held)
            self._held = ""
            return False
        return self._read_name(news) if self._state == "name" else self._read_arguments(news)

    def _read_start(self, *, is_last: bool) -> bool:
        held = self._held.removeprefix("\n") if self.calls else self._held
        if held.startswith(OPEN):
            self._held, self._state = held[len(OPEN) :], "name"
            return True
        if not is_last and OPEN.startswith(held):
            return False
        self._state = "text"
        return True

    def _read_name(self, news: list[str | Call]) -> bool:
        begin, found, rest = self._held.partition(', "arguments": ')
        if not found:
            return False
        self._held, self._state = rest, "arguments"
        news.append(Call(self.calls, str(json.loads(f"{begin}}}")["name"]), "", is_over=False))
        return True

    def _read_arguments(self, news: list[str | Call]) -> bool:
        end = "}" + _CLOSE
        arguments, found, rest = self._held.partition(end)
        if found:
            self._held, self._state = rest, "start"
            news.append(Call(self.calls, None, arguments, is_over=True))
            self.calls += 1
            return bool(rest)
        safe = len(self._held) - _overlap(self._held, end)
        if safe:
            news.append(Call(self.calls, None, self._held[:safe], is_over=False))
            self._held = self._held[safe:]
        return False


def _overlap(text: str, end: str) -> int:
    """Return the length of the longest end of ``text`` that begins ``end``."""
    sizes = range(min(len(text), len(end) - 1), 0, -1)
    return next((size for size in sizes if text.endswith(end[:size])), 0)
