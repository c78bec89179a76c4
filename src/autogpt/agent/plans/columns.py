"""Which columns a goal asks for: what is worked out, and what is shown of the row that is found."""

from __future__ import annotations

import re
from collections.abc import Generator
from itertools import pairwise
from typing import Any

from autogpt.agent.demands import outputs
from autogpt.agent.errors import GaveUpError
from autogpt.agent.plans import words
from autogpt.agent.plans.base import Choose, Chosen, Goal, Request
from autogpt.agent.plans.coverage import asks
from autogpt.agent.plans.slots import Slots, named_columns, names_rows, rows_called, stem_of

__all__ = ["columns_of", "joined", "whole_rows"]


def columns_of(  # noqa: C901 - one operation after another
    text: str, slots: Slots, operation: str, used: set[str], *, whole: bool
) -> Generator[Request, Any, tuple[str | None, str | None]]:
    """Return the column that is worked out, and of argmax the one that is asked for."""
    if operation == "count":
        return None, None
    found = named_columns(text, slots)
    if operation == "list":
        wanted = [name for name in found if name not in used]
        if whole or not wanted:
            return None, None
        if len(wanted) > 1:  # several columns: whole rows are shown, which hold them
            slots.meets.add("names")
        return (wanted[0] if len(wanted) == 1 else None), None
    if operation == "distinct":
        names = [name for name in found if name not in used] or found
        chosen = yield Choose("Which column is counted?", list(slots.columns), names[:1], "column")
        slots.chosen.append(chosen)
        return chosen.option, None
    numbers = [name for name in found if name in slots.numeric]
    numbers = [name for name in numbers if name not in used] or numbers
    if not numbers and operation == "sum":
        numbers = slots.amounts
    if operation == "share" and (not numbers or not asks(text) & {"sum"}):
        return None, None
    numbers = joined(text, slots, numbers)
    if operation.startswith("arg") and (not numbers or _counts_rows(text, slots, numbers)):
        counted = yield from _most_rows(text, slots, found, used)
        if counted is not None:
            return None, counted
    open_numbers = [name for name in slots.numeric if name not in used] or slots.numeric
    if not open_numbers:
        raise GaveUpError(f"{slots.path!r} has no numbers to work with.")
    chosen = yield Choose("Which number is meant?", open_numbers, numbers[:1], "column")
    slots.chosen.append(chosen)
    if not operation.startswith("arg"):
        return chosen.option, None
    shown = yield from _shown(text, slots, found, used, str(chosen.option))
    return chosen.option, shown


def joined(text: str, slots: Slots, numbers: list[str]) -> list[str]:
    """Note columns that are added up or multiplied in each row: "units times unit_price"."""
    if len(numbers) < 2:
        return numbers
    places = [place for name in numbers if (place := words.find_name(name, text))]
    between = [text[one[1] : other[0]] for one, other in pairwise(places)]
    if between and all(
        re.fullmatch(r"\s*(?:times|multiplied by|x|\*|×|乘以?)\s*", one, re.I) for one in between
    ):
        slots.joined, slots.others = "*", tuple(numbers[1:])
        slots.covers += [text[places[0][0] : places[-1][1]]]
        slots.covers += re.findall(r"每[种个件项](?:是|为)?", text)
    elif between and all(
        re.fullmatch(r"\s*(?:,|，|、|and|plus|\+|和|与|加上?|, and)\s*", one, re.I)
        for one in between
    ):
        slots.joined, slots.others = "+", tuple(numbers[1:])
        slots.covers += [text[places[0][0] : places[-1][1]]]
        slots.covers += re.findall(r"[二两三四五六]科|[二两三四五六]项", text)
        if "sum" not in asks(text):  # "the average of a and b" may mean two answers
            slots.chosen.append(Chosen("together", " + ".join(numbers), grounded=False))
    return numbers


def _counts_rows(text: str, slots: Slots, numbers: list[str]) -> bool:
    """Whether "the most members" means rows: a word for rows follows, and no number is named."""
    return not [name for name in numbers if words.find_name(name, text)] and bool(
        re.search(r"\b(?:most|fewest|least)\b|人?最[多少]", text, re.IGNORECASE)
        and any(words.find_name(one, text) for one in rows_called(slots))
    )


def _most_rows(
    text: str, slots: Slots, found: list[str], used: set[str]
) -> Generator[Request, Any, str | None]:
    """Return the column whose values are counted, for "which branch has the most members"."""
    most = re.search(
        r"\b(?:most|fewest|least|number of|count)\b|最[多少]|人数|数量", text, re.IGNORECASE
    )
    called = [one for one in rows_called(slots) if words.find_name(one, text)]
    groups = [
        name for name in found
        if name in slots.textual and name not in used and slots.is_repeated(name)
    ]  # fmt: skip
    if not most or not groups:
        return None
    slots.within = "count"
    slots.meets.add("number")
    slots.chosen.append(Chosen("counted", "rows", grounded=bool(called)))
    yield from ()
    return groups[0]


def _shown(
    text: str, slots: Slots, found: list[str], used: set[str], compared: str
) -> Generator[Request, Any, str]:
    """Return what is asked for of the row with the highest."""
    others = [name for name in slots.columns if name != compared]
    names = [name for name in found if name not in {compared, *slots.others, *used}]
    names = sorted(names, key=lambda name: name not in slots.textual)
    if not names and (words.named(stem_of(slots.path), text) or asks(text) & {"names"}):
        # "which employee": what a row of employees is called
        names = [name for name in slots.textual if not slots.is_repeated(name)][:1]
    asked = yield Choose("What is asked for?", others, names[:1], "shown")
    slots.chosen.append(asked)
    if (
        slots.within is None
        and slots.columns[asked.option]["type"] == "text"
        and slots.is_repeated(asked.option)
    ):
        named = words.operations(text)
        most = re.search(r"\b(?:most|least|fewest)\b|最多|最少", text, re.IGNORECASE)
        slots.within = "mean" if "mean" in named else "sum" if most or "sum" in named else None
    return str(asked.option)


def whole_rows(goal: Goal, rest: str, slots: Slots, used: set[str]) -> bool:
    """Whether rows go into a table as they are: "save the members who ..." means all of each."""
    to_table = any(not path.endswith((".txt", ".md")) for path in outputs(goal.text))
    only = re.search(
        r"\b(?:names?|only the|just the|column)\b|姓名|名字|名单|只|列", rest, re.IGNORECASE
    )
    named = words.named(slots.columns, rest)
    kept = [name for name in named if name not in used and not names_rows(name, slots)]
    return to_table and not only and not kept
