"""Which tools fit a request: words (BM25) and meaning (sentence embeddings), the best few.

The two rankings are joined by reciprocal rank (Cormack et al. 2009), with what each ranking says of
the best; below a threshold no tool fits and the request is declined. Embeddings are those of
all-MiniLM-L6-v2 (Wang et al. 2020) where it has been pulled, else words decide alone.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from autogpt.agent.tools.base import Tool
from autogpt.agent.tools.files import bm25, terms

__all__ = ["EMBEDDER", "Embed", "Ranked", "Router", "described", "installed_embedder"]

EMBEDDER = "all-minilm-l6-v2"
_RANK_OFFSET = 10.0
# Below these the best tool does not fit. Measured on functions of BFCL (docs/agent.md): with
# embeddings by their cosine, without by the share of the request's weight in words that it has.
_FITS_MEANING = 0.30
_FITS_WORDS = 0.18

Embed = Callable[[Sequence[str]], Sequence[Sequence[float]]]
"""Texts -> vectors of length 1."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ranked:
    """A tool and how well it fits.

    Attributes:
        tool: The tool.
        score: By which tools are ordered.
        words: Share of the request's words, by weight, that its description has.
        meaning: Cosine of the embeddings; None without them.
    """

    tool: Tool
    score: float
    words: float
    meaning: float | None

    @property
    def fits(self) -> bool:
        """Whether it is about the request at all."""
        if self.meaning is None:
            return self.words >= _FITS_WORDS
        return self.meaning + 0.25 * self.words >= _FITS_MEANING


class Router:
    """Ranks tools for requests.

    Args:
        tools: All there are.
        embed: Turns texts into vectors; None: words decide alone.
    """

    def __init__(self, tools: Sequence[Tool], *, embed: Embed | None = None) -> None:
        self._tools = list(tools)
        texts = [described(tool) for tool in self._tools]
        self._texts = texts
        self._bags = [Counter(terms(text)) for text in texts]
        self._embed = embed
        self._vectors: Sequence[Sequence[float]] | None = None

    def rank(self, request: str, most: int = 5) -> list[Ranked]:
        """Return the best tools for a request, the best first."""
        if not self._tools:
            return []
        query = Counter(terms(request))
        scores = bm25(query, self._bags)
        best = _most_possible(query, self._bags)
        words = [score / best if best else 0.0 for score in scores]
        meanings = self._meanings(request)
        total = [1 / (_RANK_OFFSET + place) for place in _places(scores)]
        if meanings is not None:
            total = [
                one + 1 / (_RANK_OFFSET + place) + 0.05 * meaning
                for one, place, meaning in zip(total, _places(meanings), meanings, strict=True)
            ]
        order = sorted(range(len(total)), key=lambda index: -total[index])[:most]
        return [
            Ranked(
                tool=self._tools[index],
                score=total[index],
                words=words[index],
                meaning=None if meanings is None else meanings[index],
            )
            for index in order
        ]

    def _meanings(self, request: str) -> list[float] | None:
        if self._embed is None:
            return None
        if self._vectors is None:
            self._vectors = self._embed(self._texts)
        import numpy as np  # only where there are vectors

        own = np.asarray(self._embed([request])[0])
        found: list[float] = (np.asarray(self._vectors) @ own).tolist()
        return found


def described(tool: Tool) -> str:
    """Return what is known of a tool as words: its name is cut at dots, humps and underscores."""
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[._]+", " ", tool.name)
    parameters = " ".join(
        f"{re.sub(r'(?<=[a-z0-9])(?=[A-Z])|_', ' ', key)} {schema.get('description', '')}"
        for key, schema in tool.properties.items()
    )
    return f"{name}. {tool.description} {parameters}"[:1500]


def installed_embedder() -> Embed | None:
    """Return the sentence model, if it has been pulled and can be run here."""
    from importlib.util import find_spec

    from autogpt.core.refs import is_missing

    if is_missing(EMBEDDER) or find_spec("transformers") is None:
        return None
    kept: list[Any] = []

    def embed(texts: Sequence[str]) -> Sequence[Sequence[float]]:
        if not kept:  # it takes seconds, and most goals need none
            from autogpt.llm import load

            kept.append(load(EMBEDDER))
        rows: list[list[float]] = kept[0].embed(list(texts)).tolist()
        lengths = [math.sqrt(sum(value * value for value in row)) or 1.0 for row in rows]
        return [
            [value / length for value in row] for row, length in zip(rows, lengths, strict=True)
        ]

    return embed


def _places(scores: Sequence[float]) -> list[int]:
    """Return the place of each score, 0 for the highest; those of no score share the last."""
    order = sorted(range(len(scores)), key=lambda index: -scores[index])
    places = [0] * len(scores)
    for place, index in enumerate(order):
        places[index] = place if scores[index] > 0 else len(scores)
    return places


def _most_possible(query: Counter[str], bags: Sequence[Counter[str]]) -> float:
    """Return about what a text with all words of the query would score."""
    having = Counter(word for bag in bags for word in bag)
    count = len(bags)
    return sum(
        math.log(1 + (count - having.get(word, 0) + 0.5) / (having.get(word, 0) + 0.5)) * 1.2
        for word in query
    )
