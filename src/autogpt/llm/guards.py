"""Models as further judges of the rails: one that was trained here, or a guard that others publish.

::

    guard = as_guard(autogpt.load("runs/toxic", policy=None), categories={"toxic": "hate"})
    guard = as_guard(autogpt.load("hf:meta-llama/Llama-Guard-3-1B", policy=None))
    gpt = autogpt.load("runs/mine", guards=[guard])

A classification head gives each label's probability. A model that writes is asked in its own chat
template and answers ``safe`` or ``unsafe`` with codes (Llama Guard, Inan et al. 2023), ``Yes`` or
``No`` (Granite Guardian, Padhi et al. 2024), or ``Safety: Unsafe`` with names (Qwen3Guard, 2025).
An answer that is none of these is an error, and the rails refuse.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from autogpt.core.errors import UsageError
from autogpt.core.messages import user
from autogpt.llm.classifier import Classifier
from autogpt.llm.model import LLM
from autogpt.safety.rails import Guard

__all__ = ["ClassifierGuard", "WritingGuard", "as_guard", "read_verdict"]

_CHARS = 8000  # of a text that a guard reads at once; the rest is read after it


def as_guard(model: LLM | Classifier, *, categories: Mapping[str, str] | None = None) -> Guard:
    """Return a judge for ``load(..., guards=[...])``.

    Args:
        model: With a classification head, or a guard that writes. Load it with ``policy=None``.
        categories: The rails' category of each label that counts, as in ``{"toxic": "hate"}``;
            needed for a classification head.

    Raises:
        UsageError: If a classification head is given without categories.
    """
    if isinstance(model, Classifier):
        if not categories:
            raise UsageError(
                "A guard with labels of its own needs to know what they mean.",
                hint='Give categories, as in {"toxic": "hate"}.',
            )
        return ClassifierGuard(model, categories)
    return WritingGuard(model, categories or {})


@dataclass(frozen=True)
class ClassifierGuard:
    """A classification head as a judge.

    Attributes:
        classifier: The model.
        categories: The rails' category of each label that counts.
    """

    classifier: Classifier
    categories: Mapping[str, str]

    def scores(self, text: str) -> dict[str, float]:
        """Return the highest probability of each category over the parts of the text."""
        found = dict.fromkeys(self.categories.values(), 0.0)
        for answer in self.classifier.run(_parts(text)):
            for label, category in self.categories.items():
                found[category] = max(found[category], answer.probabilities[label])
        return found


@dataclass(frozen=True)
class WritingGuard:
    """A model that writes its verdict.

    Attributes:
        model: The model.
        categories: The rails' category of each code or name; others become ``guard.NAME``.
    """

    model: LLM
    categories: Mapping[str, str] = field(default_factory=dict)

    def scores(self, text: str) -> dict[str, float]:
        """Return 1 for each category that the model names."""
        found: dict[str, float] = {}
        for part in _parts(text):
            answer = self.model.generate([user(part)], max_tokens=40, temperature=0.0).text
            for name in read_verdict(answer):
                found[self.categories.get(name, f"guard.{name}")] = 1.0
        return found


def read_verdict(answer: str) -> list[str]:
    """Return what a guard's answer names as unsafe: nothing if it is safe.

    Raises:
        ValueError: If the answer says neither.
    """
    lines = [line.strip() for line in answer.strip().splitlines() if line.strip()]
    first = lines[0].lower() if lines else ""
    named = re.search(r"safety:\s*(safe|unsafe|controversial)", answer, re.IGNORECASE)
    if named is not None:
        if named[1].lower() == "safe":
            return []
        listed = re.search(r"categories:\s*(.+)", answer, re.IGNORECASE)
        return _names(listed[1]) if listed else ["unsafe"]
    if first in ("safe", "no"):
        return []
    if first in ("unsafe", "yes"):
        return _names(lines[1]) if len(lines) > 1 and first == "unsafe" else ["unsafe"]
    raise ValueError("the guard's answer says neither safe nor unsafe")


def _names(text: str) -> list[str]:
    names = [re.sub(r"\W+", "_", name.strip()).strip("_") for name in text.split(",")]
    return [name for name in names if name] or ["unsafe"]


def _parts(text: str) -> list[str]:
    return [text[begin : begin + _CHARS] for begin in range(0, max(1, len(text)), _CHARS)]
