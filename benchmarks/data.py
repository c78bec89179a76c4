"""Measure the preparation of a corpus: MB/s and peak memory, and how both grow with its size.

Reading and cleaning, learning a tokenizer and encoding are timed apart.

Each source is written to a temporary folder (words drawn at random, every tenth row nearly a copy
of an earlier one), then prepared with near duplicates on in a process of its own. One JSON object
on standard output.
``python benchmarks/data.py [--kind txt jsonl ...] [--megabytes 100 1000] [--processes N]``
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
import typing
from collections.abc import Iterator
from pathlib import Path

KINDS = ("txt", "jsonl", "jsonl.gz", "json", "csv", "parquet")
ROW_WORDS = 70  # about 500 bytes, so that 1 GB is two million rows


def words() -> list[str]:
    """Return a vocabulary of English-looking and Chinese words."""
    chance = random.Random(0)
    latin = ["".join(chance.choices("etaoinshrdlucmfwypvbgkjqxz", k=length)) for length in
             chance.choices(range(2, 12), k=20_000)]  # fmt: skip
    chinese = ["".join(chr(0x4E00 + chance.randrange(3000)) for _ in range(2)) for _ in range(2000)]
    return latin + chinese


def rows(size_bytes: int) -> Iterator[str]:
    """Yield rows of random words; every tenth is an earlier one with a word changed."""
    chance, vocabulary = random.Random(1), words()
    kept: list[list[str]] = []
    written = number = 0
    while written < size_bytes:
        number += 1
        if kept and number % 10 == 0:
            row = [*chance.choice(kept)]
            row[chance.randrange(len(row))] = "changed"
        else:
            row = chance.choices(vocabulary, k=ROW_WORDS)
            if number % 50 == 1 and len(kept) < 5000:
                kept.append(row)
        text = " ".join(row) + "."
        written += len(text.encode())
        yield text


def write_source(kind: str, path: Path, size_bytes: int) -> None:
    """Write ``size_bytes`` of text as a source of one kind."""
    if kind == "parquet":
        _write_parquet(path, size_bytes)
    elif kind == "jsonl.gz":
        import gzip

        with gzip.open(path, "wt", compresslevel=1, encoding="utf-8") as file:
            for text in rows(size_bytes):
                file.write(json.dumps({"id": 1, "text": text}) + "\n")
    else:
        with path.open("w", encoding="utf-8", newline="") as file:
            if kind == "txt":
                file.writelines(f"{text}\n\n" for text in rows(size_bytes))
            elif kind == "jsonl":
                file.writelines(
                    json.dumps({"id": 1, "text": text}, ensure_ascii=False) + "\n"
                    for text in rows(size_bytes)
                )
            elif kind == "json":
                file.write("[")
                for number, text in enumerate(rows(size_bytes)):
                    file.write(",\n" * (number > 0) + json.dumps({"text": text}))
                file.write("]")
            else:
                table = csv.writer(file)
                table.writerow(["id", "text"])
                table.writerows((1, text) for text in rows(size_bytes))


def _write_parquet(path: Path, size_bytes: int) -> None:
    import pyarrow as arrow
    import pyarrow.parquet as parquet

    schema = arrow.schema([("text", arrow.string())])
    with parquet.ParquetWriter(path, schema) as writer:
        batch: list[str] = []
        for text in rows(size_bytes):
            batch.append(text)
            if len(batch) == 50_000:
                writer.write_table(arrow.table({"text": batch}, schema=schema))
                batch = []
        writer.write_table(arrow.table({"text": batch}, schema=schema))


def measure(source: str, processes: int | None) -> dict[str, object]:
    """Prepare one source in this process as a run does: read, clean, learn a tokenizer, encode."""
    from autogpt.data import shards
    from autogpt.data.clean import CleanConfig, clean
    from autogpt.data.readers import ReadConfig, ReadReport, read
    from autogpt.tokenizer import bpe
    from autogpt.tokenizer.training import TokenizerConfig

    seconds: dict[str, float] = {}
    peaks = {"start": _peak_mb()}
    mark = time.perf_counter()

    def phase(name: str) -> None:
        nonlocal mark
        seconds[name], peaks[name] = time.perf_counter() - mark, _peak_mb()
        mark = time.perf_counter()

    report = ReadReport()
    with tempfile.TemporaryDirectory(dir=Path(source).parent) as folder:
        documents = read([source], ReadConfig(), report=report)
        result = clean(documents, CleanConfig(), folder=Path(folder), processes=processes)
        phase("clean")
        config = TokenizerConfig(vocab_size=8192)
        tokenizer = bpe.train(result.train, config, corpus_bytes=result.train.bytes)
        phase("learn")
        tokens = 0
        for split, text in (("train", result.train), ("validation", result.validation)):
            tokens += shards.write(text.items(), tokenizer, folder, split).tokens
        phase("encode")
    size, total = result.report.bytes_in, sum(seconds.values())
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    return {
        "text_mb": round(size / 1e6, 1),
        "rows": result.report.rows_in,
        "tokens": tokens,
        "seconds": {name: round(value, 1) for name, value in seconds.items()},
        "mb_per_s": {
            **{name: round(size / 1e6 / value, 1) for name, value in seconds.items()},
            "all": round(size / 1e6 / total, 1),
        },
        "peak_rss_mb": {name: round(peak, 1) for name, peak in peaks.items()},
        "peak_rss_mb_of_a_helper": round(children / 1e6, 1),
        "removed": {step.step: step.documents for step in result.report.steps if step.documents},
    }


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def growth(results: list[dict[str, object]]) -> dict[str, float]:
    """Return how much more time and memory the last size takes than the first, by its own size.

    Time: 1 is linear. Memory: 1 is flat.
    """
    first, last = results[0], results[-1]
    speeds = [typing.cast(dict[str, float], result["mb_per_s"])["all"] for result in (first, last)]
    peaks = [max(typing.cast(dict[str, float], r["peak_rss_mb"]).values()) for r in (first, last)]
    return {
        "times_the_size": round(float(str(last["text_mb"])) / float(str(first["text_mb"])), 2),
        "time_a_megabyte": round(speeds[0] / speeds[1], 2),
        "peak_rss": round(peaks[1] / peaks[0], 2),
    }


def main() -> None:
    """Run all kinds and sizes, and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, nargs="+", default=[100, 1000])
    parser.add_argument("--kind", nargs="+", choices=KINDS, default=["txt", "jsonl"])
    parser.add_argument("--processes", type=int, help="that clean; one a core by default")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options.measure, options.processes)))
        return
    found: dict[str, object] = {}
    for kind in options.kind:
        results = []
        for megabytes in options.megabytes:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder, f"source.{kind}")
                write_source(kind, path, megabytes * 10**6)
                count = [] if options.processes is None else ["--processes", str(options.processes)]
                done = subprocess.run(
                    [sys.executable, __file__, "--measure", str(path), *count],
                    stdout=subprocess.PIPE, check=True, env={**os.environ, "PYTHONHASHSEED": "0"},
                )  # fmt: skip
            results.append(json.loads(done.stdout))
        found[kind] = {"sizes": results, "growth": growth(results)}
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
