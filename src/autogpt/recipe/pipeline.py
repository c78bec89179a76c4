"""The pipeline, read top to bottom: prepare > decide > train > evaluate > save > report."""

from __future__ import annotations

import time
import tomllib
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path

import torch

from autogpt.core.config import dump_toml, from_mapping, merge, to_mapping
from autogpt.core.errors import UsageError
from autogpt.core.files import write_text
from autogpt.core.progress import Progress
from autogpt.core.units import format_count
from autogpt.data.batches import Batches
from autogpt.evaluation.energy import EnergyMeter
from autogpt.llm import load
from autogpt.models.card import model_card
from autogpt.models.card_facts import Sample
from autogpt.models.checkpoint import save_model
from autogpt.models.counting import parameter_count
from autogpt.models.gpt import GPT
from autogpt.recipe import folder, plan_page, planning
from autogpt.recipe.account import Account
from autogpt.recipe.best import Best
from autogpt.recipe.fork import fork
from autogpt.recipe.looks import Looks, seconds_of_a_look
from autogpt.recipe.prepare import Prepared, prepare
from autogpt.recipe.rescue import RunRescue
from autogpt.recipe.result import (
    TrainResult,
    model_facts,
    peak_rss_bytes,
    write_run_report,
)
from autogpt.recipe.samples import beginnings, sample
from autogpt.recipe.settings import Recipe
from autogpt.training import calibration, checkpoints, kernels, memory, record, tracking
from autogpt.training.checkpoints import RunState
from autogpt.training.distributed import World, joined
from autogpt.training.layout import lay_out, rows_at_once
from autogpt.training.record import Record
from autogpt.training.saving import Saver, SharedSaver
from autogpt.training.trainer import Hooks, Measured, Trainer

__all__ = ["train"]

_VALIDATION_SHARE = 0.04  # of the budget, at most, goes into looks at the validation split


def train(  # noqa: PLR0913 - each is spelled out for the user
    sources: str | Sequence[str] = (),
    *,
    out: Path | str,
    settings: Mapping[str, object] | None = None,
    budget: str | None = None,
    resume: bool = False,
    from_run: Path | str | None = None,
    track: Sequence[str] = (),
    prompts: Sequence[str] = (),
    begun: float | None = None,
    progress: Progress | None = None,
) -> TrainResult:
    """Train a model from nothing on ``sources``, within a budget, into the run folder ``out``.

    Ctrl-C stops after the current step and writes a checkpoint; a second one stops at once.
    Under torchrun all processes call this together; only the first writes and shows anything.

    Args:
        sources: Files, folders, globs, ``-``, ``hf:NAME[:split]``; may be left out where a run is
            gone on with.
        out: A folder that does not hold a run yet, or one to resume.
        settings: Nested settings of :class:`Recipe`.
        budget: Short for the setting ``training.budget``; ``+10m`` for so much more.
        resume: Go on where a stopped run left off, bit for bit as if it had not been stopped;
            where nothing was begun, begin.
        from_run: A run whose weights, tokenizer and data the new one begins with.
        track: Experiment trackers to follow the run with, see ``training.tracking``.
        prompts: Begin the samples; by default beginnings of held-out text do.
        begun: When the budget began to run, by ``time.perf_counter``; by default now.
        progress: Shows what happens; by default on standard error.

    Raises:
        AutoGPTError: In one sentence, whatever the user can mend.
        KeyboardInterrupt: When the user stopped the run.
    """
    names = [sources] if isinstance(sources, str) else list(sources)
    given = merge(settings or {}, {"training": {"budget": budget}} if budget else {})
    given = folder.with_whole_budget(given, out=Path(out), resume=resume, fork=from_run is not None)
    recipe = from_mapping(Recipe, given)
    tracking.check(track)
    if not (names or resume or from_run):
        raise UsageError("There is nothing to train on.", hint="Name a file or a folder of text.")
    with (
        joined() as world,
        folder.claimed(Path(out)) if world.leads else nullcontext(),
        progress or Progress(quiet=not world.leads) as shown,
        memory.explained(),
    ):
        run = _Run(Path(out), names, shown, track, world, begun=begun)
        kept = None
        if resume and world.leads:
            kept = folder.go_on(run.out, given, kind=Recipe)
            if kept is None and from_run is None:
                shown.say(f"nothing to resume in {str(out)!r}: beginning")
        elif world.leads:
            folder.begin(run.out)
        if kept is None and from_run is not None and world.leads:
            kept = fork(Path(from_run), run.out, given, names=names)
            shown.say(f"beginning with the weights and the data of {str(from_run)!r}")
        going_on = bool(world.agreed(kept is not None))
        recipe = _same(kept or recipe, world)
        return run.train(recipe, resume=going_on, prompts=prompts)


class _Run:
    """One run on its way through the pipeline.

    Args:
        out: The run folder, claimed.
        names: The sources.
        shown: Shows what happens.
        track: Tools that follow it.
        world: This process among those that train together.
        begun: When the budget began to run; None: now.
    """

    def __init__(
        self,
        out: Path,
        names: Sequence[str],
        shown: Progress,
        track: Sequence[str],
        world: World,
        *,
        begun: float | None,
    ) -> None:
        self.out, self._names, self._shown, self._world = out, names, shown, world
        self._track = track if world.leads else ()
        self._begin = time.perf_counter() if begun is None else begun
        self._phases: dict[str, float] = {}

    def train(self, recipe: Recipe, *, resume: bool, prompts: Sequence[str]) -> TrainResult:
        """Go through the pipeline."""
        self._meter = EnergyMeter(country=recipe.training.country)
        world = self._world
        with world.leader_first():  # the others find what it has prepared
            prepared = prepare(
                self._names,
                recipe,
                self.out / "data",
                resume=resume or not world.leads,
                say=self._shown.say,
                phase=self._phases.__setitem__,
            )
        self._batches(recipe, prepared)  # so that too little text is told before measuring
        decided = self._decide(recipe, prepared, resume=resume) if world.leads else None
        recipe = _same(decided.recipe if decided else recipe, world)
        torch.manual_seed(recipe.seed)
        latest = self._newest_checkpoint() if resume else None
        at = checkpoints.state_of(latest) if latest is not None else RunState(record_bytes=0)
        with (
            self._record(at, resume=resume) as log,
            tracking.Trackers(
                self._track, run=self.out, settings=to_mapping(recipe), say=self._shown.say
            ) as trackers,
            self._saver(recipe, prepared, log) as saver,
        ):
            trainer = self._trainer(recipe, prepared, latest, saver)
            if decided is not None and world.size == 1:
                self._learn_from(trainer, decided)
            measured = self._loop(trainer, recipe, prepared, log, saver, trackers)
        recipe = replace(recipe, training=trainer.config)
        return self._finish(trainer, recipe, prepared, measured, prompts)

    def _decide(self, recipe: Recipe, prepared: Prepared, *, resume: bool) -> planning.Decided:
        """Leave nothing open; plan, say and keep the plan, unless steps decide or it is there."""
        mark = time.perf_counter()
        training = recipe.training
        planned = (training.max_steps or training.schedule) is None and not resume
        corpus = planning.look_at(prepared) if planned else None
        decided = planning.decide(
            recipe, prepared, corpus, before_s=self._elapsed(), world=self._world
        )
        folder.save_recipe(self.out, decided.recipe)
        if decided.plan is not None and corpus is not None:
            plan_page.save_plan(self.out, decided.plan, corpus)
            self._shown.say(plan_page.page(decided.plan, corpus))
        self._phases["plan"] = time.perf_counter() - mark
        return decided

    def _batches(self, recipe: Recipe, prepared: Prepared) -> Batches:
        return Batches(
            shard=prepared.train,
            batch_size=rows_at_once(
                recipe.training.batch_size,
                recipe.training.micro_batch_size or 1,
                processes=self._world.size,
            ),
            context_length=recipe.model.context_length,
            seed=recipe.seed,
            first_row=recipe.origin.first_row,
        )

    def _record(self, at: RunState, *, resume: bool) -> AbstractContextManager[Record | None]:
        """Open the record, in the leading process alone."""
        if not self._world.leads:
            return nullcontext()
        step = at.steps if resume else None
        return Record.open(self.out, resume_step=step, resume_bytes=at.record_bytes)

    def _saver(self, recipe: Recipe, prepared: Prepared, log: Record | None) -> SharedSaver:
        """Return what saves checkpoints, together with the other processes."""
        parameters = parameter_count(planning.model_config(recipe, prepared))
        layout = lay_out(recipe.parallel, self._world, parameters=parameters)
        before = log.sync if log is not None else lambda: None
        return SharedSaver(Saver(self.out, before=before), layout, self.out)

    def _newest_checkpoint(self) -> Path | None:
        """Return the newest checkpoint that the leading process has found whole."""
        found = checkpoints.latest(self.out, say=self._shown.say) if self._world.leads else None
        path = self._world.shared(str(found or ""))
        return Path(path) if path else None

    def _trainer(
        self, recipe: Recipe, prepared: Prepared, latest: Path | None, saver: SharedSaver
    ) -> Trainer:
        """Build the model, or take it over from a checkpoint; compile; say what will happen."""
        config, layout = planning.model_config(recipe, prepared), saver.layout
        batches = self._batches(recipe, prepared)
        chosen = kernels.obeyed(recipe.kernels, processes=self._world.local_size)
        rescue = RunRescue(self.out, recipe, saver, prepared.tokenizer, self._shown)
        trainer = Trainer(
            GPT(config), batches, recipe.training, chosen, rescue=rescue, layout=layout
        )
        saver.tensors = trainer.optimizer.state()
        if latest is not None:
            trainer.restore(*layout.load(latest, saver.tensors))
            self._shown.say(f"going on after step {trainer.at.steps}")
        state = trainer.at
        compiling = ", compiling first" if chosen.compiled else ""
        self._shown.say(
            f"training {format_count(parameter_count(config))} parameters on "
            f"{format_count(len(prepared.train))} tokens in {chosen.dtype}{layout.words}{compiling}"
        )
        self._phases["compile"] = trainer.warm_up().compile_s
        elapsed_s = self._world.agreed(self._elapsed())
        if latest is None:  # so that there is always something to go back to
            begun = replace(state, other_s=elapsed_s, record_bytes=0)
            saver.save(begun, trainer.optimizer.state())
        elapsed_s = self._world.agreed(self._elapsed())
        trainer.at = replace(state, other_s=state.other_s + elapsed_s)
        return trainer

    def _learn_from(self, trainer: Trainer, decided: planning.Decided) -> None:
        """Let the next plan know how far the costs of this one were off."""
        if decided.costs is None or trainer.warmth is None:
            return
        part_s = trainer.warmth.part_s * calibration.PART_TOKENS / trainer.tokens_per_part
        compiled = trainer.kernels.compiled
        calibration.correct(decided.costs, decided.config, part_s=part_s, compiled=compiled)

    def _loop(
        self,
        trainer: Trainer,
        recipe: Recipe,
        prepared: Prepared,
        log: Record | None,
        saver: SharedSaver,
        trackers: tracking.Trackers,
    ) -> Measured:
        """Train until the budget is spent, and measure the result.

        Raises:
            KeyboardInterrupt: When the user stopped the run.
        """
        at = trainer.at
        look_s = seconds_of_a_look(trainer, prepared)
        world = self._world  # what steers the loop is the same in all processes
        budget_s = planning.seconds_to_spend(recipe.training)
        budget_s = None if budget_s is None else world.agreed(budget_s)
        after_s = planning.finishing_s(parameter_count(trainer.model.config))
        left_s = None if budget_s is None else budget_s - at.other_s - look_s - after_s
        validations = recipe.training.validations
        if budget_s is not None:
            validations = min(validations, int(_VALIDATION_SHARE * budget_s / look_s))

        account = Account(log, trackers, self._meter, self._shown)

        def show(entry: record.Entry, share: float) -> None:
            account.entry(entry, share, train_s=trainer.at.train_s)

        looks = Looks(
            self.out,
            trainer,
            prepared,
            recipe,
            world=world,
            budget_s=budget_s,
            say=self._shown.say,
        )
        hooks = Hooks(
            entry=show,
            validate=looks.look,
            checkpoint=lambda state, tensors: saver.save(account.state(state), tensors),
            checkpoint_due=saver.due,
            stepped=account.stepped,
        )
        mark = time.perf_counter()
        left_s = None if left_s is None else world.agreed(max(1.0, left_s))
        if not trainer.run(hooks, budget_s=left_s, validations=validations):
            saver.wait()
            self._shown.say(
                f"stopped after step {trainer.at.steps}; the same command with --resume goes on"
            )
            raise KeyboardInterrupt
        self._phases["train"] = time.perf_counter() - mark
        mark = time.perf_counter()
        measured = looks.last()
        self._phases["evaluate"] = time.perf_counter() - mark
        evaluated_s = world.agreed(self._phases["evaluate"])
        trainer.at = replace(trainer.at, other_s=trainer.at.other_s + evaluated_s)
        show(trainer.validated(measured), 1.0)
        return measured

    def _finish(
        self,
        trainer: Trainer,
        recipe: Recipe,
        prepared: Prepared,
        measured: Measured,
        prompts: Sequence[str],
    ) -> TrainResult:
        """Save the model, let it write, and report; the leading process does."""
        mark = time.perf_counter()
        model, at = trainer.model, trainer.at
        assert isinstance(model, GPT)  # as _trainer built it
        assert measured.bits_per_byte is not None  # it was measured on text
        where = self.out / folder.MODEL
        others_bytes = self._world.summed(0 if self._world.leads else peak_rss_bytes())
        samples: tuple[Sample, ...] = ()
        if self._world.leads:
            save_model(model, where, tokenizer=prepared.tokenizer, dtype="float32")
            samples = sample(load(where), prompts or beginnings(prepared), seed=recipe.seed)
        result = TrainResult(
            run=str(self.out),
            model=str(where),
            parameters=parameter_count(model.config),
            steps=at.steps,
            tokens=at.tokens,
            wall_s=at.elapsed_s + time.perf_counter() - mark,
            train_s=at.train_s,
            compile_s=self._phases["compile"],
            tokens_per_s=at.tokens / max(at.train_s, 1e-9),
            val_loss=measured.loss,
            val_bits_per_byte=measured.bits_per_byte,
            peak_rss_bytes=int(others_bytes) + peak_rss_bytes(),
            samples=samples,
        )
        if not self._world.leads:
            return result
        energy = self._meter.stop()
        energy = replace(energy, kwh=energy.kwh + at.energy_kwh)
        facts = model_facts(result, prepared, model.config, recipe, energy)
        write_text(where / "README.md", model_card(facts))
        self._phases["save and sample"] = time.perf_counter() - mark
        write_run_report(
            self.out,
            facts,
            recipe,
            self._phases,
            config=model.config,
            outcomes=plan_page.outcomes(self.out, result, energy.kwh),
        )
        checkpoints.remove_all(self.out)
        Best(self.out).remove()
        finishing_s = time.perf_counter() - mark
        planning.finishing_took(finishing_s, result.parameters)
        return replace(result, wall_s=at.elapsed_s + finishing_s)

    def _elapsed(self) -> float:
        return time.perf_counter() - self._begin


def _same(recipe: Recipe, world: World) -> Recipe:
    """Return the recipe of the leading process."""
    if world.size == 1:
        return recipe
    text = world.shared(dump_toml(to_mapping(recipe)))
    return from_mapping(Recipe, tomllib.loads(text))
