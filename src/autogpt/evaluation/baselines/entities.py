"""Entities without a language model: a conditional random field with the usual features.

They are those of ``tasks.unit_features``. Trained by CRFsuite (Okazaki 2007) through
python-crfsuite, of the extra ``evaluate``. Source: Lafferty, McCallum and Pereira 2001.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Sequence
from pathlib import Path

from autogpt.core.errors import DataError, MissingExtraError
from autogpt.core.examples import Entity, Tagged
from autogpt.tasks.unit_features import unit_features

__all__ = ["FieldTagger"]

_TOKEN = re.compile(
    r"[\u3400-\u9fff\u3040-\u30ff\uac00-\ud7a3]|[^\W\u3040-\u9fff\uac00-\ud7a3]+|[^\w\s]"
)
_PENALTIES = {"c1": 0.1, "c2": 0.01}  # L1 and L2, usual for this task
_MOST_STEPS = 100

Span = tuple[int, int]


class FieldTagger:
    """A conditional random field over words, or over characters where words are not spaced.

    Args:
        examples: What to learn from; at least one entity among them.

    Raises:
        MissingExtraError: If python-crfsuite is not installed.
        DataError: If there is no entity to learn from.
    """

    def __init__(self, examples: Sequence[Tagged]) -> None:
        try:
            import pycrfsuite
        except ImportError as error:
            raise MissingExtraError(
                "python-crfsuite", extra="evaluate", purpose="The baseline of tagging"
            ) from error
        if not any(example.entities for example in examples):
            raise DataError("The baseline of tagging needs examples with entities.")
        trainer = pycrfsuite.Trainer(verbose=False)
        trainer.set_params(_PENALTIES | {"max_iterations": _MOST_STEPS})
        for example in examples:
            spans = _spans(example.text, example.tokens)
            if spans:
                trainer.append(unit_features(example.text, spans), _tags(spans, example.entities))
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "crf"
            trainer.train(str(path))
            self._weights = path.read_bytes()  # kept: the tagger points into it, and owns nothing
        self._tagger = pycrfsuite.Tagger()
        self._tagger.open_inmemory(self._weights)

    def predict(self, examples: Sequence[Tagged]) -> list[tuple[Entity, ...]]:
        """Return the entities of each text; of the examples only text and tokens are looked at."""
        found = []
        for example in examples:
            spans = _spans(example.text, example.tokens)
            tags = self._tagger.tag(unit_features(example.text, spans)) if spans else []
            found.append(_entities(example.text, spans, tags))
        return found


def _spans(text: str, tokens: Sequence[Span]) -> list[Span]:
    return list(tokens) or [(match.start(), match.end()) for match in _TOKEN.finditer(text)]


def _tags(spans: Sequence[Span], entities: Sequence[Entity]) -> list[str]:
    """Return a BIO tag for each token; a token belongs to the entity that it overlaps."""
    tags, before = [], None
    for start, end in spans:
        entity = next((e for e in entities if e.start < end and start < e.end), None)
        if entity is None:
            tags.append("O")
        else:
            tags.append(f"{'I' if entity is before else 'B'}-{entity.type}")
        before = entity
    return tags


def _entities(text: str, spans: Sequence[Span], tags: Sequence[str]) -> tuple[Entity, ...]:
    groups: list[tuple[str, int, int]] = []
    before = "O"
    for (start, end), tag in zip(spans, tags, strict=True):
        kind = tag[2:]
        if tag.startswith("I-") and before[2:] == kind:
            groups[-1] = (kind, groups[-1][1], end)
        elif tag != "O":
            groups.append((kind, start, end))
        before = tag
    return tuple(
        Entity(type=kind, start=start, end=end, text=text[start:end]) for kind, start, end in groups
    )
