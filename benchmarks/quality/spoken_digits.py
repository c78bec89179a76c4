"""Spoken digits by speaker: learned from four speakers, tested on the fifth, each in turn.

    python benchmarks/quality/spoken_digits.py --data DATA
    python benchmarks/quality/spoken_digits.py --data DATA --base new --fold theo

DATA holds ``speech/fsdd``: 2,000 recordings, the digit and the speaker in their names. Goal: a mean
accuracy of 92% over the five, the worst not below 80%, 10 minutes on two cores for each. By default
Whisper's encoder listens first (``--base whisper-base``, once it was pulled); ``--base new`` learns
to hear from nothing.
"""

from __future__ import annotations

import csv
import json
from pathlib import Path

from common import Gate, gate

SPEAKERS = ("george", "jackson", "lucas", "nicolas", "theo")
WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
BASE, MEAN, WORST = "whisper-base", 0.92, 0.80


def fold(gate_: Gate, speaker: str) -> float:
    """Return the accuracy on a speaker that was not learned from."""
    parts: dict[str, list[tuple[Path, str]]] = {"train": [], "test": []}
    for path in sorted(gate_.data("speech", "fsdd").glob("*.wav")):
        digit, who, _ = path.stem.split("_")
        parts["test" if who == speaker else "train"].append((path.resolve(), WORDS[int(digit)]))
    for name, rows in parts.items():
        with (gate_.room / f"{name}-{speaker}.csv").open("w", newline="") as file:
            csv.writer(file).writerows([("file", "label"), *gate_.limited(rows)])
    base = gate_.args.base or BASE
    run = gate_.finetune(
        base, gate_.room / f"train-{speaker}.csv", task="recognize", run=f"{base}-{speaker}"
    )
    found = gate_.evaluate(run, gate_.room / f"test-{speaker}.csv", "--task", "recognize")
    gate_.verdict(found, "accuracy", goal=WORST, baseline="majority", speaker=speaker, base=base)
    return float(found["metrics"]["accuracy"])


def main() -> None:
    """Go through the folds that are asked for."""
    gate_ = gate("spoken_digits", __doc__, budget="10m", fold=SPEAKERS, base=None)
    figures = {who: fold(gate_, who) for who in gate_.args.fold or SPEAKERS}
    mean, worst = sum(figures.values()) / len(figures), min(figures.values())
    reached = mean >= MEAN and worst >= WORST and len(figures) == len(SPEAKERS)
    print(
        json.dumps(
            {
                "gate": gate_.name,
                "base": gate_.args.base or BASE,
                "folds": figures,
                "mean": round(mean, 4),
                "worst": round(worst, 4),
                "goal": {"mean": MEAN, "worst": WORST},
                "reached": reached,
            }
        )
    )


if __name__ == "__main__":
    main()
