from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autogpt.core.errors import ConfigError
from autogpt.core.examples import Entity, Tagged
from autogpt.data.conll import (
    Scheme,
    conll_records,
    is_conll,
    scheme_of,
    tagged_of,
    tags_of,
    with_spelling,
    write_conll,
)
from autogpt.data.records import Record


def read(text: str) -> list[Tagged]:
    characters, _, records = with_spelling(conll_records([text]))
    return [
        tagged_of(*record.value, characters=characters) for record in records if not record.error
    ]


def test_english_words_are_joined_as_in_print() -> None:
    lines = ["Ada B-PER", "Lovelace I-PER", "'s O", "notes O", "( O", "1843 O", ") O", ", O"]
    text = "\n".join(["-DOCSTART- O", "", *lines, "London B-LOC", ". O", ""])
    (example,) = read(text)
    assert example.text == "Ada Lovelace's notes (1843), London."
    assert [(e.type, e.start, e.end, e.text) for e in example.entities] == [
        ("PER", 0, 12, "Ada Lovelace"),
        ("LOC", 29, 35, "London"),
    ]
    words = [example.text[start:end] for start, end in example.tokens]
    assert words[:4] == ["Ada", "Lovelace", "'s", "notes"]


def test_chinese_characters_are_joined_without_spaces() -> None:
    lines = ["王 B-PER", "小 M-PER", "明 E-PER", "2 O", "0 O", "年 O", "在 O", "京 S-LOC", "。 O"]
    text = "\n".join([*lines, "", "1 O", "9 O", ""])
    first, second = read(text)
    assert (first.text, second.text) == ("王小明20年在京。", "19")
    assert [(e.type, e.text) for e in first.entities] == [("PER", "王小明"), ("LOC", "京")]


def test_chinese_words_are_joined_without_spaces() -> None:
    (example,) = read("北京\tB-LOC\n大学\tI-LOC\n的\tO\nDeep\tO\nLearning\tO\n课\tO\n\n")
    assert example.text == "北京大学的Deep Learning课"
    assert example.entities[0].text == "北京大学"


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ("B-A I-A O B-A", [("A", 0, 1), ("A", 3, 3)]),
        ("B-A B-A I-B I-B", [("A", 0, 0), ("A", 1, 1), ("B", 2, 3)]),
        ("I-A I-A O I-B", [("A", 0, 1), ("B", 3, 3)]),  # IOB1
        ("S-A B-A M-A E-A", [("A", 0, 0), ("A", 1, 3)]),
        ("U-A B-A I-A L-A", [("A", 0, 0), ("A", 1, 3)]),
        ("B-A E-A I-A E-A", [("A", 0, 1), ("A", 2, 3)]),
        ("B I O B", [("ENTITY", 0, 1), ("ENTITY", 3, 3)]),
        ("B_A I_A O O", [("A", 0, 1)]),
    ],
)
def test_schemes(tags: str, expected: list[tuple[str, int, int]]) -> None:
    example = tagged_of(["aa", "bb", "cc", "dd"], tags.split(), characters=False)
    starts = [start for start, _ in example.tokens]
    ends = [end for _, end in example.tokens]
    assert [
        (e.type, starts.index(e.start), ends.index(e.end)) for e in example.entities
    ] == expected


def test_broken_lines_cost_their_sentence_and_are_named() -> None:
    records = list(conll_records(["a O\nb\n\nc X-PER\n\n \t\nd\tO\n\tB-PER\n\n", "\tO\ne\tO\n"]))
    assert [(record.line, record.error) for record in records] == [
        (2, "has no tag: 'b' stands alone"),
        (4, "has the tag 'X-PER'; O, B-TYPE, I-TYPE (or M, E, S) was expected"),
        (8, "has the tag 'B-PER' and no token"),
        (11, ""),
    ]
    assert records[-1] == Record(11, (["e"], ["O"]))


def test_what_looks_like_conll() -> None:
    assert is_conll("EU NNP B-NP B-ORG\nrejects VBZ B-VP O\n\n")
    assert is_conll("北\tB-LOC\n京\tI-LOC\n")
    assert is_conll("# id 1\nb\tO\nc\tB\n")
    assert not is_conll("a good film\tO\nso so\tB\n")
    assert not is_conll("text,label\na,O\n")
    assert not is_conll("")
    tags = [["O", "B-X"], ["S-X"], ["M-X"], ["L-X"]]
    assert [*map(scheme_of, tags)] == ["BIO", "BIOES", "BMES", "BILOU"]


_VISIBLE = st.characters(exclude_categories=["Cs", "Cc", "Zs", "Zl", "Zp"])
_TOKEN = st.text(_VISIBLE, min_size=1, max_size=6) | st.sampled_from(
    ["the", "北", "京", ",", "(", "'s", "#", "-"]
)
_TYPE = st.sampled_from(["PER", "LOC", "组织", "a-b_c"])


@st.composite
def tagged(draw: st.DrawFn, token: st.SearchStrategy[str] = _TOKEN) -> Tagged:
    tokens = draw(st.lists(token, min_size=1, max_size=12))
    cuts = sorted(draw(st.sets(st.integers(0, len(tokens)), max_size=6)))
    tags = ["O"] * len(tokens)
    for start, end in pairwise(cuts):
        if kind := draw(st.none() | _TYPE):
            tags[start:end] = [f"B-{kind}"] + [f"I-{kind}"] * (end - start - 1)
    return tagged_of(tokens, tags, characters=draw(st.booleans()))


@given(
    st.lists(tagged(), min_size=1, max_size=5),
    st.sampled_from(["BIO", "BIOES", "BMES"]),
    st.sampled_from("\t "),
)
def test_written_and_read_again_it_is_the_same(
    examples: list[Tagged], scheme: Scheme, separator: str
) -> None:
    text = "".join(write_conll(examples, scheme, separator=separator))  # type: ignore[arg-type]
    records = list(conll_records([text]))
    assert not any(record.error for record in records)
    for example, record in zip(examples, records, strict=True):
        again = tagged_of(*record.value, characters=False)
        assert [t for t, _ in tags_of(again)] == [t for t, _ in tags_of(example)]
        assert tags_of(again, scheme) == tags_of(example, scheme)
        assert [e.type for e in again.entities] == [e.type for e in example.entities]
    for example in examples:
        for entity in example.entities:
            assert entity.text == example.text[entity.start : entity.end]


@given(st.text(_VISIBLE | st.sampled_from(" 北京"), max_size=30), st.data())
def test_entities_without_tokens_keep_their_borders(text: str, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(0, len(text)), max_size=5)))
    entities = tuple(
        Entity(type="X", start=start, end=end, text=text[start:end])
        for start, end in pairwise(cuts)
        if text[start:end].strip()
    )
    tags = tags_of(Tagged(text=text, entities=entities))
    spelled = tagged_of(*zip(*tags, strict=True), characters=False) if tags else None  # type: ignore[arg-type]
    found = [e.text.replace(" ", "") for e in spelled.entities] if spelled else []
    assert found == [e.text.replace(" ", "") for e in entities]


@given(st.text(st.sampled_from("aB-IO北\t \n#ES\r\u3000"), max_size=60))
def test_any_text_gives_sentences_or_reasons(text: str) -> None:
    for record in conll_records([text]):
        assert (record.value is None) == bool(record.error)
        if not record.error:
            tokens, tags = record.value
            assert len(tokens) == len(tags) > 0


def test_unknown_scheme() -> None:
    with pytest.raises(ConfigError, match="BIOX"):
        tags_of(Tagged(text="a", entities=()), "BIOX")  # type: ignore[arg-type]
