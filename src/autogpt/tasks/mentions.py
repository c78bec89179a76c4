"""Tagged texts in which names are exchanged, so that a new tagger learns what names stand beside.

A model that begins from nothing and sees a name twice learns the name by heart. In copies of its
examples each entity is exchanged for another of the same type, drawn from all examples, so that
only the words around it tell what it is. Source: Dai and Adel 2020, "An Analysis of Simple Data
Augmentation for Named Entity Recognition" (mention replacement).
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from autogpt.core.examples import Entity, Tagged

__all__ = ["with_other_names"]

_EXCHANGED = 0.7  # of the entities of a copy

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class _Mention:
    """How a text names something; ``tokens`` are spans within it."""

    text: str
    tokens: tuple[Span, ...]


def with_other_names(examples: Sequence[Tagged], *, copies: int, seed: int) -> list[Tagged]:
    """Return copies of the examples that have entities, with other ones of their types in place.

    Args:
        examples: Tagged texts.
        copies: Of each; those that come out as they were are left out.
        seed: Of what is exchanged for what.
    """
    known: dict[str, list[_Mention]] = {}
    for example in examples:
        for entity in example.entities:
            known.setdefault(entity.type, []).append(_mention(example, entity))
    draw = random.Random(seed)
    made = (_exchanged(one, known, draw) for _ in range(copies) for one in examples if one.entities)
    return [copy for copy in made if copy is not None]


def _mention(example: Tagged, entity: Entity) -> _Mention:
    start, end = entity.start, entity.end
    inside = tuple((a - start, b - start) for a, b in example.tokens if start <= a and b <= end)
    return _Mention(example.text[start:end], inside)


def _exchanged(
    example: Tagged, known: dict[str, list[_Mention]], draw: random.Random
) -> Tagged | None:
    """Return a copy; None where nothing was exchanged."""
    text, at = "", 0
    entities: list[Entity] = []
    tokens: list[Span] = []
    for entity in example.entities:
        own = _mention(example, entity)
        chosen = draw.choice(known[entity.type]) if draw.random() < _EXCHANGED else own
        tokens += _between(example.tokens, at, entity.start, shift=len(text) - at)
        text += example.text[at : entity.start]
        start = len(text)
        tokens += [(a + start, b + start) for a, b in chosen.tokens]
        text += chosen.text
        entities.append(replace(entity, start=start, end=len(text), text=chosen.text))
        at = entity.end
    tokens += _between(example.tokens, at, len(example.text), shift=len(text) - at)
    text += example.text[at:]
    if text == example.text:
        return None
    return replace(example, text=text, entities=tuple(entities), tokens=tuple(tokens))


def _between(tokens: Sequence[Span], start: int, end: int, *, shift: int) -> list[Span]:
    """Return the tokens between two places, moved."""
    return [(a + shift, b + shift) for a, b in tokens if start <= a and b <= end]
