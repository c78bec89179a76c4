"""What a run may spend, as people write it: ``10m``, ``5Mtokens``, ``0.02kWh``, ``$1.50``.

A budget is one dial. Energy and money are turned into time by a power and a price; time and tokens
are what a training loop can keep to. Not here: what a budget buys (``training.plan``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from autogpt.core.errors import UsageError
from autogpt.core.units import parse_duration

__all__ = ["Budget", "parse_budget"]

_TOKENS = re.compile(r"(\d+(?:\.\d+)?)\s*([KMB]?)\s*(?:tokens?|tok)", re.IGNORECASE)
_ENERGY = re.compile(r"(\d+(?:\.\d+)?)\s*(k?Wh)", re.IGNORECASE)
_MONEY = re.compile(
    r"(?:[$€£¥]|USD|EUR|GBP|CNY|RMB)\s*(\d+(?:\.\d+)?)|(\d+(?:\.\d+)?)\s*(?:[$€£¥元]|USD|EUR|GBP|CNY|RMB)",
    re.IGNORECASE,
)
_FACTORS = {"": 1.0, "k": 1e3, "m": 1e6, "b": 1e9}
_HOW = "Write it like 90s, 10m, 3h, 5Mtokens, 0.02kWh or $1.50."
_WS_PER_KWH = 3.6e6
_UNITS = {"s": "s", "tokens": "tokens", "kWh": "kWh", "money": "$"}


@dataclass(frozen=True, slots=True)
class Budget:
    """An amount of seconds, tokens, kilowatt-hours or money in some currency."""

    amount: float
    unit: Literal["s", "tokens", "kWh", "money"]

    def __str__(self) -> str:
        """Return text that :func:`parse_budget` reads as the same."""
        return f"{self.amount:.12g}{_UNITS[self.unit]}"

    def plus(self, more: Budget) -> Budget:
        """Return both together.

        Raises:
            UsageError: If one is time and the other money, say.
        """
        if self.unit != more.unit:
            raise UsageError(
                f"A budget of {self} and one of {more} cannot be added.",
                hint="Give the whole budget, without a plus sign.",
            )
        return Budget(self.amount + more.amount, self.unit)

    def seconds(self, *, watts: float, price_per_hour: float | None) -> float | None:
        """Return the wall time it allows; None for tokens, which take what they take.

        Args:
            watts: What the machine draws while it trains.
            price_per_hour: Of the machine, in the currency of the budget.

        Raises:
            UsageError: If money is to be spent and no price is known.
        """
        if self.unit == "tokens":
            return None
        if self.unit == "kWh":
            return self.amount * _WS_PER_KWH / watts
        if self.unit == "money":
            if not price_per_hour:
                raise UsageError(
                    "A budget of money needs to know what an hour of this machine costs.",
                    hint="Add --price-per-hour, as in --price-per-hour 0.40.",
                )
            return self.amount / price_per_hour * 3600
        return self.amount


def parse_budget(text: str) -> Budget:
    """Return the budget that ``text`` names; a bare number is seconds.

    Raises:
        UsageError: If it is none, or not positive.
    """
    stripped = text.strip()
    if match := _TOKENS.fullmatch(stripped):
        budget = Budget(float(match[1]) * _FACTORS[match[2].lower()], "tokens")
    elif match := _ENERGY.fullmatch(stripped):
        kilo = 1.0 if match[2].lower() == "kwh" else 1e-3
        budget = Budget(float(match[1]) * kilo, "kWh")
    elif match := _MONEY.fullmatch(stripped):
        budget = Budget(float(match[1] or match[2]), "money")
    else:
        try:
            budget = Budget(parse_duration(stripped), "s")
        except UsageError as error:
            raise UsageError(f"{text!r} is not a budget.", hint=_HOW) from error
    if budget.amount <= 0:
        raise UsageError(f"The budget {text!r} is nothing.", hint=_HOW)
    return budget
