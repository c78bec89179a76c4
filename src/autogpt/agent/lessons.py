"""Verified runs as examples of how to call tools: chats that ``finetune --task chat`` learns from.

Only calls of runs that code called verified, and only those that a model could have known from the
goal: what a call's arguments hold must be in the goal or in what earlier calls returned. A quarter
of the goals, however often they were reached, are no examples: models are compared on them
(``promotion``).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from autogpt.agent.calls import call_messages
from autogpt.agent.journal import Journal
from autogpt.agent.plans.words import is_chinese
from autogpt.agent.tools.base import Call, Tool
from autogpt.core.messages import Message

__all__ = ["Exam", "exams", "lessons"]

Json = Any
_PARTS = 4  # of the goals one is kept for exams
_MOST_DONE = 3  # calls before, that are shown with what came of them
_MOST_CHARS = 300  # of what came of one


@dataclass(frozen=True, kw_only=True, slots=True)
class Exam:
    """A question whose call is known.

    Attributes:
        messages: The question.
        tool: The one to be called.
        call: The right one.
    """

    messages: Sequence[Message]
    tool: Tool
    call: Call


def lessons(journal: Journal, tools: Mapping[str, Tool]) -> Iterator[dict[str, Json]]:
    """Yield one chat for each call of verified runs, but for those that are kept for exams.

    Args:
        journal: All runs.
        tools: By name, as the agent has them; calls of others are passed over.
    """
    for exam in _known(journal, tools, kept=False):
        turns = [one.to_dict() for one in exam.messages]
        answer = json.dumps(exam.call.to_dict(), ensure_ascii=False)
        yield {"messages": [*turns, {"role": "assistant", "content": answer}]}


def exams(journal: Journal, tools: Mapping[str, Tool]) -> list[Exam]:
    """Return the calls of verified runs that are never lessons: of one goal in four, by its text.

    Args:
        journal: All runs.
        tools: By name.
    """
    return list(_known(journal, tools, kept=True))


def _known(journal: Journal, tools: Mapping[str, Tool], *, kept: bool) -> Iterator[Exam]:
    for row in journal.runs():
        if row.state != "verified" or _is_kept(row.goal) != kept:
            continue
        done: list[str] = []
        for call, result in _calls(journal, row.id):
            tool = tools.get(call["name"])
            shown = json.dumps(result["value"], ensure_ascii=False)[:_MOST_CHARS]
            if tool is not None and result["ok"] and _is_known(call, row.goal, done):
                messages = call_messages(
                    row.goal, [tool], done=done[-_MOST_DONE:], chinese=is_chinese(row.goal)
                )
                own = Call(tool=tool.name, arguments=call["arguments"])
                yield Exam(messages=messages, tool=tool, call=own)
            done.append(f"{json.dumps(call, ensure_ascii=False)} -> {shown}")


def _is_kept(goal: str) -> bool:
    return hashlib.sha256(goal.encode()).digest()[0] % _PARTS == 0


def _calls(journal: Journal, run: str) -> Iterator[tuple[dict[str, Json], dict[str, Json]]]:
    entries = [entry for entry in journal.entries(run) if entry.what == "tool"]
    for intent, result in zip(entries[::2], entries[1::2], strict=False):
        yield intent.payload["call"], result.payload


def _is_known(call: Mapping[str, Json], goal: str, done: Sequence[str]) -> bool:
    """Whether the words of a call's arguments stand in what was known before it."""
    known = " ".join([goal, *done])
    names = [
        value for value in call["arguments"].values() if isinstance(value, str) and " " not in value
    ]
    return all(value in known for value in names)
