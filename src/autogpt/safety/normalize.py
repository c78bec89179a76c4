"""A text as the rails read it: disguises taken off, with the way back to the original.

NFKC by character (full-width and mathematical letters, ligatures), invisible characters removed
(zero width, soft hyphen, variation selectors, bidirectional controls, tags), accents taken off
letters of European scripts, and letters of other scripts that look like Latin ones folded to them.
This is for scoring and finding only; nobody is shown a folded text.

Sources: Unicode Standard Annex 15 (normalization forms, 2024), Technical Standard 39 (confusables,
2024; the part of its table that is letters of Cyrillic, Greek, Armenian, Cherokee and phonetic
extensions), section 23.9 of the standard (tag characters).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from autogpt.safety.sentences import sentences
from autogpt.safety.spans import Span

__all__ = ["Normalized", "has_hidden", "hidden_text", "normalize"]

_LOOK_ALIKES = (
    # Cyrillic
    ("АВЕЅІЈКМНОРСТХУҮԚԜԌҺӀ", "ABESIJKMHOPCTXYYQWGHI"),
    ("авеѕіјкмнорстхуүԛԝցһӏԁ", "aвesijkмнopcтxyyqwghld"),
    # Greek
    ("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧϹϏ", "ABEZHIKMNOPTYXCK"),
    ("αεικνορτυχϲϳγω", "aeikvoptuxcjyw"),
    # Armenian
    ("ՍՏՕԼօոսցհզ", "USOLonughq"),
    # Cherokee
    ("ᎪᏴᏟᎠᎬᎻᎥᎫᏦᏞᎷᏢᎡᏚᎢᏙᎳᏃ", "ABCDEHiJKLMPRSTVWZ"),
    # phonetic and small capitals
    ("ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘʀꜱᴛᴜᴠᴡʏᴢɑɡıȷɩ", "abcdefghijklmnoprstuvwyzagiji"),
    # strokes that no decomposition takes off
    ("ØøĐđŁłĦħŦŧƗɨƵƶɃƀ", "OoDdLlHhTtIiZzBb"),
)  # fmt: skip
_SQUARED = ((0x1F130, 65), (0x1F150, 65), (0x1F170, 65), (0x1F1E6, 65))
_TAGS = range(0xE0000, 0xE0080)
_TAG = re.compile("[\U000e0000-\U000e007f]")
_ACCENTS = ((0x300, 0x370), (0x483, 0x488), (0x1AB0, 0x1B00), (0x1DC0, 0x1E00), (0x20D0, 0x2100))
_ACCENTED_SCRIPTS = ("LATIN", "CYRILLIC", "GREEK")
# A hidden message has at least so many tag characters; a flag of a region has up to seven.
_LEAST_TAGS = 8
# So many characters are replaced faster one after the other than all at once.
_FEW = 24


class _Folding(dict[int, str]):
    """What each character becomes; found when first asked for."""

    def __missing__(self, code: int) -> str:
        folded = _fold(code)
        self[code] = folded
        return folded


def _fold(code: int) -> str:
    character = chr(code)
    if code in _TAGS or _is_invisible(character, code) or _is_accent(code):
        return ""
    composed = unicodedata.normalize("NFKC", character)
    letters = "".join(
        unicodedata.normalize("NFD", each)  # the letter, then its accents
        if unicodedata.name(each, "").startswith(_ACCENTED_SCRIPTS)
        else each
        for each in composed
    )
    return "".join(_LATIN.get(each, each) for each in letters if not _is_accent(ord(each)))


def _is_invisible(character: str, code: int) -> bool:
    """Whether it shows nothing: format characters, fillers, variation selectors."""
    return (
        unicodedata.category(character) == "Cf"
        or code in (0x34F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x3164, 0xFFA0, 0x2800)
        or 0xFE00 <= code <= 0xFE0F
        or 0xE0100 <= code <= 0xE01EF
    )


def _is_accent(code: int) -> bool:
    return any(first <= code < last for first, last in _ACCENTS)


_LATIN: dict[str, str] = {
    strange: plain
    for strangers, plains in _LOOK_ALIKES
    for strange, plain in zip(strangers, plains, strict=True)
    if strange != plain
}
_LATIN |= {chr(first + i): chr(plain + i) for first, plain in _SQUARED for i in range(26)}
# The dashes of phone numbers and keys.
_LATIN |= dict.fromkeys("‐‑‒–−﹣", "-")
_FOLDING = _Folding()


@dataclass(frozen=True)
class Normalized:
    """A folded text and where its characters come from.

    Attributes:
        original: The text as it was given.
        text: The folded text.
    """

    original: str
    text: str
    _plain: bool = field(default=False, repr=False)  # each character is one in both

    @cached_property
    def lower(self) -> str:
        """The folded text in lower case, character by character."""
        return self.text.lower()

    @cached_property
    def sentences(self) -> Sequence[tuple[int, int]]:
        """Where the sentences of the folded text begin and end."""
        return tuple(sentences(self.text))

    @cached_property
    def _places(self) -> Sequence[int]:
        """For each folded character, the place of its original; and the end."""
        folded = {each: _FOLDING[ord(each)] for each in set(self.original)}
        lengths = {each: len(own) for each, own in folded.items() if len(own) != 1}
        places: list[int] = []
        begin = 0
        for place, each in enumerate(self.original):
            if each in lengths:
                places += range(begin, place)
                places += [place] * lengths[each]
                begin = place + 1
        return [*places, *range(begin, len(self.original) + 1)]

    def start(self, place: int) -> int:
        """Return where the character at ``place`` of the folded text begins in the original."""
        return place if self._plain else self._places[place]

    def end(self, place: int) -> int:
        """Return where the original ends of the folded text up to ``place``, which is excluded."""
        if self._plain or place == 0:
            return place
        return self._places[place - 1] + 1

    def span(self, category: str, start: int, end: int, *, score: float = 1.0) -> Span:
        """Return a span of the original for one of the folded text."""
        return Span(category=category, start=self.start(start), end=self.end(end), score=score)


def normalize(text: str) -> Normalized:
    """Fold a text for scoring; see the module.

    Args:
        text: Any Unicode, also lone surrogates.
    """
    if text.isascii():
        return Normalized(text, text, _plain=True)
    # A text has few different characters, and most of them stay.
    changed = {each: folded for each in set(text) if (folded := _FOLDING[ord(each)]) != each}
    plain = all(len(folded) == 1 for folded in changed.values())
    if len(changed) > _FEW or not changed.keys().isdisjoint("".join(changed.values())):
        return Normalized(text, text.translate(_FOLDING), _plain=plain)
    folded = text
    for each, other in changed.items():
        folded = folded.replace(each, other)
    return Normalized(text, folded, _plain=plain)


def hidden_text(text: str) -> str:
    """Return what is written in tag characters, which no screen shows; "" if they are few.

    Args:
        text: Any Unicode.
    """
    if text.isascii():
        return ""
    found = _TAG.findall(text)
    return "".join(chr(ord(each) - 0xE0000) for each in found) if len(found) >= _LEAST_TAGS else ""


def has_hidden(text: str) -> bool:
    """Whether a text holds a message in tag characters."""
    return bool(hidden_text(text))
