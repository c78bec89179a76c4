"""What the front spends of the processor: per streamed token, and per request that is refused.

Run: ``python benchmarks/serving/front_processor.py [--tokens 64] [--refused 500]``. The engine is a
script that says a token of each text every 20 ms, so that nothing but the front is measured, by
the processor time of its process: unlike seconds, that is much the same beside other work.
Eight clients stream; then all places are taken, and requests are refused, one after the other.
"""

from __future__ import annotations

import argparse
import socket
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
from common import percentile, request_bytes, show

sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.server.scripted_server import scripted_server

CLIENTS = 8


def body(route: str, tokens: int) -> dict[str, Any]:
    """Return a request for a streamed text."""
    if route == "/v1/completions":
        given: dict[str, Any] = {"prompt": "The boiler", "max_tokens": tokens}
    elif route == "/v1/responses":
        given = {"input": "The boiler", "max_output_tokens": tokens}
    else:
        given = {"messages": [{"role": "user", "content": "The boiler"}], "max_tokens": tokens}
    return {"model": "tiny", "stream": True, **given}


def exchange(port: int, data: bytes) -> bytes:
    """Send a request that closes its connection; return all that comes back."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(data)
        found = b""
        while piece := connection.recv(1 << 16):
            found += piece
    return found


def spent(process: psutil.Process) -> float:
    """Return the seconds of processor that a process has taken."""
    times = process.cpu_times()
    return float(times.user + times.system)


def streamed(route: str, tokens: int, rounds: int) -> dict[str, float]:
    """Return what a token costs the front, in microseconds of processor."""
    with scripted_server(tokens=tokens, every_s=0.02) as (server, address):
        port, process = int(address.rpartition(":")[2]), psutil.Process(server.pid)
        data = request_bytes(port, route, body(route, tokens))
        with ThreadPoolExecutor(CLIENTS) as pool:
            list(pool.map(lambda _: exchange(port, data), range(CLIENTS)))
            begin = spent(process)
            answers = list(pool.map(lambda _: exchange(port, data), range(CLIENTS * rounds)))
            end = spent(process)
    assert all(answer.count(b" boiler") >= tokens for answer in answers)
    written = tokens * len(answers)
    return {"tokens": written, "us_per_token": round(1e6 * (end - begin) / written, 1)}


def refused(count: int) -> dict[str, float]:
    """Return what a refusal costs the front, and how long it takes, as one client sees it."""
    limits = {"running": 1, "waiting": 1, "texts": 1}
    with scripted_server(limits, tokens=1 << 30, every_s=0.05) as (server, address):
        port, process = int(address.rpartition(":")[2]), psutil.Process(server.pid)
        data = request_bytes(port, "/v1/completions", body("/v1/completions", 4096))
        taken = [socket.create_connection(("127.0.0.1", port)) for _ in range(2)]
        for connection in taken:
            connection.sendall(data)
        time.sleep(0.5)
        begin, waits = spent(process), []
        for _ in range(count):
            asked = time.perf_counter()
            assert b" 429 " in exchange(port, data)[:20]
            waits.append(time.perf_counter() - asked)
        end = spent(process)
        for connection in taken:
            connection.close()
    return {
        "us_per_refusal": round(1e6 * (end - begin) / count, 1),
        "p50_ms": round(1e3 * percentile(waits, 0.5), 1),
        "p99_ms": round(1e3 * percentile(waits, 0.99), 1),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--refused", type=int, default=500)
    arguments = parser.parse_args()
    routes = ("/v1/chat/completions", "/v1/completions", "/v1/responses")
    found = {route: streamed(route, arguments.tokens, arguments.rounds) for route in routes}
    show({"streamed": found, "refused": refused(arguments.refused)})


if __name__ == "__main__":
    main()
