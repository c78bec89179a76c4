"""Arithmetic in the goal, worked out by the calculator and a second time by decimals."""

from __future__ import annotations

import re
from decimal import Decimal, localcontext

from autogpt.agent.checks import Check, Same
from autogpt.agent.demands import outputs
from autogpt.agent.errors import GaveUpError
from autogpt.agent.plans import words
from autogpt.agent.plans.base import Answer, Chosen, Goal, Plan, Template, Use
from autogpt.agent.plans.writing import save
from autogpt.agent.tools.folder import Folder

__all__ = ["ARITHMETIC"]

_WORDS = (
    (r"(\d+(?:\.\d+)?)\s*(?:%|percent|％)\s*(?:of)\s*(\d+(?:\.\d+)?)", r"(\1/100*\2)"),
    (r"(\d+(?:\.\d+)?)\s*的\s*(?:百分之\s*(\d+(?:\.\d+)?)|"
     r"(\d+(?:\.\d+)?)\s*[%％])", r"(\1/100*\2\3)"),
    (r"(?:the\s+)?square root of\s+(\d+(?:\.\d+)?)", r"sqrt(\1)"),
    (r"(\d+(?:\.\d+)?)\s*的平方根", r"sqrt(\1)"),
    (r"(\d+(?:\.\d+)?)\s*(?:squared|的平方)", r"(\1**2)"),
    (r"\bdivide\s+(\d+(?:\.\d+)?)\s+by\s+(\d+(?:\.\d+)?)", r"(\1/\2)"),
    (r"\bmultiply\s+(\d+(?:\.\d+)?)\s+(?:by|with|and)\s+(\d+(?:\.\d+)?)", r"(\1*\2)"),
    (r"\badd\s+(\d+(?:\.\d+)?)\s+(?:and|to)\s+(\d+(?:\.\d+)?)", r"(\1+\2)"),
    (r"\bsubtract\s+(\d+(?:\.\d+)?)\s+from\s+(\d+(?:\.\d+)?)", r"(\2-\1)"),
    (r"\bdivided by\b|再?除以", "/"),
    (r"\bmultiplied by\b|\btimes\b|再?乘以?", "*"),
    (r"\bplus\b|再?加上?", "+"),
    (r"\bminus\b|再?减去?", "-"),
    (r"\bto the power of\b|的?次方", "**"),
    (r"×|✕", "*"), (r"÷", "/"), (r"−", "-"), (r"（", "("), (r"）", ")"), (r"\^", "**"),
    (r"(?<=\d),(?=\d{3}\b)", ""),
    (r"(?<=\d)\s*x\s*(?=\d)", "*"),
)  # fmt: skip
_NAME = re.compile(  # as smollm2-135m-instruct: its digits are no numbers
    r"(?<![\w.-])(?=[\w.-]*[A-Za-z]{2})(?=[\w.-]*\d)[\w.-]+"
)
_EXPRESSION = re.compile(r"(?:sqrt|[\d.()+\-*/%\s]|\*\*)+")


def expression(text: str) -> str | None:
    """Return the longest arithmetic expression in a text that has an operator, None without."""
    text = _NAME.sub(" ", text)
    for pattern, new in _WORDS:
        text = re.sub(pattern, new, text, flags=re.IGNORECASE)
    found: list[str] = [str(match[0]).strip().rstrip(".") for match in _EXPRESSION.finditer(text)]
    usable = [
        one
        for one in found
        if re.search(r"\d\)*\s*(?:\*\*|[+\-*/%])\s*\(*\s*(?:[\d(-]|sqrt)|sqrt\(", one)
        and one.count("(") == one.count(")")
    ]
    return max(usable, key=len) if usable else None


def _fits(goal: Goal) -> float:
    text = words.without(goal.text, [*goal.files, *outputs(goal.text)])
    text = re.sub(r"\d{4}-\d{2}-\d{2}", " ", text)
    return 0.98 if expression(text) else 0.0


def _plan(goal: Goal) -> Plan:
    text = words.without(goal.text, [*goal.files, *outputs(goal.text)])
    asked = expression(text)
    assert asked is not None  # that is why it fits
    result = yield Use("calculate", {"expression": asked})
    if not result.ok:
        raise GaveUpError(str(result.value))
    answer = str(result.value)
    claimed = float(answer)

    def again(_folder: Folder) -> float:
        return float(_Decimals(asked).value())

    checks: list[Check] = [Same(what=asked, claimed=claimed, again=again)]
    for path in outputs(goal.text):
        answer = yield from save(goal, path, answer, ["result"], [[claimed]])
    return Answer(
        text=answer,
        checks=checks,
        slots=[Chosen("expression", asked, grounded=True)],
        covers=[*_numbers(asked), *_SAID],
        meets={"number", "sum", "share"},
    )


# Words for what is worked out, when the numbers have been taken away.
_SAID = (
    "square root", "squared", "power of", "power", "divide", "divided", "multiply", "multiplied",
    "times",
    "plus", "minus", "subtract", "add", "expression", "by", "除以", "乘以", "加上", "减去",
    "次方", "平方根", "平方", "加",
    "减", "乘", "除", "百分之", "x",
)  # fmt: skip


def _numbers(asked: str) -> list[str]:
    """Return the numbers of an expression, also as they may be written in the goal."""
    found = re.findall(r"\d+(?:\.\d+)?", asked)
    return [*found, *(f"{int(one):,}" for one in found if one.isdigit() and len(one) > 3)]


class _Decimals:
    """Recursive descent over an expression, in decimals of 50 digits."""

    def __init__(self, text: str) -> None:
        self._tokens: list[str] = re.findall(r"\d+(?:\.\d+)?|\.\d+|\*\*|sqrt|[-+*/%()]", text)
        self._place = 0

    def value(self) -> Decimal:
        with localcontext() as context:
            context.prec = 50
            found = self._sum()
        if self._place != len(self._tokens):
            raise ValueError(f"{self._tokens[self._place]!r} was not expected")
        return found

    def _next(self, *wanted: str) -> str | None:
        if self._place < len(self._tokens) and self._tokens[self._place] in wanted:
            self._place += 1
            return self._tokens[self._place - 1]
        return None

    def _sum(self) -> Decimal:
        total = self._product()
        while sign := self._next("+", "-"):
            own = self._product()
            total = total + own if sign == "+" else total - own
        return total

    def _product(self) -> Decimal:
        total = self._signed()
        while sign := self._next("*", "/", "%"):
            own = self._signed()
            if sign == "*":
                total *= own
            else:
                total = total / own if sign == "/" else total - own * (total / own).__floor__()
        return total

    def _signed(self) -> Decimal:
        if self._next("-"):
            return -self._signed()
        if self._next("+"):
            return self._signed()
        return self._power()

    def _power(self) -> Decimal:
        base = self._atom()
        return Decimal(base ** self._signed()) if self._next("**") else base

    def _atom(self) -> Decimal:
        if self._next("sqrt"):
            self._next("(")
            inner = self._sum()
            self._next(")")
            return inner.sqrt()
        if self._next("("):
            inner = self._sum()
            if not self._next(")"):
                raise ValueError("a bracket is not closed")
            return inner
        if self._place >= len(self._tokens):
            raise ValueError("the expression ends too soon")
        self._place += 1
        return Decimal(self._tokens[self._place - 1])


ARITHMETIC = Template(
    name="arithmetic",
    about="Work out an arithmetic expression.",
    fits=_fits,
    plan=_plan,
    needs=("calculate", "write_file"),
)
