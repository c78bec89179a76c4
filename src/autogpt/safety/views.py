"""What a text says when its encodings are undone: other texts to be scored in its place.

Base64, hexadecimal, Morse code, percent and HTML escapes, leetspeak, spaced or reversed letters,
ROT13, tag characters. A view is made only where something speaks for it, so an ordinary text has
none.
"""

from __future__ import annotations

import base64
import binascii
import codecs
import html
import re
import string
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from autogpt.safety.normalize import hidden_text, normalize

__all__ = ["View", "views"]

# International Morse code (ITU-R M.1677-1, 2009): letters and digits in their order.
_SIGNS = (
    ".- -... -.-. -.. . ..-. --. .... .. .--- -.- .-.. -- -. --- .--. --.- .-. ... - ..- ...- "
    ".-- -..- -.-- --.. ----- .---- ..--- ...-- ....- ..... -.... --... ---.. ----."
)
_MORSE = dict(zip(_SIGNS.split(), "abcdefghijklmnopqrstuvwxyz0123456789", strict=True))
_MORSE_RUN = re.compile(r"(?:[.\-]{1,6}[ /|]{1,4}){8,}[.\-]{0,6}")
_BASE64 = re.compile(r"(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{16,}={0,2}")
_HEX = re.compile(r"(?:(?:0x|\\x)?[0-9a-fA-F]{2}[ :,]?){12,}")
_PERCENT = re.compile(r"(?:%[0-9A-Fa-f]{2}){2,}|%20")
_ENTITY = re.compile(r"&(?:#\d{2,6}|#x[0-9a-fA-F]{2,5}|[a-z]{2,8});")
_ESCAPE = re.compile(r"(?:\\u[0-9a-fA-F]{4}|\\x[0-9a-fA-F]{2}){3,}")
_SPACED = re.compile(r"(?<![^\W_])(?:[^\W\d_][ .\-_*|/,+~]{1,2}){4,}[^\W\d_](?![^\W_])")
_SPACED_WORD = re.compile(r"\W*(?:[^\W\d_][ .\-_*|/,+~]{1,2})+[^\W\d_]\W*")
_LEET_WORD = re.compile(
    r"\b(?=\w{0,40}[a-z])[a-z0-9@$!|+]{0,40}"
    r"(?:[a-z][0134578@$!|][a-z0-9@$!|]|\d[a-z]\d)[a-z0-9@$!|+]{0,40}"
)
_LEET = str.maketrans("0134578@$!|+9", "oieastbasiitg")
_LEET_L = str.maketrans("0134578@$!|+9", "oleastbaslltg")
# Common words and words of orders, written backwards and in ROT13; none is a word as it stands.
_BACKWARDS = re.compile(
    r"erongi|snoitcurtsni|suoiverp|tpmorp|metsys|tegrof|dragersid"
    r"|\b(?:eht|uoy|lliw|siht|taht|rof|htiw|morf|ruoy)\b"
)
_ROT13 = re.compile(
    r"vtaber|vafgehpgvba|cerivbhf|cebzcg|flfgrz|sbetrg|qvfertneq"
    r"|\b(?:gur|lbh|jvyy|guvf|gung|jvgu|sebz|lbhe)\b"
)
_BACKWARDS_LITERALS = (
    *("erongi", "snoitcurtsni", "suoiverp", "tpmorp", "metsys", "tegrof", "dragersid"),
    *("eht", "uoy", "lliw", "siht", "taht", "rof", "htiw", "morf", "ruoy"),
)
_ROT13_LITERALS = (
    *("vtaber", "vafgehpgvba", "cerivbhf", "cebzcg", "flfgrz", "sbetrg", "qvfertneq"),
    *("gur", "lbh", "jvyy", "guvf", "gung", "jvgu", "sebz", "lbhe"),
)
_LEET_NEEDLES = ("the", "you", "ing", "ion", "and", "all", "rule", "prompt")
_PRINTABLE = 0.9  # of what is decoded, so much must be text


def _classes(**members: str) -> bytes:
    """Return a table for ``bytes.translate``: a character becomes the letter of its class, or z."""
    table = bytearray(b"z" * 256)
    for letter, characters in members.items():
        for each in characters.encode("ascii"):
            table[each] = ord(letter)
    return bytes(table)


# Few texts hold an encoding, and classes of characters tell most others fast: what a pattern needs
# is looked for in them first. "?" stands for whatever is not ASCII, so it may be a letter or digit.
_LETTERS, _DIGITS = string.ascii_letters, string.digits
_BASE64_CLASSES = _classes(b=_LETTERS + _DIGITS + "+/_-")
_HEX_CLASSES = _classes(h=string.hexdigits + "x\\ :,")
_GAP_CLASSES = _classes(a=_LETTERS + "?", g=" .-_*|/,+~")
_LEET_CLASSES = _classes(a=string.ascii_lowercase, o="0134578@$!|", d="269?")


def _may_be_morse(text: str) -> bool:
    return sum(text.count(sign + gap) for sign in ".-" for gap in " /|") >= 8


def _may_be_base64(shape: bytes) -> bool:
    return b"b" * 16 in shape.translate(_BASE64_CLASSES)


def _may_be_hex(shape: bytes) -> bool:
    return b"h" * 24 in shape.translate(_HEX_CLASSES)


def _may_be_spaced(shape: bytes) -> bool:
    gaps = shape.translate(_GAP_CLASSES).replace(b"gg", b"g")
    return b"agagagaga" in gaps


def _may_be_leet(lower: str) -> bool:
    """Whether two words may have a sign among their letters, or a letter among digits."""
    classes = lower.encode("ascii", "replace").translate(_LEET_CLASSES)
    cores = (b"aoa", b"aoo", b"aod", b"oao", b"oad", b"dao", b"dad")
    return sum(map(classes.count, cores)) >= 2


def _has_two(text: str, literals: tuple[str, ...]) -> bool:
    return sum(map(text.count, literals)) >= 2


@dataclass(frozen=True, slots=True)
class View:
    """A decoded text.

    Attributes:
        text: The text, normalized.
        start: Where in the given text it comes from.
        end: Behind that.
    """

    text: str
    start: int
    end: int


def views(text: str, *, original: str = "", depth: int = 2) -> Iterator[View]:
    """Yield what a normalized text says when it is decoded; encodings may lie in each other.

    Args:
        text: A normalized text.
        original: The text before, for what only shows there.
        depth: How many layers of encoding are undone.
    """
    for view in _views(text, original):
        yield view
        if depth > 1:
            for inner in views(view.text, depth=depth - 1):
                yield View(inner.text, view.start, view.end)


def _views(text: str, original: str) -> Iterator[View]:
    tags = hidden_text(original)
    if tags:
        yield View(tags, 0, len(text))
    shape = text.encode("ascii", "replace")
    for match in _MORSE_RUN.finditer(text) if _may_be_morse(text) else ():
        words = re.split(r" *[/|] *| {2,}", match[0].strip())
        letters = ["".join(_MORSE.get(each, "") for each in word.split(" ")) for word in words]
        yield View(" ".join(letters), *match.span())
    for match in _BASE64.finditer(text) if _may_be_base64(shape) else ():
        yield from _decoded(_from_base64(match[0]), *match.span())
    for match in _HEX.finditer(text) if _may_be_hex(shape) else ():
        yield from _decoded(_from_hex(match[0]), *match.span())
    whole = text
    if "%" in text and _PERCENT.search(text):
        whole = urllib.parse.unquote(whole, errors="replace")
    if "&" in text and _ENTITY.search(text):
        whole = html.unescape(whole)
    if "\\" in text and _ESCAPE.search(text):
        whole = re.sub(r"\\(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2}))", _unescape, whole)
    if whole != text:
        yield View(normalize(whole).text, 0, len(text))
    yield from _respelled(text, shape)


def _respelled(text: str, shape: bytes) -> Iterator[View]:
    if _may_be_spaced(shape) and _SPACED.search(text):
        yield View(" ".join(_joined(part) for part in _gaps(text).split("\n")), 0, len(text))
    lower = text.lower()
    if _may_be_leet(lower) and _is_twice(_LEET_WORD, lower):
        for table in (_LEET, _LEET_L):
            plain = lower.translate(table)
            if any(word in plain for word in _LEET_NEEDLES):  # else it is hexadecimal, or a code
                yield View(plain, 0, len(text))
    if _has_two(lower, _BACKWARDS_LITERALS) and _is_twice(_BACKWARDS, lower):
        yield View(text[::-1], 0, len(text))
    if _has_two(lower, _ROT13_LITERALS) and _is_twice(_ROT13, lower):
        yield View(codecs.decode(text, "rot13"), 0, len(text))


def _is_twice(pattern: re.Pattern[str], text: str) -> bool:
    return len(list(islice(pattern.finditer(text), 2))) == 2


def _joined(text: str) -> str:
    """Return letters with gaps between them as words."""
    if _SPACED_WORD.fullmatch(text):
        return re.sub(r"[\W_]", "", text)
    return _SPACED.sub(lambda match: re.sub(r"[\W_]", "", match[0]), text)


def _gaps(text: str) -> str:
    """Mark the gaps between words that are spaced out, as in ``i g n o r e   a l l``."""
    return re.sub(r"(?<=\w)[ ]{3,}(?=\w)|(?<=\w) [/|] (?=\w)", "\n", text)


def _unescape(match: re.Match[str]) -> str:
    return chr(int(match[1] or match[2], 16))


def _decoded(data: bytes, start: int, end: int) -> Iterator[View]:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return
    shown = sum(character.isprintable() or character.isspace() for character in text)
    if len(text) >= 8 and shown >= _PRINTABLE * len(text):
        yield View(normalize(text).text, start, end)


def _from_base64(text: str) -> bytes:
    standard = text.rstrip("=").replace("-", "+").replace("_", "/")
    standard = standard[: len(standard) - (len(standard) % 4 == 1)]
    try:
        return base64.b64decode(standard + "=" * (-len(standard) % 4))
    except binascii.Error:
        return b""


def _from_hex(text: str) -> bytes:
    digits = re.sub(r"0x|\\x|[^0-9a-fA-F]", "", text)
    return bytes.fromhex(digits[: len(digits) // 2 * 2])
