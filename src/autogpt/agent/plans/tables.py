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
from dataclasses import dataclass
from typing import Any

from autogpt.agent.checks import Check, Same
from autogpt.agent.demands import outputs
from autogpt.agent.errors import GaveUpError
from autogpt.agent.plans import words
from autogpt.agent.plans.base import Answer, Choose, Goal, Plan, Request, Template, Use
from autogpt.agent.plans.coverage import asks
from autogpt.agent.plans.query import Query, rows_of
from autogpt.agent.plans.questions import question
from autogpt.agent.plans.slots import MEANT, Slots
from autogpt.agent.plans.writing import said, save
from autogpt.agent.tools.base import ToolError
from autogpt.agent.tools.calculator import shown
from autogpt.agent.tools.folder import Folder
from autogpt.agent.tools.tables import SUFFIXES

__all__ = ["TABLES"]

Json = Any
_COPY = re.compile(
    r"\b(?:convert|copy|export|turn|rows? (?:of|from|where|with|in)|only the|filter|all)\b"
    r"|转换|转为|转成|导出|筛选|挑出|找出|提取|所有",
    re.IGNORECASE,
)
_TRAIN = re.compile(
    r"\b(?:train|classif|sort|label|finetune|fine-tune)\w*\b|训练|分类|归类|打标签", re.I
)


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
    if sure and (outputs(goal.text) or _COPY.search(goal.text)):
        sure += 0.3
    if sure and re.search(
        r"\b(?:what|which|who|how|list|show|give)\b|什么|哪|谁|列出|多少", goal.text, re.I
    ):
        sure += 0.2
    return min(1.0, sure + (0.1 if len(tables) == 1 else 0.0))


def _mentioned(goal: Goal, paths: Sequence[str]) -> list[str]:
    """Return the files that a goal names: by path, by name, or by the name without its suffix."""
    wanted = words.without(goal.text, outputs(goal.text))
    return _paths(goal, paths) or (
        words.named([path.rsplit("/", 1)[-1].rsplit(".", 1)[0] for path in paths], wanted)
        and [
            path
            for path in paths
            if words.find_name(path.rsplit("/", 1)[-1].rsplit(".", 1)[0], wanted) is not None
        ]
    )


def _paths(goal: Goal, paths: Sequence[str]) -> list[str]:
    """Return the files that a goal names with their suffix, in its order."""
    wanted = words.without(goal.text, outputs(goal.text))
    whole = [path for path in paths if path in wanted or path.rsplit("/", 1)[-1] in wanted]
    return sorted(whole, key=wanted.find)


def _by_columns(goal: Goal, tables: Sequence[str]) -> list[str]:
    """Return the tables that have the most of the columns that a goal names, at least one."""
    text = words.without(goal.text, outputs(goal.text))
    scores: dict[str, float] = {}
    for path in tables:
        columns = goal.columns.get(path, ())
        meant = [
            name
            for pattern, names in MEANT
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
    return [path for path, score in scores.items() if score == best] if best >= 0.5 else []


def _plan(goal: Goal) -> Plan:
    slots = yield from _table(goal)
    query = yield from question(goal, slots)
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
    with_value = bool(asks(goal.text) & {"number", "order"})
    text = _sentence(query, value, chinese=goal.chinese, with_value=with_value)
    for path in targets:
        rows = result.value["rows"]
        if result.value["more"]:
            # What is too long to show goes from file to file.
            done = yield Use("save_query", {"path": query.path, "sql": query.sql(), "to": path})
            if not done.ok:
                raise GaveUpError(str(done.value))
            text = said(path, chinese=goal.chinese)
        else:
            header = _header(query, slots)
            text = yield from save(goal, path, text, header, rows)
        checks.append(
            Same(what=f"what is in {path}", claimed=True, again=_Written(query=query, path=path))
        )
    return Answer(
        text=text, checks=checks, slots=slots.chosen, covers=slots.covers, meets=slots.meets
    )


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


def _table(goal: Goal) -> Generator[Request, Any, Slots]:
    tables = goal.of(*SUFFIXES)
    sources = [path for path in tables if path not in outputs(goal.text)] or tables
    named = _paths(goal, sources)
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
    return Slots(path=chosen.option, columns=columns, chosen=[chosen], rows=rows)


def _with_values(goal: Goal, paths: Sequence[str]) -> Generator[Request, Any, list[str]]:
    """Return the tables that have the most cells which the goal names."""
    counts = {}
    for path in paths:
        found = yield Use("find_values", {"path": path, "text": goal.text})
        counts[path] = len(found.value) if found.ok else 0
    best = max(counts.values())
    return [path for path, count in counts.items() if count == best and count]


def _header(query: Query, slots: Slots) -> list[str]:
    if query.operation == "list":
        return list(slots.columns) if query.column is None else [query.column]
    value = f"{query.operation}_{query.column}" if query.column else query.operation
    if query.operation.startswith("arg"):
        return [str(query.show), query.column or query.within or value]
    return [query.by, value] if query.by else [value]


def _sentence(query: Query, value: Json, *, chinese: bool, with_value: bool) -> str:
    if query.operation.startswith("arg") and query.by is None and value:
        if with_value:
            return "\n".join(f"{_shown(name)}: {_shown(number)}" for name, number in value)
        return ("、" if chinese else ", ").join(_shown(name) for name, _ in value)
    if query.operation == "share" and value is not None:
        return f"{_shown(value)}%"
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
