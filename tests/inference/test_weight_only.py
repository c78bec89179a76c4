"""Products with few bits: they are those of the rounded weights, and a row's own."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from autogpt.inference.packing import pack_model
from autogpt.inference.weight_only import weight_only_product
from autogpt.models.gpt import GPT, GPTConfig
from autogpt.nn.quantize import Bits, quantize

RELATIVE = 0.02  # scales and minimums in bf16


def close(got: torch.Tensor, wanted: torch.Tensor, relative: float) -> bool:
    return float((got - wanted).norm()) < relative * float(wanted.norm())


@pytest.fixture
def weight() -> torch.Tensor:
    chance = torch.Generator().manual_seed(1)
    return (torch.randn((96, 64), generator=chance) * 0.1 + 0.02).bfloat16()


def made(
    weight: torch.Tensor, bits: Bits, bias: torch.Tensor | None = None
) -> Callable[[torch.Tensor], torch.Tensor]:
    product = weight_only_product(weight, bias, bits)
    if product is None:
        pytest.skip("this torch has no such product")
    return product


def test_4_bits_are_those_of_the_quantized_matrix(weight: torch.Tensor) -> None:
    x = torch.randn((2, 3, 64), generator=torch.Generator().manual_seed(2)).bfloat16()
    got = made(weight, 4)(x)
    assert got.shape == (2, 3, 96)
    wanted = x.float() @ quantize(weight, 4).dequantize().T
    assert close(got.float(), wanted, RELATIVE)
    assert not close(got.float(), x.float() @ weight.float().T, RELATIVE)  # it was rounded


def test_8_bits_and_a_bias(weight: torch.Tensor) -> None:
    x = torch.randn((5, 64), generator=torch.Generator().manual_seed(2)).bfloat16()
    bias = torch.full((96,), 0.5).bfloat16()
    got = made(weight, 8, bias)(x)
    assert close(got.float() - bias.float(), x.float() @ weight.float().T, 2 * RELATIVE)


@pytest.mark.parametrize("bits", [4, 8])
def test_a_row_is_the_same_alone_and_among_others(weight: torch.Tensor, bits: Bits) -> None:
    product = made(weight, bits)
    x = torch.randn((40, 64), generator=torch.Generator().manual_seed(2)).bfloat16()
    assert torch.equal(product(x), torch.cat([product(row[None]) for row in x]))


@pytest.mark.parametrize("shape", [(96, 40), (100, 64)])
def test_sizes_that_torch_does_not_take_stay_as_they_are(shape: tuple[int, int]) -> None:
    assert weight_only_product(torch.randn(shape).bfloat16(), None, 4) is None


def test_float32_stays_as_it_is(weight: torch.Tensor) -> None:
    assert weight_only_product(weight.float(), None, 4) is None


def test_a_model_with_few_bits_scores_like_its_rounded_self() -> None:
    config = GPTConfig(
        vocab_size=160,
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=16,
        max_position_embeddings=32,
    )
    torch.manual_seed(3)
    model = GPT(config).eval()
    weights = model.state_dict()
    rounded = {
        name: quantize(weight, 4).dequantize()
        if weight.ndim == 2 and name.startswith("layers.")
        else weight
        for name, weight in weights.items()
    }
    model.load_state_dict(rounded)
    ids = torch.arange(12)[None] * 7
    with torch.inference_mode():
        wanted = model.logits(model(ids))
        model = model.bfloat16()
        head = pack_model(model, bits=4)
        got = head(model(ids)).float()
    assert close(got, wanted, 0.05)
