"""How vocabularies spell bytes: tokenizers of other families, read from a folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tokenizers import AddedToken, decoders, models, normalizers, pre_tokenizers, processors
from tokenizers import Tokenizer as HFTokenizer

from autogpt.core.errors import CheckpointError
from autogpt.tokenizer.bpe import StreamDecoder, Tokenizer
from autogpt.tokenizer.pipeline import BYTE_NAMES
from autogpt.tokenizer.spelling import ByteLevel, SentencePiece, spelling_of

BYTES = [f"<0x{byte:02X}>" for byte in range(256)]
SPECIAL = ["<pad>", "<eos>", "<bos>"]


def sentencepiece(*, prefix: bool, latin: bool = False) -> HFTokenizer:
    """Return a tokenizer as Llama 2's (with prefix) or Gemma's, with few tokens."""
    letters = list("▁theday学") + (BYTE_NAMES if latin else [])
    tokens = list(dict.fromkeys([*SPECIAL, *BYTES, *letters, "th", "the", "▁the"]))
    merges = [("t", "h"), ("th", "e"), ("▁", "the")]
    vocab = {token: token_id for token_id, token in enumerate(tokens)}
    tokenizer = HFTokenizer(models.BPE(vocab, merges, byte_fallback=True))
    spaces = [normalizers.Replace(" ", "▁")]
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), *spaces] if prefix else spaces
    )
    strip = [decoders.Strip(" ", 1, 0)] if prefix else []
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), *strip]
    )
    tokenizer.add_special_tokens(SPECIAL)
    tokenizer.add_tokens([AddedToken("<b>", normalized=False)])
    return tokenizer


def folder_of(tokenizer: HFTokenizer, folder: Path, **config: object) -> Path:
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {"eos_token": "<eos>", "pad_token": "<pad>", "bos_token": "<bos>", **config}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return folder


@pytest.mark.parametrize("prefix", [False, True])
def test_sentencepiece_folders_are_read(tmp_path: Path, prefix: bool) -> None:
    theirs = sentencepiece(prefix=prefix)
    tokenizer = Tokenizer.load(folder_of(theirs, tmp_path))
    for text in ("the day 学", " the  the", "é 😀\n", "", "the<b>the"):
        ids = tokenizer.encode(text)
        assert ids == theirs.encode(text, add_special_tokens=False).ids
        assert tokenizer.decode(ids) == theirs.decode(ids)
    assert tokenizer.token_bytes(tokenizer.encode("\x07")[-1]) == b"\x07"
    assert tokenizer.decode(tokenizer.encode("the day 学é")) == "the day 学é"


def test_text_that_goes_on_keeps_its_first_space(tmp_path: Path) -> None:
    tokenizer = Tokenizer.load(folder_of(sentencepiece(prefix=True), tmp_path))
    ids = tokenizer.encode("the")
    stream = StreamDecoder(tokenizer)
    assert "".join(map(stream.push, ids)) + stream.flush() == " the"
    assert tokenizer.decode(ids) == "the"


def test_undecodable_bytes_have_tokens(tmp_path: Path) -> None:
    tokenizer = Tokenizer.load(folder_of(sentencepiece(prefix=False), tmp_path))
    data = b"the \xff\x80 day\xe5"
    assert tokenizer.decode_bytes(tokenizer.encode_bytes(data)) == data


def test_added_tokens_that_are_not_special_are_text(tmp_path: Path) -> None:
    tokenizer = Tokenizer.load(folder_of(sentencepiece(prefix=False), tmp_path))
    ids = [*tokenizer.encode("the<b>"), tokenizer.eos_id]
    assert tokenizer.decode(ids, skip_special=True) == "the<b>"
    assert tokenizer.token_byte_counts[ids].tolist()[-2:] == [3, 0]
    assert tokenizer.silent_ids == {tokenizer.special_ids[token] for token in SPECIAL}


def test_a_large_vocabulary_that_has_all_letters_is_not_taken_for_bytes() -> None:
    theirs = sentencepiece(prefix=False, latin=True)
    assert isinstance(spelling_of(theirs, theirs.get_vocab()), SentencePiece)


def test_a_few_missing_bytes_are_passed_over(tmp_path: Path) -> None:
    names = [name for byte, name in enumerate(BYTE_NAMES) if byte not in (4, 0xC0, 0xFF)]
    tokens = [*names, *SPECIAL]
    theirs = HFTokenizer(models.BPE({token: i for i, token in enumerate(tokens)}, []))
    theirs.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    theirs.decoder = decoders.ByteLevel()
    tokenizer = Tokenizer.load(folder_of(theirs, tmp_path))
    assert tokenizer.decode(tokenizer.encode("a\x04 学")) == "a 学"
    assert tokenizer.decode(tokenizer.encode_bytes(b"a\xff")) == "a\ufffd"
    assert isinstance(spelling_of(theirs, theirs.get_vocab()), ByteLevel)


def test_a_vocabulary_without_bytes_is_refused() -> None:
    words = HFTokenizer(models.BPE({"a": 0, "b": 1}, []))
    with pytest.raises(CheckpointError, match="lacks 254 of the 256 bytes"):
        spelling_of(words, words.get_vocab())


@pytest.mark.parametrize("said", [None, True, False])
@pytest.mark.parametrize("processed", [True, False])
def test_whether_a_text_begins_with_bos(tmp_path: Path, said: bool | None, processed: bool) -> None:
    """``tokenizer_config.json`` says it, or else ``tokenizer.json`` does it."""
    theirs = sentencepiece(prefix=False)
    bos = theirs.token_to_id("<bos>")
    if processed:
        template = processors.TemplateProcessing(
            single="<bos> $A", pair="<bos> $A $B", special_tokens=[("<bos>", bos)]
        )
        level = processors.ByteLevel(trim_offsets=False)
        theirs.post_processor = processors.Sequence([level, template])
    config = {} if said is None else {"add_bos_token": said}
    tokenizer = Tokenizer.load(folder_of(theirs, tmp_path, **config))
    assert tokenizer.bos_ids == ((bos,) if (processed if said is None else said) else ())


def test_a_bos_that_is_not_in_the_vocabulary_is_refused(tmp_path: Path) -> None:
    theirs = sentencepiece(prefix=False)
    folder_of(theirs, tmp_path, bos_token="<s>", add_bos_token=True)
    with pytest.raises(CheckpointError, match="bos_token '<s>' is not in the vocabulary"):
        Tokenizer.load(tmp_path)
