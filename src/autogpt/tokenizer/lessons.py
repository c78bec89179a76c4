"""Lessons: token ids, and which of them a model is to learn.

Of a conversation that is what the assistant says, the token that ends its turn included. Where
that stands is found by rendering the beginnings of the conversation, so that it works with any
chat template, marked for training (``{% generation %}``) or not; the ids are those of the whole
conversation as ``encode_chat`` and ``transformers`` (2026) give them. Packing lessons into batches
is in ``data/lessons.py``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from autogpt.core.errors import CheckpointError, UsageError
from autogpt.core.messages import Message, TemplateMessage
from autogpt.tokenizer.chat import CHAT_TEMPLATE, ChatTokenizer, Disguise, render

__all__ = ["Lesson", "LessonTokenizer", "encode_completion", "encode_lesson", "encode_passage"]

_Mask = npt.NDArray[np.bool_]


class LessonTokenizer(ChatTokenizer, Protocol):
    """What lessons need of a tokenizer: ``bpe.Tokenizer`` has it."""

    eos_id: int
    pad_id: int
    bos_ids: tuple[int, ...]

    def encode_ends(self, text: str) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
        """Return the ids of text, and where in it each ends, in characters."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Lesson:
    """What a model reads, and which of it is learned.

    Attributes:
        token_ids: int32 [T].
        learned: For each token whether the model is to predict it, bool [T].
        place: Where it is from, for messages.
    """

    token_ids: npt.NDArray[np.int32]
    learned: _Mask
    place: str = ""

    def __post_init__(self) -> None:
        if self.token_ids.shape != self.learned.shape:
            raise ValueError(f"{self.token_ids.shape} ids, but {self.learned.shape} marks.")

    def __len__(self) -> int:
        """Return the number of tokens."""
        return len(self.token_ids)


def encode_lesson(
    messages: Sequence[Message | TemplateMessage],
    tokenizer: LessonTokenizer,
    *,
    template: str = CHAT_TEMPLATE,
    tokens: Mapping[str, str] | None = None,
    learn: Literal["assistant", "last"] = "assistant",
    place: str = "",
) -> Lesson:
    """Return a conversation of which the assistant's words are learned.

    Args:
        messages: The turns, oldest first.
        tokenizer: Gives the ids; special tokens that a message spells stay text.
        template: A jinja chat template.
        tokens: What the template knows as ``bos_token`` and the like.
        learn: All that the assistant says, or only its last turn.
        place: Where the conversation is from.

    Raises:
        CheckpointError: If the template is broken, or breaks the sandbox or its limits.
        UsageError: If the template refuses these messages, if it writes the beginning of a
            conversation in another way once it goes on, or if the assistant says nothing.
    """
    plain = [turn.to_dict() if isinstance(turn, Message) else turn for turn in messages]
    spoken = [number for number, turn in enumerate(plain) if turn["role"] == "assistant"]
    if not spoken:
        raise UsageError(
            "A conversation has no turn of the assistant, so there is nothing to learn from it.",
            hint="Each conversation needs a message of the role 'assistant'.",
        )
    disguise = Disguise.of(plain, tokenizer.special_ids)
    turns = disguise.put_on(plain)

    def rendered(count: int, *, asks: bool) -> str:
        return render(turns[:count], template=template, add_generation_prompt=asks, tokens=tokens)

    text = rendered(len(turns), asks=False)
    marks = np.zeros(len(text), dtype=np.bool_)
    for number in spoken if learn == "assistant" else spoken[-1:]:
        start, end = _answer(text, number, len(turns), rendered, disguise)
        marks[start:end] = True
    ids, learned = _encode(text, marks, tokenizer, disguise)
    return Lesson(ids, learned, place)


def encode_passage(text: str, tokenizer: LessonTokenizer, *, place: str = "") -> Lesson:
    """Return a text to go on with, all of it learned, and the end of text after it."""
    ids = [*tokenizer.bos_ids, *tokenizer.encode(text), tokenizer.pad_id]
    learned = np.ones(len(ids), dtype=np.bool_)
    learned[: len(tokenizer.bos_ids)] = False
    return Lesson(np.array(ids, dtype=np.int32), learned, place)


def encode_completion(
    prompt: str, completion: str, tokenizer: LessonTokenizer, *, place: str = ""
) -> Lesson:
    """Return a prompt and its completion without a template; the latter and its end are learned.

    They are encoded one by one, as they are when the model is asked.
    """
    before = [*tokenizer.bos_ids, *tokenizer.encode(prompt)]
    after = [*tokenizer.encode(completion), tokenizer.eos_id]
    learned = np.zeros(len(before) + len(after), dtype=np.bool_)
    learned[len(before) :] = True
    return Lesson(np.array(before + after, dtype=np.int32), learned, place)


class _Rendered(Protocol):
    """Renders the first turns, with or without the beginning of an answer."""

    def __call__(self, count: int, *, asks: bool) -> str: ...


def _answer(
    text: str, number: int, count: int, rendered: _Rendered, disguise: Disguise
) -> tuple[int, int]:
    """Return where in ``text`` the answer in turn ``number`` starts and ends."""
    try:
        before = _length_within(text, rendered(number, asks=False), disguise)
        asked = _length_agreed(text, rendered(number, asks=True), disguise)
    except CheckpointError as error:
        if number:
            raise
        raise UsageError(
            "The model's chat template cannot begin with the assistant's turn.",
            hint="Let the user speak first, or leave that turn out.",
        ) from error
    after = len(text)
    if number + 1 < count:
        after = _length_within(text, rendered(number + 1, asks=False), disguise)
    start = max(before, asked)
    if before < 0 or after < start:
        raise UsageError(
            f"The model's chat template writes the beginning of a conversation in another way once "
            f"it goes on (turn {number + 1} of {count}), so the answers in it cannot be found.",
            hint="Give it conversations of one answer each, or learn only the last answer.",
        )
    return start, start + len(_without_rest(text[start:after], disguise))


def _length_within(text: str, beginning: str, disguise: Disguise) -> int:
    """Return how much of ``text`` a rendered beginning is; -1 if ``text`` begins otherwise.

    Special tokens and space that only close the rendering (as Phi-3's end of text) do not count.
    """
    pieces = disguise.pieces(beginning)
    while not text.startswith(joined := "".join(pieces)):
        last = pieces.pop()
        if not _is_mark(last, disguise):
            return -1
    return len(joined) if joined or not beginning else -1


def _length_agreed(text: str, beginning: str, disguise: Disguise) -> int:
    """Return how long ``text`` agrees with a rendered beginning, in whole pieces."""
    length = 0
    for piece in disguise.pieces(beginning):
        if not text.startswith(piece, length):
            break
        length += len(piece)
    return length


def _without_rest(answer: str, disguise: Disguise) -> str:
    """Return an answer up to the token that ends it; all of it if no token does."""
    pieces = disguise.pieces(answer)
    tail = len(pieces)
    while tail and _is_mark(pieces[tail - 1], disguise):
        tail -= 1
    ends = [
        place for place in range(tail, len(pieces)) if disguise.special.fullmatch(pieces[place])
    ]
    return "".join(pieces[: ends[0] + 1]) if ends else answer


def _is_mark(piece: str, disguise: Disguise) -> bool:
    return piece.isspace() or disguise.special.fullmatch(piece) is not None


def _encode(
    text: str, marks: _Mask, tokenizer: LessonTokenizer, disguise: Disguise
) -> tuple[npt.NDArray[np.int32], _Mask]:
    """Return the ids of a rendered text, and which of them hold a marked character."""
    ids: list[int] = []
    learned: list[bool] = []
    at = 0
    for piece in disguise.pieces(text):
        here = marks[at : at + len(piece)]
        at += len(piece)
        if piece in tokenizer.special_ids:
            ids.append(tokenizer.special_ids[piece])
            learned.append(bool(here[0]))
        elif here.all() or not here.any():
            found = tokenizer.encode(disguise.take_off(piece))
            ids += found
            learned += [bool(here[0])] * len(found)
        else:
            some, ends = tokenizer.encode_ends(disguise.take_off(piece))
            ids += some.tolist()
            learned += _held(_as_meant(here, piece, disguise), ends).tolist()
    return np.array(ids, dtype=np.int32), np.array(learned, dtype=np.bool_)


def _as_meant(marks: _Mask, piece: str, disguise: Disguise) -> _Mask:
    """Return the marks of the characters that are left when the disguise is taken off."""
    kept = [marks[:0]]
    at = 0
    for part in piece.split(disguise.stand_in):
        kept.append(marks[at : at + len(part)])
        at += len(part) + len(disguise.stand_in)
    return np.concatenate(kept)


def _held(marks: _Mask, ends: npt.NDArray[np.int64]) -> _Mask:
    """Return for each token whether one of its characters is marked.

    A token begins where the one before ends; several may share a character.
    """
    starts = np.minimum(np.concatenate(([0], ends[:-1])), ends - 1).clip(0)
    before = np.concatenate(([0], np.cumsum(marks)))
    held: _Mask = before[ends] > before[starts]
    return held
