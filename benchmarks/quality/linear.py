"""Training of the rails' linear classifiers, and what is said of them: weights, card, intervals.

TF-IDF over the features of ``autogpt.tokenizer.hashed_ngrams``, then logistic regression by
scikit-learn; stored as ``autogpt.safety.classifier`` reads it, and measured as it is stored.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file
from scipy.sparse import csr_matrix, diags, vstack
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score

from autogpt.safety.classifier import IDF_LEVELS, LinearClassifier, load_classifier
from autogpt.safety.normalize import normalize
from autogpt.tokenizer.hashed_ngrams import CHECK_BITS, Features, count_features

__all__ = [
    "Learned",
    "Weighing",
    "bootstrap",
    "evaluate",
    "fit",
    "idf_of",
    "macro_f1",
    "matrix",
    "safety_data",
    "scaled",
    "share",
    "write",
]

DATA = Path(__file__).parents[3] / "shared/data"  # or what --data says
WEIGHTS = Path(__file__).parents[2] / "src/autogpt/safety/weights"


@dataclass(frozen=True)
class Linear:
    """Weights [classes, 2^bits] and biases [classes]."""

    weight: NDArray[np.float32]
    bias: NDArray[np.float32]

    def logits(self, features: csr_matrix) -> NDArray[np.float64]:
        """Return the scores of texts, [N, classes]."""
        return np.asarray(features @ self.weight.T + self.bias)


def safety_data(name: str) -> Path:
    """Return the path of a file of the safety data; the script ends where it is missing."""
    path = DATA / "safety" / name
    if not path.exists():
        sys.exit(f"{path} is missing: name the folder of data with --data.")
    return path


@dataclass(frozen=True)
class Learned:
    """What texts hold, of what more than one of them holds.

    Attributes:
        counts: [N, V].
        numbers: Of the features, as ``count_features`` gives them, rising; int64 [V].
    """

    counts: csr_matrix
    numbers: NDArray[np.int64]


def matrix(texts: Sequence[str], which: Features) -> Learned:
    """Return the features of texts; of those that share a bucket the most frequent."""
    parts = [
        count_features([normalize(text).text for text in texts[begin : begin + 500]], which)
        for begin in range(0, len(texts), 500)
    ]
    numbers, columns, seen = np.unique(
        np.concatenate([part.features for part in parts]), return_inverse=True, return_counts=True
    )
    rows = np.concatenate([part.rows + 500 * place for place, part in enumerate(parts)])
    order = np.lexsort((-seen, numbers >> CHECK_BITS))
    _, first = np.unique((numbers >> CHECK_BITS)[order], return_index=True)
    kept = np.zeros(len(numbers), bool)
    kept[order[first]] = True
    kept &= seen > 1
    whole = csr_matrix(
        (np.concatenate([part.weights for part in parts]), (rows, columns)),
        shape=(len(texts), len(numbers)),
    )
    return Learned(whole[:, kept].tocsr(), numbers[kept])


@dataclass(frozen=True)
class Weighing:
    """How the ratio of classes counts: (``least`` + ratio) ** ``power``."""

    least: float
    power: float


def idf_of(
    features: csr_matrix, shares: NDArray[np.float64], weighing: Weighing
) -> NDArray[np.float32]:
    """Return what features count, on the scale on which it is stored; rare ones count nothing.

    The inverse document frequency, times a power of the largest log ratio of how often classes
    have the feature (after Wang and Manning 2012, "Baselines and Bigrams": naive Bayes features).

    Args:
        features: Of the texts that are learned from.
        shares: How far each belongs to each class.
        weighing: As chosen on them.
    """
    seen = np.bincount(features.indices, minlength=features.shape[1])
    values = np.log((1 + features.shape[0]) / (1 + seen)) + 1
    has = features.copy()
    has.data = np.ones_like(has.data)
    ratios = []
    for own in shares.T:
        inside, outside = has.T @ own + 1, has.T @ (1 - own) + 1
        ratios.append(np.abs(np.log((inside / inside.sum()) / (outside / outside.sum()))))
    values = values * (weighing.least + np.max(ratios, axis=0)) ** weighing.power
    return np.where(seen < 2, 0, IDF_LEVELS[_levels(values)]).astype(np.float32)


def _levels(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the level of each value: 0 for 0, else the nearest of ``IDF_LEVELS``."""
    logs = np.log(np.maximum(values, 1e-9))
    levels = np.rint(24 * logs).astype(np.int64) + 128
    return np.where(values > 0, levels.clip(1, 255), 0)


def scaled(features: csr_matrix, idf: NDArray[np.float32]) -> csr_matrix:
    """Return the features times ``idf``, each text of length 1."""
    weighted = features.copy()
    weighted.data = weighted.data * idf[weighted.indices]
    norms = np.sqrt(np.asarray(weighted.multiply(weighted).sum(axis=1)).ravel())
    norms[norms == 0] = 1
    return (diags(1 / norms) @ weighted).tocsr().astype(np.float32)


def fit(
    features: csr_matrix,
    shares: NDArray[np.float64],
    *,
    strength: float,
    balance: float = 0.0,
    sample: NDArray[np.float64] | None = None,
) -> Linear:
    """Return a fitted logistic regression of each class against the others.

    Args:
        features: Scaled, [N, 2^bits].
        shares: How far each text belongs to each class, 0 to 1, [N, classes]: the judges' votes.
        strength: scikit-learn's C.
        balance: 0 weighs all texts alike, 1 so that both sides weigh the same.
        sample: More weights of texts.
    """
    weights, biases = [], []
    extra = np.ones(len(shares)) if sample is None else sample
    for own in shares.T:
        share = own.mean()
        for_it, against = np.flatnonzero(own > 0), np.flatnonzero(own < 1)
        weight = np.concatenate(
            [
                own[for_it] * extra[for_it] * (0.5 / share) ** balance,
                (1 - own[against]) * extra[against] * (0.5 / (1 - share)) ** balance,
            ]
        )
        sides = np.concatenate([np.ones(len(for_it)), np.zeros(len(against))])
        rows = vstack([features[for_it], features[against]])
        model = LogisticRegression(C=strength, solver="liblinear", tol=0.01, random_state=0)
        model.fit(rows, sides, sample_weight=weight)
        weights.append(model.coef_[0])
        biases.append(model.intercept_[0])
    return Linear(np.stack(weights).astype(np.float32), np.array(biases, dtype=np.float32))


def write(
    name: str,
    model: Linear,
    idf: NDArray[np.float32],
    numbers: NDArray[np.int64],
    classes: Sequence[str],
    *,
    features: Features,
    shift: Sequence[float] = (),
) -> LinearClassifier:
    """Write the weights in 8 bits, and return the classifier as it will be loaded.

    Args:
        name: Of the file.
        model: As fitted.
        idf: As used, [V].
        numbers: Of the features, [V].
        classes: Their names.
        features: What was counted.
        shift: What is added to the biases.
    """
    scale = np.abs(model.weight).max(axis=1) / 127
    size, buckets = 1 << features.bits, numbers >> CHECK_BITS
    tensors = {
        "check": np.zeros(size, np.uint8),
        "idf": np.zeros(size, np.uint8),
        "weight": np.zeros((len(classes), size), np.int8),
        "scale": scale.astype(np.float32),
        "bias": (model.bias + (np.array(shift) if len(shift) else 0)).astype(np.float32),
    }
    tensors["check"][buckets] = numbers & ((1 << CHECK_BITS) - 1)
    tensors["idf"][buckets] = _levels(idf.astype(np.float64))
    tensors["weight"][:, buckets] = np.rint(model.weight / scale[:, None])
    WEIGHTS.mkdir(exist_ok=True)
    metadata = {"classes": json.dumps(list(classes)), "features": json.dumps(asdict(features))}
    path = WEIGHTS / f"{name}.safetensors"
    save_file(tensors, path, metadata=metadata)
    path.chmod(0o644)
    load_classifier.cache_clear()
    return load_classifier(name)


def evaluate(classifier: LinearClassifier, texts: Sequence[str]) -> NDArray[np.float64]:
    """Return the probabilities that the stored classifier gives, [N, classes]."""
    parts = [
        classifier.probabilities([normalize(text).text for text in texts[begin : begin + 500]])
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
