"""Cut a long text into contiguous blocks at the boundaries a reader would choose.

Joined again, the blocks are the text, character for character. A boundary is the last paragraph
end in the second half of a block; failing that a line end, a sentence end, a space; failing that
the block is cut between two characters. This is not a tokenizer and drops nothing.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator

__all__ = ["cut"]

_TAIL = 1.25  # a last block may be this much longer, so that no crumb is left over
_SENTENCE_END = re.compile(r"(?:[.!?]+[\"'”’)]*\s|[。！？…]+[”’」』）]*)")


def cut(chunks: Iterable[str], size_chars: int) -> Iterator[str]:
    """Yield contiguous blocks of about ``size_chars`` characters from a stream of text.

    Args:
        chunks: The text, in pieces of any size; only a piece and a block are held at once.
        size_chars: The longest block, except the last, which may be a quarter longer.
    """
    held, start = "", 0
    limit = int(size_chars * _TAIL)
    for chunk in chunks:
        held, start = held[start:] + chunk, 0
        while len(held) - start > limit:
            end = _boundary(held, start, start + size_chars)
            yield held[start:end]
            start = end
    if start < len(held):
        yield held[start:]


def _boundary(text: str, start: int, end: int) -> int:
    """Return where to cut ``text`` in the second half of ``start:end``."""
    middle = start + (end - start) // 2
    for mark in ("\n\n", "\n"):
        found = text.rfind(mark, middle, end)
        if found >= 0:
            return found + len(mark)
    ends = [match.end() for match in _SENTENCE_END.finditer(text, middle, end)]
    if ends:
        return _whole_character(text, ends[-1], middle)
    found = text.rfind(" ", middle, end)
    return _whole_character(text, found + 1 if found >= 0 else end, middle)


def _whole_character(text: str, end: int, lowest: int) -> int:
    """Move a cut back so that it splits neither a line end nor a letter from its accent."""
    while end > lowest + 1 and end < len(text):
        joined = text[end] == "\n" and text[end - 1] == "\r"
        if not joined and not unicodedata.combining(text[end]):
            break
        end -= 1
    return end
