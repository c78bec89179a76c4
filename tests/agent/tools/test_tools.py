"""Functions as tools, arithmetic, tables, the web's addresses."""

from __future__ import annotations

import contextlib
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, TypedDict

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from autogpt.agent.tools.base import ToolError, as_tool, check_arguments, tool
from autogpt.agent.tools.calculator import calculate, shown
from autogpt.agent.tools.folder import Folder
from autogpt.agent.tools.tables import columns_of, table_tools
from autogpt.agent.tools.web import check_address
from autogpt.core.errors import UsageError
from autogpt.inference.constraint import json_schema


class Place(TypedDict):
    city: str
    zip: int


@tool(effect="read")
def find(
    query: str,
    limit: int = 5,
    kind: Literal["a", "b"] = "a",
    tags: list[str] | None = None,
    place: Place | None = None,
) -> list[str]:
    """Find something.

    It may take a while.

    Args:
        query: What to look for,
            in a few words.
        limit: Most results.
        kind: Of which kind.
        tags: Must have these.
        place: Near this.
    """
    return [query, str(limit), kind, str(tags), str(place)]


def test_a_function_becomes_a_schema() -> None:
    made = as_tool(find)
    assert (made.name, made.description, made.effect) == ("find", "Find something.", "read")
    assert made.schema["required"] == ["query"]
    assert made.properties["query"] == {
        "type": "string",
        "description": "What to look for, in a few words.",
    }
    assert made.properties["kind"]["enum"] == ["a", "b"]
    assert made.properties["tags"]["anyOf"][0] == {"type": "array", "items": {"type": "string"}}
    json_schema(made.schema)  # what models are held to


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({}, "needs the argument 'query'"),
        ({"query": 1}, "expected string"),
        ({"query": "x", "limit": "5"}, "expected integer"),
        ({"query": "x", "limit": True}, "expected integer"),
        ({"query": "x", "kind": "c"}, "expected one of"),
        ({"query": "x", "tags": [1]}, "has an item that is 1"),
        ({"query": "x", "place": {"city": "Oslo"}}, "lacks 'zip'"),
        ({"query": "x", "what": 1}, "no argument 'what'"),
    ],
)
def test_arguments_are_checked_again(arguments: dict[str, Any], problem: str) -> None:
    with pytest.raises(ToolError, match=problem):
        check_arguments(as_tool(find), arguments)


def test_what_a_tool_raises_is_a_result() -> None:
    def broken(text: str) -> str:
        """Break.

        Args:
            text: Anything.
        """
        raise RuntimeError(text)

    found = as_tool(broken).call({"text": "boom"})
    assert (found.ok, found.value) == (False, "RuntimeError: boom")
    assert as_tool(broken).effect == "effect"
    assert found.text == "Error: RuntimeError: boom"


def test_what_is_no_tool() -> None:
    def silent(x: int) -> int:
        return x

    def loose(*things: int) -> None:
        """Take anything."""

    def strange(x: Path) -> None:
        """Take a path."""

    for function in (silent, loose, strange):
        with pytest.raises(UsageError):
            as_tool(function)


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("0.1 + 0.2", "0.3"),
        ("2 ** 10", "1024"),
        ("(1250 + 375) * 12", "19500"),
        ("7 // 2 + 7 % 4", "6"),
        ("sqrt(16) + abs(-3)", "7"),
        ("10 / 4", "2.5"),
        ("1 / 3", "0.333333333333"),
        ("（3 + 4）× 2", "14"),
        ("-2 ** 2", "-4"),
        ("round(2.567, 2)", "2.57"),
        ("max(1, 5, 3)", "5"),
        ("10**20 // 3", "33333333333333333333"),
        ("(7 // 2) ** 2", "9"),
        ("5.5 // pi", "1"),
    ],
)
def test_arithmetic(expression: str, value: str) -> None:
    assert shown(calculate(expression)) == value


@pytest.mark.parametrize(
    "expression",
    [
        "", "1 +", "__import__('os')", "a", "(1).real", "9**9**9**9", "1/0", "[1]", "'a'*3",
        "1 if 1 else 2", "(lambda: 1)()", "sqrt(-1)", "sqrt", "True", "1e9999", "f'{1}'", "0**-1",
        "(" * 300 + "1" + ")" * 300,
    ],
)  # fmt: skip
def test_what_is_no_arithmetic(expression: str) -> None:
    with pytest.raises(ToolError):
        calculate(expression)


@example("0//1")
@given(st.text(alphabet="0123456789+-*/(). e", max_size=30))
def test_any_expression_is_a_value_or_a_sentence(text: str) -> None:
    with contextlib.suppress(ToolError):
        assert isinstance(calculate(text), Fraction | float)


@pytest.fixture
def tables(tmp_path: Path) -> dict[str, Any]:
    (tmp_path / "t.csv").write_text(
        "name,数量,when\nPump,3,2025-01-02\n阀门,4,2025-02-03\n", "utf-8"
    )
    (tmp_path / "t.jsonl").write_text('{"a": 1, "b": "x"}\n{"a": 2.5, "b": null}\n')
    return {"folder": Folder(tmp_path), **{one.name: one for one in table_tools(Folder(tmp_path))}}


def test_tables(tables: dict[str, Any]) -> None:
    described = tables["describe_table"].call({"path": "t.csv"}).value
    assert described["rows"] == 2
    assert [column["type"] for column in described["columns"]] == ["text", "number", "date32[day]"]
    assert columns_of(tables["folder"], "t.csv") == ["name", "数量", "when"]
    assert columns_of(tables["folder"], "t.jsonl") == ["a", "b"]
    query = {"path": "t.csv", "sql": 'SELECT sum("数量") FROM t'}
    assert tables["query_table"].call(query).value["rows"] == [[7]]
    cells = tables["find_values"].call({"path": "t.csv", "text": "How many pumps? 阀门呢？"}).value
    assert [(one["column"], one["value"]) for one in cells] == [("name", "Pump"), ("name", "阀门")]
    saved = {"path": "t.jsonl", "sql": "SELECT * FROM t", "to": "out.csv"}
    assert tables["save_query"].call(saved).value == {"path": "out.csv", "rows": 2}
    assert tables["folder"].text("out.csv") == "a,b\n1.0,x\n2.5,\n"


@pytest.mark.parametrize(
    "sql",
    [
        "DROP TABLE "
        "t", "SELECT 1; SELECT 2", "COPY t TO 'x.csv'", "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM "
        "'/etc/passwd'", "INSTALL httpfs", "ATTACH 'x.db'", "SET threads=1", "", "nonsense",
        "SELECT * FROM read_text('/etc/hostname')", "PRAGMA version", "SELECT * FROM tables",
        "SELECT getenv('HOME')", "CREATE TABLE x AS SELECT 1", "SELECT * FROM glob('/*')",
    ],
)  # fmt: skip
def test_sql_reads_the_table_and_nothing_else(tables: dict[str, Any], sql: str) -> None:
    assert not tables["query_table"].call({"path": "t.csv", "sql": sql}).ok


@pytest.mark.parametrize(
    ("url", "addresses"),
    [
        ("http://127.0.0.1/", ["127.0.0.1"]),
        ("http://example.org/", ["10.0.0.8"]),
        ("http://example.org/", ["93.184.215.14", "192.168.1.1"]),
        ("http://metadata/", ["169.254.169.254"]),
        ("http://example.org/", ["::1"]),
        ("http://example.org/", ["::ffff:127.0.0.1"]),
        ("http://example.org/", ["64:ff9b::7f00:1"]),
        ("http://example.org/", ["0.0.0.0"]),
        ("http://example.org/", ["100.64.0.1"]),
        ("http://example.org/", ["224.0.0.1"]),
        ("http://example.org/", ["fd00::1"]),
        ("http://example.org/", []),
        ("http://example.org:22/", ["93.184.215.14"]),
        ("http://user:pw@example.org/", ["93.184.215.14"]),
        ("file:///etc/passwd", []),
        ("gopher://example.org/", ["93.184.215.14"]),
        ("http://", []),
        ("http://[::1", []),
    ],
)
def test_only_public_addresses_are_fetched(url: str, addresses: list[str]) -> None:
    with pytest.raises(ToolError):
        check_address(url, lambda _host, _port: addresses)


def test_the_address_that_was_checked_is_the_one_that_is_used() -> None:
    found = check_address("https://example.org/a", lambda _host, _port: ["93.184.215.14"])
    assert found == ("example.org", 443, "93.184.215.14")
