"""Heads on the one decoder: a class for a text, or a tag for each of its tokens.

::

    a class    score of the last token           Qwen3ForSequenceClassification and the like
    a tag      score of every token              Qwen3ForTokenClassification and the like

The folder is that of transformers: ``config.json`` names the class, the labels and, of several
labels a text, ``problem_type``; the head is ``score.weight`` (tags: and ``score.bias``; GPT-2 calls
them ``classifier``). Beside it lies ``head.json``, of our own, which others do not need: the
temperature that makes probabilities honest, the threshold, how tags are spelled.

A tag depends on what stands to the right as well. So a tagger's tokens look at the whole text,
``"is_causal": false`` in ``config.json``; transformers builds its mask accordingly (a class of
GPT-2 or Gemma, or a model with a sliding window, does not, and stays causal here too). The other
way, to read the text twice and tag the second copy, keeps the model as it was trained, but takes
twice the time and is done by no other program (docs/decisions/0005).

Source: Radford et al. 2018, "Improving Language Understanding by Generative Pre-Training"
(the score of the last token); Dukic and Snajder 2024, "Looking Right is Sometimes Right" (decoders
without the causal mask). Not here: training (``training.objective``), text (``llm``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from autogpt.core.errors import CheckpointError, ConfigError
from autogpt.core.files import read_json, write_json
from autogpt.models.checkpoint import (
    SavableTokenizer,
    build_model,
    check_manifest,
    read_config,
    read_settings,
    stored_form,
    write_folder,
)
from autogpt.models.empty import without_weights
from autogpt.models.family import find_family
from autogpt.models.gpt import GPT, GPTConfig
from autogpt.models.weights import StoredWeights, open_weights
from autogpt.nn.attention import AttentionForm

__all__ = [
    "Calibration",
    "HeadConfig",
    "HeadKind",
    "HeadSettings",
    "HeadedGPT",
    "head_fields",
    "head_kind",
    "load_headed",
    "put_head",
    "read_head",
    "read_head_settings",
    "save_headed",
    "write_head_settings",
]

HeadKind = Literal["sequence", "token"]

HEAD = "head.json"
_FORMAT = "autogpt-head-1"
_ENDINGS: dict[HeadKind, str] = {
    "sequence": "ForSequenceClassification",
    "token": "ForTokenClassification",
}
_CLASSES = {
    "gemma3_text": "Gemma3Text",
    "gpt2": "GPT2",
    "llama": "Llama",
    "mistral": "Mistral",
    "qwen2": "Qwen2",
    "qwen3": "Qwen3",
}
_SINGLE, _MULTI = "single_label_classification", "multi_label_classification"


@dataclass(frozen=True, kw_only=True, slots=True)
class HeadConfig:
    """What a head says.

    Attributes:
        kind: Whether of a text or of each token.
        labels: Their names, in the order of the scores.
        multi_label: Whether a text may have several labels, or none.
    """

    kind: HeadKind
    labels: tuple[str, ...]
    multi_label: bool = False

    def __post_init__(self) -> None:
        """Check the labels.

        Raises:
            ConfigError: If there are too few, or one twice.
        """
        if len(self.labels) < (1 if self.multi_label else 2):
            raise ConfigError(f"A head needs two labels or more, not {list(self.labels)}.")
        if len(set(self.labels)) < len(self.labels):
            raise ConfigError("A head has a label twice.")


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
        calibration: What the temperature did.
    """

    temperature: float = 1.0
    threshold: float | None = None
    scheme: str | None = None
    calibration: Calibration | None = None

    def __post_init__(self) -> None:
        """Check ranges.

        Raises:
            ConfigError: If a setting is out of its range.
        """
        if not 0.001 <= self.temperature <= 1000:
            raise ConfigError(f"temperature = {self.temperature} must be from 0.001 to 1000.")
        if self.threshold is not None and not 0 <= self.threshold <= 1:
            raise ConfigError(f"threshold = {self.threshold} must be from 0 to 1.")


class HeadedGPT(GPT):
    """The decoder with a head; what it is trained and run as.

    Its hidden states are :class:`GPT`'s own, and so are the names of its weights.

    Args:
        config: The switches.
        head: The head.
        attention: See :class:`GPT`.

    Attributes:
        labels: The head, as given.
        score: From a hidden state to a score for each label.
    """

    def __init__(
        self, config: GPTConfig, head: HeadConfig, *, attention: AttentionForm = "sdpa"
    ) -> None:
        super().__init__(config, attention=attention)
        self.labels = head
        self.score = nn.Linear(config.hidden_size, len(head.labels), bias=head.kind == "token")
        with torch.no_grad():
            self.score.weight.normal_(0.0, config.initializer_range)
            if head.kind == "token":
                self.score.bias.zero_()

    def scores(
        self, hidden: Float[Tensor, "B T D"], lengths: Int[Tensor, " B"]
    ) -> Float[Tensor, "B *T C"]:
        """Return fp32 scores of the labels: of each row's last token, or of every token.

        Args:
            hidden: What the model made of the rows.
            lengths: Tokens of each row; padding follows.
        """
        if self.labels.kind == "sequence":
            hidden = hidden[torch.arange(len(lengths), device=hidden.device), lengths - 1]
        output: Tensor = self.score(hidden)
        return output.float()

    def read_rows(
        self,
        token_ids: Int[Tensor, "B T"],
        lengths: Int[Tensor, " B"],
        *,
        hidden: Float[Tensor, "B T D"] | None = None,
        blocks: slice = slice(None),
    ) -> Float[Tensor, "B *T C"]:
        """Return the scores of rows that are padded on the right, with whatever token.

        Args:
            token_ids: The rows.
            lengths: Tokens of each row.
            hidden: As in :class:`GPT`: what the blocks before those of ``blocks`` made of them.
            blocks: Which blocks are left to go through.
        """
        mask = self.row_mask(token_ids, lengths)
        return self.scores(
            self(token_ids, document_ids=mask, hidden=hidden, blocks=blocks), lengths
        )

    def row_mask(
        self, token_ids: Int[Tensor, "B T"], lengths: Int[Tensor, " B"]
    ) -> Int[Tensor, "B T"] | None:
        """Return what keeps padding away from texts; None where they look back only."""
        if self.config.is_causal:
            return None
        place = torch.arange(token_ids.shape[1], device=token_ids.device)
        return (place >= lengths[:, None]).long()


def put_head(body: GPT, head: HeadConfig, *, layers: int | None = None) -> HeadedGPT:
    """Return a model with the weights of ``body`` and a head that has learned nothing.

    The two share memory; ``body`` is used up. A tagger's tokens look at the whole text where the
    family can say so.

    Args:
        body: The decoder.
        head: The labels.
        layers: Blocks to keep, from the first; None: all.

    Raises:
        ConfigError: If the body's family has no such class, or it has fewer blocks.
    """
    config = replace(body.config, tie_word_embeddings=True)  # there is no other head
    if layers is not None:
        config = _with_layers(config, layers)
    if config.model_type not in _CLASSES:
        raise ConfigError(f"Models of type {config.model_type!r} do not take a head.")
    if head.kind == "token" and _can_look_ahead(config):
        config = replace(config, is_causal=False)
    weights = {
        name: weight
        for name, weight in body.state_dict().items()
        if not name.startswith("head.") and _is_kept(name, config.num_hidden_layers)
    }
    score = nn.Linear(config.hidden_size, len(head.labels), bias=head.kind == "token")
    nn.init.normal_(score.weight, 0.0, config.initializer_range)
    if head.kind == "token":
        nn.init.zeros_(score.bias)
    dtype, device = body.embedding.weight.dtype, body.embedding.weight.device
    weights |= {
        f"score.{name}": weight.detach().to(device, dtype)
        for name, weight in score.state_dict().items()
    }
    return _filled(config, head, weights, attention=body.attention)


def _with_layers(config: GPTConfig, layers: int) -> GPTConfig:
    if layers > config.num_hidden_layers:
        raise ConfigError(
            f"layers = {layers} is more than the {config.num_hidden_layers} blocks of the model."
        )
    kinds = config.layer_types
    return replace(
        config,
        num_hidden_layers=layers,
        layer_types=None if kinds is None else kinds[:layers],
    )


def _is_kept(name: str, layers: int) -> bool:
    """Whether a weight is not of a block that is left out."""
    room, _, rest = name.partition(".")
    return room != "layers" or int(rest.partition(".")[0]) < layers


def _filled(
    config: GPTConfig,
    head: HeadConfig,
    weights: Mapping[str, Tensor],
    *,
    attention: AttentionForm = "sdpa",
) -> HeadedGPT:
    with without_weights():
        model = HeadedGPT(config, head, attention=attention)
    model.load_state_dict(dict(weights), assign=True)
    return model.eval()


def _can_look_ahead(config: GPTConfig) -> bool:
    """Whether transformers reads ``is_causal`` for this model."""
    return config.sliding_window is None and config.model_type not in ("gpt2", "gemma3_text")


# -- files -----------------------------------------------------------------------------------------


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
    fields_, tensors = stored_form(config, body)
    kind = model.embedding.weight.dtype if dtype == "auto" else getattr(torch, dtype)
    prefix = _prefix(config, head)
    tensors += [(f"{prefix}.{name.partition('.')[2]}", ours[name]) for name in own]
    write_head_settings(folder, settings)
    made = {**head_fields(head, name=_CLASSES[config.model_type]), "classifier_dropout": 0.0}
    write_folder(
        folder,
        {**fields_, **made},
        tensors,
        tokenizer=tokenizer,
        dtype=kind,
        card=card,
        others=[HEAD],
    )


def _prefix(config: GPTConfig, head: HeadConfig) -> str:
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
    return _filled(config, head, weights), read_head_settings(folder)


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


def write_head_settings(folder: Path, settings: HeadSettings) -> None:
    """Write ``head.json``."""
    write_json(folder / HEAD, {"format": _FORMAT, **asdict(settings)})


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
        calibration = known.pop("calibration")
        return HeadSettings(
            **known, calibration=None if calibration is None else Calibration(**calibration)
        )
    except (KeyError, TypeError, ConfigError) as error:
        raise CheckpointError(f"{str(path)!r} is damaged: {error}.") from error
