"""A question to a table comes to the same in SQL and by Python's own means; words of goals."""

from __future__ import annotations

import csv

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autogpt.agent.checks import alike
from autogpt.agent.plans import coverage, words
from autogpt.agent.plans.arithmetic import expression
from autogpt.agent.plans.query import Condition, Query
from autogpt.agent.tools.folder import Folder
from autogpt.agent.tools.tables import read_table, run_sql

NAMES = st.sampled_from(["North", "South", "华北", "O'Neil", 'say "hi"', "a,b", "x y"])
NUMBERS = st.one_of(st.integers(-1000, 1000), st.decimals(-100, 100, places=2).map(float))
ROWS = st.lists(st.tuples(NAMES, NAMES, NUMBERS, st.integers(0, 50)), min_size=1, max_size=25)
CONDITIONS = st.lists(
    st.one_of(
        st.builds(
            Condition,
            column=st.just("region"),
            operator=st.sampled_from(["=", "!=", "<", ">="]),
            value=NAMES,
        ),
        st.builds(
            Condition,
            column=st.just("region"),
            operator=st.just("in"),
            value=st.lists(NAMES, min_size=1, max_size=3).map(tuple),
        ),
        st.builds(
            Condition,
            column=st.sampled_from(["amount", "units"]),
            operator=st.sampled_from(["<", "<=", ">", ">=", "="]),
            value=st.integers(-50, 50).map(float),
        ),
    ),
    max_size=2,
).map(tuple)
AGGREGATES = st.builds(
    Query,
    path=st.just("t.csv"),
    operation=st.sampled_from(["count", "distinct", "sum", "mean", "min", "max", "median"]),
    column=st.sampled_from(["amount", "units"]),
    where=CONDITIONS,
    by=st.sampled_from([None, "region", "product"]),
)
BEST = st.builds(
    Query,
    path=st.just("t.csv"),
    operation=st.sampled_from(["argmax", "argmin"]),
    column=st.just("units"),  # sums of floats tie or not by their last digit
    others=st.sampled_from([(), ("units",)]),
    joined=st.sampled_from(["+", "*"]),
    show=st.sampled_from(["region", "product"]),
    first=st.sampled_from([1, 2, None]),
    where=CONDITIONS,
    within=st.sampled_from([None, "sum", "count"]),
)
SHARES = st.builds(
    Query,
    path=st.just("t.csv"),
    operation=st.just("share"),
    column=st.sampled_from([None, "units"]),
    where=CONDITIONS,
)
LISTS = st.builds(
    Query,
    path=st.just("t.csv"),
    operation=st.just("list"),
    column=st.sampled_from([None, "region", "units"]),
    where=CONDITIONS,
)


@settings(max_examples=150)
@given(ROWS, st.one_of(AGGREGATES, BEST, SHARES, LISTS))
def test_both_ways_agree(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[object, ...]], query: Query
) -> None:
    place = tmp_path_factory.mktemp("t")
    with (place / "t.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["region", "product", "amount", "units"])
        writer.writerows(rows)
    folder = Folder(place)
    found = run_sql({"t": read_table(folder, "t.csv")}, query.sql())
    again = query.again(folder)
    assert alike(_rounded(query.result(found["rows"])), _rounded(again)), query.sql()


def _rounded(value: object) -> object:
    """Sums of floats differ in their last digits; what is compared here is not those."""
    if isinstance(value, float):
        return round(value, 6) + 0.0
    if isinstance(value, list):
        return [_rounded(one) for one in value]
    if isinstance(value, dict):
        return {key: _rounded(one) for key, one in value.items()}
    return value


@pytest.mark.parametrize(
    ("text", "operation"),
    [
        ("What is the total amount?", "sum"),
        ("How many orders are there?", "count"),
        ("How many different products?", "distinct"),
        ("What is the highest price?", "max"),
        ("Which product has the highest price?", "argmax"),
        ("Who is the youngest?", "argmin"),
        ("平均工资是多少？", "mean"),
        ("谁的工资最高？", "argmax"),
        ("工资最低的是谁？", "argmin"),
        ("一共有多少人？", "count"),
        ("有多少个订单？", "count"),
        ("有多少种不同的产品？", "distinct"),
        ("Hello there", None),
    ],
)
def test_operations(text: str, operation: str | None) -> None:
    assert words.operation(text) == operation


def test_comparisons() -> None:
    found = words.comparisons("amount over 1,000 and age at least 30; 金额不超过50.5")
    assert [(one.operator, one.value) for one in found] == [(">", 1000), (">=", 30), ("<=", 50.5)]


def test_names() -> None:
    columns = ["unit_price", "price", "regionName", "数量"]
    assert words.named(columns, "the Unit Price by region name") == ["unit_price", "regionName"]
    assert words.named(columns, "总数量和 prices") == ["数量", "price"]
    assert words.per("total per region name", columns) == "regionName"
    assert words.quoted("find “锅炉” and 'the boiler'") == ["锅炉", "the boiler"]


@pytest.mark.parametrize(
    ("goal", "covers", "meets", "left"),
    [
        ("What is the total amount for March?", ["amount"], {"sum"}, ["March"]),
        ("How many people do not live in Oslo?", ["people", "Oslo"], {"number"}, ["not"]),
        ("Count those in Oslo or over 40", ["Oslo", "over 40"], {"number"}, ["or"]),
        ("请问技术部的平均工资是多少？", ["技术部", "工资"], {"mean", "number"}, []),
        ("离职员工的平均工资", ["工资", "员工"], {"mean"}, ["离职"]),
        ("哪些货卖得少？", ["货"], {"number"}, ["names (哪些)", "少"]),
        ("12 * 3 and save it", ["12", "3"], {"number"}, ["a file to be written (save)"]),
        ("How many are old, and why?", [], {"number"}, ["a reason or a judgement (why)"]),
    ],
)
def test_what_nothing_accounts_for_is_named(
    goal: str, covers: list[str], meets: set[str], left: list[str]
) -> None:
    found = coverage.uncovered(goal, covers, meets)
    assert set(left) <= set(found)
    assert bool(left) == bool(found)


def test_two_questions_of_a_kind_are_two() -> None:
    goal = "How many are in A, and how many in B?"
    assert coverage.uncovered(goal, ["A", "B"], {"number"})
    assert not coverage.uncovered(goal, ["A", "B"], {"number", "many"})


@pytest.mark.parametrize(
    ("text", "bounds"),
    [
        ("joined before 2020", [("<", "2020-01-01")]),
        ("after March 2024", [(">=", "2024-04-01")]),
        ("on 2025-12-31", [(">=", "2025-12-31"), ("<", "2026-01-01")]),
        ("2025年6月的订单", [(">=", "2025-06-01"), ("<", "2025-07-01")]),
        ("2019年以前", [("<", "2019-01-01")]),
    ],
)
def test_periods(text: str, bounds: list[tuple[str, str]]) -> None:
    (found,) = words.periods(text)
    assert list(found.bounds) == bounds


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("What is 15% of 240?", "(15/100*240)"),
        ("Divide 9876 by 12", "(9876/12)"),
        ("2480的15%是多少？", "(2480/100*15)"),
        ("the square root of 1764", "sqrt(1764)"),
        ("12 times 3 plus 4", "12 * 3 + 4"),
        ("1,250 + 375", "1250 + 375"),
        ("on 2025", None),
        ("three files", None),
    ],
)
def test_expressions(text: str, found: str | None) -> None:
    assert expression(text) == found
