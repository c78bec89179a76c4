"""Labels and spans: every spelling comes back, and the search finds what trying all would."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autogpt.core.errors import ConfigError
from autogpt.core.examples import Entity
from autogpt.tasks.lattice import Lattice
from autogpt.tasks.spans import (
    Scheme,
    Span,
    labels_of,
    parse_label,
    read_spans,
    scheme_of,
    spell,
    token_labels,
    units_of,
    units_of_entities,
    write_labels,
)

SCHEMES: list[Scheme] = ["BIO", "BIOES", "BMES"]


def test_units_are_words_numbers_and_single_characters() -> None:
    text = "Ada's 2nd visit, to 北京市 (é)!"
    assert [text[start:end] for start, end in units_of(text)] == [
        *("Ada", "'", "s", "2", "nd", "visit", ",", "to", "北", "京", "市", "(", "é", ")", "!"),
    ]
    assert units_of("") == units_of(" \n\t") == []


@given(st.text())
def test_units_cover_all_but_spaces_and_marks(text: str) -> None:
    units = units_of(text)
    assert all(start < end for start, end in units)
    assert all(before[1] <= after[0] for before, after in itertools.pairwise(units))
    inside = {place for start, end in units for place in range(start, end)}
    assert all(text[place].isspace() for place in range(len(text)) if place not in inside)


@st.composite
def some_spans(draw: st.DrawFn) -> tuple[int, list[Span]]:
    count = draw(st.integers(1, 12))
    spans, place = [], 0
    while place < count:
        place += draw(st.integers(0, 3))
        length = draw(st.integers(1, 4))
        if place + length > count:
            break
        spans.append(Span(draw(st.sampled_from(["PER", "地"])), place, place + length))
        place += length
    return count, spans


@pytest.mark.parametrize("scheme", SCHEMES)
@given(some_spans())
def test_what_is_written_is_read(scheme: Scheme, given_: tuple[int, list[Span]]) -> None:
    count, spans = given_
    labels = write_labels(spans, count, scheme)
    assert len(labels) == count
    assert read_spans(labels) == spans
    assert set(labels) <= set(labels_of(["PER", "地"], scheme))


def test_schemes_are_told_apart() -> None:
    for scheme in (*SCHEMES, "IO"):
        assert scheme_of(labels_of(["PER"], scheme)) == scheme
    assert parse_label("U-PER") == ("S", "PER")
    assert parse_label("B-a-b") == ("B", "a-b")
    with pytest.raises(ConfigError, match="scheme"):
        labels_of(["PER"], "BIX")  # type: ignore[arg-type]


def test_entities_become_units() -> None:
    text = "Ada Lovelace met X."
    units = units_of(text)
    entities = [
        Entity(type="PER", start=0, end=12, text="Ada Lovelace"),
        Entity(type="PER", start=4, end=12, text="Lovelace"),  # overlaps: left out
        Entity(type="ORG", start=17, end=18, text="X"),
    ]
    assert units_of_entities(entities, units) == [Span("PER", 0, 2), Span("ORG", 3, 4)]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_label_is_spelled_over_the_tokens_of_a_unit(scheme: Scheme) -> None:
    labels = labels_of(["PER"], scheme)
    spelled = token_labels(labels)
    for length in range(1, 4):
        for tokens in range(1, 4):  # of the first unit, the others have one
            units = spell("PER", length, scheme)
            places = [0] if tokens == 1 else [1, *[2] * (tokens - 2), 3]
            first = [labels[spelled[place, labels.index(units[0])]] for place in places]
            assert first + units[1:] == spell("PER", length + tokens - 1, scheme)


def legal(labels: tuple[str, ...], scheme: Scheme, path: tuple[int, ...]) -> bool:
    row = [labels[label] for label in path]
    return write_labels(read_spans(row), len(row), scheme) == row


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("seed", range(4))
def test_the_search_finds_what_trying_all_finds(scheme: Scheme, seed: int) -> None:
    labels = labels_of(["A", "B"], scheme)
    lattice = Lattice(labels)
    chance = np.random.default_rng(seed)
    scores = 2 * chance.normal(size=(4, len(labels)))
    emissions = lattice.emissions(scores, np.arange(4))
    paths = [
        path
        for path in itertools.product(range(len(labels)), repeat=4)
        if legal(labels, scheme, path)
    ]
    totals = np.array([emissions[np.arange(4), list(path)].sum() for path in paths])
    best = paths[int(totals.argmax())]
    assert tuple(lattice.best(emissions)) == best
    chances = np.exp(totals - totals.max())
    chances /= chances.sum()
    spans = [read_spans([labels[label] for label in path]) for path in paths]
    found = lattice.entities(emissions)
    assert [span for span, _ in found] == read_spans([labels[label] for label in best])
    for span, score in found:
        wanted = sum(p for p, own in zip(chances, spans, strict=True) if span in own)
        assert score == pytest.approx(wanted, rel=1e-6)


def test_labels_without_a_beginning_may_begin() -> None:
    for labels in (("O", "I-PER", "B-PER", "I-LOC"), ("O", "PER", "LOC")):
        lattice = Lattice(labels)
        scores = np.full((2, len(labels)), -5.0)
        scores[0, len(labels) - 1] = scores[1, 1] = 5.0
        emissions = lattice.emissions(scores, np.arange(2))
        assert [span.type for span, _ in lattice.entities(emissions)] == ["LOC", "PER"]
    assert Lattice(("O", "B-A")).best(np.zeros((0, 2))) == []
