"""Where in a source a sentence comes from, and whether the source says it at all.

A sentence is held against every sentence of the source; those that together hold most of its
content are its evidence. It counts as supported if that is enough of it, if every number and name
in it stands there or right beside, and if it denies something only where the source does. That is
a check of words, and not of meaning: it finds what was added, not every distortion. The overlap in
content weighted by rarity is the oldest such measure that holds up (Wallace and others use it as
the baseline of entailment; Maynez et al. 2020, "On Faithfulness and Factuality in Abstractive
Summarization", on what it misses).
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from autogpt.tasks.sentences import Sentence, sentences_of
from autogpt.tasks.words import content_of, facts_of, is_negated

__all__ = ["ENOUGH", "Evidence", "Source"]

ENOUGH = 0.6
"""Share of a sentence's content that its evidence must hold."""

_MOST = 3  # source sentences for one
_GAIN = 0.12  # share of the content that one more of them must add


@dataclass(frozen=True, kw_only=True, slots=True)
class Evidence:
    """Where a sentence comes from.

    Attributes:
        sentence: The sentence.
        spans: (start, end) in characters of the source, the one that says most first; none where
            the source has nothing in common with it.
        supported: Whether the source says it, as far as words tell.
    """

    sentence: str
    spans: tuple[tuple[int, int], ...]
    supported: bool

    def to_dicts(self) -> list[dict[str, object]]:
        """Return a row for each span, as ``evidence`` of ``autogpt summarize --json``."""
        spans: Sequence[tuple[int | None, int | None]] = self.spans or ((None, None),)
        return [
            {"sentence": self.sentence, "start": start, "end": end, "supported": self.supported}
            for start, end in spans
        ]


class Source:
    """A text that sentences are held against.

    Args:
        text: The text.
        sentences: Its sentences, where they are known.
    """

    def __init__(self, text: str, sentences: Sequence[Sentence] | None = None) -> None:
        self.text = text
        self.sentences = list(sentences_of(text) if sentences is None else sentences)
        self._holding: dict[str, list[int]] = {}
        for number, sentence in enumerate(self.sentences):
            for word in set(content_of(text[sentence.start : sentence.end])):
                self._holding.setdefault(word, []).append(number)

    def evidence(self, sentence: str) -> Evidence:
        """Return where a sentence comes from."""
        weights = self._weights(sentence)
        total = sum(weights.values())
        if not total:
            return self._verbatim(sentence)
        chosen: list[int] = []
        missing = dict(weights)
        while len(chosen) < _MOST and missing:
            gains: dict[int, float] = defaultdict(float)
            for word, weight in missing.items():
                for number in self._holding.get(word, ()):
                    gains[number] += weight
            best = max(gains, key=lambda number: (gains[number], -number), default=None)
            if best is None or (chosen and gains[best] < _GAIN * total):
                break
            chosen.append(best)
            held = {word for word in missing if best in self._holding.get(word, ())}
            missing = {word: weight for word, weight in missing.items() if word not in held}
        share = 1 - sum(missing.values()) / total
        spans = tuple((self.sentences[n].start, self.sentences[n].end) for n in chosen)
        return Evidence(
            sentence=sentence,
            spans=spans,
            supported=share >= ENOUGH and self._agrees(sentence, chosen),
        )

    def _weights(self, sentence: str) -> dict[str, float]:
        """Return the content of a sentence, the rarer in the source the heavier."""
        count = len(self.sentences)
        return {
            word: math.log(2 + count / (1 + len(self._holding.get(word, ()))))
            for word in set(content_of(sentence))
        }

    def _verbatim(self, sentence: str) -> Evidence:
        """Judge a sentence without content, as "Yes." or "42": it is there, or not."""
        at = self.text.find(sentence.strip()) if sentence.strip() else -1
        spans = ((at, at + len(sentence.strip())),) if at >= 0 else ()
        return Evidence(sentence=sentence, spans=spans, supported=at >= 0)

    def _agrees(self, sentence: str, chosen: Sequence[int]) -> bool:
        """Whether numbers and names stand there or beside, and denials agree."""
        near = sorted({place for number in chosen for place in (number - 1, number, number + 1)})
        beside = " ".join(self._said(place) for place in near if 0 <= place < len(self.sentences))
        known = facts_of(beside)
        if any(fact not in known and fact not in beside.lower() for fact in facts_of(sentence)):
            return False
        if is_negated(sentence):
            return any(is_negated(self._said(number)) for number in chosen)
        return not (is_negated(self._said(chosen[0])) and self._tells_all(sentence, chosen[0]))

    def _tells_all(self, sentence: str, number: int) -> bool:
        """Whether a sentence says most of what that of the source does, and so its denial too."""
        said, own = set(content_of(self._said(number))), set(content_of(sentence))
        return len(said & own) >= ENOUGH * len(said)

    def _said(self, number: int) -> str:
        return self.text[self.sentences[number].start : self.sentences[number].end]
