"""How entities are spelled as one label a word: BIO, BIOES, BMES; and what the words are.

::

    text     Ada  Lovelace  met  Babbage          BIO     B begins, I goes on, O is outside
    BIO      B-PER I-PER    O    B-PER            BIOES   also E ends, S stands alone
    BIOES    B-PER E-PER    O    S-PER            BMES    the same with M for I
    BMES     B-PER E-PER    O    S-PER            IO      the type alone; neighbors flow together

A word here is a *unit*: a run of letters or of digits, else one character; of scripts that are
written without spaces, each character. Units are finer than the tokens of any data set in use, so
that the borders of entities fall on theirs. A unit may be several tokens of a model; its label is
then spelled over them (:func:`token_labels`).

Source: Ramshaw and Marcus 1995 (BIO); Sang and Veenstra 1999 (variants); Xue 2003 (BMES).
Not here: which labels a text gets (``lattice``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple, get_args

import numpy as np
import numpy.typing as npt

from autogpt.core.errors import ConfigError
from autogpt.core.examples import Entity

__all__ = [
    "Scheme",
    "Span",
    "Tag",
    "labels_of",
    "parse_label",
    "read_spans",
    "scheme_of",
    "spell",
    "token_labels",
    "units_of",
    "units_of_entities",
    "write_labels",
]

Scheme = Literal["BIO", "BIOES", "BMES", "IO"]
OUTSIDE = "O"

# Written without spaces between words: Thai to Myanmar, Khmer, kana, Han.
_DENSE = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf"
    "\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)
_UNIT = re.compile(
    rf"[{_DENSE}][\u0300-\u036f]*|(?:(?![{_DENSE}])[^\W\d_][\u0300-\u036f]*)+|\d+|[^\w\s]|_"
)


class Tag(NamedTuple):
    """A label in parts: ``B-PER`` is B and PER, ``O`` is O and nothing."""

    prefix: str
    type: str


class Span(NamedTuple):
    """An entity in units: the first, and the one behind the last."""

    type: str
    start: int
    end: int


def units_of(text: str) -> list[tuple[int, int]]:
    """Return the units of a text as (start, end) in characters; spaces belong to none."""
    return [match.span() for match in _UNIT.finditer(text)]


def parse_label(label: str) -> Tag:
    """Return a label in parts; one without prefix is I of its type."""
    if label == OUTSIDE:
        return Tag(OUTSIDE, "")
    prefix, dash, kind = label.partition("-")
    if dash and kind and prefix in ("B", "I", "O", "E", "S", "M", "L", "U"):
        # BILOU is BIOES with other letters.
        return Tag({"L": "E", "U": "S"}.get(prefix, prefix), kind)
    return Tag("I", label)


def scheme_of(labels: Iterable[str]) -> Scheme:
    """Return in which scheme labels are written."""
    labels = list(labels)
    prefixes = {parse_label(label).prefix for label in labels} - {OUTSIDE}
    if "M" in prefixes:
        return "BMES"
    if prefixes & {"E", "S"}:
        return "BIOES"
    return "BIO" if "B" in prefixes else "IO"


def labels_of(types: Iterable[str], scheme: Scheme = "BIO") -> tuple[str, ...]:
    """Return all labels for entities of these types, outside first.

    Raises:
        ConfigError: If the scheme is unknown.
    """
    if scheme not in get_args(Scheme):
        known = ", ".join(get_args(Scheme))
        raise ConfigError(f"scheme = {scheme!r} is unknown, expected one of {known}.")
    prefixes = [""] if scheme == "IO" else [f"{prefix}-" for prefix in scheme if prefix != "O"]
    return (OUTSIDE, *(prefix + kind for kind in sorted(set(types)) for prefix in prefixes))


def spell(kind: str, length: int, scheme: Scheme) -> list[str]:
    """Return the labels of an entity of ``length`` units, 1 or more."""
    if scheme == "IO":
        return [kind] * length
    if scheme == "BIO":
        return [f"B-{kind}"] + [f"I-{kind}"] * (length - 1)
    if length == 1:
        return [f"S-{kind}"]
    middle = "M" if scheme == "BMES" else "I"
    return [f"B-{kind}"] + [f"{middle}-{kind}"] * (length - 2) + [f"E-{kind}"]


def write_labels(spans: Iterable[Span], count: int, scheme: Scheme = "BIO") -> list[str]:
    """Return one label for each of ``count`` units."""
    labels = [OUTSIDE] * count
    for kind, start, end in spans:
        labels[start:end] = spell(kind, end - start, scheme)
    return labels


def read_spans(labels: Sequence[str]) -> list[Span]:
    """Return the entities that labels spell, in whatever scheme, also where they are not legal.

    An entity begins where a label cannot go on with the one before, as conlleval reads them (Tjong
    Kim Sang and Buchholz 2000).
    """
    spans: list[Span] = []
    begun: Span | None = None
    for place, label in enumerate([*labels, OUTSIDE]):
        prefix, kind = parse_label(label)
        goes_on = begun is not None and prefix in ("I", "M", "E") and kind == begun.type
        if begun is not None and not goes_on:
            spans.append(begun._replace(end=place))
            begun = None
        if prefix != OUTSIDE and begun is None:
            begun = Span(kind, place, place + 1)
        if begun is not None and prefix in ("E", "S"):
            spans.append(begun._replace(end=place + 1))
            begun = None
    return spans


def units_of_entities(entities: Iterable[Entity], units: Sequence[tuple[int, int]]) -> list[Span]:
    """Return entities in units: those that they touch; of entities that overlap, the first."""
    starts = np.array([start for start, _ in units], dtype=np.int64)
    ends = np.array([end for _, end in units], dtype=np.int64)
    spans: list[Span] = []
    behind = 0
    for entity in sorted(entities, key=lambda entity: (entity.start, -entity.end)):
        first = int(np.searchsorted(ends, entity.start, side="right"))
        last = int(np.searchsorted(starts, entity.end, side="left"))
        if max(first, behind) < last:
            spans.append(Span(entity.type, max(first, behind), last))
            behind = last
    return spans


def token_labels(labels: Sequence[str]) -> npt.NDArray[np.int64]:
    """Return how a unit's label is spelled over its tokens, as numbers of labels.

    Returns:
        ``[4, C]``: for a label C, the label of the unit's only token; or of the first, of those in
        the middle, and of the last.
    """
    scheme = scheme_of(labels)
    number = {label: index for index, label in enumerate(labels)}
    rows = []
    for index, label in enumerate(labels):
        prefix, kind = parse_label(label)
        inside = number.get(f"{'M' if scheme == 'BMES' else 'I'}-{kind}", index)
        if scheme in ("BIO", "IO") or prefix == OUTSIDE:
            rest = inside if prefix == "B" else index
            rows.append((index, index, rest, rest))
            continue
        begins, ends = number.get(f"B-{kind}", index), number.get(f"E-{kind}", index)
        first = begins if prefix in ("B", "S") else inside
        last = ends if prefix in ("E", "S") else inside
        rows.append((index, first, inside, last))
    return np.array(rows, dtype=np.int64).T
