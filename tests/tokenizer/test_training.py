from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.tokenizer.texts import hard_text

from autogpt.core.errors import ConfigError
from autogpt.tokenizer import pipeline, training
from autogpt.tokenizer.bpe import Tokenizer, TokenizerConfig, choose_vocab_size, train
from autogpt.tokenizer.training import fit, merges_from_ranks


def _tokens(merges: list[pipeline.Merge]) -> list[bytes]:
    return [bytes([byte]) for byte in range(256)] + [left + right for left, right in merges]


@given(st.lists(hard_text, min_size=1, max_size=4))
def test_both_trainers_give_merges_that_encoding_reproduces(texts: list[str]) -> None:
    """Each token is made by its merge alone, whichever library learned it."""
    for learned in (training._learn(texts, 40)[0], training._learn_with_tokenizers(texts, 40)):
        tokens = _tokens(learned)
        assert merges_from_ranks(tokens) == learned
        assert len(set(tokens)) == len(tokens)


@given(st.lists(hard_text, min_size=1, max_size=4), hard_text)
def test_any_text_trains_a_tokenizer_that_round_trips(texts: list[str], text: str) -> None:
    tokenizer = Tokenizer(pipeline.build(training._learn(texts, 40)[0]))
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_trainers_agree_on_how_well_they_compress(corpus: list[str]) -> None:
    lengths = []
    for merges in (training._learn(corpus, 700)[0], training._learn_with_tokenizers(corpus, 700)):
        tokenizer = Tokenizer(pipeline.build(merges))
        lengths.append(sum(map(len, tokenizer.encode_batch(corpus))))
    assert lengths[0] == pytest.approx(lengths[1], rel=0.005)


def test_merges_of_tokens_that_cannot_be_made_are_refused() -> None:
    bytes_only = [bytes([byte]) for byte in range(256)]
    with pytest.raises(ValueError, match="twice"):
        merges_from_ranks([*bytes_only, b"ab", b"ab"])
    with pytest.raises(ValueError, match="do not merge"):
        merges_from_ranks([*bytes_only, b"abc"])


def test_merge_follows_the_order_of_learning() -> None:
    tokens = [*(bytes([byte]) for byte in range(256)), b"bc", b"ab", b"abc"]
    assert merges_from_ranks(tokens)[-1] == (b"a", b"bc")


def test_training_is_deterministic(corpus: list[str], corpus_bytes: int) -> None:
    config = TokenizerConfig(kind="bpe", vocab_size=600)
    first, second = (train(corpus, config, corpus_bytes=corpus_bytes) for _ in range(2))
    assert first.fingerprint() == second.fingerprint()


def test_report_says_what_happened(tokenizer: Tokenizer, corpus_bytes: int) -> None:
    report = tokenizer.training
    assert report is not None
    assert (report.kind, report.vocab_size) == ("bpe", 1024)
    assert report.sample_bytes == report.corpus_bytes == corpus_bytes
    assert 2 < report.bytes_per_token < 4
    assert report.megabytes_per_s > 0


def test_texts_may_be_a_function(corpus: list[str]) -> None:
    config = TokenizerConfig(vocab_size=300)
    assert train(lambda: iter(corpus), config, corpus_bytes=1).vocab_size == 300


def test_byte_kind_has_a_token_for_each_byte() -> None:
    tokenizer = train(["abc"], TokenizerConfig(kind="byte"), corpus_bytes=3)
    assert tokenizer.vocab_size == 259
    assert tokenizer.encode("aé") == [97, 0xC3, 0xA9]


def test_char_kind_has_a_token_for_each_character(corpus: list[str], corpus_bytes: int) -> None:
    tokenizer = train(corpus, TokenizerConfig(kind="char"), corpus_bytes=corpus_bytes)
    for text in corpus:
        assert len(tokenizer.encode(text)) == len(text)
    assert len(tokenizer.encode("龘")) > 1
    assert tokenizer.decode(tokenizer.encode("龘 and 😀")) == "龘 and 😀"


def test_char_kind_keeps_the_most_frequent_characters() -> None:
    config = TokenizerConfig(kind="char", vocab_size=259 + 2)
    tokenizer = train(["你你你佢"], config, corpus_bytes=12)
    assert len(tokenizer.encode("你")) == 1
    assert len(tokenizer.encode("佢")) == 2  # its first two bytes are those of 你
    assert tokenizer.vocab_size == 261


@given(hard_text, hard_text)
def test_char_kind_agrees_with_tokenizers(corpus_text: str, text: str) -> None:
    fitted = fit([corpus_text, "x"], TokenizerConfig(kind="char"), corpus_bytes=10)
    tokens = _tokens(fitted.merges)
    assert merges_from_ranks(tokens) == fitted.merges
    tokenizer = Tokenizer(pipeline.build(fitted.merges))
    assert len(tokenizer.encode(corpus_text)) == len(corpus_text)
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_auto_picks_by_size(corpus: list[str]) -> None:
    small = fit(corpus, TokenizerConfig(), corpus_bytes=50_000)
    large = fit(corpus, TokenizerConfig(), corpus_bytes=300_000)
    asked = fit(corpus, TokenizerConfig(vocab_size=400), corpus_bytes=50_000)
    assert (small.kind, large.kind, asked.kind) == ("char", "bpe", "bpe")


def test_vocabulary_grows_with_the_corpus() -> None:
    sizes = [choose_vocab_size(size) for size in (0, 10**5, 10**6, 10**7, 10**9, 10**12)]
    assert sizes == [320, 384, 1280, 4032, 32768, 32768]
    assert all(size % 64 == 0 for size in sizes)


def test_large_corpora_are_sampled_evenly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "_SAMPLE_BYTES", 10_000)
    texts = [f"{number:03d} " * 25 for number in range(1000)]
    sample = training._Sample(texts, 100_000)
    numbers = [int(part[:3]) for part in sample]
    assert len(numbers) == 100
    assert {second - first for first, second in pairwise(numbers)} == {10}


def test_sample_is_bounded_when_the_corpus_is_larger_than_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(training, "_SAMPLE_BYTES", 10_000)

    def endless() -> Iterator[str]:
        while True:
            yield "abc " * 25

    sample = training._Sample(endless(), 1)
    sample.read_all()
    assert sample.bytes == 11_000


@given(st.lists(hard_text, max_size=8))
def test_grouping_keeps_the_pieces(parts: list[str]) -> None:
    pre_tokenizer = pipeline.pre_tokenizer()
    before = [piece for part in parts for piece, _ in pre_tokenizer.pre_tokenize_str(part)]
    grouped = training._grouped(part for part in parts if part)
    after = [piece for part in grouped for piece, _ in pre_tokenizer.pre_tokenize_str(part)]
    assert after == before


def test_long_runs_do_not_stop_training() -> None:
    texts = [" " * 1_100_000 + "x", "ab " * 10]
    tokenizer = train(texts, TokenizerConfig(vocab_size=280), corpus_bytes=1_100_000)
    assert 259 < tokenizer.vocab_size <= 280


def test_lone_surrogates_do_not_stop_training() -> None:
    tokenizer = train(["ab\ud800ab\udcff"], TokenizerConfig(vocab_size=300), corpus_bytes=9)
    assert tokenizer.decode(tokenizer.encode("abab")) == "abab"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kind": "wordpiece"}, "unknown; expected one of auto, bpe, byte, char"),
        ({"vocab_size": 258}, "258 is too small: 256 bytes and 3 special tokens need at least 259"),
        ({"vocab_size": -1}, "too small"),
        ({"kind": "byte", "vocab_size": 300}, "always has 259"),
    ],
)
def test_wrong_settings_are_one_sentence(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        TokenizerConfig(**settings)  # type: ignore[arg-type]  # what a user may write
