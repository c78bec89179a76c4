"""Which rows a goal asks for: cells that it names, comparisons, days; "not", "or", "between".

Words that were understood go into ``Slots.covers``, and out of the text that is left.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Sequence
from typing import Any

from autogpt.agent.plans import words
from autogpt.agent.plans.base import Choose, Chosen, Request, Use
from autogpt.agent.plans.query import Condition
from autogpt.agent.plans.slots import Slots, named_columns

__all__ = ["conditions", "is_compared"]

Json = Any
_NEGATED = re.compile(
    r"(?:\b(?:not|except(?: for)?|excluding|other than|outside(?: of)?|but)\b|n['’]t\b|除了|"
    r"不是|不在|非)"
    r"((?:\s+(?:in|at|from|of|the|for|by|live|work|come|belong|to))*\s*)$",
    re.IGNORECASE,
)
_EITHER = re.compile(
    r"\s*(?:,|，|、)?\s*(?:and|or|and in|or in|or the|or from|and from|和|或者?|与|及)?\s*",
    re.IGNORECASE,
)


def conditions(
    text: str, slots: Slots, by: str | None
) -> Generator[Request, Any, tuple[tuple[Condition, ...], str]]:
    """Return what rows must fulfill, and the text without the words that said so."""
    found: list[Condition] = []
    rest = text
    dated, rest = _dated(rest, slots)
    for comparison in reversed(words.comparisons(rest)):
        column = yield from _compared(rest, comparison, slots)
        if column is not None:
            found.append(
                Condition(column=column, operator=comparison.operator, value=comparison.value)
            )
            slots.covers.append(rest[comparison.start : comparison.end].strip())
            rest = rest[: comparison.start] + " " + rest[comparison.end :]
    linked = yield Use("find_values", {"path": slots.path, "text": rest})
    cells = [one for one in (linked.value if linked.ok else ()) if one["column"] != by]
    for cell in cells:  # "to Paris", where two columns have that name
        options = [cell["column"], *cell["also"]]
        named = words.named(options, rest)
        if len(options) > 1 and len(named) != 1:
            slots.chosen.append(Chosen("column of " + cell["as"], cell["column"], grounded=False))
        elif len(options) > 1:
            cell["column"] = named[0]
    taken = {one.column for one in found}
    for column in dict.fromkeys(cell["column"] for cell in cells):
        if column in taken:
            continue
        some = [cell for cell in cells if cell["column"] == column]
        condition, rest = _linked(column, some, rest, slots)
        found.append(condition)
    return (*reversed(found), *dated), rest


def _linked(
    column: str, cells: list[dict[str, Json]], rest: str, slots: Slots
) -> tuple[Condition, str]:
    """Return the condition on a column that cells of it name: one, several, or all but one."""
    cells = sorted(cells, key=lambda cell: rest.find(cell["as"]))
    first = cells[0]
    place = rest.find(first["as"])
    several = [first]
    end = place + len(first["as"])
    for cell in cells[1:]:
        start = rest.find(cell["as"], end)
        if start >= 0 and _EITHER.fullmatch(rest[end:start]):
            several.append(cell)
            end = start + len(cell["as"])
    negated = _NEGATED.search(rest[:place])
    begin = negated.start() if negated else place
    slots.covers.append(rest[begin:end])
    shorter = rest[:begin] + " " + rest[end:]
    if len(several) > 1 and not negated:
        values = tuple(dict.fromkeys(str(one["value"]) for one in several))
        return Condition(column=column, operator="in", value=values), shorter
    if negated and len(several) > 1:
        slots.chosen.append(Chosen("condition", rest[begin:end], grounded=False))
    return Condition(
        column=column, operator="!=" if negated else "=", value=first["value"]
    ), shorter


def _dated(text: str, slots: Slots) -> tuple[list[Condition], str]:
    """Return conditions on days, where the table has one column of them or the goal names it."""
    if not slots.dates:
        return [], text
    named = words.named(slots.dates, text)
    column = (named or slots.dates)[0]
    found: list[Condition] = []
    rest = text
    for one in words.periods(text):
        if len(slots.dates) > 1 and not named:
            slots.chosen.append(Chosen("which day", column, grounded=False))
        found += [Condition(column=column, operator=op, value=day) for op, day in one.bounds]
        slots.covers.append(one.text)
        rest = rest.replace(one.text, " ")
    return found, rest


def _compared(
    text: str, comparison: words.Comparison, slots: Slots
) -> Generator[Request, Any, str | None]:
    """Return the column that a comparison is about: the last number that is named before it."""
    if not slots.numeric:
        return None
    before = [
        name for name in named_columns(text[: comparison.start], slots) if name in slots.numeric
    ]
    after = words.named(slots.numeric, text[comparison.end : comparison.end + 30])
    if re.search(r"older|younger|岁", text, re.IGNORECASE) or not before + after:
        before = [name for name in slots.numeric if name.lower() in ("age", "年龄")] or before
    options = before[-1:] or after[:1]
    if options:
        return options[0]
    chosen = yield Choose("Which number is compared?", slots.numeric, (), "compared")
    slots.chosen.append(chosen)
    return str(chosen.option)


def is_compared(where: Sequence[Condition], rest: str) -> bool:
    """Whether two things that were named are held against each other."""
    pair = any(one.operator == "in" for one in where)
    pattern = (r"\b(?:more|less|higher|lower|fewer|larger|smaller|bigger|older|younger|cheaper|"
               r"greater)\b(?! than)"
               r"|更[多少高低大小]|哪个[多少高低大小]|谁[多少高低大小]")  # fmt: skip
    return pair and bool(re.search(pattern, rest, re.IGNORECASE))
