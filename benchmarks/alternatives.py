"""Whether the planned model is the right one: against half and double its width and depth.

Each is ``autogpt train SOURCE --budget B`` in a process of its own; the first with the model of the
plan, the others with sizes of their own and everything else as planned for them.

``python benchmarks/alternatives.py --out runs.jsonl NAME=SOURCE ... [--budgets 2m 10m]``. Finished
runs are kept in the file, each beside its forecast as ``forecast.py`` has it, and not done again.
One JSON object on standard output: bits per byte of each, and by how much the planned one is worse
than the best of the others.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import forecast

PLANNED = "planned"


def around(planned: dict[str, Any]) -> dict[str, list[str]]:
    """Return the settings of the four models around the planned one."""
    width, layers, head = (planned[name] for name in ("width", "layers", "head_dim"))
    shapes = {
        "half the width": (width // 2, layers),
        "double the width": (width * 2, layers),
        "half the depth": (width, layers // 2),
        "double the depth": (width, layers * 2),
    }
    settings = {}
    for name, (wide, deep) in shapes.items():
        if not deep:  # of one layer there is no half
            continue
        one_head = min(head, wide)
        settings[name] = [
            f"model.hidden_size={wide}",
            f"model.num_hidden_layers={deep}",
            f"model.head_dim={one_head}",
            f"model.num_attention_heads={wide // one_head}",
            f"model.num_key_value_heads={wide // one_head}",
        ]
    return settings


class Kept:
    """Runs in a file, done once.

    Args:
        path: A JSON object a line.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        lines = path.read_text().splitlines() if path.exists() else []
        self._runs = {self._key(run): run for run in map(json.loads, lines)}

    def run(self, shape: str, corpus: str, budget: str, *settings: str) -> dict[str, Any]:
        """Return the run, done now unless it is in the file."""
        name, _, source = corpus.partition("=")
        if (found := self._runs.get((name, budget, shape))) is None:
            found = {"shape": shape, **forecast.run(name, source, budget, *settings)}
            self._runs[self._key(found)] = found
            with self._path.open("a") as out:
                print(json.dumps(found), file=out)
            told = {name: found[name] for name in ("width", "layers", "tokens", "bits_per_byte")}
            print(name, budget, shape, told, file=sys.stderr, flush=True)
        return found

    @staticmethod
    def _key(run: dict[str, Any]) -> tuple[str, str, str]:
        return run["corpus"], run["budget"], run["shape"]


def compare(kept: Kept, corpus: str, budget: str) -> dict[str, Any]:
    """Train the planned model and the four around it."""
    planned = kept.run(PLANNED, corpus, budget)
    runs = {PLANNED: planned}
    for shape, settings in around(planned).items():
        runs[shape] = kept.run(shape, corpus, budget, *settings)
    found = {
        shape: {name: run[name] for name in ("width", "layers", "tokens", "bits_per_byte")}
        for shape, run in runs.items()
    }
    best = min(run["bits_per_byte"] for shape, run in runs.items() if shape != PLANNED)
    worse = planned["bits_per_byte"] / best - 1
    return {**found, "worse_than_best_percent": round(100 * worse, 2)}


def main() -> None:
    """Compare at each budget, the shorter ones first."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpora", nargs="+", metavar="NAME=SOURCE")
    parser.add_argument("--budgets", nargs="+", default=["2m", "10m"])
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    kept = Kept(arguments.out)
    found = {
        f"{corpus.partition('=')[0]} {budget}": compare(kept, corpus, budget)
        for budget in arguments.budgets
        for corpus in arguments.corpora
    }
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
