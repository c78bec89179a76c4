"""How each task is taught: examples to batches, an objective, and what is measured and saved.

``TEACHERS`` names the class that teaches a task. A teacher is made of a :class:`Classroom`; it is
asked, in this order, how long its examples are, for the model with whatever it puts around it, and
for what the training loop needs. Teachers are in ``lesson_teaching``, ``preference_teaching``,
``class_teaching``, ``tag_teaching`` and ``media_teaching``. Not here: the run (``finetune``),
examples (``data.examples``).
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from autogpt.core.errors import UsageError
from autogpt.core.examples import Example
from autogpt.core.progress import Progress
from autogpt.data.batches import BatchSource, Learnable
from autogpt.models.gpt import GPT
from autogpt.models.trainable import Trainable
from autogpt.recipe.settings import FinetuneRecipe
from autogpt.tokenizer.bpe import Tokenizer
from autogpt.tokenizer.lessons import Lesson
from autogpt.training.objective import Objective

__all__ = ["TEACHERS", "Classroom", "Taught", "Teacher", "find_teacher"]

TEACHERS: dict[str, str] = {
    "text": "autogpt.recipe.lesson_teaching:LessonTeacher",
    "chat": "autogpt.recipe.lesson_teaching:LessonTeacher",
    "summarize": "autogpt.recipe.lesson_teaching:LessonTeacher",
    "translate": "autogpt.recipe.lesson_teaching:LessonTeacher",
    "classify": "autogpt.recipe.class_teaching:ClassTeacher",
    "tag": "autogpt.recipe.tag_teaching:TagTeacher",
    "preference": "autogpt.recipe.preference_teaching:PreferenceTeacher",
    "recognize": "autogpt.recipe.media_teaching:RecognizeTeacher",
    "transcribe": "autogpt.recipe.media_teaching:TranscribeTeacher",
}
"""Name of a task -> dotted path of its :class:`Teacher`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Classroom:
    """What a teacher is given.

    Attributes:
        recipe: Of the run.
        tokenizer: Of the model.
        train: Examples to learn from.
        validation: Examples to measure with.
        room: A folder of the run for what must be kept until it is finished.
        shown: Shows how far long preparations are.
    """

    recipe: FinetuneRecipe
    tokenizer: Tokenizer
    train: Sequence[Example]
    validation: Sequence[Example]
    room: Path
    shown: Progress


@dataclass(frozen=True, kw_only=True, slots=True)
class Taught:
    """What the training loop and the report need of a task.

    Attributes:
        batches: Micro-batches of one row; ``dataclasses.replace`` gives larger ones.
        rows_in: Returns the rows of so many epochs.
        validation: Returns the validation examples in batches, each time from the first.
        objective: Of a micro-batch.
        fill: Share of the places in rows that hold a token.
        tokens: Of training in an epoch.
        validation_tokens: Of validation.
        learned_bytes: Bytes of text that a look at the validation examples scores; None where the
            loss is not one of text.
        fingerprint: Changes with the examples.
        same_shapes: Whether all micro-batches have one shape, so that compiling pays.
    """

    batches: BatchSource
    rows_in: Callable[[int], int]
    validation: Callable[[], Iterator[Learnable]]
    objective: Objective
    fill: float
    tokens: int
    validation_tokens: int
    learned_bytes: int | None
    fingerprint: str
    same_shapes: bool = True


class Teacher(Protocol):
    """Teaches one task; made of a :class:`Classroom`."""

    @property
    def longest(self) -> int:
        """Tokens of the longest example, for the context length."""
        ...

    def shown(self, count: int) -> Sequence[Lesson | Example]:
        """Return the first examples for the preview."""
        ...

    def model(self, gpt: GPT) -> Trainable:
        """Return what is trained: the model, or one of its weights with a head."""
        ...

    def teach(self, model: Trainable, *, context_length: int) -> Taught:
        """Return what the loop needs; ``model`` is as it is before its first step.

        Raises:
            DataError: If there is nothing to learn.
        """
        ...

    def metrics(self, model: Trainable, taught: Taught) -> Mapping[str, float]:
        """Return further figures of the finished model on the validation examples."""
        ...

    def save(self, model: Trainable, folder: Path) -> None:
        """Write the finished model, in fp32."""
        ...


def find_teacher(task: str) -> Callable[[Classroom], Teacher]:
    """Return the class that teaches a task.

    Raises:
        UsageError: If there is none.
    """
    if task not in TEACHERS:
        raise UsageError(
            f"There is no task {task!r} to fine-tune for.", hint=f"Tasks: {', '.join(TEACHERS)}."
        )
    module, _, name = TEACHERS[task].partition(":")
    found: Callable[[Classroom], Teacher] = getattr(importlib.import_module(module), name)
    return found
