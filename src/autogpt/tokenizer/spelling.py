"""How a vocabulary spells bytes: GPT-2's printable alphabet, or SentencePiece's.

Byte-level vocabularies write every byte as one printable character (Radford et al., 2019), and a
space as ``Ġ``. SentencePiece ones (Kudo and Richardson, 2018) write text as it is, a space as
``▁``, and have the 256 bytes as ``<0x00>`` to ``<0xFF>`` for characters that no token has; some put
a space before every text. Either way text has ids, and ids have bytes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Container
from dataclasses import dataclass
from typing import Protocol

from tokenizers import Tokenizer as HFTokenizer

from autogpt.core.errors import CheckpointError
from autogpt.tokenizer import pipeline

__all__ = ["SENTENCEPIECE_SPACE", "ByteLevel", "SentencePiece", "Spelling", "spelling_of"]

SENTENCEPIECE_SPACE = "\u2581"
_MOST_MISSING_BYTES = 32
_BYTE = re.compile(r"<0x([0-9A-F]{2})>")


class Spelling(Protocol):
    """From the name of a token to its bytes, and from a byte to the name of its token."""

    @property
    def space_first(self) -> bool:
        """Whether encoding puts a space before a text, which decoding takes away."""
        ...

    def token_bytes(self, name: str) -> bytes:
        """Return the bytes of a token that is not special."""
        ...

    def byte_name(self, byte: int) -> str:
        """Return the name of the token of one byte."""
        ...


@dataclass(frozen=True, slots=True)
class ByteLevel:
    """GPT-2's: one printable character for each byte."""

    space_first: bool = False

    def token_bytes(self, name: str) -> bytes:
        """Return the bytes of a token; a name with other characters stands for itself."""
        names = pipeline.NAME_BYTES
        return bytes(names[c] for c in name) if names.keys() >= set(name) else name.encode()

    def byte_name(self, byte: int) -> str:
        """Return the printable character of a byte."""
        return pipeline.BYTE_NAMES[byte]


@dataclass(frozen=True, slots=True)
class SentencePiece:
    """SentencePiece's, with byte fallback."""

    space_first: bool

    def token_bytes(self, name: str) -> bytes:
        """Return the bytes of a token."""
        byte = _BYTE.fullmatch(name)
        if byte:
            return bytes([int(byte[1], 16)])
        return name.replace(SENTENCEPIECE_SPACE, " ").encode()

    def byte_name(self, byte: int) -> str:
        """Return the name of a byte, as in ``<0x0A>``."""
        return f"<0x{byte:02X}>"


def spelling_of(tokenizer: HFTokenizer, vocab: Container[str]) -> Spelling:
    """Return how ``tokenizer`` spells the names in ``vocab``.

    A vocabulary that was learned without all bytes in it lacks those that its corpus did not have:
    SmolLM2's, for one, lacks 13 that occur in no UTF-8, six control characters and the first byte
    of planes without characters. Its tokenizer passes over them.

    Raises:
        CheckpointError: If it cannot spell bytes.
    """
    piece = SentencePiece(space_first=_strips_a_space(tokenizer))
    # First, because a large vocabulary of this kind has most of the printable characters as well.
    if all(piece.byte_name(byte) in vocab for byte in range(256)):
        return piece
    missing = sum(name not in vocab for name in pipeline.BYTE_NAMES)
    if missing <= _MOST_MISSING_BYTES:
        return ByteLevel()
    raise CheckpointError(
        f"The tokenizer lacks {missing} of the 256 bytes; one that has (nearly) all is needed."
    )


def _strips_a_space(tokenizer: HFTokenizer) -> bool:
    """Whether the decoder takes away the first space: encoding put it there."""
    if tokenizer.decoder is None:
        return False
    decoder = json.loads(tokenizer.decoder.__getstate__())
    steps = decoder.get("decoders", [decoder])
    return any(
        (step.get("type") == "Strip" and step.get("start", 0) > 0)
        or (step.get("type") == "Metaspace" and step.get("prepend_scheme") != "never")
        for step in steps
    )
