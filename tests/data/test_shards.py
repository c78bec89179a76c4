from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autogpt.data
from autogpt.core.errors import DataError
from autogpt.data import shards
from autogpt.data.shards import data_key, is_current, load, write
from autogpt.tokenizer.bpe import Tokenizer, TokenizerConfig, train

_TEXT = (Path(autogpt.data.__file__).parent / "quickstart" / "tang300.txt").read_text("utf-8")
_DOCUMENTS = [text + "\n" for text in _TEXT.split("\n") if text][:400]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train(_DOCUMENTS, TokenizerConfig(kind="bpe", vocab_size=600), corpus_bytes=60_000)


def _whole(documents: list[str]) -> list[tuple[str, bool]]:
    return [(document, False) for document in documents]


def _documents(shard: shards.TokenShard) -> list[list[int]]:
    return [part.tolist() for part in np.split(shard.tokens, shard.starts[1:].astype(np.int64))]


def test_documents_come_back(tokenizer: Tokenizer, tmp_path: Path) -> None:
    done: list[int] = []
    report = write(
        _whole(_DOCUMENTS), tokenizer, tmp_path, "train", progress=lambda size: done.append(size)
    )
    shard = load(tmp_path, "train", tokenizer=tokenizer)
    expected = [[*ids.tolist(), tokenizer.pad_id] for ids in tokenizer.encode_batch(_DOCUMENTS)]
    assert _documents(shard) == expected
    assert shard.tokens.dtype == np.uint16
    assert shard.starts.dtype == np.uint64
    assert len(shard) == report.tokens == sum(map(len, expected))
    assert len(shard.starts) == report.documents == len(_DOCUMENTS)
    text_bytes = sum(len(document.encode()) for document in _DOCUMENTS)
    assert shard.total_bytes == report.text_bytes == sum(done) == text_bytes
    assert report.bytes_per_token == pytest.approx(text_bytes / (len(shard) - len(_DOCUMENTS)))
    assert report.megabytes_per_s > 0
    assert sorted(path.name for path in (tmp_path / "train").iterdir()) == [
        "manifest.json", "starts.bin", "tokens.bin",
    ]  # fmt: skip


@given(
    st.lists(
        st.tuples(st.text(st.sampled_from("ab 1.,\n\r'好，。\u3000"), max_size=12), st.booleans()),
        max_size=30,
    )
)
def test_blocks_give_the_ids_of_the_whole_document(
    tokenizer: Tokenizer, items: list[tuple[str, bool]]
) -> None:
    documents: list[str] = []
    for text, continues in items:
        if continues and documents:
            documents[-1] += text
        else:
            documents.append(text)
    parts: list[list[int]] = [[]]
    for text, ends in shards._stitch(iter(items)):
        parts[-1] += tokenizer.encode(text)
        if ends:
            parts.append([])
    assert parts == [*[tokenizer.encode(text) for text in documents if text], []]


def test_batches_do_not_show(
    tokenizer: Tokenizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    items = [(block, position % 3 > 0) for position, block in enumerate(_DOCUMENTS)]
    write(items, tokenizer, tmp_path, "train")
    monkeypatch.setattr(shards, "_BATCH_CHARS", 50)
    write(items, tokenizer, tmp_path, "validation")
    one, many = load(tmp_path, "train"), load(tmp_path, "validation")
    assert np.array_equal(one.tokens, many.tokens)
    assert np.array_equal(one.starts, many.starts)
    assert one.total_bytes == many.total_bytes


def test_text_without_boundaries_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "_MOST_CARRIED_CHARS", 100)
    texts = list(shards._stitch(("好" * 40, position > 0) for position in range(50)))
    assert max(len(text) for text, _ in texts) <= 140
    assert "".join(text for text, _ in texts) == "好" * 2000


def test_large_vocabulary_takes_four_bytes(tmp_path: Path, tokenizer: Tokenizer) -> None:
    large = Tokenizer.load(_saved_with_id(tokenizer, tmp_path / "model", 70_000))
    write([("a好", False)], large, tmp_path, "train")
    shard = load(tmp_path, "train")
    assert shard.tokens.dtype == np.uint32
    assert shard.tokens.tolist() == [*large.encode("a好"), 70_000]


def _saved_with_id(tokenizer: Tokenizer, folder: Path, pad_id: int) -> Path:
    """Save the tokenizer with another id for its separator, as if it had many more tokens."""
    tokenizer.save(folder)
    path = folder / "tokenizer.json"
    document = json.loads(path.read_text("utf-8"))
    document["model"]["vocab"]["<|endoftext|>"] = pad_id
    document["added_tokens"][0]["id"] = pad_id
    path.write_text(json.dumps(document), "utf-8")
    return folder


def test_undecodable_bytes_are_counted_as_one_byte_each(
    tokenizer: Tokenizer, tmp_path: Path
) -> None:
    write([("a\udcff", False)], tokenizer, tmp_path, "train")
    shard = load(tmp_path, "train")
    assert shard.tokens.tolist() == [97, 255, tokenizer.pad_id]
    assert shard.total_bytes == 2


def test_reused_only_when_nothing_changed(tokenizer: Tokenizer, tmp_path: Path) -> None:
    source = tmp_path / "source.txt"
    source.write_text("one", "utf-8")
    key = data_key({"tokenizer": {"kind": "bpe"}}, [source])
    assert not is_current(tmp_path, key)
    for split in ("train", "validation"):
        assert not is_current(tmp_path, key)
        write(_whole(["one"]), tokenizer, tmp_path, split, key=key)
    assert is_current(tmp_path, key)
    assert data_key({"tokenizer": {"kind": "bpe"}}, [source]) == key
    assert data_key({"tokenizer": {"kind": "char"}}, [source]) != key
    source.write_text("two!", "utf-8")
    assert not is_current(tmp_path, data_key({"tokenizer": {"kind": "bpe"}}, [source]))
    (tmp_path / "train" / "tokens.bin").write_bytes(b"")
    assert not is_current(tmp_path, key)


def test_unfinished_write_is_not_current(tokenizer: Tokenizer, tmp_path: Path) -> None:
    write(_whole(_DOCUMENTS), tokenizer, tmp_path, "train", key="k")

    def torn() -> Iterator[tuple[str, bool]]:
        yield "one", False
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(torn(), tokenizer, tmp_path, "train", key="k")
    assert not is_current(tmp_path, "k", splits=["train"])
    leftover = tmp_path / "train" / ".tokens.bin.crash"
    leftover.write_bytes(b"x")
    write(_whole(_DOCUMENTS), tokenizer, tmp_path, "train", key="k")
    assert is_current(tmp_path, "k", splits=["train"])
    assert not leftover.exists()


def _truncate(folder: Path) -> None:
    path = folder / "tokens.bin"
    path.write_bytes(path.read_bytes()[:-2])


def _alter(folder: Path) -> None:
    path = folder / "tokens.bin"
    content = path.read_bytes()
    path.write_bytes(bytes([content[0] ^ 1]) + content[1:])


def _change_manifest(folder: Path) -> None:
    path = folder / "manifest.json"
    path.write_text(path.read_text("utf-8").replace('"tokens": ', '"tokens": 1'), "utf-8")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_truncate, "truncated or altered"),
        (_alter, "sha256 does not match"),
        (_change_manifest, "number of tokens"),
        (lambda folder: (folder / "starts.bin").unlink(), "is missing"),
        (lambda folder: (folder / "manifest.json").unlink(), "is missing"),
        (lambda folder: (folder / "manifest.json").write_text("{"), "not valid JSON"),
        (lambda folder: (folder / "manifest.json").write_text("[]"), "is not a manifest"),
        (lambda folder: (folder / "manifest.json").write_text("{}"), "is not a manifest"),
    ],
)
def test_damaged_shard_is_one_sentence(
    tokenizer: Tokenizer, tmp_path: Path, damage: object, message: str
) -> None:
    write(_whole(_DOCUMENTS), tokenizer, tmp_path, "train")
    assert callable(damage)
    damage(tmp_path / "train")
    with pytest.raises(DataError, match=message) as caught:
        load(tmp_path, "train")
    assert "\n" not in str(caught.value)


def test_ids_of_another_tokenizer_are_refused(tokenizer: Tokenizer, tmp_path: Path) -> None:
    write([("abc", False)], tokenizer, tmp_path, "train")
    other = train(["abc"], TokenizerConfig(kind="byte"), corpus_bytes=3)
    with pytest.raises(DataError, match="another tokenizer"):
        load(tmp_path, "train", tokenizer=other)


@pytest.mark.parametrize("items", [[], [("", False)]])
def test_no_text_is_an_error(
    tokenizer: Tokenizer, tmp_path: Path, items: list[tuple[str, bool]]
) -> None:
    with pytest.raises(DataError, match="no text for the split 'train'"):
        write(items, tokenizer, tmp_path, "train")
