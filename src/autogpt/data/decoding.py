"""Bytes of unknown encoding to text, piece by piece.

UTF-8 is tried first, then byte order marks, then UTF-16 without a mark, then what
charset-normalizer makes of a sample. Binary content is told apart, not decoded.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from typing import BinaryIO

from autogpt.core.errors import DataError

__all__ = ["Decoded", "NotTextError", "detect"]

_SAMPLE_BYTES = 1 << 16
_PIECE_BYTES = 1 << 18
_GUESS_BYTES = 1 << 14  # charset-normalizer needs no more, and its time grows with the sample
_LUCKY_BYTES = 64  # another encoding may look like UTF-8 for some bytes, not for longer
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark begins it
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_MAGIC = (
    b"\x89PNG", b"\xff\xd8\xff", b"GIF87a", b"GIF89a", b"PK\x03\x04", b"%PDF-", b"\x1f\x8b",
    b"BZh9", b"7z\xbc\xaf", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd", b"\x7fELF", b"SQLite format 3\0",
)  # fmt: skip
# The wider encodings that hold every text of the narrower one, under one name.
_WIDER = {"big5": "cp950", "latin_1": "cp1252"}
_LIKELY = [  # in the order in which equally good guesses are preferred
    "gb18030", "big5", "cp932", "euc_jp", "cp949", "cp1252", "latin_1", "cp1251", "koi8_r",
    "cp1250", "iso8859_2", "iso8859_15", "cp1253", "cp1254", "cp1255", "cp1256", "cp1258", "cp437",
]  # fmt: skip
# Latin, Greek to Arabic, Indic to Thai, punctuation, kana and CJK marks, hanzi, hangul, full width.
_EVERYDAY = re.compile(
    r"[\t\n\r\x20-\x7e\xa0-\u024f\u0370-\u06ff\u0900-\u0e7f\u2000-\u206f\u3000-\u30ff"
    r"\u4e00-\u9fff\uac00-\ud7a3\uff00-\uffef]+"
)


class NotTextError(DataError):
    """A file is binary: an image, an archive, a program."""


def detect(sample: bytes) -> str | None:
    """Return the encoding of the first bytes of a file, or None for binary content."""
    if sample.startswith(_MAGIC):
        return None
    for mark, encoding in _MARKS:
        if sample.startswith(mark):
            return encoding
    if b"\0" in sample:
        return _detect_utf16(sample)
    if _decodes(sample, "utf-8"):
        return "utf-8"
    return _guess(sample)


def _decodes(sample: bytes, encoding: str) -> bool:
    try:
        codecs.getincrementaldecoder(encoding)().decode(sample)
    except UnicodeDecodeError:
        return False
    return True


def _detect_utf16(sample: bytes) -> str | None:
    """Tell UTF-16 without a mark by where its characters fall: swapped, they scatter."""
    shares = {
        encoding: _everyday(sample[: len(sample) // 2 * 2].decode(encoding, "replace"))
        for encoding in ("utf-16-le", "utf-16-be")
    }
    best = max(shares, key=lambda encoding: shares[encoding])
    return best if shares[best] > 0.95 and _decodes(sample, best) else None


def _everyday(text: str) -> float:
    """Return the share of characters in the blocks that most living texts are written in."""
    return sum(map(len, _EVERYDAY.findall(text))) / max(1, len(text))


def _guess(sample: bytes) -> str | None:
    import charset_normalizer

    controls = sum(sample.count(byte) for byte in range(32) if byte not in b"\t\n\r\f\x1b")
    if controls > len(sample) // 200:
        return None
    start = max(0, _first_high(sample) - 256)
    piece = sample[start : start + _GUESS_BYTES]
    end = max(piece.rfind(b"\n"), piece.rfind(b" ")) + 1  # whole characters only
    # Few large chunks: in small ones, dialogue is refused for its share of punctuation.
    matches = list(
        charset_normalizer.from_bytes(
            piece[:end] or piece, steps=4, chunk_size=_GUESS_BYTES // 4, cp_isolation=_LIKELY
        )
    )
    if not matches:
        return None
    best = matches[0]
    equal = {
        name
        for match in matches
        if match.chaos <= best.chaos and match.coherence >= best.coherence - 0.1
        for name in [match.encoding, *match.could_be_from_charset]
    }
    names = sorted(equal.intersection(_LIKELY), key=_LIKELY.index) or [best.encoding]
    name = min(names, key=lambda name: _shouts(piece.decode(name, "replace")))
    wider = _WIDER.get(name, name)
    return wider if _decodes(sample, wider) else name


def _shouts(text: str) -> bool:
    """Whether capitals prevail: the mark of Cyrillic read in the wrong one of its encodings."""
    return sum(map(str.isupper, text)) > sum(map(str.islower, text))


def _first_high(sample: bytes) -> int:
    return len(sample) - len(sample.lstrip(bytes(range(128))))


class Decoded:
    """One pass over the text of a binary stream.

    Args:
        stream: Positioned at the start.
        name: The file, for errors.
        encoding: What the user says it is; None to detect.
        replace: Put U+FFFD where a byte cannot be decoded, and count it, rather than stop.

    Raises:
        DataError: If the content is binary, or (while iterating) does not decode.

    Attributes:
        encoding: The encoding in use.
        replaced: Characters that could not be decoded.
        empty: Whether there is no byte at all.
    """

    def __init__(
        self, stream: BinaryIO, *, name: str, encoding: str | None = None, replace: bool = False
    ) -> None:
        self._stream, self._name, self._replace = stream, name, replace
        self._sample = stream.read(_SAMPLE_BYTES)
        self.empty = not self._sample
        self.replaced = 0
        found = encoding or detect(self._sample)
        if found is None:
            raise NotTextError(
                f"{name!r} is a binary file, not text.",
                hint="If it is text in a rare encoding, name the encoding.",
            )
        self.encoding: str = found
        self._fixed = encoding is not None

    def __iter__(self) -> Iterator[str]:
        decoder = codecs.getincrementaldecoder(self.encoding)()
        position, plain = 0, True
        piece = self._sample
        while True:
            try:
                text = decoder.decode(piece, final=not piece)
            except UnicodeDecodeError as error:
                held = decoder.getstate()[0]
                decoder = self._recover(held + piece, error, position - len(held), plain=plain)
                text = decoder.decode(held + piece, final=not piece)
            self.replaced += text.count("\ufffd") if decoder.errors == "replace" else 0
            plain = plain and text.isascii()
            position += len(piece)
            if text:
                yield text
            if not piece:
                return
            piece = self._stream.read(_PIECE_BYTES)

    def _recover(
        self, piece: bytes, error: UnicodeDecodeError, position: int, *, plain: bool
    ) -> codecs.IncrementalDecoder:
        """Return another decoder: of the encoding that shows only now, or one that replaces."""
        start = error.start
        fits = start - _first_high(piece[:start]) < _LUCKY_BYTES
        if self.encoding == "utf-8" and plain and fits and not self._fixed:
            guess = _guess(piece)
            if guess is not None and _decodes(piece, guess):
                self.encoding = guess
                return codecs.getincrementaldecoder(guess)()
        if self._replace:
            return codecs.getincrementaldecoder(self.encoding)(errors="replace")
        raise DataError(
            f"{self._name!r} is not valid {self.encoding} at byte {position + start}.",
            hint="Name its encoding, or skip errors to put a mark where a byte is broken.",
        ) from error
