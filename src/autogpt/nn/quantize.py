"""Weights in 8 or 4 bits: groups of 32 numbers that share a scale.

Of each row, 32 neighboring weights form a group with a scale in half precision:

- 8 bits: w = scale * q, q from -127 to 127 (the form of Q8_0);
- 4 bits: w = scale * q + minimum, q from 0 to 15 (the form of Q4_1). With a minimum rather than
  symmetric, because the same bits then keep perplexity lower by a factor (docs/log.md).

The bytes lie as a processor multiplies them: 16 rows side by side, four inputs of one row in 32
bits, so that one vector register holds four inputs of 16 rows. Rows are filled up to a multiple of
16 and inputs to one of 32, with zeros. Not here: multiplying (``inference.native``), files.

Source of the forms: llama.cpp, ggml-quants (Gerganov et al. 2023).

Letters in shapes: O outputs (rows), I inputs, R = ceil(O / 16), G = ceil(I / 32).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float, Float16, UInt8
from torch import Tensor

from autogpt.core.errors import CheckpointError

__all__ = ["GROUP", "ROWS", "Bits", "QuantizedMatrix", "interleave", "join", "quantize"]

Bits = Literal[4, 8]

GROUP = 32  # weights that share a scale
ROWS = 16  # rows that lie side by side
_QUAD = 4  # inputs whose bytes are multiplied and added by one instruction
_CHUNK = 1 << 19  # weights rounded at once: 2 MB of float32, so that temporaries stay in the cache
_HALF_MAX = 65504.0  # the largest number in half precision


@dataclass(frozen=True, slots=True)
class QuantizedMatrix:
    """A matrix of ``rows`` x ``columns`` numbers.

    Attributes:
        values: ``[R, G, 8, 16, 4]`` for 8 bits: q + 128. ``[R, G, 4, 16, 4]`` for 4 bits: two q in
            a byte, the lower four bits for quads 0 to 3 of the group, the upper for 4 to 7.
        scales: ``[R, G, 16]``.
        minimums: Likewise; None for 8 bits.
        rows: O.
        columns: I.
    """

    values: UInt8[Tensor, "R G quads 16 4"]
    scales: Float16[Tensor, "R G 16"]
    minimums: Float16[Tensor, "R G 16"] | None
    rows: int
    columns: int

    @property
    def bits(self) -> Bits:
        """Of a weight."""
        return 8 if self.minimums is None else 4

    @property
    def parts(self) -> tuple[Tensor, ...]:
        """Values, scales and, if there are any, minimums."""
        parts = (self.values, self.scales)
        return parts if self.minimums is None else (*parts, self.minimums)

    @property
    def size_bytes(self) -> int:
        """Memory that it takes."""
        return sum(part.nbytes for part in self.parts)

    @classmethod
    def empty(cls, rows: int, columns: int, bits: Bits) -> QuantizedMatrix:
        """Return a matrix of numbers yet to be written."""
        values, scales, minimums = cls.part_shapes(rows, columns, bits)
        return cls(
            torch.empty(values, dtype=torch.uint8),
            torch.empty(scales, dtype=torch.float16),
            None if minimums is None else torch.empty(minimums, dtype=torch.float16),
            rows,
            columns,
        )

    def put(self, row: int, part: QuantizedMatrix) -> None:
        """Write rows from ``row`` on, a multiple of 16."""
        begin = row // ROWS
        for whole, new in zip(self.parts, part.parts, strict=True):
            whole[begin : begin + len(new)] = new

    @classmethod
    def of_rows(
        cls,
        values: UInt8[Tensor, "O G bytes"],
        scales: Float16[Tensor, "O G"],
        minimums: Float16[Tensor, "O G"] | None,
    ) -> QuantizedMatrix:
        """Return a matrix whose groups lie one behind the other, as in files of llama.cpp.

        Args:
            values: 8 bits: 32 bytes of q + 128. 4 bits: 16 bytes, the lower four bits are those of
                inputs 0 to 15, the upper those of 16 to 31.
            scales: As in this class.
            minimums: Likewise.
        """
        rows, groups, _ = values.shape
        quads = _in_blocks(values.contiguous().view(torch.int32))  # [R, 16, G, 4 or 8]
        moved = quads.permute(0, 2, 3, 1).contiguous().view(torch.uint8)
        return cls(
            moved.view(*moved.shape[:3], ROWS, _QUAD),
            _in_blocks(scales).transpose(1, 2).contiguous(),
            None if minimums is None else _in_blocks(minimums).transpose(1, 2).contiguous(),
            rows,
            groups * GROUP,
        )

    def moved(self, move: Callable[[Tensor], Tensor]) -> QuantizedMatrix:
        """Return the matrix with its parts where ``move`` copies them to."""
        return QuantizedMatrix(
            move(self.values),
            move(self.scales),
            None if self.minimums is None else move(self.minimums),
            self.rows,
            self.columns,
        )

    def first(self, rows: int) -> QuantizedMatrix:
        """Return the first rows, a multiple of 16 or all: views of this matrix."""
        if rows >= self.rows:
            return self
        blocks = rows // ROWS
        return QuantizedMatrix(
            self.values[:blocks],
            self.scales[:blocks],
            None if self.minimums is None else self.minimums[:blocks],
            rows,
            self.columns,
        )

    @staticmethod
    def part_shapes(
        rows: int, columns: int, bits: Bits
    ) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...] | None]:
        """Return the shapes that values, scales and minimums have."""
        grid = (-(-rows // ROWS), -(-columns // GROUP))
        scales = (*grid, ROWS)
        return (*grid, bits, ROWS, _QUAD), scales, None if bits == 8 else scales

    def levels(self) -> UInt8[Tensor, "O I"]:
        """Return q, with 8 bits plus 128."""
        quads = self.values
        if self.minimums is not None:
            quads = torch.cat((quads & 15, quads >> 4), dim=2)  # [R, G, 8, 16, 4]
        rows = quads.permute(0, 3, 1, 2, 4).flatten(2).flatten(0, 1)  # [16 R, 32 G]
        return rows[: self.rows, : self.columns]

    def by_row(self, part: Float16[Tensor, "R G 16"]) -> Float16[Tensor, "O G"]:
        """Return the scales or minimums of each row."""
        return part.transpose(1, 2).flatten(0, 1)[: self.rows]

    def dequantize(self) -> Float[Tensor, "O I"]:
        """Return the matrix in float32."""
        levels = self.levels().float()
        if self.minimums is None:
            levels -= 128.0
        weights = levels * self._by_weight(self.scales)
        return weights if self.minimums is None else weights + self._by_weight(self.minimums)

    def _by_weight(self, part: Float16[Tensor, "R G 16"]) -> Float[Tensor, "O I"]:
        return self.by_row(part).float().repeat_interleave(GROUP, dim=1)[:, : self.columns]


def quantize(weight: Float[Tensor, "O I"], bits: Bits) -> QuantizedMatrix:
    """Round a matrix to the nearest that ``bits`` can say.

    Raises:
        CheckpointError: If a number is not finite, or beyond what a scale in half precision holds.
    """
    rows, columns = weight.shape
    matrix = QuantizedMatrix.empty(rows, columns, bits)
    at_once = max(1, _CHUNK // (ROWS * max(columns, 1)))  # blocks of rows
    for begin in range(0, len(matrix.values), at_once):
        groups = _groups(weight[begin * ROWS : (begin + at_once) * ROWS])
        rounded = _round_to_8(groups) if bits == 8 else _round_to_4(groups)
        for whole, part in zip(matrix.parts, rounded, strict=True):
            whole[begin : begin + at_once] = part
    return matrix


def join(matrices: Sequence[QuantizedMatrix]) -> QuantizedMatrix:
    """Put matrices of equal width and bits below each other; all rows are multiples of 16."""
    return _combined(matrices, lambda parts: torch.cat(list(parts)))


def interleave(first: QuantizedMatrix, second: QuantizedMatrix) -> QuantizedMatrix:
    """Let blocks of 16 rows of two equally large matrices alternate."""
    return _combined(
        (first, second), lambda parts: torch.stack(list(parts), dim=1).flatten(0, 1).contiguous()
    )


def _combined(
    matrices: Sequence[QuantizedMatrix], combine: Callable[[Sequence[Tensor]], Tensor]
) -> QuantizedMatrix:
    minimums = [matrix.minimums for matrix in matrices if matrix.minimums is not None]
    return QuantizedMatrix(
        combine([matrix.values for matrix in matrices]),
        combine([matrix.scales for matrix in matrices]),
        combine(minimums) if minimums else None,
        sum(matrix.rows for matrix in matrices),
        matrices[0].columns,
    )


def _in_blocks(rows: Tensor) -> Tensor:
    """Return rows in blocks of 16, filled up with zeros."""
    missing = -len(rows) % ROWS
    if missing:
        rows = torch.cat((rows, rows.new_zeros(missing, *rows.shape[1:])))
    return rows.view(-1, ROWS, *rows.shape[1:])


def _groups(rows: Float[Tensor, "O I"]) -> Float[Tensor, "R 16 G 32"]:
    padding = (0, -rows.shape[1] % GROUP, 0, -rows.shape[0] % ROWS)
    padded = F.pad(rows.float(), padding)
    return padded.view(-1, ROWS, padded.shape[1] // GROUP, GROUP)


def _round_to_8(groups: Float[Tensor, "R 16 G 32"]) -> tuple[Tensor, Tensor]:
    low, high = _range(groups)  # [R, 16, G]
    largest = torch.maximum(high, -low)
    _check_range(largest, 127)
    scales = (largest / 127).half()
    levels = _divide(groups, scales).round_().clamp_(-127, 127).add_(128)
    return _lay_out(levels), scales.transpose(1, 2)


def _round_to_4(groups: Float[Tensor, "R 16 G 32"]) -> tuple[Tensor, Tensor, Tensor]:
    low, high = _range(groups)
    _check_range(high - low, 15)
    _check_range(low, 1)
    scales, minimums = ((high - low) / 15).half(), low.half()
    # Rounded minimum and scale are subtracted and divided by, so that their own rounding does not
    # add to that of the weights.
    levels = _divide(groups - minimums.float()[..., None], scales).round_().clamp_(0, 15)
    quads = _lay_out(levels)  # [R, G, 8, 16, 4]
    values = quads[:, :, :4] | quads[:, :, 4:] << 4
    return values, scales.transpose(1, 2), minimums.transpose(1, 2)


def _range(groups: Float[Tensor, "R 16 G 32"]) -> tuple[Tensor, Tensor]:
    """Return the smallest and largest of each group; ``aminmax`` takes six times as long."""
    return groups.amin(dim=-1), groups.amax(dim=-1)


def _check_range(sizes: Tensor, levels: int) -> None:
    if not bool(sizes.abs().max() < levels * _HALF_MAX):  # NaN is not smaller than anything
        raise CheckpointError("A weight is NaN, infinite or too large to be quantized.")


def _divide(groups: Float[Tensor, "R 16 G 32"], scales: Tensor) -> Tensor:
    """Return the groups in units of their scale; zero where that is zero."""
    inverse = torch.where(scales > 0, 1.0 / scales.float(), 0.0)
    return groups * inverse[..., None]


def _lay_out(levels: Float[Tensor, "R 16 G 32"]) -> UInt8[Tensor, "R G 8 16 4"]:
    quads = levels.to(torch.uint8).view(torch.int32)  # [R, 16, G, 8], moved as whole numbers
    moved = quads.permute(0, 2, 3, 1).contiguous()
    return moved.view(torch.uint8).view(*moved.shape, _QUAD)
