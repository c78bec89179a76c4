"""A class of a text, from the vector that a sentence encoder gives it: the head, and its folder.

::

    config.json          "encoder": its name, its width and the sha256 of its weights; the labels,
                         as transformers names them
    model.safetensors    "score.weight" [C, D] and "score.bias" [C]: the head alone
    head.json            the temperature, the threshold (``models.head_files``)
    ngrams.safetensors   what n-grams add to the scores, if they do (``models.ngram_scores``)

The encoder stays where it is and as it is (docs/decisions/0007). Not here: the encoder
(``interop.transformers``), how the head is learned (``recipe.embedding_teaching``).

Letters in shapes: N texts, D numbers of a vector, C labels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from autogpt.core.config import from_mapping
from autogpt.core.errors import CheckpointError, ConfigError
from autogpt.data.preprocessing import EncoderConfig
from autogpt.models.checkpoint import check_manifest, read_settings, write_folder
from autogpt.models.head_files import (
    HeadSettings,
    head_fields,
    read_head,
    read_head_settings,
    write_beside,
)
from autogpt.models.heads import HeadConfig
from autogpt.models.ngram_scores import NgramScores
from autogpt.models.weights import open_weights

__all__ = [
    "MODEL_TYPE",
    "EmbeddingHead",
    "is_embedding_head",
    "load_embedding_head",
    "save_embedding_head",
]

MODEL_TYPE = "autogpt_embedding_head"
_CLASS = "Embedding"
_WEIGHT, _BIAS = "score.weight", "score.bias"


@dataclass(frozen=True, kw_only=True, slots=True)
class EmbeddingHead:
    """A linear head.

    Attributes:
        labels: What it says.
        encoder: Whose vectors it reads.
        weight: In fp32.
        bias: Likewise.
    """

    labels: HeadConfig
    encoder: EncoderConfig
    weight: Float[Tensor, "C D"]
    bias: Float[Tensor, " C"]

    def scores(self, vectors: Float[Tensor, "N D"]) -> Float[Tensor, "N C"]:
        """Return the logits of the labels."""
        return vectors.float() @ self.weight.T + self.bias


def is_embedding_head(settings: Mapping[str, Any]) -> bool:
    """Whether a ``config.json`` is of such a head."""
    return settings.get("model_type") == MODEL_TYPE


def save_embedding_head(
    head: EmbeddingHead,
    folder: Path,
    *,
    settings: HeadSettings,
    ngrams: NgramScores | None = None,
) -> None:
    """Write a folder.

    Args:
        head: The head.
        folder: Where to; made if needed.
        settings: How its scores are read.
        ngrams: What n-grams add to them.

    Raises:
        ResourceError: If the disk is full or the folder cannot be written.
    """
    others = write_beside(folder, settings, ngrams)
    write_folder(
        folder,
        {
            "model_type": MODEL_TYPE,
            **head_fields(head.labels, name=_CLASS),
            "encoder": asdict(head.encoder),
        },
        [(_WEIGHT, head.weight), (_BIAS, head.bias)],
        tokenizer=None,
        dtype=torch.float32,
        others=others,
    )


def load_embedding_head(folder: Path, *, deep: bool = True) -> tuple[EmbeddingHead, HeadSettings]:
    """Read a folder; its encoder is opened by whoever calls.

    Args:
        folder: In the layout above.
        deep: Compare sha256 with the manifest, if there is one, and not only sizes.

    Raises:
        CheckpointError: If a file is missing, torn or altered, or a weight is missing, unknown, of
            the wrong shape, or no finite number.
    """
    settings = read_settings(folder)
    path = folder / "config.json"
    try:
        encoder = from_mapping(EncoderConfig, settings["encoder"])
    except (KeyError, TypeError, AttributeError, ConfigError) as error:
        raise CheckpointError(f"{str(path)!r} does not say whose vectors it reads.") from error
    labels = read_head(settings)
    check_manifest(folder, deep=deep)
    shapes = {_WEIGHT: (len(labels.labels), encoder.width), _BIAS: (len(labels.labels),)}
    with open_weights(folder) as stored:
        for name in sorted({*shapes, *stored.places}):
            wanted = shapes.get(name)
            if wanted is None or name not in stored.places or stored.shape(name) != wanted:
                found = list(stored.shape(name)) if name in stored.places else "missing"
                raise CheckpointError(
                    f"{str(stored.path)!r} holds {name!r} as {found}, but config.json asks for "
                    f"{'nothing of that name' if wanted is None else list(wanted)}."
                )
        weight, bias = (stored.tensor(name).float() for name in shapes)
    head = EmbeddingHead(labels=labels, encoder=encoder, weight=weight, bias=bias)
    return head, read_head_settings(folder)
