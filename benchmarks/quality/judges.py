"""How well anybody could tell the three classes of the tweets, given how far the judges agree.

    python benchmarks/quality/judges.py     # prints JSON; no model, some seconds

Each tweet of Davidson et al. 2017 has the votes of three judges or more, and the class most of them
chose. What the judges cannot settle, no classifier can: here stand one judge against the others,
three judges against three others, and a reader who knows for each tweet what share of all judges
would vote for what, and decides for the best macro-F1. How those shares are spread is
estimated from the votes by maximum likelihood on a grid (Laird 1978, "Nonparametric maximum
likelihood estimation of a mixing distribution"). Votes of three leave that partly open, so it is
done from several starts.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parent))
import linear
import moderation

CLASSES = ("hate_speech", "offensive_language", "neither")
STEPS = 20  # of the grid of shares
ROUNDS = 400  # of expectation maximization; the likelihood then stands still to 1 in 30,000
TEST = 4957  # tweets of the held-out fifth

_Floats = NDArray[np.float64]
_Ints = NDArray[np.int64]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=linear.DATA, help="The folder of data.")
    linear.DATA = parser.parse_args().data
    with linear.safety_data("davidson_labeled_data.csv").open(encoding="utf-8", newline="") as file:
        votes = np.array([[int(row[name]) for name in CLASSES] for row in csv.DictReader(file)])
    chance = np.random.default_rng(0)
    most = votes.argmax(1)
    report = {
        "unanimous": {
            name: linear.share(
                int(((most == place) & (votes.max(1) == votes.sum(1))).sum()),
                int((most == place).sum()),
            )
            for place, name in enumerate(CLASSES)
        },
        "one_judge_against_the_others": panels(votes, 1, None, chance),
        "three_judges_against_three_others": panels(votes[votes.sum(1) >= 6], 3, 3, chance),
        "reader_who_knows_the_shares": reader(votes[votes.sum(1) == 3], chance),
    }
    print(json.dumps(report, indent=1))


def panels(
    votes: _Ints, first: int, second: int | None, chance: np.random.Generator
) -> dict[str, object]:
    """Hold the choice of ``first`` judges, drawn by chance, against that of ``second`` others."""
    drawn = chance.multivariate_hypergeometric  # without putting back: nobody is on both sides
    one = np.array([drawn(row, first) for row in votes])
    others = votes - one
    if second is not None:
        others = np.array([drawn(row, second) for row in others])
    decided = _decided(one) & _decided(others)
    truth, guess = others[decided].argmax(1), one[decided].argmax(1)
    return {
        "macro_f1": linear.bootstrap(linear.macro_f1, truth, guess, draws=100),
        "hate_f1": linear.bootstrap(moderation.one_f1(0), truth, guess, draws=100),
        "tweets": len(truth),
        "hate": int((truth == 0).sum()),
    }


def _decided(votes: _Ints) -> NDArray[np.bool_]:
    ordered = np.sort(votes, axis=1)
    return np.asarray(ordered[:, -1] > ordered[:, -2])


def reader(votes: _Ints, chance: np.random.Generator) -> list[dict[str, object]]:
    """Return what a reader reaches who knows the shares, for several spreads that fit the votes."""
    kinds, seen = np.unique(votes[_decided(votes)], axis=0, return_counts=True)
    grid = np.array([(a, b, STEPS - a - b) for a in range(STEPS + 1) for b in range(STEPS + 1 - a)])
    grid = grid / STEPS
    ways = [math.factorial(3) / math.prod(map(math.factorial, kind)) for kind in kinds.tolist()]
    likely = np.array(ways)[:, None] * np.prod(grid[None] ** kinds[:, None, :], axis=2)
    labels = np.stack([likely[kinds.argmax(1) == place].sum(0) for place in range(3)], axis=1)
    starts = [np.ones(len(grid)), grid.max(1) ** 8, (1.01 - grid.max(1)) ** 2]
    starts += [chance.exponential(size=len(grid)) ** 3 for _ in range(3)]
    found: list[dict[str, object]] = []
    for start in starts:
        spread = start / start.sum()
        for _ in range(ROUNDS):
            shares = likely * spread
            shares *= (seen / shares.sum(1))[:, None]
            spread = shares.sum(0) / seen.sum()
        found.append(
            {
                "log_likelihood": round(float(seen @ np.log(likely @ spread)), 1),
                **best(spread[:, None] * labels, chance),
            }
        )
    return found


def best(joint: _Floats, chance: np.random.Generator) -> dict[str, object]:
    """Return the best macro-F1 by a bias for each class, and where that of a fifth would lie.

    Args:
        joint: How often a tweet has the shares of a place of the grid and a label, [P, 3].
        chance: Draws the fifths.
    """
    joint = joint / joint.sum()  # no tweet has three judges of three opinions
    value, choice = -1.0, np.zeros(len(joint), np.int64)
    logs = np.log(joint / (joint.sum(1, keepdims=True) + 1e-300) + 1e-9)
    for hate in np.arange(-2, 4, 0.1):
        for neither in np.arange(-1, 1.1, 0.25):
            guess = (logs + np.array([hate, 0.0, neither])).argmax(1)
            own = float(np.mean(_f1(joint, guess)))
            if own > value:
                value, choice = own, guess
    sizes = chance.multinomial(TEST, joint.ravel(), size=300).reshape(300, *joint.shape)
    low, high = np.quantile([np.mean(_f1(each, choice)) for each in sizes], [0.025, 0.975])
    return {
        "macro_f1": round(value, 4),
        "f1": [round(each, 3) for each in _f1(joint, choice)],
        "of_a_fifth": [round(float(low), 4), round(float(high), 4)],
    }


def _f1(joint: _Floats | _Ints, guess: _Ints) -> list[float]:
    return [
        2
        * float(joint[guess == place, place].sum())
        / float(joint[:, place].sum() + joint[guess == place].sum())
        for place in range(3)
    ]


if __name__ == "__main__":
    main()
