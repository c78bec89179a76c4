"""Several answers to one question: which of them agrees best with the others, and how far.

Of short answers the one that is given most often (Wang et al. 2022, "Self-Consistency"); of texts
the one that is most like all others, by shared words (minimum Bayes risk, Kumar and Byrne 2004).
Agreement is high where the model would say the same again, which it also may of what is false.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from autogpt.safety.facts import tokens
from autogpt.safety.normalize import normalize

__all__ = ["Agreement", "agree"]

_SHORT = 8  # words up to which two answers are the same or not


@dataclass(frozen=True, kw_only=True, slots=True)
class Agreement:
    """Which answer stands for all.

    Attributes:
        index: Its place among the answers.
        agreement: The mean likeness of the other answers to it, 0 to 1; 1 if there is no other.
    """

    index: int
    agreement: float


def agree(answers: Sequence[str]) -> Agreement:
    """Return the answer that agrees best with the others; the first of equals.

    Args:
        answers: One or more.
    """
    words = [Counter(word for word, _, _ in tokens(normalize(text).text)) for text in answers]
    short = all(sum(own.values()) <= _SHORT for own in words)
    best, found = -1.0, 0
    for place, own in enumerate(words):
        others = words[:place] + words[place + 1 :]
        likeness = [float(own == other) if short else _f1(own, other) for other in others]
        mean = sum(likeness) / len(likeness) if likeness else 1.0
        if mean > best:
            best, found = mean, place
    return Agreement(index=found, agreement=round(best, 4))


def _f1(one: Counter[str], other: Counter[str]) -> float:
    """Return twice the shared words over all words (ROUGE-1)."""
    total = sum(one.values()) + sum(other.values())
    return 2 * sum((one & other).values()) / total if total else 1.0
