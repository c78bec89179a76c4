"""Hold our speed of labeling many texts against transformers' pipeline: same weights, same texts.

Both read one folder in float32, each in a process of its own with as many threads; they take turns,
so that what disturbs the machine disturbs both. Time is that of labeling, after the model is loaded
and has labeled a few texts; the pipeline runs with each batch size, and its fastest counts. Without
MODEL a head of 77 labels is put on smollm2-135m-instruct: what it says is noise, but both must say
the same. A JSON object: texts/s of each, their ratio (goal 1.5), and the share of equal labels.

``python benchmarks/classification.py [MODEL] --texts banking77.test.csv [--limit 512]``
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

GOAL = 1.5
BATCHES = (1, 8, 32)
WARM = 8  # texts

Label = Callable[[Sequence[str]], list[str]]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", nargs="?", help="a folder with a trained head of classes")
    parser.add_argument("--texts", type=Path, required=True, help="a CSV file with a header")
    parser.add_argument("--limit", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--side", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.side:
        label(arguments)
        return
    with tempfile.TemporaryDirectory() as room:
        folder = arguments.model or make(Path(room, "model"))
        sides = ("ours", *map(str, BATCHES))
        rounds = [
            {side: ask(side, str(folder), arguments) for side in sides}
            for _ in range(arguments.rounds)
        ]
    speeds = {side: statistics.median(one[side]["texts_per_s"] for one in rounds) for side in sides}
    fastest = max(sides[1:], key=lambda side: speeds[side])
    said, theirs = rounds[0]["ours"]["labels"], rounds[0][fastest]["labels"]
    ratio = speeds["ours"] / speeds[fastest]
    print(
        json.dumps(
            {
                "model": arguments.model or "smollm2-135m-instruct with a new head",
                "texts": len(said),
                "texts_per_s": {side: round(speed, 2) for side, speed in speeds.items()},
                "fastest_batch": int(fastest),
                "ratio": round(ratio, 3),
                "goal": GOAL,
                "reached": ratio >= GOAL,
                "same_labels": sum(map(str.__eq__, said, theirs)) / len(said),
                "threads": arguments.threads,
                "machine": f"{platform.machine()}, {os.cpu_count()} cores",
            }
        )
    )


def make(folder: Path) -> Path:
    """Write a model with a head that has learned nothing."""
    from autogpt.models.head_files import HeadSettings, save_headed
    from autogpt.models.heads import HeadConfig, put_head
    from autogpt.recipe.base_model import open_base

    base = open_base("smollm2-135m-instruct")
    tokenizer = base.tokenizer
    labels = tuple(f"label {number}" for number in range(77))
    model = put_head(base.read("float32"), HeadConfig(kind="sequence", labels=labels))
    save_headed(
        model, folder, tokenizer=tokenizer, settings=HeadSettings(), pad_token_id=tokenizer.pad_id
    )
    return folder


def ask(side: str, folder: str, arguments: argparse.Namespace) -> dict[str, object]:
    """Let a side label the texts in a process of its own."""
    command = [sys.executable, __file__, folder, "--side", side, "--texts", str(arguments.texts)]
    command += ["--limit", str(arguments.limit), "--threads", str(arguments.threads)]
    environment = {**os.environ, "OMP_NUM_THREADS": str(arguments.threads)}
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    found: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return found


def label(arguments: argparse.Namespace) -> None:
    """Label the texts, and print how fast."""
    with arguments.texts.open(encoding="utf-8", newline="") as file:
        texts = [row[0] for row in list(csv.reader(file))[1:]]
    step = max(1, len(texts) // arguments.limit)  # files are often in the order of labels
    texts = texts[::step][: arguments.limit]
    run = ours(arguments.model) if arguments.side == "ours" else theirs(arguments)
    run(texts[:WARM])
    begin = time.perf_counter()
    labels = run(texts)
    passed = time.perf_counter() - begin
    print(json.dumps({"texts_per_s": len(texts) / passed, "labels": labels}))


def ours(model: str) -> Label:
    """Return our way."""
    import autogpt

    classifier = autogpt.load(model)
    return lambda texts: [str(answer.label) for answer in classifier.run(texts)]


def theirs(arguments: argparse.Namespace) -> Label:
    """Return the pipeline's."""
    import torch
    import transformers

    torch.set_num_threads(arguments.threads)
    pipe = transformers.pipeline(
        "text-classification", arguments.model, dtype=torch.float32, device="cpu"
    )
    size = int(arguments.side)
    return lambda texts: [row["label"] for row in pipe(list(texts), batch_size=size)]


if __name__ == "__main__":
    main()
