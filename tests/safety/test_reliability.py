from __future__ import annotations

import math

import pytest

from autogpt.core.messages import TokenLogprob
from autogpt.safety.confidence import sentence_confidences
from autogpt.safety.consistency import agree


def entry(text: str | bytes, p: float) -> TokenLogprob:
    data = text if isinstance(text, bytes) else text.encode()
    return TokenLogprob(
        token=data.decode("utf-8", "replace"), token_bytes=data, logprob=math.log(p)
    )


def test_each_sentence_has_the_mean_of_its_own_tokens() -> None:
    text = "It is red. 它是红的。 Yes"
    han = "它是红的。".encode()
    tokens = [
        entry("It", 0.5), entry(" is", 0.5), entry(" red.", 0.5), entry(b" " + han[:4], 0.9),
        entry(han[4:], 0.4), entry(" Yes", 0.1),
    ]  # fmt: skip
    found = sentence_confidences(text, tokens)
    assert [text[each.start : each.end] for each in found] == ["It is red.", "它是红的。", "Yes"]
    assert [each.confidence for each in found] == pytest.approx([0.5, 0.6, 0.1])
    assert [each.least for each in found] == pytest.approx([0.5, 0.4, 0.1])


def test_masked_parts_have_no_tokens() -> None:
    found = sentence_confidences(
        "Ask [EMAIL]. It is red.", [entry("Ask ", 0.5), entry(" red.", 0.25)]
    )
    assert [each.confidence for each in found] == pytest.approx([0.5, 0.25])
    assert sentence_confidences("", []) == []


def test_the_answer_that_most_give() -> None:
    assert agree(["42", "17", "42.", "42"]).index == 0
    assert agree(["42", "17", "42.", "42"]).agreement == pytest.approx(2 / 3, abs=1e-4)
    assert agree(["是", "否", "是"]).agreement == 0.5
    assert agree(["only"]).agreement == 1.0


def test_the_text_that_is_most_like_the_others() -> None:
    texts = [
        "Penguins are birds of the south that live on fish and cannot fly at all.",
        "The boiler was repaired on Monday and the heating in the whole house works again.",
        "On Monday the boiler was repaired, and the heating of the house works again now.",
    ]
    found = agree(texts)
    assert found.index in (1, 2)
    assert 0.3 < found.agreement < 0.8
