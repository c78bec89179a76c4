"""How near transcripts are to what was said: word and character error rates, counted by jiwer.

Letter case, punctuation and spaces do not count; scripts without spaces are cut into characters,
so that of Chinese the word error rate is that of characters. Numbers count as they are written:
"5" is not "five".
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from autogpt.core.errors import MissingExtraError
from autogpt.evaluation.metrics.metric import Metric, share
from autogpt.evaluation.metrics.texts import Characters

__all__ = ["error_rates", "transcript_metrics"]


def transcript_metrics(written: Sequence[str], references: Sequence[str]) -> list[Metric]:
    """Return the word error rate, the character error rate, and the share without an error.

    Raises:
        MissingExtraError: If jiwer is not installed.
    """
    words = [(_words(w), _words(r)) for w, r in zip(written, references, strict=True)]
    letters = [("".join(w.split()), "".join(r.split())) for w, r in words]
    signature = "jiwer, lowered, no punctuation, scripts without spaces by character"
    return [
        Metric(
            name=name,
            formula="ratio",
            parts=np.array([_errors(w, r, by_word=by_word) for w, r in pairs], dtype=float),
            better="lower",
            signature=signature,
        )
        for name, pairs, by_word in (
            ("word_error_rate", words, True),
            ("character_error_rate", letters, False),
        )
    ] + [share("exact", [w == r for w, r in words])]


def error_rates(expected: Sequence[str], written: Sequence[str]) -> dict[str, float]:
    """Return the figures of :func:`transcript_metrics`, by name.

    Raises:
        MissingExtraError: If jiwer is not installed.
    """
    found = {}
    for metric in transcript_metrics(written, expected):
        errors, total = metric.parts.sum(axis=0)
        found[metric.name] = float(errors / total) if total else 0.0
    return found


def _words(text: str) -> str:
    return " ".join(Characters().tokenize(text))


def _errors(written: str, reference: str, *, by_word: bool) -> tuple[int, int]:
    """Return substitutions, insertions and deletions together, and the length of the reference."""
    try:
        import jiwer
    except ImportError as error:
        raise MissingExtraError("jiwer", extra="media", purpose="A word error rate") from error
    size = len(reference.split()) if by_word else len(reference)
    if not size or not written:  # jiwer refuses an empty reference
        return size if size else len(written.split() if by_word else written), size
    process = jiwer.process_words if by_word else jiwer.process_characters
    found = process(reference, written)
    return found.substitutions + found.insertions + found.deletions, size
