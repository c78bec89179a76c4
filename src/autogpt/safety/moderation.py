"""Hate and offensive language, English and Chinese, sentence by sentence.

Two linear classifiers that ship with the package: English tweets (Davidson et al. 2017: hate,
offensive, neither) and Chinese posts on race, region and gender (COLD, Deng et al. 2022). What they
know is how such texts are worded, in those places and years; they judge no intent, and miss what is
said politely. How much they find, by language and group: docs/safety.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from autogpt.safety.classifier import load_classifier
from autogpt.safety.normalize import Normalized
from autogpt.safety.sentences import pieces
from autogpt.safety.spans import Span

__all__ = ["plain_post", "score_moderation"]

_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff]+")
_CHARS = 240  # about a tweet: what the classifiers were trained on
# What a few letters say is chance.
_LEAST_LETTERS = 3
_LATIN = re.compile(f"(?:[A-Za-z][^A-Za-z]*){{{_LEAST_LETTERS}}}")

_USER = re.compile(r"@\w+")
_URL = re.compile(r"https?://\S+")


def plain_post(text: str) -> str:
    """Return a post with users and addresses made one each: who is meant says nothing here."""
    if "@" in text:
        text = _USER.sub(" @u ", text)
    return _URL.sub(" url ", text) if "://" in text else text


def score_moderation(read: Normalized) -> Iterator[Span]:
    """Yield each part of the text with its score for ``hate`` and for ``offensive``."""
    english: list[tuple[int, int]] = []
    chinese: list[tuple[int, int]] = []
    for begin, end in pieces(read.text, chars=_CHARS, within=read.sentences):
        part = read.text[begin:end]
        han = 0 if part.isascii() else sum(map(len, _HAN.findall(part)))
        if han >= _LEAST_LETTERS and 3 * han >= len(part.replace(" ", "")):
            chinese.append((begin, end))
        elif _LATIN.search(part):
            english.append((begin, end))
    for name, parts in (("moderation_en", english), ("moderation_zh", chinese)):
        if parts:
            yield from _score(name, read, parts)


def _score(name: str, read: Normalized, parts: list[tuple[int, int]]) -> Iterator[Span]:
    classifier = load_classifier(name)
    scores = classifier.probabilities([plain_post(read.text[begin:end]) for begin, end in parts])
    for place, category in enumerate(classifier.classes):
        if category in ("hate", "offensive"):
            for (begin, end), score in zip(parts, scores[:, place].tolist(), strict=True):
                yield read.span(category, begin, end, score=score)
