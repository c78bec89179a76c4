"""Ten times as many clients as are served at once, that ask again at once when refused.

Run: ``python benchmarks/serving/overload.py [--seconds 30]``. First as many clients as the server
writes texts at once (capacity), then ten times as many, who ignore Retry-After. The clients run in
a process of their own at low priority, since on a real network they would not share the machine.
Prints goodput as a share of capacity, times of accepted and of refused requests, growth of memory.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import time
from typing import Any

from common import MODEL, autogpt, percentile, post, show

RUNNING, WAITING, WRITTEN = 8, 16, 32


async def load(port: int, clients: int, seconds: float) -> dict[str, Any]:
    """Ask for so long; return what came of it."""
    accepted: list[tuple[float, float]] = []
    refused: list[float] = []
    broken = 0
    end = time.monotonic() + seconds

    async def client(number: int) -> None:
        nonlocal broken
        turn = 0
        while time.monotonic() < end:
            turn += 1
            body = {
                "model": MODEL,
                "prompt": f"{number} {turn} The boiler in the cellar was built in",
                "max_tokens": WRITTEN,
                "temperature": 0,
                "stream": True,
            }
            answer = await post(port, "/v1/completions", body)
            took = answer.end_s - answer.begin_s
            if answer.status == 200:
                accepted.append((answer.end_s, took))
            elif answer.status == 429:
                refused.append(took)
            else:
                broken += 1

    begin = time.monotonic()
    await asyncio.gather(*map(client, range(clients)))
    took = time.monotonic() - begin
    inside = [one for at, one in accepted if at < end]
    return {
        "goodput_per_s": len(inside) / min(took, seconds),
        "accepted": [one for _, one in accepted],
        "refused": refused,
        "broken": broken,
    }


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
        print(json.dumps(asyncio.run(load(int(port), int(clients), float(seconds)))))
        return
    limits = ("--max-running", str(RUNNING), "--max-waiting", str(WAITING))
    with autogpt(MODEL, "--quantize", arguments.quantize, *limits) as server:
        apart(server.port, RUNNING, 3)
        capacity = apart(server.port, RUNNING, arguments.seconds / 2)
        before = server.rss_bytes
        over = apart(server.port, 10 * RUNNING, arguments.seconds)
        after = server.rss_bytes
    show(
        {
            "capacity_per_s": round(capacity["goodput_per_s"], 2),
            "goodput_per_s": round(over["goodput_per_s"], 2),
            "goodput_share": round(over["goodput_per_s"] / capacity["goodput_per_s"], 3),
            "unloaded_p99_s": round(percentile(capacity["accepted"], 0.99), 3),
            "accepted_p99_s": round(percentile(over["accepted"], 0.99), 3),
            "queue_bound_s": round(WAITING / capacity["goodput_per_s"], 3),
            "refused": len(over["refused"]),
            "refused_p50_ms": round(1e3 * percentile(over["refused"] or [0], 0.5), 1),
            "refused_p99_ms": round(1e3 * percentile(over["refused"] or [0], 0.99), 1),
            "broken": over["broken"],
            "rss_growth": round(after / before - 1, 4),
        }
    )


if __name__ == "__main__":
    main()
