"""The slots of a question to a table, and how a goal calls its columns and rows.

What a column is called: its name, without a unit, its last word, or a word that stands for it. What
a row is called: as the file, or as people where there are names.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from autogpt.agent.plans import words
from autogpt.agent.plans.base import Chosen
from autogpt.agent.plans.coverage import ASKS, asks

__all__ = [
    "MEANT",
    "Slots",
    "asks_for_row",
    "in_columns",
    "named_columns",
    "names_rows",
    "parts_of",
    "rows_called",
    "stem_of",
    "without_columns",
]

Json = Any
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
_UNIT = re.compile(r"[_ (](?:mm|cm|m|km|c|f|kg|g|l|ml|eur|usd|s|h|min|pct|percent)\)?$", re.I)


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


def named_columns(text: str, slots: Slots) -> list[str]:
    """Return the columns that a text names, those by their own name first."""
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


def asks_for_row(text: str, slots: Slots) -> bool:
    """Whether a column that is no number is asked for, as in "the product with the highest"."""
    found = named_columns(text, slots)
    return bool(found) and found[0] in slots.textual


def in_columns(rest: str, slots: Slots) -> set[str]:
    """Return asks that are only there as names of columns, as in "数量"."""
    return asks(rest) - asks(without_columns(rest, slots))


def without_columns(text: str, slots: Slots) -> str:
    """Return a text without the names of columns, where these hold words that ask."""
    for name in sorted(slots.columns, key=len, reverse=True):
        if not name.isascii() and any(re.search(pattern, name) for _, pattern in ASKS):
            text = text.replace(name, " ")
    return text


def stem_of(path: str) -> list[str]:
    """Return what a table is called: the name of its file without the suffix, in a list."""
    return [path.rsplit("/", 1)[-1].rsplit(".", 1)[0]]


def names_rows(name: str, slots: Slots) -> bool:
    """Whether a column is called what the rows are: "member" in members.csv."""
    return any(words.find_name(name, one) for one in stem_of(slots.path))


def rows_called(slots: Slots) -> list[str]:
    """Return what the rows of a table may be called: its file's name, people where it has names."""
    found = [*stem_of(slots.path)]
    found += [name for name in slots.textual if names_rows(name, slots)]
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
        " ".join([*stem_of(slots.path), *slots.columns]),
        re.IGNORECASE,
    ):
        found += ["order", "sale", "订单"]
    return found


def parts_of(columns: Sequence[str] | dict[str, Any]) -> list[str]:
    """Return the words that names of columns are made of: "orders" stands for ``order_id``."""
    found = [part for name in columns for part in re.findall(r"[A-Za-z]{3,}", name) if part != name]
    han = [name for name in columns if re.fullmatch(r"[\u3400-\u9fff]{4}", name)]
    return found + [part for name in han for part in (name[:2], name[2:])]
