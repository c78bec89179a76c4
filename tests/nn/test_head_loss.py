from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from autogpt.nn.head_loss import mean_cross_entropy, token_logprobs


def values(count: int, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    hidden = torch.randn(count, 8, dtype=dtype, requires_grad=True)
    weight = torch.randn(31, 8, dtype=dtype, requires_grad=True)
    return hidden, weight, torch.randint(31, (count,))


@pytest.mark.parametrize("count", [1, 255, 600])  # less than a piece; two and a half
@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_it_is_cross_entropy_with_its_gradients(count: int, frozen: bool, smoothing: float):
    hidden, weight, targets = values(count, torch.float32)
    weight.requires_grad_(not frozen)
    wanted = [hidden] if frozen else [hidden, weight]
    expected = F.cross_entropy(F.linear(hidden, weight), targets, label_smoothing=smoothing)
    gradients = torch.autograd.grad(3 * expected, wanted)
    loss = mean_cross_entropy(hidden, weight, targets, smoothing=smoothing)
    torch.testing.assert_close(loss, expected)
    found = torch.autograd.grad(3 * loss, wanted)
    for one, other in zip(found, gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


def test_in_bf16_the_loss_is_summed_in_fp32():
    hidden, weight, targets = values(600, torch.bfloat16)
    loss = mean_cross_entropy(hidden, weight, targets)
    assert loss.dtype == torch.float32
    expected = F.cross_entropy(F.linear(hidden, weight).float(), targets)
    torch.testing.assert_close(loss, expected, rtol=1e-5, atol=1e-5)
    loss.backward()
    assert hidden.grad is not None
    assert hidden.grad.dtype == torch.bfloat16


def test_nothing_is_computed_for_gradients_where_none_are_wanted():
    hidden, weight, targets = values(10, torch.float32)
    with torch.inference_mode():
        loss = mean_cross_entropy(hidden, weight, targets)
    torch.testing.assert_close(
        loss.clone(), F.cross_entropy(F.linear(hidden, weight), targets).detach()
    )


def test_logprobs_of_single_tokens_have_the_gradients_of_the_plain_formula():
    hidden, weight, targets = values(600, torch.float32)
    factors = torch.randn(600)
    expected = F.linear(hidden, weight).log_softmax(-1).gather(1, targets[:, None])[:, 0]
    gradients = torch.autograd.grad((expected * factors).sum(), [hidden, weight])
    found = token_logprobs(hidden, weight, targets)
    torch.testing.assert_close(found, expected)
    for one, other in zip(
        torch.autograd.grad((found * factors).sum(), [hidden, weight]), gradients, strict=True
    ):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)
