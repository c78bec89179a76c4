"""Learn the merges of a byte-level BPE (Sennrich et al., 2016) from text.

``rustbpe`` counts and merges on all cores, at more than twice the speed of ``tokenizers``, which
is the fallback where it is not installed. Either way the outcome is a list of merges, the one
thing that ``pipeline.py`` needs. Memory is bounded: large corpora are sampled evenly.
"""

from __future__ import annotations

import importlib
import logging
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import Any, Literal, get_args

from tokenizers import Tokenizer as HFTokenizer
from tokenizers import models, pre_tokenizers, trainers

from autogpt.core.errors import ConfigError, DataError
from autogpt.tokenizer import pipeline
from autogpt.tokenizer.boundaries import cut
from autogpt.tokenizer.pipeline import Merge

__all__ = [
    "Fitted",
    "TokenizerConfig",
    "TokenizerKind",
    "TrainingReport",
    "choose_vocab_size",
    "fit",
    "merges_from_ranks",
]

TokenizerKind = Literal["auto", "bpe", "byte", "char"]

SMALLEST_VOCAB = 256 + len(pipeline.SPECIAL_TOKENS)

_log = logging.getLogger(__name__)
_TOKENS_AT_1_MB = 1280  # see choose_vocab_size
_LEAST_BPE_VOCAB = 320
_MOST_VOCAB = 32_768
_SAMPLE_BYTES = 100_000_000
_PART_CHARS = 1 << 14
_LONGEST_PART_CHARS = 1 << 17  # rustbpe's regex engine gives up on a million spaces in a row
_LONGEST_TOKEN_BYTES = 128  # longer ones are runs of one sign; nothing shorter is made of them
_BUFFERED_PARTS = 64  # measured: as fast as thousands, and a few megabytes
_EXCERPTS = 48  # of a thousand characters each
_EXCERPT_CHARS = 1000


@dataclass(frozen=True, kw_only=True, slots=True)
class TokenizerConfig:
    """How to make a tokenizer.

    Attributes:
        kind: ``bpe``: tokens learned from the corpus. ``byte``: one token for each byte. ``char``:
            one for each character of the corpus; others fall back to bytes. ``auto``: ``char``
            for a corpus too small to learn merges from (60 kB), else ``bpe``.
        vocab_size: Number of tokens, the 256 bytes and three special tokens included; chosen
            from the size of the corpus when absent.
    """

    kind: TokenizerKind = "auto"
    vocab_size: int | None = None

    def __post_init__(self) -> None:
        """Validate.

        Raises:
            ConfigError: If a setting is unknown, or the vocabulary cannot hold every byte.
        """
        if self.kind not in get_args(TokenizerKind):
            known = ", ".join(get_args(TokenizerKind))
            raise ConfigError(f"tokenizer.kind {self.kind!r} is unknown; expected one of {known}.")
        if self.vocab_size is None:
            return
        if self.vocab_size < SMALLEST_VOCAB:
            raise ConfigError(
                f"tokenizer.vocab_size {self.vocab_size} is too small: 256 bytes and "
                f"{len(pipeline.SPECIAL_TOKENS)} special tokens need at least {SMALLEST_VOCAB}."
            )
        if self.kind == "byte" and self.vocab_size != SMALLEST_VOCAB:
            raise ConfigError(
                f"tokenizer.vocab_size {self.vocab_size} does not fit tokenizer.kind 'byte', "
                f"which always has {SMALLEST_VOCAB} tokens.",
                hint="Leave vocab_size out.",
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingReport:
    """How a tokenizer came about.

    Attributes:
        kind: What was made, never ``auto``.
        engine: What learned the merges: ``rustbpe``, ``tokenizers``, or ``none``.
        vocab_size: Number of tokens.
        corpus_bytes: Size of the corpus in bytes of UTF-8.
        sample_bytes: How much of it was read.
        seconds: Wall time.
        bytes_per_token: Bytes of text per token, measured on an even sample of it.
    """

    kind: TokenizerKind
    engine: str
    vocab_size: int
    corpus_bytes: int
    sample_bytes: int
    seconds: float
    bytes_per_token: float

    @property
    def megabytes_per_s(self) -> float:
        """Millions of bytes read per second."""
        return self.sample_bytes / 1e6 / max(self.seconds, 1e-9)


@dataclass(frozen=True, slots=True)
class Fitted:
    """Merges, what made them, and some of the text they were learned from."""

    merges: list[Merge]
    kind: TokenizerKind
    engine: str
    sample_bytes: int
    excerpt: list[str]


def choose_vocab_size(corpus_bytes: int) -> int:
    """Return the vocabulary size for a corpus: a multiple of 64 from 320 to 32,768.

    A token must be seen often enough for its embedding to be learned; Gowda and May (2020) found
    that the best vocabulary is about the largest in which nearly all tokens occur 100 times.
    Measured on even samples of English plays, English articles and a Chinese novel, the largest
    vocabulary in which nine in ten merged tokens do is about 300 for 0.1 MB, 500 to 600 for 0.3,
    1,024 for 1, 1,536 to 2,048 for 2.2 and 3,072 for 4.5, for each language and the mix alike.
    1,280 times the square root of the size in MB goes through these; the square root is what
    Heaps' law says of the growth of a vocabulary, and it is the cautious side of the measured
    slope (0.6). The cap, reached at 655 MB, keeps the output layer of a model of some ten million
    parameters smaller than the rest of it.
    """
    wanted = _TOKENS_AT_1_MB * math.sqrt(max(corpus_bytes, 0) / 1e6)
    return min(max(round(wanted / 64) * 64, _LEAST_BPE_VOCAB), _MOST_VOCAB)


def fit(texts: Iterable[str], config: TokenizerConfig, *, corpus_bytes: int) -> Fitted:
    """Learn merges from ``texts``.

    Args:
        texts: The corpus, in documents or blocks of any length; read once, not kept.
        config: What to make.
        corpus_bytes: Size of the corpus in bytes, at least about; decides vocabulary and sampling.

    Raises:
        DataError: If there is no text.
    """
    sample = _Sample(texts, corpus_bytes)
    kind = _resolve_kind(config, corpus_bytes)
    vocab_size = config.vocab_size or choose_vocab_size(corpus_bytes)
    engine = "none"
    if kind == "byte":
        merges: list[Merge] = []
        sample.read_all()
    elif kind == "char":
        merges = _char_merges(sample, None if config.vocab_size is None else vocab_size)
    else:
        merges, engine = _learn(sample, vocab_size - SMALLEST_VOCAB)
    if sample.bytes == 0:
        raise DataError("There is no text to make a tokenizer from.")
    return Fitted(merges, kind, engine, sample.bytes, sample.excerpt)


def _resolve_kind(config: TokenizerConfig, corpus_bytes: int) -> TokenizerKind:
    if config.kind != "auto":
        return config.kind
    if config.vocab_size is not None or choose_vocab_size(corpus_bytes) > _LEAST_BPE_VOCAB:
        return "bpe"
    return "char"


class _Share:
    """Says yes to an even share of what it is asked about."""

    def __init__(self, share: float) -> None:
        self._share = min(1.0, share)
        self._due = 1.0 - self._share / 2

    def takes_next(self) -> bool:
        self._due += self._share
        if self._due < 1.0:
            return False
        self._due -= 1.0
        return True


class _Sample:
    """A corpus cut in parts, of which evenly spread ones are passed on, 100 MB of it at most.

    Attributes:
        bytes: How much was passed on.
        excerpt: Some of it, evenly spread.
    """

    def __init__(self, texts: Iterable[str], corpus_bytes: int) -> None:
        self._texts = texts
        self._passed = _Share(_SAMPLE_BYTES / max(corpus_bytes, 1))
        parts = max(min(corpus_bytes, _SAMPLE_BYTES) // _PART_CHARS, 1)
        self._kept = _Share(_EXCERPTS / parts)
        self.excerpt: list[str] = []
        self.bytes = 0

    def __iter__(self) -> Iterator[str]:
        for part in chain.from_iterable(cut(text, _PART_CHARS) for text in self._texts):
            if not part or not self._passed.takes_next():
                continue
            clean, size = _without_surrogates(part)
            if self.bytes + size > 1.1 * _SAMPLE_BYTES:
                return  # the corpus is larger than it was said to be
            self.bytes += size
            if len(self.excerpt) < _EXCERPTS and (self._kept.takes_next() or not self.excerpt):
                self.excerpt.append(clean[:_EXCERPT_CHARS])
            yield clean

    def read_all(self) -> None:
        """Read the sample for its size alone."""
        for _ in self:
            pass


def _without_surrogates(text: str) -> tuple[str, int]:
    """Return ``text`` with "?" for lone surrogates, and its size in bytes of UTF-8."""
    try:
        return text, len(text.encode())
    except UnicodeEncodeError:
        encoded = text.encode("utf-8", "replace")
        return encoded.decode(), len(encoded)


def _grouped(parts: Iterable[str]) -> Iterator[str]:
    """Join short parts, where no token could cross the joint, to spare work on each."""
    group: list[str] = []
    chars = 0
    for part in parts:
        safe = bool(group) and group[-1].endswith("\n") and not part[:1].isspace()
        if chars >= _PART_CHARS or (group and not safe):
            yield "".join(group)
            group, chars = [], 0
        group.append(part)
        chars += len(part)
    if group:
        yield "".join(group)


def _learn(parts: Iterable[str], count: int) -> tuple[list[Merge], str]:
    """Return at most ``count`` merges, fewer if the text has no more, and the engine's name."""
    try:
        library: Any = importlib.import_module("rustbpe")
    except ImportError:
        _log.warning("The package rustbpe is not installed: training the tokenizer is slower.")
        return _learn_with_tokenizers(parts, count), "tokenizers"
    short = (
        part[start : start + _LONGEST_PART_CHARS]
        for part in _grouped(parts)
        for start in range(0, len(part), _LONGEST_PART_CHARS)
    )
    trainer = library.Tokenizer()
    trainer.train_from_iterator(
        short, 256 + count, buffer_size=_BUFFERED_PARTS, pattern=pipeline.SPLIT_PATTERN
    )
    ranks = sorted(trainer.get_mergeable_ranks(), key=lambda item: item[1])
    tokens = [bytes(token) for token, _ in ranks if len(token) <= _LONGEST_TOKEN_BYTES]
    return merges_from_ranks(tokens), "rustbpe"


def _learn_with_tokenizers(parts: Iterable[str], count: int) -> list[Merge]:
    trainer = trainers.BpeTrainer(
        vocab_size=256 + count,
        show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        max_token_length=_LONGEST_TOKEN_BYTES,
    )
    tokenizer = HFTokenizer(models.BPE())
    tokenizer.pre_tokenizer = pipeline.pre_tokenizer()
    tokenizer.train_from_iterator(parts, trainer)
    return pipeline.merges_of(tokenizer)


def merges_from_ranks(tokens: Sequence[bytes]) -> list[Merge]:
    """Return the one merge that makes each token, given tokens in the order they were learned.

    That is the only way to cut a token into two earlier ones, or, where there are several: a
    token's bytes are merged by the rule of encoding, lowest rank first and leftmost among
    equals, until two parts are left: its merge. No other pair of neighbours with the same bytes
    can ever occur. For as long as nothing merges across the ends of those bytes, what happens
    between them does not depend on what surrounds them, so it is the replay, and the replay has
    a single state with two parts. Hence rules that merge any neighbours whose bytes are a token,
    as trainers state their outcome, and rules that merge listed pairs, as ``tokenizers`` does,
    give the same ids.

    Args:
        tokens: The 256 bytes, then the learned tokens, all different.

    Raises:
        ValueError: If a token occurs twice, or cannot be made.
    """
    ranks = {token: rank for rank, token in enumerate(tokens)}
    if len(ranks) != len(tokens):
        raise ValueError("a token occurs twice")
    return [_merge_of(token, ranks) for token in tokens[256:]]


def _merge_of(token: bytes, ranks: dict[bytes, int]) -> Merge:
    never, rank = len(ranks), ranks[token]
    ways = [
        place
        for place in range(1, len(token))
        if ranks.get(token[:place], never) < rank and ranks.get(token[place:], never) < rank
    ]
    if len(ways) == 1:
        return token[: ways[0]], token[ways[0] :]
    return _replay(token, ranks)


def _replay(token: bytes, ranks: dict[bytes, int]) -> Merge:
    """Merge the bytes of ``token`` until two parts are left."""
    parts = [token[i : i + 1] for i in range(len(token))]
    never = len(ranks)
    while len(parts) > 2:
        joined = [ranks.get(left + right, never) for left, right in pairwise(parts)]
        best = min(joined)
        if best == never:
            raise ValueError(f"the bytes of token {token!r} do not merge into it")
        place = joined.index(best)
        parts[place : place + 2] = [parts[place] + parts[place + 1]]
    left, right = parts
    return left, right


def _char_merges(parts: Iterable[str], vocab_size: int | None) -> list[Merge]:
    """Return merges that join the bytes of each character, the most frequent first.

    The bytes before the last one of a character become tokens too, shared between characters.
    """
    counts: Counter[str] = Counter()
    for part in parts:
        counts.update(part)
    frequent = sorted(counts, key=lambda character: (-counts[character], character))
    merges: dict[bytes, Merge] = {}
    for character in frequent:
        encoded = character.encode()
        new = {
            encoded[:end]: (encoded[: end - 1], encoded[end - 1 : end])
            for end in range(2, len(encoded) + 1)
            if encoded[:end] not in merges
        }
        if vocab_size is not None and SMALLEST_VOCAB + len(merges) + len(new) > vocab_size:
            break
        merges.update(new)
    return list(merges.values())
