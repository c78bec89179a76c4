"""The folder of a model with a head: written whole, read with suspicion.

It is that of transformers: ``config.json`` names the class, the labels and, of several labels a
text, ``problem_type``; the head is ``score.weight`` (tags: and ``score.bias``; GPT-2 calls them
``classifier``). A head on the mean of all tokens, which no class of transformers has, is
``mean_score.weight``, so that transformers says that it lacks the head rather than answer wrongly.
Beside it lies ``head.json``, of our own, which others do not need: the temperature
that makes probabilities honest, the threshold, how tags are spelled; and what adds to the
scores: of classes ``ngrams.safetensors``, of tags ``field.safetensors``.

Not here: the head (``models.heads``), folders of models without one (``models.checkpoint``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal, cast

import torch
from torch import Tensor

from autogpt.core.errors import CheckpointError, ConfigError
from autogpt.core.files import read_json, write_json
from autogpt.models.checkpoint import (
    SavableTokenizer,
    check_manifest,
    read_config,
    read_settings,
    write_folder,
)
from autogpt.models.family import find_family
from autogpt.models.gpt import GPTConfig
from autogpt.models.heads import CLASSES, HeadConfig, HeadedGPT, HeadKind, with_weights
from autogpt.models.ngram_scores import NGRAMS, NgramScores, save_ngrams
from autogpt.models.stored_form import build_model, stored_form
from autogpt.models.tag_field import FIELD, TagField, save_field
from autogpt.models.weights import StoredWeights, open_weights

__all__ = [
    "HEAD",
    "Calibration",
    "HeadSettings",
    "head_fields",
    "head_kind",
    "load_headed",
    "read_head",
    "read_head_settings",
    "save_headed",
    "write_beside",
]

HEAD = "head.json"
_FORMAT = "autogpt-head-1"
_ENDINGS: dict[HeadKind, str] = {
    "sequence": "ForSequenceClassification",
    "token": "ForTokenClassification",
}
_SINGLE, _MULTI = "single_label_classification", "multi_label_classification"


@dataclass(frozen=True, kw_only=True, slots=True)
class Calibration:
    """How honest probabilities are on examples that were not trained on.

    Attributes:
        examples: How many.
        error_before: Expected calibration error, 15 bins, without a temperature.
        error: With it.
    """

    examples: int
    error_before: float
    error: float


@dataclass(frozen=True, kw_only=True, slots=True)
class HeadSettings:
    """How a head's scores are read; ``head.json``.

    Attributes:
        temperature: Scores are divided by it.
        threshold: Of one label a text: below this probability there is no answer; of several: from
            it on a label counts; None: always the likeliest, or 0.5.
        scheme: How tags are spelled, see ``tasks.spans``; None for classes.
        ngrams: Whether ``ngrams.safetensors`` adds to the scores (``models.ngram_scores``).
        field: How often the log probabilities of ``field.safetensors`` are added to those of tags
            (``models.tag_field``); 0.0: there is none.
        calibration: What the temperature did.
    """

    temperature: float = 1.0
    threshold: float | None = None
    scheme: str | None = None
    ngrams: bool = False
    field: float = 0.0
    calibration: Calibration | None = None

    def __post_init__(self) -> None:
        """Check ranges.

        Raises:
            ConfigError: If a setting is out of its range.
        """
        if not 0.001 <= self.temperature <= 1000:
            raise ConfigError(f"temperature = {self.temperature} must be from 0.001 to 1000.")
        if not 0 <= self.field <= 1000:
            raise ConfigError(f"field = {self.field} must be from 0 to 1000.")
        if self.threshold is not None and not 0 <= self.threshold <= 1:
            raise ConfigError(f"threshold = {self.threshold} must be from 0 to 1.")


def head_kind(settings: Mapping[str, Any]) -> HeadKind | None:
    """Return which head a ``config.json`` says the model has, of whatever family; None: none."""
    names = settings.get("architectures")
    for name in names if isinstance(names, list) else []:
        for kind, ending in _ENDINGS.items():
            if isinstance(name, str) and name.endswith(ending):
                return kind
    return None


def save_headed(
    model: HeadedGPT,
    folder: Path,
    *,
    tokenizer: SavableTokenizer,
    settings: HeadSettings,
    pad_token_id: int,
    beside: NgramScores | TagField | None = None,
    dtype: Literal["auto", "float32", "bfloat16"] = "auto",
    card: str | None = None,
) -> None:
    """Write a folder that this package and transformers read.

    Args:
        model: The model, on any device.
        folder: Where to; made if needed.
        tokenizer: Saved along.
        settings: How its scores are read.
        pad_token_id: What fills up rows, where the model's config does not say; transformers needs
            one to tell the last token.
        beside: What adds to the scores: of tags ``settings`` say how much.
        dtype: Of the stored weights; "auto" is what the model has.
        card: Text of ``README.md``.

    Raises:
        ConfigError: If the model's family does not have its switches.
        ResourceError: If the disk is full or the folder cannot be written.
    """
    config, head = model.config, model.labels
    if config.pad_token_id is None:
        config = replace(config, pad_token_id=pad_token_id)
    ours = model.state_dict()
    own = [name for name in ours if name.startswith("score.")]
    body = {name: weight for name, weight in ours.items() if name not in own}
    described, tensors = stored_form(config, body)
    kind = model.embedding.weight.dtype if dtype == "auto" else getattr(torch, dtype)
    prefix = _prefix(config, head)
    tensors += [(f"{prefix}.{name.partition('.')[2]}", ours[name]) for name in own]
    others = write_beside(folder, settings, beside)
    made = {**head_fields(head, name=CLASSES[config.model_type]), "classifier_dropout": 0.0}
    write_folder(
        folder,
        {**described, **made},
        tensors,
        tokenizer=tokenizer,
        dtype=kind,
        card=card,
        others=others,
    )


def _prefix(config: GPTConfig, head: HeadConfig) -> str:
    if head.pooling == "mean":
        return "mean_score"
    return "classifier" if config.model_type == "gpt2" and head.kind == "token" else "score"


def head_fields(head: HeadConfig, *, name: str) -> dict[str, Any]:
    """Return what ``config.json`` says of a head on a model whose classes begin with ``name``."""
    made: dict[str, Any] = {
        "architectures": [f"{name}{_ENDINGS[head.kind]}"],
        "id2label": {str(index): label for index, label in enumerate(head.labels)},
        "label2id": {label: index for index, label in enumerate(head.labels)},
    }
    if head.kind == "sequence":
        made["problem_type"] = _MULTI if head.multi_label else _SINGLE
    if head.pooling != "last":
        made["pooling"] = head.pooling
    return made


def read_head(settings: Mapping[str, Any]) -> HeadConfig:
    """Return the head that a ``config.json`` describes.

    Raises:
        CheckpointError: If it describes none, or its labels are broken.
    """
    kind = head_kind(settings)
    if kind is None:
        raise CheckpointError("config.json names no class with a head.")
    table = settings.get("id2label")
    count = len(table) if isinstance(table, dict) else 0
    labels = [table.get(str(index)) for index in range(count)] if isinstance(table, dict) else []
    if not labels or not all(isinstance(label, str) for label in labels):
        raise CheckpointError(f"config.json says id2label = {table!r}, expected a name per number.")
    try:
        return HeadConfig(
            kind=kind,
            labels=tuple(cast(list[str], labels)),
            multi_label=settings.get("problem_type") == _MULTI,
            pooling=settings.get("pooling", "last"),
        )
    except ConfigError as error:
        raise CheckpointError(f"config.json: {error.message}") from error


def load_headed(
    folder: Path,
    *,
    dtype: Literal["auto", "float32", "bfloat16"] = "float32",
    deep: bool = True,
) -> tuple[HeadedGPT, HeadSettings]:
    """Read a model with a head.

    Args:
        folder: A folder in Hugging Face layout.
        dtype: Of the model; "auto" is what the weights are stored as.
        deep: As for ``load_model``.

    Raises:
        CheckpointError: As ``load_model``; or if there is no head, or it is not trained.
    """
    settings = read_settings(folder)
    head = read_head(settings)
    config = replace(read_config(folder), tie_word_embeddings=True)
    check_manifest(folder, deep=deep)
    with open_weights(folder) as stored:
        prefix = _prefix(config, head)
        own = {f"{prefix}.{part}": f"score.{part}" for part in ("weight", "bias")}
        rest = {
            name: place
            for name, place in stored.places.items()
            if name not in own and name != "lm_head.weight"
        }
        names = find_family(config.model_type)
        body = build_model(config, replace(stored, places=rest), names=names, dtype=dtype)
        weights = body.state_dict()
        for theirs, ours in own.items():
            if ours == "score.weight" or head.kind == "token":
                weights[ours] = _read_score(stored, theirs, head, config).to(
                    body.embedding.weight.dtype
                )
    return with_weights(config, head, weights), read_head_settings(folder)


def _read_score(stored: StoredWeights, name: str, head: HeadConfig, config: GPTConfig) -> Tensor:
    if name not in stored.places:
        raise CheckpointError(
            f"{str(stored.path)!r} lacks {name!r}: the head of this model is not trained.",
            hint="Train it with: autogpt finetune MODEL DATA --task classify (or tag).",
        )
    wanted = (len(head.labels), config.hidden_size)[: 2 if name.endswith("weight") else 1]
    if stored.shape(name) != wanted:
        raise CheckpointError(
            f"{str(stored.path)!r} holds {name!r} with shape {list(stored.shape(name))}, but "
            f"config.json asks for {list(wanted)}."
        )
    return stored.tensor(name)


def write_beside(
    folder: Path, settings: HeadSettings, beside: NgramScores | TagField | None
) -> list[str]:
    """Write ``head.json``, and what adds to the scores; return the names of the files."""
    settings = replace(settings, ngrams=isinstance(beside, NgramScores))
    write_json(folder / HEAD, {"format": _FORMAT, **asdict(settings)})
    if isinstance(beside, NgramScores):
        save_ngrams(beside, folder)
        return [HEAD, NGRAMS]
    if beside is not None:
        save_field(beside, folder)
        return [HEAD, FIELD]
    return [HEAD]


def read_head_settings(folder: Path) -> HeadSettings:
    """Return what ``head.json`` says; a folder of others has none.

    Raises:
        CheckpointError: If it is damaged.
    """
    path = folder / HEAD
    if not path.is_file():
        return HeadSettings()
    found = read_json(path)
    try:
        if found["format"] != _FORMAT:
            raise CheckpointError(f"{str(path)!r} has the format {found['format']!r}.")
        known = {field.name: found.get(field.name) for field in fields(HeadSettings)}
        known["ngrams"] = bool(known["ngrams"])  # older folders do not say
        known["field"] = known["field"] or 0.0
        if known["calibration"] is not None:
            known["calibration"] = Calibration(**known["calibration"])
        return HeadSettings(**known)
    except (KeyError, TypeError, ConfigError) as error:
        raise CheckpointError(f"{str(path)!r} is damaged: {error}.") from error
