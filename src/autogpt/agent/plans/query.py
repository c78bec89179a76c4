"""A question to a table, as a value: it can be written as SQL, and worked out a second time.

The second way shares nothing with the first: rows are read with Python's ``csv`` or ``json``, sums
are exact fractions. What both agree on is verified; a slip of either shows.
"""

from __future__ import annotations

import csv
import io
import json
import math
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from operator import eq, ge, gt, le, lt, ne
from typing import Any

from autogpt.agent.tools.base import ToolError
from autogpt.agent.tools.folder import Folder

__all__ = ["Condition", "Query", "rows_of"]

Json = Any
_AGGREGATES = {"sum": "sum", "mean": "avg", "min": "min", "max": "max", "median": "median"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Condition:
    """What rows must fulfill.

    Attributes:
        column: Which value is compared.
        operator: ``=``, ``!=``, ``<``, ``<=``, ``>``, ``>=``, or ``in`` some texts.
        value: With what. Texts are ordered as their characters are, dates are such texts.
    """

    column: str
    operator: str
    value: str | float | tuple[str, ...]

    def sql(self) -> str:
        """Return it as SQL."""
        if isinstance(self.value, tuple):
            some = ", ".join(_text(one) for one in self.value)
            return f"CAST({_name(self.column)} AS VARCHAR) IN ({some})"
        if isinstance(self.value, str):
            return f"CAST({_name(self.column)} AS VARCHAR) {self.operator} {_text(self.value)}"
        return f"{_name(self.column)} {self.operator} {self.value:.17g}"

    def holds(self, row: dict[str, Json]) -> bool:
        """Whether a row fulfills it."""
        own = row.get(self.column)
        if isinstance(self.value, tuple):
            return own is not None and str(own) in self.value
        if isinstance(self.value, str):
            return own not in (None, "") and _compares(self.operator, str(own), self.value)
        number = _number(own)
        return number is not None and _compares(self.operator, number, Fraction(self.value))


@dataclass(frozen=True, kw_only=True, slots=True)
class Query:
    """A question to one table.

    Attributes:
        path: The table.
        operation: ``count``, ``distinct``, ``sum``, ``mean``, ``min``, ``max``, ``median``,
            ``argmax``, ``argmin``, ``share`` (percentage of rows, or of the column's sum, that
            fulfill ``where``) or ``list``.
        column: What is worked out, compared or listed; None: whole rows.
        others: Columns that are added to it, or multiplied with it, in each row.
        joined: ``+`` or ``*``, of ``others``.
        show: Of ``argmax`` and ``argmin``, what is asked for of the row.
        first: Of ``argmax`` and ``argmin``: how many places are told, the best first; None: all.
        where: What rows must fulfill, all of it.
        by: One result for each value of this column.
        within: Of ``argmax`` and ``argmin``: what is compared is the ``sum``, ``mean`` or ``count``
            of all rows of one ``show``; None: single rows.
    """

    path: str
    operation: str
    column: str | None = None
    others: tuple[str, ...] = ()
    joined: str = "+"
    show: str | None = None
    first: int | None = 1
    where: tuple[Condition, ...] = ()
    by: str | None = None
    within: str | None = None

    def sql(self) -> str:
        """Return it as SQL over the table ``t``."""
        column = "*" if self.column is None else self._cell_sql(self.column)
        holds = " AND ".join(one.sql() for one in self.where) or "TRUE"
        rows = f"FROM t WHERE {holds}" if self.where else "FROM t"
        if self.operation in ("argmax", "argmin") and self.by is None:
            return self._best_sql(column, rows)
        if self.operation == "share":
            what = "count(*)" if self.column is None else f"sum({column})"
            part = f"coalesce({what} FILTER (WHERE {holds}), 0)"
            return f"SELECT 100.0 * {part} / nullif({what}, 0) FROM t"
        if self.operation == "list":
            return f"SELECT {column} {rows}"
        value = self._value_sql(column)
        if self.by is None:
            return f"SELECT {value} {rows}"
        by = _name(self.by)
        return f"SELECT {by}, {value} {rows} GROUP BY {by} ORDER BY {by}"

    def result(self, rows: Sequence[Sequence[Json]]) -> Json:
        """Return what rows of the SQL's result say: a value, a list, or a value by group."""
        if self.by is not None and self.operation != "list":
            return {_key(key): value for key, value in rows}
        if self.operation in ("argmax", "argmin"):
            return [list(row) for row in rows]
        if self.operation == "list":
            return [list(row) if self.column is None else row[0] for row in rows]
        return rows[0][0] if rows else None

    def again(self, folder: Folder) -> Json:
        """Work it out from the file by other means.

        Raises:
            ToolError: If the file cannot be read.
        """
        names, every = rows_of(folder, self.path)
        rows = [row for row in every if all(one.holds(row) for one in self.where)]
        if self.operation == "share":
            return self._share(rows, every)
        if self.operation == "list":
            if self.column is None:
                return [[_typed(row.get(name)) for name in names] for row in rows]
            return [_typed(row.get(self.column)) for row in rows]
        if self.operation in ("argmax", "argmin") and self.by is None:
            return self._best_of(rows)
        if self.by is None:
            return self._value(rows)
        groups: dict[str, list[dict[str, Json]]] = defaultdict(list)
        for row in rows:
            groups[_key(row.get(self.by))].append(row)
        return {key: self._value(group) for key, group in sorted(groups.items())}

    def _value_sql(self, column: str) -> str:
        if self.operation == "count":
            return "count(*)"
        if self.operation == "distinct":
            return f"count(DISTINCT {column})"
        return f"{_AGGREGATES[self.operation]}({column})"

    def _cell_sql(self, column: str) -> str:
        if not self.others:
            return _name(column)
        return "(" + f" {self.joined} ".join(_name(one) for one in (column, *self.others)) + ")"

    def _best_sql(self, column: str, rows: str) -> str:
        """Return SQL for what is asked for, and its value, in the order of places."""
        shown, down = _name(self.show or ""), "DESC" if self.operation == "argmax" else "ASC"
        if self.within is None:
            pairs = f"SELECT DISTINCT {shown} AS k, {column} AS v {rows}"
        else:
            value = (
                "count(*)" if self.within == "count" else f"{_AGGREGATES[self.within]}({column})"
            )
            pairs = f"SELECT {shown} AS k, {value} AS v {rows} GROUP BY {shown}"
        rank = f"rank() OVER (ORDER BY v {down}) AS place"
        places = f"SELECT k, v, {rank} FROM ({pairs}) WHERE v IS NOT NULL"
        most = "" if self.first is None else f" WHERE place <= {self.first}"
        return f"SELECT k, v FROM ({places}){most} ORDER BY place, k"

    def _cell(self, row: dict[str, Json]) -> Fraction | None:
        """Return the number of a row: of one column, or of several together."""
        parts = [_number(row.get(name)) for name in (self.column or "", *self.others)]
        numbers = [one for one in parts if one is not None]
        if len(numbers) < len(parts):
            return None
        return (
            sum(numbers, Fraction(0))
            if self.joined == "+"
            else math.prod(numbers, start=Fraction(1))
        )

    def _best_of(self, rows: Sequence[dict[str, Json]]) -> list[Json]:
        """Return what is asked for with its value, the best place first; ties share a place."""
        scored: list[tuple[Json, Fraction]] = []
        if self.within == "count":
            counts = Counter(row.get(self.show or "") for row in rows)
            scored = [(name, Fraction(count)) for name, count in counts.items()]
        else:
            cells = [(row.get(self.show or ""), self._cell(row)) for row in rows]
            scored = list({(name, number) for name, number in cells if number is not None})
            if self.within is not None:
                groups: dict[Json, list[Fraction]] = defaultdict(list)
                for name, number in cells:
                    if number is not None:
                        groups[name].append(number)
                scored = [(name, _statistic(self.within, group)) for name, group in groups.items()]
        sign = -1 if self.operation == "argmax" else 1
        found = [
            (sum(sign * other < sign * number for _, other in scored), name, number)
            for name, number in scored
        ]
        kept = [one for one in found if self.first is None or one[0] < self.first]
        kept.sort(key=lambda one: (one[0], str(one[1])))
        return [[_typed(name), _plain(number)] for _, name, number in kept]

    def _share(self, rows: Sequence[dict[str, Json]], every: Sequence[dict[str, Json]]) -> Json:
        if self.column is None:
            return _plain(Fraction(100 * len(rows), len(every))) if every else None
        part, whole = (
            sum((one for row in some if (one := self._cell(row)) is not None), Fraction(0))
            for some in (rows, every)
        )
        return _plain(100 * part / whole) if whole else None

    def _value(self, rows: Sequence[dict[str, Json]]) -> Json:
        if self.operation == "count":
            return len(rows)
        values = [row.get(self.column or "") for row in rows]
        if self.operation == "distinct":
            there = [value for value in values if value not in (None, "")]
            as_numbers = [_number(value) for value in there]
            return len(set(there if None in as_numbers else as_numbers))
        numbers = [number for row in rows if (number := self._cell(row)) is not None]
        if not numbers:
            return None
        return _plain(_statistic(self.operation, numbers))


def rows_of(folder: Folder, path: str) -> tuple[list[str], list[dict[str, Json]]]:
    """Return the columns and rows of a table, read with Python's own readers.

    Raises:
        ToolError: If it is no table.
    """
    suffix = path[path.rfind(".") :].lower()
    if suffix in (".csv", ".tsv"):
        text = folder.text(path)
        reader = csv.DictReader(io.StringIO(text), delimiter="\t" if suffix == ".tsv" else ",")
        rows: list[dict[str, Json]] = list(reader)
        return list(reader.fieldnames or ()), rows
    if suffix == ".jsonl":
        rows = [json.loads(line) for line in folder.text(path).splitlines() if line.strip()]
        return list(dict.fromkeys(key for row in rows for key in row)), rows
    if suffix == ".parquet":
        from pyarrow import parquet

        with folder.open(path) as file:
            table = parquet.read_table(file)
        return table.column_names, table.to_pylist()
    raise ToolError(f"{path!r} is not a table.")


def _statistic(operation: str, numbers: Iterable[Fraction]) -> Fraction:
    values = list(numbers)
    if operation == "sum":
        return sum(values, Fraction(0))
    if operation == "mean":
        return sum(values, Fraction(0)) / len(values)
    if operation == "median":
        return Fraction(statistics.median(values))
    return min(values) if operation in ("min", "argmin") else max(values)


def _number(value: Json) -> Fraction | None:
    if value is None or isinstance(value, bool):
        return None
    try:
        return Fraction(str(value).strip())
    except (ValueError, ZeroDivisionError):
        return None


def _plain(value: Fraction) -> int | float:
    return value.numerator if value.denominator == 1 else float(value)


def _typed(value: Json) -> Json:
    """Return a cell of a CSV file as the number that it is, else as it is."""
    if isinstance(value, str):
        number = _number(value)
        if number is not None:
            return _plain(number)
        return value or None
    return value


def _key(value: Json) -> str:
    return "" if value is None else str(value)


def _compares(operator: str, one: Any, other: Any) -> bool:  # noqa: ANN401 - two of a kind
    return bool({"=": eq, "!=": ne, "<": lt, "<=": le, ">": gt, ">=": ge}[operator](one, other))


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _name(column: str) -> str:
    return '"' + column.replace('"', '""') + '"'
