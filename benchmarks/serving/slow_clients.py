"""500 clients whose headers trickle, and 100 that never read their stream: what others notice.

Run: ``python benchmarks/serving/slow_clients.py FOLDER [--seconds 20]``; FOLDER gets a tiny model
and a key file. The p99 of four usual clients, before and during; the slow ones have another key and
run in a process of their own at low priority, since on a real network they would not share the
machine. New slow clients replace those that are dropped. ``--model smollm2-135m-instruct`` takes a
model whose time goes into its weights, not into Python.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from common import MODEL, autogpt, percentile, post, request_bytes, show
from tiny import endless_bias, make_model

KEYS = {"usual": "u" * 32, "slow": "s" * 32}


async def usual(port: int, seconds: float) -> list[float]:
    """Return how long requests took."""
    times: list[float] = []
    end = time.monotonic() + seconds
    headers = [f"Authorization: Bearer {KEYS['usual']}"]

    async def client(number: int) -> None:
        turn = 0
        while time.monotonic() < end:
            turn += 1
            body = {"model": "m", "prompt": f"{number} {turn}", "max_tokens": 32, "seed": turn}
            answer = await post(port, "/v1/completions", {**body, "stream": True}, headers=headers)
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
            told = asyncio.create_task(reader.read())  # until the server closes
            try:
                for byte in b"GET /health HTTP/1.1\r\nHost: localhost\r\nX-A: " + b"a" * 1000:
                    writer.write(bytes([byte]))
                    if (await asyncio.wait({told}, timeout=1))[0]:
                        dropped[0] += 1
                        break
            finally:
                told.cancel()
                writer.close()
        await asyncio.sleep(0.1)


async def unread(port: int, body: dict[str, Any]) -> None:
    """Ask for a stream, and never read it; again when the server has dropped it."""
    headers = [f"Authorization: Bearer {KEYS['slow']}"]
    while True:
        with contextlib.suppress(OSError):
            plain = socket.socket()
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            plain.setblocking(False)  # noqa: FBT003 - the method has no name for it
            await asyncio.get_running_loop().sock_connect(plain, ("127.0.0.1", port))
            reader, writer = await asyncio.open_connection(sock=plain, limit=1)
            writer.transport.pause_reading()  # type: ignore[attr-defined]
            writer.write(request_bytes(port, "/v1/completions", body, headers))
            await asyncio.sleep(35)
            writer.close()
            del reader


async def be_slow(port: int, body: dict[str, Any]) -> None:
    """Trickle until a line comes in, then leave streams unread too, until the end of input."""
    dropped = [0]
    tasks = [asyncio.create_task(trickle(port, dropped)) for _ in range(500)]
    await asyncio.to_thread(sys.stdin.readline)
    tasks += [asyncio.create_task(unread(port, body)) for _ in range(100)]
    await asyncio.to_thread(sys.stdin.readline)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    print(dropped[0])


@contextlib.contextmanager
def slow_ones(port: int, body: dict[str, Any]) -> Iterator[subprocess.Popen[str]]:
    """Run ``be_slow`` in a process of its own."""
    command = [sys.executable, __file__, "x", "--slow", str(port), json.dumps(body)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def run(port: int, seconds: float, body: dict[str, Any]) -> dict[str, Any]:
    """Measure before and during."""
    asyncio.run(usual(port, 2))
    times = {"before": asyncio.run(usual(port, seconds))}
    with slow_ones(port, body) as process:
        time.sleep(3)
        times["500_slow_headers"] = asyncio.run(usual(port, seconds))
        assert process.stdin is not None
        process.stdin.write("now\n")
        process.stdin.flush()
        time.sleep(1)
        times["100_unread_streams_too"] = asyncio.run(usual(port, seconds))
        dropped, _ = process.communicate("end\n")
    return {
        **{
            f"{name}_{share}_s": round(percentile(found, place), 4)
            for name, found in times.items()
            for share, place in (("p50", 0.5), ("p99", 0.99))
        },
        "answered": {name: len(found) for name, found in times.items()},
        "slow_connections_dropped": int(dropped),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--unread-tokens", type=int, default=1000)
    parser.add_argument("--model", help=f"such as {MODEL}, in int8; default: a tiny one")
    parser.add_argument("--slow", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.slow:
        os.nice(10)
        asyncio.run(be_slow(int(arguments.slow[0]), json.loads(arguments.slow[1])))
        return
    arguments.folder.mkdir(parents=True, exist_ok=True)
    keys = arguments.folder / "slow-keys"
    keys.write_text("".join(f"{name} {key}\n" for name, key in KEYS.items()))
    keys.chmod(0o600)
    body = {
        "model": "m",
        "prompt": "Thou",
        "max_tokens": arguments.unread_tokens,
        "stream": True,
        "logprobs": 5,
    }
    if arguments.model:
        served = [f"m={arguments.model}", "--quantize", "int8"]
    else:
        model = make_model(arguments.folder / "model")
        served = [f"m={model}"]
        body["logit_bias"] = endless_bias(model)
    with autogpt(*served, "--max-waiting", "256", "--api-key-file", str(keys)) as server:
        found = run(server.port, arguments.seconds, body)
        found["memory_mb"] = round(server.rss_bytes / 2**20)
    show({"unread_tokens": arguments.unread_tokens, **found})


if __name__ == "__main__":
    main()
