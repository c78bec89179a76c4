"""Texts without a language model: the first sentence, the source as it is, the nearest neighbor.

The first sentence is the baseline of summarization (Nallapati et al. 2017 call it Lead). A copied
source is what a translation that failed often is. The answer to the most similar training example
shows what memory alone gives.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from autogpt.core.errors import MissingExtraError
from autogpt.core.examples import Pair

__all__ = ["Neighbor", "first_sentence"]

_END = re.compile(r"[。！？!?…]+[\"'”’」』)）]*|\.[\"')]*(?=\s+[^\sa-z]|\s*$)|\n\s*\n")
_ROWS = 512  # compared with all training examples at a time


def first_sentence(text: str) -> str:
    """Return the first sentence of a text; all of it where none ends."""
    text = text.strip()
    match = _END.search(text)
    return text[: match.end()].strip() if match else text


class Neighbor:
    """Answers with the target of the training example whose source is nearest.

    Near is the cosine of TF-IDF over pieces of words, which does for Chinese too.

    Args:
        examples: One or more.

    Raises:
        MissingExtraError: If scikit-learn is not installed.
    """

    def __init__(self, examples: Sequence[Pair]) -> None:
        try:
            from sklearn.feature_extraction.text import TfidfVectorizer
        except ImportError as error:
            raise MissingExtraError(
                "scikit-learn", extra="evaluate", purpose="The baseline of similar examples"
            ) from error
        self._targets = [example.target for example in examples]
        self._vectors = TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 3), sublinear_tf=True)
        self._known = self._vectors.fit_transform([example.source for example in examples])

    def answer(self, sources: Sequence[str]) -> list[str]:
        """Return an answer to each source."""
        answers = []
        for start in range(0, len(sources), _ROWS):
            rows = self._vectors.transform(list(sources[start : start + _ROWS]))
            nearest = np.asarray((rows @ self._known.T).argmax(axis=1)).ravel()
            answers += [self._targets[index] for index in nearest.tolist()]
        return answers
