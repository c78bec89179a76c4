"""What the teachers of heads have in common: of a text's label, and of the entities in it.

Both put a head on the model, learn it together with the model's weights (or adapters), and end by
choosing a temperature on the validation examples, which goes into ``head.json``. Not here: the two
(``class_teaching``, ``tag_teaching``).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

from autogpt.core.examples import Example
from autogpt.core.hardware import look
from autogpt.data.text_batches import (
    IGNORED,
    TextBatches,
    TextRow,
    texts_in_order,
)
from autogpt.models.gpt import GPT
from autogpt.models.head_files import HeadSettings, save_headed
from autogpt.models.heads import HeadConfig, HeadedGPT, put_head
from autogpt.models.ngram_scores import NgramScores
from autogpt.models.tag_field import TagField
from autogpt.models.trainable import Trainable
from autogpt.recipe.base_model import NEW
from autogpt.recipe.class_head import (
    Scores,
    Targets,
    calibrated,
)
from autogpt.recipe.head_start import best_depth, go_through
from autogpt.recipe.teaching import Classroom, Taught
from autogpt.tokenizer.lessons import Lesson
from autogpt.training.kernels import eager
from autogpt.training.objective import head_loss

__all__ = ["PROBED_TOKENS", "HeadTeacher"]

PROBED_TOKENS = 256
"""Of a text, to see which blocks are of use."""

_KEPT_PART = 4  # of the free memory: what blocks that do not learn made of the examples
_LOOK_TOKENS = 4096  # of a batch of validation: enough to fill the cores


class HeadTeacher(ABC):
    """What both have in common.

    Args:
        room: What it is given.
        head: The labels.
    """

    def __init__(self, room: Classroom, head: HeadConfig) -> None:
        self._tokenizer, self._seed = room.tokenizer, room.recipe.seed
        self._recipe = room.recipe
        self._layers = room.recipe.finetune.layers
        self._smoothing = room.recipe.finetune.label_smoothing
        self._is_new = room.recipe.finetune.base == NEW
        self._head = head
        self._examples, self._held_out = room.train, room.validation
        self._validation: TextBatches | None = None
        self._figures: dict[str, float] = {}

    def shown(self, count: int) -> Sequence[Lesson | Example]:
        """Return the first examples."""
        return self._examples[:count]

    def model(self, gpt: GPT) -> Trainable:
        """Return the model with a head on it, without blocks that are of no use to that."""
        if self._layers is None and not self._is_new:
            texts = TextBatches.of(
                self._probed(),
                seed=self._seed,
                pad_id=self._tokenizer.pad_id,
                several=self._head.multi_label,
            )
            labels = len(self._head.labels)
            self._layers = best_depth(gpt, texts, labels=labels, seed=self._seed)
        return put_head(gpt, self._head, layers=self._layers)

    @abstractmethod
    def _probed(self) -> Sequence[TextRow]:
        """Return the beginnings of the training examples, to see which blocks are of use."""

    def _taught(
        self, model: Trainable, train: Sequence[TextRow], validation: Sequence[TextRow]
    ) -> Taught:
        assert isinstance(model, HeadedGPT)  # as this teacher made it
        several = self._head.multi_label
        batches, looks = (
            TextBatches.of(rows, seed=self._seed, pad_id=self._tokenizer.pad_id, several=several)
            for rows in (train, validation)
        )
        self._validation = looks
        tokens = sum(batches.lengths) + sum(looks.lengths)
        still = _still(model)
        if still and tokens * _state_bytes(model) < look().free_memory_bytes / _KEPT_PART:
            batches, looks = (go_through(model, x, blocks=still) for x in (batches, looks))
        return Taught(
            batches=batches,
            rows_in=lambda epochs: epochs * len(train),
            validation=lambda: texts_in_order(looks, tokens_at_once=_LOOK_TOKENS),
            objective=partial(head_loss, smoothing=self._smoothing),
            fill=1.0,
            tokens=sum(batches.lengths),
            validation_tokens=sum(looks.lengths),
            learned_bytes=None,
            fingerprint=batches.fingerprint() + looks.fingerprint(),
            same_shapes=False,
        )

    def metrics(self, model: Trainable, taught: Taught) -> Mapping[str, float]:
        """Return what was found when the model was saved, which came before."""
        del model, taught
        return self._figures

    def _save(
        self,
        model: Trainable,
        folder: Path,
        scored: tuple[Scores, Targets],
        *,
        beside: NgramScores | TagField | None,
        share: float = 0.0,
        scheme: str | None = None,
    ) -> HeadSettings:
        """Write a model folder with the temperature that suits the validation examples.

        Args:
            model: As it is.
            folder: Where to.
            scored: Its scores, with what is added to them, and what is right.
            beside: What is added.
            share: How often, of tags.
            scheme: Of tags.
        """
        assert isinstance(model, HeadedGPT)  # as this teacher made it
        settings, figures = calibrated(*scored, multi_label=self._head.multi_label, seed=self._seed)
        self._figures |= figures
        settings = replace(settings, scheme=scheme, field=share)
        save_headed(
            model,
            folder,
            tokenizer=self._tokenizer,
            settings=settings,
            pad_token_id=self._tokenizer.pad_id,
            beside=beside,
            dtype="float32",
        )
        return settings

    @torch.inference_mode()
    def _scored(self, model: HeadedGPT) -> tuple[Scores, Targets]:
        """Return the logits of all validation examples, or their tokens, and what is right."""
        assert self._validation is not None  # teach was called
        scores, targets = [], []
        with eager():
            for batch in texts_in_order(self._validation, tokens_at_once=_LOOK_TOKENS):
                found = model.read_rows(batch.inputs, batch.lengths)
                wanted = batch.targets
                if wanted.ndim == 2 and not wanted.is_floating_point():
                    found, wanted = found[wanted != IGNORED], wanted[wanted != IGNORED]
                scores.append(found.double().numpy())
                targets.append(wanted.long().numpy())
        return np.concatenate(scores), np.concatenate(targets)


def _still(model: HeadedGPT) -> int:
    """Return how many blocks, from the first, do not learn at all, nor what is before them."""
    if any(weight.requires_grad for weight in model.embedding.parameters()):
        return 0
    learns = [any(weight.requires_grad for weight in b.parameters()) for b in model.layers]
    return learns.index(True) if True in learns else len(learns)


def _state_bytes(model: HeadedGPT) -> int:
    """Return what a token takes between two blocks."""
    return model.config.hidden_size * model.embedding.weight.element_size()
