"""How writing is taught: plain text, what an assistant says, what is made of a text.

Examples become lessons (``tokenizer.lessons``) in the words in which the task is asked later
(``tasks.asking``), and lessons are packed into rows (``data.lessons``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from autogpt.core.errors import UsageError
from autogpt.core.examples import Conversation, Example, Pair, Passage
from autogpt.core.files import write_json
from autogpt.core.messages import Message, assistant, user
from autogpt.data.lessons import LessonBatches, Lessons, lesson_windows
from autogpt.models.checkpoint import save_model
from autogpt.models.gpt import GPT
from autogpt.models.trainable import Trainable
from autogpt.recipe.class_head import of_another_kind
from autogpt.recipe.settings import PAIRS
from autogpt.recipe.teaching import Classroom, Taught
from autogpt.tasks import TASKS, asking, find_task
from autogpt.tasks.asking import Form
from autogpt.tasks.markings import with_marks
from autogpt.tokenizer.bpe import Tokenizer
from autogpt.tokenizer.lessons import Lesson, encode_completion, encode_lesson, encode_passage
from autogpt.training.objective import learned_tokens

__all__ = ["LOOK_TOKENS", "LessonTeacher", "answered", "save_gpt"]

LOOK_TOKENS = 4096  # of a batch of validation: enough to fill the cores


class LessonTeacher:
    """Teaches to write: plain text, what an assistant says, what is made of a text.

    Args:
        room: What it is given.
    """

    def __init__(self, room: Classroom) -> None:
        self._tokenizer, self._seed = room.tokenizer, room.recipe.seed
        self._smoothing = room.recipe.finetune.label_smoothing
        self._form = _form(room)
        encode = partial(
            _lesson,
            task=room.recipe.finetune.task,
            form=self._form,
            tokenizer=room.tokenizer,
        )
        self._train = [encode(example) for example in (*room.train, *_marked(room))]
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
        pad_id, size = self._tokenizer.pad_id, max(1, LOOK_TOKENS // context_length)
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
            objective=partial(learned_tokens, smoothing=self._smoothing),
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
        save_gpt(model, folder, self._tokenizer, others=[asking.FILE])


def _form(room: Classroom) -> Form | None:
    """Return the words in which the task is asked, now and when the model runs."""
    task = room.recipe.finetune.task
    teach = find_task(task).teach if task in TASKS else None
    if teach is None:
        return None
    pairs = [example for example in room.train if isinstance(example, Pair)]
    return teach(pairs, new=room.recipe.finetune.base == "new")


def _marked(room: Classroom) -> list[Pair]:
    """Return pairs from which a new translator learns to keep marks; others know them."""
    recipe = room.recipe
    if recipe.finetune.task != "translate" or recipe.finetune.base != "new":
        return []
    pairs = [example for example in room.train if isinstance(example, Pair)]
    marked = with_marks(pairs, seed=recipe.seed)
    if marked:
        room.shown.say(f"{len(marked)} copies have marks for words, as links and glossaries need.")
    return marked


def _lesson(example: Example, *, task: str, form: Form | None, tokenizer: Tokenizer) -> Lesson:
    """Return an example as what a model reads and learns.

    Raises:
        UsageError: If the task does not learn from such examples.
    """
    match example:
        case Passage() if task == "text":
            return encode_passage(example.text, tokenizer, place=example.place)
        case Conversation() if task == "chat":
            return answered(example.messages, tokenizer, learn="assistant", place=example.place)
        case Pair() if task in PAIRS:
            turns = (
                form.lesson(example) if form else (user(example.source), assistant(example.target))
            )
            return answered(turns, tokenizer, learn="last", place=example.place)
    raise of_another_kind(example, task)


def answered(turns: Sequence[Message], tokenizer: Tokenizer, *, learn: str, place: str) -> Lesson:
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


def save_gpt(
    model: Trainable, folder: Path, tokenizer: Tokenizer, others: Sequence[str] = ()
) -> None:
    """Write a model folder, in fp32.

    Args:
        model: Finished.
        folder: Where to.
        tokenizer: Of the model.
        others: Files there that belong to it, too.
    """
    assert isinstance(model, GPT)  # as the teacher returned it
    save_model(model, folder, tokenizer=tokenizer, dtype="float32", others=others)
