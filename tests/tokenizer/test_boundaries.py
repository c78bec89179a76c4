from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from tests.tokenizer.texts import hard_text

from autogpt.tokenizer import pipeline
from autogpt.tokenizer.boundaries import cut, last_boundary

_PRE_TOKENIZER = pipeline.pre_tokenizer()


def _pieces(text: str) -> list[str]:
    return [piece for piece, _ in _PRE_TOKENIZER.pre_tokenize_str(text)]


@given(hard_text, st.integers(1, 20))
def test_pieces_of_parts_are_pieces_of_the_whole(text: str, size: int) -> None:
    parts = cut(text, size)
    assert "".join(parts) == text
    assert [piece for part in parts for piece in _pieces(part)] == _pieces(text)


@given(hard_text)
def test_last_boundary_is_one(text: str) -> None:
    place = last_boundary(text)
    assert _pieces(text[:place]) + _pieces(text[place:]) == _pieces(text)


def test_parts_have_about_the_size() -> None:
    parts = cut("To be, or not to be.\n" * 1000, 100)
    assert all(100 <= len(part) < 130 for part in parts[:-1])


def test_text_without_boundaries_stays_whole() -> None:
    assert cut("天地玄黃" * 100, 10) == ["天地玄黃" * 100]
    assert last_boundary("天地玄黃" * 3000) == 0


def test_last_boundary_is_found_far_from_the_end() -> None:
    assert last_boundary("a b" + "c" * 10_000) == 1


def test_short_text_is_not_cut() -> None:
    assert cut("a b", 10) == ["a b"]
    assert cut("", 10) == [""]
