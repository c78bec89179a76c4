"""Entities without a language model: a conditional random field with the usual features.

The features are those of CoNLL-2003's systems and of every tutorial since: the word, its beginning
and end, its shape, and the words around it; of Chinese, the characters around and their pairs.
Trained by CRFsuite (Okazaki 2007) through python-crfsuite, of the extra ``evaluate``.
Source: Lafferty, McCallum and Pereira 2001; for Chinese characters Chen et al. 2006 (SIGHAN).
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Sequence
from pathlib import Path

from autogpt.core.errors import DataError, MissingExtraError
from autogpt.core.examples import Entity, Tagged

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
                trainer.append(_features(example.text, spans), _tags(spans, example.entities))
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
            tags = self._tagger.tag(_features(example.text, spans)) if spans else []
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


def _features(text: str, spans: Sequence[Span]) -> list[list[str]]:
    """Return the features of each token, its own and those of its neighbors."""
    words = [text[start:end] for start, end in spans]
    own = [_of_word(word) for word in words]
    rows = []
    for place in range(len(words)):
        row = ["bias", *own[place]]
        for step in (-2, -1, 1, 2):
            there = place + step
            if 0 <= there < len(words):
                near = own[there] if abs(step) == 1 else own[there][:1]
                row += [f"{step}:{feature}" for feature in near]
            else:
                row.append(f"{step}:edge")
        for left in (-2, -1, 0, 1):
            pair = [
                words[p].lower() if 0 <= p < len(words) else ""
                for p in (place + left, place + left + 1)
            ]
            row.append(f"{left}:{pair[0]}|{pair[1]}")
        rows.append(row)
    return rows


def _of_word(word: str) -> list[str]:
    """Return what a word looks like; the word itself is first."""
    lower = word.lower()
    features = [f"w={lower}", f"shape={_shape(word)}"]
    if len(word) > 1:
        features += [f"end={lower[-n:]}" for n in (2, 3) if len(word) > n]
        features += [f"begin={lower[:n]}" for n in (1, 2, 3) if len(word) > n]
        features += [f"long={_shape(word, collapse=False)}"]
    return features


def _shape(word: str, *, collapse: bool = True) -> str:
    """Return ``Xx`` for Xiamen, ``d`` for 2026; without collapsing ``Xxxxxx`` and ``dddd``."""
    kinds = "".join(
        "X"
        if c.isupper()
        else "x"
        if c.islower()
        else "d"
        if c.isdigit()
        else "c"
        if c.isalpha()
        else c
        for c in word
    )
    return re.sub(r"(.)\1+", r"\1", kinds) if collapse else kinds[:12]
