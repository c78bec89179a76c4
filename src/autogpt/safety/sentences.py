"""Where the sentences of a text end, in English, Chinese and what is written like them.

Rules, not a model: a full stop ends a sentence unless it follows an initial, a number or a common
abbreviation and a lower-case letter follows it. Offsets are kept, nothing is thrown away.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

__all__ = ["last_end", "pieces", "sentences"]

# The first character is taken before its kind is asked for: so most of a text is passed over fast.
_END = re.compile(
    r"[。！？；….!?\n](?:"
    r"(?<=[。！？；…])[。！？；…]*[”’」』）】\"')\]]*"
    r"|(?<=[.!?])[.!?]*[\"'”’)\]]*(?=\s)"
    r"|(?<=\n)\n*)"
)
_ABBREVIATION = re.compile(
    r"(?:\b(?:Mr|Mrs|Ms|Dr|Prof|St|Jr|Sr|vs|etc|e\.g|i\.e|cf|al|No|Nos|Fig|Figs|Eq|Sec|Vol|pp?|ca|"
    r"approx|Inc|Ltd|Co|Corp|Gen|Col|Sgt|Capt|Lt|Rep|Sen|Gov|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|"
    r"Nov|Dec)|\b[A-Z])\.$"
)


def _ends(text: str) -> Iterator[int]:
    for match in _END.finditer(text):
        if match[0] == "." and _ABBREVIATION.search(text, max(0, match.start() - 12), match.end()):
            continue
        yield match.end()


def last_end(text: str) -> int:
    """Return where the last whole sentence ends; 0 if none does."""
    return max(_ends(text), default=0)


def sentences(text: str) -> Iterator[tuple[int, int]]:
    """Yield where each sentence begins and ends, blanks around it left out.

    Args:
        text: Any Unicode.
    """
    begin = 0
    for end in [*_ends(text), len(text)]:
        piece = text[begin:end]
        left = len(piece) - len(piece.lstrip())
        if left < len(piece):
            yield begin + left, begin + len(piece.rstrip())
        begin = end


def pieces(
    text: str,
    *,
    chars: int,
    joined: bool = True,
    within: Iterable[tuple[int, int]] | None = None,
) -> list[tuple[int, int]]:
    """Return where parts of at most ``chars`` characters begin and end, made of whole sentences.

    A sentence that is longer by itself is cut, at a space where there is one.

    Args:
        text: Any Unicode.
        chars: Most characters of a part, 1 or more.
        joined: Whether sentences that fit are put together; else each is a part of its own.
        within: The sentences of the text, if they are known.
    """
    parts: list[tuple[int, int]] = []
    for begin, end in sentences(text) if within is None else within:
        if joined and parts and end - parts[-1][0] <= chars:
            parts[-1] = (parts[-1][0], end)
            continue
        while end - begin > chars:
            space = text.rfind(" ", begin + chars // 2, begin + chars)
            cut = space if space > begin else begin + chars
            parts.append((begin, cut))
            begin = cut
        parts.append((begin, end))
    return parts
