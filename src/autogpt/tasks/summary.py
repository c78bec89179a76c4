"""A summary, its styles, and where each of its sentences comes from."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from autogpt.core.messages import Timing, Usage
from autogpt.safety.grounding import GroundedSentence, Source
from autogpt.safety.words import length_of
from autogpt.tasks.language import is_chinese
from autogpt.tasks.sentences import sentences_of

__all__ = [
    "LENGTHS",
    "STYLES",
    "Style",
    "Summary",
    "joined",
    "shortened",
    "source_of",
    "split_written",
    "words_wanted",
]

Style = Literal["paragraph", "bullets", "headline"]
STYLES: tuple[Style, ...] = ("paragraph", "bullets", "headline")

LENGTHS = {"short": (40, 56), "medium": (100, 140), "long": (250, 350)}
"""About how long, in words of English and characters of Chinese: 1.4 of these say what a word does
(242,000 to 172,500 in the sentence pairs of Tatoeba)."""

_HEADLINE = (12, 20)

_BULLET = re.compile(r"^\s*(?:[-*•·–]|\d{1,2}[.)、])\s*")
_TITLE = re.compile(r"^\s*(?:headline|title|summary|tl;?dr|标题|摘要|总结|概括)\s*[:：]\s*", re.I)
_PARENTHESES = re.compile(r"\s*(?:\([^()]*\)|（[^（）]*）|\[[^\[\]]*\])")
_LEADING = re.compile(
    r"^(?:however|moreover|furthermore|therefore|thus|in addition|for example|also|so|but|and|then|"
    r"finally|first|second|然而|但是|因此|所以|此外|另外|同时|而且|并且|首先|其次|最后|总之)[,，、\s]+",
    re.I,
)
_CLAUSE = re.compile(r"[,;:，；：、—–]|\s-\s")


@dataclass(frozen=True, kw_only=True, slots=True)
class Summary:
    """What is left of a text when it is made short.

    Attributes:
        text: The summary.
        method: "extractive": sentences of the text; "abstractive": written by a model.
        evidence: One for each of its sentences.
        usage: Tokens read and written; none without a model.
        timing: Seconds and speed.
    """

    text: str
    method: Literal["extractive", "abstractive"]
    evidence: tuple[GroundedSentence, ...]
    usage: Usage
    timing: Timing

    @property
    def supported(self) -> bool:
        """Whether the source says all of it, as far as words tell."""
        return all(one.supported for one in self.evidence)

    def to_dict(self) -> dict[str, object]:
        """Return the fields of ``autogpt summarize --json``."""
        return {
            "text": self.text,
            "method": self.method,
            "evidence": [row for one in self.evidence for row in one.to_dicts()],
            "usage": self.usage.to_dict(),
            "timing": self.timing.to_dict(),
        }


def source_of(text: str) -> Source:
    """Return a text as what its summary is held against, cut where its blocks and sentences end."""
    return Source(text, [(one.start, one.end) for one in sentences_of(text)])


def words_wanted(text: str, length: str | int, style: Style) -> int:
    """Return about how long the summary of a text is to be, in words, of Chinese in characters.

    Args:
        text: The text.
        length: A name of ``LENGTHS``, which means at most half of the text; or a number.
        style: Of the summary.
    """
    if isinstance(length, int):
        return length
    chinese = is_chinese(text)
    if style == "headline":
        return _HEADLINE[chinese]
    return max(1, min(LENGTHS[length][chinese], length_of(text) // 2))


def joined(sentences: Sequence[str], style: Style) -> str:
    """Return sentences as one text, as the style and the language want it."""
    if style == "bullets":
        return "\n".join(f"- {sentence}" for sentence in sentences)
    text = ""
    for sentence in sentences:
        tight = not text or (is_chinese(text[-12:]) and is_chinese(sentence[:12]))
        text += sentence if tight else f" {sentence}"
    return text


def split_written(text: str, *, ended: bool) -> list[str]:
    """Return the sentences that a model wrote, without marks of a list and words of a title.

    Args:
        text: What it wrote.
        ended: Whether it ended by itself; else an unfinished sentence is left out.
    """
    lines = [_TITLE.sub("", _BULLET.sub("", line)) for line in text.strip().split("\n")]
    plain = "\n\n".join(line.strip().strip("*#").strip() for line in lines if line.strip())
    found = [" ".join(plain[one.start : one.end].split()) for one in sentences_of(plain)]
    unfinished = not ended and found and found[-1][-1:] not in '.!?。！？…"”’」』)）'
    return found[:-1] if unfinished and len(found) > 1 else found


def shortened(sentence: str, *, words: int = 14, characters: int = 26) -> str:
    """Return a sentence as a headline, by leaving out alone: asides, connectives, late clauses."""
    text = _LEADING.sub("", _PARENTHESES.sub("", " ".join(sentence.split()))).strip()
    text = text.strip("\"'“”‘’「」『』").rstrip(".。；;，,、：: ")
    if _size(text) > (characters if is_chinese(text) else words):
        limit = characters if is_chinese(text) else words
        cuts = [match.start() for match in _CLAUSE.finditer(text)]
        fitting = [cut for cut in cuts if limit // 3 <= _size(text[:cut]) <= limit]
        text = text[: fitting[-1]].rstrip() if fitting else _cut(text, limit)
    return text[:1].upper() + text[1:]


def _size(text: str) -> int:
    return len(text) if is_chinese(text) else len(text.split())


def _cut(text: str, limit: int) -> str:
    if is_chinese(text):
        return text[:limit].rstrip("，、；：的") + "…"
    return " ".join(text.split()[:limit]).rstrip(",;:") + "…"
