"""Summaries: sentences taken from a text, or written by a model, each with where it comes from.

::

    extractive    the sentences that say most (``tasks.extract``); needs no model, invents nothing
    abstractive   map: the parts of a text that fit the model, each made short
                  reduce: what came of them, made short again, until it is one text

Which one, where the user does not say: abstractive with a model that was taught to summarize, or
that is large enough to keep to its source; else extractive. Map and reduce over parts is the usual
way beyond a model's context (Wu et al. 2021, "Recursively Summarizing Books with Human Feedback").
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from autogpt.core.errors import UsageError
from autogpt.core.examples import Pair
from autogpt.tasks.abstract import Abstract
from autogpt.tasks.account import USAGE, Account
from autogpt.tasks.asking import Form, form_of
from autogpt.tasks.base import TEXT, Job, Progress, Task, Writer, telling
from autogpt.tasks.extract import extract
from autogpt.tasks.schema import object_schema
from autogpt.tasks.sentences import blocks_of
from autogpt.tasks.summary import (
    LENGTHS,
    STYLES,
    Style,
    Summary,
    joined,
    shortened,
    source_of,
    words_wanted,
)

__all__ = ["TASK", "Summarize", "invents"]

Method = Literal["auto", "extractive", "abstractive"]
METHODS: tuple[Method, ...] = ("auto", "extractive", "abstractive")

_SURE = 1_500_000_000
"""Weights from which a model that was not taught to summarize may write; below, sentences of the
text are its summary. A choice on the safe side, between the assistants of 0.1 to 0.8 billion
weights and those of 1.7 that the catalog recommends for summaries."""

_TAUGHT = {"": "Summarize the following text.\n\n{text}", "zh": "请概括下面的文本。\n\n{text}"}
_BARE = {"": "{text}"}  # a new model understands no words yet


def invents(model: Writer) -> bool:
    """Whether a model is known to write what its source does not say, so that it is not asked."""
    return form_of(model, "summarize") is None and (
        model.parameters < _SURE or not model.answers_messages
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Summarize:
    """The task.

    Attributes:
        length: "short", "medium", "long", or about so many words (of Chinese: characters). Unless
            it is a number, a summary is no longer than half its text.
        style: "paragraph", "bullets" or "headline".
        method: "extractive", "abstractive", or "auto" as above.
        seed: Of an abstractive one with a model that samples; None: always the likeliest words.
    """

    length: str | int = "medium"
    style: Style = "paragraph"
    method: Method = "auto"
    seed: int | None = None

    def __post_init__(self) -> None:
        """Check the settings.

        Raises:
            UsageError: If one is unknown or out of its range.
        """
        if self.style not in STYLES:
            raise UsageError(f"style = {self.style!r}, expected {', '.join(STYLES)}.")
        if self.method not in METHODS:
            raise UsageError(f"method = {self.method!r}, expected {', '.join(METHODS)}.")
        named = isinstance(self.length, str) and self.length in LENGTHS
        counted = isinstance(self.length, int) and 1 <= self.length <= 10_000
        if not named and not counted:
            raise UsageError(
                f"length = {self.length!r}, expected {', '.join(LENGTHS)} or a number of words "
                "from 1 to 10000."
            )

    def run(
        self, model: object | None, texts: Sequence[str], progress: Progress | None = None
    ) -> Iterator[Summary]:
        """Yield the summary of each text, in order.

        Raises:
            UsageError: If a model is to write and cannot.
        """
        if self._writes(model):
            assert isinstance(model, Writer)
            writer = Abstract(
                model, length=self.length, style=self.style, seed=self.seed, progress=progress
            )
            return writer.run(texts)
        return telling((self._extracted(text) for text in texts), len(texts), progress)

    def _writes(self, model: object | None) -> bool:
        """Whether the model is to write the summary."""
        if self.method == "extractive" or (model is None and self.method == "auto"):
            return False
        if not isinstance(model, Writer):
            raise UsageError(
                "An abstractive summary needs a model that writes."
                if model is None
                else f"{model!r} cannot write a summary.",
                hint="Name one that writes, or take the extractive method, which needs none.",
            )
        return self.method == "abstractive" or not invents(model)

    def _extracted(self, text: str) -> Summary:
        account = Account()
        source = source_of(text)
        if self.style == "headline":
            rows = self._headline(text)
        else:
            spans = extract(text, words_wanted(text, self.length, self.style))
            rows = [" ".join(text[one.start : one.end].split()) for one in spans]
        return Summary(
            text=joined(rows, self.style),
            method="extractive",
            evidence=tuple(source.support(row) for row in rows),
            usage=account.usage,
            timing=account.timing(),
        )

    def _headline(self, text: str) -> list[str]:
        """Return the title of a text, else its best sentence, shortened."""
        first = next(iter(blocks_of(text)), None)
        if first is not None and first.kind == "heading":
            return [text[first.start : first.end]]
        found = extract(text, 1, most=1)
        limits = {} if isinstance(self.length, str) else _limits(self.length)
        return [shortened(text[one.start : one.end], **limits) for one in found]


def _limits(length: int) -> dict[str, int]:
    return {"words": length, "characters": length}


def _teach(pairs: Sequence[Pair], *, new: bool) -> Form:
    del pairs
    return Form(task="summarize", prompts=_BARE if new else _TAUGHT)


def _prepare(
    *,
    length: str | int = "medium",
    style: Style = "paragraph",
    method: Method = "auto",
    seed: int | None = None,
) -> Job:
    return Summarize(length=length, style=style, method=method, seed=seed)


TASK = Task(
    name="summarize",
    about="Make a text short; every sentence points to where the text says it.",
    about_zh="概括文本；每句话都指明原文出处。",
    input=TEXT,
    parameters=object_schema(
        length={
            "oneOf": [
                {"type": "string", "enum": list(LENGTHS)},
                {"type": "integer", "minimum": 1, "maximum": 10000},
            ],
            "default": "medium",
            "description": "short, medium, long, or about so many words (Chinese: characters).",
            "description_zh": "short（短）、medium（中）、long（长），或大致的字数（英文为词数）。",
        },
        style={
            "type": "string",
            "enum": list(STYLES),
            "default": "paragraph",
            "description": "A paragraph, a list of points, or one headline.",
            "description_zh": "段落、要点列表或一个标题。",
        },
        method={
            "type": "string",
            "enum": list(METHODS),
            "default": "auto",
            "description": "extractive takes sentences from the text and invents nothing; "
            "abstractive lets the model write; auto lets only models write that were taught to, or "
            "are large.",
            "description_zh": "extractive：摘取原句，不会编造；abstractive：由模型撰写；"
            "auto：仅让受过训练或足够大的模型撰写。",
        },
        seed={
            "type": "integer",
            "description": "Let the model sample with this seed, in place of its likeliest words.",
            "description_zh": "让模型以此随机种子采样，而不是总取最可能的词。",
        },
    ),
    result=object_schema(
        *("text", "method", "evidence", "usage", "timing"),
        text={"type": "string"},
        method={"type": "string", "enum": ["extractive", "abstractive"]},
        evidence={
            "type": "array",
            "items": object_schema(
                *("sentence", "start", "end", "supported"),
                sentence={"type": "string"},
                start={"oneOf": [{"type": "integer"}, {"type": "null"}]},
                end={"oneOf": [{"type": "integer"}, {"type": "null"}]},
                supported={"type": "boolean"},
                missing={
                    "type": "array",
                    "items": object_schema(
                        *("kind", "text", "start", "end"),
                        kind={"type": "string", "enum": ["number", "name", "address"]},
                        text={"type": "string"},
                        start={"type": "integer"},
                        end={"type": "integer"},
                    ),
                },
            ),
        },
        usage=USAGE,
        timing={"type": "object"},
    ),
    needs="none",
    prepare=_prepare,
    teach=_teach,
)
