"""How well entities were found: strict, that is type, first and last character all as expected.

Over spans of characters, strict F1 is a count of what two sets have in common. seqeval, which made
the strict measure known, reads tags and had its last release in 2020, so it is not needed here;
the tests hold these figures against its ``mode="strict"``.
Source: Tjong Kim Sang and De Meulder 2003 (CoNLL-2003): "exact match of the corresponding entity".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from autogpt.core.examples import Entity
from autogpt.evaluation.metrics.formulas import Floats
from autogpt.evaluation.metrics.labels import ClassScore, score_class
from autogpt.evaluation.metrics.metric import Metric

__all__ = ["entity_confusions", "entity_metrics", "type_scores"]

_Key = tuple[str, int, int]
Entities = Sequence[Entity]


def entity_metrics(expected: Sequence[Entities], predicted: Sequence[Entities]) -> list[Metric]:
    """Return strict F1, precision and recall over all entities, and the mean F1 of the types."""
    types = _types(expected, predicted)
    counts = np.stack(
        [_counts(e, p, types) for e, p in zip(expected, predicted, strict=True)]
    )  # [N, 3, C]
    sums = counts.sum(-1)  # [N, 3]
    right, wrong, missed = sums.T
    return [
        Metric(name="f1", formula="f1", parts=sums),
        Metric(name="precision", formula="ratio", parts=np.stack([right, right + wrong], 1)),
        Metric(name="recall", formula="ratio", parts=np.stack([right, right + missed], 1)),
        Metric(name="macro_f1", formula="macro_f1", parts=counts.reshape(len(counts), -1)),
    ]


def type_scores(expected: Sequence[Entities], predicted: Sequence[Entities]) -> list[ClassScore]:
    """Return the score of each type that occurs, in alphabetical order."""
    types = _types(expected, predicted)
    sums = sum(
        (_counts(e, p, types) for e, p in zip(expected, predicted, strict=True)),
        start=np.zeros((3, len(types))),
    )
    return [score_class(t, *(int(n) for n in sums[:, i])) for i, t in enumerate(types)]


def entity_confusions(
    expected: Sequence[Entities], predicted: Sequence[Entities]
) -> Counter[tuple[str, str]]:
    """Return how often a type was given to a span of which type; "" stands for no entity there.

    A span with other borders than expected counts as one missed and one invented.
    """
    pairs: Counter[tuple[str, str]] = Counter()
    for wanted, given in zip(expected, predicted, strict=True):
        types = {(e.start, e.end): e.type for e in wanted}
        found = {(e.start, e.end): e.type for e in given}
        for span in types.keys() | found.keys():
            pairs[types.get(span, ""), found.get(span, "")] += 1
    return pairs


def _counts(expected: Entities, predicted: Entities, types: Sequence[str]) -> Floats:
    """Return right, wrongly predicted and missed entities of each type: [3, C]."""
    wanted, given = _keys(expected), _keys(predicted)
    groups = (wanted & given, given - wanted, wanted - given)
    of_type = [Counter(key[0] for key in group) for group in groups]
    return np.array([[counter[t] for t in types] for counter in of_type], dtype=np.float64)


def _keys(entities: Iterable[Entity]) -> set[_Key]:
    return {(entity.type, entity.start, entity.end) for entity in entities}


def _types(*sides: Sequence[Entities]) -> list[str]:
    return sorted({entity.type for side in sides for row in side for entity in row})
