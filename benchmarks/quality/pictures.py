"""What the gates of pictures share: two ``.npz`` files, a run, an evaluation."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from common import Gate


def measure(
    gate: Gate,
    pictures: npt.NDArray[np.generic],
    labels: npt.NDArray[np.generic],
    *,
    test: int,
    goal: float,
) -> None:
    """Train on all but ``test`` pictures, drawn by the gate's seed, and judge those.

    Args:
        gate: Its name, command line and costs.
        pictures: [N, Y, X].
        labels: [N].
        test: How many are tested.
        goal: The accuracy to be reached.
    """
    order = np.random.default_rng(gate.args.seed).permutation(len(labels))
    parts = {"test": order[:test], "train": order[test:]}
    for name, rows in parts.items():
        chosen = gate.limited(rows)
        np.savez_compressed(gate.room / f"{name}.npz", x=pictures[chosen], y=labels[chosen])
    run = gate.finetune("new", gate.room / "train.npz", task="recognize")
    found = gate.evaluate(run, gate.room / "test.npz", "--task", "recognize")
    gate.verdict(found, "accuracy", goal=goal, baseline="majority")
