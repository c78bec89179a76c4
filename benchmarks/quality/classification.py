"""What the gates of classification share: one model is taught, and judged twice.

Accuracy beside TF-IDF with logistic regression on the same examples, and the expected calibration
error, which may be 0.03 at most.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from common import Gate, write_lines

CALIBRATION_GOAL = 0.03

Labeled = tuple[str, str]  # text, label


def read(path: Path) -> list[Labeled]:
    """Return the texts and labels of a CSV file with a header."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))[1:]
    return [(text, label) for text, label in rows]


def write(path: Path, rows: Sequence[Labeled]) -> Path:
    """Write rows as JSON lines."""
    return write_lines(path, ({"text": text, "label": label} for text, label in rows))


def judge(
    gate: Gate,
    train: Sequence[Labeled],
    test: Sequence[Labeled],
    *,
    model: str,
    goal: Callable[[float], float],
) -> dict[str, Any]:
    """Fine-tune, evaluate, and print both verdicts.

    Args:
        gate: Which one.
        train: To learn from, validation included.
        test: To judge with.
        model: What is taught, unless ``--base`` names another.
        goal: From the linear baseline's accuracy to the accuracy to reach.
    """
    learned = write(gate.room / "train.jsonl", gate.limited(train))
    asked = write(gate.room / "test.jsonl", gate.limited(test))
    base = gate.args.base or model
    run = gate.finetune(base, learned, task="classify", run="run" if base == model else base)
    found = gate.evaluate(run, asked, "--train", str(learned))
    wanted = goal(found["baselines"]["linear_accuracy"])
    gate.verdict(found, "accuracy", goal=wanted, baseline="linear", base=base)
    gate.verdict(
        found,
        "expected_calibration_error",
        goal=CALIBRATION_GOAL,
        baseline="linear",
        better="lower",
        base=base,
    )
    return found
