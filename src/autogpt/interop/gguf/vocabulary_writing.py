"""The entries of a tokenizer in a GGUF file: what ``vocabulary`` reads, the other way round.

A file only names how text is cut before merging; which name fits is found by trying: the tokenizer
that the entries would give is built, and must cut a set of hard texts exactly as the given one
does. So what is written can be read back, or is refused with the text that shows why.

A normalizer is not in the file and llama.cpp does none: a tokenizer with NFC (Qwen's) gives other
ids for text that is not composed, which is told as a warning.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from gguf.constants import TokenType

from autogpt.core.errors import CheckpointError, ConfigError
from autogpt.interop.gguf.entries import Entries
from autogpt.interop.gguf.vocabulary import PRE_TOKENIZERS, read_vocabulary
from autogpt.models.gpt import GPTConfig
from autogpt.tokenizer.bpe import Tokenizer

__all__ = ["HARD_TEXTS", "vocabulary_entries"]

_log = logging.getLogger(__name__)
_KEY = "tokenizer.ggml."

HARD_TEXTS = (
    "The quick brown fox doesn't jump; it's they'll, I'VE and we'd.",
    "学而时习之，不亦说乎？有朋自远方来。繁體中文也要，「引號」——破折號…",
    "1 12 123 1234 12345678 3.14159 1,000,000 ０１２ ½ x² 2026-11-30",
    "🌍🚀 👩‍👩‍👧‍👦 🇨🇳 ❤️ e\u0301 ﬁ Ａｂ",
    "  two   three    spaces\n\n\nlines\r\nend \t\ttabs\n    indented\n",
    "def f(x): return {'a': [1, 2], \"b\": x**2}  # comment\n\n\tif a != b && c <= d:",
    "Привет, мир! Γειά σου Κόσμε. مرحبا بالعالم שלום नमस्ते สวัสดี こんにちは 안녕하세요",
    "camelCaseHTTPServer snake_case kebab-case UPPER lower Ünïcödé Straße İstanbul",
    "http://example.org/a?b=c&d=%20#e user@example.org $5.00 €10 50% C++ C# .NET",
    "<|im_start|>user\n</s><bos>[INST]<|endoftext|>",
    " leading, trailing ",
    "\u00a0\u2003\u3000\ufeff\u200b\x00\x7f",
)
"""Texts on which ways of cutting differ: contractions, digits, spaces, scripts, line breaks."""

# The names that llama.cpp knows, the ones of the models trained here first; "default" last, since
# it warns of it.
_ORDER = ("qwen2", "smollm", "gpt-2", "llama-bpe", "tekken", "default")


def vocabulary_entries(tokenizer: Tokenizer, config: GPTConfig) -> dict[str, Any]:
    """Return the entries ``tokenizer.*`` of a file.

    Args:
        tokenizer: What to write.
        config: Of the model, whose embedding may have more rows than there are tokens.

    Raises:
        ConfigError: If no entries give the same ids.
    """
    document = json.loads(tokenizer.to_json())
    shared = _shared(tokenizer, document, config)
    model = document.get("model", {})
    if model.get("type") != "BPE":
        raise ConfigError(
            f"A tokenizer of the kind {model.get('type')!r} cannot be written as GGUF, only BPE."
        )
    merges = [_pair(merge) for merge in model.get("merges", [])]
    if document.get("normalizer") is not None and not model.get("byte_fallback"):
        _log.warning(
            "the tokenizer normalizes text first, which a GGUF file cannot say: text that is not "
            "composed (NFC) gets other tokens there"
        )
    if model.get("byte_fallback"):
        candidates = [_sentencepiece(document, shared[f"{_KEY}tokens"], merges)]
    else:
        joined = [f"{left} {right}" for left, right in merges]
        names = [*_ORDER, *(name for name in PRE_TOKENIZERS if name not in _ORDER)]
        patterns = tuple(_patterns(document.get("pre_tokenizer")))
        names.sort(key=lambda name: PRE_TOKENIZERS[name].patterns != patterns)  # stable
        candidates = [
            {f"{_KEY}model": "gpt2", f"{_KEY}pre": name, f"{_KEY}merges": joined} for name in names
        ]
    wanted = [tokenizer.encode(text) for text in HARD_TEXTS]
    differing = ""
    for candidate in candidates:
        entries = {**shared, **candidate}
        text = _first_difference(entries, wanted)
        if text is None:
            return entries
        differing = differing or text
    raise ConfigError(
        "No GGUF entries were found that cut text as this tokenizer does; the nearest differ on "
        f"{differing[:40]!r}.",
        hint="Export with --to hf or --to onnx, which keep the tokenizer as it is.",
    )


def _patterns(pre_tokenizer: Mapping[str, Any] | None) -> Iterator[str]:
    """Yield the expressions that cut text, as far as they are written out."""
    parts = pre_tokenizer or {}
    for part in parts.get("pretokenizers", [parts]):
        if part.get("type") == "Split" and isinstance(part.get("pattern"), dict):
            yield part["pattern"].get("Regex", "")
        elif part.get("type") == "Digits" and part.get("individual_digits"):
            yield PRE_TOKENIZERS["smollm"].patterns[0]
        elif part.get("type") == "ByteLevel" and part.get("use_regex", True):
            yield PRE_TOKENIZERS["gpt-2"].patterns[0]


def _pair(merge: str | Sequence[str]) -> tuple[str, str]:
    left, right = merge.split(" ", 1) if isinstance(merge, str) else merge
    return left, right


def _shared(tokenizer: Tokenizer, document: Mapping[str, Any], config: GPTConfig) -> dict[str, Any]:
    """Return what all kinds have: tokens and their types, special tokens, the chat template."""
    names = {token_id: name for name, token_id in document["model"].get("vocab", {}).items()}
    types = dict.fromkeys(names, TokenType.NORMAL)
    for added in document.get("added_tokens", []):
        names[added["id"]] = added["content"]
        special = added.get("special", False)
        types[added["id"]] = TokenType.CONTROL if special else TokenType.USER_DEFINED
    unknown = document["model"].get("unk_token")
    byte_fallback = bool(document["model"].get("byte_fallback"))
    tokens, kinds = [], []
    for token_id in range(config.vocab_size):
        name = names.get(token_id)
        if name is None:  # rows of the embedding that are no tokens
            tokens.append(f"[PAD{token_id}]")
            kinds.append(int(TokenType.UNUSED))
            continue
        kind = types[token_id]
        if byte_fallback and name == unknown:
            kind = TokenType.UNKNOWN
        elif byte_fallback and kind == TokenType.NORMAL and _is_byte(name):
            kind = TokenType.BYTE
        tokens.append(name)
        kinds.append(int(kind))
    roles = tokenizer.roles
    ids = {name: token_id for token_id, name in names.items()}
    entries: dict[str, Any] = {
        f"{_KEY}tokens": tokens,
        f"{_KEY}token_type": kinds,
        f"{_KEY}eos_token_id": tokenizer.eos_id,
        f"{_KEY}padding_token_id": tokenizer.pad_id,
        f"{_KEY}add_bos_token": bool(tokenizer.bos_ids),
    }
    if roles.bos in ids:
        entries[f"{_KEY}bos_token_id"] = ids[roles.bos]
    if byte_fallback and unknown in ids:
        entries[f"{_KEY}unknown_token_id"] = ids[unknown]
    ends = config.eos_token_id if isinstance(config.eos_token_id, tuple) else ()
    others = [end for end in ends if end != tokenizer.eos_id]
    if others:
        entries[f"{_KEY}eot_token_id"] = others[-1]
    if roles.chat_template is not None:
        entries["tokenizer.chat_template"] = roles.chat_template
    return entries


def _is_byte(name: str) -> bool:
    return len(name) == 6 and name.startswith("<0x") and name.endswith(">")


def _sentencepiece(
    document: Mapping[str, Any], tokens: Sequence[str], merges: Sequence[tuple[str, str]]
) -> dict[str, Any]:
    """Return a vocabulary with scores: a token's is less the later a merge makes it."""
    rank: dict[str, int] = {}
    for place, (left, right) in enumerate(merges):
        rank.setdefault(left + right, place)
    last = len(merges)
    return {
        f"{_KEY}model": "llama",
        f"{_KEY}pre": "default",
        f"{_KEY}scores": [-float(rank.get(token, last)) for token in tokens],
        f"{_KEY}add_space_prefix": '"Prepend"' in json.dumps(document.get("normalizer")),
    }


def _first_difference(entries: dict[str, Any], wanted: Sequence[Sequence[int]]) -> str | None:
    """Return a text that the entries' tokenizer cuts otherwise, or None."""
    try:
        built = read_vocabulary(Entries(Path("the new file"), _as_read(entries))).tokenizer()
    except CheckpointError as error:
        return error.message
    for text, ids in zip(HARD_TEXTS, wanted, strict=True):
        if built.encode(text) != list(ids):
            return text
    return None


def _as_read(entries: Mapping[str, Any]) -> dict[str, Any]:
    import numpy as np

    arrays = (f"{_KEY}scores", f"{_KEY}token_type")
    return {key: np.array(value) if key in arrays else value for key, value in entries.items()}
