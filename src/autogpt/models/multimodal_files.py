"""The folder of a model that sees or hears, in the layout that Hugging Face gives such models.

::

    config.json          "text_config": the decoder; "preprocessing": how pictures or sounds are
                         read; "recognition": the task, the labels, the temperature of their scores
    model.safetensors    "language_model.*": the decoder as its family names it; "stem.*": ours
    tokenizer.json, tokenizer_config.json, manifest.json

The decoder inside is an ordinary model of its family: take the prefix ``language_model.`` off and
it opens in transformers. The stem is of our own, so the whole is opened here. Not here: the model
(``multimodal``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

import torch

from autogpt.core.config import from_mapping
from autogpt.core.errors import CheckpointError, ConfigError
from autogpt.data.preprocessing import PictureConfig, SoundConfig
from autogpt.models.checkpoint import SavableTokenizer, check_manifest, read_settings, write_folder
from autogpt.models.family import find_family
from autogpt.models.multimodal import MultimodalGPT, filled, put_stem
from autogpt.models.stored_form import build_model, stored_form
from autogpt.models.weights import open_weights

__all__ = [
    "MODEL_TYPE",
    "MediaTask",
    "Recognition",
    "is_multimodal",
    "load_multimodal",
    "read_multimodal",
    "save_multimodal",
]

MODEL_TYPE = "autogpt_multimodal"
MediaTask = Literal["recognize", "transcribe"]
_BODY, _STEM = "language_model.", "stem."
_KINDS: dict[str, type[PictureConfig] | type[SoundConfig]] = {
    "picture": PictureConfig,
    "sound": SoundConfig,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Recognition:
    """What the model writes.

    Attributes:
        task: ``recognize``: one of the labels; ``transcribe``: any text.
        labels: The labels; none for transcripts.
        temperature: The log probabilities of labels are divided by it.
        calibration_error: Expected calibration error with it, on examples not trained on.
    """

    task: MediaTask
    labels: tuple[str, ...] = ()
    temperature: float = 1.0
    calibration_error: float | None = None

    def __post_init__(self) -> None:
        """Check the labels.

        Raises:
            ConfigError: If there are too few, one twice, or the temperature is out of its range.
        """
        if self.task not in ("recognize", "transcribe"):
            raise ConfigError(f"task = {self.task!r}, expected recognize or transcribe.")
        if self.task == "recognize" and len(set(self.labels)) < max(2, len(self.labels)):
            raise ConfigError(f"Two different labels or more were expected, not {self.labels[:5]}.")
        if not 0.001 <= self.temperature <= 1000:
            raise ConfigError(f"temperature = {self.temperature} must be from 0.001 to 1000.")


def is_multimodal(settings: Mapping[str, Any]) -> bool:
    """Whether a ``config.json`` is of such a model."""
    return settings.get("model_type") == MODEL_TYPE


def save_multimodal(
    model: MultimodalGPT,
    folder: Path,
    *,
    tokenizer: SavableTokenizer,
    recognition: Recognition,
    dtype: Literal["auto", "float32", "bfloat16"] = "auto",
    card: str | None = None,
) -> None:
    """Write a folder.

    Args:
        model: The model, on any device.
        folder: Where to; made if needed.
        tokenizer: Saved along.
        recognition: What it writes.
        dtype: Of the stored weights; "auto" is what the model has.
        card: Text of ``README.md``.

    Raises:
        ConfigError: If the decoder's family does not have its switches.
        ResourceError: If the disk is full or the folder cannot be written.
    """
    ours = model.state_dict()
    stem = {name: weight for name, weight in ours.items() if name.startswith(_STEM)}
    body = {name: weight for name, weight in ours.items() if name not in stem}
    text_config, tensors = stored_form(model.config, body)
    kind = model.embedding.weight.dtype if dtype == "auto" else getattr(torch, dtype)
    medium = "picture" if isinstance(model.medium, PictureConfig) else "sound"
    write_folder(
        folder,
        {
            "model_type": MODEL_TYPE,
            "architectures": ["MultimodalGPT"],
            "text_config": text_config,
            "preprocessing": {"medium": medium, **asdict(model.medium)},
            "recognition": asdict(recognition),
        },
        [*((f"{_BODY}{name}", tensor) for name, tensor in tensors), *stem.items()],
        tokenizer=tokenizer,
        dtype=kind,
        card=card,
    )


def read_multimodal(folder: Path) -> tuple[PictureConfig | SoundConfig, Recognition]:
    """Return how a folder's model reads and what it writes, without its weights.

    Raises:
        CheckpointError: If ``config.json`` is missing, broken, or of another model.
    """
    settings = read_settings(folder)
    path = folder / "config.json"
    try:
        given = dict(settings["preprocessing"])
        kind = _KINDS[given.pop("medium")]
        known = {field.name for field in fields(Recognition)}
        kept = settings["recognition"].items()
        said = {key: value for key, value in kept if key in known and value is not None}
        return from_mapping(kind, given), from_mapping(Recognition, said)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise CheckpointError(
            f"{str(path)!r} does not say how pictures or sounds are read: {error!r}."
        ) from error
    except ConfigError as error:
        raise CheckpointError(f"{str(path)!r} contradicts itself: {error.message}") from error


def load_multimodal(
    folder: Path,
    *,
    dtype: Literal["auto", "float32", "bfloat16"] = "float32",
    deep: bool = True,
) -> tuple[MultimodalGPT, Recognition]:
    """Read a folder, checking everything that can be checked.

    Args:
        folder: In the layout above.
        dtype: Of the model; "auto" is what the weights are stored as.
        deep: Compare sha256 with the manifest, if there is one, and not only sizes.

    Raises:
        CheckpointError: If a file is missing, torn or altered, or a weight is missing, unknown, of
            the wrong shape, or no finite number.
    """
    medium, recognition = read_multimodal(folder)
    text_config = read_settings(folder).get("text_config")
    if not isinstance(text_config, dict):
        raise CheckpointError(f"{str(folder / 'config.json')!r} has no text_config.")
    family = find_family(text_config.get("model_type"))
    try:
        config = family.from_hf(text_config)
    except ConfigError as error:
        raise CheckpointError(
            f"{str(folder / 'config.json')!r} contradicts itself: {error.message}"
        ) from error
    check_manifest(folder, deep=deep)
    with open_weights(folder) as stored:
        stem = {name: place for name, place in stored.places.items() if name.startswith(_STEM)}
        body = {
            name.removeprefix(_BODY): place
            for name, place in stored.places.items()
            if name not in stem
        }
        gpt = build_model(config, replace(stored, places=body), names=family, dtype=dtype)
        wanted = {
            name: weight.shape
            for name, weight in put_stem(gpt, medium).state_dict().items()
            if name.startswith(_STEM)
        }
        weights = dict(gpt.state_dict())
        for name, shape in wanted.items():
            if name not in stem or stored.shape(name) != tuple(shape):
                found = list(stored.shape(name)) if name in stem else "missing"
                raise CheckpointError(
                    f"{str(stored.path)!r} holds {name!r} as {found}, but config.json asks for "
                    f"{list(shape)}."
                )
            weights[name] = stored.tensor(name).to(gpt.embedding.weight.dtype)
        unknown = sorted(stem.keys() - wanted.keys())
        if unknown:
            raise CheckpointError(f"{str(stored.path)!r} holds the unknown {unknown[0]!r}.")
    return filled(config, medium, weights), recognition
