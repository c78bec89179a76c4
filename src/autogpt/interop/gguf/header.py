"""The header of a GGUF file: what the file says of itself, believed only once it is checked.

::

    "GGUF", version, number of tensors, number of entries
    entries        key, type, value: settings, vocabulary, chat template
    tensors        name, sizes (innermost first), type, offset
    padding        up to a multiple of general.alignment
    data           the tensors, at their offsets

A file comes from anywhere. So every count, length, offset and size is held against the length of
the file before anything of that size is made, in Python's integers, which do not overflow; nothing
is mapped, and nothing outside the header is read. Not here: what entries mean (``families``,
``vocabulary``), the data (``weights``).

Source: GGUF specification, versions 2 and 3 (ggml-org, 2023-2025).
"""

from __future__ import annotations

import math
import os
import stat
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import IO, NoReturn

import numpy as np
import numpy.typing as npt
from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType, GGUFValueType

from autogpt.core.errors import CheckpointError, ResourceError
from autogpt.interop.gguf.entries import Entries, Value

__all__ = ["TYPES", "Header", "TensorEntry", "read_header"]

TYPES = (
    "F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1",
    "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K",
)  # fmt: skip
"""The types of tensors that are read."""

_MAGIC = b"GGUF"
_VERSIONS = (2, 3)
_BLOCK_BYTES = 1 << 20
_MOST_HEADER_BYTES = 1 << 26  # 64 MiB; a vocabulary of 262,144 tokens with merges takes some 15
_MOST_NAME_BYTES = 1 << 16  # of a key, as the specification says
_MOST_ALIGNMENT = 1 << 16
_LONGEST_REASON = 300  # characters of a message
_MOST_DIMENSIONS = 4
# The least that one takes: length of the name, type, value; and with sizes and offset.
_LEAST_ENTRY_BYTES = 8 + 4 + 1
_LEAST_TENSOR_BYTES = 8 + 4 + 8 + 4 + 8

_SCALARS = {
    GGUFValueType.UINT8: "<B", GGUFValueType.INT8: "<b",
    GGUFValueType.UINT16: "<H", GGUFValueType.INT16: "<h",
    GGUFValueType.UINT32: "<I", GGUFValueType.INT32: "<i",
    GGUFValueType.UINT64: "<Q", GGUFValueType.INT64: "<q",
    GGUFValueType.FLOAT32: "<f", GGUFValueType.FLOAT64: "<d",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class TensorEntry:
    """Where a tensor is; its place has been checked, its data has not been looked at.

    Attributes:
        name: As the file spells it.
        kind: How its numbers are stored.
        shape: Outermost dimension first, as in torch.
        offset: Bytes from the beginning of the file.
        size_bytes: Of the stored data.
    """

    name: str
    kind: GGMLQuantizationType
    shape: tuple[int, ...]
    offset: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Header:
    """All that a GGUF file holds beside the numbers of its tensors.

    Attributes:
        path: The file.
        size_bytes: Its length.
        entries: Settings, vocabulary, chat template.
        tensors: By name, in the order of the file.
    """

    path: Path
    size_bytes: int
    entries: Entries
    tensors: Mapping[str, TensorEntry]


def read_header(path: Path) -> Header:
    """Read and check the header of a GGUF file.

    Raises:
        CheckpointError: If the file is missing, truncated, no GGUF, or contradicts itself; or if a
            tensor is of a type that is not read.
        ResourceError: If the file may not be read.
    """
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise CheckpointError(f"{str(path)!r} is not a file.")
            return _Reader(file, path, status.st_size).header()
    except FileNotFoundError as error:
        raise CheckpointError(f"{str(path)!r} is missing.") from error
    except IsADirectoryError as error:
        raise CheckpointError(f"{str(path)!r} is a folder, expected a GGUF file.") from error
    except PermissionError as error:
        raise ResourceError(
            f"No permission to read {str(path)!r}.", hint="Choose a file you can read."
        ) from error


class _Reader:
    """Reads forward through a header, never beyond the end of the file."""

    def __init__(self, file: IO[bytes], path: Path, size_bytes: int) -> None:
        self._file = file
        self._path = path
        self._size = size_bytes
        self._buffer = b""
        self._place = 0  # in the buffer
        self._read = 0  # bytes of the file that went into the buffer so far

    def header(self) -> Header:
        """Read all of it."""
        if self._size < len(_MAGIC) or self._take(len(_MAGIC)) != _MAGIC:
            raise CheckpointError(f"{str(self._path)!r} is not a GGUF file.")
        version = self._number("<I")
        if version not in _VERSIONS:
            swapped = int.from_bytes(version.to_bytes(4, "little"), "big")
            what = "big-endian" if swapped in _VERSIONS else f"of version {version}"
            self._refuse(f"is {what}, expected version {_VERSIONS[0]} or {_VERSIONS[1]}")
        tensor_count, entry_count = self._number("<Q"), self._number("<Q")
        self._expect(entry_count, _LEAST_ENTRY_BYTES, "entries")
        self._expect(tensor_count, _LEAST_TENSOR_BYTES, "tensors")

        values: dict[str, Value] = {}
        for _ in range(entry_count):
            key = self._name("a key")
            if key in values:
                self._refuse(f"has the key {key!r} twice")
            values[key] = self._value(key)
        entries = Entries(self._path, values)
        declared = [self._tensor() for _ in range(tensor_count)]
        tensors = self._placed(declared, _alignment(entries))
        return Header(self._path, self._size, entries, tensors)

    # -- tensors -----------------------------------------------------------------------------------

    def _tensor(self) -> TensorEntry:
        """Return a tensor with the offset as declared, relative to the data."""
        name = self._name("the name of a tensor")
        dimensions = self._number("<I")
        if not 1 <= dimensions <= _MOST_DIMENSIONS:
            self._refuse(f"gives {name!r} {dimensions} dimensions, expected 1 to 4")
        shape = tuple(reversed([self._number("<Q") for _ in range(dimensions)]))
        if min(shape) < 1:
            self._refuse(f"gives {name!r} the shape {list(shape)}, in which nothing fits")
        kind = self._kind(name)
        block, block_bytes = GGML_QUANT_SIZES[kind]
        if shape[-1] % block:
            self._refuse(
                f"gives {name!r} rows of {shape[-1]}, expected a multiple of {block} for "
                f"{kind.name}"
            )
        size = math.prod(shape) // block * block_bytes
        return TensorEntry(name, kind, shape, self._number("<Q"), size)

    def _kind(self, name: str) -> GGMLQuantizationType:
        number = self._number("<I")
        try:
            kind = GGMLQuantizationType(number)
        except ValueError:
            self._refuse(f"stores {name!r} as the unknown type {number}")
        if kind.name not in TYPES:
            self._refuse(f"stores {name!r} as {kind.name}; supported are {', '.join(TYPES)}")
        return kind

    def _placed(self, declared: list[TensorEntry], alignment: int) -> Mapping[str, TensorEntry]:
        """Return the tensors at their places in the file, which must hold them side by side."""
        start = -(-self._position // alignment) * alignment
        tensors: dict[str, TensorEntry] = {}
        for entry in declared:
            if entry.name in tensors:
                self._refuse(f"has the tensor {entry.name!r} twice")
            if entry.offset % alignment:
                self._refuse(f"has {entry.name!r} at a place that is no multiple of {alignment}")
            placed = TensorEntry(
                entry.name, entry.kind, entry.shape, start + entry.offset, entry.size_bytes
            )
            if placed.offset + placed.size_bytes > self._size:
                raise CheckpointError(
                    f"{str(self._path)!r} is truncated or damaged: its {self._size} bytes do not "
                    f"hold {entry.name!r}, which would end at {placed.offset + placed.size_bytes}."
                )
            tensors[entry.name] = placed
        ordered = sorted(tensors.values(), key=lambda entry: entry.offset)
        for before, after in pairwise(ordered):
            if before.offset + before.size_bytes > after.offset:
                self._refuse(f"has {after.name!r} inside {before.name!r}")
        return tensors

    # -- entries -----------------------------------------------------------------------------------

    def _value(self, key: str) -> Value:
        kind = self._value_type(key)
        if kind == GGUFValueType.STRING:
            return self._text(key)
        if kind != GGUFValueType.ARRAY:
            return self._scalar(kind, key)
        item = self._value_type(key)
        count = self._number("<Q")
        if item == GGUFValueType.STRING:
            self._expect(count, 8, f"texts of {key!r}")
            return self._texts(count, key)
        if item == GGUFValueType.ARRAY:
            self._refuse(f"holds arrays of arrays in {key!r}, which no model has")
        return self._numbers(item, count, key)

    def _value_type(self, key: str) -> GGUFValueType:
        number = self._number("<I")
        try:
            return GGUFValueType(number)
        except ValueError:
            self._refuse(f"gives {key!r} the unknown type {number}")

    def _scalar(self, kind: GGUFValueType, key: str) -> int | float | bool:
        if kind == GGUFValueType.BOOL:
            byte = self._take(1)[0]
            if byte > 1:
                self._refuse(f"says {key} = {byte}, expected 0 for false or 1 for true")
            return bool(byte)
        form = _SCALARS[kind]
        value: int | float = struct.unpack(form, self._take(struct.calcsize(form)))[0]
        return value

    def _numbers(self, kind: GGUFValueType, count: int, key: str) -> npt.NDArray[np.generic]:
        dtype = np.dtype("?" if kind == GGUFValueType.BOOL else _SCALARS[kind])
        self._expect(count, dtype.itemsize, f"numbers of {key!r}")
        data = self._take(count * dtype.itemsize)
        return np.frombuffer(data, dtype="u1" if kind == GGUFValueType.BOOL else dtype)

    def _texts(self, count: int, key: str) -> list[str]:
        """Return that many texts; there may be half a million, so this is the one tight loop."""
        texts = []
        unpack, what = struct.Struct("<Q").unpack_from, f"{key!r}"
        for _ in range(count):
            if self._place + 8 > len(self._buffer):
                self._fill(8)
            start = self._place + 8
            end = start + unpack(self._buffer, self._place)[0]
            if end > len(self._buffer):
                texts.append(self._text(key))
                continue
            texts.append(self._decoded(self._buffer[start:end], what))
            self._place = end
        return texts

    def _name(self, what: str) -> str:
        length = self._number("<Q")
        if length > _MOST_NAME_BYTES:
            self._refuse(f"has {what} of {length} bytes, expected at most {_MOST_NAME_BYTES}")
        return self._decoded(self._take(length), what)

    def _text(self, key: str) -> str:
        return self._decoded(self._take(self._number("<Q")), f"{key!r}")

    def _decoded(self, data: bytes, what: str) -> str:
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError as error:
            raise CheckpointError(
                f"{str(self._path)!r} is damaged: {what} is not UTF-8 ({error.reason})."
            ) from error

    # -- bytes -------------------------------------------------------------------------------------

    @property
    def _position(self) -> int:
        return self._read - len(self._buffer) + self._place

    def _number(self, form: str) -> int:
        value: int = struct.unpack(form, self._take(struct.calcsize(form)))[0]
        return value

    def _take(self, count: int) -> bytes:
        """Return the next ``count`` bytes, if the file has them."""
        end = self._place + count
        if end > len(self._buffer):
            self._fill(count)
            end = count
        data = self._buffer[self._place : end]
        self._place = end
        return data

    def _fill(self, count: int) -> None:
        """Make the buffer begin here and hold at least ``count`` bytes."""
        if count > self._size - self._position:
            raise CheckpointError(
                f"{str(self._path)!r} is truncated or damaged: {count} bytes are announced at "
                f"{self._position}, but the file ends at {self._size}."
            )
        if self._position + count > _MOST_HEADER_BYTES:
            self._refuse(f"has a header of more than {_MOST_HEADER_BYTES} bytes")
        rest = self._buffer[self._place :]
        more = self._file.read(max(count - len(rest), _BLOCK_BYTES))
        self._read += len(more)
        self._buffer, self._place = rest + more, 0
        if len(self._buffer) < count:
            raise CheckpointError(f"{str(self._path)!r} became shorter while it was read.")

    def _expect(self, count: int, least_bytes: int, what: str) -> None:
        """Refuse a count of things that the rest of the file is too short for."""
        left = self._size - self._position
        if count * least_bytes > left:
            raise CheckpointError(
                f"{str(self._path)!r} is truncated or damaged: {count} {what} are announced, "
                f"but only {left} bytes follow."
            )

    def _refuse(self, what: str) -> NoReturn:
        if len(what) > _LONGEST_REASON:  # a damaged name may go on for thousands of characters
            what = f"{what[: _LONGEST_REASON // 2]} [...] {what[-_LONGEST_REASON // 2 :]}"
        raise CheckpointError(f"{str(self._path)!r} {what}.")


def _alignment(entries: Entries) -> int:
    value = entries.get("general.alignment", int, default=32)
    if not 8 <= value <= _MOST_ALIGNMENT or value & (value - 1):
        raise entries.refused("general.alignment", "a power of two from 8 to 65536")
    return value
