"""What a plan is: a generator that yields what it needs and returns an answer.

::

    def count_rows(goal: Goal) -> Plan:
        table = yield Choose("Which table?", goal.tables, named=goal.named(goal.tables))
        found = yield Use("query_table", {"path": table.option, "sql": "SELECT count(*) FROM t"})
        return Answer(str(found.value["rows"][0][0]), slots=[table])

The loop (``agent.loop``) serves each request: it asks the model, makes the call under the policy
and the journal, and sends back what came of it. So a plan is a state machine that reads from top
to bottom; a small model fills its slots, and it can be resumed because the loop replays what it was
sent. It may not look at the world by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from autogpt.agent.checks import Check
from autogpt.agent.plans.words import is_chinese
from autogpt.core.messages import Message

__all__ = [
    "Answer",
    "Choose",
    "Chosen",
    "Fill",
    "Goal",
    "Plan",
    "Request",
    "Route",
    "Say",
    "Template",
    "Use",
]

Json = Any


@dataclass(frozen=True, kw_only=True, slots=True)
class Goal:
    """What the user wants, and what lies in the folder.

    Attributes:
        text: The user's words.
        files: The folder's files, by path.
        columns: Of each table, the names of its columns.
    """

    text: str
    files: tuple[str, ...] = ()
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def chinese(self) -> bool:
        """Whether it is asked in Chinese."""
        return is_chinese(self.text)

    def of(self, *suffixes: str) -> list[str]:
        """Return the files with one of these suffixes."""
        return [path for path in self.files if path.lower().endswith(suffixes)]


@dataclass(frozen=True, slots=True)
class Use:
    """Call a tool. Gets a :class:`~autogpt.agent.tools.base.Result`.

    Attributes:
        tool: Its name.
        arguments: By name.
        optional: Whether the plan has another way if the call is not allowed; it then gets the
            reason as a result.
    """

    tool: str
    arguments: Mapping[str, Json]
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Choose:
    """Choose one of some options. Gets a :class:`Chosen`.

    Attributes:
        question: What is asked.
        options: What can be chosen.
        named: Those that the user's words name: one of them decides it without the model.
        slot: What the choice is called.
    """

    question: str
    options: Sequence[str]
    named: Sequence[str] = ()
    slot: str = ""


@dataclass(frozen=True, slots=True)
class Fill:
    """Write JSON of a schema. Gets ``(value, confidence)``; value is None if it is none."""

    messages: Sequence[Message]
    schema: Mapping[str, Json]
    max_tokens: int = 256


@dataclass(frozen=True, slots=True)
class Say:
    """Write text. Gets the text."""

    messages: Sequence[Message]
    max_tokens: int = 200


@dataclass(frozen=True, slots=True)
class Route:
    """Find the tools for a request. Gets a list of them, the best first.

    Attributes:
        request: What is wanted.
        most: Tools at most.
        fitting: Only those that are about it at all, perhaps none; else the best, whatever.
    """

    request: str
    most: int = 5
    fitting: bool = True


Request = Use | Choose | Fill | Say | Route


@dataclass(frozen=True, slots=True)
class Chosen:
    """A choice.

    Attributes:
        slot: What it is called.
        option: What was chosen.
        grounded: Whether the user's words, or the lack of another option, decided it.
        confidence: How sure whoever chose was.
    """

    slot: str
    option: str
    grounded: bool
    confidence: float = 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What a plan came to.

    Attributes:
        text: For the user.
        checks: What proves it.
        slots: The choices it rests on.
        covers: Words of the goal that it accounts for.
        meets: Kinds of asks that it meets, see ``plans.coverage``.
        confidence: How sure it is, None where nothing says.
    """

    text: str
    checks: Sequence[Check] = ()
    slots: Sequence[Chosen] = ()
    covers: Sequence[str] = ()
    meets: Collection[str] = ()
    confidence: float | None = None


Plan = Generator[Request, Any, Answer]


@dataclass(frozen=True, kw_only=True, slots=True)
class Template:
    """A kind of goal and how it is reached.

    Attributes:
        name: For people.
        about: What it does, in a sentence.
        fits: How surely a goal is of this kind, from 0 to 1.
        plan: Begins it.
        needs: Tools that it uses.
    """

    name: str
    about: str
    fits: Callable[[Goal], float]
    plan: Callable[[Goal], Plan]
    needs: tuple[str, ...] = field(default=())
