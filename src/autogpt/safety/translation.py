"""Whether a translation kept what must not change: numbers, addresses, blanks, and its language.

What a program fills in or reads (``{name}``, ``%s``, ``<b>``, ``&nbsp;``) and addresses must be
there letter for letter, as often; numbers by value. Whether the meaning is right is not asked.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

from autogpt.safety.answers import language
from autogpt.safety.facts import addresses, blanks, numbers

__all__ = ["TranslationCheck", "check_translation"]

_LETTER = re.compile(r"[^\W\d_]")
_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff]")
_DIGITS = re.compile(r"\d")
_SCRIPTS = {
    "zh": _HAN,
    "ja": re.compile("[\u3040-\u30ff\u4e00-\u9fff]"),
    "ko": re.compile("[\uac00-\ud7af]"),
    "ru": re.compile("[\u0400-\u04ff]"),
    "ar": re.compile("[\u0600-\u06ff]"),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class TranslationCheck:
    """What is wrong with a translation, as far as can be told without understanding it.

    Attributes:
        missing: What the source has and the translation has not.
        added: The other way round.
        in_language: Whether it is written in the language that was asked for.
    """

    missing: tuple[str, ...]
    added: tuple[str, ...]
    in_language: bool

    @property
    def passed(self) -> bool:
        """Whether nothing is wrong."""
        return not self.missing and not self.added and self.in_language


def check_translation(translation: str, source: str, *, to: str) -> TranslationCheck:
    """Hold a translation against its source.

    Args:
        translation: What was written.
        source: What it was written from.
        to: The code of its language, as "zh" or "en".
    """
    missing: list[str] = []
    added: list[str] = []
    plain, plain_source = translation, source
    for finder in (addresses, blanks):
        kept = Counter(fact.value for fact in finder(plain))
        wanted = Counter(fact.value for fact in finder(plain_source))
        missing += (wanted - kept).elements()
        added += (kept - wanted).elements()
        for value in {*kept, *wanted}:
            plain, plain_source = plain.replace(value, " "), plain_source.replace(value, " ")
    own = {fact.value: plain[fact.start : fact.end] for fact in numbers(plain)}
    asked = {fact.value: plain_source[fact.start : fact.end] for fact in numbers(plain_source)}
    # A number in words may become a turn of phrase ("one day", 一些); one in digits may not.
    missing += [text for value, text in asked.items() if value not in own and _DIGITS.search(text)]
    added += [text for value, text in own.items() if value not in asked and _DIGITS.search(text)]
    return TranslationCheck(
        missing=tuple(missing), added=tuple(added), in_language=_is_in(plain, plain_source, to)
    )


def _is_in(text: str, source: str, to: str) -> bool:
    letters = len(_LETTER.findall(text))
    if letters < 2 or text.strip() == source.strip():  # a name, a number, a command
        return letters < 2 or len(source.split()) <= 2
    code = to.lower().partition("-")[0]
    if code in _SCRIPTS:
        return 5 * len(_SCRIPTS[code].findall(text)) >= letters
    if any(4 * len(script.findall(text)) > letters for script in _SCRIPTS.values()):
        return False
    # Short texts in Latin letters hold too few common words to tell one language from another.
    return len(text.split()) < 8 or language(text) == code
