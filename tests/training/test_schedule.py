from __future__ import annotations

from pathlib import Path

import pytest

from autogpt.core.errors import RunError
from autogpt.training.schedule import SCHEDULE, Realized, read_schedule


def test_what_was_noted_is_read_back_to_the_bit(tmp_path: Path):
    noted = Realized(tmp_path, steps=0)
    rates = [0.01, 1 / 3, 1.0, 0.1 + 0.2]
    for step, rate in enumerate(rates):
        noted.note(step, rate)
    noted.close()
    assert read_schedule(tmp_path) == rates
    assert read_schedule(tmp_path / SCHEDULE) == rates


def test_a_resumed_run_drops_what_came_after_its_checkpoint(tmp_path: Path):
    noted = Realized(tmp_path, steps=0)
    for step in range(5):
        noted.note(step, 0.5)
    noted.close()
    noted = Realized(tmp_path, steps=3)
    noted.note(3, 0.25)
    noted.sync()
    assert read_schedule(tmp_path) == [0.5, 0.5, 0.5, 0.25]
    noted.note(2, 0.75)  # training went back to a checkpoint
    noted.close()
    assert read_schedule(tmp_path) == [0.5, 0.5, 0.75, 0.25]


def test_a_run_that_was_begun_without_a_schedule_gets_none(tmp_path: Path):
    noted = Realized(tmp_path, steps=10)
    noted.note(10, 0.5)
    noted.close()
    with pytest.raises(RunError, match="empty or damaged"):
        read_schedule(tmp_path)


@pytest.mark.parametrize("content", [b"", b"1234567", b"\xff" * 8])
def test_a_damaged_schedule_is_refused(tmp_path: Path, content: bytes):
    (tmp_path / SCHEDULE).write_bytes(content)
    with pytest.raises(RunError, match="damaged"):
        read_schedule(tmp_path)


def test_a_missing_schedule_is_named(tmp_path: Path):
    with pytest.raises(RunError, match="There is no schedule"):
        read_schedule(tmp_path)
