"""Looks at the validation split while a model learns from nothing, and the last of them.

At each the model is measured, it writes, and its weights are kept where none were better. The last
one says what the model is: where a text was being learned by heart, what it was before.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from autogpt.models.gpt import GPT
from autogpt.recipe.best import Best
from autogpt.recipe.live_samples import LiveSamples
from autogpt.recipe.prepare import Prepared
from autogpt.recipe.settings import Recipe
from autogpt.training.distributed import World
from autogpt.training.trainer import Measured, Trainer, evaluate

__all__ = ["Looks", "seconds_of_a_look"]


class Looks:
    """What is done at each look.

    Args:
        out: The run folder.
        trainer: Trains the model.
        prepared: With the validation split.
        recipe: Of the run.
        world: This process among those that train together; several share the weights, which then
            are neither kept nor written with.
        budget_s: Of the run; None where steps decide.
        say: Tells the user.
    """

    def __init__(
        self,
        out: Path,
        trainer: Trainer,
        prepared: Prepared,
        recipe: Recipe,
        *,
        world: World,
        budget_s: float | None,
        say: Callable[[str], None],
    ) -> None:
        self._trainer, self._prepared, self._say = trainer, prepared, say
        self._length = recipe.model.context_length
        alone = world.size == 1
        self._best = Best(out) if alone else None
        self._samples: LiveSamples | None = None
        if alone and world.device.type == "cpu":
            self._samples = LiveSamples(
                out, prepared, budget_s=budget_s, seed=recipe.seed, after_step=trainer.at.steps
            )

    def look(self, model: GPT) -> Measured:
        """Look at a model that goes on learning."""
        measured, trainer = self._measure(model), self._trainer
        self._write(model)
        # What is read again may be learned by heart.
        if self._best is not None and trainer.at.tokens > len(self._prepared.train.tokens):
            self._best.offer(trainer.at.steps, measured.loss, trainer.optimizer.state())
        return measured

    def last(self) -> Measured:
        """Finish the model, and measure it; it is what it was before it learned a text by heart."""
        model = self._trainer.finish()
        assert isinstance(model, GPT)  # as the pipeline built it
        measured = self._measure(model)
        kept = None if self._best is None else self._best.kept
        if self._best is not None and kept is not None and not kept.loss >= measured.loss:
            self._say(
                f"the text was being learned by heart: the weights after step {kept.step} are kept"
            )
            self._best.restore(model)
            measured = self._measure(model)
        self._write(model)
        return measured

    def _measure(self, model: GPT) -> Measured:
        return evaluate(
            model,
            self._prepared.validation,
            context_length=self._length,
            layout=self._trainer.layout,
        )

    def _write(self, model: GPT) -> None:
        if self._samples is not None:
            self._samples.look(model, self._trainer.at.steps)


def seconds_of_a_look(trainer: Trainer, prepared: Prepared) -> float:
    """Return about how long the validation split takes: a third of as many training tokens."""
    warmth = trainer.warmth or trainer.warm_up()
    return warmth.part_s / 3 * len(prepared.validation) / trainer.tokens_per_part
