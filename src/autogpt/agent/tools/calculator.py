"""Arithmetic, read as a syntax tree: numbers and a few operators, nothing else is run.

Exact as long as it can be: integers and decimals as written are fractions, so 0.1 + 0.2 is 0.3.
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable
from fractions import Fraction

from autogpt.agent.tools.base import Tool, ToolError, as_tool, tool

__all__ = ["calculate", "calculator_tools", "shown"]

_Number = Fraction | float
_MOST_CHARS = 500
_MOST_BITS = 4096  # of a result: more is a mistake, and would take the machine's memory

_TWO: dict[type[ast.operator], Callable[[_Number, _Number], _Number]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: lambda a, b: Fraction(a // b),
    ast.Mod: operator.mod,
}
_FUNCTIONS: dict[str, Callable[..., _Number]] = {
    "sqrt": lambda x: _root(x),
    "abs": abs,
    "min": min,
    "max": max,
    "sum": lambda *xs: sum(xs, Fraction(0)),
    "round": lambda x, digits=0: Fraction(round(Fraction(x), int(digits))),
    "log": lambda x: math.log(x),
    "log10": lambda x: math.log10(x),
    "exp": lambda x: math.exp(x),
}
_NAMES = {"pi": math.pi, "e": math.e}


def calculator_tools() -> list[Tool]:
    """Return the calculator."""
    return [as_tool(_calculate_tool)]


@tool(effect="read", name="calculate", outside=False)
def _calculate_tool(expression: str) -> str:
    """Work out an arithmetic expression exactly.

    Args:
        expression: Numbers with + - * / // % ** ( ), and sqrt, abs, min, max, round, log, exp.
    """
    return shown(calculate(expression))


def calculate(expression: str) -> _Number:
    """Return the value of an expression.

    Raises:
        ToolError: If it is none, or too large.
    """
    text = _normal(expression)
    if len(text) > _MOST_CHARS:
        raise ToolError(f"The expression has more than {_MOST_CHARS} characters.")
    try:
        tree = ast.parse(text, mode="eval")
        return _value(tree.body, text)
    except (SyntaxError, RecursionError, MemoryError) as error:
        raise ToolError(f"{expression!r:.80} is not an arithmetic expression.") from error
    except ZeroDivisionError as error:
        raise ToolError(f"{expression!r:.80} divides by zero.") from error
    except (ValueError, OverflowError, TypeError) as error:
        raise ToolError(f"{expression!r:.80} has no value: {error}.") from error


def shown(value: _Number) -> str:
    """Return a number as people write it: whole, or up to 12 significant digits."""
    if isinstance(value, Fraction):
        if value.denominator == 1:
            return str(value.numerator)
        return f"{float(value):.12g}"
    return f"{value:.12g}"


def _normal(text: str) -> str:
    for old, new in (
        ("×", "*"), ("÷", "/"), ("−", "-"), ("（", "("), ("）", ")"), ("，", ","), ("^", "**"),
        ("加", "+"), ("减", "-"), ("乘以", "*"), ("乘", "*"), ("除以", "/"),
    ):  # fmt: skip
        text = text.replace(old, new)
    return text.strip().removesuffix("=").strip()


def _value(node: ast.expr, text: str) -> _Number:
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        source = ast.get_source_segment(text, node) or str(node.value)
        return _checked(Fraction(source.replace("_", "")))
    if isinstance(node, ast.BinOp):
        left, right = _value(node.left, text), _value(node.right, text)
        if isinstance(node.op, ast.Pow):
            return _checked(_power(left, right))
        if type(node.op) in _TWO:
            return _checked(_TWO[type(node.op)](left, right))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.UAdd | ast.USub):
        value = _value(node.operand, text)
        return -value if isinstance(node.op, ast.USub) else value
    if isinstance(node, ast.Name) and node.id in _NAMES:
        return _NAMES[node.id]
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords:
        function = _FUNCTIONS.get(node.func.id)
        if function is not None:
            return _checked(function(*(_value(one, text) for one in node.args)))
    raise ToolError(f"{ast.unparse(node)!r:.80} is not arithmetic.")


def _power(base: _Number, exponent: _Number) -> _Number:
    if isinstance(base, Fraction) and isinstance(exponent, Fraction) and exponent.denominator == 1:
        size = max(base.numerator.bit_length(), base.denominator.bit_length())
        if size * abs(exponent.numerator) > _MOST_BITS:
            raise ToolError("The power is too large.")
        return Fraction(base**exponent.numerator)
    found = float(base) ** float(exponent)
    if isinstance(found, complex):
        raise ToolError("The power is not a real number.")
    return float(found)


def _root(value: _Number) -> _Number:
    if isinstance(value, Fraction) and value >= 0:
        top, bottom = math.isqrt(value.numerator), math.isqrt(value.denominator)
        if top * top == value.numerator and bottom * bottom == value.denominator:
            return Fraction(top, bottom)
    return math.sqrt(value)


def _checked(value: _Number) -> _Number:
    if isinstance(value, Fraction):
        if max(value.numerator.bit_length(), value.denominator.bit_length()) > _MOST_BITS:
            raise ToolError("The number is too large.")
    elif not math.isfinite(value):
        raise ToolError("The number is too large.")
    return value
