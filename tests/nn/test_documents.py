"""Packed texts attended to one by one: the numbers and gradients of a mask, for less work."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from autogpt.models.gpt import GPT, GPTConfig
from autogpt.nn.attention import AttentionForm, attend, document_mask
from autogpt.nn.documents import Documents, find_documents


def ids_of(*rows: list[int]) -> torch.Tensor:
    return torch.stack(
        [torch.arange(len(row)).repeat_interleave(torch.tensor(row)) for row in rows]
    )


@pytest.mark.parametrize("form", ["reference", "explicit", "sdpa"])
@settings(deadline=None, max_examples=15)
@given(
    lengths=st.lists(st.integers(1, 9), min_size=1, max_size=6),
    others=st.lists(st.integers(1, 9), min_size=1, max_size=6),
    seed=st.integers(0, 99),
)
def test_texts_one_by_one_give_what_a_mask_gives_and_its_gradients(
    form: AttentionForm, lengths: list[int], others: list[int], seed: int
) -> None:
    width = max(sum(lengths), sum(others)) + 1
    rows = [[*row, width - sum(row)] for row in (lengths, others)]
    documents, mask = Documents(tuple(map(tuple, rows))), document_mask(ids_of(*rows))
    generator = torch.Generator().manual_seed(seed)
    tensors = [
        torch.randn(2, heads, width, 8, generator=generator, requires_grad=True)
        for heads in (4, 2, 2)
    ]
    found, wanted = (attend(*tensors, mask=each, form=form) for each in (documents, mask))
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)
    weights = torch.randn(found.shape, generator=generator)
    for one, other in zip(
        torch.autograd.grad((found * weights).sum(), tensors),
        torch.autograd.grad((wanted * weights).sum(), tensors),
        strict=True,
    ):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)


def test_half_precision_gives_what_a_mask_gives() -> None:
    rows = [[300, 600, 50], [940, 10]]
    ids = ids_of(*rows)
    query, key, value = (torch.randn(2, heads, 950, 16).bfloat16() for heads in (4, 2, 2))
    found = attend(query, key, value, mask=Documents(tuple(map(tuple, rows))), form="sdpa")
    wanted = attend(query.float(), key.float(), value.float(), mask=document_mask(ids), form="sdpa")
    torch.testing.assert_close(found.float(), wanted, atol=3e-2, rtol=3e-2)


def test_texts_are_found_where_going_through_them_is_less_work() -> None:
    rows = ([200] * 4 + [96], [96, *[200] * 4])
    assert find_documents(ids_of(*rows)) == Documents(tuple(map(tuple, rows)))
    assert find_documents(ids_of([800, 96], [896])) is None  # they fill their rows
    assert find_documents(ids_of([2] * 448)) is None  # more starts than attention
    assert find_documents(ids_of([40, 40])) is None


@pytest.mark.parametrize("window", [None, 100, 300])
def test_a_model_reads_packed_texts_as_it_reads_each_alone(window: int | None) -> None:
    torch.manual_seed(0)
    config = GPTConfig(
        vocab_size=50,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        max_position_embeddings=1024,
        sliding_window=window,
        layer_types=None if window is None else ("sliding_attention", "full_attention"),
    )
    model = GPT(config).eval()
    lengths = [230, 120, 310, 240]
    ids, token_ids = ids_of(lengths), torch.randint(0, 50, (1, sum(lengths)))
    assert find_documents(ids) is not None
    packed = model(token_ids, document_ids=ids)
    alone = torch.cat([model(text) for text in token_ids.split_with_sizes(lengths, dim=1)], dim=1)
    torch.testing.assert_close(packed, alone, atol=1e-4, rtol=1e-4)
