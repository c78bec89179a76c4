from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autogpt.core.errors import ConfigError, DataError
from autogpt.core.examples import (
    Conversation,
    Entity,
    Example,
    Labeled,
    Pair,
    Passage,
    Preference,
    Tagged,
)
from autogpt.core.messages import assistant, user
from autogpt.data.checks import asked, check, contradictions, lengths, written
from autogpt.data.stratified import split_examples


def labeled(text: str, *labels: str) -> Labeled:
    return Labeled(text=text, labels=labels, place=f"{text}:{'+'.join(labels)}")


def test_copies_of_validation_leave_training() -> None:
    train = [labeled("好书", "pos"), labeled(" bad\n", "neg"), labeled("so", "neg")]
    kept, checks = check(train, [labeled("bad", "pos"), labeled("new", "mixed")])
    assert kept == [train[0], train[2]]
    assert (checks.copies, checks.examples, checks.unseen) == (1, 2, ("mixed",))
    assert "1 training examples ask what validation asks" in " ".join(checks.warnings())


def test_the_answer_does_not_make_a_copy() -> None:
    pairs = [Pair(source="狗", target="dog"), Pair(source="狗", target="hound")]
    talks = [Conversation(messages=(user("Hi"), assistant(answer))) for answer in ("Hello", "你好")]
    choices = [Preference(messages=(user("Hi"),), chosen=a, rejected=b) for a, b in ("xy", "yx")]
    examples: list[list[Example]] = [[*pairs], [*talks], [*choices]]
    for first, second in examples:
        assert asked(first) == asked(second)
    assert asked(Passage(text="a")) != asked(Passage(text="b"))
    assert written(choices[0]) == "Hi\nx"


def test_contradictions_are_named_with_their_places() -> None:
    found = contradictions(
        [labeled("贵", "pos"), labeled("ok", "pos"), labeled("贵", "neg"), labeled("ok", "pos")]
    )
    assert [(item.text, item.labels, item.places) for item in found] == [
        ("贵", ("pos", "neg"), ("贵:pos", "贵:neg"))
    ]
    london = Entity(type="LOC", start=0, end=6, text="London")
    tagged = [Tagged(text="London", entities=(london,)), Tagged(text="London", entities=())]
    assert [item.labels for item in contradictions(tagged)] == [("LOC 0-6", "none")]
    assert contradictions([labeled("a", "x", "y"), labeled("a", "y", "x")]) == []


def test_balance_lengths_and_repetition_are_reported() -> None:
    train = [labeled(f"text {n}", "often") for n in range(20)] + [labeled("rare 词", "seldom")] * 2
    _, checks = check(train, [], count_tokens=lambda text: len(text.split()), limit=1)
    said = " ".join(checks.warnings())
    assert checks.balance.counts == Counter(often=20, seldom=2)
    assert checks.repeated == 1
    for words in ("seldom (2)", "91% of the training", "1 training examples repeat", "22 examples"):
        assert words in said
    assert checks.to_dict()["longer"] == 22
    assert lengths(train, len, 6).longer == 10
    _, clean = check([labeled(f"{a}{n}", a) for a in "xy" for n in range(9)], [])
    assert clean.warnings() == []


_EXAMPLES = st.lists(
    st.builds(
        labeled,
        st.text(st.sampled_from("ab好 "), max_size=4),
        st.sampled_from(["x", "y", "类", "z"]),
    ),
    min_size=2,
    max_size=60,
)


@given(_EXAMPLES, st.floats(0.01, 0.99), st.integers(0, 5))
def test_a_split_is_stratified_complete_and_without_copies(
    examples: list[Labeled], fraction: float, seed: int
) -> None:
    texts = {example.text.strip() for example in examples}
    if len(texts) < 2:
        with pytest.raises(DataError, match="hold one out"):
            split_examples(examples, fraction=fraction, seed=seed)
        return
    train, validation = split_examples(examples, fraction=fraction, seed=seed)
    assert Counter(map(repr, train + validation)) == Counter(map(repr, examples))
    assert train
    assert validation
    assert not {e.text.strip() for e in train} & {e.text.strip() for e in validation}
    again = split_examples(examples[::-1], fraction=fraction, seed=seed)
    assert (again[0][::-1], again[1][::-1]) == (train, validation)


@given(st.lists(st.integers(1, 30), min_size=1, max_size=12), st.integers(0, 3))
def test_each_class_with_two_texts_is_on_both_sides(sizes: list[int], seed: int) -> None:
    examples = [labeled(f"{c}/{n}", str(c)) for c, size in enumerate(sizes) for n in range(size)]
    if len(examples) < 2:
        return
    train, validation = split_examples(examples, seed=seed)
    for name, size in enumerate(sizes):
        here = [sum(e.labels == (str(name),) for e in side) for side in (train, validation)]
        assert sum(here) == size
        assert size < 2 or min(here) > 0


def test_the_share_the_seed_and_the_most() -> None:
    examples = [labeled(f"文 {n}", "ab"[n % 2]) for n in range(1000)]
    _, validation = split_examples(examples, seed=1)
    assert Counter(e.labels for e in validation) == {("a",): 50, ("b",): 50}
    assert split_examples(examples, seed=2)[1] != validation
    assert len(split_examples(examples, fraction=0.5, most=20)[1]) == 20
    more = [*examples, *(labeled(f"new {n}", "c") for n in range(50))]
    assert [e for e in split_examples(more, seed=1)[1] if e.labels != ("c",)] == validation
    pairs = [Pair(source=f"{n}", target="x") for n in range(30)]
    assert [len(side) for side in split_examples(pairs)] == [27, 3]
    several = [labeled(f"m{n}", *("ab" if n < 4 else "a")) for n in range(40)]
    assert sum("b" in e.labels for e in split_examples(several)[1]) == 1
    with pytest.raises(ConfigError, match="fraction"):
        split_examples(examples, fraction=1.0)
