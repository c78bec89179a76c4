"""Words for people, in English and Chinese: one catalogue for the command line, server and studio.

``locales/interface.json`` holds what has a key: ``{"chat.send": {"en": "Send", "zh": "发送"}}``. A
text may name values, as in ``{count}``, and have a form for one: ``{"one": ..., "other": ...}``.

``locales/errors.json`` holds sentences of errors, which have no key: from the English sentence, its
values numbered, to the Chinese one. An error is raised in English wherever it happens and turned
into the reader's language where it is shown; a sentence that is not in the catalogue stays as it
is.

Not here: which language a page is in (the page says so), numbers and dates (the browser's part).
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any, Literal, cast, get_args

from autogpt.core.errors import AutoGPTError

__all__ = [
    "LANGUAGES",
    "Language",
    "accepted",
    "interface",
    "language_of_terminal",
    "localized",
    "parse_language",
    "sentences",
    "text",
    "translated",
]

Language = Literal["en", "zh"]
LANGUAGES: tuple[Language, ...] = get_args(Language)

_VALUE = re.compile(r"\{(\w*)\}")


@cache
def interface() -> Mapping[str, Mapping[Language, str | Mapping[str, str]]]:
    """Return every text that has a key, in each language."""
    found: Mapping[str, Mapping[Language, str | Mapping[str, str]]] = _read("interface.json")
    return found


@cache
def sentences() -> Mapping[str, str]:
    """Return the sentences of errors: English, with ``{0}`` for a value, to Chinese."""
    found: Mapping[str, str] = _read("errors.json")
    return found


def _read(name: str) -> dict[str, Any]:
    kept = (files("autogpt.core") / "locales" / name).read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(kept)
    return found


def text(key: str, language: Language, **values: object) -> str:
    """Return the text of a key, with its values; ``count`` chooses between its forms.

    Raises:
        KeyError: If there is no such text, or a value is missing.
    """
    found = interface()[key][language]
    if not isinstance(found, str):
        found = found["one" if values.get("count") == 1 and "one" in found else "other"]
    return _VALUE.sub(lambda match: str(values[match[1]]), found)


def parse_language(name: str | None) -> Language | None:
    """Return the language that a name such as ``zh-Hans-CN`` or ``en_US.UTF-8`` means, if any."""
    begin = re.split(r"[-_.@]", (name or "").strip().lower())[0]
    return cast(Language, begin) if begin in LANGUAGES else None


def language_of_terminal(environment: Mapping[str, str] = os.environ) -> Language:
    """Return the language of a terminal, as POSIX's variables say (IEEE 1003.1, 8.2)."""
    named = (environment.get(name) for name in ("LC_ALL", "LC_MESSAGES", "LANG"))
    return parse_language(next((name for name in named if name), None)) or "en"


def accepted(header: str | None) -> Language:
    """Return the language that an ``Accept-Language`` header likes best (RFC 9110, 12.5.4)."""
    best: tuple[float, Language] = (0.0, "en")
    for part in (header or "").split(",")[:16]:
        name, _, quality = part.partition(";")
        language = parse_language(name)
        match = re.fullmatch(r"\s*q=([01](?:\.\d{0,3})?)\s*", quality)
        weight = float(match[1]) if match else 1.0
        if language is not None and weight > best[0]:
            best = (weight, language)
    return best[1]


def localized(error: AutoGPTError, language: Language) -> dict[str, str]:
    """Return the fields of an error object, its sentences in ``language`` where that is known."""
    fields = error.to_dict()
    return {
        **fields,
        "message": translated(fields["message"], language),
        "hint": translated(fields["hint"], language),
    }


def translated(sentence: str, language: Language) -> str:
    """Return an English sentence of an error in ``language``, or itself where that is not known."""
    if language == "en" or not sentence:
        return sentence
    for pattern, other in _patterns():
        if match := pattern.fullmatch(sentence):
            return _filled(other, match.groups())
    return sentence


def _filled(sentence: str, values: Sequence[str]) -> str:
    return _VALUE.sub(lambda found: values[int(found[1])], sentence)


@cache
def _patterns() -> tuple[tuple[re.Pattern[str], str], ...]:
    """Return the sentences as patterns; those that say most for themselves are tried first."""
    ordered = sorted(sentences().items(), key=lambda pair: -len(_VALUE.sub("", pair[0])))
    return tuple((re.compile(_pattern(english), re.DOTALL), other) for english, other in ordered)


def _pattern(english: str) -> str:
    parts = _VALUE.split(english)
    seen: set[str] = set()
    pattern = ""
    for place, part in enumerate(parts):
        if place % 2 == 0:
            pattern += re.escape(part)
        elif part in seen:
            pattern += f"(?P=v{part})"
        else:
            seen.add(part)
            pattern += f"(?P<v{part}>.+?)"
    return pattern
