"""Who may come in, and whose turn it is: decided by counting, before a body is read.

::

    ticket = admission.enter("shop")     # or Refused: the queue is full, or too many a minute
    await ticket.turn(rows)              # until that many texts may be written
    ticket.leave()

Only so many texts are written at once, all and of one key. The requests that wait for that are
bounded, all and of one key; but of several keys, one that has none waiting is let in however full
it is, so that others who ask again and again cannot keep it out. Keys take turns, each its oldest
first; so a key with a hundred requests delays one with a single request by one, not by a hundred.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import defaultdict, deque
from dataclasses import dataclass, field

from autogpt.server.config import LimitsConfig

__all__ = ["Admission", "Refused", "Ticket"]

_REFUSING_S = 0.25


class Refused(Exception):  # noqa: N818 - an answer, not a failure
    """Come again later.

    Args:
        reason: "queue_full", "key_queue_full" or "rate_limited".
        retry_after_s: When it is worth it.
    """

    def __init__(self, reason: str, retry_after_s: int) -> None:
        super().__init__(reason)
        self.reason, self.retry_after_s = reason, retry_after_s


@dataclass(slots=True)
class _KeyState:
    """What a key has under way."""

    inside: int = 0  # admitted and not written yet
    running: int = 0  # texts
    waiting: deque[Ticket] = field(default_factory=deque)
    tokens: float = 0.0  # of the bucket that bounds its rate
    filled: float = 0.0


class Ticket:
    """A request that was let in. Made by :meth:`Admission.enter`.

    Attributes:
        key: Whose it is.
        begin: When it came, by ``time.perf_counter``.
    """

    def __init__(self, admission: Admission, key: str) -> None:
        self.key, self.begin = key, time.perf_counter()
        self.rows = 0
        self.granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.is_running = False
        self._admission = admission
        self._is_over = False

    async def turn(self, rows: int) -> None:
        """Wait until this many texts may be written."""
        if self._is_over:
            raise RuntimeError("the request is over")
        self.rows = rows
        self._admission.wait(self)
        await self.granted

    def leave(self) -> None:
        """Make room; once is enough."""
        if not self._is_over:
            self._is_over = True
            self._admission.leave(self)


class Admission:
    """See the module.

    Args:
        limits: How much is taken on.
        keys: How many keys there are.
    """

    def __init__(self, limits: LimitsConfig, *, keys: int = 0) -> None:
        self._limits = limits
        share = max(1, limits.waiting // 2) if keys > 1 else limits.waiting
        self._per_key = limits.waiting_per_key or share
        most = math.ceil(0.75 * limits.running) if keys > 1 else limits.running
        self._running_per_key = limits.running_per_key or most
        self._is_shared = keys > 1
        self._keys: defaultdict[str, _KeyState] = defaultdict(_KeyState)
        self._refused_at = -math.inf
        self._turns: deque[str] = deque()  # keys with requests that wait, next first
        self.inside = 0  # requests that were let in and do not run yet
        self.running = 0  # texts
        self._service_s = 1.0  # a request takes about so long

    @property
    def waiting(self) -> int:
        """Requests that were let in and do not run yet."""
        return self.inside

    @property
    def is_refusing(self) -> bool:
        """Whether the next request may well be refused: there is no room, or one just was."""
        return self._is_full or time.monotonic() - self._refused_at < _REFUSING_S

    @property
    def _is_full(self) -> bool:
        """Whether neither room to run nor to wait is left."""
        return self.inside >= self._limits.waiting + self._free

    @property
    def _free(self) -> int:
        return max(0, self._limits.running - self.running)

    def check(self, key: str) -> None:
        """See whether a request would be let in.

        Raises:
            Refused: If there is no room, or the key asks too often.
        """
        state = self._keys[key]
        if self._is_full and (state.inside or not self._is_shared):
            raise self._refused("queue_full", self._wait_s())
        if state.inside >= self._per_key + self._free:
            raise self._refused("key_queue_full", self._wait_s())
        most = self._limits.requests_per_minute
        if most is not None:
            now = time.monotonic()
            filled = (now - state.filled) * most / 60 if state.filled else most
            state.tokens, state.filled = min(float(most), state.tokens + filled), now
            if state.tokens < 1:
                wait_s = math.ceil((1 - state.tokens) * 60 / most)
                raise self._refused("rate_limited", wait_s)

    def enter(self, key: str) -> Ticket:
        """Let a request in.

        Raises:
            Refused: If there is no room, or the key asks too often.
        """
        self.check(key)
        state = self._keys[key]
        state.tokens -= 1
        state.inside += 1
        self.inside += 1
        return Ticket(self, key)

    def wait(self, ticket: Ticket) -> None:
        """Put a request in its key's queue; for :class:`Ticket`."""
        state = self._keys[ticket.key]
        state.waiting.append(ticket)
        if len(state.waiting) == 1:
            self._turns.append(ticket.key)
        self._grant()

    def leave(self, ticket: Ticket) -> None:
        """Take a request out, wherever it is; for :class:`Ticket`."""
        state = self._keys[ticket.key]
        if ticket.is_running:
            self.running -= ticket.rows
            state.running -= ticket.rows
            spent = time.perf_counter() - ticket.begin
            self._service_s += 0.1 * (min(spent, 60.0) - self._service_s)
        else:
            state.inside -= 1
            self.inside -= 1
            if ticket in state.waiting:
                state.waiting.remove(ticket)
        self._grant()

    def _grant(self) -> None:
        """Let those run for whom there is room, a request of each key in turn."""
        while (key := self._next_key()) is not None:
            state = self._keys[key]
            ticket = state.waiting.popleft()
            self._turns.remove(key)
            if state.waiting:
                self._turns.append(key)
            state.inside -= 1
            self.inside -= 1
            state.running += ticket.rows
            self.running += ticket.rows
            ticket.is_running = True
            ticket.granted.set_result(None)

    def _next_key(self) -> str | None:
        """Return whose turn it is, if there is room for what it wants.

        A large request waits for its room, and those behind it too, unless only its own key's is
        used up.
        """
        for key in list(self._turns):
            state = self._keys[key]
            while state.waiting and state.waiting[0].granted.done():
                state.waiting.popleft()  # its client is gone
            if not state.waiting:
                self._turns.remove(key)
                continue
            rows = state.waiting[0].rows
            if state.running and state.running + rows > self._running_per_key:
                continue
            if self.running and self.running + rows > self._limits.running:
                return None
            return key
        return None

    def _refused(self, reason: str, retry_after_s: int) -> Refused:
        self._refused_at = time.monotonic()
        return Refused(reason, retry_after_s)

    def _wait_s(self) -> int:
        """Return after how long there will be room, roughly."""
        rounds = self.inside / max(1, self._limits.running)
        return max(1, min(60, math.ceil(self._service_s * rounds)))
