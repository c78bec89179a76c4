"""Models of Hugging Face that see: ViT and its kin label pictures, CLIP and SigLIP match any words.

::

    animals = autogpt.load("hf:google/vit-base-patch16-224")
    animals.predict("cat.jpg")                               # probabilities of its own labels
    clip = autogpt.load("hf:openai/clip-vit-base-patch32")
    clip.with_labels(["a cat", "a dog"]).predict("cat.jpg")  # of yours, without training

They run in ``transformers``, an extra, behind the methods of ``llm.Recognizer``. Weights are
safetensors only, no code of a model is run, and pictures are prepared by pillow.

Sources: Dosovitskiy et al. 2021 (ViT); Radford et al. 2021 (CLIP: the softmax of similarities);
Zhai et al. 2023 (SigLIP: a sigmoid of each, so that none may fit).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from autogpt.core.errors import CheckpointError, DataError, MissingExtraError, UsageError
from autogpt.core.examples import Medium
from autogpt.core.files import read_json
from autogpt.data.media_store import MediaStore
from autogpt.interop.transformers import explained, refuse_foreign_code, without_bars
from autogpt.models.weights import open_weights
from autogpt.tasks.classification import Classification, decide

__all__ = ["HubRecognizer", "is_vision", "load_vision"]

_ZERO_SHOT = ("clip", "siglip", "siglip2")
_ENDING = "ForImageClassification"
_BATCH = 16
_TEMPLATE = (
    "This is a photo of {}."  # of transformers' zero-shot pipeline, both for CLIP and SigLIP
)

Source = str | Path | bytes


def is_vision(path: Path) -> bool:
    """Whether a folder holds a model that :func:`load_vision` reads."""
    if not (path / "config.json").is_file():
        return False
    settings = read_json(path / "config.json")
    if not isinstance(settings, dict):
        return False
    names = settings.get("architectures") or []
    labels = any(isinstance(name, str) and name.endswith(_ENDING) for name in names)
    return labels or settings.get("model_type") in _ZERO_SHOT


def load_vision(
    path: Path, *, dtype: Literal["auto", "float32", "bfloat16"] = "float32"
) -> HubRecognizer:
    """Read a folder.

    Args:
        path: In Hugging Face layout.
        dtype: To compute in; "auto" is what the weights are stored as.

    Raises:
        MissingExtraError: If ``transformers`` is not installed.
        CheckpointError: If a file is missing or damaged, the model brings code of its own, or its
            head is not trained.
    """
    settings = read_json(path / "config.json")
    refuse_foreign_code(path, settings)
    with open_weights(path):  # refuses pickles and torn files, in words of our own
        pass
    try:
        import transformers
    except ImportError as error:
        raise MissingExtraError(
            "transformers", extra="transformers", purpose="A vision model of the hub"
        ) from error
    matches = settings.get("model_type") in _ZERO_SHOT
    kind: Any = transformers.AutoModel if matches else transformers.AutoModelForImageClassification
    with explained(path, what="a vision model"), without_bars(transformers):
        model, found = kind.from_pretrained(
            path,
            dtype="auto" if dtype == "auto" else getattr(torch, dtype),
            use_safetensors=True,
            trust_remote_code=False,
            local_files_only=True,
            output_loading_info=True,
        )
        # By pillow, and not torchvision; transformers 5 has another word for it than 4.
        by_pillow: dict[str, Any] = {"backend": "pil"}
        if int(transformers.__version__.partition(".")[0]) < 5:
            by_pillow = {"use_fast": False}
        processor = transformers.AutoImageProcessor.from_pretrained(  # type: ignore[no-untyped-call]
            path, trust_remote_code=False, local_files_only=True, **by_pillow
        )
        tokenizer = None
        if matches:
            tokenizer = transformers.AutoTokenizer.from_pretrained(
                path, trust_remote_code=False, local_files_only=True
            )
    missing = sorted(name for name in found["missing_keys"] if "position_ids" not in name)
    if missing:
        raise CheckpointError(
            f"The weights in {str(path)!r} lack {missing[0]!r}: it is not trained, and what it "
            "said would be noise."
        )
    return HubRecognizer(model.eval(), processor, tokenizer)


class HubRecognizer:
    """A model of Hugging Face that labels pictures. Made by :func:`load_vision`.

    Args:
        model: Of transformers.
        processor: Prepares pictures.
        tokenizer: Of a model that matches words; None of one with labels of its own.

    Attributes:
        medium: What it looks at.
        labels: What it knows; empty where it takes any.
    """

    medium: Medium = "picture"

    def __init__(self, model: Any, processor: Any, tokenizer: Any | None) -> None:  # noqa: ANN401 - of an extra
        self._model, self._processor, self._tokenizer = model, processor, tokenizer
        self.labels: tuple[str, ...] = ()
        if tokenizer is None:
            named = model.config.id2label
            self.labels = tuple(str(named[number]) for number in sorted(named))
        self._store = MediaStore(most_bytes=1)
        # Patches of the size that pictures are brought to; a network of convolutions has none.
        seen = getattr(model.config, "vision_config", model.config)
        size, patch = getattr(seen, "image_size", None), getattr(seen, "patch_size", None)
        known = isinstance(size, int) and isinstance(patch, int)
        self._places = (size // patch) ** 2 if known else 0  # type: ignore[operator]  # numbers

    def __repr__(self) -> str:
        return f"HubRecognizer({self._model.config.model_type}, {len(self.labels)} labels)"

    def with_labels(self, labels: Sequence[str]) -> HubRecognizer:
        """Return one that chooses among these labels.

        Raises:
            UsageError: If the model has labels of its own, or these are too few.
        """
        if self._tokenizer is None:
            raise UsageError(
                "This model has labels of its own.", hint="Leave --labels out, or take a CLIP."
            )
        if len(set(labels)) < 2 or len(set(labels)) < len(labels):
            raise UsageError(f"Two different labels or more were expected, not {list(labels)}.")
        chosen = HubRecognizer(self._model, self._processor, self._tokenizer)
        chosen.labels = tuple(labels)
        return chosen

    def predict(self, sources: Source | Sequence[Source]) -> Any:  # noqa: ANN401 - as of Recognizer
        """Return the probability of each label, of a file or of each of several."""
        if isinstance(sources, str | Path | bytes):
            return next(self.run([sources])).probabilities
        return [answer.probabilities for answer in self.run(sources)]

    def run(
        self,
        sources: Sequence[Source],
        *,
        top_k: int | None = None,
        threshold: float | None = None,
        skipped: Callable[[str], None] | None = None,
    ) -> Iterator[Classification]:
        """Yield the answer for each file, in order; as ``Recognizer.run``.

        Raises:
            DataError: If a file is broken and ``skipped`` is None.
            UsageError: If the model needs labels and has none.
        """
        if not self.labels:
            raise UsageError(
                "This model matches pictures with words, and there are none.",
                hint='Give --labels "a cat,a dog".',
            )
        for first in range(0, len(sources), _BATCH):
            begin = time.perf_counter()
            names, pictures = [], []
            for source in sources[first : first + _BATCH]:
                try:
                    pixels = self._store.picture(
                        source if isinstance(source, bytes) else str(source)
                    )
                except DataError as error:
                    if skipped is None:
                        raise
                    skipped(error.message)
                    continue
                names.append("" if isinstance(source, bytes) else str(source))
                whole = np.repeat(pixels, 3, axis=0) if len(pixels) == 1 else pixels
                pictures.append(whole)
            if pictures:
                rows = self._chances(pictures).double().numpy().tolist()
                wall_s = (time.perf_counter() - begin) / len(rows)
                for name, row in zip(names, rows, strict=True):
                    yield decide(
                        name,
                        dict(zip(self.labels, row, strict=True)),
                        threshold=threshold,
                        top_k=top_k,
                        prompt_tokens=self._places,
                        wall_s=wall_s,
                    )

    @torch.inference_mode()
    def _chances(self, pictures: Sequence[Any]) -> Tensor:
        values = self._processor(
            images=list(pictures), return_tensors="pt", input_data_format="channels_first"
        )["pixel_values"].to(self._model.dtype)
        if self._tokenizer is None:
            scores: Tensor = self._model(pixel_values=values).logits.float()
            return scores.softmax(-1)
        is_clip = self._model.config.model_type == "clip"
        # SigLIP learned from texts padded to its 64 tokens (Zhai et al. 2023, released weights).
        padding = {"padding": True} if is_clip else {"padding": "max_length", "max_length": 64}
        words = self._tokenizer(
            [_TEMPLATE.format(label) for label in self.labels],
            return_tensors="pt",
            truncation=True,
            **padding,
        )
        asked = {key: words[key] for key in ("input_ids", "attention_mask") if key in words}
        scores = self._model(pixel_values=values, **asked).logits_per_image.float()
        return scores.softmax(-1) if is_clip else scores.sigmoid()
