"""From the words of a goal to a question to a table: operation, columns, conditions, order.

Words fill every slot that they name; what they leave open the model chooses, and then the answer is
not called verified. ``Slots.covers`` and ``Slots.meets`` say which words were understood, for
``coverage``.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from autogpt.agent.checks import outputs
from autogpt.agent.errors import GaveUpError
from autogpt.agent.plans import words
from autogpt.agent.plans.base import Choose, Chosen, Goal, Request, Use
from autogpt.agent.plans.coverage import ASKS, asks
from autogpt.agent.plans.query import Condition, Query

__all__ = ["MEANT", "Slots", "question"]

Json = Any
_NAMES = (
    "argmax", "argmin", "sum", "mean", "min", "max", "median", "count", "distinct", "list",
)  # fmt: skip
# Words that stand for a column of one of these names.
MEANT: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        r"\b(?:expensive|cheap\w*|costs?|pric\w+)\b|价钱|贵|便宜",
        ("price", "unit_price", "cost", "amount", "价格", "单价"),
    ),
    (r"\b(?:old|young)\w*\b|年长|年轻|几岁|多大", ("age", "年龄")),
    (r"\b(?:earn\w*|paid)\b|工资|薪水?", ("salary", "wage", "pay", "工资", "薪水", "月薪")),
    (r"\bheav\w+\b|重", ("weight", "重量")),
    (r"\btall\w*\b|高个", ("height", "身高")),
    (r"\b(?:who|people|persons?|employees?|staff|members?)\b|谁|人员?|员工|职员|学生",
     ("name", "employee", "person", "member", "student", "姓名", "名字", "员工")),
)  # fmt: skip
_QUANTITY = ("units", "unit", "quantity", "qty", "count", "pieces", "数量", "件数", "个数")
_NEGATED = re.compile(
    r"(?:\b(?:not|except(?: for)?|excluding|other than|outside(?: of)?|but)\b|n['’]t\b|除了|"
    r"不是|不在|非)"
    r"((?:\s+(?:in|at|from|of|the|for|by|live|work|come|belong|to))*\s*)$",
    re.IGNORECASE,
)
_UNIT = re.compile(r"[_ (](?:mm|cm|m|km|c|f|kg|g|l|ml|eur|usd|s|h|min|pct|percent)\)?$", re.I)
_EITHER = re.compile(
    r"\s*(?:,|，|、)?\s*(?:and|or|and in|or in|or the|or from|and from|和|或者?|与|及)?\s*",
    re.IGNORECASE,
)
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


@dataclass(slots=True)
class Slots:
    """What a goal leaves to say of a question while it is being filled in."""

    path: str
    columns: dict[str, dict[str, Json]]
    chosen: list[Chosen] = field(default_factory=list)
    rows: int = 0
    amounts: list[str] = field(default_factory=list)  # columns that say how many of a thing
    within: str | None = None  # "which region sold the most": of all its rows together
    others: tuple[str, ...] = ()  # "quantity times price"
    joined: str = "+"
    first: int | None = 1
    covers: list[str] = field(default_factory=list)
    meets: set[str] = field(default_factory=set)

    @property
    def numeric(self) -> list[str]:
        """Columns of numbers."""
        return [name for name, column in self.columns.items() if column["type"] == "number"]

    @property
    def textual(self) -> list[str]:
        """The other columns."""
        return [name for name, column in self.columns.items() if column["type"] != "number"]

    @property
    def dates(self) -> list[str]:
        """Columns of days or times."""
        return [
            name
            for name, column in self.columns.items()
            if column["type"].startswith(("date", "timestamp"))
        ]

    def is_repeated(self, name: str) -> bool:
        """Whether a value of a column stands in several rows: then rows are parts of a thing."""
        return bool(self.columns[name].get("distinct", 0) < self.rows)


def question(goal: Goal, slots: Slots) -> Generator[Request, Any, Query]:
    """Fill in the slots from the words of the goal, and what they leave open from the model."""
    text = words.without(goal.text, [*goal.files, *outputs(goal.text)])
    by = words.per(text, slots.textual) or words.per(text, list(slots.columns))
    where, rest = yield from _conditions(text, slots, by)
    wanted = asks(rest)
    slots.covers += [
        *slots.columns,
        *_parts(slots.columns),
        *_stem(slots.path),
        *_rows_called(slots),
    ]
    operation, by = yield from _operation(goal, text, rest, slots, where, by, wanted)
    used = {name for one in where for name in (one.column,)} | ({by} if by else set())
    if _is_compared(where, rest):
        used -= {one.column for one in where if one.operator == "in"}
    pair = [one.column for one in where if one.operator == "in"]
    column, show = yield from _columns(
        rest, slots, operation, used, whole=_whole_rows(goal, rest, slots, used)
    )
    if pair and _is_compared(where, rest) and show is not None:
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
    bare = _without_columns(rest, slots)
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
    asks_which = bool(wanted & {"names", "where"}) or _asks_for_row(rest, slots)
    if operation in ("max", "min") and by is None and asks_which:
        operation = f"arg{operation}"
    if operation in (None, "count") and _multiplied(rest, slots):
        return "sum", by
    if _is_compared(where, rest) and operation in (None, "count", "sum", "mean", "max", "min"):
        return _ordered_pair(rest, slots, operation), None
    if (
        operation in (None, "count")
        and "names" in wanted
        and "number" not in wanted - _in_columns(rest, slots)
    ):
        operation = "list"
    if operation is None and (outputs(goal.text) or where or _named_columns(rest, slots)):
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
    _joined(rest, slots, [name for name in _named_columns(rest, slots) if name in slots.numeric])
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


def _is_compared(where: Sequence[Condition], rest: str) -> bool:
    """Whether two things that were named are held against each other."""
    pair = any(one.operator == "in" for one in where)
    pattern = (r"\b(?:more|less|higher|lower|fewer|larger|smaller|bigger|older|younger|cheaper|"
               r"greater)\b(?! than)"
               r"|更[多少高低大小]|哪个[多少高低大小]|谁[多少高低大小]")  # fmt: skip
    return pair and bool(re.search(pattern, rest, re.IGNORECASE))


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


def _in_columns(rest: str, slots: Slots) -> set[str]:
    """Return asks that are only there as names of columns, as in "数量"."""
    return asks(rest) - asks(_without_columns(rest, slots))


def _without_columns(text: str, slots: Slots) -> str:
    """Return a text without the names of columns, where these hold words that ask."""
    for name in sorted(slots.columns, key=len, reverse=True):
        if not name.isascii() and any(re.search(pattern, name) for _, pattern in ASKS):
            text = text.replace(name, " ")
    return text


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
    parts = words.named(_parts(slots.columns), noun)
    unclear = parts and not any(words.find_name(one, noun) for one in _rows_called(slots))
    if repeated or unclear:  # "how many products": rows, or different ones?
        slots.chosen.append(Chosen("what is counted", "rows", grounded=False))
    return "count"


def _asks_for_row(text: str, slots: Slots) -> bool:
    """Whether a column that is no number is asked for, as in "the product with the highest"."""
    found = _named_columns(text, slots)
    return bool(found) and found[0] in slots.textual


def _named_columns(text: str, slots: Slots) -> list[str]:
    found = words.named(slots.columns, text)
    found += [
        name
        for name in slots.columns
        if name not in found
        and (bare := _UNIT.sub("", name)) != name
        and words.find_name(bare, text)
    ]
    heads = [re.split(r"[_ ]", name)[-1] for name in slots.columns]  # "country" of guest_country
    found += [
        name
        for name, head in zip(slots.columns, heads, strict=True)
        if name not in found
        and head != name
        and len(head) > 2
        and heads.count(head) == 1
        and words.find_name(head, text)
    ]
    for pattern, names in MEANT:
        if re.search(pattern, text, re.IGNORECASE):
            found += [name for name in slots.columns if name.lower() in names and name not in found]
    return found


def _conditions(
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
        name for name in _named_columns(text[: comparison.start], slots) if name in slots.numeric
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


def _whole_rows(goal: Goal, rest: str, slots: Slots, used: set[str]) -> bool:
    """Whether rows go into a table as they are: "save the members who ..." means all of each."""
    to_table = any(not path.endswith((".txt", ".md")) for path in outputs(goal.text))
    only = re.search(
        r"\b(?:names?|only the|just the|column)\b|姓名|名字|名单|只|列", rest, re.IGNORECASE
    )
    named = words.named(slots.columns, rest)
    kept = [name for name in named if name not in used and not _names_rows(name, slots)]
    return to_table and not only and not kept


def _names_rows(name: str, slots: Slots) -> bool:
    """Whether a column is called what the rows are: "member" in members.csv."""
    return any(words.find_name(name, one) for one in _stem(slots.path))


def _columns(  # noqa: C901 - one operation after another
    text: str, slots: Slots, operation: str, used: set[str], *, whole: bool
) -> Generator[Request, Any, tuple[str | None, str | None]]:
    """Return the column that is worked out, and of argmax the one that is asked for."""
    if operation == "count":
        return None, None
    found = _named_columns(text, slots)
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
    numbers = _joined(text, slots, numbers)
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


def _joined(text: str, slots: Slots, numbers: list[str]) -> list[str]:
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
        and any(words.find_name(one, text) for one in _rows_called(slots))
    )


def _most_rows(
    text: str, slots: Slots, found: list[str], used: set[str]
) -> Generator[Request, Any, str | None]:
    """Return the column whose values are counted, for "which branch has the most members"."""
    most = re.search(
        r"\b(?:most|fewest|least|number of|count)\b|最[多少]|人数|数量", text, re.IGNORECASE
    )
    called = [one for one in _rows_called(slots) if words.find_name(one, text)]
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
    if not names and (words.named(_stem(slots.path), text) or asks(text) & {"names"}):
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


def _stem(path: str) -> list[str]:
    return [path.rsplit("/", 1)[-1].rsplit(".", 1)[0]]


def _rows_called(slots: Slots) -> list[str]:
    """Return what the rows of a table may be called: its file's name, people where it has names."""
    found = [*_stem(slots.path)]
    found += [name for name in slots.textual if _names_rows(name, slots)]
    numbered = [name for name in slots.columns if re.search(r"[_ ](?:id|no|number)$", name, re.I)]
    found += [re.split(r"[_ ]", name)[0] for name in numbered]
    people = {"name", "person", "employee", "member", "姓名", "名字", "student"}
    if any(name.lower() in people for name in slots.columns):
        found += [
            "people",
            "person",
            "persons",
            "employee",
            "staff",
            "人员",
            "员工",
            "职员",
            "学生",
            "同学",
        ]
    if re.search(
        r"order|sale|"
        r"订单",
        " ".join([*_stem(slots.path), *slots.columns]),
        re.IGNORECASE,
    ):
        found += ["order", "sale", "订单"]
    return found


def _parts(columns: Sequence[str] | dict[str, Any]) -> list[str]:
    """Return the words that names of columns are made of: "orders" stands for ``order_id``."""
    found = [part for name in columns for part in re.findall(r"[A-Za-z]{3,}", name) if part != name]
    han = [name for name in columns if re.fullmatch(r"[\u3400-\u9fff]{4}", name)]
    return found + [part for name in han for part in (name[:2], name[2:])]
