from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.tokenizer.texts import hard_text
from tokenizers import Tokenizer as HFTokenizer
from tokenizers import decoders, models, pre_tokenizers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from autogpt.core.errors import CheckpointError, DataError, UsageError
from autogpt.tokenizer import pipeline
from autogpt.tokenizer.bpe import StreamDecoder, Tokenizer, TokenizerConfig, train
from autogpt.tokenizer.encoder import Encoder


@pytest.fixture(scope="module")
def reference(folder: Path) -> HFTokenizer:
    """The saved file as `tokenizers` reads it, special tokens in text not taken for special."""
    tokenizer = HFTokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.encode_special_tokens = True
    return tokenizer


@pytest.fixture(scope="module", params=["fast", "slow"])
def encoder(request: pytest.FixtureRequest, reference: HFTokenizer) -> Encoder:
    made = Encoder(HFTokenizer.from_str(reference.to_str()))
    if request.param == "fast":
        pytest.importorskip("fastokens")
        made.encode("x" * 100_000)  # long enough to build it
        assert made._fast is not None
    else:
        made._may_be_fast = False
    return made


@given(text=hard_text)
def test_ids_are_those_of_tokenizers(encoder: Encoder, reference: HFTokenizer, text: str) -> None:
    assert encoder.encode(text).tolist() == reference.encode(text).ids


@given(texts=st.lists(hard_text, max_size=5))
def test_batch_gives_what_each_text_gives(
    encoder: Encoder, reference: HFTokenizer, texts: list[str]
) -> None:
    rows = encoder.encode_all(texts).rows()
    assert [row.tolist() for row in rows] == [reference.encode(text).ids for text in texts]


def test_long_text_gives_the_ids_of_tokenizers(
    encoder: Encoder, reference: HFTokenizer, corpus: list[str]
) -> None:
    text = "".join(corpus)
    assert encoder.encode(text).tolist() == reference.encode(text).ids


@pytest.mark.parametrize("unit", [" ", "\n", " \n", "\u3000", "a", "-", "你", "'s"])
def test_long_runs_give_the_ids_of_tokenizers(
    encoder: Encoder, reference: HFTokenizer, unit: str
) -> None:
    text = unit * 60_000 + "x"
    assert encoder.encode(text).tolist() == reference.encode(text).ids


@given(text=hard_text)
def test_special_tokens_are_found_as_tokenizers_finds_them(
    encoder: Encoder, folder: Path, text: str
) -> None:
    plain = HFTokenizer.from_file(str(folder / "tokenizer.json"))
    assert encoder.encode(text, allow_special=True).tolist() == plain.encode(text).ids


@given(text=hard_text)
def test_text_round_trips(tokenizer: Tokenizer, text: str) -> None:
    ids = tokenizer.encode(text)
    assert tokenizer.decode(ids) == text
    assert not set(ids) & set(tokenizer.special_ids.values())


@given(data=st.binary() | hard_text.map(lambda text: text.encode()[1:]))
def test_bytes_round_trip(tokenizer: Tokenizer, data: bytes) -> None:
    assert tokenizer.decode_bytes(tokenizer.encode_bytes(data)) == data


@given(text=st.text())
def test_lone_surrogates_become_replacement_characters(tokenizer: Tokenizer, text: str) -> None:
    ids = tokenizer.encode(text)
    assert np.array_equal(tokenizer.encode_batch([text, "x"])[0], ids)
    if not any("\udc80" <= character <= "\udcff" for character in text):
        clean = "".join("\ufffd" if "\ud800" <= c <= "\udfff" else c for c in text)
        assert tokenizer.decode(ids) == clean


@given(st.lists(st.integers(0, 1023), max_size=60), st.booleans())
def test_stream_gives_what_decode_gives(
    tokenizer: Tokenizer, ids: list[int], skip_special: bool
) -> None:
    stream = StreamDecoder(tokenizer, skip_special=skip_special)
    chunks = [stream.push(token_id) for token_id in ids]
    assert "".join(chunks) + stream.flush() == tokenizer.decode(ids, skip_special=skip_special)


@given(hard_text)
def test_stream_never_breaks_a_character(tokenizer: Tokenizer, text: str) -> None:
    stream = StreamDecoder(tokenizer)
    chunks = [stream.push(token_id) for token_id in tokenizer.encode_bytes(text.encode())]
    assert "".join(chunks) == text
    assert stream.flush() == ""


def test_stream_waits_for_the_whole_character(tokenizer: Tokenizer) -> None:
    stream = StreamDecoder(tokenizer)
    assert [stream.push(byte) for byte in "😀".encode()] == ["", "", "", "😀"]
    assert stream.push(0xF0) == ""
    assert stream.flush() == "\ufffd"
    assert stream.flush() == ""


def test_decode_agrees_with_tokenizers(tokenizer: Tokenizer, reference: HFTokenizer) -> None:
    ids = list(np.random.default_rng(0).integers(0, tokenizer.vocab_size, 2000))
    ids = [int(token_id) for token_id in ids]
    assert tokenizer.decode(ids) == reference.decode(ids, skip_special_tokens=False)
    assert tokenizer.decode(ids, skip_special=True) == reference.decode(ids)


def test_file_is_of_the_form_that_other_engines_run(tokenizer: Tokenizer, folder: Path) -> None:
    document = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    assert document["normalizer"] is None
    assert document["model"]["type"] == "BPE"
    assert all(isinstance(merge, list) and len(merge) == 2 for merge in document["model"]["merges"])
    assert list(document["model"]["vocab"])[-3:] == list(pipeline.SPECIAL_TOKENS)
    assert all(token["special"] for token in document["added_tokens"])
    assert len(document["model"]["vocab"]) == tokenizer.vocab_size == 1024
    assert tokenizer.pad_id == 1021
    assert tokenizer.im_start_id == 1022
    assert tokenizer.eos_id == 1023


@pytest.mark.parametrize("loader", [AutoTokenizer, PreTrainedTokenizerFast])
def test_transformers_reads_the_folder(
    tokenizer: Tokenizer, folder: Path, corpus: list[str], loader: type
) -> None:
    theirs = loader.from_pretrained(folder)
    assert theirs.is_fast
    assert (theirs.eos_token_id, theirs.pad_token_id) == (tokenizer.eos_id, tokenizer.pad_id)
    assert theirs.bos_token_id is None
    assert len(theirs) == tokenizer.vocab_size
    for text in [*corpus, "a  b\r\n\u3000你好 <|im_end|> 😀"]:
        ids = theirs(text)["input_ids"]
        assert ids == tokenizer.encode(text, allow_special=True)
        assert theirs.decode(ids) == text


def test_saved_tokenizer_loads_the_same(tokenizer: Tokenizer, folder: Path, tmp_path: Path) -> None:
    loaded = Tokenizer.load(folder)
    assert loaded.fingerprint() == tokenizer.fingerprint()
    assert loaded.roles == tokenizer.roles
    loaded.save(tmp_path)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()


def test_foreign_byte_level_tokenizer_loads(tmp_path: Path) -> None:
    """GPT-2's form: another split, its own end token, no padding token."""
    names = [*pipeline.BYTE_NAMES, "th", "<|endoftext|>"]
    theirs = HFTokenizer(models.BPE({name: i for i, name in enumerate(names)}, [("t", "h")]))
    theirs.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    theirs.decoder = decoders.ByteLevel()
    theirs.add_special_tokens(["<|endoftext|>"])
    theirs.save(str(tmp_path / "tokenizer.json"))
    config = {"eos_token": {"content": "<|endoftext|>"}, "pad_token": None}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
    ours = Tokenizer.load(tmp_path)
    assert ours.eos_id == ours.pad_id == 257
    assert ours.im_start_id is None
    for text in ("the  thing\n\n\n x", "the " * 50_000):
        assert ours.encode(text) == theirs.encode(text).ids
        assert ours.decode(ours.encode(text)) == text


def test_byte_counts_add_up(tokenizer: Tokenizer, corpus: list[str]) -> None:
    ids = [*tokenizer.encode(corpus[1]), tokenizer.pad_id]
    assert tokenizer.token_byte_counts[ids].sum() == len(corpus[1].encode())


def test_fingerprint_depends_on_merges(tokenizer: Tokenizer) -> None:
    assert Tokenizer(pipeline.build([])).fingerprint() != tokenizer.fingerprint()


def test_unknown_id_is_an_error(tokenizer: Tokenizer) -> None:
    for token_id in (-1, tokenizer.vocab_size):
        with pytest.raises(UsageError, match="not in the vocabulary of 1024 tokens"):
            tokenizer.decode([token_id])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("tokenizer.json", None, "has no tokenizer"),
        ("tokenizer.json", "{", "not valid JSON"),
        ("tokenizer.json", "{}", "is not a tokenizer"),
        ("tokenizer.json", '{"version": "1.0", "model": {"type": "BPE"}}', "is not a tokenizer"),
        ("tokenizer_config.json", "{", "not valid JSON"),
        ("tokenizer_config.json", "[]", "is damaged"),
        ("tokenizer_config.json", "{}", "names no eos_token"),
        ("tokenizer_config.json", '{"eos_token": "</s>"}', "'</s>' is not in the vocabulary"),
    ],
)
def test_damaged_folder_is_one_sentence(
    tokenizer: Tokenizer, tmp_path: Path, name: str, content: str | None, message: str
) -> None:
    tokenizer.save(tmp_path)
    (tmp_path / name).unlink()
    if content is not None:
        (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(CheckpointError, match=message):
        Tokenizer.load(tmp_path)


def test_tokenizer_that_is_not_byte_level_is_refused(tmp_path: Path) -> None:
    words = HFTokenizer(models.BPE({"a": 0, "b": 1}, []))
    words.save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(CheckpointError, match="lacks 254 of the 256 bytes"):
        Tokenizer.load(tmp_path)


def test_tokens_with_a_text(tokenizer: Tokenizer) -> None:
    found = tokenizer.ids_with(["\n", "學"])
    wanted = {
        token_id
        for token_id in range(tokenizer.vocab_size)
        if any(text.encode() in tokenizer.token_bytes(token_id) for text in ("\n", "學"))
    }
    assert found == wanted
    assert tokenizer.encode("\n")[0] in found
    assert tokenizer.ids_with([]) == frozenset()


def test_empty_corpus_is_an_error() -> None:
    for texts in ([], [""]):
        with pytest.raises(DataError, match="no text"):
            train(texts, TokenizerConfig(), corpus_bytes=0)


def test_nothing_heavy_is_imported_and_no_connection_made(tmp_path: Path) -> None:
    program = """
import sys
def watch(event, arguments):
    assert not event.startswith("socket."), event
sys.addaudithook(watch)
from autogpt.tokenizer.bpe import TokenizerConfig, train
tokenizer = train(["to be or not to be " * 5000], TokenizerConfig(kind="bpe"), corpus_bytes=95000)
assert tokenizer.encode_batch(["to be " * 20000])
tokenizer.save(sys.argv[1])
assert not {"torch", "transformers"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True)
