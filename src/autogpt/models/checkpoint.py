"""Model folders in Hugging Face layout: written whole, read with suspicion.

::

    config.json              the switches, as transformers names them
    model.safetensors        the weights (several files and an index for large models of others)
    tokenizer.json, tokenizer_config.json
    generation_config.json   which tokens end a text, how to sample
    README.md                model card, if there is one
    manifest.json            size and sha256 of the files above, the card excepted

The same folder opens in transformers, vLLM and llama.cpp; theirs opens here, without manifest.
Nothing read is ever executed: no pickle, no remote code. Not here: which tensors a model is made
of (``models.stored_form``), training checkpoints with optimizer state, downloads.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

import torch
from torch import Tensor

from autogpt.core.errors import CheckpointError, ConfigError, ResourceError, UsageError
from autogpt.core.files import (
    MANIFEST,
    read_json,
    verify_manifest,
    write_json,
    write_manifest,
    write_text,
)
from autogpt.models.counting import parameter_count
from autogpt.models.family import find_family
from autogpt.models.gpt import GPT, GPTConfig
from autogpt.models.stored_form import build_model, stored_form
from autogpt.models.weights import (
    WEIGHTS,
    open_weights,
    write_safetensors,
)
from autogpt.nn.attention import AttentionForm

__all__ = [
    "SavableTokenizer",
    "check_manifest",
    "load_model",
    "read_config",
    "read_generation_config",
    "read_settings",
    "save_model",
    "write_folder",
]

CONFIG = "config.json"
GENERATION = "generation_config.json"
CARD = "README.md"
_TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "chat_template.jinja",
)
_SPECIAL_TOKENS = ("bos_token_id", "eos_token_id", "pad_token_id")


class SavableTokenizer(Protocol):
    """The part of a tokenizer that a model folder needs."""

    @property
    def vocab_size(self) -> int:
        """Number of tokens."""

    def save(self, folder: Path) -> object:
        """Write ``tokenizer.json`` and ``tokenizer_config.json``."""


def save_model(
    model: GPT,
    folder: Path,
    *,
    tokenizer: SavableTokenizer | None = None,
    dtype: Literal["auto", "float32", "bfloat16"] = "auto",
    generation_config: Mapping[str, object] | None = None,
    card: str | None = None,
    others: Sequence[str] = (),
) -> None:
    """Write a model folder that this package, transformers and others read.

    Every file is replaced as a whole, ``manifest.json`` last: after a crash the folder either
    loads or is refused, never half new.

    Args:
        model: The model, on any device.
        folder: Where to; made if needed.
        tokenizer: Saved along.
        dtype: Of the stored weights; "auto" is what the model has.
        generation_config: Fields of ``generation_config.json``, added to the special tokens of
            the config.
        card: Text of ``README.md``.
        others: Files that are there already and belong to the model.

    Raises:
        ConfigError: If the model's family does not have its switches, or the tokenizer has more
            tokens than the model.
        UsageError: If the model was rearranged to run, as ``LLM.model`` is.
        ResourceError: If the disk is full or the folder cannot be written.
    """
    if sum(weight.numel() for weight in model.parameters()) < parameter_count(model.config):
        raise UsageError(
            "The model was rearranged to run fast, so its weights cannot be saved.",
            hint="Read it with models.checkpoint.load_model, or copy the folder that it came from.",
        )
    if tokenizer is not None and tokenizer.vocab_size > model.config.vocab_size:
        raise ConfigError(
            f"The tokenizer has {tokenizer.vocab_size} tokens, the model only "
            f"{model.config.vocab_size}."
        )
    config, tensors = stored_form(model.config, model.state_dict())
    special = {key: config[key] for key in _SPECIAL_TOKENS if config[key] is not None}
    write_json(folder / GENERATION, {**special, **(generation_config or {})})
    kind = model.embedding.weight.dtype if dtype == "auto" else getattr(torch, dtype)
    write_folder(folder, config, tensors, tokenizer=tokenizer, dtype=kind, card=card, others=others)


def write_folder(
    folder: Path,
    config: Mapping[str, object],
    tensors: Sequence[tuple[str, Tensor]],
    *,
    tokenizer: SavableTokenizer | None,
    dtype: torch.dtype,
    card: str | None = None,
    others: Sequence[str] = (),
) -> None:
    """Write a model folder, the manifest last.

    Args:
        folder: Where to; made if needed.
        config: Of ``config.json``, without the dtype.
        tensors: Names and weights.
        tokenizer: Saved along.
        dtype: Of the stored weights.
        card: Text of ``README.md``.
        others: Files that are there already and belong to the model.

    Raises:
        ResourceError: If the disk is full or the folder cannot be written.
    """
    name = str(dtype).removeprefix("torch.")
    write_safetensors(folder / WEIGHTS, tensors, dtype=dtype)
    # transformers 5 reads dtype; 4 and most other readers torch_dtype.
    write_json(folder / CONFIG, {**config, "dtype": name, "torch_dtype": name})
    if tokenizer is not None:
        tokenizer.save(folder)
    if card is not None:
        write_text(folder / CARD, card)
    names = (CONFIG, WEIGHTS, GENERATION, *_TOKENIZER_FILES, *others)
    write_manifest(folder, [name for name in names if (folder / name).is_file()])


def load_model(
    folder: Path | str,
    *,
    dtype: Literal["auto", "float32", "bfloat16"] = "float32",
    attention: AttentionForm = "sdpa",
    deep: bool = True,
    keep: Callable[[str, Tensor], Tensor] | None = None,
) -> GPT:
    """Read a model folder, checking everything that can be checked.

    The weights stay memory-mapped where their stored dtype is the wanted one.

    Args:
        folder: A folder in Hugging Face layout.
        dtype: Of the model; "auto" is what the weights are stored as.
        attention: See :class:`GPT`.
        deep: Compare sha256 with the manifest, if there is one, and not only sizes.
        keep: See :func:`models.stored_form.build_model`.

    Returns:
        The model, on the CPU, in evaluation mode.

    Raises:
        CheckpointError: If a file is missing, torn or altered; the family is not supported; or
            a weight is missing, unknown, of the wrong shape, or not a finite number.
        ResourceError: If the folder may not be read.
    """
    folder = Path(folder)
    try:
        config = read_config(folder)
        check_manifest(folder, deep=deep)
        with open_weights(folder) as stored:
            names = find_family(config.model_type)
            return build_model(
                config, stored, names=names, dtype=dtype, attention=attention, keep=keep
            )
    except PermissionError as error:
        raise ResourceError(
            f"No permission to read {str(error.filename or folder)!r}.",
            hint="Choose a folder you can read.",
        ) from error


def read_config(folder: Path) -> GPTConfig:
    """Return the switches of a model folder, without its weights.

    Raises:
        CheckpointError: If ``config.json`` is missing, broken, or of an unsupported model.
    """
    path = folder / CONFIG
    config = read_settings(folder)
    try:
        return find_family(config.get("model_type")).from_hf(config)
    except ConfigError as error:
        raise CheckpointError(f"{str(path)!r} contradicts itself: {error.message}") from error


def read_settings(folder: Path) -> dict[str, Any]:
    """Return the fields of a model folder's ``config.json``.

    Raises:
        CheckpointError: If it is missing, broken, or of a quantized model.
    """
    if not folder.is_dir():
        raise CheckpointError(f"There is no model folder {str(folder)!r}.")
    path = folder / CONFIG
    config = _read_object(path)
    if config.get("quantization_config") is not None:
        raise CheckpointError(f"{str(path)!r} is of a quantized model, which is not supported.")
    return config


def read_generation_config(folder: Path) -> dict[str, Any]:
    """Return ``generation_config.json``; an empty dict if the folder has none.

    Raises:
        CheckpointError: If it is not a JSON object.
    """
    path = folder / GENERATION
    return _read_object(path) if path.is_file() else {}


def _read_object(path: Path) -> dict[str, Any]:
    value = read_json(path)
    if not isinstance(value, dict):
        raise CheckpointError(f"{str(path)!r} is not a JSON object.")
    return value


def check_manifest(folder: Path, *, deep: bool) -> None:
    """Compare a folder with its manifest, if it has one.

    Args:
        folder: The folder.
        deep: Compare sha256, and not only sizes.

    Raises:
        CheckpointError: If a file is missing or altered.
    """
    if not (folder / MANIFEST).is_file():  # a folder written by others
        return
    try:
        verify_manifest(folder, deep=deep)
    except CheckpointError as error:
        raise CheckpointError(
            error.message, hint=f"If you changed it on purpose, delete {MANIFEST!r}."
        ) from error
