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
import contextlib
import json
import os
import selectors
import socket
import subprocess
import sys
import threading
import time
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from common import MODEL, autogpt, percentile, request_bytes, show

RUNNING, WAITING, WRITTEN = 8, 16, 32
CACHE = "190MB"  # a whole context of the model, which a minute of texts fills
_IP_BIND_ADDRESS_NO_PORT = 24  # of Linux: a port is chosen when it is known where to


@dataclass(slots=True)
class Client:
    """One that asks again as soon as it is answered."""

    number: int
    turn: int = 0
    asked: float = 0.0
    status: int = 0

    def ask(self, port: int) -> socket.socket:
        """Send a request; return where its answer comes."""
        self.turn, self.status, self.asked = self.turn + 1, 0, time.monotonic()
        body = {
            "model": MODEL,
            "prompt": f"{self.number} {self.turn} The boiler in the cellar was built in",
            "max_tokens": WRITTEN,
            "temperature": 0,
            "stream": True,
        }
        data = request_bytes(port, "/v1/completions", body)
        connection = sent(port, data, f"127.0.1.{self.number % 250 + 1}")
        connection.settimeout(0)
        return connection

    def is_answered(self, connection: socket.socket) -> bool:
        """Read what is there; return whether that was the end."""
        with contextlib.suppress(BlockingIOError):
            while data := connection.recv(1 << 16):
                self.status = self.status or int(data.split(None, 2)[1])
            return True
        return False


def load(port: int, clients: int, seconds: float) -> dict[str, Any]:
    """Ask for so long; return what came of it.

    All clients are in one thread, and wait in the kernel: that takes little from the server.
    """
    found: dict[int, list[tuple[float, float]]] = defaultdict(list)
    waiting = selectors.DefaultSelector()
    begin = time.monotonic()
    end = begin + seconds
    for number in range(clients):
        client = Client(number)
        waiting.register(client.ask(port), selectors.EVENT_READ, client)
    while waiting.get_map():
        for key, _ in waiting.select():
            client, connection = key.data, key.fileobj
            assert isinstance(connection, socket.socket)
            try:
                if not client.is_answered(connection):
                    continue
            except OSError:
                client.status = 0
            waiting.unregister(connection)
            connection.close()
            now = time.monotonic()
            found[client.status].append((now, now - client.asked))
            if now < end:
                waiting.register(client.ask(port), selectors.EVENT_READ, client)
    inside = [one for at, one in found[200] if begin + seconds / 4 <= at < end]
    return {
        "goodput_per_s": len(inside) / (0.75 * seconds),
        "accepted": [one for _, one in found[200]],
        "refused": [one for _, one in found[429]],
        "broken": sum(len(some) for status, some in found.items() if status not in (200, 429)),
        "processor_s": sum(os.times()[:2]),
    }


def probe(port: int, seconds: float, waits: list[float]) -> None:
    """Ask ten times a second; add how long each refusal takes."""
    body = {"model": MODEL, "prompt": "The boiler", "max_tokens": 1}
    data = request_bytes(port, "/v1/completions", body)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        asked = time.monotonic()
        if exchange(port, data) == 429:
            waits.append(time.monotonic() - asked)
        time.sleep(0.1)


def sent(port: int, data: bytes, own: str) -> socket.socket:
    """Send a request from an address; return where its answer comes."""
    connection = socket.socket()
    connection.setsockopt(socket.IPPROTO_IP, _IP_BIND_ADDRESS_NO_PORT, 1)
    connection.bind((own, 0))
    connection.connect(("127.0.0.1", port))
    connection.sendall(data)
    return connection


def exchange(port: int, data: bytes) -> int:
    """Send a request and read all of its answer; return the status."""
    with sent(port, data, "127.0.0.1") as connection:
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
    parser.add_argument("--fill", type=float, default=30, help="seconds, until the cache is full")
    parser.add_argument("--load", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.load:
        os.nice(10)
        port, clients, seconds = arguments.load
        print(json.dumps(load(int(port), int(clients), float(seconds))))
        return
    limits = ("--max-running", str(RUNNING), "--max-waiting", str(WAITING), "--cache", CACHE)
    with autogpt(MODEL, "--quantize", arguments.quantize, *limits) as server:
        apart(server.port, 10 * RUNNING, arguments.fill)
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
