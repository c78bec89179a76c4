"""Eight clients, 128 tokens in, 64 out: ours beside transformers' server and llama.cpp's.

Run: ``python benchmarks/serving/throughput.py WORK`` with ``xllamacpp`` installed, and what
``transformers serve`` needs. WORK keeps the model in the other formats. The servers run at the same
time but work in turns (the others sleep), each round with prompts of its own; the first round of
each warms up. Prints per server, over all rounds: ``tokens_per_s`` of output, ``ttft_p95_ms``.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import queue
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from common import (
    MODEL,
    Server,
    autogpt,
    percentile,
    post,
    prompt_of,
    show,
    started,
    tokenizer_count,
)

sys.path.insert(0, str(Path(__file__).parents[1]))
CLIENTS, READ, WRITTEN = 8, 128, 64


async def one_round(
    server: Server, model: str, prompts: list[str], count: Callable[[str], int], turns: int
) -> tuple[float, list[float], int]:
    """Return seconds, times to the first token, and tokens written."""

    async def client(number: int) -> list[tuple[float, int]]:
        found = []
        for turn in range(turns):
            messages = [{"role": "user", "content": prompts[number * turns + turn]}]
            answer = await post(
                server.port,
                "/v1/chat/completions",
                {
                    "model": model,
                    "messages": messages,
                    "max_tokens": WRITTEN,
                    "temperature": 0,
                    "stream": True,
                },
            )
            if answer.status != 200:
                raise RuntimeError(f"{answer.status}: {answer.events[:1]}")
            found.append((answer.first_s - answer.begin_s, count(answer.text)))
        return found

    begin = time.monotonic()
    rows = [row for rows in await asyncio.gather(*map(client, range(CLIENTS))) for row in rows]
    seconds = time.monotonic() - begin
    return seconds, [first for first, _ in rows], sum(tokens for _, tokens in rows)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--turns", type=int, default=2, help="requests of a client in a round")
    parser.add_argument("--only", nargs="*", help="servers to compare")
    arguments = parser.parse_args()
    count = tokenizer_count()
    from inference import rewrite_all

    from autogpt.core.refs import resolve

    arguments.work.mkdir(exist_ok=True)
    packed = resolve(MODEL)
    rewrite_all(packed, arguments.work)
    llama = str(Path(__file__).with_name("llamacpp_server.py"))
    folder = str(arguments.work / "folder")
    transformers = [
        str(Path(sys.executable).with_name("transformers")),
        *("serve", folder, "--continuous-batching", "--device", "cpu", "--host", "127.0.0.1"),
    ]
    servers = {
        "ours int8": (autogpt(MODEL, "--quantize", "int8"), MODEL),
        "ours int4": (autogpt(MODEL, "--quantize", "int4"), MODEL),
        "llama.cpp Q8_0": (
            started([sys.executable, llama, str(arguments.work / "Q8_0.gguf"), "8131"], 8131),
            "any",
        ),
        "llama.cpp Q4_1": (started([sys.executable, llama, str(packed), "8132"], 8132), "any"),
        **{
            f"transformers {dtype}": (
                started([*transformers, "--dtype", dtype, "--port", str(port)], port),
                folder,
            )
            for dtype, port in (("bfloat16", 8133), ("float32", 8134))
        },
    }
    results: dict[str, dict[str, Any]] = {}
    with contextlib.ExitStack() as stack:
        running = {}
        for name, (context, model) in servers.items():
            if arguments.only and name not in arguments.only:
                continue
            try:
                running[name] = (stack.enter_context(context), model)
            except (RuntimeError, OSError, queue.Empty) as error:  # named, and left out
                results[name] = {"left_out": repr(error)}
        for number in range(arguments.rounds + 1):
            for name, (server, model) in list(running.items()):
                places = range(1000 * number, 1000 * number + CLIENTS * arguments.turns)
                prompts = [prompt_of(READ, count, place) for place in places]
                work = one_round(server, model, prompts, count, arguments.turns)
                try:
                    found = asyncio.run(asyncio.wait_for(work, 100))
                except (RuntimeError, TimeoutError) as error:
                    results[name] = {"left_out": repr(error)}
                    del running[name]
                    continue
                if number:
                    empty = {"seconds": 0.0, "tokens": 0, "firsts": []}
                    add(results.setdefault(name, empty), *found)
    show(
        {
            "clients": CLIENTS,
            "read": READ,
            "written": WRITTEN,
            "results": {name: summed(kept) for name, kept in results.items()},
        }
    )


def add(kept: dict[str, Any], seconds: float, firsts: list[float], tokens: int) -> None:
    """Add a round."""
    kept["seconds"] += seconds
    kept["tokens"] += tokens
    kept["firsts"] += firsts


def summed(kept: dict[str, Any]) -> dict[str, Any]:
    """Return the figures of all rounds."""
    if "firsts" not in kept:
        return kept
    return {
        "tokens_per_s": round(kept["tokens"] / kept["seconds"], 1),
        "ttft_p50_ms": round(1e3 * percentile(kept["firsts"], 0.5)),
        "ttft_p95_ms": round(1e3 * percentile(kept["firsts"], 0.95)),
        "tokens": kept["tokens"],
    }


if __name__ == "__main__":
    main()
