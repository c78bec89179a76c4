"""Fine-tuning, read top to bottom: examples > base > decide > train > keep the best > report.

::

    run/recipe.toml, metrics.jsonl, checkpoints/, report.html, curves.png    as of ``train``
    run/examples.json    what was read, what may be wrong with it, its fingerprint
    run/forecast.json    what was expected to be spent
    run/model/           the weights with the lowest validation loss, in Hugging Face layout
    run/adapter/         of LoRA: the adapter alone, in PEFT's layout
    run/last/            the last weights, where those are not the best

The loop is ``training.trainer``; how a task is taught is in ``teaching``.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from autogpt.core.config import from_mapping, merge, to_mapping
from autogpt.core.files import read_json
from autogpt.core.progress import Progress
from autogpt.evaluation.energy import EnergyMeter
from autogpt.models import adapter_files
from autogpt.models.trainable import Trainable
from autogpt.recipe import folder, forecast, planning
from autogpt.recipe.account import Account
from autogpt.recipe.base_model import NEW, listens_first
from autogpt.recipe.best import Best, looks_since_best, masters
from autogpt.recipe.embedding_plan import USUAL, check_settings, reads_first
from autogpt.recipe.embedding_teaching import EmbeddingRun
from autogpt.recipe.finetune_report import FinetuneResult, Told, write_reports
from autogpt.recipe.gathering import Gathered, gather
from autogpt.recipe.learner import count, is_lora, save_learned
from autogpt.recipe.lesson_plan import Lesson, LessonPlan, seconds_of_a_look
from autogpt.recipe.result import architecture_facts, peak_rss_bytes
from autogpt.recipe.settings import FinetuneRecipe
from autogpt.recipe.stopwatch import Stopwatch
from autogpt.recipe.teaching import find_teacher
from autogpt.training import checkpoints, memory, record, tracking
from autogpt.training.checkpoints import RunState
from autogpt.training.layout import Layout
from autogpt.training.record import Record
from autogpt.training.saving import Saver, SharedSaver
from autogpt.training.trainer import Hooks, Trainer
from autogpt.training.validation import Measured, measure

__all__ = ["finetune"]

LAST = "last"


def finetune(  # noqa: PLR0913 - each is spelled out for the user
    model: str,
    sources: str | Sequence[str],
    *,
    task: str,
    out: Path | str,
    method: str = "full",
    validation: str | None = None,
    budget: str | None = None,
    settings: Mapping[str, object] | None = None,
    resume: bool = False,
    track: Sequence[str] = (),
    begun: float | None = None,
    progress: Progress | None = None,
) -> FinetuneResult:
    """Teach a model a task from examples, within a budget, into the run folder ``out``.

    Ctrl-C stops after the current step and writes a checkpoint; a second one stops at once.

    Args:
        model: Any reference to a model, see ``core.refs``; or ``new``, which is sized for the data.
            A Whisper, as whisper-base, is the ears of a new model of sounds; a sentence encoder,
            as all-minilm-l6-v2, reads for a classifier.
        sources: Files, folders, globs, ``-``, ``hf:NAME[:split]`` with examples.
        task: As in ``recipe.teaching.TEACHERS``.
        out: A folder that does not hold a run yet, or one to resume.
        method: ``full`` or ``lora``.
        validation: Examples to measure with; by default some are held out.
        budget: Short for the setting ``training.budget``; 20 minutes by default.
        settings: Nested settings of :class:`FinetuneRecipe`.
        resume: Go on where a stopped run left off, bit for bit as if it had not been stopped.
        track: Experiment trackers to follow the run with, see ``training.tracking``.
        begun: When the budget began to run, by ``time.perf_counter``; by default now.
        progress: Shows what happens; by default on standard error.

    Raises:
        AutoGPTError: In one sentence, whatever the user can mend.
        KeyboardInterrupt: When the user stopped the run.
    """
    find_teacher(task)
    tracking.check(track)
    names = [sources] if isinstance(sources, str) else list(sources)
    listens = listens_first(model, task=task)
    given = merge(
        settings or {},
        {"finetune": {"task": task, "base": NEW if listens else model, "method": method}},
        {"examples": {"task": task}},
        {"media": {"encoder": model}} if listens else {},
        {"training": {"budget": budget}} if budget else {},
    )
    reads = reads_first(model, task=task, method=method)
    if reads:
        check_settings(given)
    usual = USUAL if reads else forecast.usual_training(from_mapping(FinetuneRecipe, given))
    recipe = from_mapping(FinetuneRecipe, merge(usual, given))
    with folder.claimed(Path(out)), progress or Progress() as shown, memory.explained():
        kept = folder.go_on(Path(out), given, kind=FinetuneRecipe) if resume else None
        if kept is None and resume:
            shown.say(f"nothing to resume in {str(out)!r}: beginning")
        elif kept is None:
            folder.begin(Path(out))
        recipe = kept or recipe
        if reads:
            on_vectors = EmbeddingRun(recipe, Path(out), shown, begun=begun)
            return on_vectors.run(gather(names, validation, recipe), track, resume=kept is not None)
        run = _Run(Path(out), shown, patience=recipe.finetune.patience, begun=begun)
        gathered = gather(names, validation, recipe)
        told = given.get("training")
        if kept is None and not (isinstance(told, Mapping) and "lr" in told):
            recipe = forecast.with_rate(recipe, examples=len(gathered.train))
        return run.run(recipe, gathered, track, resume=kept is not None)


class _Run:
    """One run on its way.

    Args:
        out: The run folder, claimed.
        shown: Shows what happens.
        patience: Looks without a lower loss, after which it is enough.
        begun: When the budget began to run; None: now.
    """

    def __init__(self, out: Path, shown: Progress, *, patience: int, begun: float | None) -> None:
        self.out, self._shown, self._patience = out, shown, patience
        self._watch = Stopwatch(begun)
        self._best = Best(out)

    def run(
        self, recipe: FinetuneRecipe, gathered: Gathered, track: Sequence[str], *, resume: bool
    ) -> FinetuneResult:
        """Go through it."""
        self._meter = EnergyMeter(country=recipe.training.country)
        plan = LessonPlan(self.out, self._shown, self._watch, resume=resume)
        recipe, lesson = plan.prepare(recipe, gathered)
        latest = checkpoints.latest(self.out, say=self._shown.say) if resume else None
        at = checkpoints.state_of(latest) if latest is not None else RunState(record_bytes=0)
        step = at.steps if resume else None
        settings = to_mapping(recipe)
        with (
            Record.open(self.out, resume_step=step, resume_bytes=at.record_bytes) as log,
            tracking.Trackers(track, run=self.out, settings=settings, say=self._shown.say) as tools,
            SharedSaver(Saver(self.out, before=log.sync), Layout(), self.out) as saver,
        ):
            account = Account(log, tools, self._meter, self._shown)
            trainer = plan.trainer(recipe, lesson, saver)
            recipe = plan.decided(recipe, lesson, trainer)
            self._begin_or_go_on(trainer, saver, latest)
            measured = self._loop(trainer, lesson, account, saver, recipe.finetune.task)
        return self._finish(trainer, recipe, lesson, gathered, measured)

    def _begin_or_go_on(self, trainer: Trainer, saver: SharedSaver, latest: Path | None) -> None:
        """Take over a checkpoint, after the warm-up: that draws random numbers too."""
        if latest is not None:
            trainer.restore(*trainer.layout.load(latest, saver.tensors))
            self._shown.say(f"going on after step {trainer.at.steps}")
        state = trainer.at
        if latest is None:  # so that there is always something to go back to
            begun = replace(state, other_s=self._watch.passed, record_bytes=0)
            saver.save(begun, trainer.optimizer.state())
        trainer.at = replace(state, other_s=state.other_s + self._watch.passed)
        self._watch.lap("plan")

    # -- the loop ----------------------------------------------------------------------------------

    def _loop(
        self, trainer: Trainer, lesson: Lesson, account: Account, saver: SharedSaver, task: str
    ) -> Measured:
        """Train, keeping the best weights, and measure the last ones.

        Raises:
            KeyboardInterrupt: When the user stopped the run.
        """
        taught, config = lesson.taught, trainer.config
        looks = [entry for entry in record.read(self.out) if entry.kind == "validation"]

        def show(entry: record.Entry, share: float) -> None:
            account.entry(entry, share, train_s=trainer.at.train_s)
            if entry.kind == "validation":
                looks.append(entry)

        def validate(model: Trainable) -> Measured:
            found = measure(
                model,
                taught.validation(),
                objective=taught.objective,
                learned_bytes=taught.learned_bytes,
            )
            if trainer.at.steps:
                self._best.offer(trainer.at.steps, found.loss, trainer.optimizer.state())
            return found

        patience = self._patience
        hooks = Hooks(
            entry=show,
            validate=validate,
            checkpoint=lambda state, tensors: saver.save(account.state(state), tensors),
            checkpoint_due=saver.due,
            stepped=account.stepped,
            enough=lambda: bool(patience) and looks_since_best(looks) >= patience,
        )
        if not looks:  # what the base can do
            show(trainer.validated(validate(trainer.model)), 0.0)
        budget_s = forecast.seconds_to_spend(config)
        look_s = seconds_of_a_look(trainer, taught)
        after_s = planning.finishing_s(count(lesson.model), task=task)
        left_s = None
        if budget_s is not None:
            left_s = max(1.0, budget_s - trainer.at.other_s - look_s - after_s)
        self._watch.mark()
        if not trainer.run(hooks, budget_s=left_s, validations=config.validations):
            saver.wait()
            self._shown.say(
                f"stopped after step {trainer.at.steps}; the same command with --resume goes on"
            )
            raise KeyboardInterrupt
        self._watch.lap("train")
        if looks[-1].step != trainer.at.steps:
            show(trainer.validated(validate(trainer.model)), 1.0)
        elif patience and looks_since_best(looks) >= patience:
            self._shown.say(f"the validation loss did not fall {patience} times: enough")
        self._watch.lap("evaluate")
        last = looks[-1]
        assert last.loss is not None  # it was finite, or the run had ended
        return Measured(last.loss, last.bits_per_byte)

    # -- after the loop ----------------------------------------------------------------------------

    def _finish(
        self,
        trainer: Trainer,
        recipe: FinetuneRecipe,
        lesson: Lesson,
        gathered: Gathered,
        measured: Measured,
    ) -> FinetuneResult:
        """Save the best weights as a model, and the last ones if those are others; report."""
        mark, at = time.perf_counter(), trainer.at
        kept = self._best.kept
        assert kept is not None  # the last look was offered
        last = masters(trainer.optimizer.state())
        if kept.step != at.steps:
            self._shown.say(f"the best weights are those after step {kept.step}")
            save_learned(recipe, lesson.base, lesson.teacher, lesson.model, last, self.out / LAST)
        model = save_learned(
            recipe, lesson.base, lesson.teacher, lesson.model, self._best.load(), self.out
        )
        metrics = dict(lesson.teacher.metrics(model, lesson.taught))
        look = next(
            entry
            for entry in reversed(record.read(self.out))
            if entry.kind == "validation" and entry.step == kept.step
        )
        fill = lesson.taught.fill
        result = FinetuneResult(
            run=str(self.out),
            model=str(self.out / folder.MODEL),
            adapter=str(self.out / adapter_files.FOLDER) if is_lora(recipe, model) else None,
            parameters=count(model),
            learning=trainer.learning,
            steps=at.steps,
            best_step=kept.step,
            tokens=round(at.tokens * fill),
            epochs=at.steps * (trainer.config.batch_size or 1) / lesson.taught.rows_in(1),
            wall_s=at.elapsed_s + time.perf_counter() - mark,
            train_s=at.train_s,
            compile_s=self._watch.phases["compile"],
            tokens_per_s=at.tokens * fill / max(at.train_s, 1e-9),
            val_loss=kept.loss,
            val_bits_per_byte=look.bits_per_byte,
            last_val_loss=measured.loss,
            peak_rss_bytes=peak_rss_bytes(),
            metrics=metrics,
        )
        energy = self._meter.stop()
        energy = replace(energy, kwh=energy.kwh + at.energy_kwh)
        self._watch.phases["save"] = time.perf_counter() - mark
        write_reports(
            Told(
                out=self.out,
                result=result,
                recipe=recipe,
                gathered=gathered,
                tokens=lesson.taught.tokens,
                validation_tokens=lesson.taught.validation_tokens,
                tokenizer=("byte-level BPE", lesson.base.tokenizer.vocab_size),
                architecture=architecture_facts(
                    model.config, parameters=result.parameters, dtype=recipe.kernels.dtype
                ),
                method=_method(recipe),
                energy=energy,
                phases=self._watch.phases,
                forecast=read_json(self.out / folder.FORECAST),
                encoder=recipe.media.encoder or "",
            )
        )
        checkpoints.remove_all(self.out)
        self._best.remove()
        planning.finishing_took(
            time.perf_counter() - mark, result.parameters, task=recipe.finetune.task
        )
        return replace(result, wall_s=at.elapsed_s + time.perf_counter() - mark)


def _method(recipe: FinetuneRecipe) -> str:
    rank = f"LoRA of rank {recipe.lora.rank}, " if recipe.finetune.method == "lora" else ""
    return f"{rank}{recipe.training.matrices}, {recipe.kernels.dtype} with float32 masters"
