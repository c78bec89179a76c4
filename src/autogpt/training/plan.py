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
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from autogpt.core.errors import ResourceError
from autogpt.models.gpt import GPTConfig, parameter_count
from autogpt.models.presets import ModelConfig, build_config
from autogpt.training.calibration import PART_TOKENS, StepCosts
from autogpt.training.scaling import Corpus, Law
from autogpt.training.trainer import TrainingConfig

__all__ = [
    "Alternative",
    "Forecast",
    "Machine",
    "Plan",
    "Spending",
    "batch_of",
    "batch_sizes",
    "candidates",
    "choose",
    "peak_memory_bytes",
    "preset",
    "seconds_per_token",
    "weight_decay",
]

_PART_LOGITS = 1 << 25  # of a micro-batch: 128 MB in fp32
_FEWEST_STEPS = 250  # fewer updates learn little, however large they are
_FINER = 1.25  # from one number of tokens that is considered to the next
_HARM = 0.05  # of the loss: so much worse must spending all be before less is spent
_WIDTHS = (64, 96, 128, 160, 192, 256, 320, 384, 448, 512, 640, 768, 1024, 1280, 1536, 2048)
_DEPTHS = (2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24)
_ASPECT = (28, 72)  # width over depth; Kaplan et al. 2020, figure 5: flat well beyond this
_TOKENS_PER_WEIGHT = 20  # Hoffmann et al. 2022: best use of compute, where tokens are the budget
_DECAY_PER_EPOCH = 0.06  # of the weights: the more often a text is seen, the more (docs/log.md)
_DECAYS = (0.01, 1.0)
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
    """

    costs: StepCosts
    before_s: float
    compile_s: float
    after_s: float
    base_memory_bytes: int
    free_memory_bytes: int
    watts: float
    price_per_hour: float | None = None


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
    for sizes in candidates(settings):
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
    fitting = _worth_it([p for p in fitting if p.steps >= _FEWEST_STEPS] or fitting)
    best = min(fitting, key=lambda p: p.predicted.loss)
    return replace(best, alternatives=tuple(_alternatives(best, fitting)))


def preset(model: ModelConfig) -> ModelConfig:
    """Decide the preset where it is "auto" and nothing is planned: the smallest."""
    return replace(model, preset="tiny") if model.preset == "auto" else model


def batch_sizes(
    training: TrainingConfig, model: GPTConfig, *, tokens: float | None = None
) -> TrainingConfig:
    """Decide how many sequences a step and a micro-batch have, and the decay, where left open.

    Args:
        training: What is set stays.
        model: Wider models get larger steps.
        tokens: Of the whole run, if known: it should have some 250 steps at least.
    """
    length = model.max_position_embeddings
    part = max(1, min(PART_TOKENS, _PART_LOGITS // model.vocab_size) // length)
    usual = _step_tokens(model)
    if tokens is not None:
        usual = min(usual, max(2 * length, int(tokens / _FEWEST_STEPS)))
    rows = training.batch_size or training.micro_batch_size or max(1, usual // length)
    return batch_of(training, rows=rows, most=training.micro_batch_size or part)


def weight_decay(epochs: float) -> float:
    """Return the decay of the matrices for a text that is seen so often.

    It keeps a model from learning a short text by heart: after 8 passes over the plays, 0.5 ends at
    3.35 nats a token where 0.1 ends at 3.58 (docs/log.md). Strong decay for repeated data is found
    best by Kim et al. 2025, "Pre-training under infinite compute", too.
    """
    low, high = _DECAYS
    return min(high, max(low, round(_DECAY_PER_EPOCH * epochs, 2)))


def batch_of(training: TrainingConfig, *, rows: int, most: int) -> TrainingConfig:
    """Return the settings with ``rows`` in a step, and as many of them at once as ``most``."""
    at_once = max(n for n in range(1, min(most, rows) + 1) if rows % n == 0)
    return replace(training, batch_size=rows, micro_batch_size=at_once)


def peak_memory_bytes(config: GPTConfig, training: TrainingConfig, *, base_bytes: int) -> int:
    """Return about what the process will hold at most.

    A weight has a master, a gradient sum and one moment (Muon) or two (AdamW) in fp32, and itself
    and its gradient in bf16; a checkpoint copies masters and moments; a token of a micro-batch
    keeps what the backward pass needs in each layer, and its logits in bf16 and fp32.
    """
    moments = 4 if training.matrices == "muon" else 8
    embeddings = config.vocab_size * config.hidden_size
    weights = parameter_count(config)
    copied = (weights - embeddings) * (4 + moments) + embeddings * 12
    state = copied + (weights - embeddings) * (12 + moments) + embeddings * 20
    length = config.max_position_embeddings
    tokens = (training.micro_batch_size or 1) * length
    heads = config.num_attention_heads
    layer = 2 * (12 * config.hidden_size + 4 * config.intermediate_size + 2 * heads * length)
    activations = tokens * (config.num_hidden_layers * layer + 8 * config.vocab_size)
    return base_bytes + state + activations


def candidates(settings: ModelConfig) -> Iterator[ModelConfig]:
    """Yield sizes to consider; what the user has set is set in all of them."""
    base = preset(settings)
    if settings.preset != "auto" or (settings.hidden_size and settings.num_hidden_layers):
        yield base
        return
    for width in [settings.hidden_size] if settings.hidden_size else _WIDTHS:
        head = settings.head_dim or _head_dim(width)
        for depth in [settings.num_hidden_layers] if settings.num_hidden_layers else _DEPTHS:
            usual = _ASPECT[0] <= width / depth <= _ASPECT[1]
            if usual or settings.num_hidden_layers or settings.hidden_size:
                heads = settings.num_attention_heads or max(1, width // head)
                yield replace(
                    base,
                    hidden_size=width,
                    num_hidden_layers=depth,
                    head_dim=head,
                    num_attention_heads=heads,
                    num_key_value_heads=settings.num_key_value_heads or heads,
                )


def _head_dim(width: int) -> int:
    return 64 if width % 64 == 0 and width >= 192 else 32


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
    weights, some = _block_weights(config), [tokens]
    fewest = _FEWEST_STEPS * 2 * config.max_position_embeddings  # as ``batch_sizes`` has them
    if fewest < tokens:
        count = int(math.log(tokens / fewest) / math.log(_FINER))
        some += [fewest * _FINER**n for n in range(count + 1)]
    return min(some, key=lambda each: law.loss(corpus, weights=weights, tokens=each))


def seconds_per_token(config: GPTConfig, training: TrainingConfig, costs: StepCosts) -> float:
    """Return the seconds of training on one token."""
    step_tokens = (training.batch_size or 1) * config.max_position_embeddings
    return costs.part_s(config) / PART_TOKENS + costs.update_s(config) / step_tokens


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
    weights = _block_weights(config)
    loss = law.loss(corpus, weights=weights, tokens=tokens)
    low, high = law.interval(loss)
    hours = wall_s / 3600
    shares = (_WALL_LOW, _WALL_HIGH) if timed else _TOKENS_WALL
    return Forecast(
        wall_s=wall_s,
        wall_s_low=wall_s * shares[0],
        wall_s_high=wall_s * shares[1],
        peak_memory_bytes=peak_memory_bytes(config, training, base_bytes=machine.base_memory_bytes),
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
    needed = plan.predicted.peak_memory_bytes - machine.base_memory_bytes
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


def _step_tokens(model: GPTConfig) -> int:
    """Return about how many tokens a step should have: more for wider models."""
    return 2048 if model.hidden_size <= 256 else 4096 if model.hidden_size <= 384 else 8192
