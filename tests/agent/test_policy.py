"""Budgets are reserved, approvals are of one exact call, circles end."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autogpt.agent.errors import OutOfBudgetError, StuckError
from autogpt.agent.policy import Ledger, Limits, Policy, Repeats, call_hash, mentions
from autogpt.agent.tools.base import Call, Cost, Result, Tool
from autogpt.core.errors import UsageError


def make_tool(effect: str = "effect", **extra: object) -> Tool:
    facts: dict[str, object] = {
        "name": "write",
        "description": "Write.",
        "schema": {"type": "object", "properties": {"path": {"type": "string"}}},
        "run": lambda path="": path,
        "effect": effect,
        "aims": ("path",),
    }
    return Tool(**{**facts, **extra})  # type: ignore[arg-type]


def test_a_call_that_does_not_fit_is_not_begun() -> None:
    ledger = Ledger(Limits(steps=2, tokens=100))
    ledger.reserve(Cost(steps=1, tokens=60))
    ledger.settle(Cost(steps=1, tokens=50))
    with pytest.raises(OutOfBudgetError, match="100 tokens; 50 are spent"):
        ledger.reserve(Cost(tokens=51))
    ledger.reserve(Cost(steps=1, tokens=50))
    ledger.settle(Cost(steps=1, tokens=1))
    with pytest.raises(OutOfBudgetError, match="2 steps"):
        ledger.reserve(Cost(steps=1))


@given(
    st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), max_size=40), st.integers(0, 300)
)
def test_nothing_is_begun_past_a_limit(calls: list[tuple[int, int]], limit: int) -> None:
    ledger = Ledger(Limits(tokens=limit))
    for most, took in calls:
        try:
            ledger.reserve(Cost(tokens=most))
        except OutOfBudgetError:
            continue
        ledger.settle(Cost(tokens=min(most, took)))
        assert ledger.spent.tokens <= limit


def test_time_runs_by_the_clock() -> None:
    now = [0.0]
    ledger = Ledger(Limits(wall_s=10), clock=lambda: now[0])
    now[0] = 4
    ledger.reserve(Cost(wall_s=5))
    now[0] = 9
    ledger.settle(Cost())
    assert ledger.left_s == 1
    with pytest.raises(OutOfBudgetError, match="10 seconds"):
        ledger.reserve(Cost(wall_s=2))
    now[0] = 10
    with pytest.raises(OutOfBudgetError):
        ledger.reserve(Cost())


def test_the_third_unchanged_result_of_one_call_ends_the_run() -> None:
    repeats = Repeats()
    call, result = Call(tool="t", arguments={"a": 1}), Result(ok=True, value=3)
    repeats.add(call, result)
    repeats.add(call, Result(ok=True, value=4))
    repeats.add(call, result)
    with pytest.raises(StuckError, match="3 times"):
        repeats.add(call, result)


def test_fifty_different_calls_do_not_stop_it() -> None:
    repeats = Repeats()
    for number in range(50):
        repeats.add(Call(tool="t", arguments={"a": number}), Result(ok=True, value=0))


GOAL = "Write the total of sales.csv to out/total.txt."


def verdict(policy: Policy, path: str, effect: str = "effect") -> str:
    return policy.permission(
        make_tool(effect), Call(tool="write", arguments={"path": path}), GOAL
    ).verdict


def test_what_only_reads_runs_and_the_rest_is_asked_about() -> None:
    assert verdict(Policy(), "anything", "read") == "allow"
    assert verdict(Policy(), "out/total.txt") == "ask"
    assert verdict(Policy(trusted=frozenset({"write"})), "x") == "allow"


def test_a_yes_in_advance_goes_only_where_the_goal_points() -> None:
    policy = Policy(yes=frozenset({"write"}))
    assert verdict(policy, "out/total.txt") == "allow"
    assert verdict(policy, "./out/total.txt") == "allow"
    for path in ("total.txt", "out/total.tx", "/out/total.txt", ".ssh/authorized_keys", "out", ""):
        assert verdict(policy, path) == ("allow" if path == "sales.csv" else "ask"), path


def test_mentions_whole_names() -> None:
    assert mentions("保存到结果.csv。", "结果.csv")
    assert mentions("写入out.md。", "out.md")
    assert mentions("write to out.md.", "out.md")
    assert not mentions("write to out.md.bak", "out.md")
    assert not mentions("see https://example.org/a", "http://evil.example/a")


def test_an_approval_is_of_this_run_this_tool_and_these_arguments() -> None:
    tool = make_tool()
    own = call_hash("run", tool, {"path": "a"})
    assert own == call_hash("run", tool, {"path": "a"})
    assert own != call_hash("run", tool, {"path": "b"})
    assert own != call_hash("other", tool, {"path": "a"})
    assert own != call_hash("run", make_tool(description="Write now."), {"path": "a"})


def test_limits_are_not_negative() -> None:
    with pytest.raises(UsageError, match="tokens is -1"):
        Limits(tokens=-1)
