"""Labels by likelihood: what a label gained by the text counts, not how common it is."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest

from autogpt.core.errors import UsageError
from autogpt.core.examples import Labeled, Passage
from autogpt.core.messages import Prompt
from autogpt.tasks.base import Likelihood
from autogpt.tasks.classification import decide
from autogpt.tasks.classify import Classify
from autogpt.tasks.tag import Tag


class Believer:
    """Finds a label likely where the text names it, and the first one likely everywhere."""

    def __init__(self) -> None:
        self.prompts: list[str] = []

    def likelihoods(
        self, prompts: Sequence[Prompt], continuations: Sequence[Sequence[str]]
    ) -> list[list[Likelihood]]:
        rows = []
        for prompt, options in zip(prompts, continuations, strict=True):
            assert isinstance(prompt, str)
            self.prompts.append(prompt)
            rows.append(
                [
                    Likelihood(
                        logprob=(-1.0 if place == 0 else -4.0) + 2.0 * prompt.count(option.strip()),
                        tokens=1,
                        greedy=False,
                        prompt_tokens=7,
                    )
                    for place, option in enumerate(options)
                ]
            )
        return rows


def test_a_common_label_does_not_win_for_that() -> None:
    task = Classify(labels=("music", "天气"))
    texts = ["about music", "今天天气很好。", "music music", "nothing of them"]
    answers = list(task.run(Believer(), texts))
    assert [answer.label for answer in answers[:3]] == ["music", "天气", "music"]
    assert answers[3].probabilities == pytest.approx({"music": 0.5, "天气": 0.5})
    expected = 1 / (1 + math.exp(-2))
    assert answers[0].probabilities["music"] == pytest.approx(expected)
    assert sum(answers[2].probabilities.values()) == pytest.approx(1)
    assert set(answers[0].to_dict()) == {"label", "labels", "probabilities", "usage", "timing"}
    # A prompt of 7 tokens and two labels of one each; what it took is parted by them.
    assert {answer.prompt_tokens for answer in answers} == {9}
    assert len({answer.wall_s for answer in answers}) == 1
    assert answers[0].wall_s > 0


def test_prompts_are_in_the_language_of_the_text() -> None:
    model = Believer()
    list(Classify(labels=("a", "b")).run(model, ["An A.", "这是甲。"]))
    assert any("Category:" in prompt for prompt in model.prompts)
    assert any("类别：" in prompt for prompt in model.prompts)
    model = Believer()
    shown = Labeled(text="So bad.", labels=("neg",))
    list(Classify(labels=("neg", "pos"), examples=(shown,)).run(model, ["Hm."]))
    assert model.prompts[0].startswith("Text: So bad.\nSentiment: negative\n\n")
    described = Classify(labels=("x", "y"), descriptions={"x": "music"}, subject="Topic")
    model = Believer()
    found = list(described.run(model, ["about music"]))
    assert found[0].label == "x"
    assert model.prompts[-1].endswith("Topic:")


def test_several_labels_or_none() -> None:
    task = Classify(labels=("music", "sport", "news"), multi_label=True, threshold=0.8)
    answers = list(task.run(Believer(), ["music and sport", "nothing"]))
    assert set(answers[0].labels) == {"music", "sport"}
    assert answers[1].labels == ()
    assert answers[1].label is None


def test_an_unsure_answer_is_none() -> None:
    chances = {"a": 0.6, "b": 0.3, "c": 0.1}
    assert decide("", chances).label == "a"
    assert decide("", chances, threshold=0.7).label is None
    assert decide("", chances, top_k=2).probabilities == {"a": 0.6, "b": 0.3}
    for wrong in ({"threshold": 1.5}, {"top_k": 0}):
        with pytest.raises(UsageError):
            decide("", chances, **wrong)  # type: ignore[arg-type]


def test_wrong_labels_are_told() -> None:
    for labels in ((), ("one",), ("a", "a"), ("a", " ")):
        with pytest.raises(UsageError):
            Classify(labels=labels)
    with pytest.raises(UsageError, match="'c' is not one"):
        Classify(labels=("a", "b"), descriptions={"c": "x"})


def test_examples_become_lessons() -> None:
    turns = Classify(labels=("a", "b")).lesson(Labeled(text="T", labels=("b",)))
    assert [turn.role for turn in turns] == ["user", "assistant"]
    assert turns[1].content == "b"
    assert "a, b" in turns[0].content
    for task in (Classify(labels=("a", "b")), Tag()):
        with pytest.raises(UsageError):
            task.lesson(Passage(text="T"))
