"""``POST /v1/chat/completions``."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from autogpt.server.asks import chat_ask
from autogpt.server.generation import Piece, Usage
from autogpt.server.lines import unpack_logprobs
from autogpt.server.openai import ChatRequest
from autogpt.server.pictures import picture_of
from autogpt.server.serving import Serving, describe, read
from autogpt.server.streams import EventStream, chunks, unless_gone
from autogpt.server.tools import CallReader, new_call_id

__all__ = ["chat_routes"]

_EXAMPLES: dict[str, object] = {
    "a question": {
        "model": "smollm2-135m-instruct",
        "messages": [{"role": "user", "content": "Why is the sky blue?"}],
        "max_completion_tokens": 64,
    },
    "JSON of a schema": {
        "model": "smollm2-135m-instruct",
        "messages": [{"role": "user", "content": "张伟今年三十岁。"}],
        "response_format": {
            "type": "json_schema",
            "json_schema": {
                "name": "person",
                "schema": {
                    "type": "object",
                    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
                    "required": ["name", "age"],
                    "additionalProperties": False,
                },
            },
        },
    },
    "a function, streamed": {
        "model": "smollm2-135m-instruct",
        "messages": [{"role": "user", "content": "What is the weather in Paris?"}],
        "tools": [
            {
                "type": "function",
                "function": {
                    "name": "weather",
                    "parameters": {
                        "type": "object",
                        "properties": {"city": {"type": "string"}},
                        "required": ["city"],
                    },
                },
            }
        ],
        "stream": True,
        "stream_options": {"include_usage": True},
    },
}


def chat_routes(serving: Serving) -> APIRouter:
    """Return the route."""
    router = APIRouter(tags=["write"])

    @router.post(
        "/v1/chat/completions",
        openapi_extra=describe(ChatRequest, _EXAMPLES, streams=True),
        summary="Answer a conversation",
        response_class=Response,
    )
    async def chat_completions(request: Request) -> Response:
        asked = await read(request, ChatRequest)
        picture = picture_of(asked, serving.model(asked.model))
        limits = serving.config.limits
        # To check the schemas of tools takes its time.
        ask, may_call = (
            await asyncio.to_thread(chat_ask, asked, limits)
            if asked.tools
            else chat_ask(asked, limits)
        )
        ask = replace(ask, picture=picture)
        usage = Usage()
        pieces = serving.write(ask, request, usage)
        answer = _Answer(asked.model, may_call=may_call)
        if not asked.stream:
            return await unless_gone(request, answer.whole(pieces, usage, ask.rows))
        options = asked.stream_options
        wants_usage = options is not None and options.include_usage is True
        return EventStream(answer.events(pieces, usage if wants_usage else None, ask.rows))

    return router


@dataclass(slots=True)
class _Choice:
    """One text of the answer, as far as it is there."""

    reader: CallReader
    is_begun: bool = False
    content: list[str] = field(default_factory=list)
    calls: list[dict[str, Any]] = field(default_factory=list)
    logprobs: list[dict[str, object]] | None = None
    finish: str | None = None

    def deltas(self, piece: Piece) -> list[dict[str, object]]:
        """Take a piece; return what is new of the message."""
        found: list[dict[str, object]] = []
        for one in self.reader.push(piece.text, is_last=piece.finish is not None):
            if isinstance(one, str):
                self.content.append(one)
                found.append({"content": one})
            elif one.name is not None:
                function = {"name": one.name, "arguments": ""}
                call: dict[str, Any] = {
                    "id": new_call_id(),
                    "type": "function",
                    "function": function,
                }
                self.calls.append(call)
                copied = {**call, "function": dict(function)}
                found.append({"tool_calls": [{"index": one.index, **copied}]})
            elif one.arguments:
                self.calls[one.index]["function"]["arguments"] += one.arguments
                change = {"index": one.index, "function": {"arguments": one.arguments}}
                found.append({"tool_calls": [change]})
        if piece.finish is not None:
            self.finish = "tool_calls" if self.calls and piece.finish == "stop" else piece.finish
        return found

    def message(self) -> dict[str, object]:
        """Return the whole message."""
        text = "".join(self.content)
        message: dict[str, object] = {
            "role": "assistant",
            "content": text if text or not self.calls else None,
            "refusal": None,
        }
        if self.calls:
            message["tool_calls"] = self.calls
        return message


class _Answer:
    """The answer to one request."""

    def __init__(self, model: str, *, may_call: bool) -> None:
        self._may_call = may_call
        self._head: dict[str, object] = {
            "id": f"chatcmpl-{secrets.token_hex(12)}",
            "created": int(time.time()),
            "model": model,
        }

    def _choices(self, rows: int) -> list[_Choice]:
        return [_Choice(CallReader(may_call=self._may_call)) for _ in range(rows)]

    async def whole(
        self, pieces: AsyncGenerator[list[Piece], None], usage: Usage, rows: int
    ) -> dict[str, object]:
        choices = self._choices(rows)
        async with aclosing(pieces) as batches:
            async for batch in batches:
                for piece in batch:
                    choice = choices[piece.row]
                    choice.deltas(piece)
                    if piece.logprobs is not None:
                        choice.logprobs = [
                            *(choice.logprobs or ()),
                            *unpack_logprobs(piece.logprobs),
                        ]
        return {
            **self._head,
            "object": "chat.completion",
            "choices": [
                {
                    "index": index,
                    "message": choice.message(),
                    "logprobs": None
                    if choice.logprobs is None
                    else {"content": choice.logprobs, "refusal": None},
                    "finish_reason": choice.finish,
                }
                for index, choice in enumerate(choices)
            ],
            "usage": usage.to_dict(),
        }

    def events(
        self, pieces: AsyncGenerator[list[Piece], None], usage: Usage | None, rows: int
    ) -> AsyncGenerator[bytes, None]:
        choices = self._choices(rows)
        head = {**self._head, "object": "chat.completion.chunk"}
        return chunks(pieces, lambda piece: _changes(choices[piece.row], piece), head, usage)


def _changes(choice: _Choice, piece: Piece) -> list[dict[str, object]]:
    """Return the entries of ``choices`` that tell a piece."""
    deltas = choice.deltas(piece)
    if not choice.is_begun:
        choice.is_begun = True
        begun: dict[str, object] = {"role": "assistant", "refusal": None}
        deltas = [{**begun, "content": None if choice.calls else ""}, *deltas]
    logprobs = None
    if piece.logprobs:
        logprobs = {"content": unpack_logprobs(piece.logprobs), "refusal": None}
        deltas = deltas or [{}]
    found: list[dict[str, object]] = [
        {"index": piece.row, "delta": delta, "logprobs": None, "finish_reason": None}
        for delta in deltas
    ]
    if found and logprobs is not None:
        found[-1]["logprobs"] = logprobs
    if piece.finish is not None:
        end = {"index": piece.row, "delta": {}, "logprobs": None, "finish_reason": choice.finish}
        found.append(end)
    return found
