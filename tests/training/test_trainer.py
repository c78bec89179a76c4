from __future__ import annotations

import math
import os
import signal
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from autogpt.core.errors import ConfigError, UsageError
from autogpt.data.batches import Batches
from autogpt.data.shards import TokenShard
from autogpt.models.gpt import GPT, GPTConfig
from autogpt.training.anomalies import StepError
from autogpt.training.checkpoints import RunState
from autogpt.training.kernels import Kernels
from autogpt.training.record import Entry
from autogpt.training.schedule import Realized
from autogpt.training.settings import TrainingConfig, learning_rate
from autogpt.training.trainer import Hooks, Measured, Trainer, evaluate

VOCAB, LENGTH = 17, 8
CONFIG = GPTConfig(
    vocab_size=VOCAB,
    hidden_size=16,
    intermediate_size=32,
    num_hidden_layers=2,
    num_attention_heads=2,
    num_key_value_heads=1,
    head_dim=8,
    max_position_embeddings=LENGTH,
)
KERNELS = Kernels(dtype="float32", attention="explicit", compiled=False, threads=1)


def shard(tokens: int = 400, documents: int = 3) -> TokenShard:
    ids = (np.arange(tokens) % VOCAB).astype(np.uint16)
    starts = (np.arange(documents) * (tokens // documents)).astype(np.uint64)
    return TokenShard(tokens=ids, starts=starts, total_bytes=2 * tokens, vocab_size=VOCAB)


def trainer(*, rows: int = 4, kernels: Kernels = KERNELS, **settings: object) -> Trainer:
    torch.manual_seed(0)
    values: dict[str, object] = {"batch_size": 4, "max_steps": 12, **settings}
    config = TrainingConfig(**values)  # type: ignore[arg-type]
    batches = Batches(shard=shard(), batch_size=rows, context_length=LENGTH, seed=0)
    return Trainer(GPT(CONFIG), batches, config, kernels)


class Seen:
    """What the loop told, and the checkpoints it made."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.checkpoints: list[tuple[RunState, dict[str, Tensor]]] = []
        self.looks = 0

    @property
    def hooks(self) -> Hooks:
        return Hooks(entry=self.entry, validate=self.validate, checkpoint=self.checkpoint)

    def entry(self, entry: Entry, share: float) -> None:
        assert 0 < share <= 1
        self.entries.append(entry)

    def validate(self, model: GPT) -> Measured:
        self.looks += 1
        return evaluate(model, shard(), context_length=LENGTH)

    def checkpoint(self, at: RunState, tensors: Mapping[str, Tensor]) -> None:
        copies = {name: tensor.clone() for name, tensor in tensors.items()}
        self.checkpoints.append((at, copies))


def weights(finished: Trainer) -> dict[str, Tensor]:
    return {name: weight.detach() for name, weight in finished.finish().named_parameters()}


def test_it_learns():
    seen, run = Seen(), trainer(max_steps=120)
    assert run.run(seen.hooks, budget_s=None)
    assert run.at.steps == 120
    assert run.at.tokens == 120 * 4 * LENGTH
    first, last = seen.entries[0], seen.entries[-1]
    assert first.loss is not None
    assert last.loss is not None
    assert abs(first.loss - math.log(VOCAB)) < 0.3
    assert last.loss < 0.5 * first.loss
    assert last.learning_rate == 0


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("matrices", ["muon", "adamw"])
def test_resumed_equals_uninterrupted_bit_for_bit(dtype: str, matrices: str):
    kernels = replace(KERNELS, dtype=dtype)
    settings = {"matrices": matrices, "checkpoint_every": 5, "kernels": kernels, "rows": 2}
    whole, seen = trainer(**settings), Seen()
    whole.run(seen.hooks, budget_s=None)
    assert [at.steps for at, _ in seen.checkpoints] == [2, 5, 7, 10]
    resumed = trainer(**settings)
    torch.manual_seed(99)  # the random state of another process
    resumed.restore(*seen.checkpoints[1])
    resumed.run(Seen().hooks, budget_s=None)
    expected, found = weights(whole), weights(resumed)
    assert all(torch.equal(found[name], weight) for name, weight in expected.items())
    assert resumed.at.tokens == whole.at.tokens


def test_micro_batches_add_up_to_the_batch():
    whole, parts = trainer(rows=4), trainer(rows=1)
    whole.run(Seen().hooks, budget_s=None)
    parts.run(Seen().hooks, budget_s=None)
    assert parts.tokens_per_step == whole.tokens_per_step
    expected, found = weights(whole), weights(parts)
    for name, weight in expected.items():
        torch.testing.assert_close(found[name], weight, rtol=2e-2, atol=2e-3)


def test_masters_keep_updates_that_bf16_would_lose():
    run = trainer(kernels=replace(KERNELS, dtype="bfloat16"), matrices="adamw", lr=1e-6)
    before = {n: m.clone() for n, m in run.optimizer.state().items() if n.startswith("master.")}
    rounded = [weight.detach().clone() for weight in run.model.parameters()]
    run.run(Seen().hooks, budget_s=None)
    after = run.optimizer.state()
    assert all(not torch.equal(before[name], after[name]) for name in before)
    same = [torch.equal(a, b) for a, b in zip(rounded, run.model.parameters(), strict=True)]
    assert any(same)
    assert all(weight.dtype == torch.float32 for weight in weights(run).values())


def test_a_look_changes_nothing():
    with_looks, without = trainer(), trainer()
    seen = Seen()
    with_looks.run(seen.hooks, budget_s=None, validations=3)
    without.run(Seen().hooks, budget_s=None)
    assert seen.looks == 3
    assert [entry.step for entry in seen.entries if entry.kind == "validation"] == [3, 6, 9]
    expected, found = weights(without), weights(with_looks)
    assert all(torch.equal(found[name], weight) for name, weight in expected.items())


def test_steps_that_are_enough_end_a_run_within_its_budget():
    seen, run = Seen(), trainer(max_steps=None, enough_steps=6, decay=1.0)
    assert run.run(seen.hooks, budget_s=600.0)
    assert run.at.steps == 6
    assert seen.entries[-1].learning_rate < 0.1 * seen.entries[0].learning_rate  # it has decayed
    slow = trainer(max_steps=None, enough_steps=10**6)
    assert slow.run(Seen().hooks, budget_s=0.3)
    assert slow.at.steps < 10**6


def test_a_time_budget_is_kept():
    run, spent = trainer(max_steps=None), [0.0]
    hooks = replace(Seen().hooks, stepped=lambda *_: spent.append(run.at.train_s))
    assert run.run(hooks, budget_s=0.5)
    slowest_s = max(end - begin for begin, end in pairwise(spent))
    # A slow machine does fewer steps, not more seconds; what it expects of one is what it has seen.
    assert 0.5 - slowest_s < run.at.train_s < 0.5 + slowest_s


def test_a_first_ctrl_c_stops_after_the_step_with_a_checkpoint():
    seen, run = Seen(), trainer(max_steps=1000)
    hooks = replace(seen.hooks, entry=lambda *_: os.kill(os.getpid(), signal.SIGINT))
    assert not run.run(hooks, budget_s=None)
    assert run.at.steps < 1000
    assert seen.checkpoints[-1][0] == run.at
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_loss_that_is_no_number_changes_nothing():
    run = trainer()
    with torch.no_grad():
        run.model.norm.weight.fill_(torch.nan)
    masters = {name: tensor.clone() for name, tensor in run.optimizer.state().items()}
    with pytest.raises(StepError, match="no longer a number"):
        run.step(1.0)
    assert all(torch.equal(masters[n], t) for n, t in run.optimizer.state().items())


def test_every_token_is_measured_once():
    run = trainer()
    model = run.finish()
    found = evaluate(model, shard(documents=1), context_length=LENGTH)
    assert abs(found.loss - math.log(VOCAB)) < 0.3
    ratio = found.bits_per_byte * math.log(2) / found.loss
    assert ratio == pytest.approx(399 / 800)  # 399 targets, 800 bytes


def test_the_rate_rises_stays_and_falls_to_nothing():
    config = TrainingConfig(warmup=0.1, decay=0.4)
    assert learning_rate(0.0, config) == 0.01
    assert learning_rate(0.05, config) == pytest.approx(0.5)
    assert learning_rate(0.3, config) == 1.0
    assert learning_rate(0.8, config) == pytest.approx(0.5)
    assert learning_rate(1.0, config) == 0.0


@pytest.mark.parametrize(
    "settings",
    [
        {"max_steps": 0},
        {"batch_size": -1},
        {"batch_size": 6, "micro_batch_size": 4},
        {"warmup": 1.5},
        {"validations": -1},
        {"lr": 0.0},
        {"momentum": 1.0},
        {"weight_decay": -0.1},
        {"matrices": "sgd"},
    ],
)
def test_wrong_settings_are_refused(settings: dict[str, object]):
    with pytest.raises(ConfigError):
        TrainingConfig(**settings)  # type: ignore[arg-type]


def test_a_budget_that_is_no_time_is_refused():
    with pytest.raises(UsageError):
        TrainingConfig(budget="soon")


def test_a_run_on_the_clock_is_replayed_bit_for_bit(tmp_path: Path):
    hooks = Seen().hooks
    for budget_s in (0.3, 3.0, 30.0):  # a busy machine may take a second for a step
        noted, clock = Realized(tmp_path, steps=0), trainer(max_steps=None)
        assert clock.run(replace(hooks, stepped=noted.note), budget_s=budget_s)
        noted.close()
        if clock.at.steps > 1:
            break
    again = trainer(schedule=str(tmp_path), max_steps=clock.at.steps)
    assert again.run(hooks, budget_s=None)
    assert again.at.steps == clock.at.steps > 1
    found, wanted = weights(again), weights(clock)
    assert all(torch.equal(found[name], weight) for name, weight in wanted.items())
