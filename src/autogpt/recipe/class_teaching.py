"""How a label is taught: a head on the model's last token or on the mean, n-grams beside it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from autogpt.core.examples import Labeled
from autogpt.data.text_batches import TextBatches, TextRow, longest_first
from autogpt.models.heads import HeadedGPT
from autogpt.models.trainable import Trainable
from autogpt.recipe.class_head import head_of, labeled, share_right, targets_of
from autogpt.recipe.head_start import fit_head
from autogpt.recipe.head_teaching import PROBED_TOKENS, HeadTeacher
from autogpt.recipe.ngram_teaching import LearnedNgrams, learn_ngrams
from autogpt.recipe.planning import seconds_to_spend
from autogpt.recipe.teaching import Classroom, Taught

__all__ = ["ClassTeacher"]


class ClassTeacher(HeadTeacher):
    """Teaches which label a text has, or which of several.

    Args:
        room: What it is given.

    Raises:
        DataError: If there is only one label, or validation has one that training does not.
        UsageError: If an example has no labels.
    """

    def __init__(self, room: Classroom) -> None:
        train, held_out = labeled(room.train), labeled(room.validation)
        pooling = room.recipe.finetune.pooling
        super().__init__(room, head_of(train, held_out, pooling=pooling))
        self._train, self._valid = self._rows(train), self._rows(held_out)
        self._ngrams: LearnedNgrams | None = None

    @property
    def longest(self) -> int:
        """Tokens of the longest example."""
        return max(len(row.token_ids) for row in (*self._train, *self._valid))

    def teach(self, model: Trainable, *, context_length: int) -> Taught:
        """Return what the loop needs; of longer texts the beginning is learned.

        The head of a model that knows something is fitted to what that says first.
        """
        assert isinstance(model, HeadedGPT)  # as this teacher made it
        train, validation = (
            [TextRow(row.token_ids[:context_length], row.target) for row in rows]
            for rows in (self._train, self._valid)
        )
        taught = self._taught(model, train, validation)
        if not self._is_new:
            assert isinstance(taught.batches, TextBatches)  # as made above
            fit_head(model, taught.batches, seed=self._seed)
        if self._recipe.finetune.ngrams:
            self._ngrams = self._learned_ngrams()
        return taught

    def _learned_ngrams(self) -> LearnedNgrams | None:
        """Return n-grams of the training examples, with looks in the order of the model's."""
        assert self._validation is not None  # made before
        looks = labeled(self._held_out)
        return learn_ngrams(
            labeled(self._examples),
            [looks[place] for place in longest_first(self._validation)],
            self._head,
            budget_s=seconds_to_spend(self._recipe.training),
            seed=self._seed,
        )

    def _probed(self) -> Sequence[TextRow]:
        return [TextRow(row.token_ids[:PROBED_TOKENS], row.target) for row in self._train]

    def save(self, model: Trainable, folder: Path) -> None:
        """Write a model folder, calibrated on the validation examples."""
        assert isinstance(model, HeadedGPT)  # as this teacher made it
        scores, targets = self._scored(model)
        self._figures, ngrams = {}, None
        if self._ngrams is not None:
            several = self._head.multi_label
            scores, ngrams, figures = self._ngrams.beside(scores, targets, multi_label=several)
            self._figures = figures
        self._figures["accuracy"] = share_right(scores, targets)
        self._save(model, folder, (scores, targets), beside=ngrams)

    def _rows(self, examples: Sequence[Labeled]) -> list[TextRow]:
        before = list(self._tokenizer.bos_ids)
        encoded = self._tokenizer.encode_batch([example.text for example in examples])
        rows = []
        for ids, target in zip(encoded, targets_of(examples, self._head), strict=True):
            token_ids = np.array(before + ids.tolist() or [self._tokenizer.pad_id], dtype=np.int64)
            rows.append(TextRow(token_ids, np.asarray(target)))
        return rows
