"""Filters agree with transformers; draws follow the distribution; rows do not touch each other."""

from __future__ import annotations

import math
from collections.abc import Sequence

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
from autogpt.inference.params import SamplingParams
from autogpt.inference.sampling import (
    Choice,
    RowSampler,
    adjust,
    choose,
    row_random,
    sample,
    top_logprobs,
)

VOCAB = 512


def make_logits(rows: int = 4, *, spread: float = 3.0) -> Tensor:
    return torch.randn(rows, VOCAB, generator=torch.Generator().manual_seed(1)) * spread


def pick(logits: Tensor, params: SamplingParams, history: Sequence[int] = ()) -> list[int]:
    samplers = [RowSampler(params, VOCAB, history, row) for row in range(len(logits))]
    return [choice.token_id for choice in choose(logits, samplers)]


def distribution(logits: Tensor, params: SamplingParams, history: Sequence[int] = ()) -> Tensor:
    """Return the probabilities that ``sample`` follows, read off a fine grid of draws."""
    grid = 8_000
    draws = (torch.arange(grid, dtype=torch.float64) + 0.5) / grid
    scores = adjust(logits, [RowSampler(params, VOCAB, history, 0)])
    ids = sample(scores.expand(grid, -1), params, draws=draws)
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
        got = distribution(row, params, history[0].tolist())
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


@pytest.mark.parametrize("temperature", [1e-30, 1e-45, 1e-300])
def test_a_tiny_temperature_does_not_overflow(temperature: float) -> None:
    logits = make_logits() * 1000
    draws = torch.rand(4, dtype=torch.float64)
    chosen = sample(logits, SamplingParams(temperature=temperature), draws=draws)
    assert torch.equal(chosen, logits.argmax(-1))


def test_extreme_draws_never_pick_an_impossible_token() -> None:
    logits = torch.full((2, VOCAB), -math.inf)
    logits[:, 100] = logits[:, 101] = 0.0
    draws = torch.tensor([0.0, 1.0 - 2.0**-53], dtype=torch.float64)
    chosen = sample(logits, SamplingParams(temperature=1.0), draws=draws)
    assert chosen.tolist() == [100, 101]


MIXED = [
    SamplingParams(seed=1, top_p=0.95, min_p=0.001),
    SamplingParams(seed=1, top_p=0.95, min_p=0.001, logprobs=2),
    SamplingParams(seed=2, temperature=0.0),
    SamplingParams(seed=2, temperature=1.5, top_k=9, repetition_penalty=1.3, logprobs=0),
    SamplingParams(seed=3, temperature=1.0, presence_penalty=1.0, frequency_penalty=0.5),
    SamplingParams(seed=3, temperature=1.0, dry_multiplier=0.8, logit_bias=((5, 4.0),)),
]


def written(rows: Sequence[int], steps: int = 30) -> list[list[Choice]]:
    """Return what these rows of ``MIXED`` choose side by side."""
    samplers = [RowSampler(MIXED[row], VOCAB, [1, 2, row], row) for row in rows]
    texts: list[list[Choice]] = [[] for _ in rows]
    for step in range(steps):
        logits = torch.randn(len(MIXED), VOCAB, generator=torch.Generator().manual_seed(step))
        for text, sampler, choice in zip(
            texts, samplers, choose(logits[list(rows)] * 2, samplers), strict=True
        ):
            sampler.push(choice.token_id)
            text.append(choice)
    return texts


def test_rows_of_all_settings_give_what_each_gives_alone() -> None:
    together = written(range(len(MIXED)))
    assert together == [written([row])[0] for row in range(len(MIXED))]
    assert together[:2] == written([0, 1])
    assert [choice.logprob is None for choice in (row[0] for row in together)] == [
        params.logprobs is None for params in MIXED
    ]
    assert [len(row[0].top) for row in together] == [0, 2, 0, 0, 0, 0]


@pytest.mark.parametrize(
    ("params", "wanted"),
    [
        (
            SamplingParams(seed=7, temperature=1.0),
            [[387, 307, 46, 456, 49, 183, 289, 209], [11, 73, 165, 245, 268, 331, 458, 376]],
        ),
        (
            SamplingParams(seed=7, temperature=0.7, top_k=40, top_p=0.9, min_p=0.02),
            [[397, 297, 31, 427, 31, 195, 253, 209], [3, 73, 207, 236, 293, 334, 453, 383]],
        ),
        (
            SamplingParams(seed=11, temperature=1.2, repetition_penalty=1.3),
            [[49, 145, 115, 445, 2, 358, 44, 43], [290, 217, 488, 458, 460, 102, 9, 209]],
        ),
    ],
)
def test_a_seed_gives_the_text_of_version_0_1(
    params: SamplingParams, wanted: list[list[int]]
) -> None:
    place = torch.arange(VOCAB, dtype=torch.float64)
    samplers = [RowSampler(params, VOCAB, [3, 4], completion) for completion in range(2)]
    texts: list[list[int]] = [[], []]
    for step in range(1, 9):
        logits = 4 * torch.sin(place * step * 0.7) + 2 * torch.cos(place * place * 0.013 * step)
        for text, sampler, choice in zip(
            texts, samplers, choose(logits.float().expand(2, -1), samplers), strict=True
        ):
            sampler.push(choice.token_id)
            text.append(choice.token_id)
    assert texts == wanted


def test_the_last_possible_token_is_taken_where_rounding_reaches_the_total() -> None:
    scores = torch.full((1, VOCAB), -math.inf)
    scores[0, [7, 9, 11]] = torch.tensor([0.1, 0.2, 0.3])
    draws = torch.tensor([math.nextafter(1.0, 0.0)], dtype=torch.float64)
    for temperature in (0.3, 0.77, 1.0, 1.9):
        params = SamplingParams(temperature=temperature)
        assert sample(scores, params, draws=draws).tolist() == [11]
        assert sample(scores, params, draws=torch.ones(1, dtype=torch.float64)).tolist() == [11]


def test_logits_are_left_as_they_are() -> None:
    logits = make_logits(1)
    kept = logits.clone()
    pick(logits, SamplingParams(repetition_penalty=2.0, logit_bias=((3, -50.0),)), [3])
    assert torch.equal(logits, kept)


def test_a_fork_goes_on_by_itself() -> None:
    params = SamplingParams(
        temperature=0.0, repetition_penalty=1.5, frequency_penalty=1.0, dry_multiplier=1.0,
        stop_loops=2,
    )  # fmt: skip
    sampler = RowSampler(params, VOCAB, [1, 2, 3], 0)
    for token_id in (5, 6, 5, 6, 5):
        sampler.push(token_id)
    twin = sampler.fork()
    before = adjust(make_logits(1), [sampler])
    for token_id in (6, 7, 8) * 20:
        twin.push(token_id)
    assert torch.equal(adjust(make_logits(1), [sampler]), before)
    assert not torch.equal(adjust(make_logits(1), [twin]), before)
    assert twin.looping
    assert not sampler.looping


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
        ({"presence_penalty": 2.5}, "presence_penalty is 2.5, expected a number of -2 or more, up"),
        ({"frequency_penalty": None}, "frequency_penalty is None"),
        ({"dry_base": 0.5}, "dry_base is 0.5"),
        ({"dry_allowed_length": 0}, "dry_allowed_length is 0"),
        ({"logit_bias": ((-1, 1.0),)}, "a token id of logit_bias is -1"),
        ({"logit_bias": ((1, 101.0),)}, "logit_bias of token 1 is 101.0"),
        ({"stop_loops": 1}, "stop_loops is 1, expected a whole number of 2 or more"),
        ({"beams": 65}, "beams is 65, expected at most 64"),
        ({"beams": 2, "n": 3}, "n is 3, but a search with 2 beams"),
        ({"length_penalty": math.inf}, "length_penalty is inf, expected a number"),
    ],
)
def test_settings_out_of_range(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message.replace("(", r"\(")):
        SamplingParams(**settings)  # type: ignore[arg-type] - wrong on purpose
