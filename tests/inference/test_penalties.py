"""Penalties are those of their sources, written out anew here the slow way."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from autogpt.core.errors import ConfigError
from autogpt.inference.params import SamplingParams
from autogpt.inference.penalties import Penalties

VOCAB = 8


def scores_after(
    params: SamplingParams, prompt: list[int], text: list[int], *, start: float = 0.0
) -> list[float]:
    penalties = Penalties(params, VOCAB, prompt)
    for token_id in text:
        penalties.push(token_id)
    scores = torch.full((VOCAB,), start)
    penalties.apply(scores)
    return [round(score, 4) for score in scores.tolist()]


def test_repetition_counts_the_prompt_and_pulls_down_on_both_sides_of_zero() -> None:
    params = SamplingParams(repetition_penalty=2.0)
    assert scores_after(params, [1], [3], start=3.0) == [3, 1.5, 3, 1.5, 3, 3, 3, 3]
    assert scores_after(params, [1], [3], start=-3.0) == [-3, -6, -3, -6, -3, -3, -3, -3]


def test_presence_and_frequency_count_the_text_alone() -> None:
    params = SamplingParams(presence_penalty=0.5, frequency_penalty=0.25)
    assert scores_after(params, [1, 1], [3, 3, 3, 5]) == [0, 0, 0, -1.25, 0, -0.75, 0, 0]
    liked = SamplingParams(frequency_penalty=-1.0)
    assert scores_after(liked, [], [2, 2]) == [0, 0, 2, 0, 0, 0, 0, 0]


def test_bias() -> None:
    params = SamplingParams(logit_bias=((2, -100.0), (7, 1.5)))
    assert scores_after(params, [], []) == [0, 0, -100, 0, 0, 0, 0, 1.5]
    with pytest.raises(ConfigError, match="names token 8, but the model has only 8"):
        Penalties(SamplingParams(logit_bias=((8, 1.0),)), VOCAB, [])


def test_nothing_asked_is_nothing_done() -> None:
    assert Penalties(SamplingParams(), VOCAB, [1]).are_none
    assert not Penalties(SamplingParams(dry_multiplier=0.1), VOCAB, [1]).are_none


def dry_by_definition(ids: list[int], params: SamplingParams) -> list[float]:
    """Return the penalties found by comparing every pair of places backwards."""
    longest: dict[int, int] = {}
    for place in range(len(ids) - 1):
        length = 0
        while (
            length <= place
            and ids[place - length] == ids[len(ids) - 1 - length]
            and ids[place - length] not in params.dry_breaker_ids
        ):
            length += 1
        following = ids[place + 1]
        if length >= params.dry_allowed_length and following not in params.dry_breaker_ids:
            longest[following] = max(longest.get(following, 0), min(length, 50))
    return [
        round(
            -params.dry_multiplier
            * params.dry_base ** (longest[token_id] - params.dry_allowed_length),
            4,
        )
        if token_id in longest
        else 0.0
        for token_id in range(VOCAB)
    ]


@given(
    prompt=st.lists(st.integers(0, 3), max_size=12),
    text=st.lists(st.integers(0, 3), max_size=25),
    allowed=st.integers(1, 4),
    breakers=st.frozensets(st.integers(0, 3), max_size=2),
)
def test_dry_is_its_definition(
    prompt: list[int], text: list[int], allowed: int, breakers: frozenset[int]
) -> None:
    params = SamplingParams(
        dry_multiplier=0.5, dry_base=1.2, dry_allowed_length=allowed, dry_breaker_ids=breakers
    )
    got = scores_after(params, prompt, text)
    assert got == pytest.approx(dry_by_definition(prompt + text, params), rel=1e-3)


def test_dry_of_an_endless_loop_stays_finite() -> None:
    params = SamplingParams(dry_multiplier=100.0, dry_base=1000.0)
    scores = scores_after(params, [], [1] * 300)
    assert scores[1] == -1e6
    assert scores[0] == 0
