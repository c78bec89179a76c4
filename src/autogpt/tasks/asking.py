"""How a model is asked: with the words it was taught with, and else with ours.

A model that was fine-tuned for a task keeps the words of its lessons beside its weights, in
``task.json``; whoever runs it asks with exactly these. A model without a chat template reads the
question as text to continue.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

from autogpt.core.errors import CheckpointError
from autogpt.core.examples import Pair
from autogpt.core.messages import Message, Prompt, assistant, user
from autogpt.tasks.base import Writer
from autogpt.tasks.language import language_of

__all__ = ["FILE", "Form", "Taught", "answer_of", "form_of", "prompt_for"]

FILE = "task.json"
"""Beside the weights of a model that was taught a task."""

_FORMAT = 1
_THOUGHT = re.compile(r"\A\s*<think>.*?(?:</think>|\Z)", re.S)


@dataclass(frozen=True, kw_only=True, slots=True)
class Form:
    """The words in which a task is put to a model.

    Attributes:
        task: As in ``TASKS``.
        prompts: What is said, with ``{text}`` where the text goes; by the language it is for, or
            "" for every other.
        chosen_by: Whose language that is: the text's or its answer's.
        languages: What was taught: pairs of the language of a text and that of its answer.
    """

    task: str
    prompts: Mapping[str, str]
    chosen_by: Literal["text", "answer"] = "text"
    languages: tuple[tuple[str, str], ...] = ()

    def ask(self, text: str, language: str = "") -> str:
        """Return the question about a text."""
        prompt = self.prompts.get(language, self.prompts.get("", "{text}"))
        return prompt.replace("{text}", text)

    def lesson(self, example: Pair) -> Sequence[Message]:
        """Return the conversation that teaches an example; its last turn is what is learned."""
        language = language_of(example.source if self.chosen_by == "text" else example.target)
        return (user(self.ask(example.source, language)), assistant(example.target))

    def to_dict(self) -> dict[str, object]:
        """Return what ``task.json`` holds."""
        return {
            "format": _FORMAT,
            "task": self.task,
            "prompts": dict(self.prompts),
            "chosen_by": self.chosen_by,
            "languages": [list(pair) for pair in self.languages],
        }

    @classmethod
    def from_dict(cls, value: object, *, where: str) -> Form:
        """Return the form that ``task.json`` holds.

        Raises:
            CheckpointError: If it holds something else, or is of a newer version.
        """
        row: dict[str, Any] = value if isinstance(value, dict) else {}
        prompts, languages = row.get("prompts", {}), row.get("languages", [])
        fine = (
            isinstance(row.get("task"), str)
            and isinstance(row.get("format"), int)
            and row["format"] <= _FORMAT
            and "prompts" in row
            and isinstance(prompts, dict)
            and all(isinstance(item, str) for pair in prompts.items() for item in pair)
            and row.get("chosen_by", "text") in ("text", "answer")
            and isinstance(languages, list)
            and all(isinstance(pair, list) and len(pair) == 2 for pair in languages)
        )
        if not fine:
            raise CheckpointError(
                f"{where!r} does not say how a task is asked, or is of a newer AutoGPT.",
                hint="Update AutoGPT, or remove the file to ask in the usual words.",
            )
        pairs = tuple((str(one), str(other)) for one, other in languages)
        return cls(
            task=row["task"],
            prompts=prompts,
            chosen_by=row.get("chosen_by", "text"),
            languages=pairs,
        )


@runtime_checkable
class Taught(Protocol):
    """A model that may have been taught a task."""

    @property
    def form(self) -> Form | None:
        """How it was taught to be asked; None where it was not."""
        ...


def form_of(model: object, task: str) -> Form | None:
    """Return how a model was taught to be asked for this task; None where it was not."""
    form = model.form if isinstance(model, Taught) else None
    return form if form is not None and form.task == task else None


def answer_of(text: str) -> str:
    """Return what a model answered, without what it thought aloud before (as Qwen3 does)."""
    return _THOUGHT.sub("", text).strip()


def prompt_for(model: Writer, question: str) -> Prompt:
    """Return a question as the model takes it; without a template as ``finetune`` spells it."""
    return (user(question),) if model.answers_messages else f"{question}\n\n"
