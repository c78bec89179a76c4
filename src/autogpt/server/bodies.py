"""From the bytes of a body to a request that was checked, or an error that names the field.

JSON is read as RFC 8259 has it: UTF-8 only, no NaN or Infinity, no number that overflows, no lone
surrogate, no name twice in an object, nested to a bound. What Python's reader lets pass, and what
later breaks somewhere else, is refused here.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, NoReturn, TypeVar

from pydantic import BaseModel, ValidationError

from autogpt.server.api_errors import ApiError

__all__ = ["parse", "read_json"]

_MOST_DEPTH = 64
_MOST_DIGITS = 400  # of one number

_STRINGS = re.compile(r'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_BRACKETS = re.compile(r"[\[\]{}]")

Wire = TypeVar("Wire", bound=BaseModel)


def parse(body: bytes, model: type[Wire]) -> Wire:
    """Return a checked request.

    Raises:
        ApiError: 400, if the body is not JSON or a field is wrong.
    """
    value = read_json(body)
    if not isinstance(value, dict):
        raise ApiError(400, "The body must be a JSON object.", code="invalid_json")
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise _explained(error) from error


def read_json(body: bytes) -> Any:  # noqa: ANN401 - any JSON
    """Return the value of JSON text.

    Raises:
        ApiError: 400, if it is not JSON, or not JSON that is safe to pass on.
    """
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _invalid(f"not UTF-8 at byte {error.start}") from error
    _check_depth(text)
    try:
        value = json.loads(
            text,
            parse_constant=_no_constant,
            parse_float=_finite,
            parse_int=_integer,
            object_pairs_hook=_unique,
        )
    except json.JSONDecodeError as error:
        raise _invalid(f"{error.msg} at character {error.pos}") from error
    except RecursionError as error:
        raise _invalid("nested too deeply") from error
    # A lone surrogate can only be spelled as an escape.
    if "\\ud" in text or "\\uD" in text:
        _check_text(value)
    return value


def _check_depth(text: str) -> None:
    """Refuse deep nesting before it is read; brackets within strings do not count."""
    if text.count("[") + text.count("{") <= _MOST_DEPTH:
        return
    depth = 0
    for bracket in _BRACKETS.findall(_STRINGS.sub("", text)):
        depth += 1 if bracket in "[{" else -1
        if depth > _MOST_DEPTH:
            raise _invalid(f"nested more than {_MOST_DEPTH} levels deep")


def _no_constant(name: str) -> NoReturn:
    raise _invalid(f"{name} is not a JSON number")


def _finite(text: str) -> float:
    value = float(text) if len(text) <= _MOST_DIGITS else math.inf
    if not math.isfinite(value):
        raise _invalid(f"the number {text[:20]} is too large")
    return value


def _integer(text: str) -> int:
    if len(text) > _MOST_DIGITS:
        raise _invalid(f"the number {text[:20]}... is too large")
    return int(text)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _invalid(f"the name {ascii(twice)[:60]} is there twice in an object")
    return found


def _check_text(value: object) -> None:
    waiting = [value]
    while waiting:
        node = waiting.pop()
        if isinstance(node, str):
            try:
                node.encode()
            except UnicodeEncodeError as error:
                raise _invalid("a text holds half of a surrogate pair") from error
        elif isinstance(node, dict):
            waiting += node.keys()
            waiting += node.values()
        elif isinstance(node, list):
            waiting += node


def _invalid(reason: str) -> ApiError:
    return ApiError(400, f"The body is not valid JSON: {reason}.", code="invalid_json")


def _explained(error: ValidationError) -> ApiError:
    """Return the first thing that is wrong; of a union the branch that came closest."""
    errors = error.errors(include_url=False, include_context=False, include_input=False)
    first = max(errors, key=lambda one: len(_path(one["loc"])))
    unknown = [one for one in errors if one["type"] == "extra_forbidden" and len(one["loc"]) == 1]
    if unknown:
        first = unknown[0]
    param = _path(first["loc"])
    where = f"{'.'.join(param)}: " if param else ""
    reason = first["msg"].removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        reason = "this field is unknown, or not supported"
    return ApiError(400, f"{where}{reason}.", code="invalid_value", param=".".join(param) or None)


def _path(places: tuple[int | str, ...]) -> list[str]:
    """Return the path of a field, without the names that pydantic gives to a union's branches."""
    return [
        str(place)
        for place in places
        if isinstance(place, int) or (str(place).isidentifier() and not str(place)[0].isupper())
    ]
