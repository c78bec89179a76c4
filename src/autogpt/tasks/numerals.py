"""Numbers in a text by their value: in digits, in English words, in Chinese characters.

So that "3", "three" and "三" can be told to be one, and a translation that changes a number found.
"""

from __future__ import annotations

import re
from itertools import pairwise

__all__ = ["DIGITS", "numbers_of", "values_of"]

DIGITS = re.compile(r"\d+(?:[.,:]\d+)*")
"""A number in digits."""

_COUNTED = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen twenty"
)
_ENGLISH: dict[str, float] = {
    **{word: value for value, word in enumerate(_COUNTED.split())},
    "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90,
    "hundred": 100, "thousand": 1000, "million": 1_000_000, "billion": 1_000_000_000,
    "first": 1, "second": 2, "third": 3, "fourth": 4, "fifth": 5, "sixth": 6, "seventh": 7,
    "eighth": 8, "ninth": 9, "tenth": 10, "once": 1, "twice": 2, "half": 0.5, "dozen": 12,
    "january": 1, "february": 2, "march": 3, "april": 4, "may": 5, "june": 6, "july": 7,
    "august": 8, "september": 9, "october": 10, "november": 11, "december": 12,
}  # fmt: skip
_HANDIGITS = {**{han: value for value, han in enumerate("零一二三四五六七八九")}, "〇": 0, "两": 2}
_HAN_UNITS = {"十": 10, "百": 100, "千": 1000, "万": 10_000, "亿": 100_000_000}
_HAN_NUMBER = re.compile(r"[零〇一二两三四五六七八九十百千万亿]+")
_SCALED = re.compile(r"(\d+(?:[.,]\d+)*)\s*(万|亿|thousand|million|billion|[kKM]\b)")
_SCALES = {
    "万": 1e4, "亿": 1e8, "thousand": 1e3, "million": 1e6, "billion": 1e9, "k": 1e3, "K": 1e3,
    "M": 1e6,
}  # fmt: skip


def numbers_of(text: str) -> set[float]:
    """Return the values of all numbers in a text: in digits, English words, or Chinese."""
    found: set[float] = set()
    for match in DIGITS.finditer(text):
        found |= values_of(match[0])
    for match in _SCALED.finditer(text):
        found |= {value * _SCALES[match[2]] for value in values_of(match[1])}
    words = [_ENGLISH.get(word) for word in re.findall(r"[a-z]+", text.lower())]
    found |= {float(value) for value in words if value is not None}
    for tens, ones in pairwise(words):  # twenty-one
        if tens is not None and ones is not None and 20 <= tens <= 90 and 1 <= ones <= 9:
            found.add(float(tens + ones))
    for match in _HAN_NUMBER.finditer(text):
        found.add(_han_value(match[0]))
        found |= {float(_HANDIGITS[letter]) for letter in match[0] if letter in _HANDIGITS}
    return found


def values_of(digits: str) -> set[float]:
    """Return what digits may mean: commas part thousands or decimals, colons hours."""
    if ":" in digits:
        return {float(part.replace(",", "")) for part in digits.split(":") if _is_float(part)}
    plain = digits.replace(",", "")
    found = {float(plain)} if _is_float(plain) else set()
    if digits.count(".") > 1 or not found:  # a version, a date
        found |= {float(part) for part in re.findall(r"\d+", digits)}
    return found


def _is_float(text: str) -> bool:
    return re.fullmatch(r"\d+(?:\.\d+)?", text.replace(",", "")) is not None


def _han_value(text: str) -> float:
    """Return what Chinese digits mean, as in 三百二十 or 二〇二六."""
    if not any(letter in _HAN_UNITS for letter in text):
        return float("".join(str(_HANDIGITS[letter]) for letter in text))
    total = section = digit = 0
    for letter in text:
        if letter in _HANDIGITS:
            digit = _HANDIGITS[letter]
        elif (unit := _HAN_UNITS[letter]) < 10_000:
            section += (digit or 1) * unit
            digit = 0
        else:
            total += (section + digit or 1) * unit
            section = digit = 0
    return float(total + section + digit)
