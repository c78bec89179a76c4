"""All kinds of requests for a while: does memory grow, do files stay open?

Run: ``python benchmarks/serving/soak.py FOLDER [--minutes 30]``; FOLDER gets a tiny model. Streams,
whole answers, JSON, calls, embeddings, mistakes and clients that leave, four at a time. Memory and
open files of both processes are noted twenty times; the slope is of the second half, a minute and a
thousand requests. The cache is small, so that it is soon full and its first use no growth.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import time
from pathlib import Path
from typing import Any

import numpy as np
from common import Server, autogpt, post, show
from malformed import request, send
from tiny import make_model

TOOL = {
    "type": "function",
    "function": {"name": "f", "parameters": {"type": "object", "properties": {"a": {}}}},
}


async def one(port: int, random_: random.Random) -> None:
    """Send one request of some kind."""
    words = " ".join(random_.choices(["Thou", "art", "學而", "more", "lovely"], k=20))
    chat: dict[str, Any] = {
        "model": "tiny",
        "messages": [{"role": "user", "content": words}],
        "max_tokens": random_.randint(1, 60),
    }
    kind = random_.randrange(7)
    if kind == 0:
        await post(port, "/v1/chat/completions", {**chat, "stream": True})
    elif kind == 1:
        await post(port, "/v1/chat/completions", {**chat, "n": 2, "logprobs": True})
    elif kind == 2:
        form = {"type": "json_object"}
        await post(port, "/v1/chat/completions", {**chat, "response_format": form})
    elif kind == 3:
        chat |= {"tools": [TOOL], "tool_choice": "required", "max_tokens": 60}
        await post(port, "/v1/chat/completions", chat)
    elif kind == 4:
        await post(port, "/v1/embeddings", {"model": "tiny", "input": [words, words]})
    elif kind == 5:
        await send(port, request(random_, port))
    else:
        body = {**chat, "stream": True, "max_tokens": 400}
        await post(port, "/v1/chat/completions", body, leave_after=random_.randint(1, 5))


async def run(server: Server, minutes: float) -> dict[str, Any]:
    """Send for so long; return the figures."""
    end = time.monotonic() + 60 * minutes
    count = 0

    async def client(number: int) -> None:
        nonlocal count
        random_ = random.Random(number)
        while time.monotonic() < end:
            await one(server.port, random_)
            count += 1

    clients = [asyncio.create_task(client(number)) for number in range(4)]
    begin = time.monotonic()
    at: list[float] = []
    rss: list[list[float]] = []
    files: list[int] = []
    done: list[float] = []  # thousands of requests
    for _ in range(20):
        await asyncio.sleep(60 * minutes / 20)
        at.append((time.monotonic() - begin) / 60)
        done.append(count / 1000)
        rss.append([process.memory_info().rss / 2**20 for process in server.processes])
        files.append(sum(process.num_fds() for process in server.processes))
    await asyncio.gather(*clients)
    late = slice(len(at) // 2, None)
    slopes = [
        float(np.polyfit(at[late], [row[place] for row in rss[late]], 1)[0]) for place in (0, 1)
    ]
    a_thousand = [
        float(np.polyfit(done[late], [row[place] for row in rss[late]], 1)[0]) for place in (0, 1)
    ]
    return {
        "minutes": minutes,
        "requests": count,
        "front_mb": [round(row[0], 1) for row in rss],
        "engine_mb": [round(row[1], 1) for row in rss],
        "slope_of_second_half_mb_per_minute": [round(slope, 3) for slope in slopes],
        "slope_of_second_half_mb_per_1000": [round(slope, 3) for slope in a_thousand],
        "open_files": [files[0], files[len(files) // 2], files[-1]],
        "restarts": server.figure("engine_restarts"),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--minutes", type=float, default=30)
    arguments = parser.parse_args()
    model = make_model(arguments.folder)
    with autogpt(f"tiny={model}", "--max-tokens", "512", "--cache", "8MB") as server:
        show(asyncio.run(run(server, arguments.minutes)))


if __name__ == "__main__":
    main()
