from __future__ import annotations

import gzip
import io
import json
from pathlib import Path
from typing import Any

import pyarrow as arrow
import pyarrow.parquet as parquet
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autogpt.core.errors import AutoGPTError, ConfigError, DataError
from autogpt.core.examples import (
    Conversation,
    Example,
    Labeled,
    Pair,
    Passage,
    Preference,
    Tagged,
)
from autogpt.core.messages import assistant, system, user
from autogpt.data.examples import ExamplesConfig, ExamplesReport, read_examples

SHARED = Path(__file__).parents[3] / "shared/data"


def read(path: Path, **config: object) -> tuple[list[Example], ExamplesReport]:
    report = ExamplesReport()
    return read_examples([str(path)], ExamplesConfig(**config), report=report), report  # type: ignore[arg-type]


def rows(path: Path, *values: object) -> Path:
    path.write_text("".join(json.dumps(value, ensure_ascii=False) + "\n" for value in values))
    return path


def fails(path: Path, **config: object) -> DataError:
    with pytest.raises(DataError) as caught:
        read(path, **config)
    assert "\n" not in str(caught.value)
    return caught.value


TALK = (user("今天天气怎么样？"), assistant("晴天。"))


@pytest.mark.parametrize(
    ("value", "name", "messages"),
    [
        (
            {"messages": [{"role": "user", "content": "今天天气怎么样？"},
                          {"role": "assistant", "content": "晴天。"}]},
            "OpenAI messages", TALK,
        ),
        (
            {"messages": [{"role": "developer", "content": "Be brief."},
                          {"role": "user", "content": [{"type": "text", "text": "今天天气"},
                                                       {"type": "text", "text": "怎么样？"}]},
                          {"role": "assistant", "content": "晴天。"}]},
            "OpenAI messages", (system("Be brief."), *TALK),
        ),
        (
            {"id": "a1", "system": "Be brief.",
             "conversations": [{"from": "human", "value": "今天天气怎么样？"},
                               {"from": "gpt", "value": "晴天。"}]},
            "ShareGPT", (system("Be brief."), *TALK),
        ),
        (
            [{"role": "user", "content": "今天天气怎么样？"},
             {"role": "assistant", "content": "晴天。"}],
            "lists of messages", TALK,
        ),
        (
            {"instruction": "Answer.", "input": "今天天气怎么样？", "output": "晴天。"},
            "Alpaca", (user("Answer.\n\n今天天气怎么样？"), assistant("晴天。")),
        ),
        ({"instruction": "今天天气怎么样？", "input": "", "output": "晴天。"}, "Alpaca", TALK),
        ({"prompt": "今天天气怎么样？", "completion": "晴天。"}, "prompt and completion", TALK),
        ({"question": "今天天气怎么样？", "answer": "晴天。"}, "prompt and completion", TALK),
    ],
)  # fmt: skip
@pytest.mark.parametrize("task", ["chat", None])
def test_conversations_of_every_form(
    tmp_path: Path, value: object, name: str, messages: tuple[Any, ...], task: str | None
) -> None:
    examples, report = read(rows(tmp_path / "talk.jsonl", value), task=task)
    assert examples == [Conversation(messages=messages, place="talk.jsonl:1")]
    assert (report.kind, dict(report.formats)) == ("conversation", {name: 1})


def test_alpaca_without_input_in_some_rows_and_in_one_json_array(tmp_path: Path) -> None:
    values = [
        {"instruction": "Hi", "output": "Hello"},
        {"instruction": "A", "input": "b", "output": "c"},
    ]
    path = tmp_path / "alpaca.json"
    path.write_text(json.dumps(values, indent=2))
    first, second = read(path, task="chat")[0]
    assert isinstance(first, Conversation)
    assert isinstance(second, Conversation)
    assert first.messages == (user("Hi"), assistant("Hello"))
    assert second.messages[0].content == "A\n\nb"


PAIRS = [
    ("A long article about cats.", "Cats"),
    ("一篇关于狗的长文章。", "狗"),
    ("Third text.", "Three"),
]


@pytest.mark.parametrize(
    ("names", "fields"),
    [
        (("text", "summary"), {}),
        (("title", "abstract"), {}),
        (("en", "zh"), {}),
        (("source", "target"), {}),
        (("alpha", "beta"), {"source_field": "alpha", "target_field": "beta"}),
        (("alpha", "beta"), {}),
        (("zh", "en"), {"source_field": "zh", "target_field": "en"}),
    ],
)
@pytest.mark.parametrize("suffix", ["jsonl", "csv", "tsv.gz", "parquet"])
def test_pairs(tmp_path: Path, names: tuple[str, str], fields: dict[str, str], suffix: str) -> None:
    path = tmp_path / f"pairs.{suffix}"
    order = (1, 0) if names == ("title", "abstract") else (0, 1)
    write_table(path, [{names[0]: pair[order[0]], names[1]: pair[order[1]]} for pair in PAIRS])
    examples, report = read(path, task="summarize", **fields)
    assert [(pair.source, pair.target) for pair in examples if isinstance(pair, Pair)] == PAIRS
    assert report.examples == 3


def write_table(path: Path, values: list[dict[str, Any]]) -> None:
    if path.suffix == ".parquet":
        out = io.BytesIO()
        parquet.write_table(arrow.Table.from_pylist(values), out)
        path.write_bytes(out.getvalue())
        return
    if ".jsonl" in path.name:
        text = "".join(json.dumps(value) + "\n" for value in values)
    else:
        mark = "\t" if ".tsv" in path.name else ","
        lines = [list(values[0]), *(value.values() for value in values)]
        text = "".join(mark.join(map(str, line)) + "\n" for line in lines)
    data = text.encode()
    packed = {".gz": gzip.compress, ".zst": zstandard.ZstdCompressor().compress}
    path.write_bytes(packed.get(path.suffix, bytes)(data))


def test_pairs_without_header_pass_over_a_constant_column(tmp_path: Path) -> None:
    path = tmp_path / "pairs.txt"
    path.write_text("".join(f"to title\t{source}\t{target}\n" for source, target in PAIRS))
    examples, report = read(path, task="translate")
    assert [(pair.source, pair.target) for pair in examples if isinstance(pair, Pair)] == PAIRS
    assert dict(report.fields) == {"source: 2, target: 3": 1}


def test_translations_nested_in_a_field(tmp_path: Path) -> None:
    path = rows(tmp_path / "t.jsonl", *({"translation": {"en": a, "zh": b}} for a, b in PAIRS))
    assert read(path, task="translate")[0][1] == Pair(
        source="一篇关于狗的长文章。", target="狗", place="t.jsonl:2"
    )


REVIEWS = [("这本书很好", "pos"), ("a bad film", "neg"), ("so so", "pos")] * 5


@pytest.mark.parametrize("suffix", ["jsonl", "csv", "tsv", "parquet", "csv.zst"])
@pytest.mark.parametrize("task", ["classify", None])
def test_labeled_tables(tmp_path: Path, suffix: str, task: str | None) -> None:
    path = tmp_path / f"reviews.{suffix}"
    write_table(path, [{"id": n, "review": a, "sentiment": b} for n, (a, b) in enumerate(REVIEWS)])
    examples, report = read(path, task=task)
    assert [(e.text, *e.labels) for e in examples if isinstance(e, Labeled)] == REVIEWS
    assert dict(report.fields) == {"text: review, label: sentiment": 1}


def test_labels_without_a_header_are_no_column_names(tmp_path: Path) -> None:
    path = tmp_path / "reviews.csv"
    path.write_text("".join(f"{text},{label}\n" for text, label in REVIEWS))
    examples, _ = read(path, task="classify")
    assert [(e.text, *e.labels) for e in examples if isinstance(e, Labeled)] == REVIEWS


def test_several_labels(tmp_path: Path) -> None:
    lists = rows(
        tmp_path / "a.jsonl", {"text": "x", "labels": ["a", "b"]}, {"text": "y", "labels": []}
    )
    marked = tmp_path / "b.csv"
    marked.write_text("text,label\nx,a|b\ny,b\nz,a\n")
    columns = tmp_path / "c.csv"
    columns.write_text("comment,toxic,rude\nx,1,1\ny,0,0\nz,0,1\n")
    spelled = tmp_path / "d.csv"
    spelled.write_text("text,label\nx,\"['a', 'b']\"\ny,\"[]\"\n")
    given = tmp_path / "e.csv"
    given.write_text("text,label\nx,a/b\ny,b\n")

    def labels(path: Path, **config: object) -> list[tuple[str, ...]]:
        found = read(path, task="classify", **config)[0]
        return [e.labels for e in found if isinstance(e, Labeled)]

    assert labels(lists) == labels(spelled) == [("a", "b"), ()]
    assert labels(marked) == [("a", "b"), ("b",), ("a",)]
    assert labels(columns) == [("toxic", "rude"), (), ("rude",)]
    assert labels(columns, label_field="rude,toxic") == [("rude", "toxic"), (), ("rude",)]
    assert labels(given, label_separator="/") == [("a", "b"), ("b",)]


def test_numbers_as_labels_and_pairs_of_sentences(tmp_path: Path) -> None:
    path = tmp_path / "nli.parquet"
    write_table(
        path, [{"premise": "It rains.", "hypothesis": "下雨了。", "label": n} for n in (0, 1)]
    )
    examples, report = read(path, task="classify")
    assert examples[1] == Labeled(text="It rains.\n下雨了。", labels=("1",), place="nli.parquet:2")
    assert dict(report.formats) == {"pairs of texts with a label": 1}


def test_tagged_rows(tmp_path: Path) -> None:
    tokens = rows(tmp_path / "a.jsonl", {"tokens": ["Ada", "met", "王", "伟"],
                                         "ner_tags": ["B-PER", "O", "B-PER", "I-PER"]})  # fmt: skip
    spans = rows(
        tmp_path / "b.jsonl",
        {"text": "Ada met 王伟", "label": [[8, 10, "PER"], [0, 3, "PER"]]},
        {"text": "nobody", "label": []},
        {"text": "Ada", "label": [{"start": 0, "end": 3, "type": "PER", "text": "Ada"}]},
    )
    for path in (tokens, spans):
        example = read(path)[0][0]
        assert isinstance(example, Tagged)
        assert (example.entities[0].type, example.entities[0].text) == ("PER", "Ada")
        assert example.entities[-1].text.replace(" ", "") == "王伟"
    wrong = rows(
        tmp_path / "c.jsonl",
        {"text": "Ada", "entities": [{"start": 0, "end": 2, "label": "PER", "text": "Ada"}]},
    )
    assert "'Ad' where its entity says 'Ada'" in str(fails(wrong, task="tag"))


GOOD = {"role": "assistant", "content": "好的"}
BAD = {"role": "assistant", "content": "No."}
ASKED = {"role": "user", "content": "Help me."}


@pytest.mark.parametrize(
    "value",
    [
        {"prompt": "Help me.", "chosen": "好的", "rejected": "No."},
        {"prompt": [ASKED], "chosen": [GOOD], "rejected": [BAD]},
        {"chosen": [ASKED, GOOD], "rejected": [ASKED, BAD]},
        {"prompt": "Help me.", "chosen": [ASKED, GOOD], "rejected": [ASKED, BAD]},
        {"conversations": [{"from": "human", "value": "Help me."}],
         "chosen": {"from": "gpt", "value": "好的"}, "rejected": {"from": "gpt", "value": "No."}},
        {"chosen": "\n\nHuman: Help me.\n\nAssistant: 好的",
         "rejected": "\n\nHuman: Help me.\n\nAssistant: No."},
    ],
)  # fmt: skip
@pytest.mark.parametrize("task", ["preference", None])
def test_preferences(tmp_path: Path, value: object, task: str | None) -> None:
    examples, _ = read(rows(tmp_path / "p.jsonl", value), task=task)
    assert examples == [
        Preference(messages=(user("Help me."),), chosen="好的", rejected="No.", place="p.jsonl:1")
    ]


def test_plain_text_is_passages(tmp_path: Path) -> None:
    path = tmp_path / "book.txt"
    path.write_text("第一章。\n\n" + "天地玄黄，宇宙洪荒。\n" * 3000)
    for task in ("text", None):
        examples, report = read(path, task=task)
        assert all(isinstance(example, Passage) for example in examples)
        assert "".join(e.text for e in examples if isinstance(e, Passage)) == path.read_text()
        assert len(examples) > 2
        assert dict(report.formats) == {"plain text": 1}


def test_folders_and_several_sources_are_read_in_order(tmp_path: Path) -> None:
    folder = tmp_path / "more"
    folder.mkdir()
    rows(folder / "b.jsonl", {"text": "三", "label": "x"})
    (folder / "a.tsv").write_text("text\tlabel\ntwo\ty\n")
    (folder / "notes.xyz").write_text("no format")
    first = rows(tmp_path / "one.jsonl", {"text": "one", "label": "x"})
    report = ExamplesReport()
    found = read_examples([str(first), str(folder)], ExamplesConfig(task="classify"), report=report)
    assert [e.text for e in found if isinstance(e, Labeled)] == ["one", "two", "三"]
    assert report.reading.files == 3
    assert "notes.xyz" in report.reading.skipped[0]


BROKEN = [
    ("chat", {"messages": []}, None),
    ("chat", {"messages": [ASKED]}, "no message of the assistant"),
    ("chat", {"messages": [ASKED, {"role": "tool", "content": "x"}]}, "role 'tool' in turn 2"),
    ("chat", {"messages": [ASKED, {"role": "assistant", "content": None}]}, "no text in turn 2"),
    ("chat", {"messages": "hi"}, "a str where messages were expected"),
    ("chat", {"messages": [ASKED, {**GOOD, "weight": 0}]}, "weight 0 in turn 2"),
    ("chat", {"message": []}, "no field 'messages'"),
    ("chat", 7, "is a int, an object with fields was expected"),
]


@pytest.mark.parametrize(("task", "value", "reason"), BROKEN)
def test_a_bad_row_is_named_by_its_line(
    tmp_path: Path, task: str, value: object, reason: str | None
) -> None:
    good = {"messages": [ASKED, GOOD]}
    path = rows(tmp_path / "data.jsonl", good, good, value, good)
    if reason is None:
        assert read(path, task=task)[1].reading.empty == 1
        return
    error = fails(path, task=task)
    assert f"{str(path)!r} line 3 " in error.message
    assert reason in error.message
    examples, report = read(path, task=task, on_error="skip")
    assert len(examples) == 3
    assert report.reading.skipped == [error.message]
    assert report.to_dict()["examples"] == 3


@pytest.mark.parametrize(
    ("task", "value", "reason"),
    [
        ("classify", {"text": "x", "label": None}, "has no label in the field 'label'"),
        ("classify", {"text": 3, "label": "a"}, "has a int in the field 'text'"),
        ("classify", {"text": "x", "label": {"a": 1}}, "has a dict in the field 'label'"),
        ("classify", {"text": "x"}, "has no field 'label'; its fields are 'text'"),
        ("preference", {"prompt": "a", "chosen": "b", "rejected": "b"}, "prefers an answer to it"),
        ("tag", {"tokens": ["a"], "tags": ["B-PER", "O"]}, "has 1 tokens and 2 tags"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_row(
    tmp_path: Path, task: str, value: dict[str, object], reason: str
) -> None:
    good = {
        "classify": {"text": "好", "label": "a"},
        "preference": {"prompt": "a", "chosen": "b", "rejected": "c"},
        "tag": {"tokens": ["a"], "tags": ["O"]},
    }[task]
    assert reason in str(fails(rows(tmp_path / "x.jsonl", good, good, value), task=task))


def test_errors_say_what_there_is_and_what_it_suits(tmp_path: Path) -> None:
    talk = rows(tmp_path / "talk.jsonl", {"messages": [ASKED, GOOD]})
    error = fails(talk, task="classify")
    assert "its fields are 'messages'" in error.message
    assert "rows with a text and a label field" in error.message
    assert "OpenAI messages, which suits --task chat" in error.hint
    table = tmp_path / "t.csv"
    table.write_text("review,stars\nfine,5\n")
    assert "Did you mean 'stars'?" in str(fails(table, task="classify", label_field="star"))
    text = tmp_path / "t.txt"
    text.write_text("Just text.\n")
    assert "suits --task text" in str(fails(text, task="chat"))
    conll = tmp_path / "t.conll"
    conll.write_text("Ada B-PER\n")
    assert "suits --task tag" in str(fails(conll, task="chat"))
    empty = tmp_path / "empty.csv"
    empty.write_text("text,label\n")
    assert "no example" in str(fails(empty, task="classify"))
    with pytest.raises(ConfigError, match="classify"):
        ExamplesConfig(task="clasify")


_SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
_JSON = st.recursive(
    _SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)
_NAMES = st.sampled_from(
    ["text", "label", "labels", "messages", "conversations", "prompt", "completion", "chosen",
     "rejected", "instruction", "input", "output", "tokens", "ner_tags", "entities", "source",
     "target", "en", "zh", "system", "premise", "hypothesis", "文本", "标签"]
)  # fmt: skip
_MESSAGE = st.dictionaries(
    st.sampled_from(["role", "from", "content", "value", "weight"]),
    _SCALARS | st.sampled_from(["user", "assistant", "gpt"]),
)
_ROWS = st.lists(
    st.dictionaries(_NAMES, _JSON | st.lists(_MESSAGE, max_size=3), max_size=5) | _JSON, max_size=6
)
_TASKS = st.sampled_from([None, "text", "chat", "summarize", "classify", "tag", "preference"])
_SUFFIX = st.sampled_from(["jsonl", "json", "csv", "tsv", "txt", "conll", "parquet", "csv.gz"])
_LINES = st.lists(
    st.lists(
        st.sampled_from(["a", "你", "B-PER", "I-PER", "O", "", " ", "text", "label", '"', "1"]),
        max_size=4,
    ),
    max_size=8,
)


@settings(
    max_examples=150,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    data=st.binary(max_size=60)
    | st.text(max_size=60).map(lambda text: text.encode("utf-8", "replace"))
    | _ROWS.map(lambda values: "\n".join(map(json.dumps, values)).encode())
    | st.tuples(_LINES, st.sampled_from("\t ,")).map(
        lambda drawn: "\n".join(drawn[1].join(line) for line in drawn[0]).encode()
    ),
    suffix=_SUFFIX,
    task=_TASKS,
    on_error=st.sampled_from(["skip", "fail"]),
    field=st.sampled_from([None, "text", "文本"]),
)
def test_whatever_the_file_only_our_errors_come_out(
    tmp_path: Path, data: bytes, suffix: str, task: str | None, on_error: str, field: str | None
) -> None:
    path = tmp_path / f"data.{suffix}"
    path.write_bytes(data)
    try:
        examples, report = read(path, task=task, on_error=on_error, text_field=field)
    except AutoGPTError:
        pass
    else:
        assert len(examples) == report.examples > 0
        for example in examples:
            repr(example).encode()  # no half of a surrogate pair is left
        json.dumps(report.to_dict())


LABELED, PAIRED = "texts with a label", "pairs of texts"


@pytest.mark.parametrize(
    ("file", "task", "count", "form", "fields"),
    [
        ("classification/banking77.test.csv", "classify", 3080, LABELED, "text, label: category"),
        ("classification/sentence-polarity.csv", "classify", 9162, LABELED, "text, label: label"),
        ("classification/reviews.zh.csv", "classify", 16000, LABELED, "text, label: label"),
        ("ner/btc.a.conll", "tag", 1000, "CoNLL (BIO, words)", None),
        ("ner/msra.train6k.conll", "tag", 6000, "CoNLL (BMES, characters)", None),
        ("translation/tatoeba.en-zh.tsv", "translate", 28105, PAIRED, "1, target: 2"),
        ("summarization/csl-title.zh.dev.tsv", "summarize", 1000, PAIRED, "2, target: 3"),
        ("summarization/package-synopsis.en.jsonl", "summarize", 8000, PAIRED,
         "text, target: summary"),
    ],
)  # fmt: skip
def test_real_files(file: str, task: str, count: int, form: str, fields: str | None) -> None:
    path = SHARED / file
    if not path.is_file():
        pytest.skip("needs the data that lie beside the project")
    for wanted in (task, None):
        examples, report = read(path, task=wanted)
        assert len(examples) == count
        assert dict(report.formats) == {form: 1}
        assert [shown.partition(": ")[2] for shown in report.fields] == ([fields] if fields else [])
        assert report.reading.skipped_count == report.reading.empty == 0
