"""Filters agree with transformers; draws follow the distribution; rows do not touch each other."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from transformers import (
    LogitsProcessorList,
    MinPLogitsWarper,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from autogpt.core.errors import ConfigError
from autogpt.inference.sampling import SamplingParams, row_random, sample, top_logprobs

VOCAB = 512


def make_logits(rows: int = 4, *, spread: float = 3.0) -> Tensor:
    return torch.randn(rows, VOCAB, generator=torch.Generator().manual_seed(1)) * spread


def distribution(logits: Tensor, params: SamplingParams, seen: Tensor | None = None) -> Tensor:
    """Return the probabilities that ``sample`` follows, read off a fine grid of draws."""
    grid = 8_000
    draws = (torch.arange(grid, dtype=torch.float64) + 0.5) / grid
    ids = sample(
        logits.expand(grid, -1), params, seen=None if seen is None else seen.expand(grid, -1),
        draws=draws,
    )  # fmt: skip
    return torch.bincount(ids, minlength=VOCAB) / grid


@pytest.mark.parametrize("spread", [0.3, 3.0])
@pytest.mark.parametrize(
    ("params", "warpers"),
    [
        (SamplingParams(temperature=0.7), [TemperatureLogitsWarper(0.7)]),
        (SamplingParams(temperature=1.0, top_k=7), [TopKLogitsWarper(7)]),
        (SamplingParams(temperature=1.0, top_p=0.8), [TopPLogitsWarper(0.8)]),
        (SamplingParams(temperature=1.0, min_p=0.2), [MinPLogitsWarper(0.2)]),
        (
            SamplingParams(
                temperature=1.3, top_k=50, top_p=0.9, min_p=0.05, repetition_penalty=1.4
            ),
            [
                RepetitionPenaltyLogitsProcessor(1.4),
                TemperatureLogitsWarper(1.3),
                TopKLogitsWarper(50),
                TopPLogitsWarper(0.9),
                MinPLogitsWarper(0.05),
            ],
        ),
    ],
)
def test_the_distribution_is_that_of_transformers(
    params: SamplingParams, warpers: list[object], spread: float
) -> None:
    history = torch.tensor([[3, 9, 9, 200]])
    for row in make_logits(3, spread=spread).split(1):
        wanted = LogitsProcessorList(warpers)(history, row.clone()).softmax(-1)[0]
        seen = torch.zeros(1, VOCAB, dtype=torch.bool).scatter_(1, history, value=True)
        got = distribution(row, params, seen)
        assert (got - wanted).abs().max() < 3e-4
        assert got[wanted == 0].sum() == 0


def test_greedy_takes_the_best_and_needs_no_draws() -> None:
    logits = make_logits()
    assert torch.equal(sample(logits, SamplingParams(temperature=0.0)), logits.argmax(-1))


def test_top_k_of_one_is_greedy() -> None:
    logits = make_logits()
    draws = torch.full((4,), 0.999999, dtype=torch.float64)
    chosen = sample(logits, SamplingParams(top_k=1, temperature=5.0), draws=draws)
    assert torch.equal(chosen, logits.argmax(-1))


def test_a_tiny_temperature_does_not_overflow() -> None:
    logits = make_logits() * 1000
    draws = torch.rand(4, dtype=torch.float64)
    chosen = sample(logits, SamplingParams(temperature=1e-30), draws=draws)
    assert torch.equal(chosen, logits.argmax(-1))


def test_extreme_draws_never_pick_an_impossible_token() -> None:
    logits = torch.full((2, VOCAB), -math.inf)
    logits[:, 100] = logits[:, 101] = 0.0
    draws = torch.tensor([0.0, 1.0 - 2.0**-53], dtype=torch.float64)
    chosen = sample(logits, SamplingParams(temperature=1.0), draws=draws)
    assert chosen.tolist() == [100, 101]


def test_rows_do_not_depend_on_their_neighbors() -> None:
    logits = torch.cat([make_logits(4, spread=0.01), make_logits(4, spread=9.0)])
    params = SamplingParams(top_p=0.95, min_p=0.001)
    draws = torch.rand(8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    together = sample(logits, params, draws=draws)
    alone = [sample(logits[i : i + 1], params, draws=draws[i : i + 1]) for i in range(8)]
    assert torch.equal(together, torch.cat(alone))


def test_repetition_penalty_lowers_what_was_seen_on_both_sides_of_zero() -> None:
    logits = torch.tensor([[2.0, 1.9, -1.0, -1.1]])
    seen = torch.tensor([[True, False, True, False]])
    params = SamplingParams(temperature=0.0, repetition_penalty=2.0)
    assert sample(logits, params, seen=seen).tolist() == [1]
    seen = torch.tensor([[True, True, True, False]])
    assert sample(logits - 3.0, params, seen=seen).tolist() == [0]


def test_logprobs_are_of_the_model_itself() -> None:
    logits = make_logits(2)
    chosen = torch.tensor([5, 6])
    result = top_logprobs(logits, chosen, 3)
    whole = logits.log_softmax(-1)
    assert torch.equal(result.chosen, whole[[0, 1], [5, 6]])
    assert torch.equal(result.top_ids[:, 0], logits.argmax(-1))
    assert torch.equal(result.top, whole.topk(3).values)
    assert top_logprobs(logits, chosen, 0).top.shape == (2, 0)
    assert top_logprobs(logits, chosen, 10_000).top.shape == (2, VOCAB)


def test_random_rows_repeat_and_differ() -> None:
    assert row_random(3, 0).random() == row_random(3, 0).random()
    streams = {row_random(seed, row).random() for seed in range(4) for row in range(4)}
    assert len(streams) == 16
    assert row_random(None, 0).random() != row_random(None, 0).random()


def test_random_numbers_stay_the_same_in_every_release() -> None:
    assert row_random(0, 0).random() == 0.34268425763729726


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"max_tokens": 0}, "max_tokens is 0, expected a whole number of 1 or more"),
        ({"max_tokens": 1.5}, "max_tokens is 1.5"),
        ({"temperature": -1.0}, "temperature is -1.0, expected a number of 0 or more"),
        ({"temperature": math.nan}, "temperature is nan"),
        ({"temperature": math.inf}, "temperature is inf"),
        ({"temperature": "hot"}, "temperature is 'hot'"),
        ({"top_k": 0}, "top_k is 0"),
        ({"top_p": 0.0}, "top_p is 0.0, expected a number above 0, up to 1"),
        ({"top_p": 1.1}, "top_p is 1.1"),
        ({"min_p": -0.1}, "min_p is -0.1"),
        ({"repetition_penalty": 0.0}, "repetition_penalty is 0.0"),
        ({"seed": -1}, "seed is -1"),
        ({"n": 0}, "n is 0"),
        ({"logprobs": -1}, "logprobs is -1"),
        ({"stop": ("",)}, "stop is"),
    ],
)
def test_settings_out_of_range(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message.replace("(", r"\(")):
        SamplingParams(**settings)  # type: ignore[arg-type] - wrong on purpose
