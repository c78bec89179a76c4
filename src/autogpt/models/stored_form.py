"""The stored form of a model: the tensors that a file holds, under its family's names; and back.

A file may stack what we hold apart, or lay it across; what it holds must be what the config asks
for, no more and no less. Not here: the files (``models.weights``, ``interop.gguf``), the folder
around them (``models.checkpoint``).
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from autogpt.core.errors import CheckpointError, ConfigError
from autogpt.models.empty import empty_model
from autogpt.models.family import Family, find_family
from autogpt.models.gpt import GPT, GPTConfig
from autogpt.models.weights import StoredTensor, StoredWeights, WeightNames
from autogpt.nn.attention import AttentionForm

__all__ = ["build_model", "check_weights", "stored_form"]


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


def stored_form(
    config: GPTConfig, weights: Mapping[str, Tensor]
) -> tuple[dict[str, Any], list[tuple[str, Tensor]]]:
    """Return the ``config.json`` and the tensors of a model as its family has them.

    Raises:
        ConfigError: If the model's family does not have its switches.
    """
    family = _family_of(config)
    return family.to_hf(config), _to_theirs(family, weights)


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


def build_model(
    config: GPTConfig,
    source: StoredWeights,
    *,
    names: WeightNames,
    dtype: Literal["auto", "float32", "bfloat16"] = "float32",
    attention: AttentionForm = "sdpa",
    keep: Callable[[str, Tensor], Tensor] | None = None,
    take: Callable[[str, StoredTensor], Tensor | None] | None = None,
) -> GPT:
    """Return the model of ``config`` with the weights of ``source``, read one after the other.

    Args:
        config: The switches.
        source: Stored tensors.
        names: How the file names them.
        dtype: Of the model; "auto" is what is read.
        attention: See :class:`GPT`.
        keep: Gets each weight by our name, and returns what the model keeps in its place.
        take: Gets it first, before it is read, and may do the same, or return None.

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
        if take is not None and len(stored.parts) == 1 and not stored.transposed:
            taken = take(stored.parts[0], source.places[stored.name])
            if taken is not None:
                weights[stored.parts[0]] = taken
                continue
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
