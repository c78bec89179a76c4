"""Whether what was written is in the text it was written from, sentence by sentence.

::

    report = check("The boiler was repaired for 300 euros.", source)
    report.sentences[0].spans          # where the source says it
    report.sentences[0].supported      # False if the source says 200, or speaks of no boiler
    report.sentences[0].missing        # the numbers, names and addresses that are not there

The sentences of the source that together hold most of a sentence's content, the rarer words
heavier, are its evidence. It is supported if they hold enough of it, if every number, name and
address of it stands there or right beside, and if it denies what they deny. Where it is nearly the
source's own sentence, its numbers must stand in the same places; else a number must stand beside
the same word. That finds what was exchanged or invented; it is a check of words and not of meaning,
and a claim that is put together wrongly from the right words passes.

Sources: Kryscinski et al. 2020, "Evaluating the Factual Consistency of Abstractive Text
Summarization" (which changes to look for); Maynez et al. 2020, "On Faithfulness and Factuality in
Abstractive Summarization" (what overlap misses); ROUGE-1 recall, Lin 2004 (overlap).
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from autogpt.safety.facts import Fact, addresses, facts, numbers, tokens
from autogpt.safety.sentences import sentences
from autogpt.safety.words import content_of, denials_of, is_empty, stem

__all__ = ["GroundedSentence", "Grounding", "Source", "check"]

_ENOUGH = 0.5  # of a sentence's content must be in its evidence
_TELLS_ALL = 0.6  # of a clause's content, to say what it says
_NEARLY_SAME = 0.8  # from this likeness on, places are compared
_MOST = 3  # sentences of the source that one sentence may draw together
_GAIN = 0.12  # share of the content that one more of them must add
_NEIGHBORS = 3  # words on each side of a number
_ROUNDED = 0.06  # of a number's value, where a text says "about"
_ABOUT = re.compile(
    r"(?:about|around|nearly|almost|roughly|over|more than|some|approximately|"
    r"约|近|大约|超过|将近|逾)\s*$"
)
_CLAUSE = re.compile(r"[,;:，；：、—]")
_NAME_WORDS = re.compile(r"[ &-]+")


@dataclass(frozen=True, kw_only=True, slots=True)
class GroundedSentence:
    """One sentence of what was written, and where it comes from.

    Attributes:
        sentence: Its text.
        spans: (start, end) in characters of the source, the one that says most first; none where
            the source has nothing in common with it.
        supported: Whether the source says it, as far as words tell.
        overlap: The share of its content that is there, rare words weighing more.
        missing: What is not in the source, or stands elsewhere there; places in ``sentence``.
    """

    sentence: str
    spans: tuple[tuple[int, int], ...]
    supported: bool
    overlap: float
    missing: tuple[Fact, ...] = ()

    def to_dicts(self) -> list[dict[str, object]]:
        """Return a row for each span: ``sentence``, ``start``, ``end``, ``supported``, ``missing``.

        ``missing``, with ``kind``, ``text``, and ``start`` and ``end`` in the sentence, is left out
        where nothing is.
        """
        marked = [
            {
                "kind": fact.kind,
                "text": self.sentence[fact.start : fact.end],
                "start": fact.start,
                "end": fact.end,
            }
            for fact in self.missing
        ]
        spans: Sequence[tuple[int | None, int | None]] = self.spans or ((None, None),)
        return [
            {"sentence": self.sentence, "start": start, "end": end, "supported": self.supported}
            | ({"missing": marked} if marked else {})
            for start, end in spans
        ]


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

    def to_dicts(self) -> list[dict[str, object]]:
        """Return the rows of all sentences: ``evidence`` of ``autogpt summarize --json``."""
        return [row for each in self.sentences for row in each.to_dicts()]


def check(text: str, source: str) -> Grounding:
    """Hold a text against its source.

    Args:
        text: What was written: a summary, an answer over documents.
        source: What it was written from; several documents are joined by blank lines.
    """
    known = Source(source)
    return Grounding(tuple(known.support(text[begin:end]) for begin, end in sentences(text)))


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a number stands: in which sentence, between which words."""

    number: int
    before: str
    after: str


class Source:
    """A text that sentences are held against.

    Args:
        text: The text.
        spans: Where its sentences begin and end, if that is known better than by their marks.
    """

    def __init__(self, text: str, spans: Iterable[tuple[int, int]] | None = None) -> None:
        self._text = text
        self._spans = tuple(sentences(text) if spans is None else spans)
        self._said = [text[begin:end] for begin, end in self._spans]
        self._holding: dict[str, list[int]] = {}
        self._numbers: dict[str, list[_Place]] = {}
        for place, said in enumerate(self._said):
            for word in set(content_of(said)):
                self._holding.setdefault(word, []).append(place)
            for fact in numbers(said):
                where = _Place(place, *_neighbors(said, fact))
                self._numbers.setdefault(fact.value, []).append(where)
        self._addresses = {fact.value for fact in addresses(text)}

    def support(self, sentence: str) -> GroundedSentence:
        """Return where a sentence comes from, and whether the source says it."""
        weights = self._weights(sentence)
        if not sum(weights.values()):
            return self._verbatim(sentence)
        chosen, overlap = self._evidence(weights)
        missing = [fact for fact in facts(sentence) if not self._holds(fact, sentence, chosen)]
        twin = self._twin(sentence, chosen)
        if twin is not None:
            missing += _moved(sentence, twin)
        unique = {(fact.start, fact.end): fact for fact in missing}
        return GroundedSentence(
            sentence=sentence,
            spans=tuple(self._spans[place] for place in chosen),
            supported=overlap >= _ENOUGH
            and not missing
            and not self._is_turned(sentence, chosen, twin),
            overlap=round(overlap, 4),
            missing=tuple(unique[place] for place in sorted(unique)),
        )

    def _weights(self, sentence: str) -> dict[str, float]:
        """Return the content of a sentence, the rarer in the source the heavier."""
        count = len(self._spans)
        return {
            word: math.log(2 + count / (1 + len(self._holding.get(word, ()))))
            for word in set(content_of(sentence))
        }

    def _verbatim(self, sentence: str) -> GroundedSentence:
        """Judge a sentence without content, as "Yes." or "So it is": it is there, or not."""
        plain = sentence.strip()
        at = self._text.find(plain) if plain else -1
        return GroundedSentence(
            sentence=sentence,
            spans=((at, at + len(plain)),) if at >= 0 else (),
            supported=at >= 0,
            overlap=float(at >= 0),
        )

    def _evidence(self, weights: dict[str, float]) -> tuple[list[int], float]:
        """Return the sentences that hold most of the words, and how much of them."""
        total = sum(weights.values())
        chosen: list[int] = []
        missing = dict(weights)
        while len(chosen) < _MOST and missing:
            gains: dict[int, float] = defaultdict(float)
            for word, weight in missing.items():
                for place in self._holding.get(word, ()):
                    gains[place] += weight
            best = max(gains, key=lambda place: (gains[place], -place), default=None)
            if best is None or (chosen and gains[best] < _GAIN * total):
                break
            chosen.append(best)
            held = {word for word in missing if best in self._holding.get(word, ())}
            missing = {word: weight for word, weight in missing.items() if word not in held}
        return chosen, 1 - sum(missing.values()) / total

    def _holds(self, fact: Fact, sentence: str, chosen: Sequence[int]) -> bool:
        if fact.kind == "address":
            return fact.value in self._addresses or fact.value in self._text
        near = {place for one in chosen for place in (one - 1, one, one + 1)}
        if fact.kind == "name":
            said = " ".join(self._said[place] for place in near if 0 <= place < len(self._said))
            lower = " ".join(said.lower().split())
            return fact.value in lower or all(
                word in lower or is_empty(word) for word in _NAME_WORDS.split(fact.value)
            )
        places = [where for where in self._numbers.get(fact.value, ()) if where.number in near]
        if not places:
            return self._is_rounded(fact, sentence)
        before, after = _neighbors(sentence, fact)
        if not before and not after:
            return True
        return any(
            (before and before == where.before) or (after and after == where.after)
            for where in places
        )

    def _is_rounded(self, fact: Fact, sentence: str) -> bool:
        """Whether it is said to be about a number that the source has."""
        if not _ABOUT.search(sentence[: fact.start].lower()):
            return False
        value = float(fact.value)
        return any(abs(float(other) - value) <= _ROUNDED * abs(value) for other in self._numbers)

    def _twin(self, sentence: str, chosen: Sequence[int]) -> str | None:
        """Return the source's own sentence, if this is nearly it."""
        best, found = _NEARLY_SAME, None
        own = [word for word in _masked(sentence) if word != "#"]
        for place in chosen:
            other = [word for word in _masked(self._said[place]) if word != "#"]
            likeness = SequenceMatcher(None, own, other, autojunk=False).ratio()
            if likeness >= best:
                best, found = likeness, self._said[place]
        return found

    def _is_turned(self, sentence: str, chosen: Sequence[int], twin: str | None) -> bool:
        """Whether it denies what the source says, or says what that denies."""
        own = denials_of(sentence)
        if twin is not None:
            return own % 2 != denials_of(twin) % 2
        if own or not chosen:
            return not any(denials_of(self._said[place]) for place in chosen)
        told = set(content_of(sentence))
        return any(
            denials_of(clause) and _tells(told, set(content_of(clause)))
            for clause in _CLAUSE.split(self._said[chosen[0]])
        )


def _tells(told: set[str], content: set[str]) -> bool:
    return bool(content) and len(content & told) >= _TELLS_ALL * len(content)


def _neighbors(text: str, fact: Fact) -> tuple[str, str]:
    """Return the nearest words that say something on both sides of a number; "" for none."""
    left = [word for word, _, _ in tokens(text[max(0, fact.start - 60) : fact.start])]
    right = [word for word, _, _ in tokens(text[fact.end : fact.end + 60])]
    return _nearest(reversed(left)), _nearest(right)


def _nearest(words: Iterable[str]) -> str:
    for place, word in enumerate(words):
        if place == _NEIGHBORS:
            break
        if not is_empty(word):
            return stem(word)
    return ""


def _masked(text: str) -> list[str]:
    """Return words with ``#`` for each number."""
    found = sorted(numbers(text), key=lambda fact: fact.start)
    words: list[str] = []
    place = 0
    for fact in found:
        words += [stem(word) for word, _, _ in tokens(text[place : fact.start])]
        words.append("#")
        place = fact.end
    return words + [stem(word) for word, _, _ in tokens(text[place:])]


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
