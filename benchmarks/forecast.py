"""Whether runs keep their plans: wall time, peak memory and loss, forecast against outcome.

Each run is ``autogpt train SOURCE --budget B`` in a process of its own, from start to exit. The
loss is forecast by the law without the runs of that corpus, so no corpus helps to predict itself.

``python benchmarks/forecast.py --out forecasts.jsonl NAME=SOURCE ... [--budgets 1m 2m 5m]``; every
corpus with every budget, cheapest first. Finished ones are kept in the file and not done again;
``--summary`` prints what is there. One JSON object on standard output.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

WALL_OFF, MEMORY_OFF, LOSS_OFF = 0.05, 0.15, 0.03


def run(name: str, source: str, budget: str, *settings: str) -> dict[str, object]:
    """Do one run and return the plan beside the outcome.

    Args:
        name: Of the corpus.
        source: Of its text.
        budget: For everything.
        settings: As ``--set`` takes them; the plan decides the rest.
    """
    from autogpt.training.scaling import Corpus, law

    with tempfile.TemporaryDirectory() as room:
        out = Path(room) / "run"
        begin = time.perf_counter()
        done = subprocess.run(
            [
                str(Path(sys.executable).with_name("autogpt")),
                *("train", source, "--budget", budget, "--out", str(out), "--json"),
                *(part for setting in settings for part in ("--set", setting)),
            ],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        wall_s = time.perf_counter() - begin
        plan = json.loads((out / "plan.json").read_text())
    outcome = json.loads(done.stdout)
    model = plan["model"]
    weights = plan["parameters"] - model["vocab_size"] * model["hidden_size"]
    corpus = Corpus(**plan["corpus"])
    fair, known = (
        law(without=(name,)).loss(
            corpus, weights=weights, layers=model["num_hidden_layers"], tokens=tokens
        )
        for tokens in (plan["tokens"], outcome["tokens"])
    )
    return {
        "corpus": name,
        "budget": budget,
        "width": model["hidden_size"],
        "layers": model["num_hidden_layers"],
        "head_dim": model["head_dim"],
        "vocab": corpus.vocab_size,
        "block_weights": weights,
        "unique_tokens": corpus.train_tokens,
        "counted": corpus.counted,
        "budget_s": plan["budget_s"],
        "wall_s": round(wall_s, 2),
        "wall_off": round(wall_s / plan["budget_s"] - 1, 4),
        "planned_tokens": plan["tokens"],
        "tokens": outcome["tokens"],
        "tokens_off": round(outcome["tokens"] / plan["tokens"] - 1, 4),
        "planned_memory_bytes": plan["predicted"]["peak_memory_bytes"],
        "peak_rss_bytes": outcome["peak_rss_bytes"],
        "memory_off": round(
            plan["predicted"]["peak_memory_bytes"] / outcome["peak_rss_bytes"] - 1, 4
        ),
        "planned_loss": round(fair, 4),
        "loss": round(outcome["val_loss"], 4),
        "loss_off": round(fair / outcome["val_loss"] - 1, 4),
        "loss_off_at_tokens_seen": round(known / outcome["val_loss"] - 1, 4),
        "bits_per_byte": round(outcome["val_bits_per_byte"], 4),
        "compile_s": round(outcome["compile_s"], 1),
    }


def summary(runs: list[dict[str, object]]) -> dict[str, object]:
    """Return how many runs kept each part of their plan."""

    def within(name: str, limit: float) -> str:
        return f"{sum(abs(float(r[name])) <= limit for r in runs)} of {len(runs)}"

    return {
        "runs": len(runs),
        "wall_within_5_percent": within("wall_off", WALL_OFF),
        "wall_from_minus_5_to_plus_2": f"{sum(-0.05 <= r['wall_off'] <= 0.02 for r in runs)} "
        f"of {len(runs)}",
        "memory_within_15_percent": within("memory_off", MEMORY_OFF),
        "loss_within_3_percent": within("loss_off", LOSS_OFF),
        "loss_within_3_percent_at_tokens_seen": within("loss_off_at_tokens_seen", LOSS_OFF),
        "median_loss_off": statistics.median(abs(float(r["loss_off"])) for r in runs),
    }


def main() -> None:
    """Do the runs that are missing and print the summary."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpora", nargs="*", metavar="NAME=SOURCE")
    parser.add_argument("--budgets", nargs="+", default=["1m", "3m", "10m"])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--summary", action="store_true", help="do no runs")
    arguments = parser.parse_args()
    runs = []
    if arguments.out.exists():
        runs = [json.loads(line) for line in arguments.out.read_text().splitlines()]
    done = {(r["corpus"], r["budget"]) for r in runs}
    for budget in [] if arguments.summary else arguments.budgets:
        for corpus in arguments.corpora:
            name, _, source = corpus.partition("=")
            if (name, budget) in done:
                continue
            runs.append(run(name, source, budget))
            with arguments.out.open("a") as out:
                print(json.dumps(runs[-1]), file=out)
            print(runs[-1], file=sys.stderr)
    print(json.dumps(summary(runs), indent=2))


if __name__ == "__main__":
    main()
