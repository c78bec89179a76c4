from __future__ import annotations

import re

from autogpt.core.examples import Entity, Tagged
from autogpt.tasks.mentions import with_other_names

NAMES = {"PER": ("Ada Lovelace", "Bob", "张伟"), "LOC": ("Paris", "New York", "北京")}
FRAMES = ("{PER} lives in {LOC} now.", "In {LOC}, {PER} slept.", "{PER}住在{LOC}。")


def tagged(frame: str, **names: str) -> Tagged:
    text, entities = "", []
    for part in re.split(r"(\{\w+\})", frame):
        start, kind = len(text), part.strip("{}")
        text += names.get(kind, part)
        if kind in names:
            entities.append(Entity(type=kind, start=start, end=len(text), text=names[kind]))
    tokens = tuple((m.start(), m.end()) for m in re.finditer(r"\w+|[^\w\s]", text))
    return Tagged(text=text, entities=tuple(entities), tokens=tokens)


EXAMPLES = [
    tagged(frame, PER=person, LOC=place)
    for frame in FRAMES
    for person, place in zip(NAMES["PER"], NAMES["LOC"], strict=True)
]


def test_names_are_exchanged_for_others_of_their_type_and_nothing_else_is():
    copies = with_other_names(EXAMPLES, copies=3, seed=0)
    assert len(copies) > len(EXAMPLES)
    for copy in copies:
        bare = copy.text
        for entity in reversed(copy.entities):
            assert copy.text[entity.start : entity.end] == entity.text
            assert entity.text in NAMES[entity.type]
            bare = f"{bare[: entity.start]}{{{entity.type}}}{bare[entity.end :]}"
        assert bare in FRAMES
    assert {copy.text for copy in copies} - {example.text for example in EXAMPLES}


def test_tokens_go_with_their_words():
    words = {word for one in EXAMPLES for word in re.findall(r"\w+|[^\w\s]", one.text)}
    for copy in with_other_names(EXAMPLES[:6], copies=3, seed=1):
        spelled = [copy.text[start:end] for start, end in copy.tokens]
        assert set(spelled) <= words
        assert "".join(spelled) == copy.text.replace(" ", "")


def test_a_seed_gives_the_same_copies_and_texts_without_names_none():
    assert with_other_names(EXAMPLES, copies=2, seed=3) == with_other_names(
        EXAMPLES, copies=2, seed=3
    )
    assert with_other_names([Tagged(text="Nobody.", entities=())], copies=3, seed=0) == []
    alone = tagged("{PER} slept.", PER="Bob")
    assert with_other_names([alone], copies=3, seed=0) == []
