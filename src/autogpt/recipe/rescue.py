"""What a run does about a bad step outside the loop: say it, keep the batch, write it down.

::

    run/anomalies/step-00000120/
        batch.safetensors      the suspected micro-batch: inputs, targets and what else it has
        diagnosis.json         what went wrong, where, and the text
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import safetensors.torch
from torch import Tensor

from autogpt.core.files import open_atomic, write_json
from autogpt.core.progress import Progress
from autogpt.recipe import folder
from autogpt.recipe.settings import FinetuneRecipe, Recipe
from autogpt.tokenizer.bpe import Tokenizer
from autogpt.training.checkpoints import RunState
from autogpt.training.diagnosis import Diagnosis
from autogpt.training.saving import SharedSaver

__all__ = ["RunRescue"]

ANOMALIES = "anomalies"


class RunRescue:
    """The run folder's side of ``training.recovery``.

    Args:
        out: The run folder.
        recipe: Of the run.
        saver: Has the checkpoints.
        tokenizer: To show the text of a batch.
        shown: Tells the user.
    """

    def __init__(
        self,
        out: Path,
        recipe: Recipe | FinetuneRecipe,
        saver: SharedSaver,
        tokenizer: Tokenizer,
        shown: Progress,
    ) -> None:
        self._out, self._recipe, self._saver = out, recipe, saver
        self._tokenizer, self._shown = tokenizer, shown

    def say(self, line: str) -> None:
        """Tell the user."""
        self._shown.say(line)

    def last(self) -> tuple[RunState, Mapping[str, Tensor]]:
        """Return the newest checkpoint."""
        return self._saver.last()

    def keep(self, diagnosis: Diagnosis, *, step: int, reason: str) -> Path:
        """Save what is suspected, and return the folder."""
        rank = self._saver.layout.world.rank
        name = f"step-{step:08d}" + f"-rank-{rank}" * (rank > 0)
        where = self._out / ANOMALIES / name
        batch = diagnosis.batch
        parts = {name: getattr(batch, name) for name in batch.__dataclass_fields__}
        tensors = {name: part for name, part in parts.items() if isinstance(part, Tensor)}
        with open_atomic(where / "batch.safetensors") as file:
            file.write(safetensors.torch.save(tensors))
        facts = {
            "step": step,
            "reason": reason,
            "suspected": diagnosis.where,
            "micro_batch": diagnosis.part,
            "loss": diagnosis.loss if math.isfinite(diagnosis.loss) else None,
            "texts": [self._tokenizer.decode(row) for row in batch.inputs.tolist()],
        }
        write_json(where / "diagnosis.json", facts)
        return where

    def smaller(self, micro_batch_size: int) -> None:
        """Write down that micro-batches have fewer rows from now on."""
        training = replace(self._recipe.training, micro_batch_size=micro_batch_size)
        self._recipe = replace(self._recipe, training=training)
        if not self._saver.layout.world.leads:
            return
        folder.save_recipe(self._out, self._recipe)
        self._shown.say(
            f"Memory ran out: going on with {micro_batch_size} rows at once instead, and as many "
            "a step as before."
        )
