"""A conversation of one key is never seen by another: 1,000 probes for shared beginnings.

Run: ``python benchmarks/serving/isolation.py FOLDER [--probes 1000]``; FOLDER gets a tiny model and
a key file. One key has conversations; another asks with the same beginnings, whole and in part.
Counts the probes of which any token counted as read before (``cached_tokens``), compares the text
with that of a fresh prompt, and the time to first token where the beginning had been read by the
other key, by nobody, and by the same key (which shows that sharing works at all).
"""

from __future__ import annotations

import argparse
import asyncio
import random
from pathlib import Path
from typing import Any

from common import TEXT, Answer, autogpt, median, post, show
from tiny import make_model

KEYS = {"ada": "a" * 32, "eve": "e" * 32}


async def ask(port: int, key: str, prompt: str) -> Answer:
    """Return the answer to a prompt."""
    body = {
        "model": "tiny",
        "prompt": prompt,
        "max_tokens": 4,
        "temperature": 0,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    headers = [f"Authorization: Bearer {KEYS[key]}"]
    answer = await post(port, "/v1/completions", body, headers=headers)
    if answer.status != 200:
        raise RuntimeError(repr(answer))
    return answer


def cached(answer: Answer) -> int:
    """Return how many tokens counted as read before."""
    return int(answer.usage["prompt_tokens_details"]["cached_tokens"])


async def run(port: int, probes: int) -> dict[str, Any]:
    """Probe."""
    random_ = random.Random(0)
    words = TEXT.split()
    surfaced = different = 0
    own_cached = 0
    times: dict[str, list[float]] = {"others": [], "nobodys": [], "own": []}
    for number in range(probes):
        secret = " ".join(random_.choices(words, k=120))
        told = await ask(port, "ada", secret)
        share = random_.choice([1.0, 0.75, 0.5])
        begin = " ".join(secret.split()[: int(120 * share)])
        probe = await ask(port, "eve", begin)
        surfaced += cached(probe) > 0
        times["others"].append(probe.first_s - probe.begin_s)
        fresh = await ask(port, "eve", " ".join(random_.choices(words, k=int(120 * share))))
        times["nobodys"].append(fresh.first_s - fresh.begin_s)
        if share == 1.0:
            different += probe.text != told.text
        if number % 10 == 0:
            again = await ask(port, "ada", secret)
            own_cached += cached(again) > 0
            times["own"].append(again.first_s - again.begin_s)
    return {
        "probes": probes,
        "surfaced": surfaced,
        "texts_that_differ": different,
        "own_beginnings_reused": f"{own_cached} of {len(times['own'])}",
        "ttft_p50_ms": {name: round(1e3 * median(values), 2) for name, values in times.items()},
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--probes", type=int, default=1000)
    arguments = parser.parse_args()
    model = make_model(arguments.folder)
    keys = arguments.folder / "keys"
    keys.write_text("".join(f"{name} {key}\n" for name, key in KEYS.items()))
    keys.chmod(0o600)
    with autogpt(f"tiny={model}", "--api-key-file", str(keys)) as server:
        show(asyncio.run(run(server.port, arguments.probes)))


if __name__ == "__main__":
    main()
