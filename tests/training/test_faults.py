"""The short version of ``benchmarks/faults.py``, and a real small disk."""

from __future__ import annotations

import json
import os
import random
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from autogpt.core.errors import AutoGPTError, ResourceError
from autogpt.training import checkpoints
from autogpt.training.checkpoints import RunState
from autogpt.training.record import Entry, Record
from autogpt.training.saving import Saver

FAULTS = Path(__file__).parents[2] / "benchmarks" / "faults.py"


def test_no_fault_of_a_save_loses_a_checkpoint(tmp_path: Path):
    code = (
        "import json, pathlib, runpy, sys\n"
        "writes = runpy.run_path(sys.argv[1])['writes']\n"
        "faults = ('power cut', 'crash halfway', 'I/O error')\n"
        "print(json.dumps(writes(pathlib.Path(sys.argv[2]), faults=faults)))"
    )  # a process of its own: one with threads must not be forked
    memory = Path("/dev/shm")  # where syncing takes no time; what it would do is simulated
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else tmp_path) as folder:
        done = subprocess.run(
            [sys.executable, "-c", code, str(FAULTS), folder],
            capture_output=True,
            text=True,
            check=True,
        )
    found = json.loads(done.stdout)
    assert {"write", "fsync", "rename", "replace"} <= set(found["operations"])
    assert found["tried"] >= 60
    assert (found["unloadable"], found["raw"], found["stuck"]) == ([], [], [])


def test_every_flip_and_truncation_is_noticed(tmp_path: Path):
    found = runpy.run_path(str(FAULTS))["flips"](tmp_path, 150, random.Random(0))
    assert found["undetected"] == []
    assert min(found["tried"].values()) > 50


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of two megabytes."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small disk needs root")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def log_for_ever(record: Record, entry: Entry) -> None:
    while True:
        record.log(entry)


def test_a_full_disk_is_one_sentence_and_goes_on_later(small_disk: Path):
    state = {"master.a": torch.ones(100_000)}
    with Saver(small_disk) as saver:
        saver.save(RunState(steps=1), state)
    entry = Entry(kind="train", step=1, tokens=8, elapsed_s=1.0, loss=2.0)
    record = Record.open(small_disk)
    (small_disk / "filler").write_bytes(bytes(1_400_000))
    with pytest.raises(ResourceError, match="disk is full"), Saver(small_disk) as saver:
        saver.save(RunState(steps=2), state)
    found = checkpoints.latest(small_disk)
    assert found is not None
    assert found.name == "step-00000001"
    with pytest.raises(ResourceError, match="disk is full"):
        log_for_ever(record, entry)
    with pytest.raises(ResourceError, match="disk is full"):
        record.close()
    (small_disk / "filler").unlink()
    with Saver(small_disk) as saver:
        saver.save(RunState(steps=2), state)
    with Record.open(small_disk, resume_step=1, resume_bytes=0, tensorboard=False) as again:
        again.log(entry)


def test_what_a_thread_could_not_write_is_told(tmp_path: Path):
    (tmp_path / "checkpoints").write_text("in the way", encoding="utf-8")
    saver = Saver(tmp_path)
    saver.save(RunState(steps=1), {"master.a": torch.ones(3)})
    with pytest.raises(AutoGPTError, match="in the way"):
        saver.wait()
    assert not saver.due()


def test_what_is_no_number_is_not_saved(tmp_path: Path):
    with Saver(tmp_path) as saver:
        saver.save(RunState(steps=1), {"master.a": torch.ones(2)})
        saver.wait()
        saver.save(RunState(steps=2), {"master.a": torch.tensor([1.0, torch.nan])})
        with pytest.raises(AutoGPTError, match=r"'master.a' holds NaN"):
            saver.wait()
        assert saver.last()[0].steps == 1


def test_a_copy_is_saved_and_not_what_it_becomes(tmp_path: Path):
    weights = torch.zeros(1000)
    with Saver(tmp_path) as saver:
        for step in (1, 2):
            weights += 1
            saver.save(RunState(steps=step), {"master.a": weights})
            weights += 100
    at, tensors = checkpoints.load(tmp_path / "checkpoints" / "step-00000001")
    assert at.steps == 1
    assert tensors["master.a"].unique().tolist() == [1.0]
    assert saver.count == 2


def test_the_random_state_comes_back(tmp_path: Path):
    torch.manual_seed(3)
    with Saver(tmp_path) as saver:
        saver.save(RunState(steps=1), {"master.a": torch.ones(1)})
        expected = torch.rand(3)
        at, _ = saver.last()
    checkpoints.restore_random_state(at.random)
    assert torch.equal(torch.rand(3), expected)
    with pytest.raises(AutoGPTError, match="random state"):
        checkpoints.restore_random_state("AAAA")
