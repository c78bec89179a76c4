"""Questions to tables: how many, how much, the most, by group; and rows into another file.

Slots: the table, the operation, the columns, the conditions. Words of the goal fill them where they
name a column or a cell's value; what they leave open the model chooses, and then the answer is not
called verified.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Any

from autogpt.agent.checks import Check, Same, outputs
from autogpt.agent.errors import GaveUpError
from autogpt.agent.plans import words
from autogpt.agent.plans.base import Answer, Choose, Chosen, Goal, Plan, Request, Template, Use
from autogpt.agent.plans.query import Condition, Query, rows_of
from autogpt.agent.plans.writing import said, save
from autogpt.agent.tools.base import ToolError
from autogpt.agent.tools.calculator import shown
from autogpt.agent.tools.folder import Folder
from autogpt.agent.tools.tables import SUFFIXES

__all__ = ["TABLES"]

Json = Any
_NAMES = (
    "argmax", "argmin", "sum", "mean", "min", "max", "median", "count", "distinct", "list",
)  # fmt: skip
# Words that stand for a column of one of these names.
_MEANT: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        r"expensive|cheap|cost|costs|价钱|贵|便宜",
        ("price", "unit_price", "cost", "amount", "价格", "单价"),
    ),
    (r"\bold|young|年长|年轻|几岁|多大", ("age", "年龄")),
    (r"earn|paid|工资|薪", ("salary", "wage", "pay", "工资", "薪水", "月薪")),
    (r"heav|重", ("weight", "重量")),
    (r"\btall|高个", ("height", "身高")),
    (r"\bwho\b|谁", ("name", "employee", "person", "姓名", "名字", "员工")),
)
_COPY = re.compile(
    r"\b(?:convert|copy|export|turn|rows? (?:of|from|where|with|in)|only the|filter|all)\b"
    r"|转换|转为|转成|导出|筛选|挑出|找出|提取|所有",
    re.IGNORECASE,
)
_TRAIN = re.compile(
    r"\b(?:train|classif|sort|label|finetune|fine-tune)\w*\b|训练|分类|归类|打标签", re.I
)


@dataclass(slots=True)
class _Slots:
    """What a goal leaves to say of a question while it is being filled in."""

    path: str
    columns: dict[str, dict[str, Json]]
    chosen: list[Chosen] = field(default_factory=list)
    rows: int = 0
    amounts: list[str] = field(default_factory=list)  # columns that say how many of a thing
    within: str | None = None  # "which region sold the most": of all its rows together

    @property
    def numeric(self) -> list[str]:
        return [name for name, column in self.columns.items() if column["type"] == "number"]

    @property
    def textual(self) -> list[str]:
        return [name for name, column in self.columns.items() if column["type"] != "number"]


def _fits(goal: Goal) -> float:
    tables = goal.of(*SUFFIXES)
    if not tables:
        return 0.0
    names = _mentioned(goal, tables)
    if _TRAIN.search(goal.text):
        return 0.1
    sure = 0.4 if names else 0.0
    if not names and _by_columns(goal, tables):
        sure = 0.35
    if words.operation(goal.text):
        sure += 0.35
    if names and (outputs(goal.text) or _COPY.search(goal.text)):
        sure += 0.3
    if sure and re.search(
        r"\b(?:what|which|who|how|list|show|give)\b|什么|哪|谁|列出|多少", goal.text, re.I
    ):
        sure += 0.2
    return min(1.0, sure + (0.1 if len(tables) == 1 else 0.0))


def _mentioned(goal: Goal, paths: Sequence[str]) -> list[str]:
    """Return the files that a goal names: by path, by name, or by the name without its suffix."""
    wanted = words.without(goal.text, outputs(goal.text))
    whole = [path for path in paths if path in wanted or path.rsplit("/", 1)[-1] in wanted]
    if whole:
        return sorted(whole, key=wanted.find)
    return words.named([path.rsplit("/", 1)[-1].rsplit(".", 1)[0] for path in paths], wanted) and [
        path
        for path in paths
        if words.find_name(path.rsplit("/", 1)[-1].rsplit(".", 1)[0], wanted) is not None
    ]


def _by_columns(goal: Goal, tables: Sequence[str]) -> list[str]:
    """Return the tables that have the most of the columns that a goal names, at least one."""
    text = words.without(goal.text, outputs(goal.text))
    scores: dict[str, float] = {}
    for path in tables:
        columns = goal.columns.get(path, ())
        meant = [
            name
            for pattern, names in _MEANT
            if re.search(pattern, text, re.IGNORECASE)
            for name in columns
            if name.lower() in names and name.isascii() != goal.chinese
        ]
        stem = path.rsplit("/", 1)[-1].rsplit(".", 1)[0]
        direct = words.named(columns, text)
        scores[path] = (
            len(direct)
            + 0.6 * len(set(meant) - set(direct))
            + 0.5 * (words.find_name(stem, text) is not None)
        )
    best = max(scores.values(), default=0.0)
    return [path for path, score in scores.items() if score == best] if best >= 0.6 else []


def _plan(goal: Goal) -> Plan:
    slots = yield from _table(goal)
    query = yield from _question(goal, slots)
    result = yield Use("query_table", {"path": query.path, "sql": query.sql()})
    if not result.ok:
        raise GaveUpError(str(result.value))
    targets = outputs(goal.text)
    if result.value["more"] and not targets:
        raise GaveUpError("The answer has more rows than can be shown.", hint="Name a file.")
    value = query.result(result.value["rows"])
    what = f"{query.operation} of {query.column or 'rows'} in {query.path}"
    checks: list[Check] = []
    if not result.value["more"]:
        checks.append(Same(what=what, claimed=value, again=query.again))
    text = _sentence(query, value, chinese=goal.chinese)
    for path in targets:
        rows = result.value["rows"]
        if result.value["more"]:
            # What is too long to show goes from file to file.
            done = yield Use("save_query", {"path": query.path, "sql": query.sql(), "to": path})
            if not done.ok:
                raise GaveUpError(str(done.value))
            text = said(path, chinese=goal.chinese)
        else:
            header = _header(query, slots, result.value["columns"])
            text = yield from save(goal, path, text, header, rows)
        checks.append(
            Same(what=f"what is in {path}", claimed=True, again=_Written(query=query, path=path))
        )
    return Answer(text=text, checks=checks, slots=slots.chosen)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Written:
    """Whether a file that was written holds what the question comes to."""

    query: Query
    path: str

    def __call__(self, folder: Folder) -> bool:
        value = self.query.again(folder)
        if self.path.endswith((".txt", ".md")):
            text = folder.text(self.path)
            return all(one in text for one in _figures(value))
        names, rows = (
            rows_of(folder, self.path)
            if self.path.endswith(SUFFIXES)
            else _json_rows(folder, self.path)
        )
        cells = [str(_norm(row.get(name))) for row in rows for name in names]
        wanted = [str(_norm(one)) for one in _flat(value)]
        if self.query.operation == "list":
            return cells == wanted
        return all(one in cells for one in wanted)


def _json_rows(folder: Folder, path: str) -> tuple[list[str], list[dict[str, Json]]]:
    value = json.loads(folder.text(path))
    rows = value if isinstance(value, list) else [value]
    if not all(isinstance(row, dict) for row in rows):
        raise ToolError(f"{path!r} holds no rows.")
    return list(dict.fromkeys(key for row in rows for key in row)), rows


def _table(goal: Goal) -> Generator[Request, Any, _Slots]:
    tables = goal.of(*SUFFIXES)
    sources = [path for path in tables if path not in outputs(goal.text)] or tables
    named = _mentioned(goal, sources)
    if not named:
        fitting = _by_columns(goal, sources)
        sources = fitting or sources
        if len(fitting) != 1:  # perhaps only one of them has what the goal names
            fitting = yield from _with_values(goal, sources)
        named = fitting if len(fitting) == 1 else []
    chosen = yield Choose("Which table?", sources, named, "table")
    described = yield Use("describe_table", {"path": chosen.option})
    if not described.ok:
        raise GaveUpError(str(described.value))
    columns = {column["name"]: column for column in described.value["columns"]}
    rows = int(described.value["rows"])
    return _Slots(path=chosen.option, columns=columns, chosen=[chosen], rows=rows)


def _with_values(goal: Goal, paths: Sequence[str]) -> Generator[Request, Any, list[str]]:
    """Return the tables that have the most cells which the goal names."""
    counts = {}
    for path in paths:
        found = yield Use("find_values", {"path": path, "text": goal.text})
        counts[path] = len(found.value) if found.ok else 0
    best = max(counts.values())
    return [path for path, count in counts.items() if count == best and count]


def _question(goal: Goal, slots: _Slots) -> Generator[Request, Any, Query]:
    """Fill in the slots from the words of the goal, and what they leave open from the model."""
    text = words.without(goal.text, [*goal.files, *outputs(goal.text)])
    by = words.per(text, slots.textual) or words.per(text, list(slots.columns))
    where, rest = yield from _conditions(text, slots, by)
    operation = words.operation(rest)
    targets = outputs(goal.text)
    if (
        operation == "count"
        and re.search(r"统计", rest)
        and not re.search("多少|几|数量|行数|条数", rest)
    ):
        operation = words.operation(rest.replace("统计", ""))
    if operation in ("max", "min") and by is None and _asks_for_row(rest, slots):
        operation = f"arg{operation}"
    if operation is None and (targets or where or _named_columns(rest, slots)):
        operation = "list"
    if operation is None:
        asked = yield Choose("What is wanted of the table?", _NAMES, (), "operation")
        slots.chosen.append(asked)
        operation = asked.option
    if operation == "count":
        operation = _sum_or_count(text, slots, where)
    if operation == "distinct" and by is not None:
        by = None
    used = {one.column for one in where} | ({by} if by else set())
    column, show = yield from _columns(rest, slots, operation, used)
    explained = [*slots.columns, *_stems(goal.files)]
    strange = [*words.leftover(rest, explained), *_unheard(rest, operation, slots)]
    if strange:  # it may be a condition that was not understood
        slots.chosen.append(Chosen("words", " ".join(strange), grounded=False))
    return Query(
        path=slots.path,
        operation=operation,
        column=column,
        show=show,
        where=where,
        by=by,
        within=slots.within,
    )


_QUANTITY = ("units", "unit", "quantity", "qty", "count", "pieces", "数量", "件数", "个数")


def _sum_or_count(text: str, slots: _Slots, where: Sequence[Condition]) -> str:
    """Return "sum" where the things that are counted stand as a number in each row."""
    noun = words.counted(text)
    if words.named(slots.numeric, noun):
        return "sum"
    amounts = [name for name in slots.numeric if name.lower() in _QUANTITY]
    things = [one.value for one in where if isinstance(one.value, str)]
    if amounts and words.named(things, noun):
        slots.amounts = amounts[:1]
        return "sum"
    return "count"


def _asks_for_row(text: str, slots: _Slots) -> bool:
    """Whether a column that is no number is asked for, as in "the product with the highest"."""
    found = _named_columns(text, slots)
    return bool(found) and found[0] in slots.textual


def _named_columns(text: str, slots: _Slots) -> list[str]:
    found = words.named(slots.columns, text)
    for pattern, names in _MEANT:
        if re.search(pattern, text, re.IGNORECASE):
            found += [name for name in slots.columns if name.lower() in names and name not in found]
    return found


def _conditions(
    text: str, slots: _Slots, by: str | None
) -> Generator[Request, Any, tuple[tuple[Condition, ...], str]]:
    """Return what rows must fulfill, and the text without the words that said so."""
    found: list[Condition] = []
    rest = text
    for comparison in reversed(words.comparisons(text)):
        column = yield from _compared(text, comparison, slots)
        if column is not None:
            found.append(
                Condition(column=column, operator=comparison.operator, value=comparison.value)
            )
            rest = rest[: comparison.start] + " " + rest[comparison.end :]
    linked = yield Use("find_values", {"path": slots.path, "text": rest})
    for cell in linked.value if linked.ok else ():
        if cell["column"] != by and cell["column"] not in {one.column for one in found}:
            found.append(Condition(column=cell["column"], operator="=", value=cell["value"]))
            rest = rest.replace(cell["as"], " ")
    return tuple(reversed(found)), rest


def _compared(
    text: str, comparison: words.Comparison, slots: _Slots
) -> Generator[Request, Any, str | None]:
    """Return the column that a comparison is about: the last number that is named before it."""
    if not slots.numeric:
        return None
    before = [
        name for name in _named_columns(text[: comparison.start], slots) if name in slots.numeric
    ]
    after = words.named(slots.numeric, text[comparison.end : comparison.end + 30])
    if re.search(r"older|younger|岁|\b(?:people|persons|who)\b|谁", text, re.IGNORECASE):
        before = [name for name in slots.numeric if name.lower() in ("age", "年龄")] or before
    options = before[-1:] or after[:1]
    if options:
        return options[0]
    chosen = yield Choose("Which number is compared?", slots.numeric, (), "compared")
    slots.chosen.append(chosen)
    return str(chosen.option)


def _columns(
    text: str, slots: _Slots, operation: str, used: set[str]
) -> Generator[Request, Any, tuple[str | None, str | None]]:
    """Return the column that is worked out, and of argmax the one that is asked for."""
    if operation == "count":
        return None, None
    found = _named_columns(text, slots)
    if operation == "list":
        wanted = [name for name in found if name not in used]
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
    open_numbers = [name for name in slots.numeric if name not in used] or slots.numeric
    if not open_numbers:
        raise GaveUpError(f"{slots.path!r} has no numbers to work with.")
    chosen = yield Choose("Which number is meant?", open_numbers, numbers[:1], "column")
    slots.chosen.append(chosen)
    if not operation.startswith("arg"):
        return chosen.option, None
    repeated = [name for name in slots.textual if _is_repeated(slots, name)]
    others = [name for name in slots.columns if name != chosen.option]
    shown_names = [name for name in found if name != chosen.option and name not in used]
    if not shown_names and words.named(_stems([slots.path]), text):
        shown_names = slots.textual[:1]  # "which employee": what a row of employees is called
    asked = yield Choose("What is asked for?", others, shown_names[:1], "shown")
    slots.chosen.append(asked)
    if asked.option in repeated:
        others = words.operations(text)
        most = re.search(r"\b(?:most|least|fewest)\b|最多|最少", text, re.IGNORECASE)
        slots.within = "mean" if "mean" in others else "sum" if most or "sum" in others else None
    return chosen.option, asked.option


def _is_repeated(slots: _Slots, name: str) -> bool:
    """Whether a value of a column stands in several rows: then rows are no things but parts."""
    column = slots.columns[name]
    return bool(column.get("distinct", 0) < slots.rows)


_ALONE = ("mean", "median", "sum", "distinct")  # of these, one more is another question


def _unheard(text: str, operation: str, slots: _Slots) -> list[str]:
    """Return operations that a goal names besides the one that was taken."""
    named = [name for name in words.operations(text) if name in _ALONE]
    return [
        name for name in named if name not in (operation, slots.within) and operation != "count"
    ]


def _stems(paths: Sequence[str]) -> list[str]:
    return [path.rsplit("/", 1)[-1].rsplit(".", 1)[0] for path in paths]


def _header(query: Query, slots: _Slots, columns: Sequence[str]) -> list[str]:
    if query.operation == "list":
        return list(slots.columns) if query.column is None else [query.column]
    value = f"{query.operation}_{query.column}" if query.column else query.operation
    if query.operation.startswith("arg"):
        return [str(columns[0])]
    return [query.by, value] if query.by else [value]


def _sentence(query: Query, value: Json, *, chinese: bool) -> str:
    if isinstance(value, dict):
        return "\n".join(f"{key}: {_shown(one)}" for key, one in value.items())
    if isinstance(value, list):
        if not value:
            return "没有符合条件的数据。" if chinese else "There is none."
        if query.operation == "list" and query.column is None:
            buffer = io.StringIO()
            csv.writer(buffer, lineterminator="\n").writerows(value)
            return buffer.getvalue().strip()
        return ("、" if chinese else ", ").join(_shown(one) for one in value)
    if value is None:
        return "没有符合条件的数据。" if chinese else "There is none."
    return _shown(value)


def _shown(value: Json) -> str:
    from fractions import Fraction

    if isinstance(value, float):
        return shown(Fraction(str(round(value, 6))))
    return str(value)


def _figures(value: Json) -> list[str]:
    return [_shown(one) for one in _flat(value)]


def _flat(value: Json) -> list[Json]:
    if isinstance(value, dict):
        return [one for pair in value.items() for one in pair]
    if isinstance(value, list):
        return [cell for row in value for cell in (row if isinstance(row, list) else [row])]
    return [value]


def _norm(value: Json) -> Json:
    if value is None or value == "":
        return ""
    try:
        return round(float(value), 6)
    except (TypeError, ValueError):
        return value


TABLES = Template(
    name="table",
    about="Answer a question about a table: totals, averages, counts, the highest, by group.",
    fits=_fits,
    plan=_plan,
    needs=("describe_table", "find_values", "query_table", "write_file"),
)
