"""The numbers of GGUF tensors: each type against its definition, and the order of rows."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType
from tests.interop.gguf.tiny import Contents

from autogpt.core.errors import CheckpointError
from autogpt.interop.gguf.header import TYPES, read_header
from autogpt.interop.gguf.weights import GGUFTensor
from autogpt.nn.quantize import Bits, QuantizedMatrix

Type = GGMLQuantizationType


def half(data: bytes) -> float:
    return float(struct.unpack("<e", data)[0])


def nibbles(data: bytes) -> list[int]:
    """Return the low halves of all bytes, then the high ones."""
    return [byte & 15 for byte in data] + [byte >> 4 for byte in data]


def signed(byte: int) -> int:
    return byte - 256 if byte > 127 else byte


def q4_0(block: bytes) -> list[float]:
    return [half(block[:2]) * (number - 8) for number in nibbles(block[2:])]


def q4_1(block: bytes) -> list[float]:
    return [half(block[:2]) * number + half(block[2:4]) for number in nibbles(block[4:])]


def fifth_bits(data: bytes) -> list[int]:
    bits = int.from_bytes(data, "little")
    return [16 * (bits >> place & 1) for place in range(32)]


def q5_0(block: bytes) -> list[float]:
    pairs = zip(nibbles(block[6:]), fifth_bits(block[2:6]), strict=True)
    return [half(block[:2]) * (low + high - 16) for low, high in pairs]


def q5_1(block: bytes) -> list[float]:
    pairs = zip(nibbles(block[8:]), fifth_bits(block[4:8]), strict=True)
    return [half(block[:2]) * (low + high) + half(block[2:4]) for low, high in pairs]


def q8_0(block: bytes) -> list[float]:
    return [half(block[:2]) * signed(byte) for byte in block[2:]]


def k_scales(packed: bytes) -> list[tuple[int, int]]:
    """Return the 6-bit scale and minimum of each of the 8 groups of Q4_K and Q5_K."""
    scales = []
    for group in range(8):
        if group < 4:
            scale, least = packed[group] & 63, packed[group + 4] & 63
        else:
            scale = packed[group + 4] & 15 | packed[group - 4] >> 6 << 4
            least = packed[group + 4] >> 4 | packed[group] >> 6 << 4
        scales.append((scale, least))
    return scales


def q4_k(block: bytes) -> list[float]:
    scales, quants, numbers = k_scales(block[4:16]), block[16:], []
    for group, (scale, least) in enumerate(scales):
        part = quants[group // 2 * 32 : group // 2 * 32 + 32]
        numbers += [
            half(block[:2]) * scale * (byte >> 4 if group % 2 else byte & 15)
            - half(block[2:4]) * least
            for byte in part
        ]
    return numbers


def q5_k(block: bytes) -> list[float]:
    scales, high, quants, numbers = k_scales(block[4:16]), block[16:48], block[48:], []
    for group, (scale, least) in enumerate(scales):
        part = quants[group // 2 * 32 : group // 2 * 32 + 32]
        for byte, top in zip(part, high, strict=True):
            low = byte >> 4 if group % 2 else byte & 15
            number = low + 16 * (top >> group & 1)
            numbers.append(half(block[:2]) * scale * number - half(block[2:4]) * least)
    return numbers


def q6_k(block: bytes) -> list[float]:
    low, high, scales, whole = block[:128], block[128:192], block[192:208], half(block[208:])
    numbers = []
    for place in range(256):
        part, inside = divmod(place, 128)
        quarter, column = divmod(inside, 32)
        byte = low[part * 64 + column + 32 * (quarter % 2)]
        bits = byte >> 4 if quarter > 1 else byte & 15
        top = high[part * 32 + column] >> 2 * quarter & 3
        numbers.append(whole * signed(scales[place // 16]) * ((bits | top << 4) - 32))
    return numbers


def q2_k(block: bytes) -> list[float]:
    scales, quants = block[:16], block[16:80]
    whole, least = half(block[80:82]), half(block[82:84])
    numbers = []
    for place in range(256):
        part, inside = divmod(place, 128)
        quarter, column = divmod(inside, 32)
        bits = quants[part * 32 + column] >> 2 * quarter & 3
        scale = scales[place // 16]
        numbers.append(whole * (scale & 15) * bits - least * (scale >> 4))
    return numbers


def q3_k(block: bytes) -> list[float]:
    masks, quants, packed, whole = block[:32], block[32:96], block[96:108], half(block[108:])
    numbers = []
    for place in range(256):
        part, inside = divmod(place, 128)
        quarter, column = divmod(inside, 32)
        bits = quants[part * 32 + column] >> 2 * quarter & 3
        bits -= 0 if masks[column] >> (4 * part + quarter) & 1 else 4
        group = place // 16
        low = packed[group % 8] >> 4 * (group // 8) & 15
        top = packed[8 + group % 4] >> 2 * (group // 4) & 3
        numbers.append(whole * ((low | top << 4) - 32) * bits)
    return numbers


DEFINITIONS: dict[Type, Callable[[bytes], list[float]]] = {
    Type.Q4_0: q4_0, Type.Q4_1: q4_1, Type.Q5_0: q5_0, Type.Q5_1: q5_1, Type.Q8_0: q8_0,
    Type.Q2_K: q2_k, Type.Q3_K: q3_k, Type.Q4_K: q4_k, Type.Q5_K: q5_k, Type.Q6_K: q6_k,
    Type.F32: lambda block: list(struct.unpack("<f", block)),
    Type.F16: lambda block: [half(block)],
    Type.BF16: lambda block: list(struct.unpack("<f", b"\0\0" + block)),
}  # fmt: skip
# Where the blocks have 16-bit floats, which random bytes would make infinite.
HALVES = {
    Type.Q4_0: [0], Type.Q4_1: [0, 2], Type.Q5_0: [0], Type.Q5_1: [0, 2], Type.Q8_0: [0],
    Type.Q2_K: [80, 82], Type.Q3_K: [108], Type.Q4_K: [0, 2], Type.Q5_K: [0, 2], Type.Q6_K: [208],
}  # fmt: skip


def random_blocks(kind: Type, count: int, *, seed: int = 0) -> np.ndarray:
    """Return ``[count, bytes of a block]``."""
    random = np.random.default_rng(seed)
    numbers = random.normal(0, 1, (count, 2))
    if kind in (Type.F32, Type.F16):
        return numbers[:, :1].astype("<f4" if kind == Type.F32 else "<f2").view(np.uint8)
    if kind == Type.BF16:
        return numbers[:, :1].astype("<f4").view(np.uint8)[:, 2:]
    blocks = random.integers(0, 256, (count, GGML_QUANT_SIZES[kind][1]), dtype=np.uint8)
    for place, column in enumerate(HALVES[kind]):
        halves = numbers[:, place : place + 1].astype("<f2")
        blocks[:, column : column + 2] = halves.view(np.uint8)
    return blocks


def stored(
    path: Path, kind: Type, shape: Sequence[int], *, seed: int = 0
) -> tuple[Path, np.ndarray]:
    """Write one tensor of random blocks; return the file and the blocks."""
    block, block_bytes = GGML_QUANT_SIZES[kind]
    blocks = random_blocks(kind, int(np.prod(shape)) // block, seed=seed)
    array = blocks.reshape(*shape[:-1], shape[-1] // block * block_bytes)
    if kind == Type.F32:  # the writer takes these as numbers
        array = array.view("<f4")
    elif kind == Type.F16:
        array = array.view("<f2")
    contents = Contents({"general.architecture": "llama"}, {"t": (array, kind)})
    return contents.write(path / "x.gguf"), blocks


def entry(file: Path, dtype: torch.dtype = torch.float32, **changes: object) -> GGUFTensor:
    return GGUFTensor(file, read_header(file).tensors["t"], dtype, **changes)


@pytest.mark.parametrize("kind", DEFINITIONS, ids=lambda kind: kind.name)
def test_numbers_are_those_of_the_definition(tmp_path: Path, kind: Type) -> None:
    file, blocks = stored(tmp_path, kind, (3, 512))
    expected = torch.tensor(
        [number for block in blocks for number in DEFINITIONS[kind](bytes(block))]
    )
    found = entry(file).read()
    assert found.dtype == torch.float32
    assert torch.allclose(found.flatten(), expected, rtol=1e-6, atol=1e-7)
    rounded = entry(file, torch.bfloat16).read()
    assert torch.equal(rounded, found.bfloat16())


def test_every_supported_type_has_been_compared() -> None:
    assert {kind.name for kind in DEFINITIONS} == set(TYPES)


@pytest.mark.parametrize("kind", [Type.F16, Type.Q8_0, Type.Q4_K])
@pytest.mark.parametrize("head_dim", [None, 8, 64])
def test_large_tensors_are_read_in_pieces(tmp_path: Path, kind: Type, head_dim: int | None) -> None:
    file, blocks = stored(tmp_path, kind, (704, 512))  # 360K numbers, so 3 pieces
    expected = torch.tensor(
        [number for block in blocks[::97] for number in DEFINITIONS[kind](bytes(block))]
    )
    found = entry(file, interleaved=head_dim).read()
    if head_dim is not None:  # back to the order of the file
        found = found.view(-1, 2, head_dim // 2, 512).transpose(1, 2).reshape(704, 512)
    size = GGML_QUANT_SIZES[kind][0]
    assert torch.allclose(found.reshape(-1, size)[::97].flatten(), expected, rtol=1e-6, atol=1e-7)


def test_heads_that_pair_neighbors_come_to_pair_halves(tmp_path: Path) -> None:
    heads, width, columns = 3, 6, 4
    ours = np.arange(heads * width * columns, dtype=np.float32).reshape(heads * width, columns)
    # As the conversion script of llama.cpp has it.
    theirs = ours.reshape(heads, 2, width // 2, columns).swapaxes(1, 2).reshape(ours.shape)
    contents = Contents(
        {}, {"t": (theirs, Type.F32), "bias": (np.ascontiguousarray(theirs[:, 0]), Type.F32)}
    )
    file = contents.write(tmp_path / "x.gguf")
    assert torch.equal(entry(file, interleaved=width).read(), torch.from_numpy(ours))
    bias = GGUFTensor(file, read_header(file).tensors["bias"], torch.float32, width).read()
    assert torch.equal(bias, torch.from_numpy(ours[:, 0].copy()))


def test_shift_is_added(tmp_path: Path) -> None:
    contents = Contents({}, {"t": (np.array([1.5, 0.25], dtype=np.float32), Type.F32)})
    file = contents.write(tmp_path / "x.gguf")
    assert entry(file, shift=-1.0).read().tolist() == [0.5, -0.75]


def test_packed_bytes_are_those_of_the_file(tmp_path: Path) -> None:
    file, blocks = stored(tmp_path, Type.Q4_1, (12, 64))
    mapped = np.memmap(file, dtype=np.uint8, mode="r")
    packed = entry(file, interleaved=6).packed("layers.0.attention.query.weight", mapped)
    assert packed.name == "layers.0.attention.query.weight"
    assert (packed.kind, packed.shape, packed.shift) == (Type.Q4_1, (12, 64), 0.0)
    assert packed.data.shape == (12, 40)
    assert np.array_equal(packed.data.reshape(blocks.shape), blocks)
    assert packed.data.base is not None
    with pytest.raises(ValueError, match="read-only"):
        packed.data[0, 0] = 1
    assert packed.row_order is not None
    ordered = packed.data[packed.row_order].reshape(-1, 20)
    numbers = [number for block in ordered for number in q4_1(bytes(block))]
    assert torch.allclose(entry(file, interleaved=6).read().flatten(), torch.tensor(numbers))
    assert entry(file).packed("t", mapped).row_order is None


@pytest.mark.parametrize(("kind", "bits"), [(Type.Q4_0, 4), (Type.Q4_1, 4), (Type.Q8_0, 8)])
@pytest.mark.parametrize(("rows", "head_dim"), [(704, None), (704, 64), (21, None), (42, 6)])
def test_groups_like_ours_are_moved_and_not_rounded_again(
    tmp_path: Path, kind: Type, bits: Bits, rows: int, head_dim: int | None
) -> None:
    file, blocks = stored(tmp_path, kind, (rows, 512))
    if kind == Type.Q8_0:
        blocks[blocks == 128] = 127
        data = bytearray(file.read_bytes())
        data[-blocks.size :] = blocks.tobytes()
        file.write_bytes(data)
    tensor = entry(file, interleaved=head_dim)
    matrix = tensor.quantized(bits)
    assert matrix is not None
    assert (matrix.bits, matrix.rows, matrix.columns) == (bits, rows, 512)
    shapes = QuantizedMatrix.part_shapes(rows, 512, bits)
    assert [part.shape for part in matrix.parts] == [shape for shape in shapes if shape]
    assert torch.allclose(matrix.dequantize(), tensor.read(), rtol=1e-5, atol=1e-6)


def test_other_groups_are_rounded(tmp_path: Path) -> None:
    for kind, bits in ((Type.Q4_K, 4), (Type.Q4_1, 8), (Type.Q8_0, 4), (Type.F16, 8)):
        file, _ = stored(tmp_path, kind, (16, 256))
        assert entry(file).quantized(bits) is None
    file, _ = stored(tmp_path, Type.Q4_1, (256,))
    assert entry(file).quantized(4) is None  # no matrix
    file, _ = stored(tmp_path, Type.Q8_0, (704, 512))
    assert entry(file).quantized(8) is None  # holds -128 somewhere
    assert entry(file, shift=-1.0).quantized(8) is None


def test_a_scale_that_is_no_number_is_found_in_groups_like_ours(tmp_path: Path) -> None:
    file, _ = stored(tmp_path, Type.Q4_1, (16, 64))
    data = bytearray(file.read_bytes())
    data[-20:-18] = b"\x00\x7e"
    file.write_bytes(data)
    with pytest.raises(CheckpointError, match="NaN or infinity in 't'"):
        entry(file).quantized(4)


def test_a_quantized_bias_of_heads_is_refused(tmp_path: Path) -> None:
    file, _ = stored(tmp_path, Type.Q8_0, (64,))
    with pytest.raises(CheckpointError, match="the vector 't' as Q8_0, expected plain numbers"):
        entry(file, interleaved=8).read()


@pytest.mark.parametrize("kept", [0, 100, -1])
def test_a_file_that_becomes_shorter_is_an_error(tmp_path: Path, kept: int) -> None:
    file, _ = stored(tmp_path, Type.F32, (64, 64))
    tensor = entry(file)
    data = file.read_bytes()
    file.write_bytes(data[:kept])
    with pytest.raises(CheckpointError, match="became shorter"):
        tensor.read()


def test_peak_memory_is_the_tensor_and_a_piece(tmp_path: Path) -> None:
    import tracemalloc

    file, _ = stored(tmp_path, Type.Q8_0, (4096, 1024))
    tensor = entry(file)
    tensor.read()
    tracemalloc.start()
    try:
        tensor.read()  # the tensor itself is torch's and not counted: 16 MiB
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 << 20
