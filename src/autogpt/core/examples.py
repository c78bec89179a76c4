"""What a model is taught and measured with: examples of each kind, as plain values.

Readers make them (``data``), tasks turn them into prompts and answers (``tasks``), training and
evaluation consume them. ``place`` says where an example stands in its source, for messages.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from autogpt.core.messages import Message

__all__ = [
    "Conversation",
    "Entity",
    "Example",
    "Labeled",
    "Medium",
    "Observed",
    "Pair",
    "Passage",
    "Preference",
    "Tagged",
]


@dataclass(frozen=True, kw_only=True, slots=True)
class Passage:
    """A text to continue."""

    text: str
    place: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Conversation:
    """Turns, oldest first; the assistant's are what is learned."""

    messages: tuple[Message, ...]
    place: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Pair:
    """A text and what is to be made of it: its summary, its translation, its answer."""

    source: str
    target: str
    place: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Labeled:
    """A text and its labels: one, unless a text may have several or none."""

    text: str
    labels: tuple[str, ...]
    place: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Entity:
    """A span of text and its type.

    Attributes:
        type: As in "PER".
        start: First character.
        end: Behind the last character.
        text: What stands there.
        score: Probability that it is one, of that type; 1 in data.
    """

    type: str
    start: int
    end: int
    text: str
    score: float = 1.0

    def to_dict(self) -> dict[str, object]:
        """Return the fields of ``autogpt tag --json``."""
        return {
            "type": self.type,
            "start": self.start,
            "end": self.end,
            "text": self.text,
            "score": round(self.score, 4),
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Tagged:
    """A text and the entities in it, in order and without overlap.

    ``tokens`` are the spans of its words as (start, end), where the data say so.
    """

    text: str
    entities: tuple[Entity, ...]
    tokens: tuple[tuple[int, int], ...] = ()
    place: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Preference:
    """A conversation, an answer that people prefer, and one that they do not."""

    messages: tuple[Message, ...]
    chosen: str
    rejected: str
    place: str = ""


Medium = Literal["picture", "sound"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Observed:
    """A picture or a sound, and the text that belongs to it.

    Attributes:
        medium: Which of the two.
        source: Its file; of an array in a file, ``FILE.npz#ROW``.
        digest: Sha256 of its content: the same picture under two names is one.
        text: Its label, caption or transcript.
        is_label: Whether the text is one of a set of labels.
        place: Where it stands, for messages.
    """

    medium: Medium
    source: str
    digest: str
    text: str
    is_label: bool
    place: str = ""


Example = Passage | Conversation | Pair | Labeled | Tagged | Preference | Observed
