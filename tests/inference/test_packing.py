"""A packed model gives the numbers of the plain one, and each row those it gets alone."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator

import pytest
import torch
from torch import nn

from autogpt.inference.packing import PackedNorm, pack_model
from autogpt.models.gpt import GPT
from autogpt.nn.cache import KVCache

Make = Callable[..., GPT]

LLAMA = {"model_type": "llama", "query_key_norm": False}
GPT2 = {
    "model_type": "gpt2",
    "norm": "layer",
    "network": "gelu",
    "positions": "learned",
    "query_key_norm": False,
    "attention_bias": True,
    "network_bias": True,
    "num_key_value_heads": 4,
    "head_dim": 8,
}
GEMMA3 = {
    "model_type": "gemma3_text",
    "norm": "offset_rms",
    "post_norms": True,
    "network": "geglu",
    "embedding_multiplier": 32**0.5,
    "query_pre_attn_scalar": 9,
    "rope_local_base_freq": 50.0,
    "sliding_window": 7,
    "layer_types": ("sliding_attention", "full_attention"),
}
FAMILIES = {
    "qwen3": {},
    "qwen3-untied-biased": {"tie_word_embeddings": False, "attention_bias": True},
    "qwen3-layer-norm": {"norm": "layer"},
    "llama": LLAMA,
    "llama-biased": LLAMA | {"attention_bias": True, "network_bias": True},
    "mistral": LLAMA | {"model_type": "mistral", "sliding_window": 7},
    "gemma3": GEMMA3,
    "gpt2": GPT2,
    "gpt2-untied": GPT2 | {"tie_word_embeddings": False},
}


@pytest.fixture(autouse=True)
def _inference() -> Iterator[None]:
    with torch.inference_mode():
        yield


def token_ids(rows: int, length: int) -> torch.Tensor:
    return torch.randint(0, 300, (rows, length), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", FAMILIES)
def test_the_numbers_are_those_of_the_plain_model(make_model: Make, name: str) -> None:
    plain = make_model(**FAMILIES[name])
    packed = copy.deepcopy(plain)
    head = pack_model(packed)
    ids = token_ids(3, 20)
    wanted = plain.logits(plain(ids))
    assert (head(packed(ids)) - wanted).abs().max() < 1e-5 * wanted.abs().max()

    cache = KVCache(packed.config, 3, 20)
    pieces = [packed(part, cache=cache) for part in (ids[:, :11], ids[:, 11:14], ids[:, 14:])]
    cached = head(torch.cat(pieces, dim=1))
    assert (cached - wanted).abs().max() < 1e-5 * wanted.abs().max()


@pytest.mark.parametrize("name", ["qwen3", "gemma3"])
def test_bfloat16_stays_near(make_model: Make, name: str) -> None:
    plain = make_model(**FAMILIES[name]).bfloat16()
    packed = copy.deepcopy(plain)
    head = pack_model(packed)
    ids = token_ids(2, 20)
    wanted, got = plain.logits(plain(ids)), head(packed(ids)).float()
    assert packed(ids).dtype == torch.bfloat16
    assert (got - wanted).abs().mean() < 0.02 * wanted.std()


@pytest.mark.parametrize("name", ["qwen3", "mistral", "gemma3"])
def test_rows_of_different_lengths_get_what_they_get_alone(make_model: Make, name: str) -> None:
    model = make_model(**FAMILIES[name])
    head = pack_model(model)
    ids, lengths = token_ids(3, 30), (5, 12, 9)
    together = KVCache(model.config, 3, 40)
    model(ids[:, :12], cache=together)
    together.truncate(lengths)
    alone = []
    for row, length in enumerate(lengths):
        cache = KVCache(model.config, 1, 40)
        model(ids[row : row + 1, :length], cache=cache)
        alone.append(cache)
    for step in range(6):
        new = torch.stack([ids[row, length + step] for row, length in enumerate(lengths)])[:, None]
        scores = head(model(new, cache=together)[:, -1])
        for row, cache in enumerate(alone):
            single = head(model(new[row : row + 1], cache=cache)[:, -1])
            assert (scores[row] - single[0]).abs().max() < 1e-5 * scores.abs().max()


def test_the_norm_is_torchs() -> None:
    for shape in ((4, 32), (2, 3, 6, 16)):
        x = torch.randn(shape, generator=torch.Generator().manual_seed(1)) * 5
        norm = nn.RMSNorm(shape[-1], eps=1e-6)
        torch.testing.assert_close(PackedNorm(norm.weight, 1e-6)(x), norm(x))
    tiny = torch.full((1, 8), 1e-8)
    norm = nn.RMSNorm(8, eps=1e-6)
    torch.testing.assert_close(PackedNorm(norm.weight, 1e-6)(tiny), norm(tiny))
