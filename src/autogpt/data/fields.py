"""Which field of a record is its text: the one named, a usual name, or the longest.

Decided once per file from its first records, so that all documents of a file come from one field.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice

from autogpt.core.errors import DataError
from autogpt.data.records import Record

__all__ = ["check_field", "choose_field", "text_of", "with_field"]

_USUAL = (
    "text", "content", "body", "document", "article", "story", "passage", "raw_content", "markdown",
    "code", "sentence", "completion", "response", "output", "answer", "正文", "内容", "文本",
)  # fmt: skip
_LOOK_AT = 64


def with_field(
    records: Iterable[Record], *, wanted: str | None, name: str
) -> tuple[str | None, Iterator[Record]]:
    """Return the text field of a stream of records (None if they are bare texts), and the stream.

    Raises:
        DataError: If no field holds text, or none is called ``wanted``.
    """
    stream = iter(records)
    head = list(islice(stream, _LOOK_AT))
    rows = [record.value for record in head if isinstance(record.value, dict)]
    field = choose_field(rows, wanted=wanted, name=name) if rows else None
    return field, chain(head, stream)


def choose_field(rows: list[dict[str, object]], *, wanted: str | None, name: str) -> str:
    """Return the text field of ``rows``.

    Raises:
        DataError: If there is none; the message lists the fields that are there.
    """
    names = list(dict.fromkeys(key for row in rows for key in row))
    listed = ", ".join(repr(key) for key in names) or "none"
    if wanted is not None:
        check_field(wanted, names, name=name)
        return wanted
    lengths = {
        key: sum(len(value) for row in rows if isinstance(value := row.get(key), str))
        for key in names
    }
    folded = {key.casefold(): key for key in reversed(names)}
    for usual in _USUAL:
        if usual in folded and lengths[folded[usual]] > 0:
            return folded[usual]
    longest = max(names, key=lambda key: lengths[key], default="")
    if not names or lengths[longest] == 0:
        raise DataError(
            f"{name!r} has no field that holds text; its fields are {listed}.",
            hint="Name the text field, or convert the file to rows with a 'text' field.",
        )
    return longest


def check_field(wanted: str, names: Sequence[str], *, name: str) -> None:
    """Raise a DataError that names the nearest field if ``wanted`` is none of ``names``."""
    if wanted in names:
        return
    listed = ", ".join(map(repr, names)) or "none"
    close = difflib.get_close_matches(wanted, names, n=1)
    raise DataError(
        f"{name!r} has no field {wanted!r}; its fields are {listed}.",
        hint=f"Did you mean {close[0]!r}?" if close else "Name one of these.",
    )


def text_of(record: Record, field: str | None) -> tuple[str | None, str]:
    """Return (text, "") of a record; or (None, what is wrong with it); absent text is empty."""
    if record.error:
        return None, record.error
    value = record.value
    if isinstance(value, dict) and field is not None:
        if field not in value:
            listed = ", ".join(repr(key) for key in value) or "none"
            return None, f"has no field {field!r}; its fields are {listed}"
        value = value[field]
        if value is None:
            return "", ""
        if not isinstance(value, str):
            return None, f"has a {type(value).__name__} in the field {field!r}, text was expected"
    if not isinstance(value, str):
        return None, f"is a {type(value).__name__}, an object with a text field was expected"
    return value, ""
