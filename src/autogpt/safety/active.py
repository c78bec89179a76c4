"""Text that does something where it is shown: terminal controls, calling images, scripts.

- ``active.control``: escape sequences of terminals (ECMA-48) and other control characters but tab
  and line ends; bidirectional overrides (Boucher and Anderson 2021, "Trojan Source"); messages in
  tag characters.
- ``active.escape``: the same escape sequences spelled out; ``active.code_escape``: in a fenced
  block of code (CommonMark 0.31, section 4.5), as in a program that prints colors.
- ``active.image``: Markdown and HTML images from another host, which tell it what is in their
  address as soon as the text is shown; links whose address carries data in a query of 24 characters
  or more, or a template's blank.
- ``script``: HTML that runs: script and iframe elements, handlers, ``javascript:`` addresses.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from autogpt.safety.spans import Span

__all__ = ["find_active", "last_part"]

_CONTROL = re.compile(
    "(?:\x1b|\x9b)(?:\\[[0-?]*[ -/]*[@-~]?|\\][^\x07\x1b\n]{0,200}(?:\x07|\x1b\\\\)?|[@-Z\\\\-_])?"
    "|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\u202a-\u202e\u2066-\u2069]"
    "|[\U000e0020-\U000e007f]{8,}"
)
# A match begins with one of these; a single class is searched for much faster than the pattern.
_CONTROLS = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\u202a-\u202e\u2066-\u2069\U000e0020-\U000e007f]"
)
_ESCAPE = re.compile(
    r"\\(?:x1[bB]|0?33|u001[bB]|e)(?:\[[0-9;]*[A-Za-z]?|\])"
    r"|\\(?:x|u00)9[bBdD]\[?[0-9;]*[A-Za-z]?"
)
# Deeper than three blanks too, as blocks in lists are.
_FENCE = re.compile(r"(?m)^[ \t]*(?:(`{3,})[^`\n]*|(~{3,})[^\n]*)$")
_REMOTE = r"(?:https?:)?//[^\s)>\"']*"
_IMAGE = re.compile(
    rf"!\[[^\]\n]{{0,500}}\]\(\s*<?{_REMOTE}[^)\n]{{0,500}}\)?"
    rf"|!\[[^\]\n]{{0,500}}\]\[[^\]\n]{{0,100}}\]"
    rf"|(?m:^\[[^\]\n]{{1,100}}\]:\s*{_REMOTE}\?\S*)"
    rf"|(?i:<img\b[^>]{{0,500}}src\s*=\s*[\"']?{_REMOTE}[^>]{{0,500}}>?)"
    r"|(?<!!)\[[^\]\n]{0,500}\]\(\s*<?(?:https?:)?//[^\s)?]*\?(?:[^)\n]{24,500}|[^)\n]*[{\[][^)\n]*)\)?"
)
_SCRIPT = re.compile(
    r"(?is)<\s*(?:script|iframe|object|embed|svg)\b[^>]{0,2000}>(?:.{0,5000}?</\s*(?:script|iframe|object|embed|svg)\s*>)?"
    r"|<[a-z][^>]{0,500}\bon[a-z]{3,20}\s*=[^>]{0,1000}>?"
    r"|(?:javascript|vbscript)\s*:[^\s)\"'<>]{1,500}|data:text/html[^\s)\"'<>]{1,500}"
)


def find_active(text: str) -> Iterator[Span]:
    """Yield what does something where ``text`` is shown."""
    for match in _CONTROL.finditer(text) if _CONTROLS.search(text) else ():
        yield Span(category="active.control", start=match.start(), end=match.end())
    if "\\" in text:
        yield from _escapes(text)
    if "](" in text or "][" in text or "]:" in text or "<" in text:
        for match in _IMAGE.finditer(text):
            yield Span(category="active.image", start=match.start(), end=match.end())
    if "<" in text or "script:" in text.lower() or "data:text" in text:
        for match in _SCRIPT.finditer(text):
            yield Span(category="script", start=match.start(), end=match.end())


def last_part(text: str, length: int) -> str:
    """Return at least the last ``length`` characters, in the block of code that they stand in."""
    cut = max(0, len(text) - length)
    if "```" not in text and "~~~" not in text:
        return text[cut:]
    # Where what is left began within marks, or with marks from the middle of a line, it would be
    # read otherwise.
    while cut and text[cut - 1] in " \t`~":
        cut -= 1
    if cut and text[cut - 1] != "\n":
        cut -= 1
    opened = next((marks for start, end, marks in _fenced(text) if start < cut <= end), "")
    return f"{opened}\n{text[cut:]}" if opened else text[cut:]


def _escapes(text: str) -> Iterator[Span]:
    blocks = None
    for match in _ESCAPE.finditer(text):
        if blocks is None:
            blocks = list(_fenced(text))
        inside = any(start <= match.start() < end for start, end, _ in blocks)
        category = "active.code_escape" if inside else "active.escape"
        yield Span(category=category, start=match.start(), end=match.end())


def _fenced(text: str) -> Iterator[tuple[int, int, str]]:
    """Yield begin, end (behind the text if it is open) and marks of each fenced block."""
    opened, begin = "", 0
    for match in _FENCE.finditer(text):
        marks = match[1] or match[2]
        if not opened:
            opened, begin = marks, match.start()
        elif marks.startswith(opened) and match[0].strip() == marks:
            yield begin, match.start(), opened
            opened = ""
    if opened:
        yield begin, len(text) + 1, opened
