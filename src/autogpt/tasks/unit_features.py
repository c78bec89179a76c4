"""What a word and its neighbors look like, as names: what linear models of tags see.

They are those of CoNLL-2003's systems and of every tutorial since: the word, its beginning and end,
its shape, and the words around it; of Chinese, the characters around and their pairs.
Source: for Chinese characters Chen et al. 2006, "Chinese Named Entity Recognition with Conditional
Random Fields" (SIGHAN).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

__all__ = ["unit_features"]


def unit_features(text: str, spans: Sequence[tuple[int, int]]) -> list[list[str]]:
    """Return the features of each word, its own and those of its neighbors.

    Args:
        text: Any Unicode.
        spans: Of its words, (start, end) in characters.
    """
    words = [text[start:end] for start, end in spans]
    own = [_of_word(word) for word in words]
    rows = []
    for place in range(len(words)):
        row = ["bias", *own[place]]
        for step in (-2, -1, 1, 2):
            there = place + step
            if 0 <= there < len(words):
                near = own[there] if abs(step) == 1 else own[there][:1]
                row += [f"{step}:{feature}" for feature in near]
            else:
                row.append(f"{step}:edge")
        for left in (-2, -1, 0, 1):
            pair = [
                words[p].lower() if 0 <= p < len(words) else ""
                for p in (place + left, place + left + 1)
            ]
            row.append(f"{left}:{pair[0]}|{pair[1]}")
        rows.append(row)
    return rows


def _of_word(word: str) -> list[str]:
    """Return what a word looks like; the word itself is first."""
    lower = word.lower()
    features = [f"w={lower}", f"shape={_shape(word)}"]
    if len(word) > 1:
        features += [f"end={lower[-n:]}" for n in (2, 3) if len(word) > n]
        features += [f"begin={lower[:n]}" for n in (1, 2, 3) if len(word) > n]
        features += [f"long={_shape(word, collapse=False)}"]
    return features


def _shape(word: str, *, collapse: bool = True) -> str:
    """Return ``Xx`` for Xiamen, ``d`` for 2026; without collapsing ``Xxxxxx`` and ``dddd``."""
    kinds = "".join(
        "X"
        if c.isupper()
        else "x"
        if c.islower()
        else "d"
        if c.isdigit()
        else "c"
        if c.isalpha()
        else c
        for c in word
    )
    return re.sub(r"(.)\1+", r"\1", kinds) if collapse else kinds[:12]
