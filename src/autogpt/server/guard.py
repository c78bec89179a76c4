"""What every request passes before anything of it is understood: closed by default.

In this order, from the headers alone: is the server going down; is the Host one of ours (a page
that rebinds its name to this address has another), the Origin ours or listed, the key right (on
every route); is there room (``admission``); is the body JSON, and of a size that is read. Then the
body, bounded in size and time, and the answer, which a client must take in time.

Refusals are made of bytes that are ready. What is logged: identifiers, numbers, times; never a
body, a header or a key.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any

from autogpt.core.i18n import accepted
from autogpt.server.admission import Admission, Refused, Ticket
from autogpt.server.api_errors import ApiError
from autogpt.server.config import HEADER_BYTES, ServerConfig
from autogpt.server.engine_client import EngineClient
from autogpt.server.keys import Key
from autogpt.server.metrics import Metrics

if TYPE_CHECKING:
    from autogpt.server.tracing import Tracing

__all__ = ["Guard"]

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_access = logging.getLogger("autogpt.server.access")
_logger = logging.getLogger(__name__)

_NOBODY = Key("", b"", is_admin=True)  # without keys, who reaches a loopback address may do all
_MOST_METHODS = frozenset({"GET", "HEAD", "POST", "OPTIONS", "DELETE"})
_DISCARDED_BYTES, _DISCARDED_S = 64 << 20, 5.0
_SAFE_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
]
# Where a page may be served without a key (``studio``), these still want one.
_ALWAYS_CLOSED = ("/v1", "/health", "/metrics", "/docs", "/openapi.json")
# Sounds: multipart/form-data as OpenAI has it, or base64 in JSON.
_CHAT = "/v1/chat/completions"
_UPLOADS = frozenset({"/v1/audio/transcriptions", "/v1/tasks/transcribe", "/v1/tasks/recognize"})


class Guard:
    """An ASGI app around another one.

    Args:
        app: Answers what is let through. ``scope["state"]`` has ``key``, ``ticket``,
            ``request_id`` and ``facts``, a dict for what is to be logged.
        config: Who may ask.
        admission: Whether there is room.
        engine: Whether it is up.
        metrics: Are told.
        open_pages: Whether GET of other paths needs no key: a page without secrets is there.
        tracing: Is told of requests that are over; None where nobody asked for it.
    """

    def __init__(
        self,
        app: App,
        config: ServerConfig,
        *,
        admission: Admission,
        engine: EngineClient,
        metrics: Metrics,
        open_pages: bool = False,
        tracing: Tracing | None = None,
    ) -> None:
        self._app, self._config = app, config
        self.admission = admission
        self._engine, self._metrics = engine, metrics
        self._open_pages, self._tracing = open_pages, tracing
        # "0.0.0.0" names no server: a page that is led there means whatever listens.
        own = set() if config.host in ("0.0.0.0", "::") else {config.host, f"[{config.host}]"}
        self._hosts = {"localhost", "127.0.0.1", "[::1]", *own, *config.hosts}
        self._origins = {origin.rstrip("/") for origin in config.origins}
        self.is_draining = False
        self.under_way = 0

    def count_refusal(self) -> None:
        """Note a request that was refused before it came here (``connection``)."""
        self._metrics.refusals.labels("queue_full").inc()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer it."""
        if scope["type"] != "http":
            raise RuntimeError(f"{scope['type']} is not served")
        exchange = _Exchange(self._config, scope, receive, send, is_upload=self._is_upload(scope))
        self.under_way += 1
        ticket: Ticket | None = None
        try:
            try:
                ticket = self._let_in(exchange)
                if exchange.is_preflight:
                    await exchange.answer(204, b"", [])
                    return
                await self._app(scope, exchange.receive, exchange.send)
            except ApiError as error:
                if not exchange.has_begun:
                    await exchange.tell(error)
            except Exception:
                _logger.exception("a request failed: %s", exchange.request_id)
                if not exchange.has_begun:
                    failed = ApiError(500, "The server failed on this request.", code="internal")
                    await exchange.tell(failed)
        finally:
            self.under_way -= 1
            if ticket is not None:
                ticket.leave()
            self._note(exchange)

    def _let_in(self, exchange: _Exchange) -> Ticket | None:
        """Return the ticket of a request that is work, None of another.

        Raises:
            ApiError: If it is not let in.
        """
        headers, scope = exchange.headers, exchange.scope
        if self.is_draining:
            raise ApiError(
                503, "The server is going down.", code="draining", retry_after_s=5, close=True
            )
        if scope["method"] not in _MOST_METHODS:
            raise ApiError(405, "There is no such method here.", close=True)
        _check_size(scope)
        self._check_host(headers)
        self._check_origin(exchange)
        if exchange.is_preflight:
            return None
        key = self._check_key(exchange)
        scope["state"] |= {"key": key, "request_id": exchange.request_id, "facts": exchange.facts}
        exchange.facts["key"] = key.name
        if scope["method"] != "POST":
            scope["state"]["ticket"] = None
            return None
        try:
            self._check_engine()
            ticket = self.admission.enter(key.name)
        except Refused as refused:
            self._metrics.refusals.labels(refused.reason).inc()
            exchange.is_refused = True
            raise ApiError(
                429,
                _REASONS[refused.reason],
                code=refused.reason,
                retry_after_s=refused.retry_after_s,
            ) from None
        try:
            self._check_body(exchange)
        except ApiError:
            ticket.leave()
            raise
        scope["state"]["ticket"] = ticket
        return ticket

    def _is_upload(self, scope: Scope) -> bool:
        """Whether a request may bring a file: to a task, or to a conversation with who sees."""
        if scope["path"] != _CHAT:
            return scope["path"] in _UPLOADS
        return any(facts.get("medium") == "picture" for facts in self._engine.models.values())

    def _check_host(self, headers: Mapping[bytes, bytes]) -> None:
        host = headers.get(b"host", b"").decode("latin-1")
        name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
        if name not in self._hosts:
            raise ApiError(
                403, "The Host header names another server.", code="wrong_host", close=True
            )

    def _check_origin(self, exchange: _Exchange) -> None:
        """Refuse what a web page of another origin sends; note one that is listed."""
        given = exchange.headers.get(b"origin")
        if given is None:
            if exchange.headers.get(b"sec-fetch-site") in (b"cross-site", b"same-site"):
                raise ApiError(403, "Pages of other origins may not ask.", code="wrong_origin")
            return
        origin = given.decode("latin-1")
        if origin in self._origins:
            exchange.origin = given
            return
        host = exchange.headers.get(b"host", b"").decode("latin-1")
        if origin not in (f"http://{host}", f"https://{host}"):
            raise ApiError(
                403, "Pages of this origin may not ask.", code="wrong_origin", close=True
            )

    def _check_key(self, exchange: _Exchange) -> Key:
        keys = self._config.keys
        if not keys:
            return _NOBODY
        if self._open_pages and exchange.scope["method"] in ("GET", "HEAD"):
            path = exchange.scope["path"]
            if not any(path == one or path.startswith(f"{one}/") for one in _ALWAYS_CLOSED):
                return Key("", b"")
        scheme, _, given = exchange.headers.get(b"authorization", b"").partition(b" ")
        key = keys.find(given.strip()) if scheme.lower() == b"bearer" else None
        if key is None:
            self._metrics.refusals.labels("wrong_key").inc()
            raise ApiError(
                401,
                "The API key is missing or wrong; send it as 'Authorization: Bearer KEY'.",
                code="invalid_api_key",
            )
        return key

    def _check_engine(self) -> None:
        if self._engine.state != "ready":
            self._metrics.refusals.labels("engine_lost").inc()
            raise ApiError(503, "The engine is starting.", code="engine_lost", retry_after_s=2)

    def _check_body(self, exchange: _Exchange) -> None:
        headers, most = exchange.headers, exchange.most_bytes
        if b"transfer-encoding" in headers and b"content-length" in headers:
            raise ApiError(400, "Both Content-Length and Transfer-Encoding are set.", close=True)
        if b"content-encoding" in headers:
            raise ApiError(415, "Bodies must not be compressed.", close=True)
        length = headers.get(b"content-length")
        if length is not None and int(length) > most:
            raise _too_large(most)
        kind, _, rest = headers.get(b"content-type", b"").lower().partition(b";")
        if kind.strip() == b"application/json" and b"charset" not in rest.replace(
            b"charset=utf-8", b""
        ).replace(b'charset="utf-8"', b""):
            return
        if exchange.scope["path"] in _UPLOADS and kind.strip() == b"multipart/form-data":
            return
        raise ApiError(
            415, "The Content-Type must be application/json, in UTF-8.", code="wrong_content_type"
        )

    def _note(self, exchange: _Exchange) -> None:
        """Count a request, and log it unless it was refused for want of room."""
        route = getattr(exchange.scope.get("route"), "path", "other")
        self._metrics.requests.labels(route, str(exchange.status)).inc()
        if exchange.is_refused:
            return
        seconds = time.perf_counter() - exchange.begin
        self._metrics.seconds.observe(seconds)
        if _access.isEnabledFor(logging.INFO):
            line = {
                "request_id": exchange.request_id,
                "method": exchange.scope["method"],
                "route": route,
                "status": exchange.status,
                "seconds": round(seconds, 4),
                **exchange.facts,
            }
            _access.info(json.dumps(line))
        if self._tracing is not None:
            self._trace(self._tracing, exchange, route, seconds)

    @staticmethod
    def _trace(tracing: Tracing, exchange: _Exchange, route: str, seconds: float) -> None:
        from autogpt.server.tracing import Handled

        given = exchange.headers.get(b"traceparent")
        tracing.note(
            Handled(
                method=exchange.scope["method"],
                route=route,
                status=exchange.status,
                request_id=exchange.request_id,
                traceparent=None if given is None else given.decode("latin-1"),
                seconds=seconds,
                facts=exchange.facts,
            )
        )


_REASONS = {
    "queue_full": "Too many requests are waiting.",
    "key_queue_full": "Too many requests of this key are waiting.",
    "rate_limited": "This key has sent too many requests in the last minute.",
}


def _check_size(scope: Scope) -> None:
    """Refuse long headers; h11 bounds those that come in pieces only."""
    size = sum(len(name) + len(value) for name, value in scope["headers"])
    if size + len(scope["raw_path"]) + len(scope["query_string"]) > HEADER_BYTES:
        raise ApiError(
            431,
            f"The headers have more than {HEADER_BYTES:,} bytes.",
            code="headers_too_large",
            close=True,
        )


def _too_large(most: int) -> ApiError:
    return ApiError(
        413, f"The body has more than {most:,} bytes.", code="request_too_large", close=True
    )


class _Exchange:
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
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.request_id = f"req_{secrets.token_hex(12)}"
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
        return self.scope["method"] == "OPTIONS" and self.origin is not None

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
                raise _too_large(self.most_bytes)
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
        """Answer with an error, in the client's language."""
        language = accepted(self.headers.get(b"accept-language", b"").decode("latin-1"))
        await self.answer(error.status, error.body(language), error.headers())

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
        headers = [(b"x-request-id", self.request_id.encode()), *_SAFE_HEADERS]
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
