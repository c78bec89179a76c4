"""The tasks as methods of a loaded model that writes; each is one file in ``tasks``.

What a task can do beyond these methods (many inputs, progress, plain values) is in its
``tasks.find_task(name).run``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import overload

from autogpt.core.examples import Labeled
from autogpt.tasks.base import Progress
from autogpt.tasks.classify import Classify
from autogpt.tasks.summarize import Method, Summarize
from autogpt.tasks.summary import Style, Summary

__all__ = ["TaskMethods"]


class TaskMethods:
    """What a model does beside writing on. Mixed into ``LLM``, which has what the tasks need."""

    @overload
    def classify(  # type: ignore[overload-overlap]  # a text is a sequence of texts too
        self,
        texts: str,
        labels: Sequence[str],
        *,
        descriptions: Mapping[str, str] | None = None,
        subject: str | None = None,
        examples: Sequence[Labeled] = (),
        multi_label: bool = False,
    ) -> dict[str, float]: ...
    @overload
    def classify(
        self,
        texts: Sequence[str],
        labels: Sequence[str],
        *,
        descriptions: Mapping[str, str] | None = None,
        subject: str | None = None,
        examples: Sequence[Labeled] = (),
        multi_label: bool = False,
    ) -> list[dict[str, float]]: ...
    def classify(
        self,
        texts: str | Sequence[str],
        labels: Sequence[str],
        *,
        descriptions: Mapping[str, str] | None = None,
        subject: str | None = None,
        examples: Sequence[Labeled] = (),
        multi_label: bool = False,
    ) -> dict[str, float] | list[dict[str, float]]:
        """Return the probability of each label, of a text or of each of several, without training.

        Args:
            texts: Any Unicode.
            labels: Two or more.
            descriptions: What labels are called in the prompt, where their names say little.
            subject: What a label is of the text, as in "Topic".
            examples: Texts with their labels, shown before each text.
            multi_label: Whether several labels, or none, may hold.

        Raises:
            UsageError: If the labels are too few, or one is there twice.
        """
        task = Classify(
            labels=tuple(labels),
            descriptions=descriptions or {},
            subject=subject,
            examples=tuple(examples),
            multi_label=multi_label,
        )
        answers = task.run(self, [texts] if isinstance(texts, str) else texts)
        found = [answer.probabilities for answer in answers]
        return found[0] if isinstance(texts, str) else found

    def summarize(
        self,
        text: str,
        *,
        length: str | int = "medium",
        style: Style = "paragraph",
        method: Method = "auto",
        seed: int | None = None,
        progress: Progress | None = None,
    ) -> Summary:
        """Return a text made short, and for each sentence where the text says it.

        Args:
            text: Of any length.
            length: "short", "medium", "long", or about so many words (of Chinese: characters).
            style: "paragraph", "bullets" or "headline".
            method: "extractive" takes sentences from the text and invents nothing; "abstractive"
                lets the model write; "auto" lets it write if it was taught to, or is large.
            seed: Let it sample; None: always the likeliest words.
            progress: Told how far it is.

        Raises:
            UsageError: If a setting is unknown or out of its range.
        """
        task = Summarize(length=length, style=style, method=method, seed=seed)
        return next(task.run(self, [text], progress))
