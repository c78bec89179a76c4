"""What a budget buys: everything left open in a recipe decided by budget, corpus and machine.

The plan is frozen before anything is learned. ``autogpt plan`` stops here; ``train`` goes on.
"""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

from autogpt.core.budget import parse_budget
from autogpt.core.config import from_mapping, merge, to_mapping
from autogpt.core.errors import AutoGPTError
from autogpt.core.hardware import look, usable_cores
from autogpt.core.memo import recall, remember
from autogpt.core.progress import Progress
from autogpt.evaluation.energy import WATTS_PER_CORE
from autogpt.models.gpt import GPTConfig
from autogpt.models.presets import ModelConfig, build_config
from autogpt.recipe.plan_page import page, to_plain
from autogpt.recipe.prepare import Prepared, prepare
from autogpt.recipe.result import TrainResult, peak_rss_bytes
from autogpt.recipe.settings import Recipe
from autogpt.tokenizer.training import TokenizerConfig
from autogpt.training import calibration, kernels, scaling
from autogpt.training.distributed import World
from autogpt.training.plan import Machine, Plan, Spending, choose
from autogpt.training.schedule import read_schedule
from autogpt.training.settings import TrainingConfig
from autogpt.training.sizes import batch_of, batch_sizes, preset

__all__ = [
    "Decided",
    "RunPlan",
    "decide",
    "finishing_took",
    "plan",
    "plans",
]

_AFTER_S = 5.0  # saving, samples and report, where none was timed yet (docs/log.md)
_AFTER_WEIGHT_S = 5e-8  # more for each weight: written, read again and run for the samples
_LATER_BYTES = 115 << 20  # what is imported on the way: plots, samples, the report (docs/log.md)
_COMPILER_BYTES = 100 << 20  # what torch.compile leaves beside it
_GPU_TOKENS = 12 * 1024  # of a micro-batch: nanoGPT's on an A100 of 40 GB (2022); not measured
_OFTEN_READ, _MORE_STEPS = 8, 1.25  # from so many passes on, at most so many times the plan's steps
_SIZES = (  # of the model, written to the recipe: a preset may change with the version
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "head_dim",
)
_FROZEN = ("batch_size", "micro_batch_size", "weight_decay")  # of the training, beside the sizes


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
        tokenizer: As decided for the text.
    """

    sources: tuple[str, ...]
    settings: Mapping[str, object]
    plan: Plan
    corpus: scaling.Corpus
    tokenizer: TokenizerConfig

    def __str__(self) -> str:
        """Return the page."""
        return page(self.plan, self.corpus)

    def to_dict(self) -> dict[str, object]:
        """Return the JSON fields that scripts rely on."""
        return to_plain(self.plan)

    def train(self, *, out: Path | str, progress: Progress | None = None) -> TrainResult:
        """Do what was planned: this model, with these batches; see ``autogpt.train``."""
        from autogpt.recipe.pipeline import train

        frozen = {
            "model": {name: getattr(self.plan.model, name) for name in _SIZES},
            "training": {name: getattr(self.plan.training, name) for name in _FROZEN},
            "tokenizer": to_mapping(self.tokenizer),
        }
        settings = merge(self.settings, frozen)
        return train(self.sources, out=out, settings=settings, progress=progress)


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
    (made,) = plans(sources, budgets=(budget,), settings=settings, progress=progress)
    if isinstance(made, AutoGPTError):
        raise made
    return made


def plans(
    sources: str | Sequence[str],
    *,
    budgets: Sequence[str | None],
    settings: Mapping[str, object] | None = None,
    progress: Progress | None = None,
) -> Iterator[RunPlan | AutoGPTError]:
    """Yield what each of several budgets buys, see :func:`plan`; the text is prepared once.

    A budget that buys nothing gives the error that says so.

    Raises:
        AutoGPTError: If the text or the settings cannot be used.
    """
    names = (sources,) if isinstance(sources, str) else tuple(sources)
    wanted = [
        merge(settings or {}, {"training": {"budget": budget}} if budget else {})
        for budget in budgets
    ]
    recipes = [from_mapping(Recipe, given) for given in wanted]
    begin = time.perf_counter()
    with progress or Progress() as shown, tempfile.TemporaryDirectory(prefix="autogpt-") as room:
        prepared = prepare(
            names, recipes[0], Path(room), resume=False, say=shown.say, phase=lambda *_: None
        )
        corpus = look_at(prepared)
        before_s = time.perf_counter() - begin
        for given, recipe in zip(wanted, recipes, strict=True):
            try:
                decided = decide(
                    recipe, prepared, corpus, before_s=before_s, measuring_counts=False
                )
            except AutoGPTError as error:
                yield error
                continue
            if decided.plan is None:
                raise ValueError("a budget leads to a plan")
            yield RunPlan(
                sources=names,
                settings=given,
                plan=decided.plan,
                corpus=corpus,
                tokenizer=prepared.tokenizer_config,
            )


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
    measuring_counts: bool = True,
    world: World | None = None,
) -> Decided:
    """Replace every "auto" and None by what budget, corpus and this machine suggest.

    Args:
        recipe: What is set stays.
        prepared: The text, as tokens.
        corpus: What is known of it; None where steps decide, so that nothing is forecast.
        before_s: Seconds that are gone already.
        measuring_counts: Whether the budget pays for what is measured here; otherwise it is
            remembered before the run begins.
        world: The processes that will train; a plan is made for the processor of this one alone.
    """
    recipe = replace(recipe, tokenizer=prepared.tokenizer_config)
    if recipe.training.schedule is not None:
        steps = len(read_schedule(Path(recipe.training.schedule)))
        recipe = replace(recipe, training=replace(recipe.training, max_steps=steps))
    if recipe.training.max_steps is not None or corpus is None:
        return _for_all(_by_steps(recipe, prepared, world), recipe, world)
    watts = WATTS_PER_CORE * usable_cores()
    spending = _spending(recipe.training, watts)
    seconds = spending.seconds
    tokenizer, length = prepared.tokenizer, recipe.model.context_length
    masked = len(prepared.train.starts) > 1
    limit_s = None if seconds is None else seconds - before_s
    allowed_s = math.inf if seconds is None else calibration.MEASURING * seconds
    begin, held_bytes = time.perf_counter(), _resident_bytes()
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
        compiling = kernels.compiling(use.dtype)
        costs = calibration.measure(
            dtype=use.dtype,
            length=length,
            masked=masked,
            compiled=use.compiled,
            speedup=compiling.speedup,
            allowed_s=allowed_s,
        )
        measured_s = time.perf_counter() - begin if measuring_counts else 0.0
        chosen = choose(
            recipe.model,
            recipe.training,
            corpus,
            Machine(
                costs=costs,
                before_s=before_s + measured_s,
                compile_s=compiling.seconds if use.compiled else 0.0,
                after_s=finishing_s(0),
                base_memory_bytes=_base_memory_bytes(held_bytes, compiled=use.compiled),
                free_memory_bytes=look().free_memory_bytes,
                watts=watts,
                price_per_hour=recipe.training.price_per_hour,
                reached_memory_bytes=peak_rss_bytes(),
                copied=use.dtype == "bfloat16" and not use.compiled,
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
    elif chosen.predicted.wall_s < spending.seconds:  # the text is learned before
        training = replace(training, enough_steps=chosen.steps)
    elif chosen.epochs > _OFTEN_READ:  # a faster machine than was measured is not to cram it
        training = replace(training, enough_steps=math.ceil(_MORE_STEPS * chosen.steps))
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


def seconds_to_spend(training: TrainingConfig) -> float | None:
    """Return the wall time a run may take; None if steps or tokens limit it."""
    if training.max_steps is not None:
        return None
    return _spending(training, WATTS_PER_CORE * usable_cores()).seconds


def finishing_s(parameters: int, *, task: str | None = None) -> float:
    """Return about how long saving, samples and report will take.

    Args:
        parameters: Of the model.
        task: Of fine-tuning, where measuring what it reaches takes time too; None: ``train``.
    """
    known = (recall(_finishing(task)) or {}).get("seconds")
    usual = float(known) if isinstance(known, int | float) else _AFTER_S
    return usual + parameters * _AFTER_WEIGHT_S


def finishing_took(seconds: float, parameters: int, *, task: str | None = None) -> None:
    """Remember how long saving, samples and report took, for the next run of the kind."""
    remember(_finishing(task), {"seconds": max(0.5, seconds - parameters * _AFTER_WEIGHT_S)})


def _finishing(task: str | None) -> str:
    return "finishing" if task is None else f"finishing, {task}"


def _spending(training: TrainingConfig, watts: float) -> Spending:
    text = training.budget
    budget = parse_budget(text)
    seconds = budget.seconds(watts=watts, price_per_hour=training.price_per_hour)
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


def _base_memory_bytes(held_bytes: int, *, compiled: bool) -> int:
    """Return what the process holds beside the model.

    Args:
        held_bytes: Before anything was measured; training uses about half of what that left.
        compiled: Whether the compiler will be there, too.
    """
    held_bytes = (held_bytes + max(held_bytes, _resident_bytes())) // 2
    return held_bytes + _LATER_BYTES + (_COMPILER_BYTES if compiled else 0)


def _resident_bytes() -> int:
    resident: int = psutil.Process().memory_info().rss
    return resident
