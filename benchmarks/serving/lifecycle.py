"""The engine killed with -9, and the server told to go down, each with requests under way.

Run: ``python benchmarks/serving/lifecycle.py FOLDER [--quantize int8]``; FOLDER gets a tiny model
for the second part; the first one kills the engine of smollm2-135m-instruct.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import time
from pathlib import Path
from typing import Any

from common import MODEL, Answer, Server, autogpt, post, show
from tiny import endless_bias, make_model


async def killed(server: Server) -> dict[str, Any]:
    """Kill the engine while four clients read; return what they and /health said, and when."""
    body = {"model": MODEL, "prompt": "The boiler", "max_tokens": 2000, "stream": True}
    streams = [asyncio.create_task(post(server.port, "/v1/completions", body)) for _ in range(4)]
    await asyncio.sleep(2)
    begin = time.monotonic()
    server.engine.send_signal(signal.SIGKILL)
    not_ready = back = None
    while back is None and time.monotonic() - begin < 90:
        status, _ = await asyncio.to_thread(server.get, "/health")
        now = time.monotonic() - begin
        if status == 503 and not_ready is None:
            not_ready = now
        if status == 200 and not_ready is not None:
            back = now
        await asyncio.sleep(0.02)
    answers: list[Answer] = await asyncio.gather(*streams)
    ended = [one for one in answers if b'"finish_reason":"' in b"".join(one.events)]
    return {
        "health_not_ready_s": not_ready,
        "healthy_again_s": back,
        "requests_told_an_error": sum(b'"error"' in one.events[-1] for one in answers),
        "requests": len(answers) - len(ended),  # a text may have ended before
        "told_within_s": round(max(one.end_s for one in answers) - begin, 3),
    }


async def going_down(server: Server, model: Path, *, twice: bool) -> dict[str, Any]:
    """Send SIGTERM, once or twice, while a request runs and another comes."""
    bias = endless_bias(model)
    body = {"model": "tiny", "prompt": "Thou", "max_tokens": 1500, "stream": True}
    stream = asyncio.create_task(post(server.port, "/v1/completions", {**body, "logit_bias": bias}))
    await asyncio.sleep(0.5)
    begin = time.monotonic()
    server.process.send_signal(signal.SIGTERM)
    await asyncio.sleep(0.1)
    late = await post(server.port, "/v1/completions", {"model": "tiny", "prompt": "x"})
    if twice:
        server.process.send_signal(signal.SIGTERM)
    answer = await stream
    code = await asyncio.to_thread(server.process.wait, 60)
    return {
        "new_request": late.status,
        "running_finished": b'"length"' in answer.events[-1],
        "exit_code": code,
        "seconds": round(time.monotonic() - begin, 2),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--quantize", default="int8")
    arguments = parser.parse_args()
    model = make_model(arguments.folder)
    found: dict[str, Any] = {}
    with autogpt(MODEL, "--quantize", arguments.quantize) as server:
        found["killed"] = asyncio.run(killed(server))
    for name, twice in (("sigterm", False), ("sigterm_twice", True)):
        with autogpt(f"tiny={model}", "--grace", "120") as server:
            found[name] = asyncio.run(going_down(server, model, twice=twice))
    show(found)


if __name__ == "__main__":
    main()
