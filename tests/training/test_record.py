from __future__ import annotations

import json
import math
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorboardX.proto.event_pb2 import Event

from autogpt.core.errors import RunError
from autogpt.training.record import METRICS, TENSORBOARD, Entry, Record, read


def train(step: int, **scalars: float) -> Entry:
    values = {"loss": 4.0 - step / 100, "learning_rate": 1e-3, "gradient_norm": 0.5} | scalars
    return Entry(kind="train", step=step, tokens=step * 4096, elapsed_s=step * 0.25, **values)


def validation(step: int) -> Entry:
    return Entry(
        kind="validation",
        step=step,
        tokens=step * 4096,
        elapsed_s=step * 0.25,
        loss=2.5,
        bits_per_byte=1.9,
    )


def events(folder: Path) -> list[Event]:
    """Read the TensorBoard records: length, its checksum, the event, its checksum."""
    found = []
    for path in sorted((folder / TENSORBOARD).iterdir()):
        raw, position = path.read_bytes(), 0
        while position < len(raw):
            (length,) = struct.unpack_from("<Q", raw, position)
            found.append(Event.FromString(raw[position + 12 : position + 12 + length]))
            position += 12 + length + 4
    return found


def test_what_is_logged_is_read_back(tmp_path: Path) -> None:
    entries = [train(1), train(2, tokens_per_s=5000.0), validation(2)]
    with Record.open(tmp_path / "run", tensorboard=False) as record:
        for entry in entries:
            record.log(entry)
            assert read(tmp_path / "run")[-1] == entry  # visible at once
    assert read(tmp_path / "run") == entries


def test_no_record_reads_as_empty(tmp_path: Path) -> None:
    assert read(tmp_path) == []


def test_numbers_that_are_not_finite_become_null(tmp_path: Path) -> None:
    with Record.open(tmp_path, tensorboard=True) as record:
        record.log(train(1, loss=math.nan, gradient_norm=math.inf))
    line = (tmp_path / METRICS).read_text(encoding="utf-8")
    assert "NaN" not in line
    assert json.loads(line)["loss"] is None
    [entry] = read(tmp_path)
    assert entry.loss is None
    assert entry.gradient_norm is None
    assert entry.learning_rate == 1e-3


def test_resume_leaves_no_step_twice(tmp_path: Path) -> None:
    with Record.open(tmp_path, tensorboard=False) as record:
        for step in range(1, 11):
            record.log(train(step))
        record.log(validation(10))
    with Record.open(tmp_path, resume_step=6, tensorboard=False) as record:
        for step in range(7, 9):
            record.log(train(step))
    assert [entry.step for entry in read(tmp_path)] == list(range(1, 9))


@pytest.mark.parametrize("cut", [1, 10, 40])
def test_a_torn_last_line_is_passed_over_and_cut_on_resume(tmp_path: Path, cut: int) -> None:
    with Record.open(tmp_path, tensorboard=False) as record:
        record.log(train(1))
        record.log(train(2))
    path = tmp_path / METRICS
    path.write_bytes(path.read_bytes()[:-cut])
    survivors = [entry.step for entry in read(tmp_path)]
    assert survivors in ([1], [1, 2])  # losing just the line break loses nothing
    with Record.open(tmp_path, resume_step=2, tensorboard=False) as record:
        record.log(train(3))
    assert [entry.step for entry in read(tmp_path)] == [*survivors, 3]
    assert all(json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())


def test_zeros_at_the_end_after_a_power_cut_are_a_torn_line(tmp_path: Path) -> None:
    with Record.open(tmp_path, tensorboard=False) as record:
        record.log(train(1))
    with (tmp_path / METRICS).open("ab") as file:
        file.write(b"\0" * 100)
    assert [entry.step for entry in read(tmp_path)] == [1]


def test_a_damaged_line_inside_is_named(tmp_path: Path) -> None:
    with Record.open(tmp_path, tensorboard=False) as record:
        for step in (1, 2, 3):
            record.log(train(step))
    path = tmp_path / METRICS
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    lines[1] = '{"kind": "other"}\n'
    path.write_text("".join(lines), encoding="utf-8")
    with pytest.raises(RunError, match="Line 2"):
        read(tmp_path)
    with pytest.raises(RunError, match="Line 2"):
        Record.open(tmp_path, resume_step=3)
    assert path.read_text(encoding="utf-8") == "".join(lines)  # nothing lost


def test_a_new_run_does_not_write_into_another(tmp_path: Path) -> None:
    with Record.open(tmp_path, tensorboard=False) as record:
        record.log(train(1))
    with pytest.raises(RunError, match="another folder"):
        Record.open(tmp_path, tensorboard=False)


def test_fields_of_later_versions_are_passed_over(tmp_path: Path) -> None:
    line = '{"kind": "train", "step": 1, "tokens": 2, "elapsed_s": 3, "loss": 4, "new": [1]}\n'
    (tmp_path / METRICS).write_text(line, encoding="utf-8")
    assert read(tmp_path) == [Entry(kind="train", step=1, tokens=2, elapsed_s=3.0, loss=4.0)]


def test_tensorboard_shows_the_same_and_forgets_on_resume(tmp_path: Path) -> None:
    with Record.open(tmp_path) as record:
        record.log(train(1))
        record.log(validation(1))
    written = [
        (value.tag, event.step) for event in events(tmp_path) for value in event.summary.value
    ]
    assert ("loss/train", 1) in written
    assert ("loss/validation", 1) in written
    assert ("bits_per_byte/validation", 1) in written
    assert ("learning_rate", 1) in written
    with Record.open(tmp_path, resume_step=1) as record:
        record.log(train(2))
    starts = [event.step for event in events(tmp_path) if event.HasField("session_log")]
    assert starts == [2]


def test_closing_twice_is_fine(tmp_path: Path) -> None:
    record = Record.open(tmp_path, tensorboard=False)
    record.close()
    record.close()


def test_reading_a_record_needs_no_torch(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from autogpt.training import record;"
        "record.read(Path(sys.argv[1])); print('torch' in sys.modules, 'tensorboardX' in"
        " sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["False", "False"]


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.builds(
            Entry,
            kind=st.sampled_from(["train", "validation"]),
            step=st.integers(0, 10**9),
            tokens=st.integers(0, 10**15),
            elapsed_s=st.floats(0, 1e9),
            loss=st.none() | st.floats(allow_nan=True, allow_infinity=True),
            tokens_per_s=st.none() | st.floats(0, 1e9),
        ),
        max_size=5,
    )
)
def test_any_entry_is_strict_json(entries: list[Entry]) -> None:
    for entry in entries:
        raw = json.loads(entry.to_json(), parse_constant=lambda name: pytest.fail(name))
        assert raw["step"] == entry.step
        assert raw["elapsed_s"] == entry.elapsed_s
