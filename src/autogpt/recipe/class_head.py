"""What every head that is taught a class shares, whatever it sits on: labels, and honest scores.

Not here: how it is learned (``class_teaching``, ``embedding_teaching``).

Letters in shapes: N texts, C labels.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from autogpt.core.errors import DataError, UsageError
from autogpt.core.examples import Example, Labeled
from autogpt.models.head_files import Calibration, HeadSettings
from autogpt.models.heads import HeadConfig, Pooling
from autogpt.tasks.calibration import (
    expected_calibration_error,
    fit_temperature,
    to_probabilities,
)

__all__ = [
    "calibrated",
    "head_of",
    "labeled",
    "of_another_kind",
    "share_right",
    "targets_of",
]

Scores = npt.NDArray[np.float64]
Targets = npt.NDArray[np.int64]


def labeled(examples: Sequence[Example]) -> list[Labeled]:
    """Return examples, all of them labeled.

    Raises:
        UsageError: If one is of another kind.
    """
    for example in examples:
        if not isinstance(example, Labeled):
            raise of_another_kind(example, "classify")
    return [example for example in examples if isinstance(example, Labeled)]


def of_another_kind(example: Example, task: str) -> UsageError:
    """Return the error that says that a task does not learn from such examples."""
    return UsageError(
        f"The task {task!r} cannot learn from a {type(example).__name__.lower()} ({example.place})."
    )


def head_of(
    train: Sequence[Labeled], validation: Sequence[Labeled], *, pooling: Pooling = "last"
) -> HeadConfig:
    """Return the labels that examples teach; several may hold where one has several, or none.

    Args:
        train: To learn from.
        validation: To measure with.
        pooling: What a text's score is of.

    Raises:
        DataError: If there is only one, or validation has one that training does not.
    """
    several = any(len(example.labels) != 1 for example in (*train, *validation))
    labels = sorted({label for example in train for label in example.labels})
    if len(labels) < 2:
        raise DataError(
            f"The training examples have the labels {labels}, at least two were expected.",
            hint="Name the field of labels with --label-field.",
        )
    for example in validation:
        for label in example.labels:
            if label not in labels:
                raise DataError(
                    f"The label {label!r} ({example.place}) is in the validation examples only."
                )
    return HeadConfig(kind="sequence", labels=tuple(labels), multi_label=several, pooling=pooling)


def targets_of(examples: Sequence[Labeled], head: HeadConfig) -> Targets:
    """Return the number of each text's label, ``[N]``; of several, 1 for each, ``[N, C]``."""
    number = {label: index for index, label in enumerate(head.labels)}
    if not head.multi_label:
        return np.array([number[example.labels[0]] for example in examples], dtype=np.int64)
    found = np.zeros((len(examples), len(number)), dtype=np.int64)
    for row, example in zip(found, examples, strict=True):
        row[[number[label] for label in example.labels]] = 1
    return found


def share_right(scores: Scores, targets: Targets) -> float:
    """Return the share of texts whose label, or all of whose labels, are right."""
    if targets.ndim == 2:
        return float(((scores > 0) == targets.astype(bool)).all(axis=1).mean())
    return float((scores.argmax(axis=1) == targets).mean())


def calibrated(
    scores: Scores, targets: Targets, *, multi_label: bool, seed: int
) -> tuple[HeadSettings, dict[str, float]]:
    """Choose the temperature on validation examples, and say what it does.

    The error that is reported is honest: each half of the examples is judged with the temperature
    of the other.

    Args:
        scores: Logits, of texts or of tokens.
        targets: What is right.
        multi_label: Whether several labels may hold.
        seed: Of the halves.

    Returns:
        How scores are read, and the figures for the report.
    """
    temperature = fit_temperature(scores, targets, multi_label=multi_label)
    order = np.random.default_rng(seed).permutation(len(scores))
    halves = order[::2], order[1::2]
    before = _error(to_probabilities(scores, multi_label=multi_label), targets)
    honest = np.empty_like(scores)
    for own, other in (halves, halves[::-1]):
        usual = fit_temperature(scores[other], targets[other], multi_label=multi_label)
        honest[own] = to_probabilities(scores[own], temperature=usual, multi_label=multi_label)
    after = _error(honest, targets)
    settings = HeadSettings(
        temperature=temperature,
        calibration=Calibration(examples=len(scores), error_before=before, error=after),
    )
    return settings, {
        "temperature": temperature,
        "calibration_error_before": before,
        "calibration_error": after,
    }


def _error(probabilities: Scores, targets: Targets) -> float:
    """Return the expected calibration error: of the likeliest label, or of each of several."""
    if targets.ndim == 2:
        return expected_calibration_error(probabilities.ravel(), targets.ravel().astype(bool))
    return expected_calibration_error(
        probabilities.max(axis=1), probabilities.argmax(axis=1) == targets
    )
