"""Write a model as a KerasHub preset, which TensorFlow runs and trains; and read it back.

::

    task = keras_hub.models.CausalLM.from_preset("mine-keras", preprocessor=None)
    logits = task({"token_ids": ids, "padding_mask": tf.ones_like(ids)})
    task.save_to_preset("mine-keras-2")     # then: autogpt export mine-keras-2 --to hf --out mine-2

KerasHub reads our Hugging Face folder itself, and writes its own. Its tokenizers are not exact for
Chinese and runs of spaces, so it gets none: the folder ``huggingface`` holds ours, to be read with
``tokenizers`` and its ids passed on. It has no way back to Hugging Face for qwen3, so the
map of weights is inverted here (``keras_hub/src/utils/transformers/convert_qwen3.py``, 2026), and
the chat template comes from ``huggingface``.

What it does not do as the model does is refused: for ``llama`` it takes Llama 3's path, which
assumes an epsilon of 1e-6 and the special token ``<|eot_id|>``. ``make test-tensorflow`` tries it.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from autogpt.core.errors import CheckpointError, ConfigError, MissingExtraError
from autogpt.core.files import read_json
from autogpt.models.gpt import GPT
from autogpt.models.weights import WEIGHTS, write_safetensors

__all__ = ["SETTINGS", "import_keras_hub", "is_tensorflow", "read_tensorflow", "write_tensorflow"]

SETTINGS = "huggingface"
_FAMILIES = ("qwen3", "llama")
_LLAMA_EPS = 1e-6
_FILES = ("config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json")


def import_keras_hub() -> Any:  # noqa: ANN401 - a module without types
    """Return ``keras_hub``, on TensorFlow.

    Raises:
        MissingExtraError: If it is not installed.
        ConfigError: If Keras runs on something else in this process.
    """
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        import keras
        import keras_hub
    except ImportError as error:
        raise MissingExtraError(
            error.name or "keras_hub", extra="tensorflow", purpose="Writing for TensorFlow"
        ) from error
    if keras.backend.backend() != "tensorflow":
        raise ConfigError(
            f"Keras runs on {keras.backend.backend()!r} here, and the export is for TensorFlow.",
            hint="Set KERAS_BACKEND=tensorflow.",
        )
    return keras_hub


def write_tensorflow(folder: Path, source: Path, model: GPT) -> None:
    """Write a KerasHub preset.

    Args:
        folder: Where to.
        source: The model as a Hugging Face folder, in float32.
        model: The same, for its settings.

    Raises:
        ConfigError: If KerasHub has no such family, or computes it otherwise.
        MissingExtraError: If KerasHub or TensorFlow is not installed.
    """
    config = model.config
    if config.model_type not in _FAMILIES:
        raise ConfigError(
            f"A model of the family {config.model_type!r} is not written for TensorFlow, only "
            f"{' and '.join(_FAMILIES)}."
        )
    if config.model_type == "llama" and config.norm_eps != _LLAMA_EPS:
        raise ConfigError(
            f"KerasHub computes llama with rms_norm_eps = {_LLAMA_EPS:g}, and this model has "
            f"{config.norm_eps:g}: its answers would differ.",
            hint="Export it with --to onnx or --to gguf.",
        )
    keras_hub = import_keras_hub()
    try:
        task = keras_hub.models.CausalLM.from_preset(
            str(source), preprocessor=None, dtype="float32"
        )
    except (KeyError, TypeError, ValueError) as error:  # as for heads of another width
        reason = " ".join(str(error).split())[:200].removesuffix(".")
        raise ConfigError(
            f"KerasHub cannot read this model of the family {config.model_type!r}: {reason}.",
            hint="Export it with --to onnx or --to gguf.",
        ) from error
    folder.mkdir(parents=True, exist_ok=True)
    task.save_to_preset(str(folder))
    (folder / SETTINGS).mkdir()
    for name in _FILES:
        if (source / name).is_file():
            shutil.copyfile(source / name, folder / SETTINGS / name)


def is_tensorflow(path: Path) -> bool:
    """Whether a folder is a KerasHub preset."""
    if not (path / "metadata.json").is_file() or not (path / "config.json").is_file():
        return False
    settings = read_json(path / "metadata.json")
    return isinstance(settings, dict) and "keras_version" in settings


def read_tensorflow(path: Path, folder: Path) -> None:
    """Write a preset, perhaps trained further, as a Hugging Face folder.

    Args:
        path: The preset, with ``huggingface`` beside its weights.
        folder: Where to.

    Raises:
        CheckpointError: If ``huggingface`` is missing, or the weights are of another family.
        MissingExtraError: If KerasHub or TensorFlow is not installed.
    """
    settings = path / SETTINGS
    if not (settings / "config.json").is_file():
        raise CheckpointError(
            f"{str(path)!r} has no folder {SETTINGS!r} with the tokenizer and the settings.",
            hint="Copy it from the export that was trained: KerasHub does not keep it.",
        )
    family = read_json(settings / "config.json").get("model_type")
    if family != "qwen3":
        raise CheckpointError(f"{str(path)!r} is of the family {family!r}, only qwen3 comes back.")
    keras_hub = import_keras_hub()
    task = keras_hub.models.CausalLM.from_preset(str(path), preprocessor=None, dtype="float32")
    tensors = [(name, torch.from_numpy(values.copy())) for name, values in _named(task.backbone)]
    write_safetensors(folder / WEIGHTS, tensors)
    for name in _FILES:
        if (settings / name).is_file():
            shutil.copyfile(settings / name, folder / name)


def _named(backbone: Any) -> Iterator[tuple[str, np.ndarray[Any, np.dtype[np.float32]]]]:  # noqa: ANN401 - theirs
    """Yield each weight by its name at Hugging Face, as rows of what goes out."""

    def dense(layer: Any, *, leading: int = 1) -> np.ndarray[Any, np.dtype[np.float32]]:  # noqa: ANN401 - theirs
        kernel = np.asarray(layer.kernel)  # the first axes go in, the others go out
        rows = int(np.prod(kernel.shape[:leading]))
        return np.ascontiguousarray(kernel.reshape(rows, -1).T)

    embedding = backbone.get_layer("token_embedding")
    yield "model.embed_tokens.weight", np.asarray(embedding.embeddings)
    if not backbone.tie_word_embeddings:
        yield "lm_head.weight", np.ascontiguousarray(np.asarray(embedding.reverse_embeddings).T)
    for number in range(backbone.num_layers):
        layer, own = backbone.get_layer(f"transformer_layer_{number}"), f"model.layers.{number}"
        attention = layer._self_attention_layer
        yield f"{own}.input_layernorm.weight", np.asarray(layer._self_attention_layernorm.scale)
        for short, part in (("q", "query"), ("k", "key"), ("v", "value")):
            yield (
                f"{own}.self_attn.{short}_proj.weight",
                dense(getattr(attention, f"_{part}_dense")),
            )
            norm = getattr(attention, f"_{part}_dense_layer_norm", None)
            if norm is not None:
                yield f"{own}.self_attn.{short}_norm.weight", np.asarray(norm.scale)
        yield f"{own}.self_attn.o_proj.weight", dense(attention._output_dense, leading=2)
        for name, part in (("gate", "gate"), ("up", "intermediate"), ("down", "output")):
            yield (
                f"{own}.mlp.{name}_proj.weight",
                dense(getattr(layer, f"_feedforward_{part}_dense")),
            )
        yield (
            f"{own}.post_attention_layernorm.weight",
            np.asarray(layer._feedforward_layernorm.scale),
        )
    yield "model.norm.weight", np.asarray(backbone.get_layer("sequence_output_layernorm").scale)
