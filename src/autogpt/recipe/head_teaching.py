"""How heads are taught: the label of a text, and the entities in it.

Both put a head on the model, learn it together with the model's weights (or adapters), and end by
choosing a temperature on the validation examples, which goes into ``head.json``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

from autogpt.core.errors import DataError
from autogpt.core.examples import Entity, Example, Labeled, Tagged
from autogpt.core.hardware import look
from autogpt.data.text_batches import (
    IGNORED,
    TextBatches,
    TextRow,
    longest_first,
    texts_in_order,
)
from autogpt.llm.tagger import OwnTokenScorer, Tagger
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
    head_of,
    labeled,
    of_another_kind,
    share_right,
    targets_of,
)
from autogpt.recipe.field_teaching import LearnedField, learn_field
from autogpt.recipe.head_start import best_depth, fit_head, go_through
from autogpt.recipe.ngram_teaching import LearnedNgrams, learn_ngrams
from autogpt.recipe.planning import seconds_to_spend
from autogpt.recipe.teaching import Classroom, Taught
from autogpt.tasks.calibration import fit_share
from autogpt.tasks.lattice import Lattice
from autogpt.tasks.mentions import with_other_names
from autogpt.tasks.spans import labels_of, token_labels, units_of, units_of_entities, write_labels
from autogpt.tokenizer.lessons import Lesson
from autogpt.tokenizer.units import UnitTokens, encode_units, unit_windows
from autogpt.training.kernels import eager
from autogpt.training.objective import head_loss

__all__ = ["ClassTeacher", "TagTeacher"]

_KEPT_PART = 4  # of the free memory: what blocks that do not learn made of the examples
_PROBED_TOKENS = 256  # of a text, to see which blocks are of use
_COPIES = 3  # of a text, with other names, for a model that knows none
_LOOK_TOKENS = 4096  # of a batch of validation: enough to fill the cores


class _HeadTeacher(ABC):
    """What both have in common.

    Args:
        room: What it is given.
        head: The labels.
    """

    def __init__(self, room: Classroom, head: HeadConfig) -> None:
        self._tokenizer, self._seed = room.tokenizer, room.recipe.seed
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


class ClassTeacher(_HeadTeacher):
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
        self._recipe = room.recipe
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
        return [TextRow(row.token_ids[:_PROBED_TOKENS], row.target) for row in self._train]

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


class TagTeacher(_HeadTeacher):
    """Teaches where entities are, and of which type.

    Args:
        room: What it is given.

    Raises:
        DataError: If there is no entity in the training examples.
        UsageError: If an example is not tagged.
    """

    def __init__(self, room: Classroom) -> None:
        self._train = [_tagged(example) for example in room.train]
        self._valid = [_tagged(example) for example in room.validation]
        self._recipe, self._say = room.recipe, room.shown.say
        self._tagged = list(self._train)  # without copies
        self._field: LearnedField | None = None
        self._share = 0.0  # of the field
        self._settings: HeadSettings | None = None
        types = {entity.type for example in self._train for entity in example.entities}
        if not types:
            raise DataError("There is no entity in the training examples.")
        super().__init__(room, HeadConfig(kind="token", labels=labels_of(types, "BIO")))
        if self._is_new:
            copies = with_other_names(self._train, copies=_COPIES, seed=self._seed)
            room.shown.say(f"{len(copies)} copies have other names of the same types.")
            self._train += copies
        self._tokens = [self._units(examples) for examples in (self._train, self._valid)]

    @property
    def longest(self) -> int:
        """Tokens of the longest example."""
        before = len(self._tokenizer.bos_ids)
        sizes = (len(tokens.token_ids) for part in self._tokens for tokens, _ in part)
        return before + max(sizes, default=1)

    def teach(self, model: Trainable, *, context_length: int) -> Taught:
        """Return what the loop needs; longer texts are learned in parts."""
        train, validation = (
            [row for tokens, targets in part for row in self._rows(tokens, targets, context_length)]
            for part in self._tokens
        )
        if self._recipe.finetune.ngrams:
            self._field = learn_field(
                self._tagged,
                self._valid,
                self._head.labels,
                budget_s=seconds_to_spend(self._recipe.training),
                say=self._say,
            )
        return self._taught(model, train, validation)

    def _probed(self) -> Sequence[TextRow]:
        return [
            row
            for tokens, targets in self._tokens[0]
            for row in self._rows(tokens, targets, _PROBED_TOKENS)
        ]

    def save(self, model: Trainable, folder: Path) -> None:
        """Write a model folder, calibrated on the validation examples."""
        assert isinstance(model, HeadedGPT)  # as this teacher made it
        self._figures, self._share = {}, 0.0
        scored = None if self._field is None else self._with_field(model, self._field)
        field = self._field.field if self._field is not None and self._share else None
        self._settings = self._save(
            model,
            folder,
            scored or self._scored(model),
            beside=field,
            share=self._share,
            scheme="BIO",
        )

    def _with_field(self, model: HeadedGPT, field: LearnedField) -> tuple[Scores, Targets] | None:
        """Return what both say of the units of the validation examples, or None: use the model."""
        lattice = Lattice(self._head.labels)
        found = OwnTokenScorer(model, self._tokenizer).read([each.text for each in self._valid])
        own = np.concatenate(
            [lattice.emissions(one.scores, one.unit_of_token) for one in found if len(one.units)]
        )
        looks, targets = np.concatenate(field.looks), np.concatenate(field.targets)
        self._share = fit_share(own, looks, targets)
        if not self._share:
            return None
        self._figures = {
            "accuracy_of_model": share_right(own, targets),
            "accuracy_of_field": share_right(looks, targets),
        }
        return own + self._share * looks, targets

    def metrics(self, model: Trainable, taught: Taught) -> Mapping[str, float]:
        """Return also how many entities were found, of those there are: strict F1."""
        assert isinstance(model, HeadedGPT)  # as this teacher made it
        field = self._field.field if self._field is not None and self._share else None
        tagger = Tagger(OwnTokenScorer(model, self._tokenizer), self._settings, field)
        found = tagger.tag([example.text for example in self._valid])
        pairs = [
            (set(map(_key, example.entities)), set(map(_key, answer.entities)))
            for example, answer in zip(self._valid, found, strict=True)
        ]
        right = sum(len(wanted & got) for wanted, got in pairs)
        wanted_count = sum(len(wanted) for wanted, _ in pairs)
        got_count = sum(len(got) for _, got in pairs)
        f1 = 2 * right / max(1, wanted_count + got_count)
        return {"f1": f1, **super().metrics(model, taught)}

    def _units(self, examples: Sequence[Tagged]) -> list[tuple[UnitTokens, Targets]]:
        """Return the tokens of each text and the label of each."""
        labels = self._head.labels
        number = {label: index for index, label in enumerate(labels)}
        spelled = token_labels(labels)  # [4, C]
        units = [units_of(example.text) for example in examples]
        encoded = encode_units(self._tokenizer, [example.text for example in examples], units)
        found = []
        for example, own, tokens in zip(examples, units, encoded, strict=True):
            spans = units_of_entities(example.entities, own)
            names = [span for span in spans if f"B-{span.type}" in number]
            of_unit = np.array(
                [number[label] for label in write_labels(names, len(own))], dtype=int
            )
            of = tokens.unit_of_token
            first, last = np.diff(of, prepend=-1) > 0, np.diff(of, append=len(own)) > 0
            place = np.where(first, np.where(last, 0, 1), np.where(last, 3, 2))
            found.append((tokens, spelled[place, of_unit[of]].astype(np.int64)))
        return found

    def _rows(self, tokens: UnitTokens, targets: Targets, context_length: int) -> Iterator[TextRow]:
        before = np.array(self._tokenizer.bos_ids, dtype=np.int64)
        silent = np.full(len(before), IGNORED, dtype=np.int64)
        most = max(1, context_length - len(before))
        for window in unit_windows(tokens, most=most, overlap=0):
            if window.stop > window.start:
                yield TextRow(
                    np.concatenate([before, tokens.token_ids[window]]),
                    np.concatenate([silent, targets[window]]),
                )


def _key(entity: Entity) -> tuple[str, int, int]:
    return entity.type, entity.start, entity.end


def _tagged(example: Example) -> Tagged:
    if not isinstance(example, Tagged):
        raise of_another_kind(example, "tag")
    return example
