from __future__ import annotations

import csv
import gzip
import importlib.util
import io
import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as arrow
import pyarrow.parquet as parquet
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from autogpt.core.errors import ConfigError, DataError, MissingExtraError, UsageError
from autogpt.data.blocks import cut
from autogpt.data.decoding import detect
from autogpt.data.readers import Document, ReadConfig, ReadReport, read, source_bytes
from autogpt.data.records import json_lines, json_records

QUICKSTART = Path(str(importlib.util.find_spec("autogpt").submodule_search_locations[0]))  # type: ignore[union-attr,index]  # it is a package
QUICKSTART = QUICKSTART / "data" / "quickstart"
TEXTS = ["To be, or not to be: that is the question.", "学而时习之，不亦说乎？", "Ünïcödé 😀 text"]


def texts(*sources: object, **settings: object) -> list[str]:
    return [document.text for document in read([*map(str, sources)], ReadConfig(**settings))]  # type: ignore[arg-type]


def fails(*sources: object, **settings: object) -> str:
    with pytest.raises(DataError) as caught:
        texts(*sources, **settings)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def as_jsonl(rows: list[object]) -> bytes:
    return b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows)


def as_csv(rows: list[dict[str, str]], delimiter: str = ",") -> bytes:
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]), delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()


def as_parquet(rows: list[dict[str, str]]) -> bytes:
    out = io.BytesIO()
    parquet.write_table(arrow.Table.from_pylist(rows), out, row_group_size=2)
    return out.getvalue()


ROWS = [{"id": str(number), "text": text} for number, text in enumerate(TEXTS)]
FORMATS = {
    "jsonl": as_jsonl(list(ROWS)),
    "json": json.dumps(ROWS, indent=1).encode(),
    "csv": as_csv(ROWS),
    "tsv": as_csv(ROWS, "\t"),
    "parquet": as_parquet(ROWS),
}


@pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
@pytest.mark.parametrize("kind", list(FORMATS))
def test_every_table_format_and_compression_gives_the_same_rows(
    tmp_path: Path, kind: str, suffix: str
) -> None:
    packed = {"": bytes, ".gz": gzip.compress, ".zst": zstandard.ZstdCompressor().compress}
    path = tmp_path / f"rows.{kind}{suffix}"
    path.write_bytes(packed[suffix](FORMATS[kind]))
    report = ReadReport()
    found = list(read([str(path)], ReadConfig(), report=report))
    assert [document.text for document in found] == TEXTS
    assert found[0].source.startswith(f"rows.{kind}{suffix}:")
    assert found[0].file == path.name
    assert report.documents == 3
    assert report.fields == {"text": 1}
    assert report.bytes == path.stat().st_size == source_bytes([str(path)])


@pytest.mark.parametrize("suffix", ["txt", "md", "TXT", "txt.gz", "txt.zst", "log"])
def test_text_is_read_whole(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    content = "\n".join(TEXTS).encode()
    if suffix.endswith("gz"):
        content = gzip.compress(content[:50]) + gzip.compress(content[50:])  # two members
    if suffix.endswith("zst"):
        pack = zstandard.ZstdCompressor().compress
        content = pack(content[:50]) + pack(content[50:])
    path.write_bytes(content)
    assert texts(path) == ["\n".join(TEXTS)]


def test_a_long_text_is_cut_in_contiguous_blocks_at_line_ends() -> None:
    path = QUICKSTART / "tinyshakespeare.txt"
    found = list(read([str(path)], ReadConfig(block_chars=10_000)))
    assert "".join(document.text for document in found) == path.read_text()
    assert [document.part for document in found] == list(range(len(found)))
    assert all(len(document.text) <= 12_500 for document in found)
    assert all(document.text.endswith("\n") for document in found)
    assert {document.source for document in found} == {"tinyshakespeare.txt"}


@given(st.text(max_size=3000), st.integers(1, 400), st.integers(1, 500))
def test_blocks_joined_are_the_text(text: str, size: int, piece: int) -> None:
    pieces = [text[start : start + piece] for start in range(0, len(text), piece)]
    blocks = list(cut(pieces, size))
    assert "".join(blocks) == text
    assert all(0 < len(block) <= max(size, int(size * 1.25)) for block in blocks)


def test_folders_are_walked_in_order_without_hidden_files(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / ".git").mkdir()
    (tmp_path / "b" / "z.txt").write_text("third")
    (tmp_path / "a.jsonl").write_text('{"text": "first"}\n')
    (tmp_path / "a.txt").write_text("second")
    (tmp_path / ".hidden.txt").write_text("no")
    (tmp_path / ".git" / "x.txt").write_text("no")
    (tmp_path / "image.png").write_bytes(b"\x89PNG\r\n\x1a\n\0\0")
    (tmp_path / "empty.txt").write_text("")
    (tmp_path / "binary.txt").write_bytes(bytes(range(256)) * 20)
    report = ReadReport()
    found = list(read([str(tmp_path)], report=report))
    assert [document.text for document in found] == ["first", "second", "third"]
    assert found[-1].source == "b/z.txt"
    assert report.empty == 1
    assert report.skipped_count == 2
    assert any("image.png" in reason for reason in report.skipped)
    assert any("binary.txt" in reason and "binary" in reason for reason in report.skipped)


def test_globs_and_several_sources_read_each_file_once(tmp_path: Path) -> None:
    for name in ("one.txt", "two.txt", "three.md"):
        (tmp_path / name).write_text(name)
    assert texts(tmp_path / "*.txt", tmp_path) == ["one.txt", "two.txt", "three.md"]
    assert texts(tmp_path / "**" / "t*.*") == ["three.md", "two.txt"]


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ("First line.\n第二行。\n", ["First line.\n第二行。\n"]),
        ('{"text": "one"}\n{"text": "two"}\n', ["one", "two"]),
    ],
)
def test_standard_input_is_text_or_json_lines(sent: str, expected: list[str]) -> None:
    code = (
        "import json; from autogpt.data.readers import read;"
        "print(json.dumps([d.text for d in read(['-'])]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], input=sent.encode(), capture_output=True, check=True
    )
    assert json.loads(done.stdout) == expected


def test_importing_the_reader_brings_in_neither_torch_nor_pyarrow() -> None:
    code = (
        "import sys, autogpt.data.readers, autogpt.data.clean;"
        "print([m for m in ('torch', 'pyarrow', 'rensa', 'datasets') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert done.stdout.strip() == b"[]"


CHINESE = (QUICKSTART / "lunyu.txt").read_text()
POEMS = (QUICKSTART / "tang300.txt").read_text()
FRENCH = "Où est la forêt ? L'été dernier, à Noël, le garçon a mangé une crêpe.\n" * 5
RUSSIAN = "Все счастливые семьи похожи друг на друга, каждая несчастлива по-своему.\n" * 5
JAPANESE = "吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。\n" * 5


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (CHINESE, "gb18030"), (CHINESE[:80], "gb18030"), (CHINESE, "gbk"), (POEMS, "big5"),
        (CHINESE, "utf-16"), (CHINESE, "utf-16-le"), (CHINESE, "utf-16-be"), (FRENCH, "utf-16-le"),
        (CHINESE, "utf-8-sig"), (CHINESE, "utf-32"), (FRENCH, "latin-1"), (FRENCH, "utf-8"),
        (RUSSIAN, "cp1251"), (RUSSIAN, "koi8-r"), (JAPANESE, "shift_jis"), (JAPANESE, "euc_jp"),
    ],
)  # fmt: skip
def test_encodings_are_detected_and_reported(tmp_path: Path, text: str, encoding: str) -> None:
    data = text.encode(encoding, "ignore")
    path = tmp_path / "a.txt"
    path.write_bytes(data)
    report = ReadReport()
    found = "".join(document.text for document in read([str(path)], report=report))
    assert found == data.decode(encoding)
    assert sum(report.encodings.values()) == 1


def test_an_encoding_that_shows_only_after_the_sample_is_still_found(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    text = "A long English preface.\n" * 20_000 + CHINESE
    path.write_bytes(text.encode("gb18030"))
    report = ReadReport()
    assert "".join(document.text for document in read([str(path)], report=report)) == text
    assert report.encodings == {"gb18030": 1}


def test_a_named_encoding_is_used_and_a_wrong_one_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes("é".encode("cp1252") * 3)
    assert texts(path, encoding="latin-1") == ["ééé"]
    assert "is not valid utf-8 at byte 0" in fails(path, encoding="utf-8")
    assert texts(path, encoding="utf-8", on_error="skip") == ["\ufffd\ufffd\ufffd"]
    with pytest.raises(ConfigError, match="'utf-88' is not a text encoding"):
        ReadConfig(encoding="utf-88")


def test_broken_utf8_far_inside_names_the_byte(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes("é".encode() * 50_000 + b"\xff\xfe" + b"tail")
    assert "'utf-8' at byte 100000" in fails(path).replace("valid utf-8", "valid 'utf-8'")
    report = ReadReport()
    found = list(read([str(path)], ReadConfig(on_error="skip"), report=report))
    assert found[-1].text.endswith("\ufffd\ufffdtail")
    assert "2 broken characters were replaced" in report.skipped[0]


@pytest.mark.parametrize(
    "content",
    [b"\x89PNG\r\n\x1a\n" + bytes(100), b"PK\x03\x04 zip", bytes(range(256)) * 64,
     b"a\0b\0\0\0c" * 9, gzip.compress(b"text", mtime=0), b"%PDF-1.7 x", b"\x7fELF" + bytes(64),
     random.Random(0).randbytes(5000)],
)  # fmt: skip
def test_binary_files_are_refused(tmp_path: Path, content: bytes) -> None:
    assert detect(content) is None
    path = tmp_path / "a.txt"
    path.write_bytes(content)
    assert "is a binary file, not text" in fails(path)
    assert "There is no text in" in fails(path, on_error="skip")


def test_a_broken_line_is_named_by_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(
        '{"text": "one"}\n\n{"text": "tw\n{"text": 5}\n["x"]\n{"no": "x"}\n{"text":"six"}'
    )
    message = fails(path)
    assert "rows.jsonl' line 3 is not valid JSON" in message
    assert "--on-error skip" in message
    report = ReadReport()
    found = list(read([str(path)], ReadConfig(on_error="skip"), report=report))
    assert [document.source for document in found] == ["rows.jsonl:1", "rows.jsonl:7"]
    assert report.skipped_count == 4
    assert "line 4 has a int in the field 'text'" in report.skipped[1]
    assert "line 6 has no field 'text'; its fields are 'no'" in report.skipped[3]


def test_a_json_bomb_and_huge_numbers_are_broken_lines(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"text": "fine"}\n' + "[" * 100_000 + "\n" + "9" * 10_000 + "\n")
    assert "line 2 is not valid JSON (nested too deeply)" in fails(path)
    assert texts(path, on_error="skip") == ["fine"]


def test_lone_surrogates_and_line_separators_survive_as_text(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'{"text": "a \\ud800 b \\ud83d\\ude00"}\n{"text": "x\xe2\x80\xa8y"}\n')
    assert texts(path) == ["a \ufffd b 😀", "x\u2028y"]


@pytest.mark.parametrize("kind", ["jsonl", "json", "csv", "tsv", "parquet"])
def test_a_missing_text_field_lists_the_fields(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"rows.{kind}"
    path.write_bytes(FORMATS[kind])
    message = fails(path, text_field="txt")
    assert "has no field 'txt'; its fields are 'id', 'text'." in message
    assert "Did you mean 'text'?" in message
    assert texts(path, text_field="id") == ["0", "1", "2"]


def test_the_text_field_is_found(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    for row, expected in [
        ({"title": "A long title here", "Content": "short"}, "short"),
        ({"id": "x1", "旁白": "很长的一段文字在这里", "n": 3}, "很长的一段文字在这里"),
        ({"text": None, "plot": "the words"}, "the words"),
    ]:
        path.write_bytes(as_jsonl([row]))
        assert texts(path) == [expected]
    path.write_bytes(as_jsonl([{"a": 1, "b": [2]}]))
    assert "has no field that holds text; its fields are 'a', 'b'." in fails(path)


def test_rows_without_text_are_passed_over_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(as_jsonl([{"text": "a"}, {"text": None}, {"text": " \n"}, "bare"]))
    report = ReadReport()
    assert [document.text for document in read([str(path)], report=report)] == ["a", "bare"]
    assert report.empty == 2


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ([{"text": "a"}, {"text": "b"}], ["a", "b"]),
        (["a", "b"], ["a", "b"]),
        ({"version": "1.1", "data": [{"text": "a"}, {"text": "b"}]}, ["a", "b"]),
        ({"text": "one whole document", "tags": ["x"]}, ["one whole document"]),
    ],
)
def test_shapes_of_json_files(tmp_path: Path, value: object, expected: list[str]) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps(value))
    assert texts(path) == expected


def test_json_lines_under_the_name_json(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    row = {"id": "a1", "words": "the text", "parts": [{"x": "long " * 9}]}
    path.write_bytes(as_jsonl([row, row, row]))
    assert texts(path) == ["the text"] * 3


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=12,
)  # fmt: skip


def pieces(text: str, size: int) -> Iterator[str]:
    return (text[start : start + size] for start in range(0, len(text), size))


@settings(max_examples=60)
@given(st.lists(json_values, max_size=6), st.integers(1, 9), st.sampled_from([None, 1]))
def test_json_arrays_stream_in_pieces_of_any_size(
    rows: list[object], size: int, indent: int | None
) -> None:
    text = json.dumps(rows, indent=indent, ensure_ascii=False)
    found = list(json_records(pieces(text, size)))
    assert [record.value for record in found] == rows
    assert not any(record.error for record in found)


@settings(max_examples=60)
@given(st.text(alphabet='[]{}",:0a\\ \n', max_size=60), st.integers(1, 9))
def test_no_json_crashes_the_reader(text: str, size: int) -> None:
    list(json_records(pieces(text, size)))
    list(json_lines(pieces(text, size)))


def test_a_large_json_object_is_streamed_as_its_rows(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    rows = [{"text": f"row {number} " + "x" * 2000} for number in range(1000)]
    path.write_text(json.dumps({"version": "1", "data": rows, "after": {"k": [1]}}))
    assert texts(path) == [row["text"] for row in rows]


def test_a_broken_json_file_names_the_line(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('[\n{"text": "a"},\n{"text": b}\n]')
    assert "a.json' line 3 is not valid JSON (Expecting value" in fails(path)
    assert texts(path, on_error="skip") == ["a"]
    path.write_text('[{"text": "a"}, {"text": "b')
    assert "is not valid JSON" in fails(path)


def test_csv_with_huge_quoted_and_multiline_fields(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    long = 'word, “quoted” "text"\n' * 20_000
    path.write_bytes(
        b"\xef\xbb\xbf" + as_csv([{"id": "1", "TEXT": long}, {"id": "2", "TEXT": "b"}], ";")
    )
    found = list(read([str(path)], ReadConfig(block_chars=1 << 20)))
    assert [document.text for document in found] == [long, "b"]
    assert found[1].source == "a.csv:20003"


def test_csv_without_a_header_and_with_a_short_row(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text(
        "1276\tLet's try \"something.\t让我们试试看！\n1277\tI have to go.\t我该去睡觉了。\n"
    )
    assert texts(path) == ["Let's try \"something.", "I have to go."]
    assert texts(path, text_field="3") == ["让我们试试看！", "我该去睡觉了。"]
    path.write_text("\tlabel\tTEXT\n0\tx\tone two\n")
    assert texts(path) == ["one two"]
    path.write_text("Table of Contents\tInhaltsverzeichnis\nIn time\tZur Zeit\n")
    assert texts(path, text_field="2") == ["Inhaltsverzeichnis", "Zur Zeit"]
    path.write_text("Full Name\tHer Words\nMary\tHello.\n")
    assert texts(path, text_field="Her Words") == ["Hello."]
    path.write_text("id\ttext\n1\tone\n2\n3\tthree\n")
    assert "a.tsv' line 3 has 1 of 2 columns" in fails(path)
    assert texts(path, on_error="skip") == ["one", "three"]


@pytest.mark.parametrize("kind", ["txt.gz", "jsonl.zst", "parquet"])
def test_truncated_files_say_so(tmp_path: Path, kind: str) -> None:
    content = "".join(f"{number * 7919} line\n" for number in range(20_000)).encode()
    packed = {
        "txt.gz": gzip.compress(content),
        "jsonl.zst": zstandard.ZstdCompressor().compress(as_jsonl([{"text": content.decode()}])),
        "parquet": FORMATS["parquet"],
    }[kind]
    path = tmp_path / f"a.{kind}"
    path.write_bytes(packed[: len(packed) * 2 // 3])
    assert "truncated" in fails(path)


@pytest.mark.parametrize("name", ["a.txt.gz", "a.jsonl.zst"])
def test_a_suffix_that_lies_about_compression(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text("plain text, not compressed at all")
    assert f"is not a valid {path.suffix} file" in fails(path)


def test_missing_files_come_with_the_nearest_names(tmp_path: Path) -> None:
    (tmp_path / "Shakespeare.txt").write_text("x")
    message = fails(tmp_path / "shakespear.txt")
    assert "does not exist." in message
    assert "Shakespeare.txt" in message
    assert "there is no folder" in fails(tmp_path / "no" / "a.txt")
    assert "holds no readable file" in fails(tmp_path / "*.jsonl")
    assert "does not exist" in fails("x" * 5000)


def test_empty_sources_and_folders(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"")
    assert "is empty" in fails(path)
    path.write_text(" \n\n")
    assert "There is no text in" in fails(path)
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "image.png").write_bytes(b"x")
    message = fails(folder)
    assert "holds no readable file" in message
    assert ".parquet" in message
    with pytest.raises(UsageError, match="No source"):
        read([])


def test_problems_show_before_the_first_document(tmp_path: Path) -> None:
    good, bad = tmp_path / "a.txt", tmp_path / "b.txt"
    good.write_text("good")
    bad.write_bytes(b"\x89PNG\0")
    with pytest.raises(DataError, match="binary"):
        read([str(good), str(bad)])
    assert texts(good, bad, on_error="skip") == ["good"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_no_permission(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("x")
    path.chmod(0)
    assert "No permission to read" in fails(path)


@pytest.mark.skipif(importlib.util.find_spec("datasets") is not None, reason="datasets is there")
def test_hf_sources_name_the_extra() -> None:
    with pytest.raises(MissingExtraError, match=r"autogpt-transformer\[hf\]"):
        read(["hf:wikitext:train"])


def test_an_hf_source_needs_a_name() -> None:
    assert "'hf:' names no data set." in fails("hf:")


def test_config_is_checked() -> None:
    with pytest.raises(ConfigError):
        ReadConfig(on_error="ignore")  # type: ignore[arg-type]  # the mistake under test
    with pytest.raises(ConfigError):
        ReadConfig(block_chars=-1)


def test_a_document_knows_its_file() -> None:
    assert Document("x", "rows.jsonl:12").file == "rows.jsonl"
    assert Document("x", "plays.txt").file == "plays.txt"


def test_only_the_beginning_of_each_file_is_read(tmp_path: Path):
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text("A line of text.\n" * 1000, encoding="utf-8")
    report = ReadReport()
    config = ReadConfig(block_chars=1000, max_chars=3000)
    found = list(read([str(tmp_path)], config, report=report))
    for name in ("a.txt", "b.txt"):
        chars = sum(len(document.text) for document in found if document.source == name)
        assert 3000 <= chars < 4100
    assert report.files == 2
    assert sum(report.encodings.values()) == 2
    with pytest.raises(ConfigError):
        ReadConfig(max_chars=0)
