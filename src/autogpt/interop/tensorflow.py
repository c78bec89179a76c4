"""Write a model as a KerasHub preset, which TensorFlow runs and trains further with ``fit()``.

::

    task = keras_hub.models.CausalLM.from_preset("mine-keras", preprocessor=None)
    logits = task({"token_ids": ids, "padding_mask": tf.ones_like(ids)})

KerasHub reads our Hugging Face folder itself, and writes its own. Its tokenizers are not exact for
Chinese and runs of spaces, so it gets none: the folder ``huggingface`` holds ours, to be read with
``tokenizers`` and its ids passed on.

What it does not do as the model does is refused: for ``llama`` it takes Llama 3's path, which
assumes an epsilon of 1e-6 and the special token ``<|eot_id|>``. ``make test-tensorflow`` tries it.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from autogpt.core.errors import ConfigError, MissingExtraError
from autogpt.models.gpt import GPT

__all__ = ["SETTINGS", "import_keras_hub", "write_tensorflow"]

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
    if (
        config.model_type == "llama"
        and config.head_dim * config.num_attention_heads != config.hidden_size
    ):
        raise ConfigError(
            f"KerasHub takes the heads of llama to be hidden_size / num_attention_heads = "
            f"{config.hidden_size / config.num_attention_heads:g} wide, those of this model have "
            f"{config.head_dim}.",
            hint="Export it with --to onnx or --to gguf.",
        )
    keras_hub = import_keras_hub()
    task = keras_hub.models.CausalLM.from_preset(str(source), preprocessor=None, dtype="float32")
    folder.mkdir(parents=True, exist_ok=True)
    task.save_to_preset(str(folder))
    (folder / SETTINGS).mkdir()
    for name in _FILES:
        if (source / name).is_file():
            shutil.copyfile(source / name, folder / SETTINGS / name)
