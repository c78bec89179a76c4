"""What every request passes before anything of it is understood: closed by default.

In this order, from the headers alone: is the server going down; is the Host one of ours (a page
that rebinds its name to this address has another), the Origin ours or listed, the key right (on
every route); is there room (``admission``); is the body JSON, and of a size that is read. Then the
body, bounded in size and time, and the answer, which a client must take in time.

What is logged: identifiers, numbers, times; never a body, a header or a key. Of requests that are
refused for want of room, how many there were in a second.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from autogpt.core.i18n import Language
from autogpt.server.admission import Admission, Refused, Ticket
from autogpt.server.api_errors import ApiError, WholeAnswer
from autogpt.server.config import HEADER_BYTES, ServerConfig
from autogpt.server.engine_client import EngineClient
from autogpt.server.exchange import App, Exchange, Receive, Scope, Send, too_large
from autogpt.server.head import Head, read_head
from autogpt.server.keys import Key
from autogpt.server.metrics import Metrics

if TYPE_CHECKING:
    from autogpt.server.tracing import Tracing

__all__ = ["Guard", "Refusal"]

_access = logging.getLogger("autogpt.server.access")
_logger = logging.getLogger(__name__)

_NOBODY = Key("", b"", is_admin=True)  # without keys, who reaches a loopback address may do all
_MOST_METHODS = frozenset({"GET", "HEAD", "POST", "OPTIONS", "DELETE"})
# Where a page may be served without a key (``studio``), these still want one.
_ALWAYS_CLOSED = ("/v1", "/health", "/metrics", "/docs", "/openapi.json")
_CHAT = "/v1/chat/completions"
# Sounds and pictures: multipart/form-data as OpenAI has it, or base64 in JSON.
_UPLOADS = frozenset({"/v1/audio/transcriptions", "/v1/tasks/transcribe", "/v1/tasks/recognize"})


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a request is told for which there is no room.

    Attributes:
        answer: All of it, as it is sent.
        key: Name of the key it came with.
    """

    answer: bytes
    key: str


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
        self._refused: Counter[str] = Counter()  # in the last second, by reason

    def turned_away(self, data: bytes) -> Refusal | None:
        """Return what a request is told for which there is no room; None to let it in.

        Args:
            data: What has come. Of anything but a whole request the answer is None, too.
        """
        head = read_head(data)
        if head is None or head.method != "POST" or b"origin" in head.headers or self.is_draining:
            return None
        try:
            self._check_host(head)
            self._check_origin(head)
            key = self._check_key(head)
            self._check_engine()
            self.admission.check(key.name)
        except Refused as refused:
            self._count(refused)
            answer = bytes(_ready(refused.reason, refused.retry_after_s, head.language))
            return Refusal(answer, key.name)
        except ApiError:  # is told and logged as always
            return None
        return None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer it."""
        if scope["type"] != "http":
            raise RuntimeError(f"{scope['type']} is not served")
        exchange = Exchange(self._config, scope, receive, send, is_upload=self._is_upload(scope))
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
                if error.code in _COUNTED:
                    self._metrics.refusals.labels(_COUNTED[error.code]).inc()
                await exchange.tell(error)
            except asyncio.CancelledError:  # the grace period is over
                await exchange.tell(_going_down())
            except Exception:
                _logger.exception("a request failed: %s", exchange.request_id)
                failed = ApiError(500, "The server failed on this request.", code="internal")
                await exchange.tell(failed)
        finally:
            self.under_way -= 1
            if ticket is not None:
                ticket.leave()
            self._note(exchange)

    def _let_in(self, exchange: Exchange) -> Ticket | None:
        """Return the ticket of a request that is work, None of another.

        Raises:
            ApiError: If it is not let in.
        """
        head, scope = exchange.head, exchange.scope
        if self.is_draining:
            raise _going_down()
        if head.method not in _MOST_METHODS:
            raise ApiError(405, "There is no such method here.", close=True)
        _check_size(scope)
        self._check_host(head)
        exchange.origin = self._check_origin(head)
        if exchange.is_preflight:
            return None
        key = self._check_key(head)
        scope["state"] |= {"key": key, "request_id": exchange.request_id, "facts": exchange.facts}
        exchange.facts["key"] = key.name
        if head.method != "POST":
            scope["state"]["ticket"] = None
            return None
        try:
            self._check_engine()
            ticket = self.admission.enter(key.name)
        except Refused as refused:
            exchange.is_refused = True
            self._count(refused)
            raise _no_room(refused.reason, refused.retry_after_s) from None
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

    def _check_host(self, head: Head) -> None:
        host = head.headers.get(b"host", b"").decode("latin-1")
        name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
        if name not in self._hosts:
            raise ApiError(
                403, "The Host header names another server.", code="wrong_host", close=True
            )

    def _check_origin(self, head: Head) -> bytes | None:
        """Refuse what a web page of another origin sends; return one that is listed."""
        given = head.headers.get(b"origin")
        if given is None:
            if head.headers.get(b"sec-fetch-site") in (b"cross-site", b"same-site"):
                raise ApiError(403, "Pages of other origins may not ask.", code="wrong_origin")
            return None
        origin = given.decode("latin-1")
        if origin in self._origins:
            return given
        host = head.headers.get(b"host", b"").decode("latin-1")
        if origin not in (f"http://{host}", f"https://{host}"):
            raise ApiError(
                403, "Pages of this origin may not ask.", code="wrong_origin", close=True
            )
        return None

    def _check_key(self, head: Head) -> Key:
        keys = self._config.keys
        if not keys:
            return _NOBODY
        if self._open_pages and head.method in ("GET", "HEAD"):
            path = head.path
            if not any(path == one or path.startswith(f"{one}/") for one in _ALWAYS_CLOSED):
                return Key("", b"")
        scheme, _, given = head.headers.get(b"authorization", b"").partition(b" ")
        key = keys.find(given.strip()) if scheme.lower() == b"bearer" else None
        if key is None:
            raise ApiError(
                401,
                "The API key is missing or wrong; send it as 'Authorization: Bearer KEY'.",
                code="invalid_api_key",
            )
        return key

    def _check_engine(self) -> None:
        if self._engine.state != "ready":
            raise ApiError(503, "The engine is starting.", code="engine_lost", retry_after_s=2)

    def _check_body(self, exchange: Exchange) -> None:
        headers, most = exchange.head.headers, exchange.most_bytes
        if b"transfer-encoding" in headers and b"content-length" in headers:
            raise ApiError(400, "Both Content-Length and Transfer-Encoding are set.", close=True)
        if b"content-encoding" in headers:
            raise ApiError(415, "Bodies must not be compressed.", close=True)
        length = headers.get(b"content-length")
        if length is not None and int(length) > most:
            raise too_large(most)
        kind, _, rest = headers.get(b"content-type", b"").lower().partition(b";")
        if kind.strip() == b"application/json" and b"charset" not in rest.replace(
            b"charset=utf-8", b""
        ).replace(b'charset="utf-8"', b""):
            return
        if exchange.head.path in _UPLOADS and kind.strip() == b"multipart/form-data":
            return
        raise ApiError(
            415, "The Content-Type must be application/json, in UTF-8.", code="wrong_content_type"
        )

    def _count(self, refused: Refused) -> None:
        """Count a refusal for want of room, for the log and the metrics, which are told later."""
        if not self._refused:
            asyncio.get_running_loop().call_later(1.0, self._tell_refused)
        self._refused[refused.reason] += 1

    def _tell_refused(self) -> None:
        for reason, count in self._refused.items():
            self._metrics.refusals.labels(reason).inc(count)
        _access.info(json.dumps({"refused": self._refused}))
        self._refused.clear()

    def _note(self, exchange: Exchange) -> None:
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
                "method": exchange.head.method,
                "route": route,
                "status": exchange.status,
                "seconds": round(seconds, 4),
                **exchange.facts,
            }
            _access.info(json.dumps(line))
        if self._tracing is not None:
            self._trace(self._tracing, exchange, route, seconds)

    @staticmethod
    def _trace(tracing: Tracing, exchange: Exchange, route: str, seconds: float) -> None:
        from autogpt.server.tracing import Handled

        given = exchange.head.headers.get(b"traceparent")
        tracing.note(
            Handled(
                method=exchange.head.method,
                route=route,
                status=exchange.status,
                request_id=exchange.request_id,
                traceparent=None if given is None else given.decode("latin-1"),
                seconds=seconds,
                facts=exchange.facts,
            )
        )


_COUNTED = {"invalid_api_key": "wrong_key", "engine_lost": "engine_lost"}  # code: reason


def _no_room(reason: str, retry_after_s: int) -> ApiError:
    """Return a refusal with which the connection ends: the next attempt then comes to the door."""
    return ApiError(
        429,
        "Too many requests are waiting."
        if reason == "queue_full"
        else "Too many requests of this key are waiting."
        if reason == "key_queue_full"
        else "This key has sent too many requests in the last minute.",
        code=reason,
        retry_after_s=retry_after_s,
        close=True,
    )


@lru_cache(maxsize=512)
def _ready(reason: str, retry_after_s: int, language: Language) -> WholeAnswer:
    return _no_room(reason, retry_after_s).whole_answer(language)


def _going_down() -> ApiError:
    return ApiError(503, "The server is going down.", code="draining", retry_after_s=5, close=True)


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
