from __future__ import annotations

import dataclasses
import math
from itertools import pairwise

import pytest

from autogpt.core.errors import ResourceError
from autogpt.models.presets import ModelConfig, build_config
from autogpt.training import plan
from autogpt.training.calibration import WIDTHS, StepCosts
from autogpt.training.plan import Machine, Plan, Spending
from autogpt.training.scaling import Corpus, Law
from autogpt.training.settings import TrainingConfig
from autogpt.training.sizes import batch_sizes

CORPUS = Corpus(
    vocab_size=1000,
    train_tokens=500_000,
    validation_tokens=20_000,
    bytes_per_token=3.0,
    counted=((125_000, 4.4), (250_000, 4.2), (500_000, 4.0)),
)
COSTS = StepCosts(
    block_s={str(w): 2e-8 * w * w + 1e-3 for w in WIDTHS},
    head_s={str(w): 3e-5 * w for w in WIDTHS},
    block_step_s={str(w): 1e-8 * w * w for w in WIDTHS},
    head_step_s={str(w): 1e-6 * w for w in WIDTHS},
)
MACHINE = Machine(
    costs=COSTS,
    before_s=3.0,
    compile_s=0.0,
    after_s=4.0,
    base_memory_bytes=400_000_000,
    free_memory_bytes=8_000_000_000,
    watts=24.0,
    price_per_hour=0.5,
)
LAW = Law((0.4, 0.08, 0.34, 0.45, 0.2, 0.3, 0.0, 0.0, 0.0, 0.3, 0.0), 0.03)


def choose(
    spending: Spending,
    *,
    model: ModelConfig | None = None,
    training: TrainingConfig | None = None,
    machine: Machine = MACHINE,
    corpus: Corpus = CORPUS,
    law: Law = LAW,
) -> Plan:
    return plan.choose(
        model or ModelConfig(),
        training or TrainingConfig(),
        corpus,
        machine,
        spending=spending,
        law=law,
    )


def seconds(amount: float) -> Spending:
    return Spending(text=f"{amount}s", seconds=amount)


def test_more_time_gets_a_larger_model_more_tokens_and_a_lower_loss():
    plans = [choose(seconds(s)) for s in (60, 600, 6000)]
    for less, more in pairwise(plans):
        assert less.parameters <= more.parameters
        assert less.tokens < more.tokens
        assert less.predicted.loss > more.predicted.loss
    assert plans[0].parameters < plans[2].parameters


def test_the_choice_is_the_best_of_what_was_considered():
    chosen = choose(seconds(600))
    assert len(chosen.alternatives) == 3
    assert all(other.loss >= chosen.predicted.loss for other in chosen.alternatives)
    for width, depth in ((0.5, 1), (2, 1), (1, 0.5), (1, 2)):
        model = ModelConfig(
            hidden_size=int(chosen.model.hidden_size * width),
            num_hidden_layers=max(1, round(chosen.model.num_hidden_layers * depth)),
        )
        assert choose(seconds(600), model=model).predicted.loss >= chosen.predicted.loss - 1e-9


def test_what_is_set_stays():
    model = ModelConfig(hidden_size=96, num_hidden_layers=2, num_attention_heads=3, head_dim=32)
    chosen = choose(seconds(60), model=model, training=TrainingConfig(weight_decay=0.2))
    assert (chosen.model.hidden_size, chosen.model.num_hidden_layers) == (96, 2)
    assert chosen.training.weight_decay == 0.2
    assert choose(seconds(60), model=ModelConfig(preset="small")).model.hidden_size == 384
    wide = choose(seconds(60), model=ModelConfig(hidden_size=192))
    assert wide.model.hidden_size == 192


def test_the_forecast_adds_up():
    chosen = choose(seconds(720))
    seen = chosen.predicted
    assert seen.wall_s == 720
    assert seen.wall_s_low < 720 < seen.wall_s_high
    assert seen.cost == pytest.approx(0.1)
    assert seen.energy_kwh == pytest.approx(24 * 0.2 / 1000)
    assert seen.bits_per_byte == pytest.approx(seen.loss / math.log(2) / 3.0)
    assert seen.bits_per_byte_low < seen.bits_per_byte < seen.bits_per_byte_high
    assert seen.peak_memory_bytes > MACHINE.base_memory_bytes
    assert chosen.epochs == pytest.approx(chosen.tokens / CORPUS.train_tokens)
    step_tokens = (chosen.training.batch_size or 0) * chosen.model.max_position_embeddings
    assert chosen.tokens == chosen.steps * step_tokens


def test_a_budget_of_tokens_is_kept_and_says_how_long_it_takes():
    chosen = choose(Spending(text="4Mtokens", tokens=4_000_000))
    assert chosen.tokens == pytest.approx(4_000_000, rel=0.01)
    assert chosen.budget_s is None
    assert chosen.predicted.wall_s > 7
    more = choose(Spending(text="40Mtokens", tokens=40_000_000))
    assert more.parameters > chosen.parameters


def test_a_text_that_is_too_short_for_the_budget_gets_a_shorter_run_not_a_huge_model():
    short = dataclasses.replace(CORPUS, train_tokens=20_000, counted=((10_000, 5.0), (20_000, 4.7)))
    by_heart = Law((*LAW.values[:6], 0.01, 0.1, 0.1, 0.0, 0.0), LAW.noise)
    hour, day = (choose(seconds(s), corpus=short, law=by_heart) for s in (3600, 86400))
    assert day.predicted.wall_s < 600
    assert day.predicted.wall_s == pytest.approx(hour.predicted.wall_s, rel=0.3)
    assert day.steps >= 250
    assert day.parameters < 2_000_000
    assert day.predicted.loss < 1.02 * by_heart.loss(
        short, weights=300_000, layers=3, tokens=200_000
    )
    assert choose(seconds(30), law=by_heart).predicted.wall_s == 30  # a text that is long enough


def test_memory_that_was_held_before_counts():
    held = 30_000_000_000  # of the process, and free again: no reason for a smaller model
    measured = dataclasses.replace(MACHINE, reached_memory_bytes=held)
    usual, found = (
        choose(Spending(text="10m", seconds=600.0), machine=m) for m in (MACHINE, measured)
    )
    assert found.predicted.peak_memory_bytes == held
    assert found.model == usual.model


def test_copies_of_what_layers_keep_take_memory():
    spending = Spending(text="10m", seconds=600.0)
    copied = dataclasses.replace(MACHINE, copied=True)
    usual, found = (choose(spending, machine=machine) for machine in (MACHINE, copied))
    more = found.predicted.peak_memory_bytes - usual.predicted.peak_memory_bytes
    assert found.model == usual.model
    assert 0.02 < more / usual.predicted.peak_memory_bytes < 1


def test_little_memory_gets_a_smaller_model():
    tight = dataclasses.replace(MACHINE, free_memory_bytes=60_000_000)
    small = choose(seconds(6000), machine=tight)
    assert small.parameters < choose(seconds(6000)).parameters
    room = small.predicted.peak_memory_bytes - MACHINE.base_memory_bytes
    assert room <= 60_000_000


def test_a_budget_that_is_gone_before_it_begins_is_refused():
    with pytest.raises(ResourceError, match="5s"):
        choose(seconds(5))


def test_many_passes_over_little_text_are_decayed_more():
    large = dataclasses.replace(CORPUS, train_tokens=500_000_000)
    assert choose(seconds(600), corpus=large).training.weight_decay < 0.05
    assert choose(seconds(600)).training.weight_decay == 1.0


def test_micro_batches_divide_the_batch_and_stay_small():
    for preset in ("tiny", "small", "medium"):
        for vocab_size in (300, 8192, 60_000):
            config = build_config(ModelConfig(preset=preset), vocab_size)  # type: ignore[arg-type]
            sizes = batch_sizes(TrainingConfig(), config)
            assert sizes.batch_size is not None
            assert sizes.micro_batch_size is not None
            assert sizes.batch_size % sizes.micro_batch_size == 0
            tokens = sizes.micro_batch_size * 256
            assert tokens <= 2048
            assert tokens * vocab_size <= 1 << 25 or sizes.micro_batch_size == 1


def test_a_short_run_has_enough_steps():
    config = build_config(ModelConfig(preset="tiny"), 300)
    assert batch_sizes(TrainingConfig(), config, tokens=2e5).batch_size == 3
    assert batch_sizes(TrainingConfig(), config, tokens=1e3).batch_size == 2


def test_batch_sizes_that_are_set_stay():
    config = build_config(ModelConfig(preset="tiny"), 300)
    sizes = batch_sizes(TrainingConfig(batch_size=6, micro_batch_size=3), config)
    assert (sizes.batch_size, sizes.micro_batch_size) == (6, 3)
    assert batch_sizes(TrainingConfig(micro_batch_size=5), config).batch_size == 5
