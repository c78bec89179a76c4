"""The ``tokenizer.json`` of our own models: how text is split, names and order of tokens.

The form is Hugging Face's, with the choices of Qwen2 (Qwen team, 2024), because every engine runs
them: no normalizer, Qwen2's split expression, GPT-2's printable alphabet for bytes (Radford et
al., 2019), merges as pairs, no token at the beginning. Ids are ours: a byte is its own id, merged
tokens follow in the order they were learned, special tokens come last. Training is elsewhere.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from tokenizers import AddedToken, Regex, decoders, models, pre_tokenizers, processors
from tokenizers import Tokenizer as HFTokenizer

__all__ = [
    "BYTE_NAMES",
    "END_OF_TEXT",
    "MESSAGE_END",
    "MESSAGE_START",
    "NAME_BYTES",
    "SPECIAL_TOKENS",
    "SPLIT_PATTERN",
    "Merge",
    "build",
    "is_ours",
    "merges_of",
    "token_name",
]

Merge = tuple[bytes, bytes]
"""Two tokens that, side by side, become one."""

SPLIT_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
"""Qwen2's: no token crosses the end of a word, a digit, a clause of Chinese or a line."""

END_OF_TEXT = "<|endoftext|>"
MESSAGE_START = "<|im_start|>"
MESSAGE_END = "<|im_end|>"
SPECIAL_TOKENS = (END_OF_TEXT, MESSAGE_START, MESSAGE_END)


def _byte_names() -> list[str]:
    """Return GPT-2's printable character for each byte: itself where it has one, else U+0100 on."""
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    hidden = iter(range(0x100, 0x200))
    return [chr(byte if byte in printable else next(hidden)) for byte in range(256)]


BYTE_NAMES = _byte_names()
NAME_BYTES = {name: byte for byte, name in enumerate(BYTE_NAMES)}
_NAMES_OF_LATIN_1 = dict(enumerate(BYTE_NAMES))


def token_name(token: bytes) -> str:
    """Return how ``tokenizer.json`` spells ``token``."""
    return token.decode("latin-1").translate(_NAMES_OF_LATIN_1)


def build(merges: Sequence[Merge]) -> HFTokenizer:
    """Return the tokenizer of 256 bytes, ``merges`` by priority, and the special tokens."""
    tokens = [bytes([byte]) for byte in range(256)] + [left + right for left, right in merges]
    names = [*map(token_name, tokens), *SPECIAL_TOKENS]
    pairs = [(token_name(left), token_name(right)) for left, right in merges]
    tokenizer = HFTokenizer(models.BPE({name: i for i, name in enumerate(names)}, pairs))
    tokenizer.pre_tokenizer = pre_tokenizer()
    tokenizer.post_processor = processors.ByteLevel(
        add_prefix_space=False, trim_offsets=False, use_regex=False
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(
        [AddedToken(content, special=True, normalized=False) for content in SPECIAL_TOKENS]
    )
    return tokenizer


def pre_tokenizer() -> pre_tokenizers.PreTokenizer:
    """Return what cuts text into the pieces inside which tokens are merged."""
    return pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLIT_PATTERN), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )


def is_ours(document: Mapping[str, object]) -> bool:
    """Whether a parsed ``tokenizer.json`` splits text into pieces and tokens as ours do."""
    ours = json.loads(build([]).to_str())
    model = document.get("model")
    same = all(document.get(part) == ours[part] for part in ("normalizer", "pre_tokenizer"))
    return same and isinstance(model, Mapping) and not model.get("dropout")


def merges_of(tokenizer: HFTokenizer) -> list[Merge]:
    """Return the merges of a byte-level BPE tokenizer, highest priority first."""
    return [
        (_token(left), _token(right))
        for left, right in json.loads(tokenizer.to_str())["model"]["merges"]
    ]


def _token(name: str) -> bytes:
    return bytes(NAME_BYTES[character] for character in name)
