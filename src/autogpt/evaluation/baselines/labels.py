"""Labels without a language model: the commonest one, and a linear model of word counts.

TF-IDF with logistic regression is what a task takes a few seconds to reach, and on small data it is
hard to beat (Wang and Manning 2012, "Baselines and Bigrams"). Words and pairs of words, and pieces
of words, which know endings and typing errors; of Chinese, characters and their pairs and triples,
so that no word segmenter decides the figure.
"""

from __future__ import annotations

import contextlib
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from autogpt.core.errors import DataError, MissingExtraError
from autogpt.core.examples import Labeled
from autogpt.evaluation.metrics.texts import is_chinese

__all__ = ["LinearClassifier", "Majority", "chosen_labels"]

_INVERSE_PENALTY = 10.0  # L2; between scikit-learn's 1 and none, as TF-IDF rows have length 1
_MOST_STEPS = 300
_SURE = 0.5  # from where a text that may have several labels has one

Probabilities = dict[str, float]


class Majority:
    """Gives every text the shares of the labels in training, so the commonest one is chosen."""

    def __init__(self, examples: Sequence[Labeled]) -> None:
        counts = Counter(label for example in examples for label in example.labels)
        self._shares = {label: n / max(len(examples), 1) for label, n in counts.most_common()}

    def predict(self, texts: Sequence[str]) -> list[Probabilities]:
        """Return the same probabilities for each text."""
        return [dict(self._shares) for _ in texts]


class LinearClassifier:
    """TF-IDF and logistic regression.

    Args:
        examples: What to learn from; two different labels at least.
        seed: Of the solver, where it uses chance.

    Raises:
        MissingExtraError: If scikit-learn is not installed.
        DataError: If there is nothing to tell apart.
    """

    def __init__(self, examples: Sequence[Labeled], *, seed: int = 0) -> None:
        try:
            from sklearn.linear_model import LogisticRegression
            from sklearn.multiclass import OneVsRestClassifier
            from sklearn.preprocessing import MultiLabelBinarizer
        except ImportError as error:
            raise MissingExtraError(
                "scikit-learn", extra="evaluate", purpose="The linear baseline"
            ) from error
        if len({example.labels for example in examples}) < 2:
            raise DataError("The linear baseline needs examples of two labels or more.")
        texts = [example.text for example in examples]
        self._features = _features(texts)
        model = LogisticRegression(C=_INVERSE_PENALTY, max_iter=_MOST_STEPS, random_state=seed)
        self._several = any(len(example.labels) != 1 for example in examples)
        with _quiet():
            rows = self._features.fit_transform(texts)
            if self._several:
                binarizer = MultiLabelBinarizer()
                targets = binarizer.fit_transform([example.labels for example in examples])
                self._labels = [str(name) for name in binarizer.classes_]
                self._model = OneVsRestClassifier(model).fit(rows, targets)
            else:
                self._model = model.fit(rows, [example.labels[0] for example in examples])
                self._labels = [str(name) for name in self._model.classes_]

    def predict(self, texts: Sequence[str]) -> list[Probabilities]:
        """Return the probability of each label for each text."""
        if not texts:
            return []
        rows = self._model.predict_proba(self._features.transform(list(texts)))
        return [dict(zip(self._labels, map(float, row), strict=True)) for row in rows]


def chosen_labels(probabilities: Mapping[str, float], *, several: bool) -> tuple[str, ...]:
    """Return the likeliest label; or, of a text that may have several, all from one half on."""
    if several:
        return tuple(label for label, p in probabilities.items() if p >= _SURE)
    return (max(probabilities, key=lambda label: probabilities[label]),) if probabilities else ()


def _features(texts: Sequence[str]) -> Any:  # noqa: ANN401 - of an extra
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import FeatureUnion

    rare = 2 if len(texts) > 1000 else 1  # what occurs once teaches little, and there is much of it
    common = {"sublinear_tf": True, "min_df": rare}
    if is_chinese(texts):
        characters = TfidfVectorizer(analyzer="char", ngram_range=(1, 3), **common)
        return FeatureUnion([("characters", characters)])
    words = TfidfVectorizer(token_pattern=r"(?u)\b\w+\b|[^\w\s]", ngram_range=(1, 2), **common)
    pieces = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), **common)
    return FeatureUnion([("words", words), ("pieces", pieces)])


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep back what is of no use to the reader: a baseline that stopped early is still one."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
