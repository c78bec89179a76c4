"""Turns, queues and rates, without a server."""

from __future__ import annotations

import asyncio

import pytest

from autogpt.core.errors import ConfigError
from autogpt.server.admission import Admission, Refused, Ticket
from autogpt.server.config import LimitsConfig, ServerConfig, is_loopback


def limits(**changes: int) -> LimitsConfig:
    return LimitsConfig(**{"running": 2, "waiting": 4, "texts": 2, **changes})


async def order(tickets: list[Ticket]) -> list[str]:
    """Let all wait; return the keys in the order in which they got their turn."""
    found: list[str] = []

    async def one(ticket: Ticket) -> None:
        await ticket.turn(1)
        found.append(ticket.key)
        await asyncio.sleep(0.001)
        ticket.leave()

    await asyncio.gather(*map(one, tickets))
    return found


def test_keys_take_turns() -> None:
    async def run() -> None:
        admission = Admission(limits(running=1, texts=1, waiting=100))
        busy = admission.enter("busy")
        await busy.turn(1)
        tickets = [admission.enter("many") for _ in range(10)] + [admission.enter("one")]
        task = asyncio.create_task(order(tickets))
        await asyncio.sleep(0.01)
        busy.leave()
        keys = await task
        assert keys.index("one") <= 1
        assert admission.running == admission.waiting == 0

    asyncio.run(run())


def test_the_queue_is_bounded() -> None:
    async def run() -> None:
        admission = Admission(limits())
        tickets = [admission.enter("a") for _ in range(2 + 4)]  # to run, and to wait
        with pytest.raises(Refused, match="queue_full") as caught:
            admission.enter("b")
        assert caught.value.retry_after_s >= 1
        await tickets[0].turn(1)  # runs, in the room that was kept for it
        with pytest.raises(Refused, match="queue_full"):
            admission.enter("b")
        tickets[0].leave()
        admission.enter("b")
        for ticket in tickets[1:]:
            ticket.leave()
            ticket.leave()
        assert admission.waiting == 1
        assert admission.running == 0

    asyncio.run(run())


def test_one_key_does_not_fill_the_queue() -> None:
    async def run() -> None:
        admission = Admission(limits(), keys=2)
        for _ in range(2 + 2):  # room to run, and half of that to wait
            admission.enter("a")
        with pytest.raises(Refused, match="key_queue_full"):
            admission.enter("a")
        admission.enter("b")

    asyncio.run(run())


def test_one_key_does_not_fill_all_places() -> None:
    async def run() -> None:
        admission = Admission(limits(running=4, waiting=100), keys=2)
        many = [admission.enter("many") for _ in range(6)]
        waits = [asyncio.create_task(ticket.turn(1)) for ticket in many]
        await asyncio.sleep(0)
        assert admission.running == 3
        one = admission.enter("one")
        await asyncio.wait_for(one.turn(1), 1)
        assert admission.running == 4
        many[0].leave()
        await asyncio.wait_for(waits[3], 1)
        one.leave()
        await asyncio.sleep(0)
        assert not waits[4].done()
        for ticket in many:
            ticket.leave()
        await asyncio.gather(*waits[:5])
        assert admission.running == admission.waiting == 0

    asyncio.run(run())


def test_whoever_leaves_while_waiting_makes_room() -> None:
    async def run() -> None:
        admission = Admission(limits(running=1, texts=1))
        first, gone, last = (admission.enter("a") for _ in range(3))
        await first.turn(1)
        waits = [asyncio.create_task(ticket.turn(1)) for ticket in (gone, last)]
        await asyncio.sleep(0)
        waits[0].cancel()
        await asyncio.gather(waits[0], return_exceptions=True)
        gone.leave()
        first.leave()
        await asyncio.wait_for(waits[1], 1)
        assert admission.running == 1
        last.leave()
        assert admission.running == admission.waiting == 0

    asyncio.run(run())


def test_many_texts_wait_for_enough_room() -> None:
    async def run() -> None:
        admission = Admission(limits())
        one, two = admission.enter("a"), admission.enter("a")
        await one.turn(1)
        wait = asyncio.create_task(two.turn(2))
        await asyncio.sleep(0)
        assert not wait.done()
        one.leave()
        await asyncio.wait_for(wait, 1)
        assert admission.running == 2

    asyncio.run(run())


def test_rates() -> None:
    async def run() -> None:
        admission = Admission(limits(waiting=100, requests_per_minute=3))
        for _ in range(3):
            admission.enter("a").leave()
        with pytest.raises(Refused, match="rate_limited") as caught:
            admission.enter("a")
        assert 1 <= caught.value.retry_after_s <= 20
        admission.enter("b")

    asyncio.run(run())


def test_an_open_door_is_refused() -> None:
    for host in ("0.0.0.0", "::", "192.168.1.5", "example.org"):
        assert not is_loopback(host)
        with pytest.raises(ConfigError, match="API key"):
            ServerConfig(host=host)
    for host in ("127.0.0.1", "::1", "localhost", "127.9.9.9"):
        assert ServerConfig(host=host).host == host
    for origin in ("*", "null"):
        with pytest.raises(ConfigError):
            ServerConfig(origins=(origin,))


def test_a_key_that_has_none_waiting_is_let_in_though_the_queue_is_full() -> None:
    async def run() -> None:
        admission = Admission(limits(), keys=3)
        for key in ("a", "b"):
            await admission.enter(key).turn(1)
            for _ in range(2):
                admission.enter(key)
        assert admission.waiting == 4
        for key in ("a", "b"):
            with pytest.raises(Refused, match="queue_full"):
                admission.enter(key)
        admission.enter("c")
        with pytest.raises(Refused, match="queue_full"):
            admission.enter("c")

    asyncio.run(run())
