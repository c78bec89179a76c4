"""A trained head that finds entities: where they are, of which type, and how sure that is.

::

    names = autogpt.load("runs/names")
    names.tag("Ada met Babbage in London.")          # a Tagging; .entities
    names.tag(["one", "another"])                    # a list of them

A text is cut into units (``tasks.spans``), the head scores each token, and the likeliest legal
labels are searched (``tasks.lattice``). A text that is longer than the model can see is read in
windows that overlap; each token counts from the window in which it is least near an edge.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Protocol, overload

import numpy as np
import torch

from autogpt.core.errors import UsageError
from autogpt.core.examples import Entity
from autogpt.interop.heads import EncoderHead
from autogpt.llm.classifier import by_length, padded
from autogpt.models.head_files import HeadSettings
from autogpt.models.heads import HeadedGPT
from autogpt.models.tag_field import TagField
from autogpt.tasks.account import shares
from autogpt.tasks.calibration import to_probabilities
from autogpt.tasks.lattice import Lattice
from autogpt.tasks.scores import TokenScores
from autogpt.tasks.spans import units_of
from autogpt.tasks.tag import Tagging
from autogpt.tokenizer.bpe import Tokenizer
from autogpt.tokenizer.units import encode_units, unit_windows

__all__ = ["EncoderTokenScorer", "OwnTokenScorer", "Tagger", "TokenScorer"]

_TOKENS_AT_ONCE = 2048
_TEXTS_AT_ONCE = 256
_WINDOW = 512  # tokens of a part of a long text; what names need is near
_OVERLAP = 128


class TokenScorer(Protocol):
    """Scores the tokens of texts."""

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels, in the order of the scores."""
        ...

    def read(self, texts: Sequence[str]) -> list[TokenScores]:
        """Return the scores of each text's tokens."""
        ...


class Tagger:
    """Finds entities in texts. Made by ``llm.load``.

    Args:
        scorer: Scores tokens.
        settings: How its scores are read.
        field: What neighbors say, if the settings add it.

    Attributes:
        settings: As given.
    """

    def __init__(
        self,
        scorer: TokenScorer,
        settings: HeadSettings | None = None,
        field: TagField | None = None,
    ) -> None:
        self._scorer, self._field = scorer, field
        self._lattice = Lattice(scorer.labels)
        self.settings = settings or HeadSettings()

    def __repr__(self) -> str:
        return f"Tagger({', '.join(self.labels)})"

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels, in the order of the scores."""
        return self._lattice.labels

    @overload
    def tag(  # type: ignore[overload-overlap]  # a text is a sequence of texts too
        self, texts: str, *, threshold: float | None = None
    ) -> Tagging: ...
    @overload
    def tag(self, texts: Sequence[str], *, threshold: float | None = None) -> list[Tagging]: ...
    def tag(
        self, texts: str | Sequence[str], *, threshold: float | None = None
    ) -> Tagging | list[Tagging]:
        """Return the entities of a text, or of each of several.

        Args:
            texts: Any Unicode.
            threshold: Leave out entities that are less sure; default the model's own.

        Raises:
            UsageError: If it is neither.
        """
        if isinstance(texts, str):
            return next(self.run([texts], threshold=threshold))
        return list(self.run(texts, threshold=threshold))

    def run(self, texts: Sequence[str], *, threshold: float | None = None) -> Iterator[Tagging]:
        """Yield the entities of each text, in order; as :meth:`tag`.

        Raises:
            UsageError: If ``texts`` is not a list of texts.
        """
        if isinstance(texts, str) or not all(isinstance(text, str) for text in texts):
            raise UsageError("A list of texts was expected.", hint='Write ["one", "another"].')
        limit = self.settings.threshold if threshold is None else threshold
        for first in range(0, len(texts), _TEXTS_AT_ONCE):
            begin = time.perf_counter()
            some = list(texts[first : first + _TEXTS_AT_ONCE])
            found = self._scorer.read(some)
            seconds = shares([scored.tokens for scored in found], time.perf_counter() - begin)
            for text, scored, read_s in zip(some, found, seconds, strict=True):
                begin = time.perf_counter()
                entities = self._entities(text, scored)
                kept = tuple(entity for entity in entities if entity.score >= (limit or 0.0))
                yield Tagging(
                    text=text,
                    entities=kept,
                    prompt_tokens=scored.tokens,
                    wall_s=read_s + time.perf_counter() - begin,
                )

    def _entities(self, text: str, scored: TokenScores) -> Iterator[Entity]:
        if not len(scored.units):
            return
        temperature = self.settings.temperature
        if self._field is None:
            scores = scored.scores / temperature
            emissions = self._lattice.emissions(scores, scored.unit_of_token)
        else:
            emissions = self._lattice.emissions(scored.scores, scored.unit_of_token)
            emissions += self.settings.field * self._field.log_marginals(text, scored.units)
            emissions = np.log(to_probabilities(emissions, temperature=temperature))
        for span, score in self._lattice.entities(emissions):
            start, end = scored.units[span.start][0], scored.units[span.end - 1][1]
            yield Entity(type=span.type, start=start, end=end, text=text[start:end], score=score)


class OwnTokenScorer:
    """A model of ours with a head.

    Args:
        model: The model, packed or not.
        tokenizer: Its tokenizer.

    Attributes:
        labels: In the order of the scores.
    """

    def __init__(self, model: HeadedGPT, tokenizer: Tokenizer) -> None:
        self._model, self._tokenizer = model.eval(), tokenizer
        self.labels = model.labels.labels

    @torch.inference_mode()
    def read(self, texts: Sequence[str]) -> list[TokenScores]:
        """Return the scores of each text's tokens."""
        before = list(self._tokenizer.bos_ids)
        context = self._model.config.max_position_embeddings - len(before)
        most = min(_WINDOW, context)
        units = [units_of(text) for text in texts]
        encoded = encode_units(self._tokenizer, texts, units)
        windows = [
            (number, window)
            for number, tokens in enumerate(encoded)
            for window in unit_windows(tokens, most=most, overlap=min(_OVERLAP, most // 4))
            if window.stop > window.start
        ]
        rows = [before + encoded[number].token_ids[window].tolist() for number, window in windows]
        read = [0] * len(texts)
        for (number, _), row in zip(windows, rows, strict=True):
            read[number] += len(row)
        scores = [np.zeros((len(tokens.token_ids), len(self.labels))) for tokens in encoded]
        margin = [np.full(len(tokens.token_ids), -1) for tokens in encoded]
        for places in by_length([len(row) for row in rows], _TOKENS_AT_ONCE):
            ids, lengths = padded([rows[place] for place in places])
            found = self._model.read_rows(ids, lengths).double().numpy()  # [B, T, C]
            for place, part in zip(places, found, strict=True):
                number, window = windows[place]
                part = part[len(before) : len(rows[place])]
                inside = np.arange(len(part))
                edge = np.minimum(inside, len(part) - 1 - inside)
                better = edge > margin[number][window]
                scores[number][window][better] = part[better]
                margin[number][window][better] = edge[better]
        return [
            TokenScores(own, tokens.unit_of_token, found, count)
            for own, tokens, found, count in zip(units, encoded, scores, read, strict=True)
        ]


class EncoderTokenScorer:
    """An encoder with a head, which runs in ``transformers``.

    Args:
        encoder: Of tags.
    """

    def __init__(self, encoder: EncoderHead) -> None:
        self._encoder = encoder

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels, in the order of the scores."""
        return self._encoder.labels

    def read(self, texts: Sequence[str]) -> list[TokenScores]:
        """Return the scores of each word's first token."""
        return self._encoder.read_tokens(texts)
