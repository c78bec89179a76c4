"""From the words of a goal to a question to a table: operation, columns, conditions, order.

Words fill every slot that they name; what they leave open the model chooses, and then the answer is
not called verified. ``Slots.covers`` and ``Slots.meets`` say which words were understood, for
``coverage``.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Sequence
from typing import Any

from autogpt.agent.demands import outputs
from autogpt.agent.plans import words
from autogpt.agent.plans.base import Choose, Chosen, Goal, Request
from autogpt.agent.plans.columns import columns_of, joined, whole_rows
from autogpt.agent.plans.conditions import conditions, is_compared
from autogpt.agent.plans.coverage import asks
from autogpt.agent.plans.query import Condition, Query
from autogpt.agent.plans.slots import (
    Slots,
    asks_for_row,
    in_columns,
    named_columns,
    parts_of,
    rows_called,
    stem_of,
    without_columns,
)

__all__ = ["question"]

_NAMES = (
    "argmax", "argmin", "sum", "mean", "min", "max", "median", "count", "distinct", "list",
)  # fmt: skip
_QUANTITY = ("units", "unit", "quantity", "qty", "count", "pieces", "数量", "件数", "个数")
_PLACES = re.compile(
    r"\b(?:top|first|best|bottom|last|worst)\s+(\d+|one|two|three|four|five|six|seven|eight|"
    r"nine|ten)\b"
    r"|\b(\d+|two|three|four|five|six|seven|eight|nine|ten)\s+(?:\w+\s+){0,2}?(?:highest|lowest|"
    r"largest|"
    r"smallest|biggest|oldest|youngest|cheapest|most expensive|best|worst|longest|shortest|most|"
    r"least)\b"
    r"|(?:前|后|最后|倒数)\s*(\d+|[一二两三四五六七八九十])(?:名|个|位|种|条|项)?"
    r"|最\w?[高低大小多少贵]的?\s*(\d+|[一二两三四五六七八九十])(?:名|个|位|种|条|项)",
    re.IGNORECASE,
)
_UPWARD = re.compile(
    r"\b(?:lowest|smallest|least|youngest|cheapest|fewest|worst) (?:first|to)\b|\bascending\b|"
    r"\bbottom\b"
    r"|(?<!不)从[低小少]到|由[低小少]到|升序|倒数|后(?=[\d一二两三四五六七八九十])",
    re.IGNORECASE,
)


def question(goal: Goal, slots: Slots) -> Generator[Request, Any, Query]:
    """Fill in the slots from the words of the goal, and what they leave open from the model."""
    text = words.without(goal.text, [*goal.files, *outputs(goal.text)])
    by = words.per(text, slots.textual) or words.per(text, list(slots.columns))
    where, rest = yield from conditions(text, slots, by)
    wanted = asks(rest)
    slots.covers += [
        *slots.columns,
        *parts_of(slots.columns),
        *stem_of(slots.path),
        *rows_called(slots),
    ]
    operation, by = yield from _operation(goal, text, rest, slots, where, by, wanted)
    used = {name for one in where for name in (one.column,)} | ({by} if by else set())
    if is_compared(where, rest):
        used -= {one.column for one in where if one.operator == "in"}
    pair = [one.column for one in where if one.operator == "in"]
    column, show = yield from columns_of(
        rest, slots, operation, used, whole=whole_rows(goal, rest, slots, used)
    )
    if pair and is_compared(where, rest) and show is not None:
        show = pair[0]
        slots.chosen = [one for one in slots.chosen if one.slot != "shown"]
    _heard(slots, operation, by, wanted)
    return Query(
        path=slots.path,
        operation=operation,
        column=column,
        others=slots.others,
        joined=slots.joined,
        show=show,
        first=slots.first,
        where=where,
        by=by,
        within=slots.within,
    )


def _operation(  # noqa: C901 - one operation after another
    goal: Goal,
    text: str,
    rest: str,
    slots: Slots,
    where: Sequence[Condition],
    by: str | None,
    wanted: set[str],
) -> Generator[Request, Any, tuple[str, str | None]]:
    """Return what is worked out, and by which column."""
    bare = without_columns(rest, slots)
    operation = words.operation(bare)
    if operation in (None, "count", "sum") and re.search(r"统计", rest) and "number" in wanted:
        operation = words.operation(bare.replace("统计", "")) or ("count" if by else operation)
    if "share" in wanted:
        if len({one.column for one in where}) != 1:  # of what, and which part of it, is not clear
            slots.chosen.append(Chosen("part", "of all rows", grounded=False))
        return "share", None
    places = _PLACES.search(rest)
    if "order" in wanted or places:
        slots.covers += [places[0]] if places else []
        return _ordered(rest, slots, places, wanted), None
    asks_which = bool(wanted & {"names", "where"}) or asks_for_row(rest, slots)
    if operation in ("max", "min") and by is None and asks_which:
        operation = f"arg{operation}"
    if operation in (None, "count") and _multiplied(rest, slots):
        return "sum", by
    if is_compared(where, rest) and operation in (None, "count", "sum", "mean", "max", "min"):
        return _ordered_pair(rest, slots, operation), None
    if (
        operation in (None, "count")
        and "names" in wanted
        and "number" not in wanted - in_columns(rest, slots)
    ):
        operation = "list"
    if operation is None and (outputs(goal.text) or where or named_columns(rest, slots)):
        operation = "list"
    if operation is None:
        asked = yield Choose("What is wanted of the table?", _NAMES, (), "operation")
        slots.chosen.append(asked)
        operation = str(asked.option)
    if operation == "count":
        operation = _sum_or_count(text, slots, where)
    if operation == "distinct" or operation.startswith("arg"):
        by = None
    return operation, by


def _multiplied(rest: str, slots: Slots) -> bool:
    """Whether columns are multiplied in each row: then their sum over rows is asked for."""
    joined(rest, slots, [name for name in named_columns(rest, slots) if name in slots.numeric])
    return slots.joined == "*" and bool(slots.others)


def _ordered(rest: str, slots: Slots, places: re.Match[str] | None, wanted: set[str]) -> str:
    """Return the operation of a ranking, and note how many places and over what."""
    slots.first = None
    if places:
        slots.first = words.small_number(next(filter(None, places.groups()))) or 1
    down = "argmin" if _UPWARD.search(rest) else "argmax"
    if not _UPWARD.search(rest) and "min" in wanted and "max" not in wanted:
        down = "argmin"
    slots.meets |= {"order", "per"}
    slots.meets |= {"max", "min"} & wanted if slots.first is None or _told_twice(rest) else set()
    if "sum" in wanted:
        slots.within = "sum"
    return down


def _told_twice(rest: str) -> bool:
    """Whether "from the highest to the lowest" names both ends of one order."""
    return bool(re.search(r"从.到|由.到|\bto\b", rest))


def _ordered_pair(rest: str, slots: Slots, operation: str | None) -> str:
    """Return the operation of "did A or B have more"."""
    less = re.search(
        r"\b(?:less|fewer|lower|smaller|younger|cheaper)\b|更?[少低小]", rest, re.IGNORECASE
    )
    more = re.search(
        r"\b(?:more|higher|larger|bigger|older|greater)\b|更?[多高大]", rest, re.IGNORECASE
    )
    slots.covers += [one[0] for one in (less, more) if one]
    slots.meets |= {"truth", "names"}
    slots.within = {"mean": "mean", "max": "max", "min": "min"}.get(operation or "", "sum")
    return "argmin" if less and not more else "argmax"


def _heard(slots: Slots, operation: str, by: str | None, wanted: set[str]) -> None:
    """Note which asks the answer meets."""
    meets = {
        "count": {"number", "count"},
        "distinct": {"number", "distinct"},
        "sum": {"number", "sum"},
        "mean": {"number", "mean"},
        "median": {"number", "median"},
        "max": {"number", "max"},
        "min": {"number", "min"},
        "argmax": {"names", "max", "number"},
        "argmin": {"names", "min", "number"},
        "share": {"share", "number"},
        "list": {"names", "number", "per"} - ({"number"} if len(_rest_of(wanted)) else set()),
    }[operation]
    slots.meets |= meets
    if operation == "count" and not slots.amounts:
        slots.meets |= {"sum"} if "sum" in wanted else set()
    if slots.within in ("sum", "mean", "count"):
        slots.meets |= {slots.within}
    if slots.others:
        slots.meets |= {"sum"}
    if by is not None:
        slots.meets |= {"per", "names", "number"}


def _rest_of(wanted: set[str]) -> set[str]:
    return wanted & {"sum", "mean", "median", "distinct", "share"}


def _sum_or_count(text: str, slots: Slots, where: Sequence[Condition]) -> str:
    """Return "sum" where the things that are counted stand as a number in each row."""
    noun = re.split(r"\b(?:per|by|in|for|of|are|were|is|there)\b", words.counted(text))[0]
    if words.named(slots.numeric, noun):
        return "sum"
    amounts = [name for name in slots.numeric if name.lower() in _QUANTITY]
    things = [one.value for one in where if isinstance(one.value, str)]
    if amounts and words.named(things, noun):
        slots.amounts = amounts[:1]
        return "sum"
    repeated = [name for name in words.named(slots.textual, noun) if slots.is_repeated(name)]
    parts = words.named(parts_of(slots.columns), noun)
    unclear = parts and not any(words.find_name(one, noun) for one in rows_called(slots))
    if repeated or unclear:  # "how many products": rows, or different ones?
        slots.chosen.append(Chosen("what is counted", "rows", grounded=False))
    return "count"
