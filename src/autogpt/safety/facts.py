"""What can be checked in a sentence without understanding it: numbers, names, addresses.

Numbers are compared by value: "1,234" and "１２３４" are one, as are "3 million", "300万" and
"三百万", "five" and "5". Names are runs of capitalized words, Latin words within Chinese, and what
stands in 《》 or 「」; Chinese names of people are not found without a model.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

__all__ = ["Fact", "FactKind", "addresses", "facts", "names", "numbers", "tokens"]

FactKind = Literal["number", "name", "address"]


@dataclass(frozen=True, slots=True)
class Fact:
    """A checkable part of a text.

    Attributes:
        kind: What it is.
        value: In a form that can be compared.
        start: Its first character.
        end: Behind its last character.
    """

    kind: FactKind
    value: str
    start: int
    end: int


def _listed(text: str) -> list[str]:
    return text.split()


_WORDS = {
    word: value
    for value, word in enumerate(
        _listed(
            "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
            "fifteen sixteen seventeen eighteen nineteen"
        )
    )
} | dict(
    zip(
        _listed("twenty thirty forty fifty sixty seventy eighty ninety"),
        range(20, 100, 10),
        strict=True,
    )
)
_SCALES = {
    "hundred": 1e2, "thousand": 1e3, "million": 1e6, "billion": 1e9, "trillion": 1e12,
    "十": 10.0, "百": 1e2, "千": 1e3, "万": 1e4, "萬": 1e4, "亿": 1e8, "億": 1e8,
}  # fmt: skip
_HAN_DIGITS = {"零": 0, "〇": 0, "一": 1, "二": 2, "两": 2, "兩": 2, "三": 3, "四": 4, "五": 5,
               "六": 6, "七": 7, "八": 8, "九": 9}  # fmt: skip
_NUMBER = re.compile(
    r"(?<![\w.])?(?P<digits>\d{1,3}(?:[,，]\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?)"
    r"(?:\s?(?P<scale>hundred|thousand|million|billion|trillion|[百千万萬亿億]+)(?![a-z]))?"
    r"|(?<![A-Za-z])(?P<word>" + "|".join(sorted(_WORDS, key=len, reverse=True)) + ")"
    r"(?:[- ](?P<unit>one|two|three|four|five|six|seven|eight|nine))?"
    r"(?:\s(?P<wordscale>hundred|thousand|million|billion|trillion))?(?![A-Za-z])"
    r"|(?P<han>[零〇一二两兩三四五六七八九十百千万萬亿億]{2,}"
    r"|[一二两兩三四五六七八九十](?=[年月日号时點点分个個名位岁歲元天次人种項项家座倍%％]))",
    re.IGNORECASE,
)
_ADDRESS = re.compile(
    r"(?:https?://|www\.)[^\s<>\"'，。；、）】》（【《]+"
    r"[^\s<>\"'.,;:!?，。；：！？、)）】》（【《\]]"
    r"|[\w.+-]+@[\w-]+(?:\.[\w-]+)+",
    re.ASCII,
)
_NAME = re.compile(
    r"(?<![\w'’])(?:[A-Z][\w'’&-]*|[a-z]+[A-Z]\w*)"
    r"(?:[ ](?:(?:of|de|von|van|der|la|the|and|&)[ ])?[A-Z][\w'’&-]*)*"
)
_TITLE = re.compile(r"《([^《》\n]{1,40})》|「([^「」\n]{1,40})」")
# What is written with a capital and is no name, or begins a sentence.
_NO_NAMES = frozenset(
    _listed(
        "a an the this that these those it its he she they we you i his her their our my your "
        "in on at to of for from by with and or but if when while as after before during since "
        "until because although though however moreover furthermore therefore thus also so then "
        "there here what which who whom whose why how where not no yes one two three four five "
        "six seven eight nine ten some many most all both each every any other another such "
        "more less new old first second third last next is are was were be been being has have "
        "had do does did will would can could may might must shall should about over under "
        "between among into through against according despite instead today yesterday tomorrow "
        "overall finally later earlier meanwhile please note see mr mrs ms dr prof"
    )
)
_TITLES = frozenset(_listed("i i'm i'll i've mr mrs ms dr prof the a an"))
_TOKEN = re.compile(r"[\u3400-\u9fff]|[A-Za-zÀ-ɏ]+(?:['’][a-z]+)?|\d+(?:[.,]\d+)*|[^\W\d_]+")


def tokens(text: str) -> list[tuple[str, int, int]]:
    """Return words in lower case, and Chinese characters, with where they are."""
    return [(match[0].lower(), match.start(), match.end()) for match in _TOKEN.finditer(text)]


def numbers(text: str) -> Iterator[Fact]:
    """Yield the numbers of a text by value; those inside words and addresses are left out."""
    taken = [match.span() for match in _ADDRESS.finditer(text)]
    for match in _NUMBER.finditer(text):
        start, end = match.span()
        before = text[start - 1 : start]
        if before.isascii() and before.isalpha() and match["digits"]:
            continue  # as in "MP3"
        if any(first <= start < last for first, last in taken):
            continue
        value = _value(match)
        if value is not None:
            yield Fact("number", f"{value:.10g}", start, end)


def _value(match: re.Match[str]) -> float | None:
    if match["digits"]:
        value = float(match["digits"].replace(",", "").replace("，", ""))
        for scale in [match["scale"]] if (match["scale"] or "").isascii() else match["scale"]:
            value *= _SCALES[scale.lower()] if scale else 1.0
        return value
    if match["word"]:
        value = float(_WORDS[match["word"].lower()])
        value += _WORDS[match["unit"].lower()] if match["unit"] and value >= 20 else 0
        return value * (_SCALES[match["wordscale"].lower()] if match["wordscale"] else 1.0)
    return _han_value(match["han"])


def _han_value(text: str) -> float | None:
    if all(each in _HAN_DIGITS for each in text):  # as in 二〇二四
        if len(text) > 1 and not {"零", "〇"} & {*text} and len(text) < 4:
            return None  # as in 三五 or 一二, which are no numbers
        return float("".join(str(_HAN_DIGITS[each]) for each in text))
    total = section = digit = 0.0
    for each in text:
        if each in _HAN_DIGITS:
            digit = float(_HAN_DIGITS[each])
        elif _SCALES[each] < 1e4:
            section += (digit or 1.0) * _SCALES[each]
            digit = 0.0
        else:
            total = (total + section + digit or 1.0) * _SCALES[each]
            section = digit = 0.0
    return total + section + digit


def names(text: str) -> Iterator[Fact]:
    """Yield names; of a sentence's first words only those that another capital follows."""
    for match in _NAME.finditer(text):
        words = match[0].split(" ")
        start = match.start()
        before = text[:start].rstrip(" \t\"'“‘(-*")
        first = not before or before[-1] in ".!?:\n"
        while words and words[0].lower() in (_NO_NAMES if first else _TITLES):
            start += len(words[0]) + 1
            words, first = words[1:], first and len(words) == 1
        if words and not (first and len(words) == 1 and not words[0].isupper()):
            yield Fact("name", " ".join(words).lower(), start, match.end())
    for match in _TITLE.finditer(text):
        yield Fact("name", (match[1] or match[2]).lower(), match.start(), match.end())


def addresses(text: str) -> Iterator[Fact]:
    """Yield web and e-mail addresses."""
    for match in _ADDRESS.finditer(text):
        yield Fact("address", match[0], match.start(), match.end())


def facts(text: str) -> list[Fact]:
    """Return numbers, names and addresses in the order of the text."""
    found = [*numbers(text), *names(text), *addresses(text)]
    return sorted(found, key=lambda fact: fact.start)
