"""Files that come back translated in their own format: text, Markdown, subtitles, catalogs, rows.

A document is its texts and a way to put others in their place: ``document.put(translated)``. What
is not text (times, numbers, keys, comments) is passed on as it is.
"""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from autogpt.core.errors import DataError

__all__ = ["FORMATS", "SUFFIXES", "Document", "read_document"]

SUFFIXES: dict[str, str] = {
    ".txt": "text", ".text": "text", ".md": "text", ".markdown": "text",
    ".srt": "srt", ".po": "po", ".pot": "po", ".jsonl": "jsonl", ".ndjson": "jsonl",
}  # fmt: skip
"""Suffix of a file -> name of its format."""

_SUBTITLE_CHARS = {"zh": 16, "ja": 13}
"""Most characters of a line of subtitles; 42 of other languages (Netflix's Timed Text Style Guides,
2024)."""


@dataclass(frozen=True, slots=True)
class Document:
    """A file's texts.

    Attributes:
        texts: In order.
        put: Returns the file with other texts in their place.
    """

    texts: Sequence[str]
    put: Callable[[Sequence[str]], str]


def read_document(text: str, form: str, *, target: str, field: str | None = None) -> Document:
    """Return a file's texts.

    Args:
        text: What is in the file.
        form: One of ``FORMATS``.
        target: The language that the texts will be in.
        field: Of rows: the field that holds the text.

    Raises:
        DataError: If it is not of that format.
        MissingExtraError: If that needs a package that is not installed.
    """
    return FORMATS[form](text, target, field)


def _plain(text: str, target: str, field: str | None) -> Document:
    del target, field
    return Document([text], lambda translated: translated[0])


# -- subtitles -------------------------------------------------------------------------------------

_TIMES = re.compile(r"[ \t]*\d+:\d\d:\d\d[,.]\d{1,3}[ \t]*-->[ \t]*\d+:\d\d:\d\d[,.]\d{1,3}[^\n]*")


def _srt(text: str, target: str, field: str | None) -> Document:
    """Read SubRip: a number, times, lines; an empty line behind each."""
    del field
    ending = "\r\n" if "\r\n" in text else "\n"
    lines = text.replace("\r\n", "\n").split("\n")
    spans: list[tuple[int, int]] = []
    number = 0
    while number < len(lines):
        if _TIMES.fullmatch(lines[number]):
            start = end = number + 1
            while end < len(lines) and lines[end].strip():
                end += 1
            spans.append((start, end))
            number = end
        number += 1
    if not spans and text.strip():
        raise DataError(
            "There are no subtitles: a line of times such as 00:00:01,000 --> 00:00:02,500 was "
            "expected.",
        )
    between = "" if target in _SUBTITLE_CHARS else " "

    def put(translated: Sequence[str]) -> str:
        rows, at = [], 0
        for (start, end), said in zip(spans, translated, strict=True):
            rows += lines[at:start]
            rows += _wrapped(between.join(said.split("\n")), end - start, target)
            at = end
        return ending.join([*rows, *lines[at:]])

    return Document([" ".join(lines[start:end]) for start, end in spans], put)


def _wrapped(text: str, lines: int, target: str) -> list[str]:
    """Return a subtitle in as many lines as it had, or as it needs."""
    width = _SUBTITLE_CHARS.get(target, 42)
    if len(text) <= width and lines <= 1:
        return [text]
    if target not in _SUBTITLE_CHARS:
        return textwrap.wrap(text, width, break_long_words=False) or [text]
    count = max(1, -(-len(text) // width))
    size = -(-len(text) // count)
    return [text[start : start + size] for start in range(0, len(text), size)] or [text]


# -- catalogs of messages --------------------------------------------------------------------------

_PLURALS = {
    **dict.fromkeys(("zh", "ja", "ko", "th", "vi"), "nplurals=1; plural=0;"),
    **dict.fromkeys(("fr", "pt"), "nplurals=2; plural=(n > 1);"),
}
_TWO = "nplurals=2; plural=(n != 1);"


def _po(text: str, target: str, field: str | None) -> Document:
    """Read a gettext catalog; messages that are translated already are kept.

    Source: GNU gettext manual, "The Format of PO Files".
    """
    del field
    import polib

    try:
        # With a line break at its end it is no name of a file, which polib would open.
        catalog = polib.pofile(f"{text}\n", wrapwidth=78)
    except (OSError, ValueError) as error:
        raise DataError(f"This is no catalog of messages (.po): {error}.") from error
    if text.strip() and not len(catalog) and not catalog.metadata:
        raise DataError("This is no catalog of messages (.po): there is no msgid in it.")
    entries = [entry for entry in catalog if not entry.translated() and not entry.obsolete]
    plurals = _PLURALS.get(target, _TWO)
    count = int(plurals[len("nplurals=")])
    texts = [
        said
        for entry in entries
        for said in ([entry.msgid, entry.msgid_plural] if entry.msgid_plural else [entry.msgid])
    ]

    def put(translated: Sequence[str]) -> str:
        found = iter(translated)
        for entry in entries:
            if entry.msgid_plural:
                forms = [next(found), next(found)]
                entry.msgstr_plural = {
                    place: forms[min(place + 2 - count, 1)] for place in range(count)
                }
            else:
                entry.msgstr = next(found)
            entry.fuzzy = True  # until somebody has looked at it
        catalog.metadata["Language"] = target
        if any(entry.msgid_plural for entry in catalog):
            catalog.metadata["Plural-Forms"] = plurals
        catalog.metadata["Content-Type"] = "text/plain; charset=UTF-8"
        return f"{catalog}\n"

    return Document(texts, put)


# -- rows ------------------------------------------------------------------------------------------

_USUAL = ("text", "content", "body", "source", "sentence", "title", "正文", "内容", "文本")


def _jsonl(text: str, target: str, field: str | None) -> Document:
    """Read JSON lines: the text of each row is translated, and its other fields stay."""
    del target
    lines = text.split("\n")
    rows: list[tuple[int, dict[str, object] | str]] = []
    for number, line in enumerate(lines):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except ValueError as error:
            raise DataError(f"Line {number + 1} is no JSON: {error}.") from error
        if not isinstance(value, dict | str):
            raise DataError(f"Line {number + 1} is neither an object nor a text.")
        rows.append((number, value))
    name = _field([row for _, row in rows if isinstance(row, dict)], field)
    texts: list[str] = []
    for number, row in rows:
        own = row if isinstance(row, str) else row.get(name)
        if not isinstance(own, str):
            raise DataError(f"Line {number + 1} has no text in the field {name!r}.")
        texts.append(own)

    def put(translated: Sequence[str]) -> str:
        made = list(lines)
        for (number, row), said in zip(rows, translated, strict=True):
            value = said if isinstance(row, str) else {**row, name: said}
            made[number] = json.dumps(value, ensure_ascii=False)
        return "\n".join(made)

    return Document(texts, put)


def _field(rows: Sequence[Mapping[str, object]], wanted: str | None) -> str:
    if not rows:
        return wanted or ""
    held = [name for name, value in rows[0].items() if isinstance(value, str)]
    if wanted is not None:
        return wanted
    usual = next((name for name in _USUAL if name in held), None)
    if usual is None and len(held) != 1:
        raise DataError(
            f"The rows have several texts: {', '.join(map(repr, held)) or 'none'}.",
            hint="Say which with --text-field NAME.",
        )
    return usual or held[0]


FORMATS: dict[str, Callable[[str, str, str | None], Document]] = {
    "text": _plain,
    "srt": _srt,
    "po": _po,
    "jsonl": _jsonl,
}
"""Name of a format -> its reader."""
