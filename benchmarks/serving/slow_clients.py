"""500 clients whose headers trickle, and 100 that never read their stream: what others notice.

Run: ``python benchmarks/serving/slow_clients.py FOLDER [--seconds 20]``; FOLDER gets a tiny model.
The p99 of four usual clients, before and during. New slow clients replace those that are dropped.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import time
from pathlib import Path
from typing import Any

from common import autogpt, percentile, post, request_bytes, show
from tiny import endless_bias, make_model


async def usual(port: int, seconds: float) -> list[float]:
    """Return how long requests took."""
    times: list[float] = []
    end = time.monotonic() + seconds

    async def client(number: int) -> None:
        turn = 0
        while time.monotonic() < end:
            turn += 1
            body = {"model": "tiny", "prompt": f"{number} {turn}", "max_tokens": 32, "seed": turn}
            answer = await post(port, "/v1/completions", {**body, "stream": True})
            if answer.status != 200:
                raise RuntimeError(str(answer.status))
            times.append(answer.end_s - answer.begin_s)

    await asyncio.gather(*map(client, range(4)))
    return times


async def trickle(port: int, dropped: list[int]) -> None:
    """Send a header a byte a second, again and again."""
    while True:
        with contextlib.suppress(OSError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                for byte in b"GET /health HTTP/1.1\r\nHost: localhost\r\nX-A: " + b"a" * 1000:
                    writer.write(bytes([byte]))
                    await asyncio.sleep(1)
                    if reader.at_eof():
                        break
            finally:
                dropped[0] += 1
                writer.close()
        await asyncio.sleep(0.1)


async def unread(port: int, body: dict[str, Any]) -> None:
    """Ask for a stream, and never read it; again when the server has dropped it."""
    while True:
        with contextlib.suppress(OSError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1)
            writer.transport.pause_reading()  # type: ignore[attr-defined]
            writer.write(request_bytes(port, "/v1/completions", body))
            await asyncio.sleep(15)
            writer.close()
            del reader


async def run(port: int, seconds: float, body: dict[str, Any]) -> dict[str, Any]:
    """Measure before and during."""
    await usual(port, 2)
    before = await usual(port, seconds / 2)
    dropped = [0]
    slow = [asyncio.create_task(trickle(port, dropped)) for _ in range(500)]
    await asyncio.sleep(2)
    headers = await usual(port, seconds)
    slow += [asyncio.create_task(unread(port, body)) for _ in range(100)]
    await asyncio.sleep(0.5)
    unread_too = await usual_with_refusals(port, seconds)
    for task in slow:
        task.cancel()
    await asyncio.gather(*slow, return_exceptions=True)
    return {
        "p99_before_s": round(percentile(before, 0.99), 4),
        "p99_500_slow_headers_s": round(percentile(headers, 0.99), 4),
        "p50_before_s": round(percentile(before, 0.5), 4),
        "p50_500_slow_headers_s": round(percentile(headers, 0.5), 4),
        "slow_connections_dropped": dropped[0],
        **unread_too,
    }


async def usual_with_refusals(port: int, seconds: float) -> dict[str, Any]:
    """As ``usual``, counting the times that the queue was full."""
    times: list[float] = []
    refused = 0
    end = time.monotonic() + seconds

    async def client(number: int) -> None:
        nonlocal refused
        turn = 0
        while time.monotonic() < end:
            turn += 1
            body = {"model": "tiny", "prompt": f"{number} {turn}", "max_tokens": 32, "seed": turn}
            answer = await post(port, "/v1/completions", {**body, "stream": True})
            if answer.status == 200:
                times.append(answer.end_s - answer.begin_s)
            else:
                refused += 1
                await asyncio.sleep(0.05)

    await asyncio.gather(*map(client, range(4)))
    return {
        "p50_100_unread_streams_too_s": round(percentile(times or [-1], 0.5), 4),
        "p99_100_unread_streams_too_s": round(percentile(times or [-1], 0.99), 4),
        "answered": len(times),
        "refused": refused,
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--unread-tokens", type=int, default=64)
    arguments = parser.parse_args()
    model = make_model(arguments.folder)
    body = {
        "model": "tiny",
        "prompt": "Thou",
        "max_tokens": arguments.unread_tokens,
        "stream": True,
        "logprobs": 5,
        "logit_bias": endless_bias(model),
    }
    with autogpt(f"tiny={model}", "--max-waiting", "128") as server:
        found = asyncio.run(run(server.port, arguments.seconds, body))
        found["memory_mb"] = round(server.rss_bytes / 2**20)
    show({"unread_tokens": arguments.unread_tokens, **found})


if __name__ == "__main__":
    main()
