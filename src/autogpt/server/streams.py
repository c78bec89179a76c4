"""Answers while they are being written: server-sent events, and what a client's leaving ends.

Source: the HTML standard, "Server-sent events"; ``data: [DONE]`` at the end is OpenAI's.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping, Sequence
from contextlib import aclosing
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from autogpt.core.i18n import Language, accepted
from autogpt.server.api_errors import to_api_error
from autogpt.server.generation import Piece, Usage

__all__ = ["EventStream", "chunks", "event", "unless_gone"]

_logger = logging.getLogger(__name__)

_DONE = b"data: [DONE]\n\n"
_spell = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode

T = TypeVar("T")


def event(value: Mapping[str, object], name: str | None = None) -> bytes:
    """Return one event."""
    head = "" if name is None else f"event: {name}\n"
    return f"{head}data: {_spell(value)}\n\n".encode()


async def chunks(
    pieces: AsyncGenerator[list[Piece], None],
    choices: Callable[[Piece], Sequence[Mapping[str, object]]],
    head: Mapping[str, object],
    usage: Usage | None,
) -> AsyncGenerator[bytes, None]:
    """Yield the chunks of a chat or a completion.

    Args:
        pieces: What is written; closed at the end.
        choices: Gives the entries of ``choices`` that tell a piece; each is a chunk.
        head: What all chunks have in common, spelled once: there is a chunk for each token.
        usage: Comes in a chunk of its own at the end; None if it is not wanted.
    """
    begin = f'data: {_spell(head)[:-1]},"choices":['
    end = "]}\n\n" if usage is None else '],"usage":null}\n\n'
    async with aclosing(pieces) as batches:
        async for batch in batches:
            told = [begin + _spell(one) + end for piece in batch for one in choices(piece)]
            if told:
                yield "".join(told).encode()
    last = b"" if usage is None else event({**head, "choices": [], "usage": usage.to_dict()})
    yield last + _DONE


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
