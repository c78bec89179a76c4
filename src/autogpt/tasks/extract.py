"""A summary without a model: the sentences of a text that say most, in their order.

::

    sentences -> TF-IDF vectors -> LexRank: a sentence counts as much as those that resemble it,
    with a preference for the beginning and for what the headings name -> maximal marginal
    relevance: the next one that counts and does not repeat -> as they stood in the text

Nothing is invented, since nothing is written. Sources: Erkan and Radev 2004, "LexRank"; Otterbacher
et al. 2009, "Biased LexRank" (the preference as the random walk's jump); Edmundson 1969 (position
and title); Carbonell and Goldstein 1998 (marginal relevance).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from autogpt.safety.words import content_of, length_of
from autogpt.tasks.language import is_chinese
from autogpt.tasks.sentences import Block, Sentence, blocks_of, sentences_of

__all__ = ["extract"]

# Probability that the random walk begins anew. LexRank takes 0.1 to 0.2, where beginning anew knows
# no preference; with one, 0.4 gave more than 0.15 on both of two data sets (docs/log.md).
_JUMP = 0.4
_NOVELTY = 0.35  # weight of not repeating; Carbonell and Goldstein: 0.3 to 0.5 for short summaries
_AT_ONCE = 500  # sentences that are compared with each other
_STEPS = 50  # of the power iteration, which converges long before
_SHORT = (4, 8)  # words, characters; below, a sentence says too little to stand alone
_WEAK = 0.4  # how much a question counts, or what ends in nothing or a colon
_FULL = 0.85  # of the length

_Vectors = npt.NDArray[np.float32]


def extract(text: str, length: int, *, most: int | None = None) -> list[Sentence]:
    """Return the sentences that say most, in the order of the text; one at least.

    Args:
        text: Any Unicode.
        length: About how long they are to be together, see ``words.length_of``.
        most: How many at most.
    """
    blocks = blocks_of(text)
    sentences = sentences_of(text, blocks)
    body = [one for one in sentences if blocks[one.block].kind != "heading"] or sentences
    lengths = [length_of(text[one.start : one.end]) for one in body]
    short = _SHORT[is_chinese(text)]
    fit = [one for one, size in zip(body, lengths, strict=True) if size >= short] or body
    if not fit:
        return []
    titles = [content_of(text[block.start : block.end]) for block in _headings(blocks)]
    title = {word for words in titles for word in words}
    idf = _rarity([content_of(text[one.start : one.end]) for one in fit])
    while len(fit) > _AT_ONCE:  # the best of each part, then of those
        parts = [fit[start : start + _AT_ONCE] for start in range(0, len(fit), _AT_ONCE)]
        keep = max(1, _AT_ONCE // (2 * len(parts)))
        fit = [one for part in parts for one in _best(text, part, idf, title, keep)]
    return _chosen(text, fit, idf, title, length, most or len(fit))


def _headings(blocks: Sequence[Block]) -> list[Block]:
    return [block for block in blocks if block.kind == "heading"]


def _rarity(rows: Sequence[Sequence[str]]) -> dict[str, float]:
    counts = Counter(word for row in rows for word in set(row))
    return {word: math.log(1 + len(rows) / count) for word, count in counts.items()}


def _best(
    text: str, part: Sequence[Sentence], idf: dict[str, float], title: set[str], keep: int
) -> list[Sentence]:
    """Return the ``keep`` highest of a part, in order."""
    scores = _ranked(_vectors(text, part, idf), _preference(text, part, title))
    return [part[place] for place in sorted(np.argsort(-scores, kind="stable")[:keep].tolist())]


def _vectors(text: str, sentences: Sequence[Sentence], idf: dict[str, float]) -> _Vectors:
    """Return a row for each sentence, of length one, ``[N, words]``."""
    rows = [Counter(content_of(text[one.start : one.end])) for one in sentences]
    columns = {word: place for place, word in enumerate(sorted({w for row in rows for w in row}))}
    found = np.zeros((len(rows), max(1, len(columns))), dtype=np.float32)
    for number, row in enumerate(rows):
        for word, count in row.items():
            found[number, columns[word]] = (1 + math.log(count)) * idf[word]
    norms = np.linalg.norm(found, axis=1, keepdims=True)
    shorter: _Vectors = found / np.maximum(norms, 1e-9)
    return shorter


def _preference(text: str, sentences: Sequence[Sentence], title: set[str]) -> _Vectors:
    """Return where the walk begins: at the beginning, and where the headings' words are."""
    weights = np.array([1 / (1 + place) + 1 / len(sentences) for place in range(len(sentences))])
    for number, one in enumerate(sentences):
        said = text[one.start : one.end]
        shared = len(title & set(content_of(said))) / max(1, len(title))
        weights[number] *= 1 + shared
        if said.rstrip("\"'”’」』）)*_`")[-1:] not in ".!。！…":
            weights[number] *= _WEAK
    found: _Vectors = (weights / weights.sum()).astype(np.float32)
    return found


def _ranked(vectors: _Vectors, preference: _Vectors) -> _Vectors:
    """Return how much each sentence counts; they add up to one."""
    alike = vectors @ vectors.T
    np.fill_diagonal(alike, 0.0)
    sums = alike.sum(axis=1, keepdims=True)
    moves = np.where(sums > 0, alike / np.maximum(sums, 1e-9), preference[None, :])
    scores = preference
    for _ in range(_STEPS):
        scores = _JUMP * preference + (1 - _JUMP) * (scores @ moves)
    return scores


def _chosen(
    text: str,
    sentences: Sequence[Sentence],
    idf: dict[str, float],
    title: set[str],
    length: int,
    most: int,
) -> list[Sentence]:
    """Return what counts and does not repeat, until it is long enough."""
    vectors = _vectors(text, sentences, idf)
    scores = _ranked(vectors, _preference(text, sentences, title))
    scores = scores / scores.max()
    sizes = [length_of(text[one.start : one.end]) for one in sentences]
    repeats = np.zeros(len(sentences), dtype=np.float32)
    taken: list[int] = []
    left = length
    open_ = np.ones(len(sentences), dtype=np.bool_)
    while open_.any() and len(taken) < most:
        gains = np.where(open_, (1 - _NOVELTY) * scores - _NOVELTY * repeats, -np.inf)
        place = int(gains.argmax())
        open_[place] = False
        if taken and sizes[place] > left:
            continue
        taken.append(place)
        left -= sizes[place]
        repeats = np.maximum(repeats, vectors @ vectors[place])
        if left < (1 - _FULL) * length:
            break
    return [sentences[place] for place in sorted(taken)]
