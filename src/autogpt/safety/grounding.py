"""Whether what was written is in the text it was written from, sentence by sentence.

::

    report = check("The boiler was repaired for 300 euros.", source)
    report.sentences[0].supported      # False if the source says 200, or speaks of no boiler
    report.sentences[0].missing        # the numbers, names and addresses that are not there

A sentence is supported by the part of the source, one to three sentences, that holds most of its
words, if it holds half of them, and if every number, name and address of the sentence is there.
Where it is nearly the source's own sentence, its numbers must stand in the same places, and "not"
on the same side; else a number must stand beside the same word. That finds what was exchanged or
invented; a claim that is put together wrongly from the right words passes.

Sources: Kryscinski et al. 2020, "Evaluating the Factual Consistency of Abstractive Text
Summarization" (which changes to look for); ROUGE-1 recall, Lin 2004 (overlap).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from autogpt.safety.facts import Fact, addresses, facts, names, numbers, tokens
from autogpt.safety.sentences import sentences

__all__ = ["GroundedSentence", "Grounding", "check"]

_LEAST_OVERLAP = 0.5
_NEARLY_SAME = 0.8
_WINDOW = 3  # sentences of the source that one sentence may draw together
_STOP = frozenset(
    "the a an of to in on at for from by with and or but is are was were be been has have had it its "
    "this that these those as he she they we you i his her their our not no do does did so than then "
    "的 了 和 是 在 与 及 或 也 就 都 而 被 把 对 从 向 为 以 于 其 这 那 有 个 之".split()
)
_ABOUT = re.compile(
    r"(?:about|around|nearly|almost|roughly|over|more than|some|approximately|约|近|大约|超过|将近|逾)\s*$"
)
_NOT = re.compile(r"\b(?:not|never|no|none|cannot)\b|n't\b|不|没|未|无|非", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True, slots=True)
class GroundedSentence:
    """One sentence of what was written.

    Attributes:
        sentence: Its text.
        start: Where the source supports it best: first character there.
        end: Behind the last character there.
        supported: Whether the source says it, as far as can be told.
        overlap: The share of its words that are there.
        missing: What is not in the source, or stands elsewhere there; places in ``sentence``.
    """

    sentence: str
    start: int
    end: int
    supported: bool
    overlap: float
    missing: tuple[Fact, ...] = ()

    def to_dict(self) -> dict[str, object]:
        """Return ``sentence``, ``start``, ``end``, ``supported`` and what is ``missing``."""
        fields: dict[str, object] = {
            "sentence": self.sentence,
            "start": self.start,
            "end": self.end,
            "supported": self.supported,
        }
        if self.missing:
            fields["missing"] = [
                {"kind": fact.kind, "text": self.sentence[fact.start : fact.end]}
                for fact in self.missing
            ]
        return fields


@dataclass(frozen=True, slots=True)
class Grounding:
    """All sentences of what was written."""

    sentences: tuple[GroundedSentence, ...]

    @property
    def supported(self) -> float:
        """The share of sentences that are supported; 1 for an empty text."""
        if not self.sentences:
            return 1.0
        return sum(each.supported for each in self.sentences) / len(self.sentences)

    def to_dict(self) -> list[dict[str, object]]:
        """Return the sentences as plain values: ``evidence`` of ``autogpt summarize --json``."""
        return [each.to_dict() for each in self.sentences]


def check(text: str, source: str) -> Grounding:
    """Hold a text against its source.

    Args:
        text: What was written: a summary, an answer over documents.
        source: What it was written from; several documents are joined by blank lines.
    """
    known = _Source(source)
    return Grounding(tuple(known.support(text[begin:end]) for begin, end in sentences(text)))


@dataclass(frozen=True, slots=True)
class _Part:
    """A sentence of the source."""

    start: int
    end: int
    words: Counter[str]


class _Source:
    def __init__(self, text: str) -> None:
        self._text = text
        self._lower = text.lower()
        self._parts = [
            _Part(begin, end, Counter(_content(text[begin:end]))) for begin, end in sentences(text)
        ]
        self._holders: dict[str, list[int]] = {}
        for place, part in enumerate(self._parts):
            for word in part.words:
                self._holders.setdefault(word, []).append(place)
        self._numbers: dict[str, list[tuple[str, str]]] = {}
        for fact in numbers(text):
            self._numbers.setdefault(fact.value, []).append(_neighbors(text, fact))
        self._addresses = {fact.value for fact in addresses(text)}
        self._names = {fact.value for fact in names(text)}

    def support(self, sentence: str) -> GroundedSentence:
        words = _content(sentence)
        first, last, overlap = self._best(words)
        start, end = (self._parts[first].start, self._parts[last].end) if self._parts else (0, 0)
        twin = self._twin(sentence, first, last)
        missing = [fact for fact in facts(sentence) if not self._holds(fact, sentence)]
        turned = False
        if twin is not None:
            missing += _moved(sentence, twin)
            turned = len(_NOT.findall(sentence)) % 2 != len(_NOT.findall(twin)) % 2
        unique = {(fact.start, fact.end): fact for fact in missing}
        return GroundedSentence(
            sentence=sentence,
            start=start,
            end=end,
            supported=overlap >= _LEAST_OVERLAP and not missing and not turned,
            overlap=round(overlap, 4),
            missing=tuple(unique[place] for place in sorted(unique)),
        )

    def _best(self, words: Sequence[str]) -> tuple[int, int, float]:
        """Return the first and last sentence of the part that holds most of the words."""
        wanted = Counter(words)
        total = sum(wanted.values())
        if not total:
            return 0, 0, 1.0 if self._parts else 0.0
        near = Counter(place for word in wanted for place in self._holders.get(word, ()))
        best = (0, 0, 0.0)
        for place, _ in near.most_common(8):
            for first in range(max(0, place - _WINDOW + 1), place + 1):
                seen: Counter[str] = Counter()
                for last in range(first, min(first + _WINDOW, len(self._parts))):
                    seen += self._parts[last].words
                    if last < place:
                        continue
                    held = sum((wanted & seen).values()) / total
                    # A longer part must hold more to be preferred.
                    if held - 0.02 * (last - first) > best[2] - 0.02 * (best[1] - best[0]):
                        best = (first, last, held)
        return best

    def _twin(self, sentence: str, first: int, last: int) -> str | None:
        """Return the source's own sentence, if this is nearly it."""
        best, found = _NEARLY_SAME, None
        own = [word for word in _masked(sentence) if word != "#"]
        for part in self._parts[first : last + 1]:
            text = self._text[part.start : part.end]
            other = [word for word in _masked(text) if word != "#"]
            likeness = SequenceMatcher(None, own, other, autojunk=False).ratio()
            if likeness >= best:
                best, found = likeness, text
        return found

    def _holds(self, fact: Fact, sentence: str) -> bool:
        if fact.kind == "address":
            return fact.value in self._addresses or fact.value in self._text
        if fact.kind == "name":
            if fact.value in self._lower or fact.value in self._names:
                return True
            return all(
                word in self._lower or word in _STOP for word in re.split(r"[ &-]+", fact.value)
            )
        places = self._numbers.get(fact.value)
        if places is None:
            return self._is_rounded(fact, sentence)
        before, after = _neighbors(sentence, fact)
        if not before and not after:
            return True
        return any(
            (before and before == left) or (after and after == right) for left, right in places
        )

    def _is_rounded(self, fact: Fact, sentence: str) -> bool:
        """Whether it is said to be about a number that the source has."""
        if not _ABOUT.search(sentence[: fact.start].lower()):
            return False
        value = float(fact.value)
        return any(abs(float(other) - value) <= 0.06 * abs(value) for other in self._numbers)


def _content(text: str) -> list[str]:
    return [_stem(word) for word, _, _ in tokens(text) if word not in _STOP]


def _stem(word: str) -> str:
    """Take off the commonest endings of English, so that forms of a word are one."""
    for ending in ("'s", "’s", "ing", "ed", "es", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word


def _neighbors(text: str, fact: Fact) -> tuple[str, str]:
    """Return the nearest words that say something on both sides of a number; "" for none."""
    left = [word for word, _, _ in tokens(text[max(0, fact.start - 60) : fact.start])]
    right = [word for word, _, _ in tokens(text[fact.end : fact.end + 60])]
    return _nearest(reversed(left)), _nearest(right)


def _nearest(words: Iterable[str]) -> str:
    for place, word in enumerate(words):
        if place == 3:
            break
        if word not in _STOP:
            return _stem(word)
    return ""


def _masked(text: str) -> list[str]:
    """Return words with ``#`` for each number."""
    found = sorted(numbers(text), key=lambda fact: fact.start)
    words: list[str] = []
    place = 0
    for fact in found:
        words += [_stem(word) for word, _, _ in tokens(text[place : fact.start])]
        words.append("#")
        place = fact.end
    return words + [_stem(word) for word, _, _ in tokens(text[place:])]


def _moved(sentence: str, twin: str) -> list[Fact]:
    """Return the numbers of a sentence that stand where its source has another one."""
    own, other = list(numbers(sentence)), list(numbers(twin))
    first, second = _masked(sentence), _masked(twin)
    places = [place for place, word in enumerate(first) if word == "#"]
    others = {place: i for i, place in enumerate(p for p, w in enumerate(second) if w == "#")}
    moved = []
    for block in SequenceMatcher(None, first, second, autojunk=False).get_matching_blocks():
        for i in range(block.size):
            if block.a + i in places and block.b + i in others:
                fact = own[places.index(block.a + i)]
                if fact.value != other[others[block.b + i]].value:
                    moved.append(fact)
    return moved
