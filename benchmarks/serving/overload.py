"""Ten times as many clients as are served at once, that ask again at once when refused.

Run: ``python benchmarks/serving/overload.py [--seconds 30]``. First as many clients as the server
writes texts at once (capacity), then ten times as many, who ignore Retry-After. The clients run in
a process of their own at low priority, since on a real network they would not share the machine;
each has an address of its own (127.0.0.0/8), as there, or the kernel would spend its time on the
search for a port that no connection had a minute ago.
Their times hold their own waiting for the processor too; so one more client, of normal priority and
alone in its process, asks ten times a second: ``probe`` is what it is told, and when.
Prints goodput as a share of capacity (both without their first quarter, in which texts begin that
end later; capacity before and after, in the mean, since other work may come and go), times of
accepted and of refused requests, growth of memory: all, and without the blocks of keys and values
that were used for the first time (their memory is taken as it is used, up to its bound).
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from common import MODEL, autogpt, percentile, request_bytes, show

RUNNING, WAITING, WRITTEN = 8, 16, 32
_IP_BIND_ADDRESS_NO_PORT = 24  # of Linux: a port is chosen when it is known where to


def load(port: int, clients: int, seconds: float) -> dict[str, Any]:
    """Ask for so long; return what came of it.

    A thread a client with a plain socket: what waits in the kernel takes no processor from the
    server.
    """
    accepted: list[tuple[float, float]] = []
    refused: list[float] = []
    broken: list[str] = []
    begin = time.monotonic()
    end = begin + seconds

    def client(number: int) -> None:
        turn, own = 0, f"127.0.1.{number % 250 + 1}"
        while time.monotonic() < end:
            turn += 1
            body = {
                "model": MODEL,
                "prompt": f"{number} {turn} The boiler in the cellar was built in",
                "max_tokens": WRITTEN,
                "temperature": 0,
                "stream": True,
            }
            asked = time.monotonic()
            try:
                status = exchange(port, request_bytes(port, "/v1/completions", body), own)
            except OSError as error:
                broken.append(repr(error))
                continue
            now = time.monotonic()
            if status == 200:
                accepted.append((now, now - asked))
            elif status == 429:
                refused.append(now - asked)
            else:
                broken.append(str(status))

    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(client, range(clients)))
    inside = [one for at, one in accepted if begin + seconds / 4 <= at < end]
    return {
        "goodput_per_s": len(inside) / (0.75 * seconds),
        "accepted": [one for _, one in accepted],
        "refused": refused,
        "broken": len(broken),
        "processor_s": sum(os.times()[:2]),
    }


def probe(port: int, seconds: float, waits: list[float]) -> None:
    """Ask ten times a second; add how long each refusal takes."""
    body = {"model": MODEL, "prompt": "The boiler", "max_tokens": 1}
    data = request_bytes(port, "/v1/completions", body)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        asked = time.monotonic()
        if exchange(port, data, "127.0.0.1") == 429:
            waits.append(time.monotonic() - asked)
        time.sleep(0.1)


def exchange(port: int, data: bytes, own: str) -> int:
    """Send a request from an address and read all of its answer; return the status."""
    with socket.socket() as connection:
        connection.setsockopt(socket.IPPROTO_IP, _IP_BIND_ADDRESS_NO_PORT, 1)
        connection.bind((own, 0))
        connection.connect(("127.0.0.1", port))
        connection.sendall(data)
        first = connection.recv(1 << 16)
        while connection.recv(1 << 16):
            pass
    return int(first.split(None, 2)[1])


def apart(port: int, clients: int, seconds: float) -> dict[str, Any]:
    """Run ``load`` in a process of low priority."""
    found = subprocess.run(
        [sys.executable, __file__, "--load", str(port), str(clients), str(seconds)],
        capture_output=True,
        text=True,
        check=True,
    )
    result: dict[str, Any] = json.loads(found.stdout)
    return result


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--quantize", default="int8")
    parser.add_argument("--load", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.load:
        os.nice(10)
        port, clients, seconds = arguments.load
        print(json.dumps(load(int(port), int(clients), float(seconds))))
        return
    limits = ("--max-running", str(RUNNING), "--max-waiting", str(WAITING))
    with autogpt(MODEL, "--quantize", arguments.quantize, *limits) as server:
        apart(server.port, 10 * RUNNING, 4)
        alone = apart(server.port, RUNNING, arguments.seconds / 2)
        before = [process.memory_info().rss for process in server.processes]
        cache = server.figure("cache_bytes")
        spent = server.processes[0].cpu_times()
        waits: list[float] = []
        probing = threading.Thread(target=probe, args=(server.port, arguments.seconds, waits))
        probing.start()
        over = apart(server.port, 10 * RUNNING, arguments.seconds)
        probing.join()
        after = [process.memory_info().rss for process in server.processes]
        taken = server.figure("cache_bytes") - cache
        front = server.processes[0].cpu_times()
        again = apart(server.port, RUNNING, arguments.seconds / 2)
    capacities = [one["goodput_per_s"] for one in (alone, again)]
    capacity = sum(capacities) / 2
    show(
        {
            "capacity_per_s": [round(one, 2) for one in capacities],
            "goodput_per_s": round(over["goodput_per_s"], 2),
            "goodput_share": round(over["goodput_per_s"] / capacity, 3),
            "unloaded_p99_s": round(percentile(alone["accepted"], 0.99), 3),
            "accepted_p99_s": round(percentile(over["accepted"], 0.99), 3),
            "queue_bound_s": round(WAITING / capacity, 3),
            "refused": len(over["refused"]),
            "refused_p50_ms": round(1e3 * percentile(over["refused"] or [0], 0.5), 1),
            "refused_p99_ms": round(1e3 * percentile(over["refused"] or [0], 0.99), 1),
            "probe_refused": len(waits),
            "probe_p50_ms": round(1e3 * percentile(waits or [0], 0.5), 1),
            "probe_p99_ms": round(1e3 * percentile(waits or [0], 0.99), 1),
            "broken": over["broken"],
            "rss_growth": round(sum(after) / sum(before) - 1, 4),
            "rss_growth_without_cache": round((sum(after) - taken) / sum(before) - 1, 4),
            "rss_mb_front_engine": [[round(one / 2**20) for one in row] for row in (before, after)],
            "front_processor_s": round(front.user + front.system - spent.user - spent.system, 2),
            "clients_processor_s": round(over["processor_s"], 2),
        }
    )


if __name__ == "__main__":
    main()
