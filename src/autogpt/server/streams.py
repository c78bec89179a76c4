"""Answers while they are being written: server-sent events, and what a client's leaving ends.

Source: the HTML standard, "Server-sent events"; ``data: [DONE]`` at the end is OpenAI's.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncGenerator, Coroutine, Mapping
from contextlib import aclosing
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from autogpt.core.i18n import Language, accepted
from autogpt.server.api_errors import to_api_error

__all__ = ["DONE", "EventStream", "event", "unless_gone"]

_logger = logging.getLogger(__name__)

DONE = b"data: [DONE]\n\n"

T = TypeVar("T")


def event(value: Mapping[str, object], name: str | None = None) -> bytes:
    """Return one event."""
    data = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    head = "" if name is None else f"event: {name}\n"
    return f"{head}data: {data}\n\n".encode()


class EventStream(Response):
    """Sends events as they come. What goes wrong before the first one has a status of its own.

    Args:
        events: Encoded; closed when the client leaves.
    """

    media_type = "text/event-stream"

    def __init__(self, events: AsyncGenerator[bytes, None]) -> None:
        super().__init__()
        del self.headers["content-length"]
        self._events = events

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send."""
        language = accepted(dict(scope["headers"]).get(b"accept-language", b"").decode("latin-1"))
        await _unless_gone(receive, self._write(send, language))

    async def _write(self, send: Send, language: Language) -> None:
        async with aclosing(self._events) as events:
            first = await anext(events, None)
            head = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
            await send(head)
            if first is not None:
                await send({"type": "http.response.body", "body": first, "more_body": True})
            try:
                async for data in events:
                    await send({"type": "http.response.body", "body": data, "more_body": True})
            except Exception as error:
                told = to_api_error(error)
                if told.code == "internal":
                    _logger.exception("a stream failed")
                data = event({"error": told.fields(language)})
                await send({"type": "http.response.body", "body": data, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


async def unless_gone(
    request: Request, work: Coroutine[Any, Any, Mapping[str, object]]
) -> Response:
    """Return an answer as JSON; if the client leaves, the work is cancelled."""
    found = await _unless_gone(request.receive, work)
    return Response(status_code=499) if found is None else JSONResponse(found)


async def _unless_gone(receive: Receive, work: Coroutine[Any, Any, T]) -> T | None:
    """Return what the work returns, or None if the client has left before."""
    working = asyncio.create_task(work)
    leaving = asyncio.create_task(_gone(receive))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        return None
    finally:
        await _cancelled(working)
        await _cancelled(leaving)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _cancelled(task: asyncio.Task[Any]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError, Exception):
        await task
