"""``POST /v1/responses``: text and function calls; nothing is kept between requests."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from autogpt.core.i18n import Language, accepted
from autogpt.server.api_errors import to_api_error
from autogpt.server.asks import response_ask
from autogpt.server.generation import Piece, Usage
from autogpt.server.openai_responses import ResponseRequest
from autogpt.server.serving import Serving, describe, read
from autogpt.server.streams import EventStream, event, unless_gone
from autogpt.server.tools import Call, CallReader, new_call_id

__all__ = ["response_routes"]

_EXAMPLES: dict[str, object] = {
    "a question": {
        "model": "smollm2-135m-instruct",
        "instructions": "Answer in one sentence.",
        "input": "Why is the sky blue?",
        "max_output_tokens": 64,
    }
}


def response_routes(serving: Serving) -> APIRouter:
    """Return the route."""
    router = APIRouter(tags=["write"])

    @router.post(
        "/v1/responses",
        openapi_extra=describe(ResponseRequest, _EXAMPLES, streams=True),
        summary="Answer, in the form of the Responses API",
        response_class=Response,
    )
    async def responses(request: Request) -> Response:
        asked = await read(request, ResponseRequest)
        limits = serving.config.limits
        # To check the schemas of tools takes its time.
        ask, may_call = (
            await asyncio.to_thread(response_ask, asked, limits)
            if asked.tools
            else response_ask(asked, limits)
        )
        usage = Usage()
        pieces = serving.write(ask, request, usage)
        building = _Building(asked, usage, may_call=may_call)
        if asked.stream:
            language = accepted(request.headers.get("accept-language"))
            return EventStream(_events(pieces, building, language))
        return await unless_gone(request, _whole(pieces, building))

    return router


async def _whole(
    pieces: AsyncGenerator[list[Piece], None], building: _Building
) -> dict[str, object]:
    async with aclosing(pieces) as batches:
        async for batch in batches:
            for piece in batch:
                list(building.take(piece))
    return building.response(building.status)


async def _events(
    pieces: AsyncGenerator[list[Piece], None], building: _Building, language: Language
) -> AsyncGenerator[bytes, None]:
    is_begun = False
    try:
        async with aclosing(pieces) as batches:
            async for batch in batches:
                told = [] if is_begun else list(building.begin())
                is_begun = True
                for piece in batch:
                    told += building.take(piece)
                if told:
                    yield b"".join(building.encoded(one) for one in told)
    except Exception as error:
        if not is_begun:
            raise
        fields = to_api_error(error).fields(language)
        failed = {"code": fields["code"] or "server_error", "message": fields["message"]}
        response = {**building.response("failed"), "error": failed}
        yield building.encoded({"type": "response.failed", "response": response})
        return
    status = building.status
    yield building.encoded({"type": f"response.{status}", "response": building.response(status)})


class _Building:
    """A response while it is written: its items, and the events that tell of them."""

    def __init__(self, asked: ResponseRequest, usage: Usage, *, may_call: bool) -> None:
        self._asked, self._usage = asked, usage
        self._id = f"resp_{secrets.token_hex(16)}"
        self._created = int(time.time())
        self._reader = CallReader(may_call=may_call)
        self._items: list[dict[str, Any]] = []
        self._number = 0
        self.status = "completed"
        self._reason = ""

    def encoded(self, told: dict[str, Any]) -> bytes:
        """Return an event with its number."""
        told = {**told, "sequence_number": self._number}
        self._number += 1
        return event(told, told["type"])

    def begin(self) -> Iterator[dict[str, Any]]:
        """Yield what comes first."""
        for name in ("created", "in_progress"):
            yield {"type": f"response.{name}", "response": self.response("in_progress")}

    def take(self, piece: Piece) -> Iterator[dict[str, Any]]:
        """Take a piece; yield the events that tell of it."""
        is_last = piece.finish is not None
        for one in self._reader.push(piece.text, is_last=is_last):
            yield from self._text(one) if isinstance(one, str) else self._call(one)
        if not is_last:
            return
        if piece.finish != "stop":
            self.status = "incomplete"
            self._reason = "max_output_tokens" if piece.finish == "length" else "content_filter"
        if not self._items:
            yield from self._text("")
        if self._items[-1]["type"] == "message":
            yield from self._end_text()

    def _text(self, text: str) -> Iterator[dict[str, Any]]:
        place = len(self._items) - 1
        if not self._items or self._items[-1]["type"] != "message":
            place += 1
            part: dict[str, Any] = {
                "type": "output_text",
                "text": "",
                "annotations": [],
                "logprobs": [],
            }
            item: dict[str, Any] = {
                "id": f"msg_{secrets.token_hex(12)}",
                "type": "message",
                "role": "assistant",
                "status": "in_progress",
                "content": [],
            }
            yield {"type": "response.output_item.added", "output_index": place, "item": dict(item)}
            yield {**self._where("response.content_part.added", place, item), "part": dict(part)}
            self._items.append({**item, "content": [part]})
        item = self._items[place]
        item["content"][0]["text"] += text
        if text:
            told = self._where("response.output_text.delta", place, item)
            yield {**told, "delta": text, "logprobs": []}

    def _end_text(self) -> Iterator[dict[str, Any]]:
        place = len(self._items) - 1
        item = self._items[place]
        item["status"] = self.status
        part = item["content"][0]
        told = self._where("response.output_text.done", place, item)
        yield {**told, "text": part["text"], "logprobs": []}
        yield {**self._where("response.content_part.done", place, item), "part": part}
        yield {"type": "response.output_item.done", "output_index": place, "item": item}

    def _call(self, one: Call) -> Iterator[dict[str, Any]]:
        if one.name is not None:
            item = {
                "id": f"fc_{secrets.token_hex(12)}",
                "type": "function_call",
                "status": "in_progress",
                "call_id": new_call_id(),
                "name": one.name,
                "arguments": "",
            }
            self._items.append(item)
            place = len(self._items) - 1
            yield {"type": "response.output_item.added", "output_index": place, "item": dict(item)}
            return
        place = len(self._items) - 1
        item = self._items[place]
        item["arguments"] += one.arguments
        where = {"item_id": item["id"], "output_index": place}
        if one.arguments:
            kind = "response.function_call_arguments.delta"
            yield {"type": kind, **where, "delta": one.arguments}
        if one.is_over:
            item["status"] = "completed"
            kind = "response.function_call_arguments.done"
            yield {"type": kind, **where, "name": item["name"], "arguments": item["arguments"]}
            yield {"type": "response.output_item.done", "output_index": place, "item": dict(item)}

    @staticmethod
    def _where(kind: str, place: int, item: dict[str, Any]) -> dict[str, Any]:
        return {"type": kind, "item_id": item["id"], "output_index": place, "content_index": 0}

    def response(self, status: str) -> dict[str, Any]:
        """Return the response as it is now."""
        asked, usage = self._asked, self._usage
        is_over = status != "in_progress"
        text = asked.text.model_dump(by_alias=True, exclude_none=True) if asked.text else {}
        return {
            "id": self._id,
            "object": "response",
            "created_at": self._created,
            "status": status,
            "error": None,
            "incomplete_details": {"reason": self._reason} if status == "incomplete" else None,
            "instructions": asked.instructions,
            "max_output_tokens": asked.max_output_tokens,
            "model": asked.model,
            "output": self._items,
            "parallel_tool_calls": asked.parallel_tool_calls is not False,
            "previous_response_id": None,
            "store": False,
            "temperature": asked.temperature,
            "top_p": asked.top_p,
            "text": {"format": {"type": "text"}, **text},
            "tool_choice": asked.tool_choice
            if isinstance(asked.tool_choice, str)
            else asked.tool_choice.model_dump()
            if asked.tool_choice is not None
            else "auto",
            "tools": [tool.model_dump() for tool in asked.tools or ()],
            "truncation": "disabled",
            "metadata": asked.metadata or {},
            "usage": {
                "input_tokens": usage.prompt_tokens,
                "input_tokens_details": {"cached_tokens": usage.cached_tokens},
                "output_tokens": usage.completion_tokens,
                "output_tokens_details": {"reasoning_tokens": 0},
                "total_tokens": usage.prompt_tokens + usage.completion_tokens,
            }
            if is_over
            else None,
        }
