"""Training of the rails' linear classifiers, and what is said of them: weights, card, intervals.

TF-IDF over the features of ``autogpt.safety.features``, then logistic regression by scikit-learn;
stored as ``autogpt.safety.classifier`` reads it, and measured as it is stored.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file
from scipy.sparse import csr_matrix, diags, vstack
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score

from autogpt.safety.classifier import LinearClassifier, load_classifier
from autogpt.safety.features import BITS, count_features
from autogpt.safety.normalize import normalize

__all__ = [
    "bootstrap",
    "evaluate",
    "fit",
    "idf_of",
    "macro_f1",
    "safety_data",
    "matrix",
    "scaled",
    "share",
    "write",
]

DATA = Path(__file__).parents[3] / "shared/data"  # or what --data says
WEIGHTS = Path(__file__).parents[2] / "src/autogpt/safety/weights"
_SIZE = 1 << BITS


def safety_data(name: str) -> Path:
    """Return the path of a file of the safety data; the script ends where it is missing."""
    path = DATA / "safety" / name
    if not path.exists():
        sys.exit(f"{path} is missing: name the folder of data with --data.")
    return path


def matrix(texts: Sequence[str]) -> csr_matrix:
    """Return the features of texts, [N, 2^18]."""
    parts = []
    for begin in range(0, len(texts), 500):
        counts = count_features([normalize(text).text for text in texts[begin : begin + 500]])
        parts.append(
            csr_matrix(
                (counts.weights, (counts.rows, counts.features)), shape=(counts.texts, _SIZE)
            )
        )
    return vstack(parts).tocsr()


def idf_of(features: csr_matrix) -> NDArray[np.float32]:
    """Return inverse document frequencies in sixteenths, as they are stored; rare ones are 0."""
    seen = np.bincount(features.indices, minlength=_SIZE)
    values = np.log((1 + features.shape[0]) / (1 + seen)) + 1
    values[seen < 2] = 0
    return (np.clip(np.rint(values * 16), 0, 255) / 16).astype(np.float32)


def scaled(features: csr_matrix, idf: NDArray[np.float32]) -> csr_matrix:
    """Return the features times ``idf``, each text of length 1."""
    weighted = features.copy()
    weighted.data = weighted.data * idf[weighted.indices]
    norms = np.sqrt(np.asarray(weighted.multiply(weighted).sum(axis=1)).ravel())
    norms[norms == 0] = 1
    return (diags(1 / norms) @ weighted).tocsr().astype(np.float32)


def fit(
    features: csr_matrix,
    labels: NDArray[np.int64],
    *,
    strength: float,
    weights: dict[int, float] | None = None,
    sample: NDArray[np.float64] | None = None,
) -> LogisticRegression:
    """Return a fitted logistic regression; ``strength`` is scikit-learn's C."""
    model = LogisticRegression(C=strength, class_weight=weights, max_iter=300, tol=1e-4)
    return model.fit(features, labels, sample_weight=sample)


def write(
    name: str,
    model: LogisticRegression,
    idf: NDArray[np.float32],
    classes: Sequence[str],
    *,
    shift: Sequence[float] = (),
) -> LinearClassifier:
    """Write the weights in 8 bits, and return the classifier as it will be loaded.

    Args:
        name: Of the file.
        model: As fitted.
        idf: As used.
        classes: Their names.
        shift: What is added to the biases.
    """
    weight = model.coef_.astype(np.float32)
    scale = np.abs(weight).max(axis=1) / 127
    tensors = {
        "idf": np.rint(idf * 16).astype(np.uint8),
        "weight": np.rint(weight / scale[:, None]).astype(np.int8),
        "scale": scale.astype(np.float32),
        "bias": (model.intercept_ + (np.array(shift) if len(shift) else 0)).astype(np.float32),
    }
    WEIGHTS.mkdir(exist_ok=True)
    path = WEIGHTS / f"{name}.safetensors"
    save_file(tensors, path, metadata={"classes": json.dumps(list(classes))})
    load_classifier.cache_clear()
    return load_classifier(name)


def evaluate(classifier: LinearClassifier, texts: Sequence[str]) -> NDArray[np.float64]:
    """Return the probabilities that the stored classifier gives, [N, classes]."""
    parts = [
        classifier.probabilities(
            count_features([normalize(text).text for text in texts[begin : begin + 500]])
        )
        for begin in range(0, len(texts), 500)
    ]
    return np.concatenate(parts)


def macro_f1(truth: NDArray[np.int64], guess: NDArray[np.int64]) -> float:
    """Return the mean of the classes' F1."""
    return float(f1_score(truth, guess, average="macro"))


def bootstrap(
    measure: Callable[[NDArray[np.int64], NDArray[np.int64]], float],
    truth: NDArray[np.int64],
    guess: NDArray[np.int64],
    *,
    draws: int = 300,
) -> dict[str, float]:
    """Return a measure with its 95% interval by resampling the texts (Efron 1979)."""
    chance = np.random.default_rng(0)
    values = []
    for _ in range(draws):
        places = chance.integers(0, len(truth), len(truth))
        values.append(measure(truth[places], guess[places]))
    low, high = np.quantile(values, [0.025, 0.975])
    return {
        "value": round(measure(truth, guess), 4),
        "low": round(float(low), 4),
        "high": round(float(high), 4),
    }


def share(hits: int, total: int) -> dict[str, float]:
    """Return a share with its 95% interval (Wilson 1927)."""
    if not total:
        return {"value": math.nan, "low": 0.0, "high": 1.0, "n": 0}
    z, p = 1.96, hits / total
    middle = (p + z * z / (2 * total)) / (1 + z * z / total)
    half = z * math.sqrt(p * (1 - p) / total + z * z / (4 * total**2)) / (1 + z * z / total)
    return {
        "value": round(p, 4),
        "low": round(max(0.0, middle - half), 4),
        "high": round(min(1.0, middle + half), 4),
        "n": total,
    }
