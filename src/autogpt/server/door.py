"""The door: takes connections in, and turns away at once what would be refused.

While requests are refused for want of room, who comes is seen to a little later, with all who came
meanwhile, and told within 50 ms. A request that is there as a whole, and for which the guard has no
room, is read, answered and its connection closed in one go; nothing of asyncio or HTTP is made for
it. All others get a :class:`connection.Connection`.

Who was told to come back in a second and is there again at once takes the processor from those who
are served (docs/log.md has the figures). He waits for his next answer: a quarter of a second, and
then for the next one. Whoever waits a tenth of a second by himself is told at once, as ever.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Collection

from autogpt.server.api_errors import ApiError
from autogpt.server.guard import Guard, Refusal

__all__ = ["Door"]

_logger = logging.getLogger(__name__)

_TOLD_WITHIN_S = 0.02
_IMPATIENT_S = 0.08  # from being told there is no room to being here again
_HELD_S = 0.25
_MOST_HELD = 1024  # whoever comes beyond them is told at once
_REMEMBERED = 4096  # of those who were told
_NO_FILES_S = 1.0
_AT_ONCE = 64  # before streams that are being written have their turn
_READ_BYTES = 1 << 16
_BACKLOG = 2048
_TOO_MANY = bytes(ApiError(503, "There are too many connections.", retry_after_s=1).whole_answer())


class Door:
    """See the module.

    Args:
        listener: Is bound; listens from :meth:`open` on.
        guard: Says who is refused.
        connect: Makes what takes a connection.
        inside: The connections that there are.
        most: Of them; more are turned away.
    """

    def __init__(
        self,
        listener: socket.socket,
        guard: Guard,
        connect: Callable[[], asyncio.Protocol],
        *,
        inside: Collection[object],
        most: int,
    ) -> None:
        self._listener, self._guard, self._connect = listener, guard, connect
        self._inside, self._most = inside, most
        self._came: deque[tuple[socket.socket, str]] = deque()
        self._told: OrderedDict[tuple[str, str], float] = OrderedDict()  # address and key -> when
        self._held: dict[socket.socket, tuple[asyncio.TimerHandle, Callable[[], None]]] = {}
        self._arriving: set[asyncio.Task[object]] = set()
        self._resting: asyncio.TimerHandle | None = None
        self._took_s = 0.0  # to see to those who came the last time

    def open(self) -> None:
        """Begin to take connections in."""
        self._listener.listen(_BACKLOG)
        self._listener.settimeout(0)
        self._wait()

    def close(self) -> None:
        """Take no more."""
        if self._resting is not None:
            self._resting.cancel()
        asyncio.get_running_loop().remove_reader(self._listener)
        self._listener.close()
        for timer, tell in list(self._held.values()):
            timer.cancel()
            tell()

    def _wait(self) -> None:
        asyncio.get_running_loop().add_reader(self._listener, self._look)

    def _rest(self, seconds: float, then: Callable[..., None], *given: float) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._listener)
        self._resting = loop.call_later(seconds, then, *given)

    def _look(self) -> None:
        """See to who has come, at once or a little later."""
        if self._guard.admission.is_refusing:
            self._rest(max(0.0, _TOLD_WITHIN_S - self._took_s), self._take_in)
        else:
            self._take_in()

    def _take_in(self) -> None:
        """Take in who is there: not who comes meanwhile, perhaps because he was refused."""
        begin, rest_s = time.monotonic(), 0.0
        try:
            while True:
                connection, address = self._listener.accept()
                self._came.append((connection, str(address[0]) if address else ""))
        except (BlockingIOError, ConnectionAbortedError):
            pass
        except OSError as error:  # no files are left; who comes waits in the kernel
            _logger.error("no connection can be taken in: %s", error.strerror)  # noqa: TRY400
            rest_s = _NO_FILES_S
        self._attend(begin, rest_s)

    def _attend(self, begin: float, rest_s: float) -> None:
        """See to some; streams that are being written have their turn before the others."""
        for _ in range(min(_AT_ONCE, len(self._came))):
            connection, address = self._came.popleft()
            if not self._turns_away(connection, address, begin):
                self._let_in(connection)
        if self._came:
            self._rest(0.0, self._attend, begin, rest_s)
            return
        self._took_s = time.monotonic() - begin
        if rest_s:
            self._rest(rest_s, self._take_in)
        else:
            self._wait()

    def _turns_away(self, connection: socket.socket, address: str, came: float) -> bool:
        """Answer a request that is here already and would be refused anyway."""
        is_crowded = len(self._inside) + len(self._arriving) >= self._most
        if not (is_crowded or self._guard.admission.is_refusing):
            return False
        try:
            data = connection.recv(_READ_BYTES, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            data = b""
        except OSError:
            connection.close()
            return True
        if is_crowded:
            _tell(connection, data, _TOO_MANY)
            return True
        refusal = self._guard.turned_away(data)
        if refusal is None:
            return False
        self._refuse(connection, data, refusal, who=(address, refusal.key), came=came)
        return True

    def _refuse(
        self,
        connection: socket.socket,
        data: bytes,
        refusal: Refusal,
        *,
        who: tuple[str, str],
        came: float,
    ) -> None:
        """Tell a client that there is no room: now, or later if he did not heed it just now.

        Of requests that came together none could heed what another of them is told.
        """

        def tell() -> None:
            self._held.pop(connection, None)
            self._told[who] = time.monotonic()
            self._told.move_to_end(who)
            if len(self._told) > _REMEMBERED:
                self._told.popitem(last=False)
            _tell(connection, data, refusal.answer)

        ignored = 0.0 < came - self._told.get(who, came) <= _IMPATIENT_S
        if not ignored or len(self._held) >= _MOST_HELD:
            tell()
        else:
            timer = asyncio.get_running_loop().call_later(_HELD_S, tell)
            self._held[connection] = timer, tell

    def _let_in(self, connection: socket.socket) -> None:
        connection.settimeout(0)
        loop = asyncio.get_running_loop()
        arriving = loop.create_task(loop.connect_accepted_socket(self._connect, connection))
        self._arriving.add(arriving)
        arriving.add_done_callback(self._arriving.discard)


def _tell(connection: socket.socket, data: bytes, answer: bytes) -> None:
    """Answer what was looked at, and close."""
    with connection, contextlib.suppress(OSError):
        if data:  # what stays unread would reset the connection, and the answer be lost
            connection.recv(len(data), socket.MSG_DONTWAIT)
        connection.send(answer, socket.MSG_DONTWAIT)
