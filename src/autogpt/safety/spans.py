"""Where in a text something was found.

Offsets are in characters of the text as it was given, end exclusive.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

__all__ = ["Span", "merge_spans", "without_overlaps"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Span:
    """A part of a text and what it is.

    Attributes:
        category: What it is, general to particular, as in ``secrets.github``.
        start: Its first character.
        end: Behind its last character.
        score: How sure that is, 0 to 1; 1 for what was checked by rule.
    """

    category: str
    start: int
    end: int
    score: float = 1.0

    @property
    def family(self) -> str:
        """The general category, as in ``secrets``."""
        return self.category.partition(".")[0]

    def to_dict(self) -> dict[str, object]:
        """Return ``category``, ``start`` and ``end``."""
        return {"category": self.category, "start": self.start, "end": self.end}


def without_overlaps(spans: Sequence[Span]) -> list[Span]:
    """Return spans in the order of the text; of those that overlap, the earliest given one."""
    kept: list[Span] = []
    for span in spans:
        if all(span.end <= other.start or other.end <= span.start for other in kept):
            kept.append(span)
    return sorted(kept, key=lambda span: span.start)


def merge_spans(spans: Iterable[Span]) -> list[Span]:
    """Return spans in the order of the text, with those that overlap made one."""
    merged: list[Span] = []
    for span in sorted(spans, key=lambda span: (span.start, -span.end)):
        if merged and span.start < merged[-1].end:
            last = merged[-1]
            end = max(last.end, span.end)
            merged[-1] = Span(
                category=last.category, start=last.start, end=end, score=max(last.score, span.score)
            )
        else:
            merged.append(span)
    return merged
