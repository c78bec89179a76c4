"""Which tools fit a request: words (BM25) and meaning (sentence embeddings), the best few.

Both say a share: of the request's words, by weight, those that a tool has (BM25, Robertson &
Zaragoza 2009, against the most that a tool could score), and the cosine of the embeddings (all-
MiniLM-L6-v2, Wang et al. 2020), the mean of two, as a tool is one thing by its description and
another with its parameters. The shares are added up with a weight, which keeps how far apart the
tools are where ranks would not (Bruch et al. 2023, "An Analysis of Fusion Functions for Hybrid
Retrieval"). A Chinese request is looked up in English, too (``glossary``); what fits better counts.

Below a threshold no tool fits and the request is declined. Without the sentence model, words decide
alone.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from autogpt.agent.glossary import in_english
from autogpt.agent.tools.base import Tool
from autogpt.agent.tools.files import bm25, terms

__all__ = ["EMBEDDER", "Embed", "Ranked", "Router", "embedded", "forms_of", "installed_embedder"]

EMBEDDER = "all-minilm-l6-v2"
# How much words count beside meaning, and below which score the best tool does not fit, chosen on
# half of 408 questions of BFCL and held against the other (benchmarks/agent.py routing).
_WORDS = 0.5
_FITS = 0.24
_FITS_WORDS = 0.10  # without embeddings
_MOST_CHARS = 1500  # of a text that is embedded: 256 tokens are read

Embed = Callable[[Sequence[str]], Sequence[Sequence[float]]]
"""Texts -> vectors of length 1."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ranked:
    """A tool and how well it fits.

    Attributes:
        tool: The tool.
        words: Share of the request's words, by weight, that its texts have.
        meaning: Mean cosine of the embeddings; None without them.
    """

    tool: Tool
    words: float
    meaning: float | None

    @property
    def score(self) -> float:
        """By which tools are ordered."""
        return self.words if self.meaning is None else _WORDS * self.words + self.meaning

    @property
    def fits(self) -> bool:
        """Whether it is about the request at all."""
        return self.score >= (_FITS_WORDS if self.meaning is None else _FITS)


class Router:
    """Ranks tools for requests.

    Args:
        tools: All there are.
        embed: Turns texts into vectors; None: words decide alone.
    """

    def __init__(self, tools: Sequence[Tool], *, embed: Embed | None = None) -> None:
        self._tools = list(tools)
        self._bags = [_words_of(tool) for tool in self._tools]
        self._embed = embed
        self._vectors: Any = None  # an array, [tools, width]

    def rank(self, request: str, most: int = 5) -> list[Ranked]:
        """Return the best tools for a request, the best first."""
        if not self._tools:
            return []
        forms = [self._rank(form) for form in forms_of(request)]
        best = [max(some, key=lambda one: one.score) for some in zip(*forms, strict=True)]
        return sorted(best, key=lambda one: -one.score)[:most]

    def _rank(self, request: str) -> list[Ranked]:
        query = Counter(terms(request))
        scores = bm25(query, self._bags)
        best = _most_possible(query, self._bags)
        return [
            Ranked(tool=tool, words=score / best if best else 0.0, meaning=meaning)
            for tool, score, meaning in zip(
                self._tools, scores, self._meanings(request), strict=True
            )
        ]

    def _meanings(self, request: str) -> Sequence[float | None]:
        if self._embed is None:
            return [None] * len(self._tools)
        import numpy as np  # only where there are vectors

        if self._vectors is None:
            texts = [text for tool in self._tools for text in embedded(tool)]
            self._vectors = np.asarray(self._embed(texts)).reshape(len(self._tools), 2, -1).mean(1)
        found: list[float] = (self._vectors @ np.asarray(self._embed([request])[0])).tolist()
        return found


def forms_of(request: str) -> list[str]:
    """Return a request as it is, and what is known of a Chinese one in English."""
    english = in_english(request)
    return [request, english] if english else [request]


def described(tool: Tool) -> str:
    """Return what is said of a tool and its parameters; names are cut into words."""
    parameters = (
        f"{_cut(name)} {schema.get('description', '')}" for name, schema in tool.properties.items()
    )
    return f"{_cut(tool.name)}. {tool.description} {' '.join(parameters)}"


def embedded(tool: Tool) -> tuple[str, str]:
    """Return what is embedded of a tool: what it does, and all that is said of it."""
    return tool.description, described(tool)[:_MOST_CHARS]


def _words_of(tool: Tool) -> Counter[str]:
    """Return the words of a tool, with the values that its parameters may have."""
    options = [one for schema in tool.properties.values() for one in _options(schema)]
    return Counter(terms(" ".join([described(tool), *options])))


def _cut(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[._]+", " ", name)


def _options(schema: Mapping[str, Any]) -> list[str]:
    """Return the values that a parameter, or each item of it, may have."""
    items = schema.get("items")
    inner = items.get("enum", ()) if isinstance(items, Mapping) else ()
    return [str(one) for one in (*schema.get("enum", ()), *inner)]


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


def _most_possible(query: Counter[str], bags: Sequence[Counter[str]]) -> float:
    """Return about what a text with all words of the query would score."""
    having = Counter(word for bag in bags for word in bag)
    count = len(bags)
    return sum(
        math.log(1 + (count - having.get(word, 0) + 0.5) / (having.get(word, 0) + 0.5)) * 1.2
        for word in query
    )
