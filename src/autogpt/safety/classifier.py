"""Linear classifiers over hashed n-grams, small enough to ship: TF-IDF and one weight a class.

A model is a safetensors file: ``idf`` uint8 [2^18] (in 1/16), ``weight`` int8 [classes, 2^18],
``scale`` and ``bias`` float32 [classes]; its metadata names the classes. Multinomial where there
are several classes, logistic where there is one.

Source: Joulin et al. 2016, "Bag of Tricks for Efficient Text Classification" (linear models over
hashed n-grams); Platt 1999 (probabilities). Not here: training (``benchmarks/quality``).
"""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open

from autogpt.core.errors import CheckpointError
from autogpt.safety.features import BITS, Counts

__all__ = ["LinearClassifier", "load_classifier"]

_FOLDER = Path(__file__).parent / "weights"


class LinearClassifier:
    """Scores counts of features.

    Args:
        idf: float32 [2^18].
        weight: float32 [classes, 2^18].
        bias: float32 [classes].
        classes: Their names.
    """

    def __init__(
        self,
        idf: NDArray[np.float32],
        weight: NDArray[np.float32],
        bias: NDArray[np.float32],
        classes: tuple[str, ...],
    ) -> None:
        self.classes = classes
        self._idf = idf
        # Of one feature all weights lie side by side: a text then reads less memory.
        self._weight = np.ascontiguousarray((weight * idf).T)
        self._bias = bias

    def logits(self, counts: Counts) -> NDArray[np.float64]:
        """Return the score of each class for each text, float64 [texts, classes]."""
        features, rows, size = counts.features, counts.rows, counts.texts
        squares = (counts.weights * self._idf[features]) ** 2
        norms = np.sqrt(np.bincount(rows, weights=squares, minlength=size))
        norms[norms == 0] = 1.0
        own = self._weight[features] * counts.weights[:, None]
        sums = [
            np.bincount(rows, weights=own[:, place], minlength=size)
            for place in range(own.shape[1])
        ]
        return np.stack(sums, axis=1) / norms[:, None] + self._bias

    def probabilities(self, counts: Counts) -> NDArray[np.float64]:
        """Return the probability of each class for each text, float64 [texts, classes]."""
        logits = self.logits(counts)
        if len(self.classes) == 1:
            return np.asarray(1 / (1 + np.exp(-logits)))
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=1, keepdims=True))


@lru_cache(maxsize=8)
def load_classifier(name: str, folder: Path = _FOLDER) -> LinearClassifier:
    """Return a classifier that ships with the package.

    Raises:
        CheckpointError: If its file is missing or damaged.
    """
    path = folder / f"{name}.safetensors"
    try:
        with safe_open(path, framework="numpy") as file:
            classes = tuple(json.loads(file.metadata()["classes"]))
            tensors = {key: file.get_tensor(key) for key in ("idf", "weight", "scale", "bias")}
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"The safety classifier {str(path)!r} cannot be read.") from error
    except Exception as error:
        # safetensors' own error has no narrower base than Exception
        raise CheckpointError(f"The safety classifier {str(path)!r} is damaged.") from error
    weight = tensors["weight"].astype(np.float32) * tensors["scale"][:, None]
    if weight.shape != (len(classes), 1 << BITS):
        raise CheckpointError(f"The safety classifier {str(path)!r} has the wrong size.")
    idf = tensors["idf"].astype(np.float32) / 16
    return LinearClassifier(idf, weight, tensors["bias"].astype(np.float32), classes)
