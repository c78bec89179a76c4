"""What the front and the engine process say to each other: JSON, a line a message.

To the engine: ``{"op": NAME, "id": N, ...}``. From it: ``{"re": N, "ok": VALUE}`` or
``{"re": N, "error": {code, message, hint}}`` ends a request; ``{"at": [[N, row, text, logprobs,
finish, tokens, prompt_tokens, reused], ...], "tokens": T, "rows": R}`` tells what was written.

Nothing is ever unpickled: whoever could write to the socket could say no more than this. What is
no message is a ``ValueError``, whose text has nothing of it: prompts are not logged.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from autogpt.core.messages import TokenLogprob

__all__ = [
    "Answer", "News", "Written", "decode", "encode", "pack_logprobs", "understand",
    "unpack_logprobs",
]  # fmt: skip


def encode(message: Mapping[str, object]) -> bytes:
    """Return a message as a line."""
    return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


class Written(NamedTuple):
    """What was written of one text since the last time.

    Attributes:
        row: Which text of the request.
        text: To append.
        logprobs: Of its tokens, as ``pack_logprobs`` makes them; None if not asked for.
        finish: "stop" or "length" at its end; None before.
        tokens: Written of this text so far.
        prompt_tokens: Read before it.
        reused: Of those, read before for another prompt of the same tenant.
    """

    row: int
    text: str
    logprobs: Sequence[Sequence[object]] | None
    finish: str | None
    tokens: int
    prompt_tokens: int
    reused: int


_SHAPES = frozenset(
    (int, int, str, logprobs, finish, int, int, int)
    for logprobs in (list, type(None))
    for finish in (str, type(None))
)


@dataclass(frozen=True, slots=True)
class News:
    """What was written since the last time.

    Attributes:
        written: Each with the number of its request.
        tokens: Written since the engine process began.
        rows: Texts that are being written.
    """

    written: Sequence[tuple[int, Written]]
    tokens: int
    rows: int


@dataclass(frozen=True, slots=True)
class Answer:
    """The end of a request.

    Attributes:
        number: Of the request.
        value: What was asked for.
        error: Code, message and hint; None if it went well.
    """

    number: int
    value: Any
    error: tuple[str, str, str] | None


def decode(line: bytes) -> dict[str, object]:
    """Return the message of a line.

    Raises:
        ValueError: If it is none.
    """
    try:
        message = json.loads(line)
    except RecursionError as error:
        raise ValueError("a message is nested too deeply") from error
    if not isinstance(message, dict):
        raise ValueError("a message is a JSON object")
    return message


def understand(line: bytes) -> News | Answer:
    """Return what the engine says.

    Raises:
        ValueError: If it makes no sense.
    """
    message: dict[str, Any] = decode(line)
    if "at" in message:
        return _news(message)
    number, told = message.get("re"), message.get("error")
    if type(number) is not int or ("ok" in message) == ("error" in message):
        raise ValueError("a message is neither news nor an answer")
    if told is None:
        return Answer(number, message.get("ok"), None)
    names = ("code", "message", "hint")
    if not isinstance(told, dict) or not all(isinstance(told.get(name), str) for name in names):
        raise ValueError("an error has no code, message or hint")
    return Answer(number, None, (told["code"], told["message"], told["hint"]))


def _news(message: Mapping[str, Any]) -> News:
    written, tokens, rows = message["at"], message.get("tokens"), message.get("rows")
    if not isinstance(written, list) or type(tokens) is not int or type(rows) is not int:
        raise ValueError("news are incomplete")
    return News([_written(one) for one in written], tokens, rows)


def _written(told: list[Any]) -> tuple[int, Written]:
    """Return one entry of the news; there is one for each token, so it is looked at at once."""
    if type(told) is not list or tuple(map(type, told)) not in _SHAPES:
        raise ValueError("what was written is told in another form")
    return told[0], Written._make(told[1:])


def pack_logprobs(entries: Sequence[TokenLogprob]) -> list[list[object]]:
    """Return what was likely at each place as plain lists: token, bytes, logprob, alternatives."""
    return [
        [entry.token, list(entry.token_bytes), entry.logprob, pack_logprobs(entry.top)]
        for entry in entries
    ]


def unpack_logprobs(entries: Sequence[Sequence[object]]) -> list[dict[str, object]]:
    """Return them in the form of OpenAI's ``logprobs.content``."""
    return [
        {
            "token": token,
            "bytes": spelled,
            "logprob": logprob,
            "top_logprobs": [
                {"token": other, "bytes": other_bytes, "logprob": other_logprob}
                for other, other_bytes, other_logprob, _ in top  # type: ignore[attr-defined]
            ],
        }
        for token, spelled, logprob, top in entries
    ]
