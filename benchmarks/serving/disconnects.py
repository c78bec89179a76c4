"""1,000 clients that leave after a random number of events: is everything given back?

Run: ``python benchmarks/serving/disconnects.py FOLDER [--count 1000]``; FOLDER gets a tiny model.
Beside them one client asks for the same seeded text again and again, which must not change by a
byte. Prints how long it took until no block of the cache was held.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import time
from pathlib import Path
from typing import Any

from common import Server, autogpt, post, show
from tiny import endless_bias, make_model


async def run(server: Server, count: int, bias: dict[str, int]) -> dict[str, Any]:
    """Leave, and look."""
    random_ = random.Random(0)
    base = {"model": "tiny", "prompt": "Thou art", "stream": True, "logit_bias": bias}
    kept = {**base, "seed": 7, "max_tokens": 120}
    alone = (await post(server.port, "/v1/completions", kept)).text
    texts: list[str] = []
    is_over = False

    async def stay() -> None:
        while not is_over:
            texts.append((await post(server.port, "/v1/completions", kept)).text)

    async def leave(some: list[int]) -> None:
        for events in some:
            body = {**base, "max_tokens": 1000, "n": random_.choice([1, 1, 2])}
            await post(server.port, "/v1/completions", body, leave_after=events)

    staying = asyncio.create_task(stay())
    plan = [[random_.randint(1, 30) for _ in range(count // 8)] for _ in range(8)]
    begin = time.monotonic()
    await asyncio.gather(*map(leave, plan))
    took = time.monotonic() - begin
    is_over = True
    await staying
    begin = time.monotonic()
    while await asyncio.to_thread(server.figure, "cache_blocks_held") > 0:
        if time.monotonic() - begin > 30:
            break
    back = time.monotonic() - begin
    return {
        "disconnects": sum(map(len, plan)),
        "seconds": round(took, 1),
        "blocks_back_to_none_s": round(back, 3),
        "blocks_held": server.figure("cache_blocks_held"),
        "running": server.figure("running_texts"),
        "texts_beside": len(texts),
        "texts_that_differ": sum(text != alone for text in texts),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=1000)
    arguments = parser.parse_args()
    model = make_model(arguments.folder)
    with autogpt(f"tiny={model}") as server:
        show(asyncio.run(run(server, arguments.count, endless_bias(model))))


if __name__ == "__main__":
    main()
