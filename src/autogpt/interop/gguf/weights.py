"""The numbers in a GGUF file: one tensor at a time as torch has them, or packed as they are.

Reading makes the tensor and a piece of a few megabytes beside it, nothing else: the file is read
piece by piece and not mapped, so a file that becomes shorter meanwhile is an error and no crash.
:class:`PackedTensor` gives the stored bytes as a memory map, for those who compute with them;
``GGUFTensor.quantized`` moves them to where our decoder wants them.

Two things differ from Hugging Face's files. Llama's queries and keys are stored for rotary
positions that pair neighbors (x[2i], x[2i+1]), ours pair halves (x[i], x[i + E/2]): the rows of
each head are in another order. Gemma's norms are stored as what they multiply by, Hugging Face's
as one less.

Source: ``ggml-quants`` and the conversion script of llama.cpp (ggml-org, 2023-2026); the numbers of
quantized types are computed by the ``gguf`` package.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt
import torch
from gguf import quants
from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType
from torch import Tensor

from autogpt.core.errors import CheckpointError
from autogpt.interop.gguf.header import TensorEntry
from autogpt.nn.quantize import ROWS, Bits, QuantizedMatrix

__all__ = ["GGUFTensor", "PackedTensor", "pair_order"]

_PIECE_WEIGHTS = 1 << 17  # measured: what is made on the way stays in the cache

_PLAIN = {
    GGMLQuantizationType.F32: torch.float32,
    GGMLQuantizationType.F16: torch.float16,
    GGMLQuantizationType.BF16: torch.bfloat16,
}

_HALF = np.dtype("<f2")
_FORMS: dict[tuple[GGMLQuantizationType, int], np.dtype[np.void]] = {
    (GGMLQuantizationType.Q4_0, 4): np.dtype([("scale", _HALF), ("values", "u1", 16)]),
    (GGMLQuantizationType.Q4_1, 4): np.dtype(
        [("scale", _HALF), ("minimum", _HALF), ("values", "u1", 16)]
    ),
    (GGMLQuantizationType.Q8_0, 8): np.dtype([("scale", _HALF), ("values", "u1", 32)]),
}
"""A group of those kinds whose groups are ours, by kind and bits."""


@dataclass(frozen=True, slots=True)
class PackedTensor:
    """A tensor as the file stores it.

    Attributes:
        name: The weight's name in our model, as in ``layers.0.attention.query.weight``.
        kind: How its numbers are stored.
        shape: That of the numbers, as in our model.
        data: The stored bytes, ``[rows, bytes of a row]``: a read-only memory map, valid for as
            long as the file is neither changed nor cut.
        row_order: Row i of our model is row ``row_order[i]`` of ``data``; None where they agree.
        shift: To be added to the numbers.
    """

    name: str
    kind: GGMLQuantizationType
    shape: tuple[int, ...]
    data: npt.NDArray[np.uint8]
    row_order: npt.NDArray[np.int64] | None
    shift: float


@dataclass(frozen=True, slots=True)
class GGUFTensor:
    """A tensor of a GGUF file, not yet read.

    Attributes:
        path: The file.
        entry: Where in it.
        dtype: What to read it as.
        interleaved: Width of the heads whose rows are stored as neighboring pairs; None elsewhere.
        shift: Added to every number.
    """

    path: Path
    entry: TensorEntry
    dtype: torch.dtype
    interleaved: int | None = None
    shift: float = 0.0

    @property
    def shape(self) -> tuple[int, ...]:
        """Its shape."""
        return self.entry.shape

    @property
    def _rows(self) -> int:
        """Rows of whole blocks; a vector that is reordered has as many rows as numbers."""
        shape = self.entry.shape
        return shape[0] if len(shape) == 1 and self.interleaved else math.prod(shape[:-1])

    def read(self) -> Tensor:
        """Return the tensor, as ``dtype``.

        Raises:
            CheckpointError: If the file became shorter.
        """
        rows, entry = self._rows, self.entry
        row_bytes = self._row_bytes()
        width = math.prod(entry.shape) // rows
        target = torch.empty(rows, width, dtype=self.dtype)
        with self.path.open("rb") as file:
            file.seek(entry.offset)
            for start, stop in self._pieces(rows, width):
                data = _read_exactly(file, (stop - start) * row_bytes, self.path)
                numbers = _unpack(data, entry.kind).view(stop - start, width)
                if self.interleaved is not None:
                    numbers = numbers[pair_order(stop - start, self.interleaved)]
                target[start:stop] = numbers + self.shift if self.shift else numbers
        return target.view(entry.shape)

    def quantized(self, bits: Bits) -> QuantizedMatrix | None:
        """Return the tensor with the rounded numbers of the file, moved to where ours lie.

        None if it is no matrix, or stored otherwise than in groups of 32 numbers of ``bits`` as
        ours.

        Raises:
            CheckpointError: If the file became shorter, or a scale is not finite.
        """
        form = _FORMS.get((self.entry.kind, bits))
        if form is None or len(self.shape) != 2 or self.shift:
            return None
        rows, width = self.shape
        row_bytes = self._row_bytes()
        matrix = QuantizedMatrix.empty(rows, width, bits)
        with self.path.open("rb") as file:
            file.seek(self.entry.offset)
            for start, stop in self._pieces(rows, width, unit=ROWS):
                data = _read_exactly(file, (stop - start) * row_bytes, self.path)
                groups = np.frombuffer(data, dtype=form).reshape(stop - start, -1)
                part = self._quantized(groups)
                if part is None:
                    return None
                matrix.put(start, part)
        return matrix

    def _quantized(self, groups: npt.NDArray[np.void]) -> QuantizedMatrix | None:
        if self.interleaved is not None:
            groups = groups[pair_order(len(groups), self.interleaved)]
        scales, values = (torch.from_numpy(groups[part].copy()) for part in ("scale", "values"))
        minimums: Tensor | None = None
        if self.entry.kind == GGMLQuantizationType.Q4_1:
            minimums = torch.from_numpy(groups["minimum"].copy())
        elif self.entry.kind == GGMLQuantizationType.Q4_0:
            minimums = scales * -8  # it counts from -8
        else:
            values ^= 128
            if not bool(values.all()):  # -128, which none of ours is
                return None
        for part in (scales, minimums):
            if part is not None and not bool(part.isfinite().all()):
                raise CheckpointError(
                    f"{str(self.path)!r} holds NaN or infinity in {self.entry.name!r}."
                )
        return QuantizedMatrix.of_rows(values, scales, minimums)

    def packed(self, name: str, file: npt.NDArray[np.uint8]) -> PackedTensor:
        """Return the stored bytes.

        Args:
            name: The weight's name in our model.
            file: The whole file, memory-mapped.
        """
        entry, rows = self.entry, self._rows
        data = file[entry.offset : entry.offset + entry.size_bytes]
        order = None if self.interleaved is None else pair_order(rows, self.interleaved)
        return PackedTensor(
            name, entry.kind, entry.shape, data.reshape(rows, self._row_bytes()), order, self.shift
        )

    def _row_bytes(self) -> int:
        rows = self._rows
        if math.prod(self.entry.shape) // rows % GGML_QUANT_SIZES[self.entry.kind][0]:
            raise CheckpointError(
                f"{str(self.path)!r} stores the vector {self.entry.name!r} as "
                f"{self.entry.kind.name}, expected plain numbers."
            )
        return self.entry.size_bytes // rows

    def _pieces(self, rows: int, width: int, *, unit: int = 1) -> Iterator[tuple[int, int]]:
        """Yield ranges of rows, whole heads and units each, of about the size of a piece."""
        unit = math.lcm(unit, self.interleaved or 1)
        step = max(1, _PIECE_WEIGHTS // (width * unit)) * unit
        for start in range(0, rows, step):
            yield start, min(start + step, rows)


def pair_order(rows: int, head_dim: int) -> npt.NDArray[np.int64]:
    """Return where the rows of heads that pair halves are among rows that pair neighbors."""
    order = np.arange(rows).reshape(-1, head_dim // 2, 2)
    return order.swapaxes(1, 2).reshape(-1)


def _read_exactly(file: IO[bytes], count: int, path: Path) -> bytearray:
    data = bytearray(count)
    view = memoryview(data)
    done = 0
    while done < count:
        read = file.readinto(view[done:])  # type: ignore[attr-defined] # a raw or buffered file
        if not read:
            raise CheckpointError(f"{str(path)!r} became shorter while it was read.")
        done += read
    return data


def _unpack(data: bytearray, kind: GGMLQuantizationType) -> Tensor:
    """Return the numbers of whole blocks, one after the other."""
    plain = _PLAIN.get(kind)
    if plain is not None:
        return torch.frombuffer(data, dtype=plain)
    packed = np.frombuffer(data, dtype=np.uint8)[None]  # one row, so that they are one group
    with np.errstate(all="ignore"):  # scales that are no numbers are told of by who reads
        return torch.from_numpy(quants.dequantize(packed, kind)[0])
