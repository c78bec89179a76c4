"""Pairs with marks in them, so that a new translator learns what becomes of ``[1]``.

What must not change (``masks``) and what a glossary fixes reaches a model as ``[1]``, ``[2]``; a
model that began from nothing has never seen one. So words are found that stand beside each other
again and again, as "Tom" and "汤姆", and in copies of some pairs both become a mark. Which words go
together is told by how often they occur together, of how often they occur: the coefficient of Dice
(1945, "Measures of the amount of ecologic association between species"), as used for words by
Smadja, McKeown and Hatzivassiloglou 1996, "Translating collocations for bilingual lexicons".
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

from autogpt.core.examples import Pair
from autogpt.tasks.language import UNSPACED, language_of
from autogpt.tasks.masks import MARK

__all__ = ["with_marks", "word_pairs"]

_SHARE = 0.05  # of the pairs: copies with marks
_MOST_READ = 10_000  # pairs that word pairs are looked for in
_FEWEST = 5  # times that a word must occur
_COMMON = 0.1  # of the pairs: words in more of them are grammar
_TOGETHER = 0.6  # Dice, at least
_LONGEST = 4  # signs of a word in a language without spaces
_WORD = re.compile(r"[^\W\d_]{2,}(?:['’-][^\W\d_]+)*")


def with_marks(pairs: Sequence[Pair], *, seed: int) -> list[Pair]:
    """Return copies of some of the pairs, with marks for a word or two on both sides.

    Args:
        pairs: Texts and their translations, both directions mixed or not. Where both languages
            write without spaces, words do not stand apart, and there are hardly any copies.
        seed: Of which are copied.
    """
    known = word_pairs(pairs)
    draw = random.Random(seed)
    order = draw.sample(range(len(pairs)), len(pairs))
    found: list[Pair] = []
    for place in order:
        if len(found) >= _SHARE * len(pairs):
            break
        both = _masked(pairs[place], known, most=draw.choice((1, 1, 2)))
        if both is not None:
            found.append(both)
    return found


def word_pairs(pairs: Sequence[Pair]) -> dict[str, str]:
    """Return words and what they are in the other language, where that is nearly always the same.

    Keys are words of the side whose words stand apart; where both do, of the source.
    """
    some = [_turned(pair) for pair in pairs[:: max(1, len(pairs) // _MOST_READ)]]
    sides = [(set(_words(left)), set(_words(right))) for left, right, _ in some]
    left_counts = Counter(word for left, _ in sides for word in left)
    right_counts = Counter(word for _, right in sides for word in right)
    most = max(_FEWEST, _COMMON * len(some))
    together: dict[str, Counter[str]] = {}
    for left, right in sides:
        for word in left:
            if _FEWEST <= left_counts[word] <= most:
                together.setdefault(word, Counter()).update(right)
    found = {}
    for word, beside in together.items():
        dice = {
            other: 2 * count / (left_counts[word] + right_counts[other])
            for other, count in beside.items()
        }
        best = max(dice.values(), default=0.0)
        if best >= _TOGETHER:
            near = [other for other, value in dice.items() if value >= 0.95 * best]
            found[word] = max(near, key=lambda other: (len(other), dice[other], other))
    return found


def _masked(pair: Pair, known: dict[str, str], *, most: int) -> Pair | None:
    """Return a pair with marks for so many words at most; None where there is none to mark."""
    left, right, turned = _turned(pair)
    if MARK.search(left) or MARK.search(right):
        return None
    number = 0
    for word in dict.fromkeys(_WORD.findall(left)):
        other = known.get(word)
        alone = re.compile(rf"(?<!\w){re.escape(word)}(?!\w)")
        if other is None or right.count(other) != 1 or len(alone.findall(left)) != 1:
            continue
        number += 1
        left = alone.sub(f"[{number}]", left)
        right = right.replace(other, f"[{number}]")
        if number == most:
            break
    if not number:
        return None
    source, target = (right, left) if turned else (left, right)
    return replace(pair, source=source, target=target)


def _turned(pair: Pair) -> tuple[str, str, bool]:
    """Return both sides, the one whose words stand apart first, and whether they were turned."""
    if _is_unspaced(pair.source) and not _is_unspaced(pair.target):
        return pair.target, pair.source, True
    return pair.source, pair.target, False


def _is_unspaced(text: str) -> bool:
    return not text.isascii() and language_of(text) in UNSPACED


def _words(text: str) -> Iterator[str]:
    """Yield the words; in a language without spaces all runs of a few letters."""
    unspaced = _is_unspaced(text)
    for run in _WORD.findall(text):
        if run.isascii() or not unspaced:
            yield run
            continue
        for start in range(len(run)):
            for end in range(start + 1, min(start + _LONGEST, len(run)) + 1):
                yield run[start:end]
