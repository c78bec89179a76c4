from __future__ import annotations

import time

import pytest

from autogpt.recipe.stopwatch import Stopwatch


def test_phases_add_up_to_what_passed():
    watch = Stopwatch()
    time.sleep(0.01)
    watch.lap("read")
    watch.lap("learn")
    time.sleep(0.01)
    watch.lap("read")
    assert watch.phases["read"] >= 0.02
    assert sum(watch.phases.values()) == pytest.approx(watch.passed, abs=0.01)


def test_what_was_before_a_mark_counts_for_no_phase():
    watch = Stopwatch(time.perf_counter() - 5)
    watch.mark()
    watch.lap("learn")
    assert watch.phases["learn"] < 1
    assert watch.passed >= 5
