"""Recognition: which label a picture or a sound has, by a model that was trained for it.

Not here: how it is done (``llm.media``, ``interop.vision``).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from autogpt.core.errors import UsageError
from autogpt.tasks.account import READING
from autogpt.tasks.base import Progress, Task, telling
from autogpt.tasks.classification import Classification
from autogpt.tasks.schema import Schema, object_schema

__all__ = ["TASK", "Recognize", "content_of", "media_schema"]


def media_schema(kind: str, kind_zh: str) -> Schema:
    """Return the schema of a file that is sent: no name of a file here, so none can be read."""
    return {
        "type": "string",
        "contentEncoding": "base64",
        "description": f"A {kind} as a data URI (data:...;base64,...) or in base64.",
        "description_zh": f"{kind_zh}，写成 data URI 或 base64。",
    }


def content_of(given: object) -> Path | bytes:
    """Return a file of this machine as it is, and what was sent as text decoded.

    Raises:
        UsageError: If it is neither a path, nor bytes, nor base64.
    """
    if isinstance(given, Path | bytes):
        return given
    text = str(given)
    try:
        return base64.b64decode(
            text.partition(",")[2] if text.startswith("data:") else text, validate=True
        )
    except (binascii.Error, ValueError) as error:
        raise UsageError(
            "What was sent is not in base64.",
            hint="Send a data URI: data:image/png;base64,...; in Python give a Path or bytes.",
        ) from error


@runtime_checkable
class Seer(Protocol):
    """What recognizes, as ``llm.Recognizer``."""

    labels: tuple[str, ...]

    def run(
        self,
        sources: Sequence[Path | bytes],
        *,
        top_k: int | None = None,
        threshold: float | None = None,
    ) -> Iterator[Classification]:
        """Yield the answer for each file."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Recognize:
    """The task.

    Attributes:
        labels: For a model that matches pictures with words; None: its own.
        top_k: Keep the probabilities of so many of the likeliest labels.
        threshold: Below this probability there is no answer.
    """

    labels: Sequence[str] | None = None
    top_k: int | None = None
    threshold: float | None = None

    def run(
        self, model: object, inputs: Sequence[object], progress: Progress | None = None
    ) -> Iterator[Classification]:
        """Yield the answer for each input: a path, the content of a file, or base64.

        Raises:
            UsageError: If the model does not recognize, or an input is none.
            DataError: If a file is broken.
        """
        if self.labels is not None:
            if not hasattr(model, "with_labels"):
                raise UsageError("This model has labels of its own.", hint="Leave labels out.")
            model = model.with_labels(self.labels)
        if not isinstance(model, Seer) or not hasattr(model, "medium"):
            raise UsageError(
                "This model was not trained to recognize.",
                hint="Train one: autogpt finetune new FOLDER --task recognize --out RUN.",
            )
        sources = [content_of(given) for given in inputs]
        answers = model.run(sources, top_k=self.top_k, threshold=self.threshold)
        yield from telling(answers, len(sources), progress)


TASK = Task(
    name="recognize",
    about="Say which label a picture, or a sound, has, with the probability of each.",
    about_zh="判断图片或声音属于哪个类别，并给出各类别的概率。",
    input=media_schema("picture or sound", "图片或声音"),
    parameters=object_schema(
        labels={
            "type": "array",
            "items": {"type": "string"},
            "minItems": 2,
            "description": "For a CLIP or SigLIP: the labels to choose among.",
            "description_zh": "供 CLIP 或 SigLIP 选择的类别。",
        },
        top_k={
            "type": "integer",
            "minimum": 1,
            "description": "Show so many of the likeliest labels.",
            "description_zh": "只显示概率最高的若干类别。",
        },
        threshold={
            "type": "number",
            "minimum": 0,
            "maximum": 1,
            "description": "No label below this probability.",
            "description_zh": "概率低于此值时不给出类别。",
        },
    ),
    result=object_schema(
        "label",
        "labels",
        "probabilities",
        *READING,
        label={"oneOf": [{"type": "string"}, {"type": "null"}]},
        labels={"type": "array", "items": {"type": "string"}},
        probabilities={"type": "object", "additionalProperties": {"type": "number"}},
        **READING,
    ),
    needs="trained",
    prepare=Recognize,
)
