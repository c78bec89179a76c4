"""The baselines learn what can be learned, in English and Chinese, and no more."""

from __future__ import annotations

import pytest

from autogpt.core.errors import DataError
from autogpt.core.examples import Entity, Labeled, Pair, Tagged
from autogpt.evaluation.baselines.entities import FieldTagger
from autogpt.evaluation.baselines.folds import held_out
from autogpt.evaluation.baselines.labels import LinearClassifier, Majority, chosen_labels
from autogpt.evaluation.baselines.texts import Neighbor, first_sentence

THINGS = ["boiler", "kitchen tap", "front door", "lamp", "radiator", "window", "stove", "bell"]
东西 = ["锅炉", "水龙头", "大门", "台灯", "暖气", "窗户", "炉子", "门铃"]


def tickets() -> list[Labeled]:
    found = []
    for thing in THINGS:
        found += [
            Labeled(text=f"The {thing} is broken, please send someone", labels=("repair",)),
            Labeled(text=f"Thanks, the {thing} works perfectly now", labels=("praise",)),
            Labeled(text=f"How much does a new {thing} cost?", labels=("price",)),
        ]
    return found


def chinese_tickets() -> list[Labeled]:
    found = []
    for 物 in 东西:
        found += [
            Labeled(text=f"{物}坏了，请派人来修", labels=("维修",)),
            Labeled(text=f"谢谢，{物}现在很好用", labels=("表扬",)),
            Labeled(text=f"新的{物}多少钱？", labels=("价格",)),
        ]
    return found


@pytest.mark.parametrize("examples", [tickets(), chinese_tickets()], ids=["en", "zh"])
def test_the_linear_model_learns(examples: list[Labeled]):
    train, test = examples[:18], examples[18:]
    chances = LinearClassifier(train).predict([e.text for e in test])
    assert [chosen_labels(c, several=False) for c in chances] == [e.labels for e in test]
    assert all(sum(row.values()) == pytest.approx(1.0) for row in chances)


def test_several_labels():
    both = [
        Labeled(text=f"{a} and {b}", labels=tuple(sorted({a, b} - {"nothing"})))
        for a in ("red", "green", "nothing") for b in ("red", "green", "nothing")
    ] * 3  # fmt: skip
    model = LinearClassifier(both)
    red, none = model.predict(["red and nothing", "nothing and nothing"])
    assert chosen_labels(red, several=True) == ("red",)
    assert chosen_labels(none, several=True) == ()


def test_the_majority():
    examples = [Labeled(text="", labels=("a",))] * 3 + [Labeled(text="", labels=("b",))]
    assert Majority(examples).predict(["x", "y"]) == [{"a": 0.75, "b": 0.25}] * 2


def test_one_label_teaches_nothing():
    with pytest.raises(DataError, match="two labels"):
        LinearClassifier([Labeled(text="x", labels=("a",))] * 5)


def test_what_is_held_out_was_not_learned_from():
    def predict(known: list[int], asked: list[int]) -> list[bool]:
        assert len(known) + len(asked) == 23
        return [one in known for one in asked]

    assert held_out(list(range(23)), predict) == [False] * 23
    with pytest.raises(DataError, match="too few"):
        held_out([1, 2, 3], predict)


def test_strata_are_dealt_out_evenly():
    sizes = []

    def predict(known: list[str], asked: list[str]) -> list[str]:
        assert known
        sizes.append(asked.count("rare"))
        return list(asked)

    examples = ["common"] * 20 + ["rare"] * 5
    assert held_out(examples, predict, stratum=lambda label: label) == examples
    assert sizes == [1] * 5


def sentence(text: str, *names: tuple[str, str]) -> Tagged:
    return Tagged(
        text=text,
        entities=tuple(
            Entity(type=kind, start=text.index(name), end=text.index(name) + len(name), text=name)
            for kind, name in sorted(names, key=lambda pair: text.index(pair[1]))
        ),
    )


def english() -> list[Tagged]:
    people = ["Ada Young", "Tom Baker", "Jane Hill", "Max Stone", "Eva Brook", "Leo March"]
    towns = ["Bath", "York", "Leeds", "Dover", "Kendal", "Ripon"]
    return [
        sentence(f"Yesterday {person} lived in {town}.", ("PER", person), ("LOC", town))
        for person in people for town in towns
    ]  # fmt: skip


def chinese() -> list[Tagged]:
    return [
        sentence(f"昨天{人}住在{地}。", ("PER", 人), ("LOC", 地))
        for 人 in ("王小明", "李红", "张伟", "陈大文", "赵云", "孙丽")
        for 地 in ("北京", "上海", "厦门", "广州")
    ]  # fmt: skip


@pytest.mark.parametrize("examples", [english(), chinese()], ids=["en", "zh"])
def test_the_field_learns(examples: list[Tagged]):
    train, test = examples[: -len(examples) // 4], examples[-len(examples) // 4 :]
    found = FieldTagger(train).predict(test)
    assert [list(e) for e in found] == [list(e.entities) for e in test]


def test_the_field_without_entities_or_text():
    with pytest.raises(DataError, match="with entities"):
        FieldTagger([Tagged(text="nobody here", entities=())])
    tagger = FieldTagger(english())
    assert tagger.predict([Tagged(text="", entities=()), Tagged(text="!!", entities=())]) == [
        (),
        (),
    ]


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("It reads files. It is fast.", "It reads files."),
        ("Version 1.5 of e.g. this is out. Good.", "Version 1.5 of e.g. this is out."),
        ("今天很好。明天呢？", "今天很好。"),
        ("他说：“走吧！”然后走了。", "他说：“走吧！”"),
        ("No end", "No end"),
        ("A title\n\nThe text.", "A title"),
        ("", ""),
    ],
)
def test_first_sentence(text: str, first: str):
    assert first_sentence(text) == first


def test_the_neighbor_answers():
    known = [
        Pair(source="Where is the station?", target="车站在哪里？"),
        Pair(source="I like tea.", target="我喜欢茶。"),
    ]
    assert Neighbor(known).answer(["Where is the old station?", "I like green tea."]) == [
        "车站在哪里？",
        "我喜欢茶。",
    ]
    back = [Pair(source=p.target, target=p.source) for p in known]
    assert Neighbor(back).answer(["我也喜欢茶"]) == ["I like tea."]
