r"""Places where a long text can be cut without changing its tokens.

The split expression of ``pipeline.py`` never lets one match cross these places, and looks back at
nothing, so the tokens of the parts are the tokens of the whole:

- after ``\n``, before anything but white space: no alternative goes on after the last ``\n`` of
  a run, and ``\s*[\r\n]+`` takes that run up to it whether or not text follows;
- before a space that follows anything but white space: every alternative that takes a space has
  it first or after other white space;
- before Chinese punctuation that follows a Chinese character: after a letter, every alternative
  goes on with letters only.

``\S`` of Python is narrower than the expression's, so each place found here is one there too.
"""

from __future__ import annotations

import re

__all__ = ["cut", "last_boundary"]

_BOUNDARY = re.compile(r"(?<=\n)(?=\S)|(?<=\S)(?= )|(?<=[\u4e00-\u9fa5])(?=[，。；：！？、])")
_NEAR_END_CHARS = 4096


def cut(text: str, size_chars: int) -> list[str]:
    """Return ``text`` in parts of at least ``size_chars``, each up to the next boundary.

    A text without boundaries stays whole; the last part may be shorter.
    """
    parts, start = [], 0
    while len(text) - start > size_chars:
        boundary = _BOUNDARY.search(text, start + size_chars)
        if boundary is None:
            break
        parts.append(text[start : boundary.start()])
        start = boundary.start()
    parts.append(text[start:])
    return parts


def last_boundary(text: str) -> int:
    """Return the last place inside ``text`` where it can be cut; 0 if there is none."""
    for start in (max(0, len(text) - _NEAR_END_CHARS), 0):
        found = 0
        for boundary in _BOUNDARY.finditer(text, max(start, 1)):
            found = boundary.start()
        if found:
            return found
    return 0
