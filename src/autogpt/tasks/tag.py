"""Tagging: the entities of a text, with type, place and score.

Done by a trained head (``llm.tagger``). As a task for a model that writes, it is taught as a list
of the entities in JSON.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from autogpt.core.errors import UsageError
from autogpt.core.examples import Entity, Example, Tagged
from autogpt.core.messages import Message, assistant, user
from autogpt.tasks.account import READING, read_fields
from autogpt.tasks.base import TEXT, Progress, Task, telling
from autogpt.tasks.schema import object_schema

__all__ = ["TASK", "EntityFinder", "Tag", "Tagging"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Tagging:
    """A text and its entities, in order and without overlap.

    Attributes:
        text: The text.
        entities: Of the text.
        prompt_tokens: Tokens that the model read.
        wall_s: Seconds; of texts that were read together, its share.
    """

    text: str
    entities: tuple[Entity, ...]
    prompt_tokens: int = 0
    wall_s: float = 0.0

    def to_dict(self) -> dict[str, object]:
        """Return the fields of ``autogpt tag --json``."""
        found = [entity.to_dict() for entity in self.entities]
        return {"entities": found, **read_fields(self.prompt_tokens, self.wall_s)}


@runtime_checkable
class EntityFinder(Protocol):
    """What finds entities, as ``llm.Tagger``."""

    def tag(self, texts: str | Sequence[str]) -> object:
        """Return the entities of a text, or of each of several."""
        ...

    def run(self, texts: Sequence[str], *, threshold: float | None = None) -> Iterator[Tagging]:
        """Yield the entities of each text."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Tag:
    """The task.

    Attributes:
        threshold: Leave out entities that are less sure; None: what the model says.
    """

    threshold: float | None = None

    def run(
        self, model: object, texts: Sequence[str], progress: Progress | None = None
    ) -> Iterator[Tagging]:
        """Yield the entities of each text, in order.

        Raises:
            UsageError: If the model has no trained head.
        """
        if not isinstance(model, EntityFinder):
            raise UsageError(
                f"{model!r} has no trained tagging head, and what an untrained one said would be "
                "noise.",
                hint="Train one: autogpt finetune MODEL DATA --task tag.",
            )
        return telling(model.run(texts, threshold=self.threshold), len(texts), progress)

    def lesson(self, example: Example) -> Sequence[Message]:
        """Return the conversation that teaches an example.

        Raises:
            UsageError: If the example is not tagged.
        """
        if not isinstance(example, Tagged):
            raise UsageError(f"A tagged text was expected, not a {type(example).__name__}.")
        found = [{"type": entity.type, "text": entity.text} for entity in example.entities]
        asked = f"List the entities in this text as JSON.\n\n{example.text}"
        return (user(asked), assistant(json.dumps(found, ensure_ascii=False)))


TASK = Task(
    name="tag",
    about="Find the names and other entities in a text, with type, place and score.",
    about_zh="找出文本中的人名、地名等实体，给出类型、位置和得分。",
    input=TEXT,
    parameters=object_schema(
        threshold={
            "type": "number",
            "minimum": 0,
            "maximum": 1,
            "description": "Leave out entities that are less sure.",
            "description_zh": "略去得分低于此值的实体。",
        },
    ),
    result=object_schema(
        "entities",
        *READING,
        **READING,
        entities={
            "type": "array",
            "items": object_schema(
                *("type", "start", "end", "text", "score"),
                type={"type": "string"},
                start={"type": "integer"},
                end={"type": "integer"},
                text={"type": "string"},
                score={"type": "number"},
            ),
        },
    ),
    needs="trained",
    prepare=Tag,
)
