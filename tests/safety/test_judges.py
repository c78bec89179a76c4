"""``benchmarks/quality/judges.py``: what judges who agree, or do not, leave to be reached."""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np
import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "quality" / "judges.py"


@pytest.fixture(scope="module")
def judges():
    pytest.importorskip("sklearn")
    return runpy.run_path(str(SCRIPT))


def test_judges_who_agree_leave_everything_to_be_reached(judges):
    votes = np.repeat(3 * np.eye(3, dtype=np.int64), 20, axis=0)
    chance = np.random.default_rng(0)
    assert judges["panels"](votes, 1, None, chance)["macro_f1"]["value"] == 1.0
    assert all(each["macro_f1"] > 0.999 for each in judges["reader"](votes, chance))


def test_judges_who_toss_coins_leave_little(judges):
    chance = np.random.default_rng(0)
    votes = chance.multinomial(6, [1 / 3] * 3, size=2000)
    found = judges["panels"](votes, 3, 3, chance)
    assert found["macro_f1"]["value"] < 0.42
    assert 0 < found["tweets"] < 2000  # panels that do not decide are left out
    three = chance.multinomial(3, [1 / 3] * 3, size=2000)
    assert min(each["macro_f1"] for each in judges["reader"](three, chance)) < 0.6
