from __future__ import annotations

import pytest

from autogpt.core.budget import Budget, parse_budget
from autogpt.core.errors import UsageError


@pytest.mark.parametrize(
    ("text", "amount", "unit"),
    [
        ("90s", 90, "s"),
        ("10m", 600, "s"),
        ("1h30m", 5400, "s"),
        ("45", 45, "s"),
        ("5Mtokens", 5e6, "tokens"),
        ("2.5 m tokens", 2.5e6, "tokens"),
        ("800 tokens", 800, "tokens"),
        ("0.02kWh", 0.02, "kWh"),
        ("20 Wh", 0.02, "kWh"),
        ("$1.50", 1.5, "money"),
        ("3 EUR", 3, "money"),
        ("¥5", 5, "money"),
        ("5元", 5, "money"),
    ],
)
def test_a_budget_is_read_as_people_write_it(text: str, amount: float, unit: str):
    budget = parse_budget(text)
    assert budget.amount == pytest.approx(amount)
    assert budget.unit == unit


@pytest.mark.parametrize("text", ["", "soon", "-3m", "0s", "0 tokens", "10 parsecs", "kWh"])
def test_what_is_no_budget_says_how_to_write_one(text: str):
    with pytest.raises(UsageError) as caught:
        parse_budget(text)
    assert "10m" in (caught.value.hint or "")


def test_energy_and_money_become_time():
    assert Budget(0.024, "kWh").seconds(watts=24, price_per_hour=None) == pytest.approx(3600)
    assert Budget(1.0, "money").seconds(watts=24, price_per_hour=0.5) == pytest.approx(7200)
    assert Budget(60, "s").seconds(watts=24, price_per_hour=None) == 60
    assert Budget(1e6, "tokens").seconds(watts=24, price_per_hour=None) is None


def test_money_needs_a_price():
    with pytest.raises(UsageError, match="what an hour of this machine costs"):
        Budget(1.0, "money").seconds(watts=24, price_per_hour=None)


@pytest.mark.parametrize("text", ["90s", "5Mtokens", "0.02kWh", "$1.50"])
def test_budgets_of_one_kind_add_up(text: str):
    budget = parse_budget(text)
    assert parse_budget(str(budget)) == budget
    assert budget.plus(budget).amount == pytest.approx(2 * budget.amount)
    other = parse_budget("1s" if budget.unit != "s" else "1kWh")
    with pytest.raises(UsageError, match="cannot be added"):
        budget.plus(other)
