from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from autogpt.core.errors import CheckpointError
from autogpt.nn.quantize import Bits, interleave, join, quantize

BITS: list[Bits] = [4, 8]


@given(
    rows=st.integers(1, 50),
    columns=st.integers(1, 100),
    bits=st.sampled_from(BITS),
    scale=st.sampled_from([0.0, 1e-6, 0.02, 1.0, 300.0]),
    seed=st.integers(0, 9),
)
def test_every_weight_is_within_half_a_step(
    rows: int, columns: int, bits: Bits, scale: float, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    weight = scale * torch.randn(rows, columns, generator=generator)
    rounded = quantize(weight, bits).dequantize()
    assert rounded.shape == weight.shape
    span = 2 * weight.abs().max()
    # Half a step, and the rounding of scale and minimum to half precision, which is coarser below
    # its smallest normal number.
    bound = span / (30 if bits == 4 else 254) * 1.01 + 2e-3 * span + 5e-6
    assert float((rounded - weight).abs().max()) <= float(bound)


@pytest.mark.parametrize("bits", BITS)
def test_what_was_rounded_once_stays_as_it_is(bits: Bits) -> None:
    torch.manual_seed(0)
    once = quantize(torch.randn(32, 64), bits).dequantize()
    again = quantize(once, bits).dequantize()
    torch.testing.assert_close(again, once, rtol=0, atol=2e-3)


def test_four_bits_have_a_minimum_of_their_own() -> None:
    weight = 5.0 + torch.linspace(0, 1, 32)[None]  # far from zero: symmetric steps would be 0.75
    assert float((quantize(weight, 4).dequantize() - weight).abs().max()) < 0.04


def test_large_matrices_are_rounded_in_pieces_that_fit_together() -> None:
    torch.manual_seed(0)
    weight = torch.randn(2000, 320)  # more than is rounded at once
    whole = quantize(weight, 8).dequantize()
    parts = [quantize(part, 8).dequantize() for part in weight.split(48)]
    assert torch.equal(whole, torch.cat(parts))


@pytest.mark.parametrize("bits", BITS)
def test_joined_matrices_are_below_each_other(bits: Bits) -> None:
    torch.manual_seed(0)
    first, second = torch.randn(32, 40), torch.randn(16, 40)
    joined = join([quantize(first, bits), quantize(second, bits)])
    wanted = [quantize(part, bits).dequantize() for part in (first, second)]
    assert torch.equal(joined.dequantize(), torch.cat(wanted))


def test_interleaved_matrices_take_turns_by_sixteen_rows() -> None:
    torch.manual_seed(0)
    first, second = quantize(torch.randn(32, 32), 4), quantize(torch.randn(32, 32), 4)
    rows = interleave(first, second).dequantize().view(2, 2, 16, 32)
    assert torch.equal(rows[:, 0].flatten(0, 1), first.dequantize())
    assert torch.equal(rows[:, 1].flatten(0, 1), second.dequantize())


@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1e30])
def test_numbers_that_cannot_be_said_are_refused(bits: Bits, value: float) -> None:
    weight = torch.zeros(16, 32)
    weight[3, 5] = value
    with pytest.raises(CheckpointError, match="NaN, infinite or too large"):
        quantize(weight, bits)


def test_four_bits_take_a_third_of_bf16() -> None:
    weight = torch.randn(160, 320)
    assert quantize(weight, 4).size_bytes * 8 == weight.numel() * 5
    assert quantize(weight, 8).size_bytes * 16 == weight.numel() * 17


@pytest.mark.parametrize("bits", [4, 8])
def test_the_first_rows_are_those_of_the_whole(bits: Bits) -> None:
    matrix = quantize(torch.randn((40, 70), generator=torch.Generator().manual_seed(4)), bits)
    assert torch.equal(matrix.first(32).dequantize(), matrix.dequantize()[:32])
    assert matrix.first(48) is matrix
