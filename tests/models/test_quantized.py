from __future__ import annotations

from pathlib import Path

import pytest
import torch

from autogpt.core.errors import CheckpointError, ConfigError
from autogpt.models.checkpoint import load_model, save_model
from autogpt.models.gpt import GPT, GPTConfig
from autogpt.models.quantized import (
    Quantization,
    check_quantization,
    load_quantized,
    save_quantized,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    config = GPTConfig(
        vocab_size=300,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=16,
        max_position_embeddings=64,
        attention_bias=True,
    )
    torch.manual_seed(0)
    save_model(GPT(config), tmp_path)
    return tmp_path


def hidden(model: GPT) -> torch.Tensor:
    with torch.inference_mode():
        return model.logits(model(torch.arange(20)[None]))


@pytest.mark.parametrize(("quantization", "bound"), [("int8", 0.02), ("int4", 0.15)])
def test_rounded_weights_score_alike(
    folder: Path, quantization: Quantization, bound: float
) -> None:
    wanted = hidden(load_model(folder))
    found = hidden(load_quantized(folder, quantization).dequantized(torch.float32))
    assert 0 < float((found - wanted).norm() / wanted.norm()) < bound


@pytest.mark.parametrize("quantization", ["int8", "int4"])
def test_a_saved_model_is_the_same_and_needs_no_other_weights(
    folder: Path, quantization: Quantization
) -> None:
    made = load_quantized(folder, quantization)
    path = save_quantized(made, folder)
    (folder / "model.safetensors").rename(folder / "elsewhere")  # the manifest still names it
    saved = load_quantized(folder, quantization)
    assert path.name == f"quantized-{quantization}.safetensors"
    assert saved.size_bytes == made.size_bytes
    assert torch.equal(
        hidden(saved.dequantized(torch.float32)), hidden(made.dequantized(torch.float32))
    )


def test_joined_and_interleaved_parts_can_still_be_saved(folder: Path) -> None:
    wanted = hidden(load_quantized(folder, "int4").dequantized(torch.float32))
    parts = load_quantized(folder, "int4")
    names = [f"layers.0.attention.{name}.weight" for name in ("query", "key", "value")]
    assert parts.joined(names, torch.clone).rows == 128
    parts.interleaved("layers.1.network.gate.weight", "layers.1.network.up.weight", torch.clone)
    save_quantized(parts, folder)
    assert torch.equal(hidden(load_quantized(folder, "int4").dequantized(torch.float32)), wanted)


def test_a_saved_model_of_other_weights_is_not_used(folder: Path) -> None:
    save_quantized(load_quantized(folder, "int8"), folder)
    torch.manual_seed(1)
    save_model(GPT(load_model(folder).config), folder)
    wanted = hidden(load_model(folder))
    found = hidden(load_quantized(folder, "int8").dequantized(torch.float32))
    assert float((found - wanted).norm() / wanted.norm()) < 0.02


@pytest.mark.parametrize("damage", ["cut", "no numbers", "other shape"])
def test_a_damaged_file_is_refused(folder: Path, damage: str) -> None:
    parts = load_quantized(folder, "int8")
    name = "layers.0.network.down.weight"
    if damage == "no numbers":
        parts.matrices[name].scales.fill_(float("nan"))
    if damage == "other shape":
        parts.matrices[name] = parts.matrices["embedding.weight"]
    path = save_quantized(parts, folder)
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match="is damaged"):
        load_quantized(folder, "int8")


def test_embedding_and_head_keep_8_bits(folder: Path) -> None:
    matrices = load_quantized(folder, "int4").matrices
    assert {name for name, matrix in matrices.items() if matrix.bits == 8} == {"embedding.weight"}


def test_an_unknown_quantization_names_those_there_are() -> None:
    with pytest.raises(ConfigError, match="'int2' is unknown, expected int8 or int4"):
        check_quantization("int2")
