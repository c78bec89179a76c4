"""Guessing changes no text, keeps to the distribution, and stops where it does not pay."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
import torch

from autogpt.inference.backends import TorchBackend
from autogpt.inference.engine import Engine
from autogpt.inference.packing import pack_model
from autogpt.inference.params import SamplingParams
from autogpt.inference.scheduler import Row
from autogpt.inference.speculative import DraftModel, PromptLookup, Proposer, Speculator
from autogpt.models.gpt import GPT
from autogpt.tokenizer.bpe import Tokenizer

NO_END: frozenset[int] = frozenset()
GREEDY = SamplingParams(max_tokens=40, temperature=0.0)
RANDOM = SamplingParams(max_tokens=40, temperature=1.0, seed=5)
# The second half repeats the first, so that a lookup finds something.
PROMPTS = [[5, 6, 7, 8] * 4, [9, 10, 11, 9, 10], list(range(20, 34)) * 2]


class Always(Speculator):
    """Guesses in every step, whether it pays or not."""

    def prepare(self, rows: Sequence[Row], most: Sequence[int]) -> None:
        self._paces.clear()
        self._paces[len(rows)] = self._pace()
        super().prepare(rows, most)

    @staticmethod
    def _pace() -> object:
        from autogpt.inference.speculative import _Pace

        return _Pace(plain_steps=10)


class Oracle:
    """Knows what comes next, but is wrong about every fifth token."""

    def __init__(self, texts: dict[tuple[int, ...], list[int]]) -> None:
        self._texts = texts

    def propose(self, rows: Sequence[Row], counts: Sequence[int]) -> list[tuple[int, ...]]:
        return [self._next(row.token_ids, count) for row, count in zip(rows, counts, strict=True)]

    def forget(self, row: Row) -> None:
        """Nothing is kept."""

    def _next(self, token_ids: list[int], count: int) -> tuple[int, ...]:
        for prompt, text in self._texts.items():
            if tuple(token_ids[: len(prompt)]) == prompt:
                place = len(token_ids) - len(prompt)
                right = text[place : place + count]
                return tuple(3 if (place + i) % 5 == 4 else t for i, t in enumerate(right))
        return ()


def texts_of(engine: Engine, params: SamplingParams) -> list[list[int]]:
    rows: dict[int, list[int]] = {}
    for output in engine.generate(PROMPTS, params):
        assert output.token_id is not None
        rows.setdefault(output.row, []).append(output.token_id)
    return [rows[row] for row in sorted(rows)]


@pytest.fixture(scope="module")
def make_engine(model: GPT, tokenizer: Tokenizer) -> Callable[[Speculator | None], Engine]:
    packed = copy.deepcopy(model)
    head = pack_model(packed)

    def make(speculator: Speculator | None) -> Engine:
        return Engine(packed, tokenizer, ends=NO_END, head=head, speculator=speculator)

    return make


def proposer_of(kind: str, model: GPT, make_engine: Callable[..., Engine]) -> Proposer:
    if kind == "lookup":
        return PromptLookup()
    if kind == "oracle":
        texts = texts_of(make_engine(None), GREEDY)
        return Oracle(dict(zip(map(tuple, PROMPTS), texts, strict=True)))
    draft = copy.deepcopy(model)
    if kind == "rough draft":
        torch.manual_seed(1)
        with torch.no_grad():
            for parameter in draft.parameters():
                parameter.add_(0.05 * torch.randn_like(parameter))
    context = draft.config.max_position_embeddings
    return DraftModel(TorchBackend(draft), context=context, rows=3, step_tokens=16)


@pytest.mark.parametrize("params", [GREEDY, RANDOM, replace(GREEDY, repetition_penalty=1.2)])
@pytest.mark.parametrize("kind", ["lookup", "oracle", "draft", "rough draft"])
def test_the_text_is_that_without_guesses(
    make_engine: Callable[..., Engine], model: GPT, kind: str, params: SamplingParams
) -> None:
    speculator = Always(proposer_of(kind, model, make_engine))
    engine = make_engine(speculator)
    assert texts_of(engine, params) == texts_of(make_engine(None), params)
    assert engine._pool.free == engine._pool.count
    assert speculator.proposed > 0
    if params == GREEDY:
        least = {"lookup": 0.0, "oracle": 0.5, "draft": 0.8, "rough draft": 0.1}
        assert speculator.accepted > least[kind] * speculator.proposed


def test_a_text_that_outgrows_the_context_is_guessed_too(
    make_engine: Callable[..., Engine], model: GPT
) -> None:
    params = replace(GREEDY, max_tokens=150)
    for kind in ("lookup", "draft"):
        engine = make_engine(Always(proposer_of(kind, model, make_engine)))
        assert texts_of(engine, params) == texts_of(make_engine(None), params)


def test_guesses_keep_to_the_distribution(
    make_model: Callable[..., GPT], tokenizer: Tokenizer
) -> None:
    """A chi-square test of the third token over 4 tokens, sampled 2,000 times."""
    torch.manual_seed(2)
    model = make_model(num_hidden_layers=1)
    bias = tuple((token_id, -100.0) for token_id in range(4, tokenizer.vocab_size))
    params = SamplingParams(max_tokens=3, temperature=1.5, logit_bias=bias, n=2_000, seed=1)
    counts: list[Counter[int]] = []
    for speculator in (None, Always(PromptLookup())):
        engine = Engine(model, tokenizer, ends=NO_END, speculator=speculator)
        # Other numbers for the two, so that they are two samples.
        outputs = list(
            engine.generate([[0, 1, 2, 0, 1]], replace(params, seed=1 if speculator else 2))
        )
        third = [output.token_id for output in outputs if output.finish_reason is not None]
        counts.append(Counter(token_id for token_id in third if token_id is not None))
        if speculator is not None:
            assert 0 < speculator.accepted < speculator.proposed
    first, second = counts
    assert set(first) | set(second) <= {0, 1, 2, 3}
    # Of two equally large samples: sum of (a - b)^2 / (a + b), here with 3 degrees of freedom.
    chi_square = sum(
        (first[token] - second[token]) ** 2 / (first[token] + second[token])
        for token in set(first) | set(second)
    )
    assert chi_square < 16.27  # exceeded once in a thousand pairs of samples


def test_a_lookup_goes_on_where_the_same_tokens_last_stood() -> None:
    lookup = PromptLookup()
    row = Row(token_ids=[1, 2, 3, 4, 1, 2, 9, 8, 1, 2], most=99)
    assert lookup.propose([row], [3]) == [(9, 8, 1)]
    row.token_ids += [3]
    assert lookup.propose([row], [2]) == [(4, 1)]  # three tokens agree, further back
    row.token_ids += [7]
    assert lookup.propose([row], [2]) == [()]
    row.token_ids += [1, 2]
    assert lookup.propose([row], [2]) == [(3, 7)]
    assert lookup.propose([Row(token_ids=[1], most=9)], [2]) == [()]


class Clock:
    """Time that passes as it is told."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Constant:
    """Guesses whatever the row ends with."""

    def propose(self, rows: Sequence[Row], counts: Sequence[int]) -> list[tuple[int, ...]]:
        assert len(rows) == len(counts)
        return [(1,) * count for count in counts]

    def forget(self, row: Row) -> None:
        """Nothing is kept."""


def drive(
    speculator: Speculator, clock: Clock, steps: int, *, right: float, per_guess: float
) -> int:
    """Play an engine; return in how many steps guesses were made."""
    row = Row(token_ids=[1, 1], most=10_000)
    guessed = 0
    for _ in range(steps):
        speculator.prepare([row], [100])
        count = len(row.guesses)
        guessed += count > 0
        clock.now += 1.0 + per_guess * count
        speculator.learn([(row, count, int(right * count))])
        row.guesses = ()
    return guessed


def test_guessing_rests_where_it_does_not_pay() -> None:
    clock = Clock()
    speculator = Speculator(Constant(), clock=clock)
    assert drive(speculator, clock, 1_000, right=0.0, per_guess=0.2) < 60
    clock = Clock()
    speculator = Speculator(Constant(), clock=clock)
    assert drive(speculator, clock, 1_000, right=1.0, per_guess=0.05) > 950
    # It pays to be right half of the time if a guess is cheap, not if it is dear.
    clock = Clock()
    assert drive(Speculator(Constant(), clock=clock), clock, 1_000, right=0.5, per_guess=0.1) > 900
    clock = Clock()
    assert drive(Speculator(Constant(), clock=clock), clock, 1_000, right=0.5, per_guess=0.9) < 100


def test_a_row_is_guessed_as_far_as_its_guesses_were_right() -> None:
    clock = Clock()
    speculator = Speculator(Constant(), clock=clock)
    row = Row(token_ids=[1, 1], most=100)
    lengths = []
    for _ in range(16):
        speculator.prepare([row], [100])
        lengths.append(len(row.guesses))
        clock.now += 1.0
        speculator.learn([(row, len(row.guesses), len(row.guesses) if len(lengths) < 12 else 0)])
        row.guesses = ()
    assert lengths == [0, 0, 0, 0, 4, 8, 12, 12, 12, 12, 12, 12, 2, 2, 2, 2]
    speculator.prepare([row], [1])
    assert len(row.guesses) <= 1
