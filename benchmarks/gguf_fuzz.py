"""Damage tiny GGUF files and load them: a model or one clear sentence, and never anything else.

Each process takes a share of the seeds, one after the other, so that a crash or a hang (a load of
more than 20 s) is told with its seed, and does not end the rest. Memory beyond the limit makes a
load fail. One JSON object on standard output; exit 1 where something went wrong.
``python benchmarks/gguf_fuzz.py [--mutations 10000] [--first 0] [--memory-mib 1024]``
"""

from __future__ import annotations

import argparse
import json
import logging
import multiprocessing
import random
import resource
import sys
import tempfile
import time
from collections import Counter
from multiprocessing.connection import Connection
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.interop.gguf.mutations import damaged, load, whole_files

LIMIT_S = 20.0
SHARE = 500


def work(seeds: range, pipe: Connection, memory_bytes: int) -> None:
    """Load one mutation for each seed; say before which it is, and after how it went."""
    logging.disable(logging.WARNING)  # of the engine, about prompts that are cut
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.gguf"
        whole = whole_files(Path(folder))
        for data in whole:  # so that what a first load allocates is not counted
            path.write_bytes(data)
            load(path)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + memory_bytes, used + memory_bytes))
        for seed in seeds:
            path.write_bytes(damaged(whole[seed % len(whole)], random.Random(seed)))
            pipe.send(seed)
            begin = time.perf_counter()
            try:
                outcome = load(path)
            except BaseException as error:  # noqa: BLE001 - all of them are what is looked for
                outcome = f"{type(error).__name__}: {str(error)[:200]}"
            grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
            pipe.send((outcome, time.perf_counter() - begin, grown))
    pipe.send(None)


class Tally:
    """What came of all loads."""

    def __init__(self) -> None:
        self.outcomes: Counter[str] = Counter()
        self.wrong: list[dict[str, object]] = []
        self.slowest_s = 0.0
        self.grown_kib = 0

    def run(self, seeds: range, memory_bytes: int) -> range:
        """Load in a process of its own; return the seeds that are left."""
        ours, theirs = multiprocessing.Pipe()
        process = multiprocessing.get_context("spawn").Process(
            target=work, args=(seeds, theirs, memory_bytes)
        )
        process.start()
        theirs.close()
        seed = seeds.start
        reason = "hang"
        try:
            while ours.poll(LIMIT_S if seed > seeds.start else 10 * LIMIT_S):
                said = ours.recv()
                if said is None:
                    return range(0)
                if isinstance(said, int):
                    seed = said
                    continue
                self.add(seed, *said)
        except EOFError:
            reason = "crash"
        finally:
            process.kill()
            process.join()
        self.wrong.append({"seed": seed, "outcome": reason, "exit": process.exitcode})
        return range(seed + 1, seeds.stop)

    def add(self, seed: int, outcome: str, seconds: float, grown_kib: int) -> None:
        """Count one load."""
        self.slowest_s = max(self.slowest_s, seconds)
        self.grown_kib = max(self.grown_kib, grown_kib)
        if outcome in ("loaded", "refused"):
            self.outcomes[outcome] += 1
        else:
            self.wrong.append({"seed": seed, "outcome": outcome})


def main() -> None:
    """Damage, load and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mutations", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--memory-mib", type=int, default=1024, help="more than this is too much")
    options = parser.parse_args()
    tally = Tally()
    begin = time.perf_counter()
    end = options.first + options.mutations
    for start in range(options.first, end, SHARE):
        seeds = range(start, min(start + SHARE, end))
        while seeds:
            seeds = tally.run(seeds, options.memory_mib << 20)
    result = {
        "mutations": options.mutations,
        **tally.outcomes,
        "wrong": len(tally.wrong),
        "wrong_first": tally.wrong[:20],
        "slowest_s": round(tally.slowest_s, 3),
        "peak_rss_growth_bytes": tally.grown_kib << 10,
        "wall_s": round(time.perf_counter() - begin, 1),
    }
    print(json.dumps(result))
    sys.exit(1 if tally.wrong else 0)


if __name__ == "__main__":
    main()
