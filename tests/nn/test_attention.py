from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from autogpt.core.errors import ConfigError
from autogpt.nn.attention import (
    FORMS,
    attend,
    causal_mask,
    document_mask,
    reference_attention,
    window_mask,
)


def random_inputs(
    *, batch: int = 2, heads: int = 4, groups: int = 2, queries: int = 7, keys: int = 7
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    shapes = ((batch, heads, queries, 16), (batch, groups, keys, 16), (batch, groups, keys, 16))
    query, key, value = (torch.randn(shape, generator=generator) for shape in shapes)
    return query, key, value


def test_the_reference_is_the_formula_spelled_out_with_loops() -> None:
    query, key, value = random_inputs(batch=1, queries=3, keys=5)
    result = reference_attention(query, key, value)
    for head in range(4):
        for t in range(3):
            seen = t + 3  # the three queries are the last of five tokens
            scores = torch.stack(
                [query[0, head, t] @ key[0, head // 2, s] / 16**0.5 for s in range(seen)]
            )
            weights = scores.exp() / scores.exp().sum()
            expected = sum(weights[s] * value[0, head // 2, s] for s in range(seen))
            torch.testing.assert_close(result[0, head, t], expected, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("form", ["explicit", "sdpa"])
@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize(("queries", "keys"), [(7, 7), (1, 7), (3, 7), (1, 1)])
@pytest.mark.parametrize("masked", [False, True])
def test_the_fast_forms_equal_the_reference(
    form: str, groups: int, queries: int, keys: int, masked: bool
) -> None:
    inputs = random_inputs(groups=groups, queries=queries, keys=keys)
    mask = None
    if masked:
        generator = torch.Generator().manual_seed(1)
        mask = torch.rand((2, 1, queries, keys), generator=generator) < 0.5
        mask[..., 0] = True
    expected = attend(*inputs, mask=mask, form="reference")
    result = attend(*inputs, mask=mask, form=form)
    torch.testing.assert_close(result, expected, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("form", ["reference", "explicit", "sdpa"])
def test_the_scale_multiplies_the_scores(form: str) -> None:
    query, key, value = random_inputs()
    expected = attend(2.5 * query, key, value, mask=None, form="reference", scale=0.2)
    result = attend(query, key, value, mask=None, form=form, scale=0.5)
    torch.testing.assert_close(result, expected, atol=1e-6, rtol=1e-5)
    usual = attend(query, key, value, mask=None, form=form, scale=16**-0.5)
    torch.testing.assert_close(usual, attend(query, key, value, mask=None, form=form))


@pytest.mark.parametrize("form", ["explicit", "sdpa"])
def test_gradients_equal_the_reference(form: str) -> None:
    def gradients(name: str) -> list[torch.Tensor]:
        inputs = [tensor.requires_grad_() for tensor in random_inputs()]
        attend(*inputs, mask=None, form=name).square().sum().backward()
        return [tensor.grad for tensor in inputs]

    for ours, expected in zip(gradients(form), gradients("reference"), strict=True):
        torch.testing.assert_close(ours, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("form", ["explicit", "sdpa"])
def test_bf16_stays_near_fp32(form: str) -> None:
    inputs = random_inputs()
    expected = attend(*inputs, mask=None, form="reference")
    result = attend(*(tensor.bfloat16() for tensor in inputs), mask=None, form=form)
    assert result.dtype == torch.bfloat16
    assert (result.float() - expected).abs().max() < 0.03  # 2**-8 relative, values up to about 3


def test_an_unknown_form_is_named() -> None:
    with pytest.raises(ConfigError, match="'flash' is unknown, expected one of reference"):
        attend(*random_inputs(), mask=None, form="flash")  # type: ignore[arg-type]


def test_causal_mask_looks_back_only() -> None:
    assert causal_mask(2, 3).tolist() == [[True, True, False], [True, True, True]]


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=12))
def test_document_mask_is_same_document_and_not_later(ids: list[int]) -> None:
    mask = document_mask(torch.tensor([ids]))[0, 0]
    for query, row in enumerate(mask.tolist()):
        for key, allowed in enumerate(row):
            assert allowed == (key <= query and ids[key] == ids[query])


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(0, 9), min_size=1, max_size=5), st.integers(1, 12))
def test_window_mask_is_the_last_few_tokens(positions: list[int], window: int) -> None:
    mask = window_mask(torch.tensor([positions]), 10, window=window)[0, 0]
    for position, row in zip(positions, mask.tolist(), strict=True):
        assert [key for key in range(10) if row[key]] == [
            key for key in range(10) if position - window < key <= position
        ]


def test_all_forms_are_listed() -> None:
    assert set(FORMS) == {"reference", "explicit", "sdpa"}
