"""From the probabilities of labels to an answer: which hold, and what scripts are told.

Not here: where the probabilities come from (``tasks.classify``, ``llm.classifier``, ``llm.media``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from autogpt.core.errors import UsageError
from autogpt.tasks.account import read_fields

__all__ = ["Classification", "decide"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Classification:
    """A text's labels.

    Attributes:
        text: The text.
        label: The likeliest label; None where no label is likely enough.
        labels: All that hold, the likeliest first: one or none, unless there may be several.
        probabilities: Of the labels, the likeliest first.
        prompt_tokens: Tokens that the model read; of a picture or a sound, places.
        wall_s: Seconds; of inputs that were read together, its share.
    """

    text: str
    label: str | None
    labels: tuple[str, ...]
    probabilities: dict[str, float]
    prompt_tokens: int = 0
    wall_s: float = 0.0

    def to_dict(self) -> dict[str, object]:
        """Return the fields of ``autogpt classify --json``."""
        return {
            "label": self.label,
            "labels": list(self.labels),
            "probabilities": {name: round(p, 6) for name, p in self.probabilities.items()},
            **read_fields(self.prompt_tokens, self.wall_s),
        }


def decide(
    text: str,
    probabilities: Mapping[str, float],
    *,
    threshold: float | None = None,
    top_k: int | None = None,
    multi_label: bool = False,
    prompt_tokens: int = 0,
    wall_s: float = 0.0,
) -> Classification:
    """Return the answer that probabilities give.

    Args:
        text: The text.
        probabilities: Of all labels.
        threshold: Of one label a text: below it there is no answer; of several: from it on a label
            counts. None: always the likeliest, or 0.5.
        top_k: Keep so many of the likeliest labels.
        multi_label: Whether several labels, or none, may hold.
        prompt_tokens: As in :class:`Classification`.
        wall_s: Likewise.

    Raises:
        UsageError: If the threshold is no probability, or ``top_k`` is not positive.
    """
    if threshold is not None and not 0 <= threshold <= 1:
        raise UsageError(f"threshold = {threshold} must be from 0 to 1.")
    if top_k is not None and top_k < 1:
        raise UsageError(f"top_k = {top_k} must be at least 1.")
    ranked = sorted(probabilities.items(), key=lambda item: -item[1])
    if multi_label:
        limit = 0.5 if threshold is None else threshold
        chosen = tuple(label for label, p in ranked if p >= limit)
    else:
        chosen = tuple(label for label, p in ranked[:1] if p >= (threshold or 0.0))
    return Classification(
        text=text,
        label=chosen[0] if chosen else None,
        labels=chosen,
        probabilities=dict(ranked[:top_k]),
        prompt_tokens=prompt_tokens,
        wall_s=wall_s,
    )
