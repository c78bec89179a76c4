from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import Tensor

from autogpt.core.errors import ConfigError
from autogpt.models.gpt import GPT, GPTConfig
from autogpt.nn.adapters import LoRAConfig, attach, low_rank, merge, remove

QWEN3 = GPTConfig(
    vocab_size=50,
    hidden_size=32,
    intermediate_size=64,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    head_dim=8,
    max_position_embeddings=16,
    initializer_range=0.2,
)
GPT2 = dataclasses.replace(
    QWEN3,
    model_type="gpt2",
    norm="layer",
    network="gelu",
    positions="learned",
    query_key_norm=False,
    attention_bias=True,
    network_bias=True,
    num_key_value_heads=4,
)
QKV = (("query", "key", "value"),)
IDS = torch.arange(12).view(1, 12)


def model(config: GPTConfig = QWEN3, dtype: torch.dtype = torch.float32) -> GPT:
    torch.manual_seed(0)
    return GPT(config).eval().to(dtype)


def stir(gpt: GPT) -> None:
    """Let the adapters do something."""
    for _, layer in low_rank(gpt):
        torch.nn.init.normal_(layer.lora_b, std=0.1)


def logits(gpt: GPT) -> Tensor:
    with torch.no_grad():
        return gpt.logits(gpt(IDS))


@pytest.mark.parametrize("config", [QWEN3, GPT2], ids=["qwen3", "gpt2"])
def test_an_adapter_begins_as_nothing_and_is_removed_without_a_trace(config: GPTConfig):
    gpt = model(config)
    before = logits(gpt)
    count = attach(gpt, LoRAConfig(rank=4))
    assert count == 2 * (7 if config is QWEN3 else 6)
    assert torch.equal(logits(gpt), before)
    stir(gpt)
    assert not torch.allclose(logits(gpt), before, atol=0.01)
    remove(gpt)
    assert not list(low_rank(gpt))
    assert torch.equal(logits(gpt), before)


@pytest.mark.parametrize("config", [QWEN3, GPT2], ids=["qwen3", "gpt2"])
@pytest.mark.parametrize("shared", [(), QKV], ids=["own", "shared"])
@pytest.mark.parametrize("rslora", [False, True])
def test_merged_equals_unmerged(config: GPTConfig, shared: tuple[tuple[str, ...]], rslora: bool):
    gpt = model(config)
    attach(gpt, LoRAConfig(rank=4, alpha=3, rslora=rslora), shared=shared)
    stir(gpt)
    expected = logits(gpt)
    merge(gpt)
    assert not list(low_rank(gpt))
    torch.testing.assert_close(logits(gpt), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("shared", [(), QKV], ids=["own", "shared"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_projected_together_equals_one_by_one(shared: tuple[tuple[str, ...]], dtype: torch.dtype):
    gpt = model(dtype=dtype)
    attach(gpt, LoRAConfig(rank=4), shared=shared)
    gpt.to(dtype)
    stir(gpt)
    alone = gpt(IDS)
    alone.float().square().sum().backward()
    expected = {name: w.grad.clone() for name, w in gpt.named_parameters() if w.grad is not None}
    gpt.zero_grad(set_to_none=True)
    together = gpt.train()(IDS)
    together.float().square().sum().backward()
    tolerance = {"rtol": 1e-4, "atol": 1e-4} if dtype == torch.float32 else {"rtol": 0.1, "atol": 2}
    torch.testing.assert_close(together, alone, rtol=tolerance["rtol"], atol=0.1)
    found = {name: w.grad for name, w in gpt.named_parameters() if w.grad is not None}
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, **tolerance)


def test_only_adapters_learn_and_frozen_weights_are_joined_in_place():
    gpt = model()
    before = {name: weight.clone() for name, weight in gpt.state_dict().items()}
    attach(gpt, LoRAConfig(rank=2, targets="attention"))
    learning = [name for name, weight in gpt.named_parameters() if weight.requires_grad]
    assert len(learning) == 2 * 4 * 2
    assert all(name.rpartition(".")[2] in ("lora_a", "lora_b") for name in learning)
    state = gpt.state_dict()
    assert all(torch.equal(state[name], weight) for name, weight in before.items())
    first = gpt.layers[0].attention
    assert first.query.weight.data_ptr() == first.query.joined.data_ptr()
    assert first.key.weight.untyped_storage().data_ptr() == first.query.joined.data_ptr()


def test_the_order_of_names_is_kept_so_that_a_tensor_shared_by_layers_is_one_weight():
    gpt = model()
    attach(gpt, LoRAConfig(rank=2, targets="attention"), shared=QKV)
    names = [name for name, weight in gpt.named_parameters() if weight.requires_grad]
    assert sum(name.endswith("lora_a") for name in names) == 2 * 2


def test_dropout_changes_what_is_learned_from_and_nothing_else():
    gpt = model()
    attach(gpt, LoRAConfig(rank=4, dropout=0.5))
    stir(gpt)
    assert torch.equal(logits(gpt), logits(gpt))
    gpt.train()
    assert not torch.equal(logits(gpt), logits(gpt))


@pytest.mark.parametrize(
    "wrong", [{"rank": 0}, {"alpha": 0.0}, {"dropout": 1.0}, {"targets": "head"}]
)
def test_wrong_settings_are_named(wrong: dict[str, object]):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        LoRAConfig(**wrong)  # type: ignore[arg-type]
