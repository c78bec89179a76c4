"""Whether a model can plan freely: a few goals whose tools are there, measured and remembered.

Each question has one right next call among five tools. A model that writes at least three quarters
of them right plans by itself (``plans.free.step_by_step``); another fills the slots of plans. The
answer is kept for the model's name in the user's cache.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from autogpt.agent.calls import call_messages, call_schema, read_call
from autogpt.agent.models import AgentModel
from autogpt.agent.tools.base import Tool, as_tool, tool
from autogpt.core import memo

__all__ = ["QUESTIONS", "Probed", "probe", "remembered", "same_value"]

_ENOUGH = 0.75


@tool(effect="read")
def _read_file(path: str) -> None:
    """Read a text file.

    Args:
        path: The file.
    """


@tool(effect="read")
def _count_rows(path: str) -> None:
    """Count the rows of a table.

    Args:
        path: The table.
    """


@tool(effect="read")
def _search(query: str) -> None:
    """Search all notes for words.

    Args:
        query: The words.
    """


@tool(effect="read")
def _calculate(expression: str) -> None:
    """Work out an arithmetic expression.

    Args:
        expression: As in 2 * (3 + 4).
    """


@tool(effect="effect", aims=("path",))
def _write(path: str, text: str) -> None:
    """Write a text into a file.

    Args:
        path: The file.
        text: What to write.
    """


QUESTIONS: tuple[tuple[str, str, dict[str, str]], ...] = (
    ("Show me what is in report.md.", "read_file", {"path": "report.md"}),
    ("How many rows does sales.csv have?", "count_rows", {"path": "sales.csv"}),
    ("Which notes speak of the boiler?", "search", {"query": "boiler"}),
    ("What is 17 * 23?", "calculate", {"expression": "17 * 23"}),
    ("Write the word hello into greeting.txt.", "write", {"path": "greeting.txt", "text": "hello"}),
    ("Open the file ideas/2024.txt.", "read_file", {"path": "ideas/2024.txt"}),
    ("Find my notes about the garden fence.", "search", {"query": "garden fence"}),
    ("Count the entries in data/users.csv.", "count_rows", {"path": "data/users.csv"}),
    ("订单.csv有多少行？", "count_rows", {"path": "订单.csv"}),
    ("读取计划.txt的内容。", "read_file", {"path": "计划.txt"}),
    ("哪些笔记提到了锅炉？", "search", {"query": "锅炉"}),
    ("计算 (5 + 7) * 3。", "calculate", {"expression": "(5 + 7) * 3"}),
)
"""A request, the tool that answers it, and what its arguments are."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Probed:
    """What was measured.

    Attributes:
        model: Whose name.
        right: Calls that were right.
        asked: Questions.
        plans: Whether it plans freely from now on.
    """

    model: str
    right: int
    asked: int
    plans: bool

    @property
    def share(self) -> float:
        """How much was right."""
        return self.right / self.asked

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)


def probe(model: AgentModel) -> Probed:
    """Measure a model and remember what it can."""
    tools = [_named(one) for one in (_read_file, _count_rows, _search, _calculate, _write)]
    right = 0
    for request, name, arguments in QUESTIONS:
        reply = model.fill(call_messages(request, tools), call_schema(tools), max_tokens=96)
        try:
            call = read_call(reply.text, tools)
        except ValueError:
            continue
        if call is not None and call.tool == name:
            right += all(
                same_value(call.arguments.get(key), value) for key, value in arguments.items()
            )
    found = Probed(
        model=model.name,
        right=right,
        asked=len(QUESTIONS),
        plans=right >= _ENOUGH * len(QUESTIONS),
    )
    memo.remember(_key(model.name), {"plans": found.plans, "share": found.share})
    model.plans = found.plans
    return found


def remembered(model: str) -> bool | None:
    """Return whether a model plans freely, None if it was never measured."""
    kept = memo.recall(_key(model))
    return None if kept is None else bool(kept.get("plans"))


def _key(model: str) -> str:
    return f"agent plans: {model}"


def _named(function: Any) -> Tool:  # noqa: ANN401 - a function
    from dataclasses import replace

    made = as_tool(function)
    return replace(made, name=made.name.removeprefix("_"))


def same_value(one: object, other: str) -> bool:
    """Whether two values are the same but for spaces, case, and marks at their ends."""
    return _squeezed(one) == _squeezed(other)


def _squeezed(value: object) -> str:
    return "".join(str(value).split()).strip(".\"'").lower()
