"""Tables: what is in a CSV, JSON lines or Parquet file, and read-only SQL over it.

The file is read through the folder's own descriptor and handed to duckdb in memory; duckdb itself
has no access to files, network or extensions, and runs one SELECT.
"""

from __future__ import annotations

import csv
import io
import json
import re
from typing import Any

from autogpt.agent.tools.base import Tool, ToolError, as_tool, tool
from autogpt.agent.tools.folder import Folder
from autogpt.core.errors import MissingExtraError

__all__ = ["SUFFIXES", "columns_of", "read_table", "run_sql", "table_tools"]

SUFFIXES = (".csv", ".tsv", ".parquet", ".jsonl")
_MOST_ROWS = 200  # that a model is shown
_MOST_SAVED = 1_000_000
_MOST_DISTINCT = 20_000  # of a column, that are looked for in a text
_FEW = 60  # distinct values that are listed
_MEMORY = "512MB"
_TIMEOUT_S = 20.0
_CLOSED = (
    "SET python_enable_replacements = false; SET enable_external_access = false; "
    "SET lock_configuration = true"
)


def table_tools(folder: Folder) -> list[Tool]:
    """Return the tools over the tables of a folder."""

    @tool(effect="read")
    def describe_table(path: str) -> dict[str, Any]:
        """Say what columns a table has (CSV, TSV, JSON lines or Parquet), and how many rows.

        Args:
            path: The table.
        """
        table = read_table(folder, path)
        return {"path": path, "rows": table.num_rows, "columns": _columns(table)}

    @tool(effect="read")
    def query_table(path: str, sql: str) -> dict[str, Any]:
        """Run one SQL SELECT over a table, which is called t.

        Args:
            path: The table.
            sql: As in SELECT sum(amount) FROM t WHERE region = 'North'.
        """
        return run_sql({"t": read_table(folder, path)}, sql)

    @tool(effect="read")
    def find_values(path: str, text: str) -> list[dict[str, Any]]:
        """Find the cells of a table's text columns that a text names, the longest first.

        Args:
            path: The table.
            text: Any words.
        """
        return _named_cells(read_table(folder, path), text)

    @tool(effect="idempotent", aims=("to",))
    def save_query(path: str, sql: str, to: str) -> dict[str, Any]:
        """Run one SQL SELECT over a table, which is called t, and write all rows to a file.

        Args:
            path: The table.
            sql: As in SELECT * FROM t WHERE amount > 100.
            to: The file, which ends with .csv, .tsv, .jsonl, .json or .parquet.
        """
        found = run_sql({"t": read_table(folder, path)}, sql, most=_MOST_SAVED)
        if found["more"]:
            raise ToolError(f"There are more than {_MOST_SAVED:,} rows.")
        folder.write(to, _rendered(found["columns"], found["rows"], to))
        return {"path": to, "rows": len(found["rows"])}

    return [as_tool(one) for one in (describe_table, query_table, find_values, save_query)]


def read_table(folder: Folder, path: str) -> Any:  # noqa: ANN401 - pyarrow has no types
    """Return a table of pyarrow.

    Raises:
        ToolError: If it is not one.
    """
    import pyarrow as pa
    from pyarrow import csv, parquet

    suffix = path[path.rfind(".") :].lower() if "." in path else ""
    content = folder.read(path)
    try:
        if suffix in (".csv", ".tsv"):
            options = csv.ParseOptions(
                delimiter="\t" if suffix == ".tsv" else ",", newlines_in_values=True
            )
            content = content.removeprefix(b"\xef\xbb\xbf")
            return csv.read_csv(io.BytesIO(content), parse_options=options)
        if suffix == ".parquet":
            return parquet.read_table(io.BytesIO(content))
        if suffix == ".jsonl":
            rows = [json.loads(line) for line in content.decode().splitlines() if line.strip()]
            return pa.Table.from_pylist(rows)
    except (pa.ArrowException, ValueError, UnicodeDecodeError) as error:
        raise ToolError(f"{path!r} cannot be read as a table: {str(error)[:200]}.") from error
    raise ToolError(f"{path!r} is not a table.", hint=f"Tables end with {', '.join(SUFFIXES)}.")


def columns_of(folder: Folder, path: str) -> list[str]:
    """Return the names of a table's columns, from its first line where that says them."""
    try:
        if path.endswith(".parquet"):
            from pyarrow import parquet

            with folder.open(path) as file:
                return list(parquet.read_schema(file).names)
        with folder.open(path) as file:
            first = file.readline(1 << 16).decode("utf-8-sig").strip()
        if path.endswith(".jsonl"):
            row = json.loads(first)
            return list(row) if isinstance(row, dict) else []
        return next(csv.reader([first], delimiter="\t" if path.endswith(".tsv") else ","), [])
    except (ToolError, ValueError, OSError, csv.Error):
        return []


def run_sql(tables: dict[str, Any], sql: str, *, most: int = _MOST_ROWS) -> dict[str, Any]:
    """Return columns and rows of one SELECT over tables by name.

    Raises:
        ToolError: If it is anything else, wrong, or takes longer than 20 seconds.
        MissingExtraError: If duckdb is not installed.
    """
    import threading

    try:
        import duckdb
    except ImportError as error:
        raise MissingExtraError("duckdb", extra="agent", purpose="SQL over tables") from error
    database = duckdb.connect(
        ":memory:",
        config={"memory_limit": _MEMORY, "threads": 2, "autoinstall_known_extensions": False},
    )
    timer = threading.Timer(_TIMEOUT_S, database.interrupt)
    try:
        for name, table in tables.items():
            database.register(name, table)
        database.execute(_CLOSED)
        statements = database.extract_statements(sql)
        kinds = [statement.type for statement in statements]
        if kinds != [duckdb.StatementType.SELECT]:
            raise ToolError("One SELECT was expected; nothing else is run.")
        timer.start()
        found = database.execute(statements[0])
        names = [column[0] for column in found.description or ()]
        rows = found.fetchmany(most + 1)
    except duckdb.Error as error:
        reason = str(error).split("\n", 1)[0]
        raise ToolError(f"The SQL does not work: {reason}") from error
    finally:
        timer.cancel()
        database.close()
    plain = [[_plain(value) for value in row] for row in rows[:most]]
    return {"columns": names, "rows": plain, "more": len(rows) > most}


def _columns(table: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - pyarrow has no types
    import pyarrow as pa
    import pyarrow.compute as pc

    found = []
    for name in table.column_names:
        column = table.column(name)
        numeric = pa.types.is_integer(column.type) or pa.types.is_floating(column.type)
        entry: dict[str, Any] = {"name": name, "type": "number" if numeric else str(column.type)}
        if pa.types.is_string(column.type):
            entry["type"] = "text"
            distinct = pc.unique(column).to_pylist()
            entry["distinct"] = len(distinct)
            if len(distinct) <= _FEW:
                entry["values"] = [value for value in distinct if value is not None]
        found.append(entry)
    return found


def _named_cells(table: Any, text: str) -> list[dict[str, Any]]:  # noqa: ANN401 - pyarrow
    import pyarrow as pa
    import pyarrow.compute as pc

    found: list[tuple[int, int, str, str]] = []
    lower = text.lower()
    for name in table.column_names:
        column = table.column(name)
        if not (pa.types.is_string(column.type) or pa.types.is_date(column.type)):
            continue
        for value in pc.unique(column).to_pylist()[:_MOST_DISTINCT]:
            shown = "" if value is None else str(value).strip()
            place = _place(shown.lower(), lower) if shown else None
            if place is not None:
                found.append((*place, name, str(value)))
    found.sort(key=lambda one: one[0] - one[1])
    kept: list[tuple[int, int, str, str]] = []
    for one in found:
        if all(one[1] <= other[0] or one[0] >= other[1] for other in kept):
            kept.append(one)
    return [
        {
            "column": name,
            "value": value,
            "as": text[start:end],
            "also": [other[2] for other in found if other[:2] == (start, end) and other[2] != name],
        }
        for start, end, name, value in kept
    ]


def _place(value: str, text: str) -> tuple[int, int] | None:
    """Return where a value stands as a whole; an English plural counts as its singular."""
    pattern = re.escape(value)
    if value[0].isascii() and value[0].isalnum():
        pattern = r"(?<![A-Za-z0-9])" + pattern
    if value[-1].isascii() and value[-1].isalnum():
        pattern += r"(?:s|es)?(?![A-Za-z0-9])"
    match = re.search(pattern, text)
    return match.span() if match else None


def _rendered(names: list[str], rows: list[list[Any]], path: str) -> bytes:
    suffix = path[path.rfind(".") :].lower()
    if suffix == ".parquet":
        import pyarrow as pa
        from pyarrow import parquet

        sink = io.BytesIO()
        columns = list(zip(*rows, strict=True)) or [()] * len(names)
        parquet.write_table(
            pa.table({n: list(c) for n, c in zip(names, columns, strict=True)}), sink
        )
        return sink.getvalue()
    buffer = io.StringIO()
    if suffix in (".csv", ".tsv"):
        writer = csv.writer(
            buffer, delimiter="\t" if suffix == ".tsv" else ",", lineterminator="\n"
        )
        writer.writerow(names)
        writer.writerows(rows)
    elif suffix in (".json", ".jsonl"):
        objects = [dict(zip(names, row, strict=True)) for row in rows]
        lines = [json.dumps(one, ensure_ascii=False) for one in objects]
        joined = "\n".join(lines) if suffix == ".jsonl" else "[" + ",\n".join(lines) + "]"
        buffer.write(joined + "\n")
    else:
        raise ToolError(f"{path!r} is no kind of table.", hint="End it with .csv or .jsonl.")
    return buffer.getvalue().encode()


def _plain(value: object) -> object:
    """Return a value of a row as JSON."""
    import decimal

    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, decimal.Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return str(value)
