"""Tables: what is in a CSV, JSON lines or Parquet file, and read-only SQL over it.

The file is read through the folder's own descriptor and handed to duckdb in memory; duckdb itself
has no access to files, network or extensions, and runs one SELECT.
"""

from __future__ import annotations

import io
import json
from typing import Any

from autogpt.agent.tools.base import Tool, ToolError, as_tool, tool
from autogpt.agent.tools.folder import Folder
from autogpt.core.errors import MissingExtraError

__all__ = ["SUFFIXES", "read_table", "run_sql", "table_tools"]

SUFFIXES = (".csv", ".tsv", ".parquet", ".jsonl")
_MOST_ROWS = 200  # that a model is shown
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

    return [as_tool(describe_table), as_tool(query_table)]


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


def run_sql(tables: dict[str, Any], sql: str) -> dict[str, Any]:
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
        if kinds != [duckdb.StatementType.SELECT_STATEMENT]:
            raise ToolError("One SELECT was expected; nothing else is run.")
        timer.start()
        found = database.execute(statements[0])
        names = [column[0] for column in found.description or ()]
        rows = found.fetchmany(_MOST_ROWS + 1)
    except duckdb.Error as error:
        reason = str(error).split("\n", 1)[0]
        raise ToolError(f"The SQL does not work: {reason}") from error
    finally:
        timer.cancel()
        database.close()
    plain = [[_plain(value) for value in row] for row in rows[:_MOST_ROWS]]
    return {"columns": names, "rows": plain, "more": len(rows) > _MOST_ROWS}


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


def _plain(value: object) -> object:
    """Return a value of a row as JSON."""
    import decimal

    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, decimal.Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return str(value)
