"""Summaries: what is taken from a text, what a model writes, and where each sentence is from."""

from __future__ import annotations

import json
from itertools import pairwise

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autogpt.core.errors import UsageError
from autogpt.core.examples import Pair
from autogpt.safety.grounding import Source
from autogpt.safety.words import denials_of, length_of
from autogpt.tasks import find_task
from autogpt.tasks.asking import Form
from autogpt.tasks.extract import extract
from autogpt.tasks.summarize import TASK, Summarize
from autogpt.tasks.summary import shortened, split_written
from tests.tasks.writers import StandIn

ENGLISH = """# The boiler of Mill Lane

The boiler in Mill Lane 7 broke on Monday, 3 March. Mrs. Ada Lovelace, who lives there, called the
Smith company at once. They did not come on Tuesday. The weather was fine.

A repair of the boiler took place on Thursday and cost 412 euros. The boiler had a broken valve, and
the Smith company replaced the valve of the boiler. Does anybody like cold water?

Since then the boiler works. Mrs. Lovelace is content with the repair of the boiler.
"""
CHINESE = """锅炉故障说明

三月三日星期一，磨坊巷七号的锅炉坏了。住在那里的李明立刻给维修公司打了电话。星期二没有人来。天气很好。

星期四，维修公司修理了锅炉，费用是412元。锅炉的阀门坏了，维修公司更换了锅炉的阀门。谁喜欢冷水呢？

从那以后，锅炉工作正常。李明对锅炉的修理很满意。
"""


@pytest.mark.parametrize("text", [ENGLISH, CHINESE])
@pytest.mark.parametrize("style", ["paragraph", "bullets", "headline"])
def test_what_is_extracted_is_in_the_text(text: str, style: str) -> None:
    row = next(TASK.run(None, [text], style=style, length="short"))
    jsonschema.validate(row, TASK.result)
    assert row["method"] == "extractive"
    assert row["text"]
    evidence = row["evidence"]
    assert isinstance(evidence, list)
    for one in evidence:
        assert one["supported"]
        assert 0 <= one["start"] < one["end"] <= len(text)
    if style == "paragraph":
        assert "锅炉" in str(row["text"]) or "boiler" in str(row["text"])
        assert length_of(str(row["text"])) < 0.7 * length_of(text)
        first = evidence[0]
        assert text[first["start"] : first["end"]].split() == first["sentence"].split()
    elif style == "bullets":
        assert all(line.startswith("- ") for line in str(row["text"]).splitlines())
    else:
        assert "\n" not in str(row["text"])


def test_a_title_is_the_headline() -> None:
    assert next(TASK.run(None, [ENGLISH], style="headline"))["text"] == "The boiler of Mill Lane"


def test_length_is_kept_and_order_too() -> None:
    for length in (10, 30, 60):
        found = extract(ENGLISH, length)
        assert found
        assert all(one.end <= other.start for one, other in pairwise(found))
        if length > 20:
            total = sum(length_of(ENGLISH[one.start : one.end]) for one in found)
            assert total <= length
    assert extract("", 10) == []
    assert next(TASK.run(None, ["  \n"]))["text"] == ""


def test_long_texts_are_ranked_in_parts() -> None:
    filler = " ".join(f"Number {n} of item {n * 7} is listed in row {n % 13}." for n in range(1200))
    text = f"{ENGLISH}\n\n{filler}"
    found = extract(text, 40)
    assert 0 < sum(length_of(text[one.start : one.end]) for one in found) <= 40


@given(st.text(max_size=300), st.integers(1, 50))
def test_whatever_the_text_the_summary_is_of_it(text: str, length: int) -> None:
    for one in extract(text, length):
        assert text[one.start : one.end].strip()


def test_evidence_is_found_and_what_is_added_is_not_supported() -> None:
    source = Source(ENGLISH)
    fine = source.support("The Smith company replaced a broken valve of the boiler.")
    assert fine.supported
    start, end = fine.spans[0]
    assert "valve" in ENGLISH[start:end]
    for invented in (
        "The repair of the boiler cost 512 euros.",
        "Mrs. Ada Byron called the Smith company.",
        "The city council discussed a new swimming pool.",
        "They came on Tuesday.",
        "The boiler does not work since then.",
    ):
        assert not source.support(invented).supported, invented
    zh = Source(CHINESE)
    assert zh.support("维修公司更换了阀门，费用412元。").supported
    for invented in ("修理费用是512元。", "星期二有人来。", "市政府讨论了新的游泳池。"):
        assert not zh.support(invented).supported, invented
    nothing = source.support("Penguins swim.")
    assert nothing.to_dicts() == [
        {"sentence": "Penguins swim.", "start": None, "end": None, "supported": False}
    ]


def test_denials() -> None:
    for text in ("He isn't here.", "Nobody came", "他不来", "没有人"):
        assert denials_of(text), text
    for text in ("He is here.", "他非常高兴", "不仅如此", "她知道"):
        assert not denials_of(text), text


# -- with a model ----------------------------------------------------------------------------------


def first_line(question: str) -> str:
    return question.split("\n\n")[-1].strip().split(". ")[0].rstrip(".") + "."


def test_who_writes() -> None:
    small = StandIn(first_line, parameters=135_000_000)
    assert next(TASK.run(small, [ENGLISH]))["method"] == "extractive"
    assert next(TASK.run(small, [ENGLISH], method="abstractive"))["method"] == "abstractive"
    large = StandIn(first_line)
    assert next(TASK.run(large, [ENGLISH]))["method"] == "abstractive"
    form = Form(task="summarize", prompts={"": "TL;DR {text}"})
    taught = StandIn(first_line, parameters=1000, answers_messages=False, form=form)
    assert next(TASK.run(taught, [ENGLISH]))["method"] == "abstractive"
    assert taught.asked[0].startswith("TL;DR # The boiler")
    assert taught.asked[0].endswith("\n\n")  # as finetune spells it without a template
    other = StandIn(first_line, parameters=1000, form=Form(task="chat", prompts={}))
    assert next(TASK.run(other, [ENGLISH]))["method"] == "extractive"


def test_a_long_text_is_mapped_and_reduced() -> None:
    text = "\n\n".join(
        f"## Part {n}\n\nMachine {n} was sold in town {n}. It was red. It made noise. " * 3
        for n in range(30)
    )
    model = StandIn(first_line, context_length=400)
    heard: list[float] = []
    task = find_task("summarize")
    rows = list(
        task.run(
            model, [text, ENGLISH], progress=lambda share, _: heard.append(share), style="bullets"
        )
    )
    assert len(rows) == 2
    assert len(model.asked) > 10
    assert max(model.batches) == 8
    assert heard == sorted(heard)
    assert heard[-1] == 1.0
    assert "main points" in model.asked[-1]
    usage = rows[0]["usage"]
    assert isinstance(usage, dict)
    assert usage["completion_tokens"] > 50
    assert all(one["supported"] for one in rows[0]["evidence"])  # type: ignore[attr-defined]
    json.dumps(rows)


def test_a_chinese_text_is_asked_about_in_chinese() -> None:
    model = StandIn(lambda _: "标题：锅炉修好了。费用是999元。")
    row = next(TASK.run(model, [CHINESE], method="abstractive", length=30))
    assert "概括" in model.asked[0]
    assert "30个字" in model.asked[0]
    assert row["text"] == "锅炉修好了。费用是999元。"
    assert [one["supported"] for one in row["evidence"]][-1] is False  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("said", "kept", "asked"),
    [
        (["The repair cost 412 euros."], "The repair cost 412 euros.", 1),
        (
            ["The repair cost 999 euros.", "The repair cost 412 euros."],
            "The repair cost 412 euros.",
            2,
        ),
        (
            [
                "Lovelace paid Ivan 999 euros.",
                "Ivan paid Boris 7 euros.",
                "The repair cost 7 euros.",
            ],
            "The repair cost 7 euros.",  # the least of what is left
            5,
        ),
        (["The repair cost 999 euros."], "The repair cost 999 euros.", 5),
    ],
)
def test_what_the_text_does_not_say_is_written_anew(said: list[str], kept: str, asked: int) -> None:
    model = StandIn(lambda _: said[min(len(model.batches), len(said)) - 1])
    row = next(TASK.run(model, [ENGLISH], method="abstractive"))
    assert row["text"] == kept
    assert len(model.batches) == asked
    seeds = [settings["seed"] for settings in model.settings]
    assert seeds == [None, 1, 2, 3, 4][:asked]
    usage = row["usage"]
    assert isinstance(usage, dict)
    assert usage["completion_tokens"] == 5 * asked  # all that was written


def test_only_what_invents_is_written_anew() -> None:
    model = StandIn(
        lambda question: "It cost 999 euros." if "boiler" in question else first_line(question)
    )
    rows = list(TASK.run(model, [ENGLISH, "The sun shone. It was warm."], method="abstractive"))
    assert model.batches == [2, 1, 1, 1, 1]
    assert rows[1]["text"] == "The sun shone."


def test_what_a_model_writes_is_read() -> None:
    assert split_written("Summary: One. Two is", ended=False) == ["One."]
    assert split_written("- one\n* two.\n3. three", ended=True) == ["one", "two.", "three"]
    assert split_written("", ended=True) == []
    assert shortened("However, the boiler (of 1990) works, since it was repaired.") == (
        "The boiler works, since it was repaired"
    )
    assert len(shortened("这是一个非常长的句子，" * 9)) <= 27
    assert len(shortened("word " * 40).split()) <= 14


def test_what_is_wrong_is_told() -> None:
    for wrong in ({"length": "huge"}, {"length": 0}, {"style": "poem"}, {"method": "magic"}):
        with pytest.raises(UsageError):
            TASK.run(None, ["x"], **wrong)
        with pytest.raises(UsageError):
            Summarize(**wrong)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="needs a model"):
        TASK.run(None, ["x"], method="abstractive")
    with pytest.raises(UsageError, match="cannot write"):
        TASK.run(object(), ["x"], method="abstractive")


def test_the_words_of_lessons_are_those_of_questions() -> None:
    assert TASK.teach is not None
    pairs = [Pair(source="A long text.", target="Short."), Pair(source="长文本。", target="短。")]
    form = TASK.teach(pairs, new=False)
    assert Form.from_dict(json.loads(json.dumps(form.to_dict())), where="x") == form
    model = StandIn(first_line, form=form)
    list(TASK.run(model, [pair.source for pair in pairs]))
    assert model.asked == [form.lesson(pair)[0].content for pair in pairs]
    assert form.lesson(pairs[1])[0].content.startswith("请概括")
    new = TASK.teach(pairs, new=True)
    assert [turn.content for turn in new.lesson(pairs[0])] == ["A long text.", "Short."]
