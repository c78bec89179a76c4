"""What is taken down is what the pass computes: beside hooks, and beside transformers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from autogpt.evaluation.inspection.trace import Trace, trace
from autogpt.inference.packing import pack_model
from autogpt.models.checkpoint import save_model
from autogpt.models.gpt import GPT, GPTConfig
from autogpt.nn.attention import reference_attention
from autogpt.nn.positions import LinearScaling

SIZES: dict[str, Any] = {
    "vocab_size": 96,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 64,
    "initializer_range": 0.4,
}
FAMILIES: dict[str, dict[str, Any]] = {
    "qwen3": {"eos_token_id": 1},
    "llama": {"query_key_norm": False, "rope_scaling": LinearScaling(factor=2.0)},
    "gpt2": {
        "norm": "layer", "network": "gelu", "positions": "learned", "query_key_norm": False,
        "attention_bias": True, "network_bias": True, "num_key_value_heads": 4, "norm_eps": 1e-5,
    },
    "gemma3_text": {
        "norm": "offset_rms", "network": "geglu", "post_norms": True, "query_pre_attn_scalar": 16,
        "embedding_multiplier": 32**0.5, "sliding_window": 6, "rope_local_base_freq": 10_000.0,
        "layer_types": ("sliding_attention", "full_attention", "sliding_attention"),
    },
}  # fmt: skip
LENGTH = 17


def tiny(family: str) -> GPT:
    torch.manual_seed(0)
    return GPT(GPTConfig(model_type=family, **{**SIZES, **FAMILIES[family]})).eval()


def text() -> torch.Tensor:
    return torch.randint(0, 96, (LENGTH,), generator=torch.Generator().manual_seed(3))


def watched(model: GPT, *, focus: int = LENGTH - 1, kept: int = LENGTH) -> Trace:
    return trace(model, text(), focus=focus, kept=kept, lens=torch.arange(LENGTH))


def dense(seen: Trace, layer: int) -> torch.Tensor:
    """Return a layer's kept weights as a matrix for each head, and the mean."""
    own = seen.layers[layer]
    return torch.zeros(own.weights.shape[0], LENGTH, LENGTH).scatter_add(2, own.keys, own.weights)


@pytest.mark.parametrize("family", FAMILIES)
def test_it_is_what_hooks_on_the_running_model_see(family: str) -> None:
    model = tiny(family)
    mixed: list[torch.Tensor] = []
    residual: list[torch.Tensor] = []
    handles = [
        layer.attention.output.register_forward_pre_hook(lambda _, given: mixed.append(given[0]))
        for layer in model.layers
    ]
    handles += [
        layer.register_forward_hook(lambda _, __, output: residual.append(output))
        for layer in model.layers
    ]
    with torch.inference_mode():
        hidden = model(text()[None])[0]
    for handle in handles:
        handle.remove()
    seen = watched(model, focus=9)
    torch.testing.assert_close(seen.hidden, hidden, atol=2e-5, rtol=1e-4)
    for layer, own in enumerate(seen.layers):
        torch.testing.assert_close(own.mixed.flatten(), mixed[layer][0, 9], atol=2e-5, rtol=1e-4)
        torch.testing.assert_close(seen.residual[layer], residual[layer][0], atol=2e-5, rtol=1e-4)
        heads = own.row.shape[0] // own.value.shape[0]
        values = own.value.repeat_interleave(heads, dim=0)  # [H, T, E]
        torch.testing.assert_close((own.row[:, None] @ values)[:, 0], own.mixed)
        torch.testing.assert_close(dense(seen, layer)[:-1, 9], own.row)


@pytest.mark.parametrize("family", FAMILIES)
def test_weights_are_those_of_transformers(family: str, tmp_path: Path) -> None:
    model = tiny(family)
    save_model(model, tmp_path)
    theirs = transformers.AutoModelForCausalLM.from_pretrained(
        tmp_path, attn_implementation="eager", dtype=torch.float32
    )
    with torch.inference_mode():
        output = theirs(text()[None], output_attentions=True, output_hidden_states=True)
    seen = watched(model)
    assert len(output.attentions) == len(seen.layers)
    for layer, weights in enumerate(output.attentions):
        own = dense(seen, layer)
        torch.testing.assert_close(own[:-1], weights[0], atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(own[-1], weights[0].mean(0), atol=1e-5, rtol=1e-4)
    for layer, hidden in enumerate(output.hidden_states[1:-1]):
        torch.testing.assert_close(seen.residual[layer], hidden[0], atol=1e-4, rtol=1e-3)


def test_a_packed_model_is_looked_into_as_it_runs() -> None:
    plain = watched(tiny("qwen3"))
    model = tiny("qwen3")
    pack_model(model)
    packed = watched(model)
    for layer in range(3):
        torch.testing.assert_close(dense(packed, layer), dense(plain, layer), atol=1e-5, rtol=1e-4)


def test_the_model_is_left_as_it_was() -> None:
    model = tiny("qwen3")
    layers = list(model.layers)
    before = model(text()[None])
    watched(model)
    assert list(model.layers) == layers
    assert not any(module._forward_hooks for module in model.modules())
    torch.testing.assert_close(model(text()[None]), before, atol=0, rtol=0)


def test_only_the_largest_are_kept_and_rows_in_pieces_are_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = tiny("gemma3_text")
    whole = watched(model, focus=8)
    monkeypatch.setattr("autogpt.evaluation.inspection.trace._WEIGHTS_AT_ONCE", 4 * LENGTH * 5)
    pieces = watched(model, focus=8)
    few = watched(model, focus=8, kept=3)
    for layer in range(3):
        torch.testing.assert_close(dense(pieces, layer), dense(whole, layer), atol=1e-6, rtol=1e-5)
        torch.testing.assert_close(
            few.layers[layer].weights, whole.layers[layer].weights[..., :3], atol=1e-6, rtol=1e-5
        )
        for name in ("first", "itself", "previous", "entropy_bits"):
            torch.testing.assert_close(
                getattr(pieces.layers[layer].habits, name),
                getattr(whole.layers[layer].habits, name),
            )


def test_habits_are_means_over_tokens() -> None:
    seen = watched(tiny("qwen3"))
    for layer, own in enumerate(seen.layers):
        weights = dense(seen, layer)[:-1]
        torch.testing.assert_close(own.habits.first, weights[:, 1:, 0].mean(1))
        torch.testing.assert_close(
            own.habits.itself, weights.diagonal(dim1=1, dim2=2)[:, 1:].mean(1)
        )
        torch.testing.assert_close(
            own.habits.previous, weights.diagonal(offset=-1, dim1=1, dim2=2).mean(1)
        )


def test_bfloat16_is_widened_before_it_is_summed() -> None:
    model = tiny("qwen3").to(torch.bfloat16)
    seen = watched(model)
    for layer in range(3):
        assert seen.layers[layer].weights.dtype == torch.float32
        sums = dense(seen, layer).sum(-1)
        torch.testing.assert_close(sums, torch.ones_like(sums))


def test_the_reference_is_still_the_formula() -> None:
    query, key, value = (torch.randn(1, heads, 5, 8) for heads in (4, 2, 2))
    expected = torch.nn.functional.scaled_dot_product_attention(
        query, key, value, is_causal=True, enable_gqa=True
    )
    torch.testing.assert_close(reference_attention(query, key, value), expected)
