"""How the field beside a tagger is learned: before it, on the same sentences, by CRFsuite.

Its weights are taken out of CRFsuite's model, so that what is taught runs without it. Sentences of
which nothing was learned say, once the model is taught, how much the field is worth beside it
(``tasks.calibration.fit_share``). Not here: its scores, the file (``models.tag_field``).
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from autogpt.core.examples import Tagged
from autogpt.models.tag_field import TagField, feature_numbers
from autogpt.tasks.spans import units_of, units_of_entities, write_labels

__all__ = ["LearnedField", "learn_field"]

_PENALTIES = {"c1": 0.1, "c2": 0.01}  # L1, which leaves few features, and L2
_MOST_STEPS, _FEWEST_STEPS = 100, 20
_FEWEST_UNITS = 256  # of validation, that can say how much a field is worth
_PART = 0.05  # of the budget, to learn it
_UNIT_S = 1e-6  # of a step, of a unit and seven tags, about


@dataclass(frozen=True, slots=True)
class LearnedField:
    """A field that was learned.

    Attributes:
        field: What it says.
        looks: Log probabilities of the tags of each validation sentence's units, [U, C] each.
        targets: Their tags, [U] each.
    """

    field: TagField
    looks: list[npt.NDArray[np.float64]]
    targets: list[npt.NDArray[np.int64]]


def learn_field(
    train: Sequence[Tagged],
    looks: Sequence[Tagged],
    labels: Sequence[str],
    *,
    budget_s: float | None,
    say: Callable[[str], None],
) -> LearnedField | None:
    """Return what neighbors say; None where CRFsuite is not installed, or there is too little.

    Args:
        train: Sentences to learn from.
        looks: To see how much it is worth.
        labels: Of units, BIO.
        budget_s: Of the whole run; a small part of it is used.
        say: Tells the user.
    """
    targets = [_labels(example, labels) for example in looks]
    if sum(map(len, targets)) < _FEWEST_UNITS:
        return None
    try:
        import pycrfsuite
    except ImportError:
        say(
            "names would also be learned from their neighbors, which finds more of them, with "
            "pip install 'autogpt[evaluate]'"
        )
        return None
    trainer = pycrfsuite.Trainer(verbose=False)
    count = sum(len(units_of(example.text)) for example in train)
    step_s = _UNIT_S * count * (len(labels) / 7) ** 2
    steps = _MOST_STEPS if budget_s is None else int(_PART * budget_s / max(step_s, 1e-9))
    steps = min(_MOST_STEPS, max(_FEWEST_STEPS, steps))
    trainer.set_params(_PENALTIES | {"max_iterations": steps, "feature.possible_transitions": True})
    for example in train:
        units = units_of(example.text)
        if units:
            own = feature_numbers(example.text, units)
            rows = [[f"{number:x}" for number in numbers] for numbers in own]
            trainer.append(rows, [labels[tag] for tag in _labels(example, labels)])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "crf"
        trainer.train(str(path))
        tagger = pycrfsuite.Tagger()
        with tagger.open(str(path)):
            info = tagger.info()
            field = _taken(info.state_features, info.transitions, labels)
    return LearnedField(
        field, [field.log_marginals(each.text, units_of(each.text)) for each in looks], targets
    )


def _labels(example: Tagged, labels: Sequence[str]) -> npt.NDArray[np.int64]:
    """Return the tag of each unit."""
    units = units_of(example.text)
    spans = units_of_entities(example.entities, units)
    known = [span for span in spans if f"B-{span.type}" in labels]
    return np.array([labels.index(label) for label in write_labels(known, len(units))], np.int64)


def _taken(
    states: dict[tuple[str, str], float],
    transitions: dict[tuple[str, str], float],
    labels: Sequence[str],
) -> TagField:
    """Return CRFsuite's weights as arrays."""
    number_of = {label: place for place, label in enumerate(labels)}
    numbers = np.array(sorted({int(name, 16) for name, _ in states}), dtype=np.int64)
    place_of = {number: place for place, number in enumerate(numbers.tolist())}
    weight = np.zeros((len(numbers), len(labels)), np.float32)
    for (name, label), value in states.items():
        weight[place_of[int(name, 16)], number_of[label]] = value
    follow = np.zeros((len(labels), len(labels)), np.float32)
    for (before, after), value in transitions.items():
        follow[number_of[before], number_of[after]] = value
    return TagField(numbers=numbers, weight=weight, follow=follow)
