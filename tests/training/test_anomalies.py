"""Batches that do harm, and memory that runs out: what a run makes of them."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from autogpt.core.errors import ResourceError, RunError
from autogpt.data.batches import Batch, Batches
from autogpt.models.gpt import GPT
from autogpt.training import checkpoints
from autogpt.training.anomalies import StepError, Watch
from autogpt.training.checkpoints import RunState
from autogpt.training.diagnosis import Diagnosis, diagnose
from autogpt.training.memory import attempt, explained, smaller_part
from autogpt.training.objective import next_token_loss
from autogpt.training.saving import Saver
from autogpt.training.settings import TrainingConfig
from autogpt.training.trainer import Hooks, Trainer
from tests.training.test_trainer import CONFIG, KERNELS, LENGTH, VOCAB, Seen, shard, weights


@dataclass(frozen=True, kw_only=True)
class Odd(Batches):
    """Batches some of which are not like the others.

    Attributes:
        untaught: Numbers of batches without a single target, whose mean loss is 0 / 0.
        noise: Numbers of batches of random tokens.
        most_rows: Larger batches take more memory than there is.
    """

    untaught: frozenset[int] = frozenset()
    noise: frozenset[int] = frozenset()
    most_rows: int = 99

    def __getitem__(self, index: int) -> Batch:
        batch = Batches.__getitem__(self, index)
        if self.batch_size > self.most_rows:
            torch.empty(1 << 60)
        if index in self.untaught:
            return replace(batch, targets=torch.full_like(batch.targets, -100))
        if index in self.noise:
            tokens = torch.randint(VOCAB, batch.targets.shape, generator=torch.manual_seed(index))
            return replace(batch, targets=tokens)
        return batch


class InFolder:
    """A run folder's side of the recovery, as the pipeline has it."""

    def __init__(self, saver: Saver) -> None:
        self.saver, self.said, self.kept = saver, list[str](), list[Diagnosis]()
        self.sizes: list[int] = []

    def say(self, line: str) -> None:
        self.said.append(line)

    def last(self) -> tuple[RunState, Mapping[str, Tensor]]:
        return self.saver.last()

    def keep(self, diagnosis: Diagnosis, *, step: int, reason: str) -> Path:
        assert reason
        self.kept.append(diagnosis)
        return Path("anomalies") / str(step)

    def smaller(self, micro_batch_size: int) -> None:
        self.sizes.append(micro_batch_size)


@contextlib.contextmanager
def run_in(
    folder: Path, *, steps: int = 16, every: int = 4, rows: int = 4, **odd: object
) -> Iterator[tuple[Trainer, Hooks, InFolder]]:
    """Give a trainer with checkpoints in ``folder``, which goes on from the newest one there."""
    torch.manual_seed(0)
    config = TrainingConfig(batch_size=4, max_steps=steps, checkpoint_every=every)
    batches = Odd(shard=shard(), batch_size=rows, context_length=LENGTH, seed=0, **odd)  # type: ignore[arg-type]
    with Saver(folder) as saver:
        rescue = InFolder(saver)
        trainer = Trainer(GPT(CONFIG), batches, config, KERNELS, rescue=rescue)
        found = checkpoints.latest(folder)
        if found is not None:
            trainer.restore(*checkpoints.load(found))
        else:
            saver.save(trainer.at, trainer.optimizer.state())
        yield trainer, replace(Seen().hooks, checkpoint=saver.save), rescue


def whole(folder: Path, **odd: object) -> tuple[Trainer, InFolder]:
    with run_in(folder, **odd) as (trainer, hooks, rescue):
        assert trainer.run(hooks, budget_s=None)
    return trainer, rescue


class KilledError(Exception):
    """Ends a run without any good-bye."""


def killed_and_resumed(folder: Path, after: int, **odd: object) -> Trainer:
    with run_in(folder, **odd) as (trainer, hooks, _), contextlib.suppress(KilledError):

        def die(at: RunState, tensors: Mapping[str, Tensor]) -> None:
            if at.steps > after:
                raise KilledError
            hooks.checkpoint(at, tensors)

        trainer.run(replace(hooks, checkpoint=die), budget_s=None)
    return whole(folder, **odd)[0]


def same(one: Trainer, other: Trainer) -> bool:
    expected, found = weights(one), weights(other)
    facts = [(t.at.steps, t.at.tokens, t.at.watch) for t in (one, other)]
    return facts[0] == facts[1] and all(torch.equal(found[n], w) for n, w in expected.items())


def test_a_bad_batch_is_skipped_and_the_next_one_is_met(tmp_path: Path):
    trainer, rescue = whole(tmp_path, untaught=frozenset({7}))
    assert rescue.said == ["skipped step 8: the loss is no longer a number"]
    assert trainer.at.steps == 16
    assert trainer.at.tokens == 17 * 4 * LENGTH
    assert trainer.at.watch.skipped == 1
    assert trainer.at.watch.rate_scale == 1.0
    assert all(torch.isfinite(weight).all() for weight in weights(trainer).values())


def test_a_run_in_trouble_goes_back_and_on_at_half_the_rate(tmp_path: Path):
    trainer, rescue = whole(tmp_path, untaught=frozenset({9, 10, 11}))
    assert len(rescue.said) == 3
    assert "going back to step 8, with 0.5 times" in rescue.said[-1]
    assert trainer.at.steps == 16
    assert trainer.at.tokens == (16 + 3 + 1) * 4 * LENGTH  # one step was done twice
    assert trainer.at.watch.rate_scale == 0.5


@pytest.mark.parametrize("after", [0, 8, 10])
@pytest.mark.parametrize("bad", [{7}, {9, 10, 11}])
def test_resume_is_bit_for_bit_across_trouble(tmp_path: Path, after: int, bad: set[int]):
    odd = {"untaught": frozenset(bad)}
    uninterrupted, _ = whole(tmp_path / "whole", **odd)
    assert same(killed_and_resumed(tmp_path / "killed", after, **odd), uninterrupted)


def test_lasting_trouble_stops_with_a_diagnosis(tmp_path: Path):
    bad = frozenset(range(6, 999))
    with run_in(tmp_path, untaught=bad) as (trainer, hooks, rescue):
        with pytest.raises(RunError, match=r"stopped at step 7: the loss is no .* 3 times") as e:
            trainer.run(hooks, budget_s=None)
        assert "micro-batch 17, kept in 'anomalies/7'" in e.value.message
        assert "--resume" in e.value.hint
    (found,) = rescue.kept
    assert found.where == "the loss itself"
    assert bool((found.batch.targets == -100).all())
    state, tensors = rescue.last()
    assert state.steps == 6
    assert all(torch.isfinite(tensor).all() for tensor in tensors.values())


def test_without_a_folder_lasting_trouble_stops_too(tmp_path: Path):
    with run_in(tmp_path, untaught=frozenset(range(3, 99))) as (trainer, hooks, _):
        trainer.rescue = None
        with pytest.raises(RunError, match="stopped at step 4"):
            trainer.run(hooks, budget_s=None)


def test_a_spike_is_skipped(tmp_path: Path):
    trainer, rescue = whole(tmp_path, steps=160, every=100, noise=frozenset({150}))
    assert len(rescue.said) == 1
    assert rescue.said[0].startswith("skipped step 151: the loss leapt to")
    assert trainer.at.watch.skipped == 1


def test_what_happens_when_memory_runs_out(tmp_path: Path):
    enough, _ = whole(tmp_path / "enough", every=20, rows=1)
    trainer, rescue = whole(tmp_path / "scarce", every=20, rows=4, most_rows=1)
    assert rescue.sizes == [2, 1]
    assert trainer.config.micro_batch_size == 1
    assert same(trainer, enough)
    with (
        run_in(tmp_path / "none", most_rows=0) as (trainer, _, _),
        pytest.raises(ResourceError, match="one row at a time"),
    ):
        trainer.warm_up()


def test_only_missing_memory_is_taken_for_it():
    assert attempt(lambda: 7) == 7
    assert attempt(lambda: bytearray(1 << 62)) is None
    assert attempt(lambda: torch.empty(1 << 60)) is None
    with pytest.raises(RuntimeError, match="size"):
        attempt(lambda: torch.ones(2) + torch.ones(3))


def test_missing_memory_is_one_sentence():
    with pytest.raises(ResourceError, match="not enough memory for this run"), explained():
        torch.empty(1 << 60)
    with pytest.raises(RuntimeError, match="size"), explained():
        torch.ones(2) + torch.ones(3)


def test_micro_batches_shrink_to_divisors():
    assert smaller_part(12, batch_size=24) == 6
    assert smaller_part(5, batch_size=15) == 1
    with pytest.raises(ResourceError):
        smaller_part(1, batch_size=8)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (math.nan, "the weight layers.1.network.gate.weight"),
        (1e30, "the output of layers.1.network.down"),
    ],
)
def test_a_diagnosis_names_what_broke_first(value: float, expected: str):
    model = GPT(CONFIG)
    batches = Batches(shard=shard(), batch_size=2, context_length=LENGTH, seed=0)
    with torch.no_grad():
        model.layers[1].network.up.weight.fill_(value)
        model.layers[1].network.gate.weight.fill_(value)

    def loss(batch: Batch) -> Tensor:
        return next_token_loss(model, model(batch.inputs), batch.targets)

    found = diagnose(model, [(3, batches[3]), (4, batches[4])], loss)
    assert found.where == expected
    assert found.part == 3
    assert all(weight.grad is None for weight in model.parameters())


@given(
    st.lists(st.floats(0, 20), min_size=32, max_size=90),
    st.floats(allow_nan=True, allow_infinity=True),
)
@settings(max_examples=60, deadline=None)
def test_what_is_known_survives_being_written(past: list[float], loss: float):
    watch = Watch()
    for value in past:
        watch = watch.after_good(value)
    written = json.loads(json.dumps([watch.losses, watch.leaps]))
    again = replace(watch, losses=tuple(written[0]), leaps=tuple(written[1]))
    assert again == watch
    assert len(watch.losses) <= 16
    try:
        again.check_loss(loss)
    except StepError:
        assert not math.isfinite(loss) or loss > 1.0 + min(past[-16:])
    else:
        assert math.isfinite(loss)


def judged(losses: Sequence[float]) -> tuple[Watch, list[int]]:
    """Return what a watch knows in the end, and which of the losses it objected to."""
    watch, refused = Watch(), []
    for number, loss in enumerate(losses):
        try:
            watch.check_loss(loss)
        except StepError:
            watch = watch.after_skip(loss)
            refused.append(number)
            if watch.too_much:
                break
        else:
            watch = watch.after_good(loss)
    return watch, refused


def noise(count: int, spread: float) -> list[float]:
    generator = np.random.default_rng(0)
    return [float(value) for value in generator.normal(3.0, spread, count)]


@pytest.mark.parametrize("spread", [0.02, 0.2, 0.6])
def test_noise_is_no_spike(spread: float):
    falling = [6 * math.exp(-step / 40) for step in range(3000)]
    losses = [a + b for a, b in zip(falling, noise(3000, spread), strict=True)]
    assert judged(losses)[1] == []


def test_one_high_loss_is_a_spike_and_lasting_ones_are_too_much():
    losses = noise(600, 0.05)
    losses[500] = 5.0
    assert judged(losses)[1] == [500]
    watch, refused = judged([*losses[:400], *(value + 3 for value in losses[400:])])
    assert refused == [400, 401, 402]
    assert watch.too_much


@pytest.mark.parametrize("share", [0.05, 0.3])
def test_batches_of_another_kind_are_learned_from(share: float):
    odd = np.random.default_rng(1).random(3000) < share
    losses = [loss + 3 * bool(o) for loss, o in zip(noise(3000, 0.1), odd, strict=True)]
    watch, refused = judged(losses)
    assert len(refused) <= 2
    assert watch.rate_scale == 1.0


def test_three_in_a_row_are_too_much_and_scattered_ones_are_not():
    watch = Watch().after_skip(1.0).after_skip(1.0)
    assert not watch.too_much
    assert watch.after_skip(1.0).too_much
    for _ in range(100):
        watch = watch.after_skip(1.0)
        for _ in range(16):
            watch = watch.after_good(1.0)
    assert not watch.too_much


def test_going_back_is_forgiven_after_a_while():
    watch = Watch().after_rollback(Watch())
    for _ in range(1000):
        watch = watch.after_good(1.0)
    assert watch.rollbacks == 0
    assert watch.rate_scale == 0.5
