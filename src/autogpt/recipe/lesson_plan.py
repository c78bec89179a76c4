"""What is decided before a fine-tuning run learns: base, lessons, batches, kernels, a forecast.

Not here: the run (``finetune``), how a task is taught (``teaching``).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch

from autogpt.core.errors import RunError
from autogpt.core.files import read_json, write_json
from autogpt.core.progress import Progress
from autogpt.core.units import format_count
from autogpt.models.trainable import Trainable
from autogpt.recipe import folder, forecast, planning
from autogpt.recipe.base_model import NEW, BaseModel, new_model, new_tokenizer, open_base
from autogpt.recipe.gathering import SHOWN, Gathered
from autogpt.recipe.learner import count, learner, with_layers
from autogpt.recipe.rescue import RunRescue
from autogpt.recipe.result import peak_rss_bytes
from autogpt.recipe.settings import HEADS, FinetuneRecipe
from autogpt.recipe.stopwatch import Stopwatch
from autogpt.recipe.teaching import Classroom, Taught, Teacher, find_teacher
from autogpt.training import kernels
from autogpt.training.saving import SharedSaver
from autogpt.training.trainer import Trainer

__all__ = ["Lesson", "LessonPlan", "seconds_of_a_look"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Lesson:
    """Who is taught what by whom."""

    base: BaseModel
    teacher: Teacher
    taught: Taught
    model: Trainable


class LessonPlan:
    """Decides what a recipe leaves open, in this order: ``prepare``, ``trainer``, ``decided``.

    Args:
        out: The run folder, claimed.
        shown: Shows what happens.
        watch: Of the run.
        resume: Whether the run goes on, with everything decided already.
    """

    def __init__(self, out: Path, shown: Progress, watch: Stopwatch, *, resume: bool) -> None:
        self.out, self._shown, self._watch, self._resume = out, shown, watch, resume

    def prepare(self, recipe: FinetuneRecipe, gathered: Gathered) -> tuple[FinetuneRecipe, Lesson]:
        """Read the base, turn examples into lessons, and put adapters or a head where they go."""
        is_new = recipe.finetune.base == NEW
        opened = None if is_new else open_base(recipe.finetune.base)
        texts = gathered.texts if is_new else []
        tokenizer = opened.tokenizer if opened else new_tokenizer(texts, recipe, self.out)
        room = self.out / folder.DATA
        room.mkdir(parents=True, exist_ok=True)
        teacher = find_teacher(recipe.finetune.task)(
            Classroom(
                recipe=recipe,
                tokenizer=tokenizer,
                train=gathered.train,
                validation=gathered.validation,
                room=room,
                shown=self._shown,
            )
        )
        if not self._resume:
            gathered.tell(teacher.shown(SHOWN), tokenizer, self._shown)
        limit = opened.config.max_position_embeddings if opened else None
        recipe = forecast.with_context(recipe, longest=teacher.longest, limit=limit)
        self._watch.lap("read examples")
        base = opened
        if base is None:
            base, recipe = new_model(texts, tokenizer, recipe, before_s=self._watch.passed)
        if not self._resume:
            recipe = forecast.with_kernels(recipe, base.config)
        self._watch.lap("plan")
        torch.manual_seed(recipe.seed)
        model = learner(recipe, base, teacher)
        recipe = with_layers(recipe, model)
        self._watch.lap("load")
        length = recipe.finetune.context_length
        assert length is not None  # decided above
        taught = teacher.teach(model, context_length=length)
        self._check_examples(taught, gathered)
        self._watch.lap("prepare lessons")
        return recipe, Lesson(base=base, teacher=teacher, taught=taught, model=model)

    def _check_examples(self, taught: Taught, gathered: Gathered) -> None:
        """Keep what the examples are, or compare it.

        Raises:
            RunError: If a run is resumed on others.
        """
        path = self.out / folder.EXAMPLES
        if not self._resume or not path.is_file():
            write_json(path, {**gathered.to_dict(), "fingerprint": taught.fingerprint})
        elif read_json(path).get("fingerprint") != taught.fingerprint:
            raise RunError(
                f"The run in {str(self.out)!r} was begun on other examples.",
                hint="Give the same, unchanged data, or train into another folder.",
            )

    def trainer(self, recipe: FinetuneRecipe, lesson: Lesson, saver: SharedSaver) -> Trainer:
        """Return who trains, with batches as large as suits the lessons."""
        taught, model = lesson.taught, lesson.model
        row_tokens = taught.batches.context_length
        training = forecast.with_batches(
            recipe.training,
            tokens=taught.tokens,
            row_tokens=row_tokens,
            texts=taught.rows_in(1) if recipe.finetune.task in HEADS else None,
        )
        batches = replace(taught.batches, batch_size=training.micro_batch_size)
        use = kernels.obeyed(recipe.kernels)
        rescue = RunRescue(self.out, recipe, saver, lesson.base.tokenizer, self._shown)
        trainer = Trainer(model, batches, training, use, objective=taught.objective, rescue=rescue)
        saver.tensors = trainer.optimizer.state()
        return trainer

    def decided(self, recipe: FinetuneRecipe, lesson: Lesson, trainer: Trainer) -> FinetuneRecipe:
        """Measure a step, decide the rest, say and keep what is expected."""
        warmth = trainer.warm_up()
        if self._resume:
            self._watch.phases["compile"] = warmth.compile_s
            return replace(recipe, training=trainer.config)
        look_s = seconds_of_a_look(trainer, lesson.taught)
        trainer.config = forecast.with_looks(trainer.config, look_s=look_s)
        expected = self._forecast(recipe, lesson, trainer)
        left_s = expected.steps * expected.step_s
        if lesson.taught.same_shapes:
            faster = forecast.with_kernels(recipe, lesson.base.config, budget_s=left_s)
            if faster.kernels.compile == "on" and not trainer.kernels.compiled:
                trainer.compute_with(kernels.obeyed(faster.kernels))
                recipe = faster
                warmth = trainer.warm_up()
                expected = self._forecast(recipe, lesson, trainer)
        self._watch.phases["compile"] = warmth.compile_s
        if not expected.by_clock and trainer.config.max_steps is None:
            trainer.config = replace(trainer.config, enough_steps=expected.steps)
        recipe = replace(recipe, training=trainer.config)
        folder.save_recipe(self.out, recipe)
        write_json(self.out / folder.FORECAST, expected.to_dict())
        learning = trainer.learning
        self._shown.say(
            f"{recipe.finetune.method}: {format_count(learning)} of "
            f"{format_count(count(lesson.model))} weights learn in {trainer.kernels.dtype}"
            f"{', compiled' if trainer.kernels.compiled else ''}"
        )
        self._shown.say(str(expected))
        return recipe

    def _forecast(
        self, recipe: FinetuneRecipe, lesson: Lesson, trainer: Trainer
    ) -> forecast.Forecast:
        assert trainer.warmth is not None  # measured before
        return forecast.forecast(
            trainer.config,
            rows=lesson.taught.rows_in(1),
            epochs=forecast.epochs_of(
                replace(recipe, training=trainer.config), rows=lesson.taught.rows_in(1)
            ),
            part_s=trainer.warmth.part_s,
            before_s=self._watch.passed,
            after_s=planning.finishing_s(count(lesson.model), task=recipe.finetune.task),
            look_s=seconds_of_a_look(trainer, lesson.taught),
            learning=trainer.learning,
            peak_bytes=peak_rss_bytes(),
        )


def seconds_of_a_look(trainer: Trainer, taught: Taught) -> float:
    """Return about how long the validation examples take: a third of as many to learn from."""
    assert trainer.warmth is not None  # measured before
    places = taught.validation_tokens / max(taught.fill, 0.01)
    return trainer.warmth.part_s / 3 * places / trainer.tokens_per_part
