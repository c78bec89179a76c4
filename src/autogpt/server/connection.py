"""A connection that does not wait for ever: uvicorn's, with limits on time and number.

Headers must arrive in time, and the rest of a body that nobody reads; a client that does not take
what it is sent is dropped, not waited for. What is no HTTP is answered in the form of the API.

While the queue is full, new work is refused before even its headers are parsed, and a little late,
within the 50 ms that a refusal may take: clients that ask again at once would otherwise take the
processor from those who are served (docs/log.md has the figures).
Not here: bodies that are read, and what may be asked (``guard``).
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import h11
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from autogpt.server.admission import Admission
from autogpt.server.config import LimitsConfig

__all__ = ["Connection", "Door", "connection_class"]

_REFUSED_AFTER_S = 0.025


@dataclass(frozen=True, kw_only=True, slots=True)
class Door:
    """What the connections of one server share.

    Attributes:
        limits: Of the server.
        admission: Whether the queue is full.
        refused: Is called for each request that is refused here.
    """

    limits: LimitsConfig
    admission: Admission
    refused: Callable[[], None]


def connection_class(door: Door) -> type[asyncio.Protocol]:
    """Return the class of a server's connections."""
    return type("PorterOfDoor", (Porter,), {"door": door})


class Porter(asyncio.Protocol):
    """Takes a connection, and gives it to a :class:`Connection` unless its request is refused.

    A refusal costs little: nothing that understands HTTP is made for it.

    Attributes:
        door: What all of a server share.
    """

    door: ClassVar[Door]
    transport: asyncio.Transport

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self._config, self._state, self._app_state = config, server_state, app_state
        self._connections: set[Any] = server_state.connections  # what can be told to shut down
        self._loop = _loop or asyncio.get_running_loop()
        self._deadline: asyncio.TimerHandle | None = None
        self._is_refused = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection, or turn it away where there are too many."""
        self.transport = transport
        self._connections.add(self)
        if len(self._connections) > self.door.limits.connections:
            transport.write(_answer(503, "Service Unavailable", "Too many connections."))
            transport.close()
            return
        self._deadline = self._loop.call_later(self.door.limits.header_s, self._too_slow)

    def data_received(self, data: bytes) -> None:
        """Refuse, or give the connection away for good."""
        if self._is_refused or self.transport.is_closing():
            return
        self._stop_watching()
        if self.door.admission.is_full and data.startswith(b"POST /v1/"):
            self._is_refused = True
            self.door.refused()
            self._loop.call_later(_REFUSED_AFTER_S, self._refuse)
            return
        self._connections.discard(self)
        connection = Connection(self.door, self._config, self._state, self._app_state)
        self.transport.set_protocol(connection)
        connection.connection_made(self.transport)
        connection.data_received(data)

    def connection_lost(self, _: Exception | None) -> None:
        """Forget it."""
        self._stop_watching()
        self._connections.discard(self)

    def shutdown(self) -> None:
        """Close it: the server is going down."""
        self.transport.close()

    def _refuse(self) -> None:
        if not self.transport.is_closing():
            wait_s = self.door.admission.wait_s()
            message = "Too many requests are waiting."
            answer = _answer(429, "Too Many Requests", message, code="queue_full", wait_s=wait_s)
            self.transport.write(answer)
            self.transport.close()

    def _too_slow(self) -> None:
        self.transport.write(_TOO_SLOW)
        self.transport.close()
        self._loop.call_later(1.0, self.transport.abort)

    def _stop_watching(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


class Connection(H11Protocol):
    """A connection over which something has come; see the module.

    Args:
        door: What all of a server share.
        config: Of uvicorn.
        server_state: Of uvicorn.
        app_state: Of uvicorn.
    """

    def __init__(
        self, door: Door, config: Config, server_state: ServerState, app_state: dict[str, Any]
    ) -> None:
        super().__init__(config, server_state, app_state)
        self.door = door
        self._deadline: asyncio.TimerHandle | None = None
        self._stalling: asyncio.TimerHandle | None = None
        self._is_first = True

    def data_received(self, data: bytes) -> None:
        """Read, and see whether something is still to come in time."""
        if not self.transport.is_closing():
            super().data_received(data)
            self._watch()

    def on_response_complete(self) -> None:
        """Go on with the next request."""
        self._is_first = False
        super().on_response_complete()
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop watching."""
        self._stop_watching()
        self._stop_stalling()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Give the client time to take what waits for it, and no more."""
        super().pause_writing()
        self._stalling = self.loop.call_later(self.door.limits.send_s, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on: the client has taken it."""
        self._stop_stalling()
        super().resume_writing()

    def timeout_keep_alive_handler(self) -> None:
        """Close an idle connection, whether or not its client takes the rest."""
        super().timeout_keep_alive_handler()
        self.loop.call_later(self.door.limits.send_s, self.transport.abort)

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP."""
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            self.transport.write(_answer(400, "Bad Request", msg))
        self.transport.close()
        self.loop.call_later(self.door.limits.send_s, self.transport.abort)

    def _watch(self) -> None:
        state = self.conn.their_state
        begun = self._is_first or bool(self.conn.trailing_data[0])
        unread = state is h11.SEND_BODY and self.conn.our_state is h11.DONE
        if (state is h11.IDLE and begun) or unread:
            if self._deadline is None:
                self._deadline = self.loop.call_later(self.door.limits.header_s, self._too_slow)
        else:
            self._stop_watching()

    def _stop_watching(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _stop_stalling(self) -> None:
        if self._stalling is not None:
            self._stalling.cancel()
            self._stalling = None

    def _too_slow(self) -> None:
        self._deadline = None
        if self.conn.our_state is h11.IDLE and not self.transport.is_closing():
            self.transport.write(_TOO_SLOW)
        self.transport.close()
        self.loop.call_later(1.0, self.transport.abort)


_KINDS = {429: "rate_limit_error", 503: "server_error"}


def _answer(
    status: int, phrase: str, message: str, *, code: str | None = None, wait_s: int = 1
) -> bytes:
    """Return a whole answer that ends the connection."""
    kind = _KINDS.get(status, "invalid_request_error")
    error = {"message": message, "type": kind, "param": None, "code": code}
    body = json.dumps({"error": error}).encode()
    head = (
        f"HTTP/1.1 {status} {phrase}\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\nretry-after: {wait_s}\r\n"
        f"x-request-id: req_{secrets.token_hex(12)}\r\nconnection: close\r\n\r\n"
    )
    return head.encode() + body


_TOO_SLOW = _answer(408, "Request Timeout", "The headers took too long.")
