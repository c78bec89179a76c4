"""Tagging: the entities of a text, with type, place and score.

Done by a trained head (``llm.tagger``). As a task for a model that writes, it is taught as a list
of the entities in JSON.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from autogpt.core.errors import UsageError
from autogpt.core.examples import Entity, Example, Tagged
from autogpt.core.messages import Message, assistant, user

__all__ = ["EntityFinder", "Tag", "Tagging"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Tagging:
    """A text and its entities, in order and without overlap."""

    text: str
    entities: tuple[Entity, ...]

    def to_dict(self) -> dict[str, object]:
        """Return the fields of ``autogpt tag --json``."""
        return {"entities": [entity.to_dict() for entity in self.entities]}


class EntityFinder(Protocol):
    """What finds entities, as ``llm.Tagger``."""

    def run(self, texts: Sequence[str], *, threshold: float | None = None) -> Iterator[Tagging]:
        """Yield the entities of each text."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Tag:
    """The task.

    Attributes:
        threshold: Leave out entities that are less sure; None: what the model says.
        name: As in ``TASKS``.
    """

    threshold: float | None = None
    name: str = "tag"

    def run(self, model: EntityFinder, texts: Sequence[str]) -> Iterator[Tagging]:
        """Yield the entities of each text, in order."""
        return model.run(texts, threshold=self.threshold)

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
