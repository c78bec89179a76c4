"""Classification: which label a text has; with any model that writes, by the likelihood of labels.

::

    Text: The boiler works again!
    Label: ____            log p(" good" | text) - log p(" good" | no text), likewise for "bad"

A language model prefers some labels whatever the text, for their frequency and their length. Both
are taken out by subtracting the log probability that a label has where the text says nothing: what
is left is how much the text speaks for the label, however common or long it is.

Source: Zhao et al. 2021, "Calibrate Before Use" (content-free inputs); Holtzman et al. 2021,
"Surface Form Competition" (the same difference, as pointwise mutual information). Trained heads
(``llm.classifier``) are asked in :class:`Trained`. Not here: from probabilities to an answer
(``tasks.classification``).
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from autogpt.core.errors import UsageError
from autogpt.core.examples import Example, Labeled
from autogpt.core.messages import Message, assistant, user
from autogpt.tasks.account import READING, shares
from autogpt.tasks.base import TEXT, Job, Likelihood, Progress, Scorer, Task, telling
from autogpt.tasks.classification import Classification, decide
from autogpt.tasks.language import is_chinese
from autogpt.tasks.schema import object_schema

__all__ = ["TASK", "Classify", "LabelJudge", "Trained"]

_BATCH = 64  # texts that are scored together


@dataclass(frozen=True, slots=True)
class _Words:
    """A prompt in one language."""

    text: str
    label: str
    feeling: str
    choose: str
    between: str  # stands between the prompt and a label
    separator: str
    nothing: tuple[str, ...]  # texts that say nothing


_ENGLISH = _Words(
    "Text", "Category", "Sentiment", "Which label fits the text: {}?", " ", ", ",
    ("N/A", "", "[MASK]"),
)  # fmt: skip
_CHINESE = _Words(
    "文本", "类别", "情感", "下面的文本属于哪一类：{}？", "", "、", ("无", "", "……")
)  # fmt: skip

# Labels of feelings are asked for as such, and spelled out: 0.78 instead of 0.69 of sentences right
# (docs/log.md).
_FEELINGS = {
    "pos": "positive",
    "neg": "negative",
    "neu": "neutral",
    **{word: word for word in ("positive", "negative", "neutral", "mixed")},
    **{word: word for word in ("正面", "负面", "中性", "积极", "消极", "好评", "差评", "中评")},
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Classify:
    """The task, for a model that writes.

    Attributes:
        labels: The labels.
        descriptions: What a label is called in the prompt, where its name says little, as in
            ``{"pos": "positive"}``.
        subject: What a label is of the text, as in "Topic" or "主题"; None: its sentiment where all
            labels are of that, else its category.
        examples: Texts with their labels, shown before each text.
        multi_label: Whether several labels, or none, may hold. Each is then judged by itself: from
            one half on, the text speaks for it.
        threshold: As in :func:`tasks.classification.decide`.
        top_k: As in :func:`tasks.classification.decide`.
        text_chars: Of longer texts the end is left out; the model sees no more anyway.
    """

    labels: tuple[str, ...]
    descriptions: Mapping[str, str] = field(default_factory=dict)
    subject: str | None = None
    examples: tuple[Labeled, ...] = ()
    multi_label: bool = False
    threshold: float | None = None
    top_k: int | None = None
    text_chars: int = 4000

    def __post_init__(self) -> None:
        """Check the labels.

        Raises:
            UsageError: If there are too few, one is empty or there twice, or a description is of
                none of them.
        """
        fewest = 1 if self.multi_label else 2
        if len(self.labels) < fewest or not all(map(str.strip, self.labels)):
            raise UsageError(
                f"The labels are {list(self.labels)}, expected {fewest} or more, none empty.",
                hint="Write them like --labels good,bad.",
            )
        if len(set(self.labels)) < len(self.labels):
            raise UsageError("A label is given twice.")
        known = {*self.labels}
        strange = {*self.descriptions, *(label for e in self.examples for label in e.labels)}
        if not strange <= known:
            raise UsageError(f"{min(strange - known)!r} is not one of the labels.")

    def run(
        self, model: object, texts: Sequence[str], progress: Progress | None = None
    ) -> Iterator[Classification]:
        """Yield the answer for each text, in order.

        Raises:
            UsageError: If the model has labels of its own, or cannot say how likely one is.
        """
        if isinstance(model, LabelJudge):
            raise UsageError(
                f"{model!r} has a trained head with labels of its own.", hint="Leave labels out."
            )
        if not isinstance(model, Scorer):
            raise UsageError(
                f"{model!r} cannot say how likely a label is.", hint="Name a model that writes."
            )
        return telling(self._run(model, texts), len(texts), progress)

    def _run(self, model: Scorer, texts: Sequence[str]) -> Iterator[Classification]:
        priors: dict[bool, list[float]] = {}
        for first in range(0, len(texts), _BATCH):
            begin = time.perf_counter()
            some = texts[first : first + _BATCH]
            chinese = [is_chinese(text) for text in some]
            for own_words in set(chinese) - set(priors):
                priors[own_words] = self._priors(model, chinese=own_words)
            found = self._ask(model, some, chinese)
            tokens = [row[0].prompt_tokens + sum(one.tokens for one in row) for row in found]
            seconds = shares(tokens, time.perf_counter() - begin)
            for place, (text, row) in enumerate(zip(some, found, strict=True)):
                usual = priors[chinese[place]]
                gained = [one.logprob - prior for one, prior in zip(row, usual, strict=True)]
                yield decide(
                    text,
                    dict(zip(self.labels, self._probabilities(gained), strict=True)),
                    threshold=self.threshold,
                    top_k=self.top_k,
                    multi_label=self.multi_label,
                    prompt_tokens=tokens[place],
                    wall_s=seconds[place],
                )

    def lesson(self, example: Example) -> Sequence[Message]:
        """Return the conversation that teaches an example.

        Raises:
            UsageError: If the example has no labels.
        """
        if not isinstance(example, Labeled):
            raise UsageError(f"A labeled text was expected, not a {type(example).__name__}.")
        words = _CHINESE if is_chinese(example.text) else _ENGLISH
        asked = words.choose.format(words.separator.join(map(self._called, self.labels)))
        answer = words.separator.join(map(self._called, example.labels))
        return (user(f"{asked}\n\n{example.text}"), assistant(answer))

    def _priors(self, model: Scorer, *, chinese: bool) -> list[float]:
        """Return the log probability that each label has where the text says nothing."""
        nothing = (_CHINESE if chinese else _ENGLISH).nothing
        rows = self._ask(model, nothing, [chinese] * len(nothing))
        return [
            math.log(sum(math.exp(max(one.logprob, -700.0)) for one in column) / len(column))
            for column in zip(*rows, strict=True)
        ]

    def _ask(
        self, model: Scorer, texts: Sequence[str], chinese: Sequence[bool]
    ) -> list[list[Likelihood]]:
        """Return how likely each label is after each text."""
        prompts = [
            self._prompt(text, chinese=own) for text, own in zip(texts, chinese, strict=True)
        ]
        options = [
            [self._continuation(label, chinese=own) for label in self.labels] for own in chinese
        ]
        return model.likelihoods(prompts, options)

    def _prompt(self, text: str, *, chinese: bool) -> str:
        words = _CHINESE if chinese else _ENGLISH
        mark = "：" if chinese else ": "
        subject = self.subject or (words.feeling if self._of_feelings else words.label)
        shown = [
            f"{words.text}{mark}{example.text}\n{subject}{mark.rstrip()}"
            + words.between
            + words.separator.join(map(self._called, example.labels))
            for example in self.examples
        ]
        asked = f"{words.text}{mark}{text[: self.text_chars]}\n{subject}{mark.rstrip()}"
        return "\n\n".join([*shown, asked])

    def _continuation(self, label: str, *, chinese: bool) -> str:
        return (_CHINESE if chinese else _ENGLISH).between + self._called(label)

    @property
    def _of_feelings(self) -> bool:
        return all(label.strip().lower() in _FEELINGS for label in self.labels)

    def _called(self, label: str) -> str:
        usual = _FEELINGS[label.strip().lower()] if self._of_feelings else label
        return self.descriptions.get(label, usual).strip()

    def _probabilities(self, gained: Sequence[float]) -> list[float]:
        """Return probabilities of what each label gained by the text, in nats."""
        if self.multi_label:
            return [1 / (1 + math.exp(-max(-700.0, own))) for own in gained]
        highest = max(gained)
        powers = [math.exp(own - highest) for own in gained]
        return [power / sum(powers) for power in powers]


@runtime_checkable
class LabelJudge(Protocol):
    """A model with a trained head, as ``llm.Classifier``."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Its labels."""
        ...

    def predict(self, texts: str | Sequence[str]) -> object:
        """Return the probability of each label."""
        ...

    def run(
        self, texts: Sequence[str], *, threshold: float | None = None, top_k: int | None = None
    ) -> Iterator[Classification]:
        """Yield the answer for each text, in order."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Trained:
    """The task, for a model with a trained head.

    Attributes:
        threshold: As in :func:`tasks.classification.decide`; None: what the model says.
        top_k: As in :func:`tasks.classification.decide`.
    """

    threshold: float | None = None
    top_k: int | None = None

    def run(
        self, model: object, texts: Sequence[str], progress: Progress | None = None
    ) -> Iterator[Classification]:
        """Yield the answer for each text, in order.

        Raises:
            UsageError: If the model has no trained head.
        """
        if not isinstance(model, LabelJudge):
            raise UsageError(
                f"{model!r} has no trained classification head, and what an untrained one said "
                "would be noise.",
                hint="Give labels to choose from, or train one: autogpt finetune MODEL DATA --task "
                "classify.",
            )
        answers = model.run(texts, threshold=self.threshold, top_k=self.top_k)
        return telling(answers, len(texts), progress)


def _prepare(
    *,
    labels: Sequence[str] | None = None,
    descriptions: Mapping[str, str] | None = None,
    subject: str | None = None,
    examples: Sequence[Mapping[str, str]] = (),
    multi_label: bool = False,
    threshold: float | None = None,
    top_k: int | None = None,
) -> Job:
    if labels is not None:
        return Classify(
            labels=tuple(labels),
            descriptions=descriptions or {},
            subject=subject,
            examples=tuple(Labeled(text=e["text"], labels=(e["label"],)) for e in examples),
            multi_label=multi_label,
            threshold=threshold,
            top_k=top_k,
        )
    if descriptions or subject or examples or multi_label:
        raise UsageError(
            "descriptions, subject, examples and multi_label go with labels.", hint="Give labels."
        )
    return Trained(threshold=threshold, top_k=top_k)


TASK = Task(
    name="classify",
    about="Say which label a text has, with the probability of each.",
    about_zh="判断文本属于哪个标签，并给出每个标签的概率。",
    input=TEXT,
    parameters=object_schema(
        labels={
            "type": "array",
            "items": {"type": "string"},
            "description": "Labels to choose from; leave out for a model with a trained head.",
            "description_zh": "候选标签；若模型带有训练好的分类头，则不填。",
        },
        descriptions={
            "type": "object",
            "additionalProperties": {"type": "string"},
            "description": "What a label is called in the prompt, where its name says little.",
            "description_zh": "标签在提示中的说法（当名称本身含义不明时）。",
        },
        subject={
            "type": "string",
            "description": 'What a label is of the text, as in "Topic".',
            "description_zh": "标签表示文本的哪一方面，例如“主题”。",
        },
        examples={
            "type": "array",
            "items": object_schema(
                "text", "label", text={"type": "string"}, label={"type": "string"}
            ),
            "description": "Texts with their labels, shown before each text.",
            "description_zh": "示例文本及其标签，置于每个文本之前。",
        },
        multi_label={
            "type": "boolean",
            "default": False,
            "description": "Whether several labels, or none, may hold.",
            "description_zh": "是否允许多个标签或没有标签。",
        },
        threshold={
            "type": "number",
            "minimum": 0,
            "maximum": 1,
            "description": "No label below this probability; of several, all from it on.",
            "description_zh": "低于此概率则不给标签；多标签时，不低于此概率的都算。",
        },
        top_k={
            "type": "integer",
            "minimum": 1,
            "description": "Show so many of the likeliest labels.",
            "description_zh": "只显示概率最高的若干个标签。",
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
    needs="default",
    prepare=_prepare,
)
