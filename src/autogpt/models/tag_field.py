"""What a word and its neighbors say of its tag: a conditional random field beside a tagger.

It learns which names there are from few sentences, where the model beside it learns how names are
used. Both say how likely each tag of a unit is; the logarithms are added up (docs/decisions/0010).

``field.safetensors`` lies in the model's folder: ``numbers`` int64 [F], hashes of features, rising;
``weight`` float32 [F, C]; ``follow`` float32 [C, C], from a tag to the next. Programs that do not
know it read the model's own scores.

Source: Lafferty, McCallum and Pereira 2001, "Conditional Random Fields". Not here: the sums over
rows of tags (``tasks.lattice``), how it is learned (``recipe.field_teaching``).

Letters in shapes: U units of a text, F features, C tags.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from autogpt.models.side_arrays import Array, load_arrays, save_arrays
from autogpt.tasks.lattice import backward_sums, forward_sums, log_sum
from autogpt.tasks.unit_features import unit_features

__all__ = ["FIELD", "TagField", "feature_numbers", "load_field", "save_field"]

FIELD = "field.safetensors"

_KINDS = {"numbers": np.int64, "weight": np.float32, "follow": np.float32}


def feature_numbers(text: str, units: Sequence[tuple[int, int]]) -> list[npt.NDArray[np.int64]]:
    """Return the features of each unit as numbers of 63 bits.

    Args:
        text: Any Unicode.
        units: (start, end) in characters.
    """
    return [
        np.array([_number(feature) for feature in own], dtype=np.int64)
        for own in unit_features(text, units)
    ]


def _number(feature: str) -> int:
    data = feature.encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "little") >> 1


@dataclass(frozen=True, kw_only=True, slots=True)
class TagField:
    """A linear chain.

    Attributes:
        numbers: Of the features it knows, rising; int64 [F].
        weight: What each says of each tag; float32 [F, C].
        follow: How well a tag follows another; float32 [C, C].
    """

    numbers: npt.NDArray[np.int64]
    weight: npt.NDArray[np.float32]
    follow: npt.NDArray[np.float32]

    def log_marginals(self, text: str, units: Sequence[tuple[int, int]]) -> npt.NDArray[np.float64]:
        """Return the log probability of each tag of each unit, [U, C].

        Args:
            text: Any Unicode.
            units: (start, end) in characters.
        """
        scores = np.zeros((len(units), self.weight.shape[1]))
        for place, own in enumerate(feature_numbers(text, units)):
            at = np.searchsorted(self.numbers, own)
            at[at == len(self.numbers)] = 0
            scores[place] = self.weight[at[self.numbers[at] == own]].sum(axis=0, dtype=np.float64)
        if not len(scores):
            return scores
        follow = self.follow.astype(np.float64)
        forward = forward_sums(scores, follow)
        found: npt.NDArray[np.float64] = forward + backward_sums(scores, follow)
        return np.asarray(found - log_sum(forward[-1]))


def save_field(field: TagField, folder: Path) -> None:
    """Write ``field.safetensors``.

    Raises:
        ResourceError: If the disk is full or the folder cannot be written.
    """
    save_arrays(folder / FIELD, {name: getattr(field, name) for name in _KINDS}, _KINDS)


def load_field(folder: Path, *, tags: int) -> TagField:
    """Read ``field.safetensors``.

    Args:
        folder: Of the model.
        tags: C.

    Raises:
        CheckpointError: If it is missing or damaged, or is of other tags.
    """

    def valid(numbers: Array, weight: Array, follow: Array) -> bool:
        size = len(numbers)
        wanted = ((size,), (size, tags), (tags, tags))
        shapes = (numbers.shape, weight.shape, follow.shape) == wanted
        return shapes and size > 0 and bool((np.diff(numbers) > 0).all())

    return TagField(**load_arrays(folder / FIELD, _KINDS, valid))
