"""Run a model's chat template: a program that comes with the model, from whoever made it.

It runs in jinja's sandbox, with the extensions and functions that ``transformers`` (2026) gives,
and with limits on its length, its loops and calls, and the strings it makes. What a conversation
looks like is in ``chat.py``.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Iterator, Mapping
from contextvars import ContextVar
from datetime import datetime
from typing import Any, NoReturn

import jinja2
import jinja2.ext
import jinja2.nodes
import jinja2.parser
import jinja2.sandbox

from autogpt.core.errors import CheckpointError, UsageError

__all__ = ["render_template"]

_MOST_TEMPLATE_CHARS = 1 << 17  # the longest in common use have some 30,000
_MOST_STEPS = 1_000_000  # loop rounds and calls: about a second
_MOST_TEXT_CHARS = 1 << 26  # of one string
_MOST_EXPONENT = 64


def render_template(template: str, values: Mapping[str, object]) -> str:
    """Return what ``template`` makes of ``values``, which must be plain data.

    Raises:
        CheckpointError: If the template is broken, or breaks the sandbox or its limits.
        UsageError: If the template refuses the values.
    """
    budget = _steps_left.set([_MOST_STEPS])
    try:
        return _joined(_compile(template).generate(values))
    except _RefusedByTemplateError as error:
        raise UsageError(f"The model's chat template refuses these messages: {error}") from error
    except _BREAKAGES as error:
        reason = str(error).rstrip(".") or type(error).__name__
        raise CheckpointError(f"The model's chat template cannot be rendered: {reason}.") from error
    finally:
        _steps_left.reset(budget)


class _LimitError(Exception):
    """A template went on for too long."""


class _RefusedByTemplateError(Exception):
    """A template called ``raise_exception``."""


_BREAKAGES = (
    jinja2.TemplateError, _LimitError, ArithmeticError, AttributeError, LookupError,
    RecursionError, TypeError, ValueError,
)  # fmt: skip
"""What a program that is not ours may raise."""

_steps_left: ContextVar[list[int]] = ContextVar("_steps_left")


def _take_step() -> None:
    left = _steps_left.get()
    left[0] -= 1
    if left[0] < 0:
        raise _LimitError(f"it takes more than {_MOST_STEPS:,} steps")


class _GenerationTag(jinja2.ext.Extension):
    """``{% generation %}``, which marks the assistant's words for training, and shows them."""

    def parse(self, parser: jinja2.parser.Parser) -> list[jinja2.nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


_GenerationTag.tags = {"generation"}


class _Environment(jinja2.sandbox.ImmutableSandboxedEnvironment):
    """The sandbox, counting loop rounds and calls and bounding strings."""

    intercepted_binops = frozenset({"*", "**", "+"})

    def __init__(self) -> None:
        super().__init__(
            trim_blocks=True,
            lstrip_blocks=True,
            extensions=[_GenerationTag, jinja2.ext.loopcontrols],
        )
        for padding in ("center", "format"):  # make strings of any length out of one number
            del self.filters[padding]
        del self.globals["lipsum"]
        self.filters |= {"tojson": _to_json, "_counted": _counted, "_joined": _joined}
        self.globals |= {"raise_exception": _raise, "strftime_now": _strftime_now}

    def _parse(self, source: str, name: str | None, filename: str | None) -> jinja2.nodes.Template:
        """Count the rounds of every loop, and bound what ``~`` joins."""
        tree = super()._parse(source, name, filename)
        for loop in list(tree.find_all(jinja2.nodes.For)):
            loop.iter = _filtered(loop.iter, "_counted")
        for concat in list(tree.find_all(jinja2.nodes.Concat)):
            parts = jinja2.nodes.List(concat.nodes, lineno=concat.lineno)
            concat.nodes = [_filtered(parts, "_joined")]
        return tree

    def call(self, context: Any, obj: Any, /, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - jinja's signature
        """Count calls, which recursive macros make without a loop."""
        _take_step()
        return super().call(context, obj, *args, **kwargs)

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:  # noqa: ANN401 - jinja's signature
        """Refuse results that are too large before they are made."""
        sizes = [len(side) for side in (left, right) if isinstance(side, str | list | tuple)]
        numbers = [abs(side) for side in (left, right) if isinstance(side, int | float)]
        size = {
            "+": sum(sizes),
            "*": sizes[0] * numbers[0] if sizes and numbers else 0,
            "**": _MOST_TEXT_CHARS + 1 if max(numbers, default=0) > _MOST_EXPONENT else 0,
        }[operator]
        if size > _MOST_TEXT_CHARS:
            raise _LimitError(f"{operator!r} makes a value that is too large")
        return super().call_binop(context, operator, left, right)


@functools.lru_cache(maxsize=16)
def _compile(template: str) -> jinja2.Template:
    if len(template) > _MOST_TEMPLATE_CHARS:
        raise _LimitError(f"it has more than {_MOST_TEMPLATE_CHARS:,} characters")
    return _Environment().from_string(template)


def _filtered(node: jinja2.nodes.Node, name: str) -> jinja2.nodes.Filter:
    return jinja2.nodes.Filter(node, name, [], [], None, None, lineno=node.lineno)


def _counted(items: Iterable[object]) -> Iterator[object]:
    for item in items:
        _take_step()
        yield item


def _joined(parts: Iterable[object]) -> str:
    texts, size = [], 0
    for part in parts:
        text = str(part)
        size += len(text)
        if size > _MOST_TEXT_CHARS:
            raise _LimitError(f"it makes more than {_MOST_TEXT_CHARS:,} characters")
        texts.append(text)
    return "".join(texts)


def _to_json(value: object, indent: int | None = None) -> str:
    """Jinja's own filter escapes HTML, which templates do not want."""
    return json.dumps(value, ensure_ascii=False, indent=indent)


def _raise(message: str) -> NoReturn:
    raise _RefusedByTemplateError(message)


def _strftime_now(form: str) -> str:
    return datetime.now().strftime(form)
