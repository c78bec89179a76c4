"""Damaged GGUF files, from tiny valid ones, by the seed; and what loading one has to end in.

``damaged(whole, random)`` is one mutation of the bytes of a file: bits flipped, the file cut or
spliced, numbers of the header made huge, tensors laid over each other, arrays nested, text that is
no UTF-8, or an entry replaced by another value. Of every hundred, some still are valid files.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from gguf import GGMLQuantizationType, GGUFValueType
from tests.interop.gguf.tiny import TEXT, byte_level_entries, pack, sentencepiece_entries, tiny

import autogpt
from autogpt.core.errors import CheckpointError, ResourceError
from autogpt.interop.gguf import open_gguf
from autogpt.interop.gguf.families import ARCHITECTURES
from autogpt.models import FAMILIES

Outcome = Literal["loaded", "refused"]

_Type = GGMLQuantizationType
_SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
_STRING, _ARRAY = int(GGUFValueType.STRING), int(GGUFValueType.ARRAY)
_NUMBERS = [
    0, 1, 2, 3, 7, 31, 33, 255, 1 << 15, (1 << 16) - 1, 1 << 20, 1 << 24, (1 << 31) - 1, 1 << 31,
    (1 << 32) - 1, 1 << 33, 1 << 40, 1 << 61, (1 << 63) - 1, 1 << 63, (1 << 64) - 1,
]  # fmt: skip
_NO_UTF8 = [b"\xff", b"\xc3", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\x80" * 9]
_VALUES: list[Any] = [
    0, 1, 2, 5, 64, 1 << 16, 1 << 22, 1 << 26, (1 << 31) - 1, (1 << 32) - 1, -1, -(1 << 63),
    0.0, -1.0, 1e-38, 1e30, float("nan"), float("inf"), True, False,
    "", "x", "学", "\0", "llama", "gpt2", "qwen3", "default", "linear", "yarn", "a b", "x" * 70_000,
    "{% for a in range(10**9) %}{% endfor %}", [], ["a"], ["a", "a"], [""], [0], [1 << 31], [0.5],
    ["<0x00>"] * 300, list(range(70_000)), [f"t{number}" for number in range(40_000)],
]  # fmt: skip


def whole_files(folder: Path) -> list[bytes]:
    """Return tiny valid files of every architecture that is known, of both kinds of tokenizers."""
    pieces = sentencepiece_entries()
    llama3 = tiny()
    divisors = np.array([1, 1, 2.69453, 8], dtype=np.float32)
    llama3.tensors["rope_freqs.weight"] = pack(divisors, _Type.F32)
    llama3.entries |= {
        "llama.rope.freq_base": 500_000.0, "general.sampling.temp": 0.7, "split.count": 1,
        "general.sampling.top_k": 40, "llama.rope.scaling.type": "none",
        "tokenizer.ggml.eot_token_id": 3, "llama.expert_count": 0, "llama.attention.key_length": 8,
    }  # fmt: skip
    contents = [
        llama3,
        tiny(kind=_Type.Q4_1, untied=True, vocabulary=byte_level_entries("llama-bpe")),
        tiny(kind=_Type.Q8_0, vocabulary=pieces),
    ]
    for name, architecture in ARCHITECTURES.items():
        if name != "llama" and architecture.model_type in FAMILIES:
            vocabulary = pieces if name == "gemma3" else byte_level_entries()
            contents.append(tiny(name, kind=_Type.Q4_0, vocabulary=vocabulary))
    return [each.write(folder / "whole.gguf").read_bytes() for each in contents]


def load(path: Path) -> Outcome:
    """Read a file and let it write; anything but a model or one sentence is raised."""
    try:
        file = open_gguf(path)
        for tensor in file.packed():
            assert tensor.data.nbytes <= file.header.size_bytes
        llm = autogpt.load(path)
        llm.tokenizer.decode(llm.tokenizer.encode(TEXT), skip_special=True)
        llm.generate(TEXT, max_tokens=2, seed=0)
    except (CheckpointError, ResourceError) as error:  # the second for contexts of millions
        if error.message.endswith(".") and len(error.message) < 1000:
            return "refused"
        raise
    return "loaded"


def damaged(whole: bytes, chance: random.Random) -> bytes:
    """Return a file with one or two kinds of damage."""
    data = whole
    for _ in range(chance.choice([1, 1, 2])):
        kind = chance.choice(_DAMAGES)
        try:
            data = kind(data, chance)
        # The second, where the first broke the structure that it looks for.
        except (struct.error, IndexError, OverflowError, RecursionError):
            break
    return data


# -- where things are in a valid file --------------------------------------------------------------


@dataclass(frozen=True)
class _Places:
    """Offsets of the parts of a header.

    Attributes:
        numbers: Offset and size of every count, length, type, dimension and offset.
        texts: Begin and end of texts.
        entries: Begin and end of each entry, and its key.
        offsets: Of the tensors' offsets.
        end: Of the header.
    """

    numbers: list[tuple[int, int]]
    texts: list[tuple[int, int]]
    entries: list[tuple[int, int, bytes]]
    offsets: list[int]
    end: int


class _Walk:
    """Goes through a valid header and notes where its parts are."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.place = 24
        self.found = _Places([(4, 4), (8, 8), (16, 8)], [], [], [], 0)

    def number(self, size: int) -> int:
        self.found.numbers.append((self.place, size))
        value: int = struct.unpack_from("<I" if size == 4 else "<Q", self.data, self.place)[0]
        self.place += size
        return value

    def text(self) -> bytes:
        length = self.number(8)
        begin, self.place = self.place, self.place + length
        self.found.texts.append((begin, self.place))
        return self.data[begin : self.place]

    def value(self, kind: int) -> None:
        if kind == _STRING:
            self.text()
        elif kind == _ARRAY:
            item, count = self.number(4), self.number(8)
            if count > len(self.data):
                raise IndexError("a count that was damaged before")
            for _ in range(count):
                self.value(item)
        else:
            self.place += _SIZES.get(kind, 0)


def _places(data: bytes) -> _Places:
    walk = _Walk(data)
    found = walk.found
    tensors, entries = struct.unpack_from("<QQ", data, 8)
    for _ in range(min(entries, 1000)):
        begin = walk.place
        key = walk.text()
        walk.value(walk.number(4))
        found.entries.append((begin, walk.place, key))
    for _ in range(min(tensors, 1000)):
        walk.text()
        for _ in range(min(walk.number(4), 8)):
            walk.number(8)
        walk.number(4)
        found.offsets.append(walk.place)
        walk.number(8)
    return _Places(found.numbers, found.texts, found.entries, found.offsets, walk.place)


def _encoded(value: object) -> tuple[int, bytes]:
    if isinstance(value, bool):
        return int(GGUFValueType.BOOL), bytes([value])
    if isinstance(value, int):
        small = 0 <= value < 1 << 32
        kind = GGUFValueType.UINT32 if small else GGUFValueType.INT64
        return int(kind), struct.pack("<I" if small else "<q", value)
    if isinstance(value, float):
        return int(GGUFValueType.FLOAT32), struct.pack("<f", value)
    if isinstance(value, str):
        return _STRING, struct.pack("<Q", len(value.encode())) + value.encode()
    assert isinstance(value, list)
    items = [_encoded(item) for item in value]
    item = items[0][0] if items else _STRING
    return _ARRAY, struct.pack("<IQ", item, len(items)) + b"".join(data for _, data in items)


# -- damages ---------------------------------------------------------------------------------------


def _flip(data: bytes, chance: random.Random) -> bytes:
    changed = bytearray(data)
    end = len(data) if chance.random() < 0.2 else min(len(data), 24_000)
    for _ in range(chance.choice([1, 1, 2, 16])):
        changed[chance.randrange(end)] ^= 1 << chance.randrange(8)
    return bytes(changed)


def _cut(data: bytes, chance: random.Random) -> bytes:
    return data[: chance.randrange(len(data))]


def _splice(data: bytes, chance: random.Random) -> bytes:
    begin, place = chance.randrange(len(data)), chance.randrange(len(data))
    length = chance.choice([1, 4, 8, 64, 4096])
    piece = chance.choice([data[begin : begin + length], b"", chance.randbytes(length)])
    return data[:place] + piece + data[place + chance.choice([0, length]) :]


def _number(data: bytes, chance: random.Random) -> bytes:
    place, size = chance.choice(_places(data).numbers)
    value = chance.choice([*_NUMBERS, len(data), len(data) - place]) % (1 << 8 * size)
    return data[:place] + value.to_bytes(size, "little") + data[place + size :]


def _overlap(data: bytes, chance: random.Random) -> bytes:
    places = _places(data).offsets
    place = chance.choice(places)
    other = struct.unpack_from("<Q", data, chance.choice(places))[0]
    value = chance.choice([other, other + 32, max(other - 32, 0), 32 * chance.randrange(1 << 12)])
    return data[:place] + struct.pack("<Q", value) + data[place + 8 :]


def _nest(data: bytes, chance: random.Random) -> bytes:
    depth = chance.choice([1, 2, 50, 5000])
    arrays = struct.pack("<IQ", _ARRAY, 1) * depth + struct.pack("<IQ", 0, 0)
    return _with_entry(data, struct.pack("<Q", 1) + b"n" + struct.pack("<I", _ARRAY) + arrays)


def _with_entry(data: bytes, entry: bytes) -> bytes:
    count = struct.unpack_from("<Q", data, 16)[0]
    return _aligned(data, data[:16] + struct.pack("<Q", count + 1) + entry, 24)


def _aligned(data: bytes, start: bytes, rest: int) -> bytes:
    """Return ``start`` and the header from ``rest`` on, with the tensors where they are sought."""
    end = _places(data).end
    head = start + data[rest:end]
    return head + bytes(-len(head) % 32) + data[end + -end % 32 :]


def _utf8(data: bytes, chance: random.Random) -> bytes:
    begin, end = chance.choice(_places(data).texts)
    if end - begin < 9:
        begin = max(24, end - 9)
    wrong = chance.choice(_NO_UTF8)
    return data[:begin] + wrong + data[begin + len(wrong) :]


def _text(data: bytes, chance: random.Random) -> bytes:
    begin, end = chance.choice(_places(data).texts)
    size = end - begin
    letters = "".join(chance.choices("abcĠ▁<|>0x学 ", k=size)).encode()[:size]
    whole = letters.decode(errors="ignore").encode().ljust(size)
    return data[:begin] + whole + data[end:]


def _value(data: bytes, chance: random.Random) -> bytes:
    """Replace an entry, mostly by one of the same type."""
    begin, end, key = chance.choice(_places(data).entries)
    kind = struct.unpack_from("<I", data, begin + 8 + len(key))[0]
    alike = [value for value in _ENCODED if value[0] == kind]
    kind, value = chance.choice(alike if alike and chance.random() < 0.7 else _ENCODED)
    entry = struct.pack("<Q", len(key)) + key + struct.pack("<I", kind) + value
    return _aligned(data, data[:begin] + entry, end)


_ENCODED = [_encoded(value) for value in _VALUES]


_DAMAGES: list[Callable[[bytes, random.Random], bytes]] = [
    _flip, _flip, _cut, _splice, _number, _number, _overlap, _nest, _utf8, _text, _value, _value,
    _value,
]  # fmt: skip
