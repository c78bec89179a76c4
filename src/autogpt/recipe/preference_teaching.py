"""How preferences are taught: of two answers, the one that people chose (DPO)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor

from autogpt.core.examples import Example, Preference
from autogpt.core.files import open_atomic
from autogpt.core.messages import assistant
from autogpt.data.preferences import PairBatches, pair_rows, pairs_in_order
from autogpt.models.gpt import GPT
from autogpt.models.trainable import Trainable
from autogpt.recipe.class_head import of_another_kind
from autogpt.recipe.lesson_teaching import LOOK_TOKENS, answered, save_gpt
from autogpt.recipe.teaching import Classroom, Taught
from autogpt.tokenizer.bpe import Tokenizer
from autogpt.tokenizer.lessons import Lesson
from autogpt.training.kernels import eager
from autogpt.training.objective import margins, preference, text_logprobs

__all__ = ["PreferenceTeacher"]

_REFERENCE = "reference.safetensors"


class PreferenceTeacher:
    """Teaches which of two answers people prefer (DPO, Rafailov et al. 2023).

    Args:
        room: What it is given.
    """

    def __init__(self, room: Classroom) -> None:
        self._tokenizer, self._recipe, self._room = room.tokenizer, room.recipe, room.room
        self._train = _Pairs.of(room.train, room.tokenizer)
        self._validation = _Pairs.of(room.validation, room.tokenizer)

    @property
    def longest(self) -> int:
        """Tokens of the longest prompt with an answer."""
        both = (self._train, self._validation)
        return max(len(one) for pairs in both for one in (*pairs.chosen, *pairs.rejected))

    def shown(self, count: int) -> Sequence[Lesson | Example]:
        """Return the first pairs, the preferred answer first."""
        pairs = zip(self._train.chosen, self._train.rejected, strict=True)
        return [lesson for pair in pairs for lesson in pair][:count]

    def model(self, gpt: GPT) -> Trainable:
        """Return the model as it is."""
        return gpt

    def teach(self, model: Trainable, *, context_length: int) -> Taught:
        """Compute what the model thinks of the answers now, or read what it thought."""
        train, validation = (pairs.cut(context_length) for pairs in (self._train, self._validation))
        both = [*train.chosen, *train.rejected, *validation.chosen, *validation.rejected]
        fingerprint = _fingerprint(both)
        known = self._reference(model, both, fingerprint)
        places = 2 * len(train.chosen)
        sides = known[:places].view(2, -1), known[places:].view(2, -1)
        pad_id, length = self._tokenizer.pad_id, 2 * context_length
        batches, looks = (
            PairBatches(
                chosen=pairs.chosen,
                rejected=pairs.rejected,
                reference=reference,
                batch_size=size,
                context_length=length,
                pad_id=pad_id,
                seed=self._recipe.seed,
            )
            for pairs, reference, size in zip(
                (train, validation), sides, (1, max(1, LOOK_TOKENS // length)), strict=True
            )
        )
        tokens = sum(map(len, (*train.chosen, *train.rejected)))
        return Taught(
            batches=batches,
            rows_in=lambda epochs: epochs * len(train.chosen),
            validation=lambda: pairs_in_order(looks),
            objective=partial(preference, beta=self._recipe.finetune.beta),
            fill=tokens / (len(train.chosen) * length),
            tokens=tokens,
            validation_tokens=sum(map(len, (*validation.chosen, *validation.rejected))),
            learned_bytes=None,
            fingerprint=fingerprint,
            same_shapes=False,
        )

    @torch.inference_mode()
    def metrics(self, model: Trainable, taught: Taught) -> Mapping[str, float]:
        """Return how often the chosen answer gained more than the rejected one, and by how much."""
        beta = self._recipe.finetune.beta
        with eager():
            found = [margins(model, batch, beta=beta) for batch in taught.validation()]  # type: ignore[arg-type]
        gained = torch.cat(found)
        return {
            "preference_accuracy": float((gained > 0).float().mean()),
            "reward_margin": float(gained.mean()),
        }

    def save(self, model: Trainable, folder: Path) -> None:
        """Write a model folder."""
        save_gpt(model, folder, self._tokenizer)

    def _reference(self, model: Trainable, lessons: Sequence[Lesson], fingerprint: str) -> Tensor:
        """Return the log-probabilities of answers before training, computed once for a run."""
        path = self._room / _REFERENCE
        if path.is_file():
            kept = safetensors.torch.load_file(path)
            if fingerprint in kept:
                return kept[fingerprint]
        assert isinstance(model, GPT)  # as it was given to this teacher
        known = _logprobs(model, lessons, pad_id=self._tokenizer.pad_id)
        with open_atomic(path) as file:
            file.write(safetensors.torch.save({fingerprint: known}))
        return known


@dataclass(frozen=True, slots=True)
class _Pairs:
    """Prompts with the answers to them, preferred and not."""

    chosen: list[Lesson] = field(default_factory=list)
    rejected: list[Lesson] = field(default_factory=list)

    @classmethod
    def of(cls, examples: Sequence[Example], tokenizer: Tokenizer) -> _Pairs:
        """Encode examples."""
        pairs = cls()
        for example in examples:
            if not isinstance(example, Preference):
                raise of_another_kind(example, "preference")
            for side, answer in (
                (pairs.chosen, example.chosen),
                (pairs.rejected, example.rejected),
            ):
                turns = (*example.messages, assistant(answer))
                side.append(answered(turns, tokenizer, learn="last", place=example.place))
        return pairs

    def cut(self, context_length: int) -> _Pairs:
        """Return pairs whose prompts lost their beginning, and answers their end, where needed."""
        most = context_length + 1

        def fitted(lesson: Lesson) -> Lesson:
            first = max(0, min(len(lesson) - most, int(lesson.learned.argmax()) - 1))
            kept = slice(first, first + most)
            return Lesson(lesson.token_ids[kept], lesson.learned[kept], lesson.place)

        return _Pairs([fitted(x) for x in self.chosen], [fitted(x) for x in self.rejected])


@torch.no_grad()  # not inference mode: the loss is computed with what comes out
def _logprobs(model: GPT, lessons: Sequence[Lesson], *, pad_id: int) -> Tensor:
    """Return the log-probability of each lesson's answer; alike ones of length go together."""
    known = torch.zeros(len(lessons))
    order = sorted(range(len(lessons)), key=lambda place: len(lessons[place]))
    training = model.training
    model.eval()
    while order:
        rows = max(1, LOOK_TOKENS // len(lessons[order[-1]]))
        some, order = order[-rows:], order[:-rows]
        inputs, targets = pair_rows([lessons[place] for place in some], pad_id=pad_id)
        known[some] = text_logprobs(model, inputs, targets)
    model.train(training)
    return known


def _fingerprint(lessons: Sequence[Lesson]) -> str:
    digest = hashlib.sha256()
    for lesson in lessons:
        digest.update(lesson.token_ids.tobytes() + lesson.learned.tobytes() + b"|")
    return digest.hexdigest()
