"""The tokenizer in a GGUF file, built as the ``tokenizers`` object that a Hugging Face folder has.

Two kinds. ``gpt2``: byte-level BPE with merges; how text is cut into pieces first is only named in
the file, and the expressions are here. ``llama``: SentencePiece BPE with byte fallback, whose
merges follow from the scores: the pair of neighbors that makes the token of the highest score is
joined first, so every pair that makes a token is a merge of that token's rank.

Special tokens are those that the file says are control tokens; ones that users defined (runs of
spaces, HTML tags) are found in any text. Normalization, where a model had any (Qwen's NFC), is not
in the file and not done, as in llama.cpp.

Source: GGUF specification; expressions of the models' own ``tokenizer.json``, as named by llama.cpp
(ggml-org, 2023-2026); SentencePiece BPE: Kudo and Richardson 2018.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from gguf.constants import TokenType
from tokenizers import (
    AddedToken,
    Regex,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
)
from tokenizers import Tokenizer as HFTokenizer

from autogpt.core.errors import CheckpointError
from autogpt.interop.gguf.entries import Entries
from autogpt.tokenizer.bpe import Tokenizer, TokenizerRoles
from autogpt.tokenizer.pipeline import SPLIT_PATTERN
from autogpt.tokenizer.spelling import SENTENCEPIECE_SPACE

__all__ = ["PRE_TOKENIZERS", "PreTokenizer", "Vocabulary", "read_vocabulary"]

_log = logging.getLogger(__name__)
_KEY = "tokenizer.ggml."
_MOST_TOKEN_CHARS = 1024  # of SentencePiece, whose splits are tried; the longest in use have 100

_GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
_LLAMA3 = SPLIT_PATTERN.replace(r"|\p{N}|", r"|\p{N}{1,3}|")
_TEKKEN = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
    r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


@dataclass(frozen=True, slots=True)
class PreTokenizer:
    """How text is cut before tokens are merged.

    Attributes:
        patterns: Each cuts out its matches, one after the other.
        ignore_merges: A piece that is a token is that token, whatever the merges would give.
        add_bos: Whether such models expect the first token where the file does not say.
    """

    patterns: tuple[str, ...]
    ignore_merges: bool = False
    add_bos: bool = False


_GPT2_WORDS = PreTokenizer((_GPT2,))
_SINGLE_DIGITS = PreTokenizer((r"\p{N}", _GPT2))
_QWEN2_WORDS = PreTokenizer((SPLIT_PATTERN,))
_LLAMA3_WORDS = PreTokenizer((_LLAMA3,), ignore_merges=True, add_bos=True)

PRE_TOKENIZERS = {
    "default": PreTokenizer((r"[\p{P}\$\+<=>\^~\|]+", _GPT2, r"\p{N}+", r"[0-9][0-9][0-9]")),
    "gpt-2": _GPT2_WORDS,
    "smollm": _SINGLE_DIGITS,
    "starcoder": _SINGLE_DIGITS,
    "refact": _SINGLE_DIGITS,
    "qwen2": _QWEN2_WORDS,
    "deepseek-r1-qwen": _QWEN2_WORDS,
    "llama-bpe": _LLAMA3_WORDS,
    "llama3": _LLAMA3_WORDS,
    "llama-v3": _LLAMA3_WORDS,
    "tekken": PreTokenizer((_TEKKEN,), ignore_merges=True, add_bos=True),
}
"""The values of ``tokenizer.ggml.pre`` that are known."""

# The types of tokens that are looked for in a text, and whether they are special.
_SPECIAL: dict[int, bool] = {
    TokenType.CONTROL: True, TokenType.UNKNOWN: True, TokenType.USER_DEFINED: False
}  # fmt: skip

# Of control tokens; they end a message or a text, whatever else the file names.
_ENDS = (
    "<|endoftext|>", "<|im_end|>", "<|end_of_text|>", "<|eot_id|>", "<|eom_id|>", "<|end|>",
    "<end_of_turn>", "<eos>", "</s>",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The tokens of a file, by id.

    Attributes:
        entries: Where they were read.
        tokens: As they are spelled.
        types: What each is, see ``gguf.TokenType``.
        ids: Back from the spelling.
    """

    entries: Entries
    tokens: Sequence[str]
    types: Sequence[int]
    ids: dict[str, int]

    def special_tokens(self) -> dict[str, Any]:
        """Return ``bos_token_id``, ``eos_token_id`` and ``pad_token_id``.

        Raises:
            CheckpointError: If an id is not in the vocabulary, or no token ends a text.
        """
        eos = self._eos()
        more = (self._id("eot_token_id"), self._id("eom_token_id"), *map(self._end, _ENDS))
        ends = sorted({eos, *(end for end in more if end is not None)})
        return {
            "bos_token_id": self._id("bos_token_id"),
            "eos_token_id": eos if len(ends) == 1 else ends,
            "pad_token_id": self._id("padding_token_id"),
        }

    def tokenizer(self) -> Tokenizer:
        """Return the tokenizer.

        Raises:
            CheckpointError: If it is of an unknown kind, or does not fit together.
        """
        kind = self.entries.get(f"{_KEY}model", str)
        if kind not in ("gpt2", "llama"):
            raise self.entries.refused(f"{_KEY}model", "'gpt2' or 'llama'")
        built = self._byte_level() if kind == "gpt2" else self._sentencepiece()
        self._add_tokens(built)
        return Tokenizer(built, roles=self._roles(kind))

    # -- kinds -------------------------------------------------------------------------------------

    def _byte_level(self) -> HFTokenizer:
        pre = self._pre_tokenizer()
        merges = [self._merge(text) for text in self.entries.texts(f"{_KEY}merges")]
        tokenizer = self._bpe(merges, ignore_merges=pre.ignore_merges)
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
            *(pre_tokenizers.Split(Regex(pattern), "isolated") for pattern in pre.patterns),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ])  # fmt: skip
        tokenizer.post_processor = processors.ByteLevel(
            add_prefix_space=False, trim_offsets=False, use_regex=False
        )
        tokenizer.decoder = decoders.ByteLevel()
        return tokenizer

    def _pre_tokenizer(self) -> PreTokenizer:
        key = f"{_KEY}pre"
        name = self.entries.get(key, str, default="default")
        if name not in PRE_TOKENIZERS:
            raise self.entries.refused(key, f"one of {', '.join(PRE_TOKENIZERS)}")
        return PRE_TOKENIZERS[name]

    def _merge(self, text: str) -> tuple[str, str]:
        place = text.find(" ", 1)
        if place < 0:
            raise CheckpointError(
                f"{str(self.entries.path)!r} has the merge {text[:60]!r}, expected two tokens."
            )
        return text[:place], text[place + 1 :]

    def _sentencepiece(self) -> HFTokenizer:
        merges = list(self._merges_by_score())
        tokenizer = self._bpe(merges, byte_fallback=True, fuse_unk=True)
        prefix = self.entries.get(f"{_KEY}add_space_prefix", bool, default=True)
        space = SENTENCEPIECE_SPACE
        tokenizer.normalizer = normalizers.Sequence([
            *([normalizers.Prepend(space)] if prefix else []),
            normalizers.Replace(" ", space),
        ])  # fmt: skip
        tokenizer.decoder = decoders.Sequence([
            decoders.Replace(space, " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            *([decoders.Strip(" ", 1, 0)] if prefix else []),
        ])  # fmt: skip
        return tokenizer

    def _merges_by_score(self) -> Iterator[tuple[str, str]]:
        """Yield every pair of tokens that make one, by falling score of what they make."""
        key = f"{_KEY}scores"
        scores = self.entries.numbers(key, len(self.tokens))
        if scores is None or not np.isfinite(scores.astype(np.float64)).all():
            raise self.entries.refused(key, "a finite number for every token")
        types = self.types
        ids = {token: i for i, token in enumerate(self.tokens) if types[i] == TokenType.NORMAL}
        longest = max(map(len, ids), default=0)
        if longest > _MOST_TOKEN_CHARS:
            raise CheckpointError(
                f"{str(self.entries.path)!r} has a token of {longest} characters, expected at most "
                f"{_MOST_TOKEN_CHARS}."
            )
        for token_id in np.argsort(-scores.astype(np.float64), kind="stable").tolist():
            if types[token_id] == TokenType.NORMAL:
                yield from self._splits(self.tokens[token_id], ids)

    def _splits(self, token: str, ids: dict[str, int]) -> Iterator[tuple[str, str]]:
        """Yield the pairs of tokens that make ``token``, in the order of their ids."""
        found = []
        for place in range(1, len(token)):
            left = ids.get(token[:place])
            if left is not None:
                right = ids.get(token[place:])
                if right is not None:
                    found.append((left, right))
        if len(found) > 1:
            found.sort()
        for left, right in found:
            yield self.tokens[left], self.tokens[right]

    def _bpe(self, merges: list[tuple[str, str]], **switches: bool) -> HFTokenizer:
        try:
            return HFTokenizer(models.BPE(self.ids, merges, **switches))
        except Exception as error:  # `tokenizers` raises nothing narrower
            raise CheckpointError(
                f"The tokenizer in {str(self.entries.path)!r} does not fit together: {error}."
            ) from error

    # -- special tokens ----------------------------------------------------------------------------

    def _add_tokens(self, tokenizer: HFTokenizer) -> None:
        """Tell ``tokenizer`` which tokens are looked for in a text before it is cut."""
        tokenizer.add_tokens([
            AddedToken(token, special=_SPECIAL[kind], normalized=False)
            for token, kind in zip(self.tokens, self.types, strict=True)
            if kind in _SPECIAL
        ])  # fmt: skip

    def _roles(self, kind: str) -> TokenizerRoles:
        eos, bos, pad = self._eos(), self._id("bos_token_id"), self._id("padding_token_id")
        default = True if kind == "llama" else self._pre_tokenizer().add_bos
        add_bos = self.entries.get(f"{_KEY}add_bos_token", bool, default=default)
        if self.entries.get(f"{_KEY}add_eos_token", bool, default=False):
            _log.warning(
                "%s asks for an end token after every text; texts to continue get none",
                self.entries.path,
            )
        return TokenizerRoles(
            eos=self.tokens[eos],
            pad=self.tokens[eos if pad is None else pad],
            bos=None if bos is None else self.tokens[bos],
            add_bos=add_bos and bos is not None,
            chat_template=self.entries.find("tokenizer.chat_template", str),
        )

    def _eos(self) -> int:
        eos = self._id("eos_token_id")
        if eos is None:
            raise CheckpointError(
                f"{str(self.entries.path)!r} has no '{_KEY}eos_token_id', which generation needs."
            )
        return eos

    def _id(self, name: str) -> int | None:
        key = f"{_KEY}{name}"
        token_id = self.entries.find(key, int)
        if token_id is not None and not 0 <= token_id < len(self.tokens):
            raise self.entries.refused(key, f"the id of one of {len(self.tokens)} tokens")
        return token_id

    def _end(self, token: str) -> int | None:
        token_id = self.ids.get(token)
        if token_id is None or self.types[token_id] != TokenType.CONTROL:
            return None
        return token_id


def read_vocabulary(entries: Entries) -> Vocabulary:
    """Return the tokens of a file.

    Raises:
        CheckpointError: If they are missing, empty or not all different.
    """
    key = f"{_KEY}tokens"
    tokens = entries.texts(key)
    ids = {token: token_id for token_id, token in enumerate(tokens)}
    if not tokens or len(ids) < len(tokens) or "" in ids:
        raise entries.refused(key, "tokens that are all different, and none empty")
    types = entries.numbers(f"{_KEY}token_type", len(tokens))
    kinds = [int(TokenType.NORMAL)] * len(tokens) if types is None else types.tolist()
    return Vocabulary(entries, tokens, kinds, ids)
