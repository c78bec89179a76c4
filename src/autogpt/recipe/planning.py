"""What a budget buys: a plan made, shown on one page, and set against what happened.

The plan is frozen before anything is learned and kept as ``plan.json`` in the run folder; the
report puts forecast and outcome side by side. ``autogpt plan`` stops here; ``train`` goes on.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import psutil

from autogpt.core.budget import parse_budget
from autogpt.core.config import from_mapping, merge
from autogpt.core.files import read_json, write_json
from autogpt.core.hardware import look, usable_cores
from autogpt.core.memo import recall, remember
from autogpt.core.progress import Progress
from autogpt.core.units import format_bytes, format_count, format_duration
from autogpt.evaluation.energy import WATTS_PER_CORE
from autogpt.evaluation.report import Outcome
from autogpt.models.gpt import GPTConfig
from autogpt.models.presets import ModelConfig, build_config
from autogpt.recipe.prepare import Prepared, prepare
from autogpt.recipe.result import TrainResult
from autogpt.recipe.settings import Recipe
from autogpt.training import calibration, kernels, scaling
from autogpt.training.distributed import World
from autogpt.training.plan import (
    Forecast,
    Machine,
    Plan,
    Spending,
    batch_of,
    batch_sizes,
    choose,
    preset,
)

__all__ = [
    "PLAN",
    "Decided",
    "RunPlan",
    "decide",
    "finishing_took",
    "outcomes",
    "page",
    "plan",
    "save_plan",
]

PLAN = "plan.json"

_AFTER_S = 5.0  # saving, samples and report, where none was timed yet (docs/log.md)
_AFTER_WEIGHT_S = 5e-8  # more for each weight: written, read again and run for the samples
_MEMORY_OFF = 0.15  # how far the forecast of memory may be off
_TOKENS_OFF = 0.15  # and that of tokens, which follows the speed of the machine
_COMPILER_BYTES = 120 << 20  # what torch.compile leaves in the process (docs/log.md)
_GPU_TOKENS = 12 * 1024  # of a micro-batch: nanoGPT's on an A100 of 40 GB (2022); not measured
_SIZES = (  # of the model, written to the recipe: a preset may change with the version
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "head_dim",
)
# What models of so many bits a byte of held-out text wrote in our runs (docs/log.md).
_WORDS = (
    (1.3, "It should write fluent text on the topics of the corpus and keep to a subject for a "
    "paragraph. It does not know facts reliably and does not follow instructions."),
    (1.7, "It should write grammatical sentences in the style of the corpus, and lose the thread "
    "after one or two. It does not know facts and does not follow instructions."),
    (2.1, "It should write in the form and the words of the corpus, with sentences that often make "
    "no sense. It can fill in, rank and complete short phrases; it cannot answer questions."),
    (float("inf"), "It should learn spelling, frequent words and the look of the text, not more. "
    "More time or more text would help."),
)  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Decided:
    """A recipe with nothing left open and the model it makes; where it was planned, the plan.

    ``costs`` are what a step was expected to take.
    """

    recipe: Recipe
    config: GPTConfig
    plan: Plan | None = None
    costs: calibration.StepCosts | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class RunPlan:
    """A plan together with what it is for. Print it for one page; ``train`` does it.

    Attributes:
        sources: The text.
        settings: What the user has set.
        plan: What will be done, and the forecast.
        corpus: What is known of the text.
    """

    sources: tuple[str, ...]
    settings: Mapping[str, object]
    plan: Plan
    corpus: scaling.Corpus

    def __str__(self) -> str:
        """Return the page."""
        return page(self.plan, self.corpus)

    def to_dict(self) -> dict[str, object]:
        """Return the JSON fields that scripts rely on."""
        return _plain(self.plan)

    def train(self, *, out: Path | str, progress: Progress | None = None) -> TrainResult:
        """Do what was planned; see ``autogpt.train``."""
        from autogpt.recipe.pipeline import train

        return train(self.sources, out=out, settings=self.settings, progress=progress)


def plan(
    sources: str | Sequence[str],
    *,
    budget: str | None = None,
    settings: Mapping[str, object] | None = None,
    progress: Progress | None = None,
) -> RunPlan:
    """Say what a budget buys on this machine, for this text; nothing is trained or kept.

    The text is read, cleaned and tokenized into a temporary folder, and a few seconds go into
    timing real training steps (the first time on this machine).

    Args:
        sources: Files, folders, globs, ``-``, ``hf:NAME[:split]``.
        budget: Short for the setting ``training.budget``.
        settings: Nested settings of :class:`Recipe`.
        progress: Shows what happens; by default on standard error.

    Raises:
        AutoGPTError: In one sentence, whatever the user can mend.
    """
    names = (sources,) if isinstance(sources, str) else tuple(sources)
    given = merge(settings or {}, {"training": {"budget": budget}} if budget else {})
    recipe = from_mapping(Recipe, given)
    begin = time.perf_counter()
    with progress or Progress() as shown, tempfile.TemporaryDirectory(prefix="autogpt-") as room:
        prepared = prepare(
            names, recipe, Path(room), resume=False, say=shown.say, phase=lambda *_: None
        )
        corpus = look_at(prepared)
        decided = decide(recipe, prepared, corpus, before_s=time.perf_counter() - begin)
    if decided.plan is None:
        raise ValueError("a budget leads to a plan")
    return RunPlan(sources=names, settings=given, plan=decided.plan, corpus=corpus)


def look_at(prepared: Prepared) -> scaling.Corpus:
    """Return what a forecast needs to know of a corpus."""
    held_out = prepared.validation
    return scaling.look_at(
        prepared.train.tokens,
        held_out.tokens,
        vocab_size=prepared.tokenizer.vocab_size,
        held_out_bytes=held_out.total_bytes,
    )


def decide(
    recipe: Recipe,
    prepared: Prepared,
    corpus: scaling.Corpus | None,
    *,
    before_s: float,
    world: World | None = None,
) -> Decided:
    """Replace every "auto" and None by what budget, corpus and this machine suggest.

    Args:
        recipe: What is set stays.
        prepared: The text, as tokens.
        corpus: What is known of it; None where steps decide, so that nothing is forecast.
        before_s: Seconds that are gone already.
        world: The processes that will train; a plan is made for the processor of this one alone.
    """
    recipe = replace(recipe, tokenizer=prepared.tokenizer_config)
    if recipe.training.max_steps is not None or corpus is None:
        return _for_all(_by_steps(recipe, prepared, world), recipe, world)
    watts = WATTS_PER_CORE * usable_cores()
    spending = _spending(recipe, watts)
    seconds = spending.seconds
    tokenizer, length = prepared.tokenizer, recipe.model.context_length
    masked = len(prepared.train.starts) > 1
    limit_s = None if seconds is None else seconds - before_s
    chosen: Plan | None = None
    for _ in range(1 if seconds is not None else 2):  # a budget of tokens says how long it takes
        use = kernels.choose(
            recipe.kernels,
            build_config(preset(recipe.model), tokenizer.vocab_size),
            length=length,
            masked=masked,
            budget_s=limit_s,
            device=None if world is None else world.device,
        )
        compiling = kernels.compiling()
        costs = calibration.measure(
            dtype=use.dtype,
            length=length,
            masked=masked,
            compiled=use.compiled,
            speedup=compiling.speedup,
        )
        chosen = choose(
            recipe.model,
            recipe.training,
            corpus,
            Machine(
                costs=costs,
                before_s=before_s,
                compile_s=compiling.seconds if use.compiled else 0.0,
                after_s=_after_s(0),
                base_memory_bytes=_base_memory_bytes(compiled=use.compiled),
                free_memory_bytes=look().free_memory_bytes,
                watts=watts,
                price_per_hour=recipe.training.price_per_hour,
            ),
            spending=spending,
            law=scaling.law(),
            eos_token_id=tokenizer.eos_id,
            pad_token_id=tokenizer.pad_id,
        )
        limit_s = chosen.predicted.wall_s
    if chosen is None:
        raise ValueError("at least one plan is made")
    training = chosen.training
    if spending.seconds is None:
        training = replace(training, max_steps=chosen.steps)
    decided = Decided(
        recipe=replace(
            recipe,
            model=_with_sizes(recipe, chosen.model),
            training=training,
            kernels=use.settings(),
        ),
        config=chosen.model,
        plan=chosen,
        costs=costs,
    )
    return _for_all(decided, recipe, world)


def model_config(recipe: Recipe, prepared: Prepared) -> GPTConfig:
    """Return the model of a recipe in which it is decided."""
    tokenizer = prepared.tokenizer
    return build_config(
        recipe.model,
        tokenizer.vocab_size,
        eos_token_id=tokenizer.eos_id,
        pad_token_id=tokenizer.pad_id,
    )


def _for_all(decided: Decided, asked: Recipe, world: World | None) -> Decided:
    """Let a step have rows for every process, and a GPU have larger micro-batches."""
    world, training = world or World(), decided.recipe.training
    rows = training.batch_size or 1
    if not asked.training.batch_size:
        rows = -(-rows // world.size) * world.size
    most = training.micro_batch_size or rows
    if world.device.type == "cuda" and not asked.training.micro_batch_size:
        most = max(1, _GPU_TOKENS // asked.model.context_length)
    training = batch_of(training, rows=rows, most=most)
    return replace(decided, recipe=replace(decided.recipe, training=training))


def seconds_to_spend(recipe: Recipe) -> float | None:
    """Return the wall time a run may take; None if steps or tokens limit it."""
    if recipe.training.max_steps is not None:
        return None
    return _spending(recipe, WATTS_PER_CORE * usable_cores()).seconds


def finishing_s(parameters: int) -> float:
    """Return about how long saving, samples and report will take."""
    return _after_s(parameters)


def finishing_took(seconds: float, parameters: int) -> None:
    """Remember how long saving, samples and report took, for the next run."""
    remember("finishing", {"seconds": max(0.5, seconds - parameters * _AFTER_WEIGHT_S)})


def save_plan(out: Path, chosen: Plan, corpus: scaling.Corpus) -> None:
    """Write ``plan.json``: the plan, and what it knew of the text."""
    write_json(out / PLAN, {**_plain(chosen), "corpus": asdict(corpus)})


def outcomes(out: Path, result: TrainResult, energy_kwh: float) -> tuple[Outcome, ...]:
    """Return the plan that is kept in a run folder beside what happened; nothing without a plan."""
    if not (out / PLAN).exists():
        return ()
    kept = read_json(out / PLAN)
    said = {name: value for name, value in kept["predicted"].items() if value is not None}
    seen = from_mapping(Forecast, said)
    memory = (
        seen.peak_memory_bytes * (1 - _MEMORY_OFF),
        seen.peak_memory_bytes * (1 + _MEMORY_OFF),
    )
    tokens, planned_tokens = result.tokens, int(kept["tokens"])
    near = (planned_tokens * (1 - _TOKENS_OFF), planned_tokens * (1 + _TOKENS_OFF))
    energy = (seen.energy_kwh / 3, seen.energy_kwh * 2)  # see evaluation.energy
    bits = (seen.bits_per_byte_low, seen.bits_per_byte_high)
    return (
        _outcome(
            "Wall time", format_duration, seen.wall_s, result.wall_s,
            (seen.wall_s_low, seen.wall_s_high),
        ),
        _outcome("Tokens seen", format_count, planned_tokens, tokens, near),
        _outcome(
            "Peak memory", format_bytes, seen.peak_memory_bytes, result.peak_rss_bytes, memory
        ),
        _outcome(
            "Loss", "{:.3f}".format, seen.loss, result.val_loss, (seen.loss_low, seen.loss_high)
        ),
        _outcome(
            "Bits per byte", "{:.3f}".format, seen.bits_per_byte, result.val_bits_per_byte, bits
        ),
        _outcome("Energy", lambda kwh: f"{kwh * 1000:.2g} Wh", seen.energy_kwh, energy_kwh, energy),
    )  # fmt: skip


def _outcome(
    name: str,
    shown: Callable[[float], str],
    planned: float,
    happened: float,
    within: tuple[float, float],
) -> Outcome:
    return Outcome(
        name=name,
        planned=shown(planned),
        expected=f"{shown(within[0])} to {shown(within[1])}",
        happened=shown(happened),
        kept=within[0] <= happened <= within[1],
    )


def page(chosen: Plan, corpus: scaling.Corpus) -> str:
    """Return the plan on one page, for people."""
    model, seen, rates = chosen.model, chosen.predicted, chosen.training
    return "\n".join(
        (
            f"Plan for {chosen.budget}",
            f"  model     {format_count(chosen.parameters)} parameters: {model.num_hidden_layers} "
            f"layers of width {model.hidden_size}, {model.num_attention_heads} heads, vocabulary "
            f"{model.vocab_size:,}, context {model.max_position_embeddings}",
            f"  training  {format_count(chosen.tokens)} tokens in {chosen.steps:,} steps, each "
            f"token of the text seen {chosen.epochs:.1f} times; learning rates {rates.muon_lr:g} "
            f"(Muon) and {rates.lr:g} (AdamW), weight decay {rates.weight_decay:g}",
            *_forecast_lines(seen),
            f"  for this text, counting {format_count(corpus.train_tokens)} tokens alone gives "
            f"{corpus.bits_per_byte(corpus.ngram_loss):.2f} bits per byte",
            "  nearest alternatives",
            *(
                f"            {format_count(other.parameters)} ({other.num_hidden_layers} x "
                f"{other.hidden_size}) on {format_count(other.tokens)} tokens: "
                f"{other.bits_per_byte:.3f} bits per byte"
                for other in chosen.alternatives
            ),
            f"  {words(seen.bits_per_byte)}",
        )
    )


def words(bits_per_byte: float) -> str:
    """Return what a model of that quality can and cannot do."""
    return next(text for below, text in _WORDS if bits_per_byte < below)


def _forecast_lines(seen: Forecast) -> tuple[str, ...]:
    cost = "" if seen.cost is None else f", cost {seen.cost:.2f}"
    return (
        f"  time      {format_duration(seen.wall_s)} "
        f"({format_duration(seen.wall_s_low)} to {format_duration(seen.wall_s_high)})",
        f"  memory    {format_bytes(seen.peak_memory_bytes)} at most",
        f"  energy    {seen.energy_kwh:.4f} kWh, as assumed for these cores (a third to twice as "
        f"much){cost}",
        f"  quality   {seen.bits_per_byte:.3f} bits per byte ({seen.bits_per_byte_low:.3f} to "
        f"{seen.bits_per_byte_high:.3f}), loss {seen.loss:.3f} ({seen.loss_low:.3f} to "
        f"{seen.loss_high:.3f})",
    )


def _spending(recipe: Recipe, watts: float) -> Spending:
    text = recipe.training.budget
    budget = parse_budget(text)
    seconds = budget.seconds(watts=watts, price_per_hour=recipe.training.price_per_hour)
    tokens = round(budget.amount) if budget.unit == "tokens" else None
    return Spending(text=text, seconds=seconds, tokens=tokens)


def _by_steps(recipe: Recipe, prepared: Prepared, world: World | None) -> Decided:
    recipe = replace(recipe, model=preset(recipe.model))
    config = model_config(recipe, prepared)
    use = kernels.choose(
        recipe.kernels,
        config,
        length=recipe.model.context_length,
        masked=len(prepared.train.starts) > 1,
        budget_s=None,
        device=None if world is None else world.device,
    )
    training = batch_sizes(recipe.training, config)
    budget = parse_budget(training.budget)
    if training.max_steps is None and budget.unit == "tokens":  # a fork, which is not planned
        step_tokens = (training.batch_size or 1) * config.max_position_embeddings
        training = replace(training, max_steps=max(1, round(budget.amount / step_tokens)))
    recipe = replace(
        recipe,
        model=_with_sizes(recipe, config),
        training=training,
        kernels=use.settings(),
    )
    return Decided(recipe=recipe, config=config)


def _with_sizes(recipe: Recipe, config: GPTConfig) -> ModelConfig:
    sizes = {name: getattr(config, name) for name in _SIZES}
    return replace(preset(recipe.model), **sizes)


def _after_s(parameters: int) -> float:
    known = (recall("finishing") or {}).get("seconds")
    usual = float(known) if isinstance(known, int | float) else _AFTER_S
    return usual + parameters * _AFTER_WEIGHT_S


def _base_memory_bytes(*, compiled: bool) -> int:
    resident: int = psutil.Process().memory_info().rss
    return resident + (_COMPILER_BYTES if compiled else 0)


def _plain(chosen: Plan) -> dict[str, object]:
    """Return the plan as plain values for JSON."""
    values = asdict(chosen)
    return {name: values[name] for name in _JSON_ORDER}


_JSON_ORDER = (
    *("budget", "budget_s", "model", "parameters", "tokens", "steps", "epochs", "predicted"),
    *("alternatives", "training"),
)
