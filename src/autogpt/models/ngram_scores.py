"""What n-grams say of a text's label: logistic regression on TF-IDF, beside a model's own scores.

A word that occurs in ten examples is learned at once by a weight of its own; a Transformer learns
it from far more, and knows what such a weight cannot. The two are wrong in different places, so
their scores are added up (docs/decisions/0010).

``ngrams.safetensors`` lies in the model's folder: ``numbers`` int64 [F], the n-grams it knows,
rising; ``idf`` float32 [F]; ``weight`` float16 [F, C]. Programs that do not know it read the
model's own scores.

Sources: Genest and Zidek 1986, "Combining Probability Distributions" (logarithmic opinion pools);
Cheng et al. 2016, "Wide & Deep Learning for Recommender Systems"; Wang and Manning 2012, "Baselines
and Bigrams". Not here: how they are learned (``recipe.ngram_teaching``).

Letters in shapes: N texts, F n-grams, C labels.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from autogpt.models.side_arrays import Array, load_arrays, save_arrays
from autogpt.tokenizer.hashed_ngrams import Counts, Features, count_features

__all__ = [
    "NGRAMS",
    "NgramBags",
    "NgramScores",
    "document_frequencies",
    "load_ngrams",
    "save_ngrams",
]

NGRAMS = "ngrams.safetensors"

# Runs of 1 to 4 characters, and of 1 or 2 words; with 8 more bits nearly no two share a number.
_COUNTED = Features(bits=24, longest=4, words=2)
_TEXTS_AT_ONCE = 256
_MERGED_AT = 1 << 20  # n-grams
_KINDS = {"numbers": np.int64, "idf": np.float32, "weight": np.float16}


@dataclass(frozen=True, slots=True)
class NgramBags:
    """N-grams of texts, one text after the other, each text's weights of length 1.

    Attributes:
        places: Of all n-grams that are known, int32 [M].
        begins: Where each text begins among them, int32 [N].
        weights: TF-IDF, float32 [M].
    """

    places: npt.NDArray[np.int32]
    begins: npt.NDArray[np.int32]
    weights: npt.NDArray[np.float32]

    @classmethod
    def none(cls) -> NgramBags:
        """Return those of no texts."""
        return cls(np.empty(0, np.int32), np.empty(0, np.int32), np.empty(0, np.float32))

    def times(self, weight: Tensor) -> Tensor:
        """Return the sum of each text's rows of ``weight`` [F, C], fp32 [N, C]."""
        places, begins, weights = map(torch.from_numpy, (self.places, self.begins, self.weights))
        return torch.nn.functional.embedding_bag(
            places, weight, begins, per_sample_weights=weights, mode="sum"
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class NgramScores:
    """A linear classifier.

    Attributes:
        numbers: Of the n-grams it knows, rising; int64 [F].
        idf: What each counts; float32 [F].
        weight: What each says of each label; float32 [F, C].
    """

    numbers: npt.NDArray[np.int64]
    idf: npt.NDArray[np.float32]
    weight: npt.NDArray[np.float32]

    def scores(self, texts: Sequence[str]) -> npt.NDArray[np.float64]:
        """Return logits of the labels, [N, C]; of a text without known n-grams 0."""
        found: npt.NDArray[np.float64] = (
            self.bags(texts).times(torch.from_numpy(self.weight)).double().numpy()
        )
        return found

    def bags(self, texts: Sequence[str]) -> NgramBags:
        """Return the known n-grams of texts."""
        parts = [self._bags(counts) for counts in _counted(texts)] or [NgramBags.none()]
        sizes = [len(part.places) for part in parts]
        starts = np.cumsum(sizes) - sizes
        begins = [
            (p.begins + start).astype(np.int32) for p, start in zip(parts, starts, strict=True)
        ]
        return NgramBags(
            np.concatenate([part.places for part in parts]),
            np.concatenate(begins),
            np.concatenate([part.weights for part in parts]),
        )

    def _bags(self, counts: Counts) -> NgramBags:
        places = np.searchsorted(self.numbers, counts.features)
        places[places == len(self.numbers)] = 0
        known = self.numbers[places] == counts.features
        places, rows = places[known], counts.rows[known]
        weights = counts.weights[known] * self.idf[places]
        lengths = np.sqrt(np.bincount(rows, weights=weights**2, minlength=counts.texts))
        return NgramBags(
            places.astype(np.int32),
            np.searchsorted(rows, np.arange(counts.texts)).astype(np.int32),
            (weights / lengths[rows]).astype(np.float32),
        )

    def times(self, share: float) -> NgramScores:
        """Return one whose scores are ``share`` times as large."""
        return replace(self, weight=(self.weight * share).astype(np.float32))


def document_frequencies(
    texts: Sequence[str],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the numbers of all n-grams in texts, rising, and how many texts hold each."""
    parts, merged = [(np.empty(0, np.int64), np.empty(0, np.int64))], 0
    for counts in _counted(texts):
        parts.append(np.unique(counts.features, return_counts=True))
        if sum(len(numbers) for numbers, _ in parts[1:]) > max(merged, _MERGED_AT):
            parts = [_merged(parts)]
            merged = len(parts[0][0])
    return _merged(parts)


def _merged(
    parts: Sequence[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the numbers of all parts once, rising, and what they were counted in all."""
    numbers, often = (np.concatenate(each) for each in zip(*parts, strict=True))
    order = np.argsort(numbers, kind="stable")
    numbers = numbers[order]
    first = np.flatnonzero(np.diff(numbers, prepend=-1))
    if not len(first):
        return numbers, often
    return numbers[first], np.add.reduceat(often[order], first)


def _counted(texts: Sequence[str]) -> Iterator[Counts]:
    """Yield how often some texts after others hold each n-gram: all at once would take memory."""
    for first in range(0, len(texts), _TEXTS_AT_ONCE):
        some = [unicodedata.normalize("NFKC", t) for t in texts[first : first + _TEXTS_AT_ONCE]]
        yield count_features(some, _COUNTED)


def save_ngrams(ngrams: NgramScores, folder: Path) -> None:
    """Write ``ngrams.safetensors``.

    Raises:
        ResourceError: If the disk is full or the folder cannot be written.
    """
    save_arrays(folder / NGRAMS, {name: getattr(ngrams, name) for name in _KINDS}, _KINDS)


def load_ngrams(folder: Path, *, labels: int) -> NgramScores:
    """Read ``ngrams.safetensors``.

    Args:
        folder: Of the model.
        labels: C.

    Raises:
        CheckpointError: If it is missing or damaged, or is of other labels.
    """

    def valid(numbers: Array, idf: Array, weight: Array) -> bool:
        size = len(numbers)
        shapes = (numbers.shape, idf.shape, weight.shape) == ((size,), (size,), (size, labels))
        return shapes and size > 0 and bool((np.diff(numbers) > 0).all() and (idf > 0).all())

    found = load_arrays(folder / NGRAMS, _KINDS, valid)
    return NgramScores(
        numbers=found["numbers"], idf=found["idf"], weight=found["weight"].astype(np.float32)
    )
