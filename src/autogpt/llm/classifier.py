"""A trained head that says which label a text has: probabilities for each label.

::

    sentiment = autogpt.load("runs/sentiment")
    sentiment.predict("The boiler works again!")     # {"good": 0.98, "bad": 0.02}
    sentiment.predict(["one", "another"])            # a list of them
    sentiment.classify("Hm.", threshold=0.9).label   # None: not sure enough

Whatever scores texts is behind one method (:class:`TextScorer`): a model of ours, one that runs in
``transformers``, or a head on the vectors of a sentence encoder. Not here: labels without training
(``tasks.classify``).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from typing import Protocol, overload

import numpy as np
import torch

from autogpt.core.errors import UsageError
from autogpt.interop.transformers import Encoder
from autogpt.models.embedding_head import EmbeddingHead
from autogpt.models.head_files import HeadSettings
from autogpt.models.heads import HeadConfig, HeadedGPT
from autogpt.models.ngram_scores import NgramScores
from autogpt.tasks.account import shares
from autogpt.tasks.calibration import to_probabilities
from autogpt.tasks.classification import Classification, decide
from autogpt.tasks.scores import TextScores
from autogpt.tokenizer.bpe import Tokenizer

__all__ = ["Classifier", "EmbeddingScorer", "OwnTextScorer", "TextScorer", "by_length"]

_logger = logging.getLogger(__name__)

_TOKENS_AT_ONCE = 2048  # of a pass, padding included: enough to fill the cores
_ENOUGH_TOKENS = 256  # of a pass: more of them are hardly faster each
_ALIKE = 0.8  # of the longest: what is shorter is mostly padding
_TEXTS_AT_ONCE = 1024  # sorted by length together


class TextScorer(Protocol):
    """Scores texts."""

    @property
    def head(self) -> HeadConfig:
        """The labels."""
        ...

    def read(self, texts: Sequence[str]) -> TextScores:
        """Return the scores of each text."""
        ...


class Classifier:
    """Labels texts. Made by ``llm.load``.

    Args:
        scorer: Scores texts.
        settings: How its scores are read.

    Attributes:
        head: The labels.
        settings: As given.
    """

    def __init__(self, scorer: TextScorer, settings: HeadSettings | None = None) -> None:
        self._scorer = scorer
        self.head = scorer.head
        self.settings = settings or HeadSettings()

    def __repr__(self) -> str:
        kind = "several labels a text" if self.head.multi_label else "one label a text"
        return f"Classifier({len(self.head.labels)} labels, {kind})"

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels, in the order of the scores."""
        return self.head.labels

    @overload
    def predict(self, texts: str) -> dict[str, float]: ...  # type: ignore[overload-overlap]  # a text is a sequence of texts too
    @overload
    def predict(self, texts: Sequence[str]) -> list[dict[str, float]]: ...
    def predict(self, texts: str | Sequence[str]) -> dict[str, float] | list[dict[str, float]]:
        """Return the probability of each label, for a text or for each of several.

        Raises:
            UsageError: If it is neither.
        """
        if isinstance(texts, str):
            return next(self.run([texts])).probabilities
        return [answer.probabilities for answer in self.run(texts)]

    def classify(
        self, text: str, *, threshold: float | None = None, top_k: int | None = None
    ) -> Classification:
        """Return the label of a text.

        Args:
            text: Any Unicode.
            threshold: Of one label a text: below this probability there is none; of several: from
                it on a label counts. Default the model's own.
            top_k: Keep the probabilities of so many of the likeliest labels.
        """
        return next(self.run([text], threshold=threshold, top_k=top_k))

    def run(
        self,
        texts: Sequence[str],
        *,
        threshold: float | None = None,
        top_k: int | None = None,
    ) -> Iterator[Classification]:
        """Yield the answer for each text, in order; as :meth:`classify`.

        Raises:
            UsageError: If ``texts`` is not a list of texts.
        """
        if isinstance(texts, str) or not all(isinstance(text, str) for text in texts):
            raise UsageError("A list of texts was expected.", hint='Write ["one", "another"].')
        limit = self.settings.threshold if threshold is None else threshold
        for first in range(0, len(texts), _TEXTS_AT_ONCE):
            begin = time.perf_counter()
            some = list(texts[first : first + _TEXTS_AT_ONCE])
            scored = self._scorer.read(some)
            rows = to_probabilities(
                scored.scores,
                temperature=self.settings.temperature,
                multi_label=self.head.multi_label,
            )
            seconds = shares(scored.tokens, time.perf_counter() - begin)
            for place, (text, row) in enumerate(zip(some, rows.tolist(), strict=True)):
                yield decide(
                    text,
                    dict(zip(self.labels, row, strict=True)),
                    threshold=limit,
                    top_k=top_k,
                    multi_label=self.head.multi_label,
                    prompt_tokens=scored.tokens[place],
                    wall_s=seconds[place],
                )


class OwnTextScorer:
    """A model of ours with a head.

    Args:
        model: The model, packed or not.
        tokenizer: Its tokenizer.
        ngrams: What n-grams add to its scores.

    Attributes:
        head: The labels.
    """

    def __init__(
        self, model: HeadedGPT, tokenizer: Tokenizer, ngrams: NgramScores | None = None
    ) -> None:
        self._model, self._tokenizer, self._ngrams = model.eval(), tokenizer, ngrams
        self.head = model.labels

    @torch.inference_mode()
    def read(self, texts: Sequence[str]) -> TextScores:
        """Return the scores of each text; beyond the context only its n-grams count.

        A text gets the same numbers alone and among others, up to rounding.
        """
        token_ids = text_ids(self._tokenizer, texts, self._model.config.max_position_embeddings)
        found = np.zeros((len(texts), len(self.head.labels)))
        for places in by_length([len(ids) for ids in token_ids], _TOKENS_AT_ONCE):
            rows, lengths = padded([token_ids[place] for place in places])
            found[places] = self._model.read_rows(rows, lengths).double().numpy()
        if self._ngrams is not None:
            found += self._ngrams.scores(texts)
        return TextScores(found, [len(ids) for ids in token_ids])


class EmbeddingScorer:
    """A head on the vectors of a sentence encoder.

    Args:
        head: The head.
        encoder: Gives the vectors.
        ngrams: What n-grams add to its scores.

    Attributes:
        head: The labels.
    """

    def __init__(
        self, head: EmbeddingHead, encoder: Encoder, ngrams: NgramScores | None = None
    ) -> None:
        self._head, self._encoder, self._ngrams = head, encoder, ngrams
        self.head = head.labels

    def read(self, texts: Sequence[str]) -> TextScores:
        """Return the scores of each text; of a long one the encoder reads the beginning only."""
        found = self._encoder.read(texts)
        scores = self._head.scores(found.vectors).double().numpy()
        if self._ngrams is not None:
            scores = scores + self._ngrams.scores(texts)
        return TextScores(scores, found.tokens)


def text_ids(tokenizer: Tokenizer, texts: Sequence[str], most: int) -> list[list[int]]:
    """Return the tokens of each text, one or more, cut where they are too many; that is said."""
    before = list(tokenizer.bos_ids)
    encoded = [before + ids.tolist() or [tokenizer.pad_id] for ids in tokenizer.encode_batch(texts)]
    long = sum(len(ids) > most for ids in encoded)
    if long:
        _logger.warning(
            "%d of %d texts are longer than %d tokens: only their beginnings count.",
            long,
            len(texts),
            most,
        )
    return [ids[:most] for ids in encoded]


def by_length(lengths: Sequence[int], tokens_at_once: int) -> Iterator[list[int]]:
    """Yield the places of rows that go together: of like length, the longest first.

    Once a pass has enough tokens to fill the cores, rows that are much shorter wait for the next.
    """
    order = sorted(range(len(lengths)), key=lambda place: -lengths[place])
    while order:
        longest = max(1, lengths[order[0]])
        count = min(len(order), max(1, tokens_at_once // longest))
        while count * longest > _ENOUGH_TOKENS and lengths[order[count - 1]] < _ALIKE * longest:
            count -= 1
        some, order = order[: max(1, count)], order[max(1, count) :]
        yield some


def padded(rows: Sequence[Sequence[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return rows as one tensor, padded on the right, and their lengths."""
    longest = max(map(len, rows))
    ids = torch.tensor([[*row, *[0] * (longest - len(row))] for row in rows])
    return ids, torch.tensor([len(row) for row in rows])
