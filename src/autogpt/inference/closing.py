"""Ways for a text to end: short bytes that complete what a grammar has begun.

llguidance says which bytes may come next, not how many are needed until nothing is open. So ends
are searched for, over a copy of the grammar whose tokens are the 256 bytes; a step there takes
about a microsecond. Two searches:

- :func:`quick_end` goes ahead, closing what it can; if that leads in circles, it turns elsewhere
  at a place that looks like one it has been to. It is run for tokens that open something new.
- :func:`short_ends` goes all ways at once and finds the shortest, where the grammar is not too
  wide. It is run once for each grammar.

Neither proves that there is no shorter end. That does no harm: a text is only ever led along an
end that was found (``grammar``), so it is valid whichever that is.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llguidance import LLMatcher, LLTokenizer

__all__ = ["END", "accepts", "byte_tokenizer", "quick_end", "short_ends"]

END = 256  # the byte tokenizer's end of text

# What closes something comes first, what opens something last. A comma is before what could only
# make a number longer: where a bracket may not close, something is still to come.
_CLOSING = b"]})\"',0123456789"
_OPENING = b":.-+([{\\ "
_ASCII = bytes(range(0x20, 0x7F)) + b"\n\t\r"
_LETTERS = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_REST = bytes(byte for byte in _ASCII if byte not in _CLOSING + _OPENING + _LETTERS)
_ORDER = _CLOSING + _LETTERS.swapcase() + _REST + _OPENING
_OTHERS = bytes(byte for byte in range(256) if byte not in _ORDER)

# Where nearly every character may come, that is inside a string, brackets close nothing; what has
# to be filled is filled with small letters.
_ANYTHING = 80
_STRING_ORDER = b'"' + _LETTERS + bytes(byte for byte in _ORDER if byte not in b'"' + _LETTERS)
_STRING_BYTES = b"\"a0 ]}'"

# How often a place may look the same before it is taken for a circle: strings to be filled, and
# members of an object, look the same without being one.
_PATIENCE = 64

# short_ends: nodes in a level, of them those that look alike, nodes in all, and up to how many of
# them every character inside a string is tried.
_WIDTH = 12
_TWINS = 2
_MAX_NODES = 6_000
_ALL_NODES = 1_500
_ENOUGH_ENDS = 32


class _Bytes:
    """The 256 bytes as a vocabulary, in the form that llguidance asks for."""

    tokens = (*(bytes([byte]) for byte in range(256)), b"<end>")
    special_token_ids = (END,)
    eos_token_id = END
    bos_token_id = None

    def __call__(self, text: bytes | str) -> list[int]:
        return list(text.encode() if isinstance(text, str) else text)


def byte_tokenizer() -> LLTokenizer:
    """Return the tokenizer of the 256 bytes and :data:`END`."""
    from llguidance import LLTokenizer, TokenizerWrapper

    return LLTokenizer(TokenizerWrapper(_Bytes()), n_vocab=END + 1, eos_token=END, slices=[])


def accepts(matcher: LLMatcher, text: bytes) -> bool:
    """Return whether the grammar is complete after ``text``; the matcher stays where it is."""
    return matcher.validate_tokens([*text, END]) == len(text) + 1


def quick_end(matcher: LLMatcher, limit: int) -> bytes | None:
    """Return bytes that complete the grammar, soon found and rarely long.

    Args:
        matcher: Where the text is; it stays there.
        limit: Most bytes.

    Returns:
        The bytes, or None where none were found.
    """
    end = _go(matcher, limit, turning=False)
    if end is None:
        end = _go(matcher, limit, turning=True)
    return None if end is None else _shortened(matcher, end)


def _go(matcher: LLMatcher, limit: int, *, turning: bool) -> bytes | None:
    """Return the end that is found by always closing first, or by taking turns.

    The same bytes allowed again may be a circle, as in (ab)*c: then only turns lead out of it.
    """
    ahead = matcher.deep_copy()
    path = bytearray()
    visits: dict[bytes, int] = {}
    while True:
        mask = ahead.compute_bitmask()
        if ahead.is_error():
            return None
        if _may_end(mask):
            return bytes(path)
        allowed = _in_order(mask)
        visit = visits.get(mask, 0)
        visits[mask] = visit + 1
        if len(path) >= limit or not allowed or (visit > _PATIENCE and not turning):
            return None
        byte = allowed[visit % len(allowed) if turning else 0]
        if not ahead.consume_token(byte):
            return None
        path.append(byte)


def _shortened(matcher: LLMatcher, end: bytes) -> bytes:
    """Return the last bytes of ``end`` if they are enough: [a-z]*z needs but the z."""
    sizes = (1 << power for power in range(len(end).bit_length()))
    tails = (end[-size:] for size in sizes if size < len(end))
    return next((tail for tail in tails if accepts(matcher, tail)), end)


def short_ends(matcher: LLMatcher, limit: int) -> Sequence[bytes]:
    """Return ways to complete the grammar, the shortest first; several, if they are few.

    Args:
        matcher: Where the text is; it stays there.
        limit: Most bytes.
    """
    found: list[bytes] = []
    level: list[tuple[LLMatcher, bytes, bytes]] = [(matcher, matcher.compute_bitmask(), b"")]
    nodes = 0
    for _ in range(limit + 1):
        following: list[tuple[LLMatcher, bytes, bytes]] = []
        alike: dict[bytes, int] = {}
        for place, mask, path in level:
            if place.is_error():
                continue
            if _may_end(mask):
                found.append(path)
                continue
            for byte in _ways(mask, all_letters=nodes < _ALL_NODES):
                nodes += 1
                step = place.deep_copy()
                if not step.consume_token(byte):
                    continue
                ahead = step.compute_bitmask()
                alike[ahead] = alike.get(ahead, 0) + 1
                # An end costs nothing to keep; other places only while there is room.
                is_end = _may_end(ahead)
                if is_end or (alike[ahead] <= _TWINS and len(following) < _WIDTH):
                    following.append((step, ahead, path + bytes([byte])))
        level = following
        if not level or nodes > _MAX_NODES or len(found) >= _ENOUGH_ENDS:
            break
    return found


def _may_end(mask: bytes) -> bool:
    return bool(mask[END >> 3] & 1)


@lru_cache(maxsize=4096)
def _in_order(mask: bytes) -> bytes:
    """Return the allowed bytes, those that close first; beyond ASCII only where it must be."""
    ordered = bytes(byte for byte in _ORDER if mask[byte >> 3] >> (byte & 7) & 1)
    if len(ordered) >= _ANYTHING:
        return bytes(byte for byte in _STRING_ORDER if byte in ordered)
    return ordered or _beyond_ascii(mask)


@lru_cache(maxsize=4096)
def _ways(mask: bytes, *, all_letters: bool) -> bytes:
    """Return the bytes to try; inside a string only a few, unless ``all_letters`` of ASCII."""
    allowed = _in_order(mask)
    if len(allowed) >= _ANYTHING:
        return allowed if all_letters else bytes(b for b in _STRING_BYTES if b in allowed)
    return allowed + bytes(byte for byte in _beyond_ascii(mask) if byte not in allowed)


def _beyond_ascii(mask: bytes) -> bytes:
    return bytes(byte for byte in _OTHERS if mask[byte >> 3] >> (byte & 7) & 1)
