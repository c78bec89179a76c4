"""Measure reading and cleaning: MB/s and peak memory, on a text, many small rows, and a table.

Each kind is written to a temporary folder (words drawn at random, every tenth row nearly a copy of
an earlier one), then read and cleaned with near duplicates on in a process of its own. One JSON
object on standard output. ``python benchmarks/reading.py [--gigabyte] [--kind KIND ...]``
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


def measure(source: str) -> dict[str, object]:
    """Read and clean one source in this process."""
    from autogpt.data.clean import CleanConfig, clean
    from autogpt.data.readers import ReadConfig, ReadReport, read

    report = ReadReport()
    begin = time.perf_counter()
    with tempfile.TemporaryDirectory(dir=Path(source).parent) as folder:
        documents = read([source], ReadConfig(), report=report)
        result = clean(documents, CleanConfig(), folder=Path(folder))
        seconds = time.perf_counter() - begin
        removed = {step.step: step.documents for step in result.report.steps if step.documents}
        size = result.report.bytes_in
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        return {
            "text_mb": round(size / 1e6, 1),
            "rows": result.report.rows_in,
            "seconds": round(seconds, 1),
            "mb_per_s": round(size / 1e6 / seconds, 1),
            "peak_rss_mb": round(peak / 1e6, 1),
            "validation_mb": round(result.validation.bytes / 1e6, 2),
            "removed": removed,
        }


def main() -> None:
    """Run all kinds and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gigabyte", action="store_true", help="1 GB a kind instead of 200 MB")
    parser.add_argument("--megabytes", type=int, default=200)
    parser.add_argument("--kind", action="append", choices=KINDS)
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options.measure)))
        return
    size = 10**9 if options.gigabyte else options.megabytes * 10**6
    results = {}
    for kind in options.kind or KINDS:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, f"source.{kind}")
            write_source(kind, path, size)
            done = subprocess.run(
                [sys.executable, __file__, "--measure", str(path)],
                stdout=subprocess.PIPE, check=True, env={**os.environ, "PYTHONHASHSEED": "0"},
            )  # fmt: skip
            results[kind] = json.loads(done.stdout)
    print(json.dumps({"bytes_wanted": size, "kinds": results}, indent=2))


if __name__ == "__main__":
    main()
