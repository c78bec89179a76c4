from __future__ import annotations

import torch

from autogpt.nn.layers import build_network, build_norm


def test_rms_norm_is_the_formula() -> None:
    norm = build_norm("rms", 8, eps=1e-6)
    norm.weight.data.uniform_(0.5, 1.5)
    x = torch.randn(2, 3, 8)
    expected = x / (x.square().mean(-1, keepdim=True) + 1e-6).sqrt() * norm.weight
    torch.testing.assert_close(norm(x), expected)


def test_offset_rms_norm_counts_its_weight_from_one() -> None:
    norm = build_norm("offset_rms", 8, eps=1e-6)
    x = torch.randn(2, 3, 8)
    plain = build_norm("rms", 8, eps=1e-6)
    torch.testing.assert_close(norm(x), plain(x))
    norm.weight.data.uniform_(-0.5, 0.5)
    torch.testing.assert_close(norm(x), plain(x) * (1 + norm.weight))


def test_the_weight_of_an_offset_norm_keeps_its_precision_in_bf16() -> None:
    norm = build_norm("offset_rms", 8, eps=1e-6)
    norm.weight.data.fill_(2**-10)  # 1 + 2**-10 is 1 in bf16
    x = torch.full((1, 8), 255.0 / 256)
    exact = norm(x.float())
    norm.bfloat16()
    assert norm(x.bfloat16()).dtype == torch.bfloat16
    assert torch.equal(norm(x.bfloat16()), exact.bfloat16())


def test_norms_of_bf16_keep_their_statistics_in_fp32() -> None:
    x = (torch.randn(4, 512, generator=torch.Generator().manual_seed(0)) * 3).bfloat16()
    for kind in ("rms", "offset_rms", "layer"):
        result = build_norm(kind, 512, eps=1e-6).bfloat16()(x)
        expected = build_norm(kind, 512, eps=1e-6)(x.float())
        assert result.dtype == torch.bfloat16
        torch.testing.assert_close(result, expected.bfloat16())  # off by rounding once, not more


def test_swiglu_is_the_formula() -> None:
    network = build_network("swiglu", hidden_size=8, intermediate_size=16, bias=True)
    x = torch.randn(2, 3, 8)
    gate = network.gate(x)
    expected = network.down(gate / (1 + (-gate).exp()) * network.up(x))
    torch.testing.assert_close(network(x), expected)


def gelu(x: torch.Tensor) -> torch.Tensor:
    return 0.5 * x * (1 + torch.tanh((2 / torch.pi) ** 0.5 * (x + 0.044715 * x**3)))


def test_geglu_is_the_formula() -> None:
    network = build_network("geglu", hidden_size=8, intermediate_size=16, bias=True)
    x = torch.randn(2, 3, 8)
    expected = network.down(gelu(network.gate(x)) * network.up(x))
    torch.testing.assert_close(network(x), expected)


def test_gelu_network_is_the_tanh_approximation() -> None:
    network = build_network("gelu", hidden_size=8, intermediate_size=16, bias=True)
    x = torch.randn(2, 3, 8)
    torch.testing.assert_close(network(x), network.down(gelu(network.up(x))))


def test_bias_is_a_switch() -> None:
    for kind in ("swiglu", "geglu", "gelu"):
        network = build_network(kind, hidden_size=8, intermediate_size=16, bias=False)
        assert not [name for name, _ in network.named_parameters() if name.endswith("bias")]
