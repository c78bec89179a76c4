"""Write a GGUF file: the tables of ``families`` and ``vocabulary`` used the other way round.

The ``gguf`` package lays out the file and rounds the numbers; names, entries and the order of rows
are those by which the file is read here, so that what was written can be read back and compared.
One tensor is in memory at a time.

Vectors stay fp32, as every engine expects. A matrix whose rows are no whole blocks of 32 becomes
f16; in a q4_0 file the embedding and the head are q8_0, because they matter most (llama.cpp keeps
them finer, too).

Source: GGUF specification and the conversion script of llama.cpp (ggml-org, 2023-2026).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

import gguf
import numpy as np
import numpy.typing as npt
from gguf.constants import (
    GGML_QUANT_SIZES,
    GGMLQuantizationType,
    GGUFValueType,
    LlamaFileType,
)
from torch import Tensor

from autogpt.core.errors import ConfigError
from autogpt.core.files import explain_os_errors
from autogpt.interop.gguf.families import ARCHITECTURES, Architecture
from autogpt.interop.gguf.vocabulary_writing import vocabulary_entries
from autogpt.interop.gguf.weights import pair_order
from autogpt.models.gpt import GPT, GPTConfig
from autogpt.models.stored_form import stored_form
from autogpt.nn.positions import LinearScaling, Llama3Scaling, inverse_frequencies
from autogpt.tokenizer.bpe import Tokenizer

__all__ = ["GGUF_TYPES", "GGUFType", "architecture_for", "write_gguf"]

GGUFType = Literal["f32", "f16", "bf16", "q8_0", "q4_0"]
GGUF_TYPES: tuple[GGUFType, ...] = get_args(GGUFType)

_FILE_TYPES = {
    "f32": LlamaFileType.ALL_F32,
    "f16": LlamaFileType.MOSTLY_F16,
    "bf16": LlamaFileType.MOSTLY_BF16,
    "q8_0": LlamaFileType.MOSTLY_Q8_0,
    "q4_0": LlamaFileType.MOSTLY_Q4_0,
}
_SAMPLING = {
    "temperature": "temp",
    "top_k": "top_k",
    "top_p": "top_p",
    "min_p": "min_p",
    "repetition_penalty": "penalty_repeat",
}
_MOST_F16 = 65504.0
_FINER = ("token_embd.weight", "output.weight")


@dataclass(frozen=True, slots=True)
class _Piece:
    """A tensor of the file, not yet computed."""

    name: str
    kind: GGMLQuantizationType
    weight: Tensor
    paired: int | None
    shift: float

    def check(self) -> None:
        """Refuse what the type cannot hold.

        Raises:
            ConfigError: If a number is too large for f16.
        """
        if self.kind is GGMLQuantizationType.F16:
            largest = float(self.weight.detach().abs().max())
            if largest > _MOST_F16:
                raise ConfigError(
                    f"The weight {self.name!r} holds {largest:.4g}, more than f16 can.",
                    hint="Export as bf16 or f32.",
                )

    def data(self) -> npt.NDArray[Any]:
        """Return the numbers as the file stores them."""
        numbers = self.weight.detach().float().numpy()
        if self.paired is not None:
            # pair_order says where a row of ours is in the file; the file needs the inverse.
            numbers = numbers[np.argsort(pair_order(len(numbers), self.paired))]
        if self.shift:
            numbers = numbers + np.float32(self.shift)
        return gguf.quantize(np.ascontiguousarray(numbers), self.kind)


def architecture_for(config: GPTConfig) -> str:
    """Return what GGUF calls the family.

    Raises:
        ConfigError: If it has no name for it here, or the model has what it cannot say.
    """
    wanted = config.model_type
    if wanted == "mistral" and config.sliding_window is None:
        wanted = "llama"  # the same network; llama.cpp has no other name for it
    for name, architecture in ARCHITECTURES.items():
        if architecture.model_type == wanted:
            return name
    if wanted == "mistral":
        raise ConfigError(
            f"llama.cpp runs mistral without its sliding window of {config.sliding_window} tokens: "
            "its answers would differ.",
            hint="Export it with --to hf or --to onnx.",
        )
    raise ConfigError(
        f"A model of the family {config.model_type!r} cannot be written as GGUF, only "
        f"{', '.join(sorted({one.model_type for one in ARCHITECTURES.values()}))}.",
        hint="Export it with --to hf or --to onnx.",
    )


def write_gguf(
    path: Path,
    model: GPT,
    tokenizer: Tokenizer,
    *,
    kind: GGUFType = "f16",
    generation: Mapping[str, Any] | None = None,
    name: str = "",
) -> None:
    """Write a model as one file that llama.cpp, Ollama and this package run.

    Args:
        path: The file; not atomic, so write beside and rename.
        model: The model, on any device, not packed.
        tokenizer: Its tokenizer.
        kind: How matrices are stored.
        generation: Of ``generation_config.json``: how to sample.
        name: What the model is called.

    Raises:
        ConfigError: If the format cannot express the model or its tokenizer.
        ResourceError: If the disk is full or the file cannot be written.
    """
    config = model.config
    architecture_name = architecture_for(config)
    architecture = ARCHITECTURES[architecture_name]
    entries = {
        **_general(name, kind, generation or {}),
        **_settings(config, architecture_name, architecture),
        **vocabulary_entries(tokenizer, config),
    }
    pieces = list(_pieces(model, architecture, kind))
    for piece in pieces:
        piece.check()
    with explain_os_errors(path):
        writer = gguf.GGUFWriter(path, architecture_name)
        try:
            for key, value in entries.items():
                _add(writer, key, value)
            for piece in pieces:
                shape = tuple(piece.weight.shape)
                writer.add_tensor_info(
                    piece.name,
                    shape,
                    np.dtype(np.float32),
                    _stored_bytes(shape, piece.kind),
                    raw_dtype=piece.kind,
                )
            writer.write_header_to_file()
            writer.write_kv_data_to_file()
            writer.write_ti_data_to_file()
            for piece in pieces:
                writer.write_tensor_data(piece.data())
        finally:
            writer.close()


def _stored_bytes(shape: Sequence[int], kind: GGMLQuantizationType) -> int:
    numbers, size = GGML_QUANT_SIZES[kind]
    return math.prod(shape) // numbers * size


def _general(name: str, kind: GGUFType, generation: Mapping[str, Any]) -> dict[str, Any]:
    entries: dict[str, Any] = {
        "general.name": name or "model",
        "general.file_type": int(_FILE_TYPES[kind]),
        "general.quantization_version": gguf.GGML_QUANT_VERSION,
    }
    for field, key in _SAMPLING.items():
        if generation.get(field) is not None and generation.get("do_sample", True):
            value = generation[field]
            entries[f"general.sampling.{key}"] = int(value) if key == "top_k" else float(value)
    return entries


def _settings(config: GPTConfig, name: str, architecture: Architecture) -> dict[str, Any]:
    """Return the entries of the model's switches.

    Raises:
        ConfigError: If there is no entry for one of them.
    """
    entries: dict[str, Any] = {
        "block_count": config.num_hidden_layers,
        "context_length": config.max_position_embeddings,
        "embedding_length": config.hidden_size,
        "feed_forward_length": config.intermediate_size,
        "attention.head_count": config.num_attention_heads,
        "attention.head_count_kv": config.num_key_value_heads,
        "attention.key_length": config.head_dim,
        "attention.value_length": config.head_dim,
        "attention.layer_norm_rms_epsilon": config.norm_eps,
        "rope.dimension_count": config.head_dim,
        "rope.freq_base": config.rope_theta,
        "vocab_size": config.vocab_size,
        **architecture.entries(config),
    }
    if architecture.model_type != "gemma3_text" and config.sliding_window is not None:
        raise ConfigError(
            f"A GGUF file of the architecture {name!r} cannot say sliding_window = "
            f"{config.sliding_window}."
        )
    scaling = config.rope_scaling
    if isinstance(scaling, LinearScaling):
        entries |= {"rope.scaling.type": "linear", "rope.scaling.factor": scaling.factor}
    elif scaling is not None and not isinstance(scaling, Llama3Scaling):
        raise ConfigError(
            "Rotary positions stretched by 'yarn' are not written to GGUF files.",
            hint="Export with --to hf or --to onnx.",
        )
    return {f"{name}.{key}": value for key, value in entries.items()}


def _pieces(model: GPT, architecture: Architecture, kind: GGUFType) -> Iterator[_Piece]:
    config = model.config
    if config.model_type == "mistral":  # the same names and weights, see architecture_for
        config = replace(config, model_type="llama")
    _, tensors = stored_form(config, model.state_dict())
    for theirs, weight in tensors:
        name = _renamed(theirs, architecture)
        paired = config.head_dim if architecture.is_paired(name) else None
        yield _Piece(
            name, _kind_of(name, weight, kind), weight, paired, -architecture.shift_of(name)
        )
    scaling = config.rope_scaling
    if isinstance(scaling, Llama3Scaling):
        width, theta = config.head_dim, config.rope_theta
        plain = inverse_frequencies(width, theta=theta)
        divisors = plain / inverse_frequencies(width, theta=theta, scaling=scaling)
        yield _Piece("rope_freqs.weight", GGMLQuantizationType.F32, divisors, None, 0.0)


def _renamed(theirs: str, architecture: Architecture) -> str:
    layer = re.search(r"\d+", theirs)
    name = architecture.tensors.get(re.sub(r"\d+", "{}", theirs, count=1))
    if name is None:
        raise ConfigError(f"GGUF has no name for the weight {theirs!r}.")
    return name.format(layer[0] if layer else "")


def _kind_of(name: str, weight: Tensor, kind: GGUFType) -> GGMLQuantizationType:
    if weight.ndim < 2:
        return GGMLQuantizationType.F32
    wanted = GGMLQuantizationType[kind.upper()]
    if wanted is GGMLQuantizationType.Q4_0 and name in _FINER:
        wanted = GGMLQuantizationType.Q8_0
    if weight.shape[-1] % GGML_QUANT_SIZES[wanted][0]:
        return GGMLQuantizationType.F16
    return wanted


def _add(writer: gguf.GGUFWriter, key: str, value: object) -> None:
    if isinstance(value, Sequence) and not isinstance(value, str):
        writer.add_array(key, list(value))
    elif isinstance(value, bool):
        writer.add_key_value(key, value, GGUFValueType.BOOL)
    elif isinstance(value, int):
        writer.add_key_value(key, value, GGUFValueType.UINT32)
    elif isinstance(value, float):
        writer.add_key_value(key, value, GGUFValueType.FLOAT32)
    else:
        writer.add_key_value(key, str(value), GGUFValueType.STRING)
