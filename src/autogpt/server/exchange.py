"""One request and its answer: the body bounded in size and time, the headers every answer has."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from autogpt.server.api_errors import SAFE_HEADERS, ApiError, new_request_id
from autogpt.server.config import ServerConfig
from autogpt.server.head import Head

__all__ = ["App", "Exchange", "Message", "Receive", "Scope", "Send", "too_large"]

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_DISCARDED_BYTES, _DISCARDED_S = 64 << 20, 5.0


def too_large(most: int) -> ApiError:
    """Return the refusal of a body that is larger than this."""
    return ApiError(
        413, f"The body has more than {most:,} bytes.", code="request_too_large", close=True
    )


class Exchange:
    """One request and its answer."""

    def __init__(
        self,
        config: ServerConfig,
        scope: Scope,
        receive: Receive,
        send: Send,
        *,
        is_upload: bool,
    ) -> None:
        self.scope, self._receive, self._send = scope, receive, send
        self.head = Head(scope["method"], scope["path"], dict(scope["headers"]))
        self.request_id = new_request_id()
        self.begin = time.perf_counter()
        self.facts: dict[str, object] = {}
        self.origin: bytes | None = None
        self.status = 499  # nginx's word for a client that went away
        self.has_begun = False
        self.is_refused = False
        limits = config.limits
        self.most_bytes = limits.upload_bytes if is_upload else limits.body_bytes
        self._deadline = self.begin + (limits.upload_s if is_upload else limits.body_s)
        self._bytes = 0
        self._is_read = False
        self._closes = False

    @property
    def is_preflight(self) -> bool:
        """Whether a browser asks if a page of a listed origin may ask."""
        return self.head.method == "OPTIONS" and self.origin is not None

    async def receive(self) -> Message:
        """Return the next part of the body, if it is in time and not too much.

        Raises:
            ApiError: 408 or 413.
        """
        if self._is_read:
            return await self._receive()
        try:
            async with asyncio.timeout(max(0.0, self._deadline - time.perf_counter())):
                message = await self._receive()
        except TimeoutError:
            raise ApiError(408, "The body took too long.", code="timeout", close=True) from None
        if message["type"] == "http.request":
            self._bytes += len(message.get("body", b""))
            self._is_read = not message.get("more_body", False)
            if self._bytes > self.most_bytes:
                raise too_large(self.most_bytes)
        return message

    async def send(self, message: Message) -> None:
        """Send a part of the answer.

        Where the connection ends with it, what the client is still sending is taken for a while
        and thrown away: a socket that is closed with something unread in it is reset, and the
        answer is lost.
        """
        if message["type"] == "http.response.start":
            self.has_begun, self.status = True, message["status"]
            self._closes = (b"connection", b"close") in message["headers"]
            message = {**message, "headers": [*message["headers"], *self._headers()]}
        elif self._closes and not self._is_read and not message.get("more_body", False):
            await self._send({**message, "more_body": True})
            await self._discard()
            message = {"type": "http.response.body"}
        await self._send(message)

    async def answer(self, status: int, body: bytes, headers: list[tuple[bytes, bytes]]) -> None:
        """Send a whole answer, whose length is added to the headers."""
        headers = [*headers, (b"content-length", str(len(body)).encode())]
        await self.send({"type": "http.response.start", "status": status, "headers": headers})
        await self.send({"type": "http.response.body", "body": body})

    async def tell(self, error: ApiError) -> None:
        """Answer with an error, in the client's language, unless an answer has begun."""
        if not self.has_begun:
            await self.answer(error.status, error.body(self.head.language), error.headers())

    async def _discard(self) -> None:
        """Take the rest of the body and throw it away, for some seconds at most."""
        left = _DISCARDED_BYTES
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_DISCARDED_S):
                while left > 0:
                    message = await self._receive()
                    left -= len(message.get("body", b""))
                    if message["type"] != "http.request" or not message.get("more_body", False):
                        return

    def _headers(self) -> list[tuple[bytes, bytes]]:
        headers = [(b"x-request-id", self.request_id.encode()), *SAFE_HEADERS]
        if self.origin is not None:
            headers += [
                (b"access-control-allow-origin", self.origin),
                (b"vary", b"origin"),
                (b"access-control-expose-headers", b"x-request-id, retry-after"),
            ]
            if self.is_preflight:
                headers += [
                    (b"access-control-allow-methods", b"GET, POST"),
                    (b"access-control-allow-headers", b"authorization, content-type"),
                    (b"access-control-max-age", b"600"),
                ]
        return headers
