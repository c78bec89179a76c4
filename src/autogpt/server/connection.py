"""A connection that does not wait for ever: uvicorn's, with limits on time.

Headers must arrive in time, and the rest of a body that nobody reads; a client that does not take
what it is sent is dropped, not waited for. What is no HTTP is answered in the form of the API.

Not here: how connections come in (``door``), bodies that are read, and what may be asked
(``guard``).
"""

from __future__ import annotations

import asyncio
from typing import Any

import h11
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from autogpt.server.api_errors import ApiError
from autogpt.server.config import LimitsConfig

__all__ = ["Connection"]


class Connection(H11Protocol):
    """See the module.

    Args:
        limits: On time.
        config: Of uvicorn.
        server_state: Of uvicorn.
        app_state: Of uvicorn.
    """

    def __init__(
        self,
        limits: LimitsConfig,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
    ) -> None:
        super().__init__(config, server_state, app_state)
        self._limits = limits
        self._deadline: asyncio.TimerHandle | None = None
        self._stalling: asyncio.TimerHandle | None = None
        self._is_first = True

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for headers."""
        super().connection_made(transport)
        self._watch()

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
        self._stalling = self.loop.call_later(self._limits.send_s, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on: the client has taken it."""
        self._stop_stalling()
        super().resume_writing()

    def timeout_keep_alive_handler(self) -> None:
        """Close an idle connection, whether or not its client takes the rest."""
        super().timeout_keep_alive_handler()
        self.loop.call_later(self._limits.send_s, self.transport.abort)

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP."""
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            self.transport.write(bytes(ApiError(400, msg).whole_answer()))
        self.transport.close()
        self.loop.call_later(self._limits.send_s, self.transport.abort)

    def _watch(self) -> None:
        state = self.conn.their_state
        begun = self._is_first or bool(self.conn.trailing_data[0])
        unread = state is h11.SEND_BODY and self.conn.our_state is h11.DONE
        if (state is h11.IDLE and begun) or unread:
            if self._deadline is None:
                self._deadline = self.loop.call_later(self._limits.header_s, self._too_slow)
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
            self.transport.write(bytes(_TOO_SLOW))
        self.transport.close()
        self.loop.call_later(1.0, self.transport.abort)


_TOO_SLOW = ApiError(408, "The headers took too long.", code="timeout").whole_answer()
