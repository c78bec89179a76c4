"""How long the rails take: milliseconds per 1,000 characters on one core, by kind of text.

    python benchmarks/rails.py            # prints JSON; the goal is p99 <= 5 ms

Each sample is another piece of 1,000 characters, read whole by every rail of the default policy, as
input, as output, and as a document; and streamed in pieces of four characters, where the time is
that of the whole stream. The time is that of the processor, so that other work does not count.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

from autogpt.safety.rails import Rails

PACKAGE = Path(__file__).parents[1] / "src/autogpt/data/quickstart"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="A folder of data with more kinds of text.")
    parser.add_argument("--samples", type=int, default=300)
    args = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    rails = Rails("default")
    for text in ("Warm up. It is a fine day.", "先热身。今天天气很好，我们去公园吧。"):
        rails.check(text, direction="untrusted")  # loads every classifier
    result = {}
    for name, text in texts(args.data).items():
        chance = random.Random(0)
        places = [chance.randrange(0, max(1, len(text) - 1000)) for _ in range(args.samples)]
        pieces = [text[place : place + 1000] for place in places]
        result[name] = {
            direction: times(pieces, lambda piece, d=direction: rails.check(piece, direction=d))
            for direction in ("input", "output", "untrusted")
        } | {"stream": times(pieces[: args.samples // 3], lambda piece: stream(rails, piece))}
    worst = max(
        each["p99_ms"]
        for kinds in result.values()
        for key, each in kinds.items()
        if key != "stream"
    )
    print(
        json.dumps(
            {"worst_p99_ms": worst, "goal_ms": 5.0, "reached": worst <= 5.0, "texts": result},
            indent=1,
        )
    )


def stream(rails: Rails, text: str) -> None:
    """Stream a text through the output rail."""
    rail = rails.output()
    for place in range(0, len(text), 4):
        rail.push(text[place : place + 4])
    rail.close()


def times(pieces: list[str], work: Callable[[str], object]) -> dict[str, float]:
    """Return quantiles of the time per piece."""
    taken = []
    for piece in pieces:
        begin = time.process_time()
        work(piece)
        taken.append((time.process_time() - begin) * 1e3)
    taken.sort()
    return {
        f"p{share}_ms": round(taken[min(len(taken) - 1, len(taken) * share // 100)], 3)
        for share in (50, 95, 99)
    }


def texts(data: Path | None) -> dict[str, str]:
    """Return long texts of several kinds."""
    chance = random.Random(1)
    found = {path.stem: path.read_text(encoding="utf-8") for path in sorted(PACKAGE.glob("*.txt"))}
    found["code"] = "".join(
        path.read_text(encoding="utf-8") for path in sorted(Path(__file__).parent.glob("*.py"))
    )
    found["numbers"] = " ".join(str(chance.randrange(10**6)) for _ in range(20_000))
    found["hex"] = "".join(chance.choices("0123456789abcdef \n", k=100_000))
    found["symbols"] = "".join(chance.choices("<[(!&%=@:./-_\\{}\"' ab01", k=100_000))
    found["mixed"] = "".join(chance.choices("中文字符，。！ abc１２３é\u200b😀", k=100_000))
    if data is not None:
        for name in ("text/en/wikitext2-valid.txt", "text/zh/hongloumeng.txt"):
            found[name] = (data / name).read_text(encoding="utf-8")
    return found


if __name__ == "__main__":
    sys.exit(main())
