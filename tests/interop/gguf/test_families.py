"""Models of transformers, written as llama.cpp's conversion does, give the same logits here."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch
import transformers
from gguf import GGMLQuantizationType
from tests.interop.gguf.tiny import Contents, byte_level_entries, pack, tiny

from autogpt.core.errors import CheckpointError
from autogpt.interop.gguf import open_gguf
from autogpt.interop.gguf.families import ARCHITECTURES
from autogpt.models import FAMILIES
from autogpt.models.family import find_family
from autogpt.nn.positions import Llama3Scaling

Type = GGMLQuantizationType

VOCABULARY = byte_level_entries()
SIZES = {
    "vocab_size": len(VOCABULARY["tokenizer.ggml.tokens"]),
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
    "rms_norm_eps": 1e-5,
    "tie_word_embeddings": True,
    "bos_token_id": None,
    "eos_token_id": 1,
    "pad_token_id": None,
}
LLAMA3 = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 16,
}
CONFIGS: dict[str, dict[str, Any]] = {
    "llama": {"model_type": "llama", "head_dim": 16, "rope_theta": 5000.0},
    "llama-untied-biased": {
        "model_type": "llama",
        "tie_word_embeddings": False,
        "attention_bias": True,
        "mlp_bias": True,
    },
    "llama-3": {"model_type": "llama", "rope_theta": 50.0, "rope_scaling": LLAMA3},
    "qwen2": {"model_type": "qwen2"},
    "qwen2-untied": {"model_type": "qwen2", "tie_word_embeddings": False},
    "qwen3": {"model_type": "qwen3", "head_dim": 32},
    "gemma3": {
        "model_type": "gemma3_text",
        "head_dim": 32,
        "query_pre_attn_scalar": 32,
        "num_hidden_layers": 7,
        "sliding_window": 8,
        "rope_theta": 1_000_000.0,
        "rope_local_base_freq": 10_000.0,
    },
}
NAMES = {
    family.model_type: name
    for name, family in ARCHITECTURES.items()
    if family.model_type in FAMILIES
}
KNOWN = [name for name, config in CONFIGS.items() if config["model_type"] in NAMES]


def random_model(name: str) -> transformers.PreTrainedModel:
    """Return a model of transformers whose every weight matters."""
    fields = {**SIZES, **CONFIGS[name]}
    rope = dict(fields.pop("rope_scaling", None) or {"rope_type": "default"})
    theta = fields.pop("rope_theta", 10_000.0)
    if fields["model_type"] == "gemma3_text":
        local = fields.pop("rope_local_base_freq")
        fields["rope_parameters"] = {
            "full_attention": {"rope_type": "default", "rope_theta": theta},
            "sliding_attention": {"rope_type": "default", "rope_theta": local},
        }
    else:
        fields["rope_parameters"] = {**rope, "rope_theta": theta}
    config = transformers.AutoConfig.for_model(**fields)
    model = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if parameter.ndim == 1:
                parameter.add_(0.3 * noise)
            else:
                parameter.copy_(0.2 * noise)
    return model.eval()


def converted(model: transformers.PreTrainedModel, kind: Type) -> Contents:
    """Return the file; matrices become ``kind``, and the model gets the rounded numbers.

    Names of tensors are those of the ``gguf`` package; the rest follows the conversion script.
    """
    config = model.config
    architecture = NAMES[config.model_type]
    names = gguf.get_tensor_name_map(
        getattr(gguf.MODEL_ARCH, architecture.upper()), config.num_hidden_layers
    )
    head_dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    tensors = {}
    for theirs, tensor in model.state_dict().items():
        if theirs == "lm_head.weight" and config.tie_word_embeddings:
            continue
        values = tensor.numpy()
        if architecture == "gemma3" and theirs.endswith("norm.weight"):
            values = values + 1
        if architecture == "llama" and ("q_proj" in theirs or "k_proj" in theirs):
            heads = len(values) // head_dim
            halves = values.reshape(heads, 2, head_dim // 2, *values.shape[1:])
            values = halves.swapaxes(1, 2).reshape(values.shape)
        packed = pack(values, kind if values.ndim == 2 else Type.F32)
        stem, _, ending = theirs.rpartition(".")
        tensors[f"{names.get_name(stem)}.{ending}"] = packed
        if values.ndim == 2:
            rounded = gguf.dequantize(*packed)
            if rounded is not values:
                _restore(tensor, rounded, architecture, theirs, head_dim)

    p = architecture
    entries: dict[str, Any] = {
        "general.architecture": p,
        f"{p}.block_count": config.num_hidden_layers,
        f"{p}.context_length": config.max_position_embeddings,
        f"{p}.embedding_length": config.hidden_size,
        f"{p}.feed_forward_length": config.intermediate_size,
        f"{p}.attention.head_count": config.num_attention_heads,
        f"{p}.attention.head_count_kv": config.num_key_value_heads,
        f"{p}.attention.layer_norm_rms_epsilon": config.rms_norm_eps,
        f"{p}.attention.key_length": head_dim,
        f"{p}.attention.value_length": head_dim,
        **VOCABULARY,
    }
    rope = config.rope_parameters
    if p == "gemma3":
        entries[f"{p}.attention.sliding_window"] = config.sliding_window
        rope = rope["full_attention"]
    entries[f"{p}.rope.freq_base"] = float(rope["rope_theta"])
    if rope["rope_type"] == "llama3":
        tensors["rope_freqs.weight"] = pack(llama3_divisors(head_dim, rope), Type.F32)
    return Contents(entries, tensors)


def _restore(
    tensor: torch.Tensor, values: np.ndarray, architecture: str, theirs: str, head_dim: int
) -> None:
    """Put rounded numbers back into the model, in its own order."""
    if architecture == "llama" and ("q_proj" in theirs or "k_proj" in theirs):
        pairs = values.reshape(-1, head_dim // 2, 2, values.shape[1])
        values = pairs.swapaxes(1, 2).reshape(values.shape)
    tensor.copy_(torch.from_numpy(np.ascontiguousarray(values)))


def llama3_divisors(head_dim: int, rope: dict[str, Any]) -> np.ndarray:
    """Return what the conversion script stores for Llama 3's scaling."""
    divisors = []
    length, factor = rope["original_max_position_embeddings"], rope["factor"]
    low, high = rope["low_freq_factor"], rope["high_freq_factor"]
    for place in range(0, head_dim, 2):
        wave = 2 * math.pi * rope["rope_theta"] ** (place / head_dim)
        if wave < length / high:
            divisors.append(1.0)
        elif wave > length / low:
            divisors.append(factor)
        else:
            smooth = (length / wave - low) / (high - low)
            divisors.append(1 / ((1 - smooth) / factor + smooth))
    return np.array(divisors, dtype=np.float32)


def texts() -> torch.Tensor:
    return torch.randint(0, 256, (2, 24), generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize("kind", [Type.F32, Type.F16, Type.BF16, Type.Q8_0, Type.Q4_1, Type.Q5_0])
@pytest.mark.parametrize("name", KNOWN)
def test_logits_are_those_of_transformers(name: str, kind: Type, tmp_path: Path) -> None:
    with torch.inference_mode():
        theirs = random_model(name)
        file = converted(theirs, kind).write(tmp_path / "x.gguf")
        ours = open_gguf(file).model()
        expected = theirs(texts()).logits
        difference = (expected - ours.logits(ours(texts()))).abs().max()
    assert float(difference) < 2e-5 * max(1.0, float(expected.abs().max()))


@pytest.mark.parametrize("name", KNOWN)
def test_packed_weights_have_the_names_and_numbers_of_the_model(name: str, tmp_path: Path) -> None:
    with torch.inference_mode():
        file = open_gguf(converted(random_model(name), Type.Q8_0).write(tmp_path / "x.gguf"))
    weights = file.model().state_dict()
    packed = list(file.packed())
    assert {tensor.name for tensor in packed} == set(weights)
    for tensor in packed:
        rows = tensor.data if tensor.row_order is None else tensor.data[tensor.row_order]
        numbers = gguf.dequantize(np.ascontiguousarray(rows), tensor.kind) + tensor.shift
        expected = weights[tensor.name]
        assert tensor.shape == tuple(expected.shape)
        assert torch.allclose(torch.from_numpy(numbers).view(tensor.shape), expected)


def test_dtypes(tmp_path: Path) -> None:
    for kind, auto in (
        (Type.F32, torch.float32), (Type.F16, torch.float16), (Type.BF16, torch.bfloat16),
        (Type.Q8_0, torch.float32),
    ):  # fmt: skip
        file = open_gguf(tiny(kind=kind).write(tmp_path / f"{kind.name}.gguf"))
        for dtype, expected in (("auto", auto), ("bfloat16", torch.bfloat16)):
            weights = file.model(dtype=dtype).state_dict().values()
            assert {weight.dtype for weight in weights} == {expected}
    rounded = {name: weight.bfloat16() for name, weight in file.model().state_dict().items()}
    for name, weight in file.model(dtype="bfloat16").state_dict().items():
        assert torch.equal(weight, rounded[name])


@pytest.mark.parametrize(
    ("theta", "head_dim", "factor", "high", "length"),
    [(500_000.0, 64, 32.0, 4.0, 8192), (500_000.0, 128, 8.0, 4.0, 8192), (5e4, 64, 4.0, 2.5, 2048)],
)
def test_llama3_scaling_is_found_again(
    tmp_path: Path, theta: float, head_dim: int, factor: float, high: float, length: int
) -> None:
    rope = {
        "rope_theta": theta, "factor": factor, "low_freq_factor": 1.0, "high_freq_factor": high,
        "original_max_position_embeddings": length,
    }  # fmt: skip
    contents = tiny()
    contents.entries |= {
        "llama.embedding_length": 4 * head_dim,
        "llama.rope.freq_base": theta,
        "llama.rope.dimension_count": head_dim,
    }
    contents.tensors["rope_freqs.weight"] = pack(llama3_divisors(head_dim, rope), Type.F32)
    scaling = open_gguf(contents.write(tmp_path / "x.gguf")).config.rope_scaling
    assert scaling == Llama3Scaling(
        factor=factor,
        low_freq_factor=1.0,
        high_freq_factor=high,
        original_max_position_embeddings=length,
    )


@pytest.mark.parametrize(
    "divisors",
    [[1, 2, 3, 4], [1, 1, 1, 1], [0, 1, 2, 4], [1, 5, 2, 8], [1, 1, float("nan"), 8], [1]],
)
def test_other_scaling_is_refused(tmp_path: Path, divisors: list[float]) -> None:
    contents = tiny()
    contents.tensors["rope_freqs.weight"] = pack(np.array(divisors), Type.F32)
    file = contents.write(tmp_path / "x.gguf")
    with pytest.raises(CheckpointError, match="otherwise than Llama 3 does"):
        open_gguf(file)


def test_gemma_settings_are_those_of_its_published_config() -> None:
    """The fields of google/gemma-3-270m, had its file only the entries that llama.cpp reads."""
    from autogpt.interop.gguf.entries import Entries
    from autogpt.interop.gguf.header import Header

    values = {
        "gemma3.embedding_length": 640, "gemma3.block_count": 18,
        "gemma3.attention.head_count": 4, "gemma3.attention.key_length": 256,
        "gemma3.attention.sliding_window": 512,
    }  # fmt: skip
    tensors: dict[str, Any] = dict.fromkeys(map(str, range(18)))
    header = Header(Path("x.gguf"), 0, Entries(Path("x.gguf"), values), tensors)
    fields = ARCHITECTURES["gemma3"].fields(header, "gemma3")
    assert fields["query_pre_attn_scalar"] == 256
    assert fields["sliding_window"] == 512
    assert fields["rope_local_base_freq"] == 10_000.0
    full = [place for place, kind in enumerate(fields["layer_types"]) if kind == "full_attention"]
    assert full == [5, 11, 17]


@pytest.mark.parametrize("name", [name for name in NAMES.values() if name != "llama"])
def test_other_architectures_load_whole(tmp_path: Path, name: str) -> None:
    file = open_gguf(tiny(name).write(tmp_path / "x.gguf"))
    assert file.config.model_type == ARCHITECTURES[name].model_type
    file.model()


def test_every_weight_of_every_family_has_a_name() -> None:
    for name in NAMES.values():
        family = find_family(ARCHITECTURES[name].model_type)
        assert set(ARCHITECTURES[name].names().WEIGHTS) == set(family.WEIGHTS)
