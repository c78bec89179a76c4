"""Whether the planned model is the right one: against half and double its width and depth.

Each is ``autogpt train SOURCE --budget B`` in a process of its own; the first with the model of the
plan, the others with sizes of their own and everything else as planned for them.

``python benchmarks/alternatives.py SOURCE [--budgets 2m 10m]``; one JSON object on standard output:
bits per byte of each, and by how much the planned one is worse than the best of the others.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path


def run(source: str, budget: str, *settings: str) -> dict[str, object]:
    """Train once and return width, depth, tokens and bits per byte."""
    with tempfile.TemporaryDirectory() as room:
        out = Path(room) / "run"
        chosen = [part for setting in settings for part in ("--set", setting)]
        done = subprocess.run(
            [
                str(Path(sys.executable).with_name("autogpt")),
                *("train", source, "--budget", budget, "--out", str(out), "--json", *chosen),
            ],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        model = json.loads((out / "model" / "config.json").read_text())
    outcome = json.loads(done.stdout)
    result = {
        "width": model["hidden_size"],
        "layers": model["num_hidden_layers"],
        "head_dim": model["head_dim"],
        "tokens": outcome["tokens"],
        "wall_s": round(outcome["wall_s"], 1),
        "bits_per_byte": round(outcome["val_bits_per_byte"], 4),
    }
    print(budget, result, file=sys.stderr, flush=True)
    return result


def compare(source: str, budget: str) -> dict[str, object]:
    """Train the planned model and the four around it."""
    planned = run(source, budget)
    width, layers, head = (int(str(planned[name])) for name in ("width", "layers", "head_dim"))
    shapes = {
        "half the width": (width // 2, layers),
        "double the width": (width * 2, layers),
        "half the depth": (width, max(1, layers // 2)),
        "double the depth": (width, layers * 2),
    }
    others = {}
    for name, (wide, deep) in shapes.items():
        one_head = min(head, wide)
        others[name] = run(
            source,
            budget,
            f"model.hidden_size={wide}",
            f"model.num_hidden_layers={deep}",
            f"model.head_dim={one_head}",
            f"model.num_attention_heads={wide // one_head}",
            f"model.num_key_value_heads={wide // one_head}",
        )
    best = min(float(str(other["bits_per_byte"])) for other in others.values())
    worse = float(str(planned["bits_per_byte"])) / best - 1
    return {"planned": planned, **others, "worse_than_best_percent": round(100 * worse, 2)}


def main() -> None:
    """Compare at each budget."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source")
    parser.add_argument("--budgets", nargs="+", default=["2m", "10m"])
    arguments = parser.parse_args()
    found = {budget: compare(arguments.source, budget) for budget in arguments.budgets}
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
