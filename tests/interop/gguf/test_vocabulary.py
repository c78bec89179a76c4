"""Tokenizers in GGUF files give the ids of the tokenizers they were made from."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from tests.interop.gguf.tiny import Contents, byte_level_entries, sentencepiece_entries
from tests.tokenizer.texts import hard_text
from tokenizers import Regex, decoders, models, normalizers, pre_tokenizers, trainers
from tokenizers import Tokenizer as HFTokenizer

from autogpt.core.errors import CheckpointError
from autogpt.core.messages import assistant, user
from autogpt.interop.gguf.entries import Entries
from autogpt.interop.gguf.header import read_header
from autogpt.interop.gguf.vocabulary import PRE_TOKENIZERS, read_vocabulary
from autogpt.tokenizer.bpe import StreamDecoder, Tokenizer
from autogpt.tokenizer.chat import encode_chat

TEXTS = [
    "The quick brown fox's den: 3.14159, 'TWAS  they'LL\tbe\r\n\r\n  there!?\n\n\n",
    "子曰：「學而時習之，不亦說乎？」　　2024年１２月… 今天天气怎么样？",
    "def f(x):\n        return x ** 2  # ----\n\n\n<table><b>12345</b></table>",
    "Ünïcödé ſ'ſ é\u0301 😀👩‍👩‍👧 \u200b\ufeff\x00\x85 ½ ٣٤ नमस्ते", "", " ", "   x", "x   ",
]  # fmt: skip
CORPUS = [
    *TEXTS,
    "the summer day, the sea and the sand; they'll say it's 2024. " * 20,
    "學而時習之" * 9,
]

# How the tokenizer.json of the models themselves cut text, by what GGUF calls them.
GPT2 = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
RAW = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
TAIL = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
WORD = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+"
ORIGINALS: dict[str, list[Any]] = {
    "gpt-2": [GPT2],
    "smollm": [pre_tokenizers.Digits(individual_digits=True), GPT2],
    "qwen2": [pre_tokenizers.Split(Regex(rf"{WORD}|\p{{N}}{TAIL}"), "isolated"), RAW],
    "llama-bpe": [pre_tokenizers.Split(Regex(rf"{WORD}|\p{{N}}{{1,3}}{TAIL}"), "isolated"), RAW],
}


def tokenizer_of(entries: dict[str, Any], folder: Path) -> Tokenizer:
    """Return the tokenizer of a file with these entries."""
    file = Contents({"general.architecture": "llama", **entries}).write(folder / "x.gguf")
    return read_vocabulary(read_header(file).entries).tokenizer()


def byte_level_original(pre: str) -> HFTokenizer:
    original = HFTokenizer(models.BPE(ignore_merges=PRE_TOKENIZERS[pre].ignore_merges))
    original.pre_tokenizer = pre_tokenizers.Sequence(ORIGINALS[pre])
    original.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=600,
        show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=["<|endoftext|>", "<|im_end|>"],
    )
    original.train_from_iterator(CORPUS, trainer)
    return original


def entries_of(original: HFTokenizer, pre: str) -> dict[str, Any]:
    """Return what the conversion script of llama.cpp writes of a byte-level tokenizer."""
    document = json.loads(original.to_str())
    vocab = document["model"]["vocab"]
    return {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": pre,
        "tokenizer.ggml.tokens": sorted(vocab, key=vocab.__getitem__),
        "tokenizer.ggml.token_type": [3, 3] + [1] * (len(vocab) - 2),
        "tokenizer.ggml.merges": [" ".join(pair) for pair in document["model"]["merges"]],
        "tokenizer.ggml.eos_token_id": 1,
    }


@pytest.mark.parametrize("pre", ORIGINALS)
def test_byte_level_ids_are_the_originals(pre: str, tmp_path: Path) -> None:
    original = byte_level_original(pre)
    tokenizer = tokenizer_of(entries_of(original, pre), tmp_path)
    assert tokenizer.vocab_size == original.get_vocab_size()

    @settings(max_examples=60, deadline=None)
    @given(hard_text)
    def ids_are_equal(text: str) -> None:
        original.encode_special_tokens = True
        assert tokenizer.encode(text) == original.encode(text).ids
        assert tokenizer.decode(tokenizer.encode(text)) == text

    for text in CORPUS:
        ids_are_equal.hypothesis.inner_test(text)
    ids_are_equal()
    original.encode_special_tokens = False
    text = "a<|im_end|>學<|endoftext|>"
    assert tokenizer.encode(text, allow_special=True) == original.encode(text).ids


@pytest.mark.parametrize(
    ("pre", "pieces"),
    [
        ("default", ["Hi", ",", " it", "'", "s", " ", "123", "4", " é", "…)", "\n", "天", "，"]),
        ("gpt-2", ["Hi", ",", " it", "'s", " 1234", " é", "…)", "\n", "天", "，"]),
        ("smollm", ["Hi", ",", " it", "'s", " ", "1", "2", "3", "4", " é", "…)", "\n", "天", "，"]),
        ("qwen2", ["Hi", ",", " it", "'s", " ", "1", "2", "3", "4", " é", "…)\n", "天", "，"]),
        ("llama-bpe", ["Hi", ",", " it", "'s", " ", "123", "4", " é", "…)\n", "天", "，"]),
        ("tekken", ["Hi", ",", " it", "'s", " ", "1", "2", "3", "4", " é", "…)\n", "天", "，"]),
    ],
)
def test_pieces(pre: str, pieces: list[str]) -> None:
    steps = [
        pre_tokenizers.Split(Regex(pattern), "isolated") for pattern in PRE_TOKENIZERS[pre].patterns
    ]
    found = pre_tokenizers.Sequence(steps).pre_tokenize_str("Hi, it's 1234 é…)\n天，")
    assert [piece for piece, _ in found] == pieces


def test_a_missing_pre_tokenizer_is_the_default(tmp_path: Path) -> None:
    entries = byte_level_entries()
    del entries["tokenizer.ggml.pre"]
    without = tokenizer_of(entries, tmp_path)
    named = tokenizer_of({**entries, "tokenizer.ggml.pre": "default"}, tmp_path)
    assert without.fingerprint() == named.fingerprint()


# -- SentencePiece ---------------------------------------------------------------------------------


def sentencepiece_original(*, prefix: bool) -> HFTokenizer:
    """Return a tokenizer as Llama 2 and Gemma have them, whose merges make every token."""
    original = HFTokenizer(models.BPE(byte_fallback=True, fuse_unk=True, unk_token="<unk>"))
    spaces = [normalizers.Replace(" ", "▁")]
    original.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), *spaces] if prefix else spaces
    )
    strip = [decoders.Strip(" ", 1, 0)] if prefix else []
    original.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), *strip]
    )
    special = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    trainer = trainers.BpeTrainer(
        vocab_size=700,
        show_progress=False,
        special_tokens=special,
        limit_alphabet=150,
        max_token_length=12,
    )
    original.train_from_iterator(CORPUS * 2, trainer)
    document = json.loads(original.to_str())
    document["added_tokens"] = document["added_tokens"][:3]  # bytes are no special tokens
    return HFTokenizer.from_str(json.dumps(document))


def entries_of_pieces(original: HFTokenizer, *, prefix: bool) -> dict[str, Any]:
    """Return what the conversion script writes: tokens and scores, no merges."""
    vocab = json.loads(original.to_str())["model"]["vocab"]
    tokens = sorted(vocab, key=vocab.__getitem__)
    return {
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.scores": [0.0] * 259 + [-float(rank) for rank in range(len(tokens) - 259)],
        "tokenizer.ggml.token_type": [2, 3, 3] + [6] * 256 + [1] * (len(tokens) - 259),
        "tokenizer.ggml.bos_token_id": 1,
        "tokenizer.ggml.eos_token_id": 2,
        "tokenizer.ggml.add_space_prefix": prefix,
    }


@pytest.mark.parametrize("prefix", [False, True])
def test_sentencepiece_ids_are_the_originals(prefix: bool, tmp_path: Path) -> None:
    original = sentencepiece_original(prefix=prefix)
    tokenizer = tokenizer_of(entries_of_pieces(original, prefix=prefix), tmp_path)
    assert tokenizer.roles.add_bos
    assert tokenizer.bos_ids == (1,)
    for text in CORPUS:
        ids = tokenizer.encode(text)
        assert ids == original.encode(text, add_special_tokens=False).ids
        assert tokenizer.decode(ids) == text
        assert tokenizer.decode(ids) == original.decode(ids)


def joined_by_score(text: str, scores: dict[str, float]) -> list[str]:
    """Merge the pair of neighbors with the highest score, leftmost first: SentencePiece's rule."""
    parts = list(text.replace(" ", "▁"))
    while True:
        neighbors = enumerate(pairwise(parts))
        pairs = [(-scores[a + b], place) for place, (a, b) in neighbors if a + b in scores]
        if not pairs:
            return parts
        _, place = min(pairs)
        parts[place : place + 2] = [parts[place] + parts[place + 1]]


def test_merges_by_score_are_sentencepieces(tmp_path: Path) -> None:
    entries = sentencepiece_entries()
    tokenizer = tokenizer_of(entries, tmp_path)
    tokens = entries["tokenizer.ggml.tokens"]
    scores = {
        token: score
        for token, score, kind in zip(
            tokens,
            entries["tokenizer.ggml.scores"],
            entries["tokenizer.ggml.token_type"],
            strict=True,
        )
        if kind == 1
    }
    for text in [
        "the summer day",
        "thethe  theday sand",
        "and day学时习the mm su sum",
        "学学习",
        "▁x",
    ]:
        expected = joined_by_score(text, scores)
        ids = []
        for part in expected:  # what is no token becomes bytes
            known = [tokens.index(part)] if part in scores else [4 + byte for byte in part.encode()]
            ids += known
        assert tokenizer.encode(text) == ids


def test_user_defined_tokens_are_found_in_text_and_are_text(tmp_path: Path) -> None:
    tokenizer = tokenizer_of(sentencepiece_entries(), tmp_path)
    text = "the\n\n   <b>学"
    ids = tokenizer.encode(text)
    assert {tokenizer.special_ids["\n\n"], tokenizer.special_ids["<b>"]} <= set(ids)
    assert tokenizer.decode(ids, skip_special=True) == text
    assert tokenizer.token_byte_counts[ids].sum() == len(text.encode())
    stream = StreamDecoder(tokenizer, skip_special=True)
    assert "".join(map(stream.push, ids)) + stream.flush() == text


def test_special_tokens_written_in_text_stay_text(tmp_path: Path) -> None:
    for entries, token in (
        (sentencepiece_entries(), "<bos>"),
        (byte_level_entries(), "<|im_end|>"),
    ):
        tokenizer = tokenizer_of(entries, tmp_path)
        special = tokenizer.special_ids[token]
        assert special not in tokenizer.encode(f"the {token}学")
        assert tokenizer.decode(tokenizer.encode(f"the {token}学")) == f"the {token}学"
        assert special in tokenizer.encode(f"the {token}学", allow_special=True)
        assert tokenizer.decode([special], skip_special=True) == ""


def test_any_bytes_come_back(tmp_path: Path) -> None:
    data = bytes(range(256)) + "the 学😀".encode()
    for entries in (sentencepiece_entries(), byte_level_entries()):
        tokenizer = tokenizer_of(entries, tmp_path)
        assert tokenizer.decode_bytes(tokenizer.encode_bytes(data)) == data


def test_bytes_that_the_vocabulary_lacks_are_passed_over(tmp_path: Path) -> None:
    entries = byte_level_entries()
    entries["tokenizer.ggml.tokens"][4] = "[UNUSED]"  # byte 4; SmolLM2 lacks it too
    tokenizer = tokenizer_of(entries, tmp_path)
    assert tokenizer.decode(tokenizer.encode("a\x04学")) == "a学"
    assert tokenizer.decode(tokenizer.encode_bytes(b"a\x04")) == "a"


# -- roles -----------------------------------------------------------------------------------------


def test_roles(tmp_path: Path) -> None:
    entries = byte_level_entries()
    tokens = entries["tokenizer.ggml.tokens"]
    tokenizer = tokenizer_of(entries, tmp_path)
    roles = tokenizer.roles
    assert (roles.eos, roles.pad, roles.bos) == ("<|im_end|>", "<|endoftext|>", "<|im_start|>")
    assert tokenizer.bos_ids == ()
    assert tokenizer.im_start_id == tokens.index("<|im_start|>")

    entries |= {"tokenizer.ggml.add_bos_token": True}
    del entries["tokenizer.ggml.padding_token_id"]
    tokenizer = tokenizer_of(entries, tmp_path)
    assert tokenizer.bos_ids == (tokens.index("<|im_start|>"),)
    assert tokenizer.pad_id == tokenizer.eos_id
    del entries["tokenizer.ggml.bos_token_id"]
    assert tokenizer_of(entries, tmp_path).bos_ids == ()


@pytest.mark.parametrize(("pre", "expected"), [("llama-bpe", 1), ("qwen2", 0), ("smollm", 0)])
def test_where_the_file_does_not_say_the_kind_decides_about_bos(
    tmp_path: Path, pre: str, expected: int
) -> None:
    entries = byte_level_entries(pre)
    del entries["tokenizer.ggml.add_bos_token"]
    assert len(tokenizer_of(entries, tmp_path).bos_ids) == expected


def test_chat_template_knows_the_tokens(tmp_path: Path) -> None:
    tokenizer = tokenizer_of(byte_level_entries(), tmp_path)
    roles = tokenizer.roles
    assert roles.chat_template is not None
    assert roles.bos is not None
    ids = encode_chat(
        [user("hi 学"), assistant("<|im_end|>")],
        tokenizer,
        template=roles.chat_template,
        tokens={"bos_token": roles.bos, "eos_token": roles.eos},
    )
    assert tokenizer.decode(ids) == "<|im_start|>user:hi 学<|im_end|>assistant:<|im_end|><|im_end|>"
    assert [ids.count(tokenizer.special_ids[token]) for token in (roles.bos, roles.eos)] == [1, 2]


def test_ends_are_all_that_end_a_message(tmp_path: Path) -> None:
    entries = byte_level_entries()
    tokens = entries["tokenizer.ggml.tokens"]
    end, text_end, start = map(tokens.index, ("<|im_end|>", "<|endoftext|>", "<|im_start|>"))
    special = read_vocabulary(Entries(tmp_path, _as_read(entries))).special_tokens()
    assert special == {
        "bos_token_id": start,
        "eos_token_id": sorted([end, text_end]),
        "pad_token_id": text_end,
    }
    entries["tokenizer.ggml.eot_token_id"] = start
    special = read_vocabulary(Entries(tmp_path, _as_read(entries))).special_tokens()
    assert special["eos_token_id"] == sorted([end, text_end, start])


def _as_read(entries: dict[str, Any]) -> dict[str, Any]:
    import numpy as np

    types = np.array(entries["tokenizer.ggml.token_type"])
    return {**entries, "tokenizer.ggml.token_type": types}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tokenizer.ggml.model": "bert"}, "says tokenizer.ggml.model = 'bert', expected 'gpt2'"),
        ({"tokenizer.ggml.model": None}, "has no 'tokenizer.ggml.model'"),
        ({"tokenizer.ggml.model": 3}, "says tokenizer.ggml.model = 3, expected text"),
        ({"tokenizer.ggml.pre": "klingon"}, "= 'klingon', expected one of default, gpt-2"),
        ({"tokenizer.ggml.tokens": None}, "has no 'tokenizer.ggml.tokens'"),
        ({"tokenizer.ggml.tokens": ["a", "a"]}, "expected tokens that are all different"),
        ({"tokenizer.ggml.tokens": ["a", ""]}, "and none empty"),
        ({"tokenizer.ggml.tokens": "abc"}, "= 'abc', expected a list of texts"),
        (
            {"tokenizer.ggml.tokens": ["a", "b"]},
            "numbers in 'tokenizer.ggml.token_type', expected 2",
        ),
        ({"tokenizer.ggml.token_type": ["a"]}, "expected an array of numbers"),
        ({"tokenizer.ggml.merges": None}, "has no 'tokenizer.ggml.merges'"),
        ({"tokenizer.ggml.merges": ["ab"]}, "has the merge 'ab', expected two tokens"),
        ({"tokenizer.ggml.merges": ["學 而"]}, "does not fit together"),
        ({"tokenizer.ggml.eos_token_id": None}, "eos_token_id', which generation needs"),
        ({"tokenizer.ggml.eos_token_id": 10**6}, "= 1000000, expected the id of one of"),
        ({"tokenizer.ggml.bos_token_id": -1}, "= -1, expected the id of one of"),
        ({"tokenizer.ggml.padding_token_id": "x"}, "= 'x', expected a whole number"),
        ({"tokenizer.ggml.add_bos_token": 1}, "= 1, expected true or false"),
        ({"tokenizer.chat_template": 1.5}, "= 1.5, expected text"),
    ],
)
def test_a_wrong_vocabulary_is_refused_in_one_sentence(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    entries = {**byte_level_entries(), **changes}
    entries = {key: value for key, value in entries.items() if value is not None}
    with pytest.raises(CheckpointError) as caught:
        tokenizer_of(entries, tmp_path)
    assert message in caught.value.message
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tokenizer.ggml.scores": None}, "a finite number for every token"),
        ({"tokenizer.ggml.scores": [1.0]}, "1 numbers in 'tokenizer.ggml.scores', expected"),
        ({"tokenizer.ggml.add_space_prefix": "yes"}, "expected true or false"),
    ],
)
def test_wrong_pieces_are_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    entries = {**sentencepiece_entries(), **changes}
    entries = {key: value for key, value in entries.items() if value is not None}
    with pytest.raises(CheckpointError, match=message):
        tokenizer_of(entries, tmp_path)


def test_scores_and_pieces_have_limits(tmp_path: Path) -> None:
    entries = sentencepiece_entries()
    entries["tokenizer.ggml.scores"][9] = float("nan")
    with pytest.raises(CheckpointError, match="a finite number for every token"):
        tokenizer_of(entries, tmp_path)
    entries = sentencepiece_entries()
    entries["tokenizer.ggml.tokens"][270] = "x" * 5000
    with pytest.raises(CheckpointError, match="a token of 5000 characters, expected at most 1024"):
        tokenizer_of(entries, tmp_path)


def test_pieces_without_bytes_are_refused(tmp_path: Path) -> None:
    entries = sentencepiece_entries()
    entries["tokenizer.ggml.tokens"][9] = "x"
    with pytest.raises(CheckpointError, match="of the 256 bytes"):
        tokenizer_of(entries, tmp_path)


@pytest.mark.parametrize(
    "entries", [byte_level_entries("smollm"), sentencepiece_entries(prefix=True)]
)
def test_saved_and_loaded_it_is_the_same(tmp_path: Path, entries: dict[str, Any]) -> None:
    entries["tokenizer.ggml.add_bos_token"] = True
    tokenizer = tokenizer_of(entries, tmp_path)
    tokenizer.save(tmp_path)
    loaded = Tokenizer.load(tmp_path)
    assert loaded.roles == tokenizer.roles
    assert loaded.bos_ids == tokenizer.bos_ids
    assert loaded.fingerprint() == tokenizer.fingerprint()
    for text in TEXTS:
        assert loaded.encode(text) == tokenizer.encode(text)
        assert loaded.decode(loaded.encode(text)) == tokenizer.decode(loaded.encode(text))
