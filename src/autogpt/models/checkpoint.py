"""Model folders in Hugging Face layout: written whole, read with suspicion.

::

    config.json              the switches, as transformers names them
    model.safetensors        the weights (several files and an index for large models of others)
    tokenizer.json, tokenizer_config.json
    generation_config.json   which tokens end a text, how to sample
    README.md                model card, if there is one
    manifest.json            size and sha256 of the files above, the card excepted

The same folder opens in transformers, vLLM and llama.cpp; theirs opens here, without manifest.
Nothing read is ever executed: no pickle, no remote code. Not here: training checkpoints with
optimizer state, downloads.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal, Protocol

import torch
from torch import Tensor

from autogpt.core.errors import CheckpointError, ConfigError, ResourceError
from autogpt.core.files import (
    MANIFEST,
    read_json,
    verify_manifest,
    write_json,
    write_manifest,
    write_text,
)
from autogpt.models.empty import empty_model
from autogpt.models.family import Family, find_family
from autogpt.models.gpt import GPT, GPTConfig
from autogpt.models.weights import (
    WEIGHTS,
    StoredWeights,
    WeightNames,
    open_weights,
    write_safetensors,
)
from autogpt.nn.attention import AttentionForm

__all__ = [
    "SavableTokenizer",
    "build_model",
    "check_manifest",
    "check_weights",
    "empty_model",
    "load_model",
    "read_config",
    "read_generation_config",
    "read_settings",
    "save_model",
    "stored_form",
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
        ResourceError: If the disk is full or the folder cannot be written.
    """
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


def stored_form(
    config: GPTConfig, weights: Mapping[str, Tensor]
) -> tuple[dict[str, Any], list[tuple[str, Tensor]]]:
    """Return the ``config.json`` and the tensors of a model as its family has them.

    Raises:
        ConfigError: If the model's family does not have its switches.
    """
    family = _family_of(config)
    return family.to_hf(config), _to_theirs(family, weights)


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
        keep: See :func:`build_model`.

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


def _family_of(config: GPTConfig) -> Family:
    """Return the family to save as, having checked that it can express the switches."""
    family = find_family(config.model_type)
    returned = family.from_hf(family.to_hf(config))
    for name in (field.name for field in fields(config)):
        wanted, kept = getattr(config, name), getattr(returned, name)
        if wanted != kept:
            raise ConfigError(
                f"A model saved as {config.model_type!r} cannot have {name} = {wanted!r}, "
                f"only {kept!r}."
            )
    return family


# -- names: ours <-> theirs ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Stored:
    """One tensor of theirs, and the weights of ours it is made of, stacked on the first axis."""

    name: str
    parts: tuple[str, ...]
    transposed: bool


def _stored_tensors(family: WeightNames, ours: Iterable[str]) -> list[_Stored]:
    """Return the tensors that their file holds for a model with the weights ``ours``."""
    parts: dict[str, list[str]] = {}
    transposed = set()
    for name in ours:
        layer = re.search(r"\d+", name)
        template = family.WEIGHTS[re.sub(r"\d+", "{}", name, count=1)]
        theirs = template.format(layer[0] if layer else "")
        parts.setdefault(theirs, []).append(name)
        if template in family.TRANSPOSED:
            transposed.add(theirs)
    return [_Stored(name, tuple(names), name in transposed) for name, names in parts.items()]


def _to_theirs(family: Family, ours: Mapping[str, Tensor]) -> list[tuple[str, Tensor]]:
    tensors = []
    for stored in _stored_tensors(family, ours):
        parts = [ours[name] for name in stored.parts]
        tensor = parts[0] if len(parts) == 1 else torch.cat(parts)
        tensors.append((stored.name, tensor.T if stored.transposed else tensor))
    return tensors


# -- from tensors to a model -----------------------------------------------------------------------


def build_model(
    config: GPTConfig,
    source: StoredWeights,
    *,
    names: WeightNames,
    dtype: Literal["auto", "float32", "bfloat16"] = "float32",
    attention: AttentionForm = "sdpa",
    keep: Callable[[str, Tensor], Tensor] | None = None,
) -> GPT:
    """Return the model of ``config`` with the weights of ``source``, read one after the other.

    Args:
        config: The switches.
        source: Stored tensors.
        names: How the file names them.
        dtype: Of the model; "auto" is what is read.
        attention: See :class:`GPT`.
        keep: Gets each weight by our name, and returns what the model keeps in its place.

    Raises:
        CheckpointError: If a weight is missing, unknown, of the wrong shape, or not a finite
            number.
    """
    _check_layers(config, source)
    model = empty_model(config, attention=attention, settings=source.settings)
    shapes = {name: weight.shape for name, weight in model.state_dict().items()}
    expected, source = _match(model, source, names)

    weights: dict[str, Tensor] = {}
    for stored in expected:
        sizes = [shapes[name] for name in stored.parts]
        tensor = source.tensor(stored.name)
        tensor = tensor.T if stored.transposed else tensor
        parts = torch.split(tensor, [size[0] for size in sizes])
        for name, part in zip(stored.parts, parts, strict=True):
            wanted = part.dtype if dtype == "auto" else getattr(torch, dtype)
            weight = part.to(wanted).contiguous()
            weights[name] = weight if keep is None else keep(name, weight)
    model.load_state_dict(weights, assign=True)
    return model.eval()


def check_weights(
    config: GPTConfig, source: StoredWeights, *, names: WeightNames
) -> dict[str, str]:
    """Return the stored tensor of each of our weights, by name; no numbers are read.

    Raises:
        CheckpointError: If a weight is missing, unknown or of the wrong shape.
    """
    _check_layers(config, source)
    model = empty_model(config, settings=source.settings)
    expected, _ = _match(model, source, names)
    return {name: stored.name for stored in expected for name in stored.parts}


def _check_layers(config: GPTConfig, source: StoredWeights) -> None:
    """Refuse more layers than there are tensors, before building what a typo asks for."""
    if config.num_hidden_layers > len(source.places):
        raise CheckpointError(
            f"{str(source.path)!r} holds {len(source.places)} tensors, too few for the "
            f"{config.num_hidden_layers} layers of {source.settings}."
        )


def _match(
    model: GPT, source: StoredWeights, names: WeightNames
) -> tuple[list[_Stored], StoredWeights]:
    """Return the tensors of ``model``, all of the right shape, and where they are."""
    shapes = {name: weight.shape for name, weight in model.state_dict().items()}
    expected = _stored_tensors(names, shapes)
    source = _check_names(source, [stored.name for stored in expected], names, model.config)
    for stored in expected:
        sizes = [shapes[name] for name in stored.parts]
        _check_shape(source, stored, (sum(size[0] for size in sizes), *sizes[0][1:]))
    return expected, source


def _check_shape(source: StoredWeights, stored: _Stored, expected: Sequence[int]) -> None:
    wanted = tuple(reversed(expected)) if stored.transposed else tuple(expected)
    found = source.shape(stored.name)
    if found != wanted:
        raise CheckpointError(
            f"{str(source.path)!r} holds {stored.name!r} with shape {list(found)}, but "
            f"{source.settings} asks for {list(wanted)}."
        )


def _check_names(
    source: StoredWeights, expected: Sequence[str], family: WeightNames, config: GPTConfig
) -> StoredWeights:
    """Return the tensors under the names that are expected: all of them, and no others."""
    known = set(expected)
    places = {}
    for name, place in source.places.items():
        full = f"{family.PREFIX}{name}"
        if name not in known and full in known:
            places[full] = place
        elif name in known or not name.endswith(family.IGNORED):
            places[name] = place
    source = replace(source, places=places)

    head = family.WEIGHTS["head.weight"]
    if config.tie_word_embeddings and head in places:
        _check_tied(source, head, family.WEIGHTS["embedding.weight"])
        del places[head]
    missing = [name for name in expected if name not in places]
    if missing:
        raise _wrong_name(source.path, "lacks", missing, places.keys() - known)
    unknown = [name for name in places if name not in known]
    if unknown:
        raise _wrong_name(source.path, "holds the unknown", unknown, known)
    return source


def _check_tied(source: StoredWeights, head: str, embedding: str) -> None:
    """Refuse a head that is stored, said to be the embedding, and is not."""
    if embedding not in source.places:
        return
    if source.shape(head) != source.shape(embedding) or not torch.equal(
        source.tensor(head), source.tensor(embedding)
    ):
        raise CheckpointError(
            f"{str(source.path)!r} holds {head!r}, which differs from {embedding!r} although "
            f"{source.settings} ties them."
        )


def _wrong_name(
    path: Path, verb: str, names: Sequence[str], candidates: Iterable[str]
) -> CheckpointError:
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    near = difflib.get_close_matches(names[0], list(candidates), n=1)
    nearest = f"; the nearest is {near[0]!r}" if near else ""
    return CheckpointError(f"{str(path)!r} {verb} tensor {names[0]!r}{more}{nearest}.")
