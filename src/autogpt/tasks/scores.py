"""What a trained head says of texts, before it is made probabilities or entities of.

Letters in shapes: N texts, C labels, T tokens that are scored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["TextScores", "TokenScores"]


@dataclass(frozen=True, slots=True)
class TextScores:
    """What a head says of texts.

    Attributes:
        scores: Logits of the labels, ``[N, C]``.
        tokens: How many the model read of each text.
    """

    scores: npt.NDArray[np.float64]
    tokens: Sequence[int]


@dataclass(frozen=True, slots=True)
class TokenScores:
    """What a head says of the tokens of a text.

    Attributes:
        units: (start, end) in characters.
        unit_of_token: The unit of each token that is scored, rising; every unit has one.
        scores: Logits of the labels, ``[T, C]``.
        tokens: How many the model read; those that two windows hold count twice.
    """

    units: Sequence[tuple[int, int]]
    unit_of_token: npt.NDArray[np.int64]
    scores: npt.NDArray[np.float64]
    tokens: int
