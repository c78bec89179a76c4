"""What the header of a GGUF file says, and what is refused before anything is believed."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from gguf import GGMLQuantizationType, GGUFValueType
from tests.interop.gguf.tiny import Contents, pack

from autogpt.core.errors import CheckpointError
from autogpt.interop.gguf.header import TYPES, Header, read_header

F32 = GGMLQuantizationType.F32


def text(value: str | bytes) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    return struct.pack("<Q", len(data)) + data


def entry(key: str, kind: int, value: bytes) -> bytes:
    return text(key) + struct.pack("<I", kind) + value


def tensor(name: str, shape: list[int], kind: int = 0, offset: int = 0) -> bytes:
    sizes = struct.pack(f"<I{len(shape)}Q", len(shape), *reversed(shape))
    return text(name) + sizes + struct.pack("<IQ", kind, offset)


def header(
    entries: list[bytes],
    tensors: list[bytes],
    *,
    data: int = 0,
    version: int = 3,
    counts: tuple[int, int] | None = None,
) -> bytes:
    """Return a file: its tensors, its entries, padding to 32, and ``data`` bytes."""
    tensor_count, entry_count = counts or (len(tensors), len(entries))
    start = b"GGUF" + struct.pack("<IQQ", version, tensor_count, entry_count)
    whole = start + b"".join([*entries, *tensors])
    return whole + bytes(-len(whole) % 32) + bytes(data)


def read(path: Path, data: bytes) -> Header:
    file = path / "x.gguf"
    file.write_bytes(data)
    return read_header(file)


def test_all_kinds_of_values_are_read(tmp_path: Path) -> None:
    writer = gguf.GGUFWriter(tmp_path / "x.gguf", "llama")
    scalars = {
        "u8": (writer.add_uint8, 255), "i8": (writer.add_int8, -128),
        "u16": (writer.add_uint16, 65535), "i16": (writer.add_int16, -32768),
        "u32": (writer.add_uint32, 2**32 - 1), "i32": (writer.add_int32, -(2**31)),
        "u64": (writer.add_uint64, 2**64 - 1), "i64": (writer.add_int64, -(2**63)),
        "f32": (writer.add_float32, 0.5), "f64": (writer.add_float64, 1e300),
        "yes": (writer.add_bool, True), "no": (writer.add_bool, False),
        "text": (writer.add_string, "學而時習之 and so on"),
    }  # fmt: skip
    for key, (add, value) in scalars.items():
        add(key, value)
    writer.add_array("words", ["a", "学", ""])
    writer.add_array("numbers", [1, -2, 3])
    writer.add_array("scores", [0.5, -1.5])
    writer.add_array("flags", [True, False])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()

    values = read_header(tmp_path / "x.gguf").entries.values
    for key, (_, value) in scalars.items():
        assert values[key] == value
        assert type(values[key]) is type(value)
    assert values["words"] == ["a", "学", ""]
    assert np.array_equal(values["numbers"], [1, -2, 3])
    assert np.array_equal(values["scores"], [0.5, -1.5])
    assert np.array_equal(values["flags"], [1, 0])


@pytest.mark.parametrize("alignment", [None, 8, 64, 4096])
def test_tensors_are_placed(tmp_path: Path, alignment: int | None) -> None:
    arrays = {
        name: np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
        for name, shape in {
            "a": (3,),
            "b.weight": (5, 7),
            "c": (2, 3, 4),
            "d": (1, 1, 1, 1),
        }.items()
    }
    entries: dict[str, Any] = {} if alignment is None else {"general.alignment": alignment}
    contents = Contents(entries, {name: pack(array, F32) for name, array in arrays.items()})
    found = read_header(contents.write(tmp_path / "x.gguf"))
    data = (tmp_path / "x.gguf").read_bytes()
    assert found.size_bytes == len(data)
    for name, array in arrays.items():
        place = found.tensors[name]
        assert place.shape == array.shape
        assert place.offset % (alignment or 32) == 0
        assert data[place.offset : place.offset + place.size_bytes] == array.tobytes()


def test_version_2_is_read(tmp_path: Path) -> None:
    assert "k" in read(tmp_path, header([entry("k", 0, b"\1")], [], version=2)).entries


def test_headers_longer_than_one_read_are_read(tmp_path: Path) -> None:
    words = [f"{number}-學" * 20 for number in range(20_000)]
    array = struct.pack("<IQ", 8, len(words)) + b"".join(map(text, words))
    long_text = "x" * (3 << 20)
    entries = [entry("words", 9, array), entry("long", 8, text(long_text))]
    found = read(tmp_path, header(entries, [tensor("t", [4])], data=16))
    assert found.entries.texts("words") == words
    assert found.entries.get("long", str) == long_text
    assert found.tensors["t"].size_bytes == 16


ARRAY, STRING = int(GGUFValueType.ARRAY), int(GGUFValueType.STRING)
HUGE = 2**64 - 1

REFUSED: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "is not a GGUF file"),
    "another format": (b"PK\3\4" + bytes(100), "is not a GGUF file"),
    "only the magic": (b"GGUF", "truncated or damaged: 4 bytes are announced"),
    "version 1": (header([], [], version=1), "is of version 1, expected version 2 or 3"),
    "big-endian": (b"GGUF" + struct.pack(">IQQ", 3, 0, 0), "is big-endian"),
    "too many entries": (header([], [], counts=(0, HUGE)), f"{HUGE} entries are announced"),
    "too many tensors": (header([], [], counts=(HUGE, 0)), f"{HUGE} tensors are announced"),
    "one entry too many": (header([entry("k", 0, b"\1")], [], counts=(0, 9)), "9 entries"),
    "key too long": (header([struct.pack("<Q", HUGE) + bytes(64)], []), "expected at most 65536"),
    "key beyond the end": (header([struct.pack("<Q", 999) + bytes(64)], []), "truncated"),
    "text beyond the end": (
        header([entry("k", STRING, struct.pack("<Q", 1 << 40))], []), "truncated"
    ),
    "key twice": (header([entry("k", 0, b"\1")] * 2, []), "has the key 'k' twice"),
    "key not UTF-8": (header([text(b"\xff") + bytes(16)], []), "a key is not UTF-8"),
    "text not UTF-8": (header([entry("k", STRING, text(b"a\xc3"))], []), "'k' is not UTF-8"),
    "list not UTF-8": (
        header([entry("k", ARRAY, struct.pack("<IQ", STRING, 1) + text(b"\xed\xa0\x80"))], []),
        "'k' is not UTF-8",
    ),
    "unknown type": (header([entry("k", 13, bytes(16))], []), "'k' the unknown type 13"),
    "a key of thousands": (header([entry("k" * 5000, 13, bytes(16))], []), "k [...] k"),
    "unknown item": (
        header([entry("k", ARRAY, struct.pack("<IQ", 99, 1))], []), "unknown type 99"
    ),
    "neither true nor false": (header([entry("k", 7, b"\2")], []), "k = 2, expected 0 for false"),
    "arrays of arrays": (
        header([entry("k", ARRAY, struct.pack("<IQ", ARRAY, 1) * 500)], []), "arrays of arrays"
    ),
    "too many numbers": (
        header([entry("k", ARRAY, struct.pack("<IQ", 10, 1 << 61))], []),
        "numbers of 'k' are announced",
    ),
    "too many texts": (
        header([entry("k", ARRAY, struct.pack("<IQ", STRING, HUGE))], []),
        "texts of 'k' are announced",
    ),
    "alignment 0": (header([entry("general.alignment", 4, bytes(4))], []), "a power of two"),
    "alignment 24": (header([entry("general.alignment", 4, b"\x18\0\0\0")], []), "a power of two"),
    "alignment of text": (header([entry("general.alignment", STRING, text("32"))], []), "'32'"),
    "no dimensions": (header([], [tensor("t", [])]), "'t' 0 dimensions, expected 1 to 4"),
    "5 dimensions": (header([], [tensor("t", [1] * 5)], data=64), "'t' 5 dimensions"),
    "nothing fits": (header([], [tensor("t", [4, 0])], data=64), "in which nothing fits"),
    "unknown tensor type": (header([], [tensor("t", [4], 77)], data=64), "the unknown type 77"),
    "type not read": (header([], [tensor("t", [256], 16)], data=99), "'t' as IQ2_XXS; supported"),
    "no whole block": (header([], [tensor("t", [3, 33], 8)], data=999), "multiple of 32 for Q8_0"),
    "beyond the end": (header([], [tensor("t", [9])], data=32), "do not hold 't'"),
    "size overflows": (header([], [tensor("t", [1 << 62, 4])], data=64), "do not hold 't'"),
    "offset overflows": (
        header([], [tensor("t", [8], 0, HUGE - 31)], data=64), "do not hold 't'"
    ),
    "crooked offset": (header([], [tensor("t", [4], 0, 4)], data=64), "no multiple of 32"),
    "name twice": (header([], [tensor("t", [4])] * 2, data=64), "the tensor 't' twice"),
    "overlap": (
        header([], [tensor("a", [9], 0, 32), tensor("b", [16])], data=128), "has 'a' inside 'b'"
    ),
    "same place": (header([], [tensor("a", [4]), tensor("b", [4])], data=64), "inside"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_refused_in_one_sentence(tmp_path: Path, case: str) -> None:
    data, message = REFUSED[case]
    with pytest.raises(CheckpointError) as caught:
        read(tmp_path, data)
    assert message in caught.value.message
    assert "x.gguf" in caught.value.message
    assert caught.value.message.endswith(".")
    assert "\n" not in caught.value.message
    assert len(caught.value.message) < 400


def test_every_truncation_is_refused(tmp_path: Path) -> None:
    whole = header(
        [entry("k", ARRAY, struct.pack("<IQ", STRING, 2) + text("a") + text("學"))],
        [tensor("t", [8])],
        data=32,
    )
    read(tmp_path, whole)
    for length in range(len(whole)):
        with pytest.raises(CheckpointError):
            read(tmp_path, whole[:length])


def test_what_a_header_may_take_is_bounded(tmp_path: Path) -> None:
    file = tmp_path / "x.gguf"
    start = b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + entry("k", STRING, struct.pack("<Q", 1 << 30))
    with file.open("wb") as opened:
        opened.write(start)
        opened.truncate(1 << 31)  # a hole: the text is there, and is not read
    with pytest.raises(CheckpointError, match="header of more than 67108864 bytes"):
        read_header(file)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no\.gguf' is missing"):
        read_header(tmp_path / "no.gguf")
    with pytest.raises(CheckpointError, match="is a folder"):
        read_header(tmp_path)


def test_supported_types_are_what_the_data_is_unpacked_from() -> None:
    assert {"F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q4_K", "Q5_K", "Q6_K"} <= set(TYPES)
    values = np.linspace(-1, 1, 256, dtype=np.float32)[None]
    quantizable: Callable[[str], bool] = lambda name: not name.endswith("_K")  # noqa: E731
    for name in filter(quantizable, TYPES):
        array, kind = pack(values, GGMLQuantizationType[name])
        assert np.abs(gguf.dequantize(array, kind) - values).max() < 0.1
