"""Run a server: listen, and end when it is told to.

The first SIGTERM or SIGINT lets what runs finish within the grace period; what is new is told 503.
The second ends at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import Callable, Iterator

import uvicorn

from autogpt.core.errors import ResourceError
from autogpt.server.config import HEADER_BYTES, ServerConfig
from autogpt.server.connection import Connection
from autogpt.server.door import Door
from autogpt.server.engine_client import EngineClient
from autogpt.server.guard import Guard

__all__ = ["serve"]

_logger = logging.getLogger(__name__)


def serve(
    app: Guard, engine: EngineClient, config: ServerConfig, *, started: Callable[[str], None]
) -> int:
    """Serve until a signal; return the exit code: 0, or 1 if running requests were cut off.

    Args:
        app: As ``app.create_app`` makes it.
        engine: Of the app; is started, and ended at the end.
        config: Where to listen.
        started: Is called with the server's address when it answers.

    Raises:
        ResourceError: If the address cannot be listened at.
        EngineError: If a model cannot be loaded.
    """
    listener = _listen(config)
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    server = _Server(app, engine, config, listener, lambda: started(f"http://{shown}:{port}"))
    try:
        asyncio.run(server.serve())
    except asyncio.CancelledError:  # a signal while the models were loaded
        return 1
    finally:
        listener.close()
    return server.exit_code


def _listen(config: ServerConfig) -> socket.socket:
    try:
        family, _, _, _, address = socket.getaddrinfo(
            config.host, config.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        raise ResourceError(
            f"Cannot listen at {config.host}, port {config.port}: {error.strerror or error}.",
            hint="Choose another --port, or --port 0 for a free one.",
        ) from error
    return listener


class _Server(uvicorn.Server):
    """uvicorn's server, which goes down as the module says."""

    def __init__(
        self,
        app: Guard,
        engine: EngineClient,
        config: ServerConfig,
        listener: socket.socket,
        started: Callable[[], None],
    ) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http="h11",
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                h11_max_incomplete_event_size=HEADER_BYTES,
                timeout_keep_alive=15,
                timeout_graceful_shutdown=2,
            )
        )
        self._guard, self._engine = app, engine
        self._limits, self._grace_s, self._tell = config.limits, config.grace_s, started
        inside, most = self.server_state.connections, self._limits.connections
        self._door = Door(listener, app, self._connect, inside=inside, most=most)
        self.exit_code = 0
        self._main: asyncio.Task[None] | None = None
        self._draining: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and tell so."""
        await super().startup(sockets or [])
        if self.started:
            self._door.open()
            self._tell()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close the door, and end what is inside."""
        self._door.close()
        await super().shutdown(sockets)

    def _connect(self) -> Connection:
        state = self.lifespan.state
        return Connection(self._limits, self.config, self.server_state, state)

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the engine, serve, and end it."""
        loop, self._main = asyncio.get_running_loop(), asyncio.current_task()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_signal)
        async with self._engine:
            await super().serve(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to :meth:`serve`, which comes before the engine starts."""
        yield

    def _on_signal(self) -> None:
        if not self.started and self._main is not None:
            self._main.cancel()
            return
        if self._guard.is_draining:
            self.exit_code = 1
            self.force_exit = self.should_exit = True
            return
        self._guard.is_draining = True
        self._draining = asyncio.get_running_loop().create_task(self._drain())

    async def _drain(self) -> None:
        """Wait for what runs, and end."""
        loop = asyncio.get_running_loop()
        _logger.info("going down: %d requests are under way", self._guard.under_way)
        end = loop.time() + self._grace_s
        while self._guard.under_way and loop.time() < end:
            await asyncio.sleep(0.02)
        if self._guard.under_way:
            _logger.warning("%d requests were cut off", self._guard.under_way)
            self.exit_code = 1
        self.should_exit = True
