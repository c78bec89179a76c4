"""How each task is taught: examples to batches, an objective, and what is measured and saved.

``TEACHERS`` names the class that teaches a task. A teacher is made of a :class:`Classroom`; it is
asked, in this order, how long its examples are, for the model with whatever it puts around it, and
for what the training loop needs. Here are the tasks that are taught as text, and preferences; heads
are elsewhere. Not here: the run (``finetune``), examples (``data.examples``).
"""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Protocol

import safetensors.torch
import torch
from torch import Tensor

from autogpt.core.errors import UsageError
from autogpt.core.examples import Conversation, Example, Pair, Passage, Preference
from autogpt.core.files import open_atomic, write_json
from autogpt.core.messages import Message, assistant, user
from autogpt.core.progress import Progress
from autogpt.data.batches import BatchSource, Learnable
from autogpt.data.lessons import LessonBatches, Lessons, lesson_windows
from autogpt.data.preferences import PairBatches, pair_rows, pairs_in_order
from autogpt.models.checkpoint import save_model
from autogpt.models.gpt import GPT
from autogpt.models.trainable import Trainable
from autogpt.recipe.class_head import of_another_kind
from autogpt.recipe.settings import FinetuneRecipe
from autogpt.tasks import TASKS, asking, find_task
from autogpt.tasks.asking import Form
from autogpt.tokenizer.bpe import Tokenizer
from autogpt.tokenizer.lessons import Lesson, encode_completion, encode_lesson, encode_passage
from autogpt.training.kernels import eager
from autogpt.training.objective import Objective, learned_tokens, margins, preference, text_logprobs

__all__ = ["TEACHERS", "Classroom", "Taught", "Teacher", "find_teacher"]

TEACHERS: dict[str, str] = {
    "text": "autogpt.recipe.teaching:LessonTeacher",
    "chat": "autogpt.recipe.teaching:LessonTeacher",
    "summarize": "autogpt.recipe.teaching:LessonTeacher",
    "translate": "autogpt.recipe.teaching:LessonTeacher",
    "classify": "autogpt.recipe.head_teaching:ClassTeacher",
    "tag": "autogpt.recipe.head_teaching:TagTeacher",
    "preference": "autogpt.recipe.teaching:PreferenceTeacher",
    "recognize": "autogpt.recipe.media_teaching:RecognizeTeacher",
    "transcribe": "autogpt.recipe.media_teaching:TranscribeTeacher",
}
"""Name of a task -> dotted path of its :class:`Teacher`."""

_REFERENCE = "reference.safetensors"
_LOOK_TOKENS = 4096  # of a batch of validation: enough to fill the cores


@dataclass(frozen=True, kw_only=True, slots=True)
class Classroom:
    """What a teacher is given.

    Attributes:
        recipe: Of the run.
        tokenizer: Of the model.
        train: Examples to learn from.
        validation: Examples to measure with.
        room: A folder of the run for what must be kept until it is finished.
        shown: Shows how far long preparations are.
    """

    recipe: FinetuneRecipe
    tokenizer: Tokenizer
    train: Sequence[Example]
    validation: Sequence[Example]
    room: Path
    shown: Progress


@dataclass(frozen=True, kw_only=True, slots=True)
class Taught:
    """What the training loop and the report need of a task.

    Attributes:
        batches: Micro-batches of one row; ``dataclasses.replace`` gives larger ones.
        rows_in: Returns the rows of so many epochs.
        validation: Returns the validation examples in batches, each time from the first.
        objective: Of a micro-batch.
        fill: Share of the places in rows that hold a token.
        tokens: Of training in an epoch.
        validation_tokens: Of validation.
        learned_bytes: Bytes of text that a look at the validation examples scores; None where the
            loss is not one of text.
        fingerprint: Changes with the examples.
        same_shapes: Whether all micro-batches have one shape, so that compiling pays.
    """

    batches: BatchSource
    rows_in: Callable[[int], int]
    validation: Callable[[], Iterator[Learnable]]
    objective: Objective
    fill: float
    tokens: int
    validation_tokens: int
    learned_bytes: int | None
    fingerprint: str
    same_shapes: bool = True


class Teacher(Protocol):
    """Teaches one task; made of a :class:`Classroom`."""

    @property
    def longest(self) -> int:
        """Tokens of the longest example, for the context length."""
        ...

    def shown(self, count: int) -> Sequence[Lesson | Example]:
        """Return the first examples for the preview."""
        ...

    def model(self, gpt: GPT) -> Trainable:
        """Return what is trained: the model, or one of its weights with a head."""
        ...

    def teach(self, model: Trainable, *, context_length: int) -> Taught:
        """Return what the loop needs; ``model`` is as it is before its first step.

        Raises:
            DataError: If there is nothing to learn.
        """
        ...

    def metrics(self, model: Trainable, taught: Taught) -> Mapping[str, float]:
        """Return further figures of the finished model on the validation examples."""
        ...

    def save(self, model: Trainable, folder: Path) -> None:
        """Write the finished model, in fp32."""
        ...


def find_teacher(task: str) -> Callable[[Classroom], Teacher]:
    """Return the class that teaches a task.

    Raises:
        UsageError: If there is none.
    """
    if task not in TEACHERS:
        raise UsageError(
            f"There is no task {task!r} to fine-tune for.", hint=f"Tasks: {', '.join(TEACHERS)}."
        )
    module, _, name = TEACHERS[task].partition(":")
    found: Callable[[Classroom], Teacher] = getattr(importlib.import_module(module), name)
    return found


class LessonTeacher:
    """Teaches to write: plain text, what an assistant says, what is made of a text.

    Args:
        room: What it is given.
    """

    def __init__(self, room: Classroom) -> None:
        self._tokenizer, self._seed = room.tokenizer, room.recipe.seed
        self._form = _form(room)
        encode = partial(
            _lesson,
            task=room.recipe.finetune.task,
            form=self._form,
            tokenizer=room.tokenizer,
        )
        self._train = [encode(example) for example in room.train]
        self._validation = [encode(example) for example in room.validation]

    @property
    def longest(self) -> int:
        """Tokens of the longest example."""
        return max(map(len, (*self._train, *self._validation)))

    def shown(self, count: int) -> Sequence[Lesson | Example]:
        """Return the first lessons."""
        return self._train[:count]

    def model(self, gpt: GPT) -> Trainable:
        """Return the model as it is."""
        return gpt

    def teach(self, model: Trainable, *, context_length: int) -> Taught:
        """Pack lessons into rows."""
        del model
        train, validation = (
            Lessons.collect(lessons, context_length=context_length)
            for lessons in (self._train, self._validation)
        )
        pad_id, size = self._tokenizer.pad_id, max(1, _LOOK_TOKENS // context_length)
        batches = LessonBatches(
            lessons=train,
            batch_size=1,
            context_length=context_length,
            seed=self._seed,
            pad_id=pad_id,
        )
        counts = self._tokenizer.token_byte_counts
        return Taught(
            batches=batches,
            rows_in=batches.rows_in,
            validation=lambda: lesson_windows(
                validation, batch_size=size, context_length=context_length, pad_id=pad_id
            ),
            objective=learned_tokens,
            fill=float(train.sizes.sum()) / (batches.rows_in(1) * context_length),
            tokens=train.report.tokens,
            validation_tokens=validation.report.tokens,
            learned_bytes=max(1, validation.learned_bytes(counts)),
            fingerprint=train.fingerprint() + validation.fingerprint(),
        )

    def metrics(self, model: Trainable, taught: Taught) -> Mapping[str, float]:
        """Return nothing: the loss says it all."""
        del model, taught
        return {}

    def save(self, model: Trainable, folder: Path) -> None:
        """Write a model folder, and into it how the task is asked."""
        if self._form is not None:
            write_json(folder / asking.FILE, self._form.to_dict())
        _save_gpt(model, folder, self._tokenizer, others=[asking.FILE])


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
                (train, validation), sides, (1, max(1, _LOOK_TOKENS // length)), strict=True
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
        _save_gpt(model, folder, self._tokenizer)

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
                side.append(_answered(turns, tokenizer, learn="last", place=example.place))
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
        rows = max(1, _LOOK_TOKENS // len(lessons[order[-1]]))
        some, order = order[-rows:], order[:-rows]
        inputs, targets = pair_rows([lessons[place] for place in some], pad_id=pad_id)
        known[some] = text_logprobs(model, inputs, targets)
    model.train(training)
    return known


def _form(room: Classroom) -> Form | None:
    """Return the words in which the task is asked, now and when the model runs."""
    task = room.recipe.finetune.task
    teach = find_task(task).teach if task in TASKS else None
    if teach is None:
        return None
    pairs = [example for example in room.train if isinstance(example, Pair)]
    return teach(pairs, new=room.recipe.finetune.base == "new")


def _lesson(example: Example, *, task: str, form: Form | None, tokenizer: Tokenizer) -> Lesson:
    """Return an example as what a model reads and learns.

    Raises:
        UsageError: If the task does not learn from such examples.
    """
    match example:
        case Passage() if task == "text":
            return encode_passage(example.text, tokenizer, place=example.place)
        case Conversation() if task == "chat":
            return _answered(example.messages, tokenizer, learn="assistant", place=example.place)
        case Pair() if task in ("summarize", "translate"):
            turns = (
                form.lesson(example) if form else (user(example.source), assistant(example.target))
            )
            return _answered(turns, tokenizer, learn="last", place=example.place)
    raise of_another_kind(example, task)


def _answered(turns: Sequence[Message], tokenizer: Tokenizer, *, learn: str, place: str) -> Lesson:
    """Encode a conversation with the model's template; without one, a prompt and its completion."""
    roles = tokenizer.roles
    if roles.chat_template is not None:
        tokens = {"eos_token": roles.eos, "pad_token": roles.pad, "bos_token": roles.bos or ""}
        return encode_lesson(
            turns,
            tokenizer,
            template=roles.chat_template,
            tokens=tokens,
            learn="last" if learn == "last" else "assistant",
            place=place,
        )
    if len(turns) != 2:
        raise UsageError(
            "This model has no chat template, so it cannot learn conversations.",
            hint="Give pairs of a prompt and a completion, or a model that has one.",
        )
    prompt, answer = turns[0].content, turns[1].content
    return encode_completion(f"{prompt}\n\n", answer, tokenizer, place=place)


def _fingerprint(lessons: Sequence[Lesson]) -> str:
    digest = hashlib.sha256()
    for lesson in lessons:
        digest.update(lesson.token_ids.tobytes() + lesson.learned.tobytes() + b"|")
    return digest.hexdigest()


def _save_gpt(
    model: Trainable, folder: Path, tokenizer: Tokenizer, others: Sequence[str] = ()
) -> None:
    assert isinstance(model, GPT)  # as the teacher returned it
    save_model(model, folder, tokenizer=tokenizer, dtype="float32", others=others)
