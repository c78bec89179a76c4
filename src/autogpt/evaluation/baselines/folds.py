"""Predictions for examples by what learned from the others, where no other examples are known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

from autogpt.core.errors import DataError

__all__ = ["FOLDS", "held_out"]

FOLDS = 5
_FEWEST = 2 * FOLDS

Item = TypeVar("Item")
Result = TypeVar("Result")


def held_out(
    examples: Sequence[Item],
    predict: Callable[[list[Item], list[Item]], Sequence[Result]],
    *,
    stratum: Callable[[Item], object] = lambda _: "",
    seed: int = 0,
) -> list[Result]:
    """Return a prediction of each example from the examples of the other four fifths.

    Args:
        examples: Ten or more.
        predict: From what is learned from, and what is to be predicted, to the predictions.
        stratum: Examples of one stratum are dealt out evenly among the fifths.
        seed: Of the shuffle before.

    Raises:
        DataError: If there are fewer than ten examples.
    """
    if len(examples) < _FEWEST:
        raise DataError(
            f"{len(examples)} examples are too few for a baseline to learn from, "
            f"{_FEWEST} or more were expected."
        )
    order = np.random.default_rng(seed).permutation(len(examples)).tolist()
    order.sort(key=lambda index: repr(stratum(examples[index])))
    found: dict[int, Result] = {}
    for fold in range(FOLDS):
        held = set(order[fold::FOLDS])
        rest = [example for index, example in enumerate(examples) if index not in held]
        places = sorted(held)
        found |= dict(zip(places, predict(rest, [examples[i] for i in places]), strict=True))
    return [found[index] for index in range(len(examples))]
