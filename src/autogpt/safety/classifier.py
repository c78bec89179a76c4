"""Linear classifiers over hashed n-grams, small enough to ship: TF-IDF and one weight a class.

A model is a safetensors file. For each bucket of hashes there is one n-gram that was learned:
``check`` uint8 [2^bits] holds more bits of its hash, so that others in the bucket are left out,
``idf`` uint8 [2^bits] what it counts, on a scale of powers (0: the bucket is empty), and ``weight``
int8 [classes, 2^bits] what it says. ``scale`` and ``bias`` are float32 [classes]; the metadata
names the classes and the n-grams. Each class has a logistic regression of its own against all
others; of several, the highest score is meant.

Source: Joulin et al. 2016, "Bag of Tricks for Efficient Text Classification" (linear models over
hashed n-grams); Bloom 1970, "Space/Time Trade-offs in Hash Coding" (a part of the hash in place of
the key). Not here: training (``benchmarks/quality``).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open

from autogpt.core.config import from_mapping
from autogpt.core.errors import CheckpointError
from autogpt.tokenizer.hashed_ngrams import CHECK_BITS, Counts, Features, count_features

__all__ = ["IDF_LEVELS", "LinearClassifier", "load_classifier"]

IDF_LEVELS: NDArray[np.float32] = np.exp((np.arange(256) - 128) / 24).astype(np.float32)
"""What each byte of ``idf`` means, 4% apart; the first stands for 0."""
IDF_LEVELS[0] = 0.0

_TENSORS = ("check", "idf", "weight", "scale", "bias")
_FOLDER = Path(__file__).parent / "weights"


class LinearClassifier:
    """Scores counts of features.

    Args:
        check: uint8 [2^bits].
        idf: uint8 [2^bits], places in ``IDF_LEVELS``.
        weight: int8 [classes, 2^bits].
        scale: float32 [classes].
        bias: float32 [classes].
        classes: Their names.
        features: What it counts.

    Attributes:
        classes: As given.
    """

    def __init__(
        self,
        check: NDArray[np.uint8],
        idf: NDArray[np.uint8],
        weight: NDArray[np.int8],
        *,
        scale: NDArray[np.float32],
        bias: NDArray[np.float32],
        classes: tuple[str, ...],
        features: Features,
    ) -> None:
        self.classes = classes
        self._features = features
        # All of one bucket lies side by side: most of the time is spent waiting for memory.
        width = -(-(2 + len(classes)) // 4) * 4
        self._buckets = np.zeros((len(check), width), np.uint8)
        self._buckets[:, 0] = check
        self._buckets[:, 1] = idf
        self._buckets[:, 2 : 2 + len(classes)] = weight.T.view(np.uint8)
        self._scale = scale
        self._bias = bias

    def _logits(self, counts: Counts) -> NDArray[np.float64]:
        """Return the score of each class for each text, float64 [texts, classes]."""
        size, rows, weights = counts.texts, counts.rows, counts.weights
        own = self._buckets.take(counts.features >> CHECK_BITS, axis=0)
        idf = IDF_LEVELS[own[:, 1]]
        norms = np.sqrt(np.bincount(rows, weights=(weights * idf) ** 2, minlength=size))
        norms[norms == 0] = 1.0
        sums = []
        for place, scale in enumerate(self._scale):
            weight = own[:, 2 + place].view(np.int8) * scale
            weight *= idf
            weight *= weights
            sums.append(np.bincount(rows, weights=weight, minlength=size))
        return np.stack(sums, axis=1) / norms[:, None] + self._bias

    def probabilities(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Return the probability of each class for each text, float64 [texts, classes].

        Args:
            texts: Normalized texts.
        """
        logits = self._logits(count_features(texts, self._features, check=self._buckets[:, 0]))
        return np.asarray(1 / (1 + np.exp(-logits.clip(-50, 50))))


@lru_cache(maxsize=8)
def load_classifier(name: str, folder: Path = _FOLDER) -> LinearClassifier:
    """Return a classifier that ships with the package.

    Raises:
        CheckpointError: If its file is missing or damaged.
    """
    path = folder / f"{name}.safetensors"
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata()
            classes = tuple(json.loads(metadata["classes"]))
            features = from_mapping(Features, json.loads(metadata["features"]))
            tensors = {key: file.get_tensor(key) for key in _TENSORS}
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"The safety classifier {str(path)!r} cannot be read.") from error
    except Exception as error:
        # safetensors' own error has no narrower base than Exception
        raise CheckpointError(f"The safety classifier {str(path)!r} is damaged.") from error
    size = 1 << features.bits
    shapes = [tensors[name].shape for name in ("check", "idf", "weight")]
    if shapes != [(size,), (size,), (len(classes), size)]:
        raise CheckpointError(f"The safety classifier {str(path)!r} has the wrong size.")
    return LinearClassifier(**tensors, classes=classes, features=features)
