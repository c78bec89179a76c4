"""``POST /v1/completions``: continue texts."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from autogpt.server.asks import completion_ask
from autogpt.server.generation import Piece, Usage
from autogpt.server.openai import CompletionRequest
from autogpt.server.serving import Serving, describe, read
from autogpt.server.streams import EventStream, chunks, unless_gone

__all__ = ["completion_routes"]

_EXAMPLES: dict[str, object] = {
    "one text": {"model": "smollm2-135m-instruct", "prompt": "Once upon a time", "max_tokens": 32},
    "several": {
        "model": "smollm2-135m-instruct",
        "prompt": ["Roses are", "學而時習之"],
        "n": 2,
        "seed": 1,
        "stop": ["\n"],
    },
}


def completion_routes(serving: Serving) -> APIRouter:
    """Return the route."""
    router = APIRouter(tags=["write"])

    @router.post(
        "/v1/completions",
        openapi_extra=describe(CompletionRequest, _EXAMPLES, streams=True),
        summary="Continue texts",
        response_class=Response,
    )
    async def completions(request: Request) -> Response:
        asked = await read(request, CompletionRequest)
        ask = completion_ask(asked, serving.config.limits)
        usage = Usage()
        pieces = serving.write(ask, request, usage)
        head: dict[str, object] = {
            "id": f"cmpl-{secrets.token_hex(12)}",
            "object": "text_completion",
            "created": int(time.time()),
            "model": asked.model,
        }
        if not asked.stream:
            return await unless_gone(request, _whole(head, pieces, usage, ask.rows))
        options = asked.stream_options
        wants_usage = options is not None and options.include_usage is True
        told = usage if wants_usage else None
        return EventStream(chunks(pieces, _chunk_choices(ask.rows), head, told))

    return router


@dataclass(slots=True)
class _Logprobs:
    """The older form of ``logprobs``: four lists, and where in the text each token begins."""

    offset: int = 0
    tokens: list[str] = field(default_factory=list)
    token_logprobs: list[float] = field(default_factory=list)
    top_logprobs: list[dict[str, float]] = field(default_factory=list)
    text_offset: list[int] = field(default_factory=list)

    def add(self, entries: Sequence[Sequence[Any]]) -> None:
        for token, _, logprob, top in entries:
            self.tokens.append(token)
            self.token_logprobs.append(logprob)
            self.top_logprobs.append({other: value for other, _, value, _ in top})
            self.text_offset.append(self.offset)
            self.offset += len(token)

    def take(self) -> dict[str, object]:
        """Return what was added since the last time."""
        found: dict[str, object] = {
            "tokens": self.tokens,
            "token_logprobs": self.token_logprobs,
            "top_logprobs": self.top_logprobs,
            "text_offset": self.text_offset,
        }
        self.tokens, self.token_logprobs, self.top_logprobs = [], [], []
        self.text_offset = []
        return found


async def _whole(
    head: dict[str, object], pieces: AsyncGenerator[list[Piece], None], usage: Usage, rows: int
) -> dict[str, object]:
    texts: list[list[str]] = [[] for _ in range(rows)]
    finish: list[str | None] = [None] * rows
    logprobs: dict[int, _Logprobs] = {}
    async with aclosing(pieces) as batches:
        async for batch in batches:
            for piece in batch:
                texts[piece.row].append(piece.text)
                finish[piece.row] = piece.finish
                if piece.logprobs is not None:
                    logprobs.setdefault(piece.row, _Logprobs()).add(piece.logprobs)
    choices = [
        {
            "index": row,
            "text": "".join(texts[row]),
            "logprobs": logprobs[row].take() if row in logprobs else None,
            "finish_reason": finish[row],
        }
        for row in range(rows)
    ]
    return {**head, "choices": choices, "usage": usage.to_dict()}


def _chunk_choices(rows: int) -> Callable[[Piece], list[dict[str, object]]]:
    """Return what makes the one entry of ``choices`` that tells a piece."""
    logprobs = [_Logprobs() for _ in range(rows)]

    def choices(piece: Piece) -> list[dict[str, object]]:
        entries = None
        if piece.logprobs is not None:
            logprobs[piece.row].add(piece.logprobs)
            entries = logprobs[piece.row].take()
        return [
            {
                "index": piece.row,
                "text": piece.text,
                "logprobs": entries,
                "finish_reason": piece.finish,
            }
        ]

    return choices
