"""A question to a table, as a value: it can be written as SQL, and worked out a second time.

The second way shares nothing with the first: rows are read with Python's ``csv`` or ``json``, sums
are exact fractions. What both agree on is verified; a slip of either shows.
"""

from __future__ import annotations

import csv
import io
import json
import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
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
        operator: ``=``, ``<``, ``<=``, ``>`` or ``>=``.
        value: With what.
    """

    column: str
    operator: str
    value: str | float

    def sql(self) -> str:
        """Return it as SQL."""
        if isinstance(self.value, str):
            own = self.value.replace("'", "''")
            return f"CAST({_name(self.column)} AS VARCHAR) = '{own}'"
        return f"{_name(self.column)} {self.operator} {self.value:.17g}"

    def holds(self, row: dict[str, Json]) -> bool:
        """Whether a row fulfills it."""
        own = row.get(self.column)
        if isinstance(self.value, str):
            return own is not None and str(own) == self.value
        number = _number(own)
        if number is None:
            return False
        other = Fraction(self.value)
        return {
            "=": number == other,
            "<": number < other,
            "<=": number <= other,
            ">": number > other,
            ">=": number >= other,
        }[self.operator]


@dataclass(frozen=True, kw_only=True, slots=True)
class Query:
    """A question to one table.

    Attributes:
        path: The table.
        operation: ``count``, ``distinct``, ``sum``, ``mean``, ``min``, ``max``, ``median``,
            ``argmax``, ``argmin`` or ``list``.
        column: What is worked out, compared or listed; None: whole rows.
        show: Of ``argmax`` and ``argmin``, what is asked for of the row.
        where: What rows must fulfill, all of it.
        by: One result for each value of this column.
        within: Of ``argmax`` and ``argmin``: what is compared is the ``sum`` or ``mean`` of all
            rows of one ``show``; None: single rows.
    """

    path: str
    operation: str
    column: str | None = None
    show: str | None = None
    where: tuple[Condition, ...] = ()
    by: str | None = None
    within: str | None = None

    def sql(self) -> str:
        """Return it as SQL over the table ``t``."""
        column = "*" if self.column is None else _name(self.column)
        rows = "FROM t"
        if self.where:
            rows += " WHERE " + " AND ".join(one.sql() for one in self.where)
        if self.operation in ("argmax", "argmin") and self.by is None:
            shown, best = _name(self.show or ""), "max" if self.operation == "argmax" else "min"
            if self.within is not None:
                value = f"{_AGGREGATES[self.within]}({column})"
                sums = f"SELECT {shown} AS k, {value} AS v {rows} GROUP BY {shown}"
                best_sum = f"SELECT {best}(v) FROM ({sums})"
                return f"SELECT k FROM ({sums}) WHERE v = ({best_sum}) ORDER BY k"
            inner = f"SELECT {best}({column}) {rows}"
            also = "AND" if self.where else "WHERE"
            return f"SELECT DISTINCT {shown} {rows} {also} {column} = ({inner}) ORDER BY {shown}"
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
            return [row[0] for row in rows]
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

    def _best_of(self, rows: Sequence[dict[str, Json]]) -> list[Json]:
        scored = [
            (number, row)
            for row in rows
            if (number := _number(row.get(self.column or ""))) is not None
        ]
        if not scored:
            return []
        if self.within is not None:
            groups: dict[Json, list[Fraction]] = defaultdict(list)
            for number, row in scored:
                groups[row.get(self.show or "")].append(number)
            scored = [
                (_statistic(self.within, group), {self.show or "": name})
                for name, group in groups.items()
            ]
        numbers = [number for number, _ in scored]
        best = max(numbers) if self.operation == "argmax" else min(numbers)
        found = {row.get(self.show or "") for number, row in scored if number == best}
        return sorted((_typed(value) for value in found), key=str)

    def _value(self, rows: Sequence[dict[str, Json]]) -> Json:
        if self.operation == "count":
            return len(rows)
        values = [row.get(self.column or "") for row in rows]
        if self.operation == "distinct":
            there = [value for value in values if value not in (None, "")]
            as_numbers = [_number(value) for value in there]
            return len(set(there if None in as_numbers else as_numbers))
        numbers = [number for value in values if (number := _number(value)) is not None]
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


def _name(column: str) -> str:
    return '"' + column.replace('"', '""') + '"'
