"""From a budget to a run: which model, on how many tokens, and what to expect of it.

::

    budget, corpus, measured costs  ->  candidates: width x depth within time and memory
    each candidate                  ->  tokens in the time left, loss by the scaling law
    the lowest expected loss        ->  Plan: frozen, printed, kept with the run

A budget is spent whole unless the text is too short for it: where more passes would only teach the
text by heart, the plan stops before that and says so.

What the user has set stays: then it is the only candidate, and gets its forecast. Not here: how
long a step takes (``calibration``), what a loss will be (``scaling``), files.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from autogpt.core.errors import ResourceError
from autogpt.models.counting import parameter_count
from autogpt.models.gpt import GPTConfig
from autogpt.models.presets import ModelConfig, build_config
from autogpt.training.calibration import PART_TOKENS, StepCosts
from autogpt.training.scaling import Corpus, Law
from autogpt.training.settings import TrainingConfig
from autogpt.training.sizes import (
    FEWEST_STEPS,
    batch_sizes,
    candidates,
    peak_memory_bytes,
    seconds_per_token,
    weight_decay,
)

__all__ = [
    "Alternative",
    "Forecast",
    "Machine",
    "Plan",
    "Spending",
    "choose",
]

_FINER = 1.25  # from one number of tokens that is considered to the next
_HARM = 0.05  # of the loss: so much worse must spending all be before less is spent
_TOKENS_PER_WEIGHT = 20  # Hoffmann et al. 2022: best use of compute, where tokens are the budget
_LOOK_SHARE = 1 / 3  # of the time of training on as many tokens: forward only
_VALIDATION_SHARE = 0.04  # of the budget, at most, goes into looks at the validation split
_MEMORY_SHARE = 0.8  # of what is free may be planned for
_ALTERNATIVES = 3
_WALL_LOW, _WALL_HIGH = 0.95, 1.02  # of a time budget; a budget of tokens takes half as much again
_TOKENS_WALL = (0.7, 1.5)


@dataclass(frozen=True, kw_only=True, slots=True)
class Spending:
    """What a run may spend: seconds, or tokens with None for seconds.

    Attributes:
        text: As the user wrote it.
        seconds: Wall time, of everything.
        tokens: To train on.
    """

    text: str
    seconds: float | None = None
    tokens: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Machine:
    """What a plan needs to know of where it runs.

    Attributes:
        costs: Of a step, measured.
        before_s: What preparing has taken, or will take.
        compile_s: What compiling will take; 0 if nothing is compiled.
        after_s: What saving, samples and the report will take.
        base_memory_bytes: Of the process before the model is there.
        free_memory_bytes: To be had.
        watts: Drawn while it trains.
        price_per_hour: In the user's currency, if known.
        reached_memory_bytes: The most that the process has held so far, to measure costs.
        copied: See :func:`sizes.peak_memory_bytes`.
    """

    costs: StepCosts
    before_s: float
    compile_s: float
    after_s: float
    base_memory_bytes: int
    free_memory_bytes: int
    watts: float
    price_per_hour: float | None = None
    reached_memory_bytes: int = 0
    copied: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Forecast:
    """What is expected of a run; ``_low`` and ``_high`` hold it nine times in ten."""

    wall_s: float
    wall_s_low: float
    wall_s_high: float
    peak_memory_bytes: int
    loss: float
    loss_low: float
    loss_high: float
    bits_per_byte: float
    bits_per_byte_low: float
    bits_per_byte_high: float
    energy_kwh: float
    cost: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Alternative:
    """A model that was not chosen, and what was expected of it."""

    hidden_size: int
    num_hidden_layers: int
    parameters: int
    tokens: int
    loss: float
    bits_per_byte: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What will be done, and what to expect of it.

    Attributes:
        budget: As the user wrote it.
        budget_s: In seconds of wall time, if it limits time.
        model: The model's config.
        training: With batch sizes decided.
        parameters: Of the model.
        tokens: To be seen, repetitions included.
        steps: Of the optimizer.
        epochs: How often each token will be seen.
        predicted: The forecast.
        alternatives: The nearest models that were not chosen, best first.
    """

    budget: str
    budget_s: float | None
    model: GPTConfig
    training: TrainingConfig
    parameters: int
    tokens: int
    steps: int
    epochs: float
    predicted: Forecast
    alternatives: tuple[Alternative, ...] = ()


def choose(
    settings: ModelConfig,
    training: TrainingConfig,
    corpus: Corpus,
    machine: Machine,
    *,
    spending: Spending,
    law: Law,
    eos_token_id: int | None = None,
    pad_token_id: int | None = None,
) -> Plan:
    """Return the plan with the lowest expected loss within the budget and the memory.

    Args:
        settings: Sizes the user has set stay.
        training: Batch sizes and rates the user has set stay.
        corpus: What is known of the text.
        machine: What is known of the machine.
        spending: The budget.
        law: Tells losses.
        eos_token_id: Ends a text.
        pad_token_id: Fills up a batch.

    Raises:
        ResourceError: If not even the smallest model fits memory or time.
    """
    plans = []
    for sizes in candidates(settings, shallow=True):
        config = build_config(
            sizes, corpus.vocab_size, eos_token_id=eos_token_id, pad_token_id=pad_token_id
        )
        for whole in (True, False) if spending.seconds is not None else (True,):
            plan = _planned(config, training, corpus, machine, spending, law, whole=whole)
            if plan is not None:
                plans.append(plan)
    if spending.seconds is None:
        plans = _suited_to(plans, spending.tokens or 0)
    fitting = [p for p in plans if _fits(p, machine)]
    if not fitting:
        raise ResourceError(
            f"A budget of {spending.text} is too little, or there is too little memory, for any "
            "model on this text.",
            hint="Give more time, or less text, or free memory.",
        )
    fitting = _worth_it([p for p in fitting if p.steps >= FEWEST_STEPS] or fitting)
    best = min(fitting, key=lambda p: p.predicted.loss)
    return replace(best, alternatives=tuple(_alternatives(best, fitting)))


def _planned(
    config: GPTConfig,
    training: TrainingConfig,
    corpus: Corpus,
    machine: Machine,
    spending: Spending,
    law: Law,
    *,
    whole: bool,
) -> Plan | None:
    """Return the plan for one model; None if the budget is gone before it has begun.

    With ``whole`` it spends all of the budget, else as much of it as is best.
    """
    tokens, wall_s, decided = 0.0, 0.0, batch_sizes(training, config)
    for _ in range(2):  # tokens decide the batch, and the batch the tokens
        token_s = seconds_per_token(config, decided, machine.costs)
        look_s = corpus.validation_tokens * machine.costs.part_s(config) / PART_TOKENS * _LOOK_SHARE
        fixed_s = machine.before_s + machine.compile_s + machine.after_s + look_s
        if spending.seconds is None:
            tokens = float(spending.tokens or 0)
            looks_s = training.validations * look_s
            wall_s = fixed_s + looks_s + tokens * token_s
        else:
            wall_s = spending.seconds
            looks = min(training.validations, int(_VALIDATION_SHARE * wall_s / look_s))
            tokens = (wall_s - fixed_s - looks * look_s) / token_s
            if tokens > 0 and not whole:
                spent = _enough(config, corpus, law, tokens=tokens)
                wall_s -= (tokens - spent) * token_s
                tokens = spent
        if tokens <= 0:
            return None
        decided = batch_sizes(training, config, tokens=tokens)
    step_tokens = (decided.batch_size or 1) * config.max_position_embeddings
    steps = max(1, round(tokens / step_tokens))
    epochs = steps * step_tokens / corpus.train_tokens
    if decided.weight_decay is None:
        decided = replace(decided, weight_decay=weight_decay(epochs))
    return Plan(
        budget=spending.text,
        budget_s=spending.seconds,
        model=config,
        training=decided,
        parameters=parameter_count(config),
        tokens=steps * step_tokens,
        steps=steps,
        epochs=epochs,
        predicted=_forecast(
            config, decided, corpus, machine, law, tokens=tokens, wall_s=wall_s,
            timed=spending.seconds is not None,
        ),
    )  # fmt: skip


def _enough(config: GPTConfig, corpus: Corpus, law: Law, *, tokens: float) -> float:
    """Return on how many of these tokens to train for the lowest loss."""
    some = [tokens]
    fewest = FEWEST_STEPS * 2 * config.max_position_embeddings  # as ``batch_sizes`` has them
    if fewest < tokens:
        count = int(math.log(tokens / fewest) / math.log(_FINER))
        some += [fewest * _FINER**n for n in range(count + 1)]
    return min(some, key=lambda each: _loss(config, corpus, law, tokens=each))


def _loss(config: GPTConfig, corpus: Corpus, law: Law, *, tokens: float) -> float:
    weights, layers = _block_weights(config), config.num_hidden_layers
    return law.loss(corpus, weights=weights, layers=layers, tokens=tokens)


def _forecast(
    config: GPTConfig,
    training: TrainingConfig,
    corpus: Corpus,
    machine: Machine,
    law: Law,
    *,
    tokens: float,
    wall_s: float,
    timed: bool,
) -> Forecast:
    loss = _loss(config, corpus, law, tokens=tokens)
    low, high = law.interval(loss)
    hours = wall_s / 3600
    shares = (_WALL_LOW, _WALL_HIGH) if timed else _TOKENS_WALL
    return Forecast(
        wall_s=wall_s,
        wall_s_low=wall_s * shares[0],
        wall_s_high=wall_s * shares[1],
        peak_memory_bytes=max(
            machine.reached_memory_bytes,
            peak_memory_bytes(
                config, training, base_bytes=machine.base_memory_bytes, copied=machine.copied
            ),
        ),
        loss=loss,
        loss_low=low,
        loss_high=high,
        bits_per_byte=corpus.bits_per_byte(loss),
        bits_per_byte_low=corpus.bits_per_byte(low),
        bits_per_byte_high=corpus.bits_per_byte(high),
        energy_kwh=machine.watts * hours / 1000,
        cost=None if machine.price_per_hour is None else machine.price_per_hour * hours,
    )


def _block_weights(config: GPTConfig) -> int:
    tables = 1 if config.tie_word_embeddings else 2
    return parameter_count(config) - tables * config.vocab_size * config.hidden_size


def _fits(plan: Plan, machine: Machine) -> bool:
    needed = peak_memory_bytes(plan.model, plan.training, base_bytes=0, copied=machine.copied)
    return needed <= _MEMORY_SHARE * machine.free_memory_bytes


def _worth_it(plans: list[Plan]) -> list[Plan]:
    """Return the plans that spend all, or where spending less is clearly better the best of each.

    One plan for each model.
    """
    whole = [p for p in plans if p.budget_s is None or p.predicted.wall_s >= p.budget_s]
    lowest = min(p.predicted.loss for p in plans)
    if whole and min(p.predicted.loss for p in whole) <= (1 + _HARM) * lowest:
        plans = whole
    return list({p.model: p for p in sorted(plans, key=lambda p: -p.predicted.loss)}.values())


def _suited_to(plans: list[Plan], tokens: int) -> list[Plan]:
    """Return the plans whose model is not too large for that many tokens; the smallest at least."""
    suited = [p for p in plans if _block_weights(p.model) * _TOKENS_PER_WEIGHT <= tokens]
    return suited or sorted(plans, key=lambda p: _block_weights(p.model))[:1]


def _alternatives(best: Plan, plans: Iterable[Plan]) -> list[Alternative]:
    """Return the three models nearest to the chosen one in size, other widths first; best first."""
    others = [p for p in plans if p is not best]
    others.sort(key=lambda p: abs(math.log(_block_weights(p.model) / _block_weights(best.model))))
    kept: list[Plan] = []
    for plan in others:
        if all(plan.model.hidden_size != other.model.hidden_size for other in kept):
            kept.append(plan)
    return [
        Alternative(
            hidden_size=plan.model.hidden_size,
            num_hidden_layers=plan.model.num_hidden_layers,
            parameters=plan.parameters,
            tokens=plan.tokens,
            loss=plan.predicted.loss,
            bits_per_byte=plan.predicted.bits_per_byte,
        )
        for plan in sorted(kept[:_ALTERNATIVES], key=lambda plan: plan.predicted.loss)
    ]
