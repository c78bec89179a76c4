"""The tasks as methods of a loaded model that writes; each is one file in ``tasks``.

What a task can do beyond these methods (many inputs, progress, plain values) is in its
``tasks.find_task(name).run``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Unpack, overload

from autogpt.core.examples import Labeled
from autogpt.inference.params import SamplingParams
from autogpt.inference.settings import Settings
from autogpt.tasks.base import Progress
from autogpt.tasks.chat import Chat
from autogpt.tasks.classify import Classify
from autogpt.tasks.summarize import Method, Summarize
from autogpt.tasks.summary import Style, Summary
from autogpt.tasks.translate import Translate, Translation

__all__ = ["TaskMethods"]


_CHAT: Settings = {
    "temperature": 0.2,
    "top_p": 0.9,
    "repetition_penalty": 1.1,
    "stop_loops": 4,
}
"""Of answers, where a model's files say nothing: temperature and top_p are those of SmolLM2's card
(2024), the others are held against the loops of small models."""


class TaskMethods:
    """What a model does beside writing on. Mixed into ``LLM``, which has what the tasks need."""

    defaults: SamplingParams

    @property
    def chat_settings(self) -> Settings:
        """Settings of answers to messages, where a call names none."""
        return _CHAT if self.defaults == SamplingParams() else {"stop_loops": 4}

    def chat(self, *, system: str | None = None, **settings: Unpack[Settings]) -> Chat:
        """Return a conversation, to which ``say`` and ``stream`` add.

        Args:
            system: How the model is to behave.
            settings: Of each answer, see ``inference.settings.Settings``.
        """
        return Chat(self, system=system, settings={**self.chat_settings, **settings})

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

    def translate(  # noqa: PLR0913 - each is spelled out for the user
        self,
        text: str,
        *,
        to: str,
        source: str | None = None,
        format: str = "text",  # noqa: A002 - as everywhere
        glossary: Mapping[str, str] | None = None,
        beams: int | None = None,
        context: int | None = None,
        seed: int | None = None,
        progress: Progress | None = None,
    ) -> Translation:
        """Return a text in another language; placeholders, markup, numbers and links are kept.

        Args:
            text: Of any length.
            to: Code of a language, as "zh".
            source: That of the text; None: told from each sentence.
            format: What the text is: "text" (plain or Markdown), "srt", "po" or "jsonl".
            glossary: Terms and what they become.
            beams: Texts followed at once; None: 4 with a model that was taught to translate.
            context: Sentences before that the model sees; None: 2, unless it was taught.
            seed: Let it sample; None: always the likeliest words.
            progress: Told how far it is.

        Raises:
            UsageError: If a language is unknown, the model was taught others, or a setting is out
                of its range.
            DataError: If the text is not of the format.
        """
        task = Translate(
            to=to,
            source=source,
            format=format,
            glossary=glossary or {},
            beams=beams,
            context=context,
            seed=seed,
        )
        return next(task.run(self, [text], progress))
