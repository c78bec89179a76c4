"""What the front and the engine process say to each other: JSON, a line a message.

To the engine: ``{"op": NAME, "id": N, ...}``. From it: ``{"re": N, "ok": VALUE}`` or
``{"re": N, "error": {code, message, hint}}`` ends a request; ``{"at": [[N, row, text, logprobs,
finish, tokens, prompt_tokens, reused], ...], "tokens": T, "rows": R}`` tells what was written.

Nothing is ever unpickled: whoever could write to the socket could say no more than this.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from autogpt.core.messages import TokenLogprob

__all__ = ["Written", "decode", "encode", "pack_logprobs", "unpack_logprobs"]


def encode(message: Mapping[str, object]) -> bytes:
    """Return a message as a line."""
    return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def decode(line: bytes) -> dict[str, object]:
    """Return the message of a line.

    Raises:
        ValueError: If it is none.
    """
    message = json.loads(line)
    if not isinstance(message, dict):
        raise ValueError("a message is a JSON object")
    return message


@dataclass(frozen=True, slots=True)
class Written:
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
