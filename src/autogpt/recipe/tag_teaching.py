"""How entities are taught: a head on every token, a field of their neighbors beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from autogpt.core.errors import DataError
from autogpt.core.examples import Entity, Example, Tagged
from autogpt.data.text_batches import (
    IGNORED,
    TextRow,
)
from autogpt.llm.tagger import OwnTokenScorer, Tagger
from autogpt.models.head_files import HeadSettings
from autogpt.models.heads import HeadConfig, HeadedGPT
from autogpt.models.tag_field import TagField
from autogpt.models.trainable import Trainable
from autogpt.recipe.class_head import (
    Scores,
    Targets,
    of_another_kind,
    share_right,
)
from autogpt.recipe.field_teaching import LearnedField, learn_field
from autogpt.recipe.head_teaching import PROBED_TOKENS, HeadTeacher
from autogpt.recipe.planning import seconds_to_spend
from autogpt.recipe.teaching import Classroom, Taught
from autogpt.tasks.calibration import fit_share
from autogpt.tasks.lattice import Lattice
from autogpt.tasks.mentions import with_other_names
from autogpt.tasks.spans import labels_of, token_labels, units_of, units_of_entities, write_labels
from autogpt.tokenizer.units import UnitTokens, encode_units, unit_windows

__all__ = ["TagTeacher"]

_COPIES = 3  # of a text, with other names, for a model that knows none


class TagTeacher(HeadTeacher):
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
        self._say = room.shown.say
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
            for row in self._rows(tokens, targets, PROBED_TOKENS)
        ]

    def save(self, model: Trainable, folder: Path) -> None:
        """Write a model folder, calibrated on the validation examples."""
        assert isinstance(model, HeadedGPT)  # as this teacher made it
        self._figures, self._share = {}, 0.0
        scored = None if self._field is None else self._with_field(model, self._field)
        self._settings = self._save(
            model,
            folder,
            scored or self._scored(model),
            beside=self._beside,
            share=self._share,
            scheme="BIO",
        )

    @property
    def _beside(self) -> TagField | None:
        """What is added to the model's scores, once they were compared."""
        return self._field.field if self._field is not None and self._share else None

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
        tagger = Tagger(OwnTokenScorer(model, self._tokenizer), self._settings, self._beside)
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
