"""What is done to one text, and what is said of it: repaired, too short, repetitive.

Sources: normalization form C, Unicode Standard Annex 15 (2024); repetition, the rules of Gopher
(Rae et al. 2021, "Scaling Language Models", appendix A.1.1: text in duplicate lines above 0.20,
text in duplicate 10-grams above 0.10), loosened here because those numbers are for web pages and
would drop refrains, plays and code.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "WINDOW_BYTES",
    "comparable",
    "has_repeated_lines",
    "hash64",
    "normalize",
    "repetitive",
    "windows",
    "without_controls",
]

WINDOW_BYTES = 8  # eight Latin letters, or two to three Chinese characters
_LONG_WINDOW_BYTES = 48  # about Gopher's ten words, or sixteen Chinese characters
_SAMPLED = 8  # one long window in so many is looked at first
_LINE_END_MARKS = "\r\v\f\x85\u2028\u2029"
_LINE_ENDS = re.compile("\r\n?|[\v\f\x85\u2028\u2029]")
# C0 (but tab, line feed) and C1 controls, the byte order mark, noncharacters, lone surrogates.
_CONTROLS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\ufeff\ufff9-\ufffb\ufdd0-\ufdef\ufffe\uffff\ud800-\udfff]"
)
_ASCII_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f]")
_MIX = np.uint64(0x9E3779B97F4A7C15)  # 2**64 / golden ratio, odd: Knuth's multiplicative hash
_SHIFT = np.uint64(32)


def normalize(text: str) -> str:
    r"""Return ``text`` in form C with ``\n`` line ends; NFKC would change what a text says."""
    if not text.isascii() and not unicodedata.is_normalized("NFC", text):
        text = unicodedata.normalize("NFC", text)
    if any(mark in text for mark in _LINE_END_MARKS):  # far faster than a search by pattern
        return _LINE_ENDS.sub("\n", text)
    return text


def without_controls(text: str) -> str:
    """Return ``text`` without control characters; tabs, line ends and joiners stay."""
    pattern = _ASCII_CONTROLS if text.isascii() else _CONTROLS
    return pattern.sub("", text) if pattern.search(text) else text


def comparable(text: str) -> bytes:
    """Return what two trivially different copies share: form C, no case, single spaces."""
    if text.isascii():
        return " ".join(text.lower().split()).encode()
    folded = unicodedata.normalize("NFC", text).casefold()
    return " ".join(folded.split()).encode(errors="replace")


def hash64(comparable_text: bytes, key: bytes) -> int:
    """Return 64 bits of BLAKE2b (RFC 7693, 2015); equal for a billion rows about one time in 40."""
    return int.from_bytes(hashlib.blake2b(comparable_text, digest_size=8, key=key).digest())


def has_repeated_lines(text: str, limit: float) -> bool:
    """Return whether more than ``limit`` of the text is lines that were there before."""
    lines = text.split("\n")
    if len(lines) < 4:
        return False
    once = set(lines)
    if len(once) == len(lines):
        return False
    total = sum(map(len, lines))
    return total - sum(map(len, once)) > limit * total


def windows(texts: Sequence[bytes]) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Return the hashed 8-byte windows of all ``texts`` end to end, and where each text starts.

    The windows that reach from one text into the next are still there, in their places.
    """
    joined = b"".join(texts)
    starts = np.concatenate(([0], np.cumsum([len(text) for text in texts], dtype=np.int64)))
    raw = np.ndarray((len(joined) - WINDOW_BYTES + 1,), dtype="<u8", buffer=joined, strides=(1,))
    hashed = raw * _MIX
    hashed ^= hashed >> _SHIFT
    hashed *= _MIX
    return hashed, starts


def repetitive(
    hashed: NDArray[np.uint64], starts: NDArray[np.int64], limit: float
) -> NDArray[np.bool_]:
    """Return for each text whether more than ``limit`` of its 48-byte windows repeat earlier ones.

    A sample by hash value says who may be; those are then counted exactly.

    Args:
        hashed: The windows of all texts.
        starts: Where each text starts, and at the end where the last one ends.
        limit: A share, 0 to 1.
    """
    two = hashed[:-8] * _MIX + hashed[8:]
    four = two[:-16] * _MIX + two[16:]
    long = four[:-16] * _MIX + two[32:]
    lengths = np.maximum(np.diff(starts) - _LONG_WINDOW_BYTES + 1, 1)
    places = np.flatnonzero(long < np.uint64(2**64 // _SAMPLED))
    text = np.searchsorted(starts, places, side="right") - 1
    inside = places - starts[text] < lengths[text]
    places, text = places[inside], text[inside]
    keys = (text.astype(np.uint64) << np.uint64(44)) | (long[places] & np.uint64(2**44 - 1))
    keys.sort()
    new = np.concatenate(([True], keys[1:] != keys[:-1])) if len(keys) else keys > 0
    distinct = np.bincount((keys[new] >> np.uint64(44)).astype(np.int64), minlength=len(lengths))
    found: NDArray[np.bool_] = distinct * _SAMPLED < (1 - limit * 0.7) * lengths
    for index in np.flatnonzero(found):
        own = long[starts[index] : starts[index] + lengths[index]]
        found[index] = len(set(own.tolist())) < (1 - limit) * len(own)
    return found
