"""What a translation must not change: placeholders, addresses, code, markup, and numbers.

Before a text is given to a model each of these is replaced by a mark, ``[1]``, ``[2]``, ...; in
what comes back the marks are replaced again. :func:`missing` says what got lost on the way, masked
or not. Numbers are left to the model, which needs them for grammar, and are compared by value,
since "three", "3" and "三" are one.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from autogpt.tasks.numerals import DIGITS, numbers_of, values_of

__all__ = ["MARK", "Masked", "Piece", "mask", "missing", "protected"]

_IN_URL = r"[!#-&(-;=?-~]"  # ASCII without quotes and angle brackets: Chinese often follows at once
_PATTERNS = (
    r"`+[^`\n]+`+",  # code
    r"!?\[(?=[^\[\]\n]*\]\()",  # the beginning of a link or picture in Markdown
    r"\]\([^()\s]*(?:\([^()\s]*\)[^()\s]*)?(?:\s+\"[^\"\n]*\")?\)",  # and its end, with the address
    r"\[\^?\d+\]|\[\^[^\]\s]+\]",  # a footnote; also what looks like our marks
    rf"(?:(?:https?|ftp|file)://|\bwww\.){_IN_URL}*[A-Za-z0-9/_=&#%~+-]",
    r"[A-Za-z0-9_.+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+",  # mail
    r"</?[A-Za-z][^<>\n]*>|&(?:[A-Za-z][\w-]*|#\d+);",  # HTML
    r"\$?\{\{[^{}\n]*\}\}|\$\{[^{}\n]*\}|\{[^{}\s]{0,40}\}",  # {{name}} ${name} {0} {name!r:>10}
    r"%\([A-Za-z_]\w*\)[-#0 +]*\d*(?:\.\d+)?[a-zA-Z]",  # %(name)s
    r"%(?:\d+\$)?[-#0+]*\d*(?:\.\d+)?(?:hh|h|ll|l|q|j|z|t|L)?[diouxXeEfFgGcrsaAp@](?![a-zA-Z])",
    r"\$[A-Za-z_]\w*\b|%[A-Za-z_]\w*%",  # $HOME %PATH%
    r"(?<![\w:])--?[A-Za-z][\w-]*(?:=[^\s,;]+)?",  # --flag
    r"(?<!\w)(?:~|\.{0,2})?/(?:[\w.+-]+/)*[\w.+-]*[\w/]",  # /etc/fstab ./run
    r"\$\$[^$]+\$\$",  # a formula
    r"\*\*|__|~~|(?<![*\w])\*(?=\S)|(?<=\S)\*(?![*\w])",  # bold, struck, italic
    r"\\[nrt\"\\]",  # escapes in sources of programs
)
_PROTECTED = re.compile("|".join(_PATTERNS))
_ADDRESS = re.compile("|".join(_PATTERNS[4:6]))
_CODE = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]+\d[A-Za-z0-9]*|(?<![A-Za-z0-9])\d+[A-Za-z]{3,}\d+\w*")
_HALF_HOUR = "半"
MARK = re.compile(r"[\[【［〔]\s*(\d{1,3})\s*[\]】］〕]")
"""What stands for a piece that is kept, as models write it."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a text.

    Attributes:
        text: What stands there.
        becomes: What stands there in the translation, unless that is for the model to say.
    """

    text: str
    becomes: str | None = None


@dataclass(frozen=True, slots=True)
class Masked:
    """A text with marks in it.

    Attributes:
        text: With marks.
        kept: What each mark stands for in the translation, the first one's first.
    """

    text: str
    kept: tuple[str, ...]

    def restore(self, translated: str) -> str | None:
        """Return a translation with what the marks stand for; None if not each is there once."""
        found = [int(number) for number in MARK.findall(translated)]
        if sorted(found) != list(range(1, len(self.kept) + 1)):
            return None
        return MARK.sub(lambda match: self.kept[int(match[1]) - 1], translated)


def protected(
    text: str, glossary: Mapping[str, str] | None = None, *, numbers: bool = False
) -> list[Piece]:
    """Return a text in pieces, of which some have a fixed translation.

    Args:
        text: Any Unicode.
        glossary: Terms and what they become.
        numbers: Whether numbers in digits are fixed, too.
    """
    found = [(match.start(), match.end(), match[0]) for match in _PROTECTED.finditer(text)]
    for term, becomes in sorted((glossary or {}).items(), key=lambda item: -len(item[0])):
        found += [(m.start(), m.end(), becomes) for m in _term(term).finditer(text)]
    if numbers:
        found += [(m.start(), m.end(), m[0]) for m in DIGITS.finditer(text)]
    pieces: list[tuple[int, int, str]] = []
    at = 0
    for start, end, becomes in found:  # what was found first goes before what it overlaps with
        if any(start < other_end and other_start < end for other_start, other_end, _ in pieces):
            continue
        pieces.append((start, end, becomes))
    rows: list[Piece] = []
    for start, end, becomes in sorted(pieces):
        if text[at:start]:
            rows.append(Piece(text[at:start]))
        rows.append(Piece(text[start:end], becomes))
        at = end
    return [*rows, Piece(text[at:])] if text[at:] else rows


def mask(pieces: Sequence[Piece]) -> Masked:
    """Return a text with a mark for each piece whose translation is fixed."""
    kept: list[str] = []
    text = ""
    for piece in pieces:
        if piece.becomes is None:
            text += piece.text
        else:
            kept.append(piece.becomes)
            text += f"[{len(kept)}]"
    return Masked(text, tuple(kept))


def missing(source: str, translated: str, glossary: Mapping[str, str] | None = None) -> list[str]:
    """Return what a translation had to keep and did not, and what it has made up.

    What had to be kept: what ``protected`` fixes, numbers by value, and words with digits in them,
    as "ext4". What may be made up: numbers, such words, and addresses.
    """
    lost = []
    for kept, count in Counter(
        piece.becomes for piece in protected(source, glossary) if piece.becomes is not None
    ).items():
        if translated.count(kept) < count:
            lost.append(kept)
    lost += sorted({m[0] for m in _ADDRESS.finditer(translated) if m[0] not in source})
    bare, other = _bare(source), _bare(translated)
    for one, whole in ((bare, translated), (other, source)):
        lost += sorted({m[0] for m in _CODE.finditer(one) if m[0].lower() not in whole.lower()})
    lost += sorted(_unlike(_CODE.sub(" ", bare), other))
    lost += sorted(_unlike(_CODE.sub(" ", other), bare) - set(lost))
    return lost


def _unlike(text: str, other: str) -> set[str]:
    """Return the numbers in digits of a text of which another one lacks the value, or a part."""
    given = numbers_of(other)
    if _HALF_HOUR in other:
        given.add(30.0)
    return {
        match[0]
        for match in DIGITS.finditer(text)
        if not any(value in given for value in values_of(match[0]))
        or not all(float(part) in given for part in _parts(match[0]))
    }


def _parts(digits: str) -> list[str]:
    """Return the parts of a time, a date or a version, which must all be there."""
    if ":" in digits or digits.count(".") > 1:
        return re.findall(r"\d+", digits)
    return []


def _bare(text: str) -> str:
    return _PROTECTED.sub(" ", text)


def _term(term: str) -> re.Pattern[str]:
    """Return what finds a term: as a whole word, in any case unless it has capitals itself."""
    pattern = re.escape(term)
    if re.match(r"\w", term, re.A):
        pattern = rf"(?<![A-Za-z0-9_]){pattern}"
    if re.search(r"\w$", term, re.A):
        pattern = rf"{pattern}(?![A-Za-z0-9_])"
    return re.compile(pattern, re.I if term == term.lower() else 0)
