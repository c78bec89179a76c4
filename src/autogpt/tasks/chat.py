"""Chat: conversations that are held, trimmed to what a model sees, and kept as finetune reads them.

::

    chat = Chat(gpt, system="Answer in one sentence.")
    for chunk in chat.stream("Why is the sky blue?"):
        print(chunk.text, end="")
    chat.undo()
    save_transcript(path, chat.messages)  # a line of JSON, {"messages": [...]}

A conversation that has become too long loses its oldest turns, whole ones, a question with its
answer; what the system says stays.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast, get_args

from autogpt.core.errors import DataError, UsageError
from autogpt.core.files import explain_os_errors
from autogpt.core.messages import (
    Chunk,
    Completion,
    Message,
    Role,
    assistant,
    system,
    user,
)
from autogpt.tasks.base import Job, Progress, Task, Writer, telling
from autogpt.tasks.schema import object_schema

__all__ = [
    "MAX_TOKENS",
    "TASK",
    "Chat",
    "ChatTask",
    "load_transcript",
    "messages_of",
    "save_transcript",
    "trimmed",
]

MAX_TOKENS = 512
"""Of an answer, unless the user says otherwise."""

_AT_ONCE = 16  # conversations that are answered in a batch


def trimmed(
    messages: Sequence[Message], fits: Callable[[Sequence[Message]], bool]
) -> list[Message]:
    """Return a conversation without as many of its oldest turns as it takes to fit.

    A turn is what the user says with all that follows up to the user's next; messages of the system
    stay. The last turn stays too, whether it fits or not.

    Args:
        messages: Oldest first.
        fits: Whether a conversation is short enough.
    """
    starts = [place for place, turn in enumerate(messages) if turn.role == "user"]
    kept = list(messages)
    for start in starts[1:]:
        if fits(kept):
            break
        before = [turn for turn in messages[:start] if turn.role == "system"]
        kept = [*before, *messages[start:]]
    return kept


class Chat:
    """A conversation with a model.

    Args:
        model: Answers messages.
        system: What the system says; None: nothing.
        settings: Of each answer, by name, as ``LLM.stream`` takes them.

    Attributes:
        messages: What was said, oldest first.
    """

    def __init__(
        self,
        model: Any,  # noqa: ANN401 - whatever has ``stream``, as core.messages.ChatModel
        *,
        system: str | None = None,
        settings: Mapping[str, object] | None = None,
    ) -> None:
        self._model = model
        self._settings = {"max_tokens": MAX_TOKENS, **(settings or {})}
        self.messages: list[Message] = []
        self.system = system

    @property
    def system(self) -> str | None:
        """What the system says at the beginning."""
        first = self.messages[0] if self.messages else None
        return first.content if first is not None and first.role == "system" else None

    @system.setter
    def system(self, text: str | None) -> None:
        rest = self.messages[1:] if self.system is not None else self.messages
        self.messages = [*([system(text)] if text and text.strip() else []), *rest]

    def stream(self, text: str) -> Iterator[Chunk]:
        """Say something, and yield the answer as it is written.

        Both are kept when the answer ends, or is no longer read; an answer of nothing takes what
        was said with it.

        Raises:
            UsageError: If nothing is said, or the model cannot answer messages.
        """
        if not text.strip():
            raise UsageError("There is no message.", hint="Say something.")
        asked = [*self.messages, user(text)]
        chunks = self._model.stream(asked, **self._settings)
        return self._kept(asked, chunks)

    def _kept(self, asked: list[Message], chunks: Iterator[Chunk]) -> Iterator[Chunk]:
        written = ""
        try:
            for chunk in chunks:
                written += chunk.text
                yield chunk
        finally:
            if written.strip():
                self.messages = [*asked, assistant(written.strip())]

    def say(self, text: str) -> str:
        """Say something, and return the whole answer.

        Raises:
            UsageError: As :meth:`stream`.
        """
        return "".join(chunk.text for chunk in self.stream(text)).strip()

    def undo(self) -> str | None:
        """Take back what was said last, with its answer; return it, or None if there is nothing."""
        places = [place for place, turn in enumerate(self.messages) if turn.role == "user"]
        if not places:
            return None
        said = self.messages[places[-1]].content
        self.messages = self.messages[: places[-1]]
        return said

    def clear(self) -> None:
        """Begin anew; what the system says stays."""
        self.messages = [turn for turn in self.messages[:1] if turn.role == "system"]


# -- transcripts -----------------------------------------------------------------------------------


def messages_of(value: object, *, where: str = "The conversation") -> list[Message]:
    """Return messages given as plain values: a list of ``{"role", "content"}``.

    Raises:
        DataError: If it is none; says which message is wrong.
    """
    if isinstance(value, Mapping) and "messages" in value:
        value = value["messages"]
    if not isinstance(value, Sequence) or isinstance(value, str) or not value:
        raise DataError(f"{where} is no list of messages.")
    found = []
    for number, row in enumerate(value, 1):
        role = row.get("role") if isinstance(row, Mapping) else None
        content = row.get("content") if isinstance(row, Mapping) else None
        if role not in get_args(Role) or not isinstance(content, str):
            raise DataError(
                f"Message {number} of {where[:1].lower()}{where[1:]} needs a role "
                f"({', '.join(get_args(Role))}) and a content that is text."
            )
        found.append(Message(cast("Role", role), content))
    return found


def save_transcript(path: Path, messages: Sequence[Message]) -> None:
    """Append a conversation to a file of transcripts, one JSON line each, as ``finetune`` reads it.

    Raises:
        ResourceError: If the file cannot be written.
    """
    line = json.dumps({"messages": [turn.to_dict() for turn in messages]}, ensure_ascii=False)
    with explain_os_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8", newline="\n") as file:
            file.write(line + "\n")


def load_transcript(path: Path) -> list[Message]:
    """Return the last conversation in a file of transcripts.

    Raises:
        DataError: If it holds none.
        ResourceError: If it cannot be read.
    """
    with explain_os_errors(path):
        if not path.is_file():
            raise DataError(f"There is no file {str(path)!r}.")
        text = path.read_text(encoding="utf-8-sig", errors="replace")
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        raise DataError(f"{str(path)!r} is empty.")
    try:
        value = json.loads(lines[-1])
    except ValueError as error:
        raise DataError(f"The last line of {str(path)!r} is no JSON: {error}.") from error
    return messages_of(value, where=f"The last line of {str(path)!r}")


# -- the task --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer."""

    completion: Completion

    def to_dict(self) -> dict[str, object]:
        """Return the fields of ``autogpt chat --json``."""
        return {**self.completion.to_dict(), "text": self.completion.text.strip()}


@dataclass(frozen=True, kw_only=True, slots=True)
class ChatTask:
    """The task: one answer to each of several conversations.

    Attributes:
        system: What the system says, before conversations that do not begin with it.
        settings: Of each answer, by name.
    """

    system: str | None = None
    settings: Mapping[str, object] = field(default_factory=dict)

    def run(
        self,
        model: object,
        inputs: Sequence[str | Sequence[Mapping[str, str]]],
        progress: Progress | None = None,
    ) -> Iterator[Reply]:
        """Yield the answer to each text or conversation, in order.

        Raises:
            UsageError: If the model does not answer messages.
            DataError: If a conversation is none, or does not end with the user.
        """
        if not isinstance(model, Writer) or not model.answers_messages:
            raise UsageError(
                f"{model!r} has no chat template, so it cannot answer messages.",
                hint="Name an assistant, or use generate, which continues text.",
            )
        talks = [self._talk(value, number) for number, value in enumerate(inputs, 1)]
        return telling(self._answers(model, talks), len(talks), progress)

    def _answers(self, model: Writer, talks: Sequence[list[Message]]) -> Iterator[Reply]:
        usual: Mapping[str, Any] = getattr(model, "chat_settings", {})
        given: dict[str, Any] = {"max_tokens": MAX_TOKENS, **usual, **self.settings}
        for start in range(0, len(talks), _AT_ONCE):
            for completion in model.write(talks[start : start + _AT_ONCE], **given):
                yield Reply(completion)

    def _talk(self, value: str | Sequence[Mapping[str, str]], number: int) -> list[Message]:
        where = f"Conversation {number}"
        talk = [user(value)] if isinstance(value, str) else messages_of(value, where=where)
        if talk[-1].role != "user" or not talk[-1].content.strip():
            raise DataError(f"{where} does not end with something that the user says.")
        if self.system and talk[0].role != "system":
            talk = [system(self.system), *talk]
        return talk


def _prepare(
    *,
    system: str | None = None,
    max_tokens: int = MAX_TOKENS,
    temperature: float | None = None,
    top_p: float | None = None,
    stop: Sequence[str] = (),
    seed: int | None = None,
) -> Job:
    given = {"temperature": temperature, "top_p": top_p, "stop": tuple(stop) or None, "seed": seed}
    settings = {name: value for name, value in given.items() if value is not None}
    return ChatTask(system=system, settings={"max_tokens": max_tokens, **settings})


_MESSAGE = object_schema(
    "role", "content", role={"type": "string", "enum": list(get_args(Role))},
    content={"type": "string"},
)  # fmt: skip

TASK = Task(
    name="chat",
    about="Answer a message, or a conversation.",
    about_zh="回答一条消息或一段对话。",
    input={
        "oneOf": [
            {"type": "string", "description": "What the user says."},
            {"type": "array", "items": _MESSAGE, "minItems": 1},
        ],
        "description": "A message of the user, or a list of messages that ends with one.",
        "description_zh": "用户的一条消息，或以用户消息结尾的消息列表。",
    },
    parameters=object_schema(
        system={
            "type": "string",
            "description": "How the model is to behave.",
            "description_zh": "系统提示：模型应如何表现。",
        },
        max_tokens={
            "type": "integer",
            "minimum": 1,
            "default": MAX_TOKENS,
            "description": "Most tokens of an answer.",
            "description_zh": "回答的最大词元数。",
        },
        temperature={
            "type": "number",
            "minimum": 0,
            "description": "How freely to choose: 0 always takes the likeliest token.",
            "description_zh": "采样温度：0 表示总取最可能的词元。",
        },
        top_p={
            "type": "number",
            "minimum": 0,
            "maximum": 1,
            "description": "Choose among the fewest tokens that hold this probability.",
            "description_zh": "只在累计概率达到此值的最少词元中选择。",
        },
        stop={
            "type": "array",
            "items": {"type": "string", "minLength": 1},
            "description": "An answer ends before the first of these.",
            "description_zh": "遇到其中任一文本即停止。",
        },
        seed={
            "type": "integer",
            "description": "Same seed, same answer, on one machine.",
            "description_zh": "随机种子：同一台机器上种子相同，回答相同。",
        },
    ),
    result=object_schema(
        *("text", "finish_reason", "usage", "timing"),
        text={"type": "string"},
        finish_reason={"type": "string"},
        usage={"type": "object"},
        timing={"type": "object"},
    ),
    needs="default",
    prepare=_prepare,
)
