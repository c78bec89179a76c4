"""Several processes from one command: killed, stopped, and gone on with in other numbers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

import autogpt
from autogpt.core.progress import Progress
from tests.cli.commands import CLASSIC, command, run

STEPS = 200
SETTINGS = {
    "model": {"preset": "tiny", "hidden_size": 32, "num_hidden_layers": 1, "context_length": 32},
    "training": {"batch_size": 8, "max_steps": STEPS, "checkpoint_every": 10, "validations": 0},
    "kernels": {"attention": "explicit", "dtype": "float32", "threads": 1},
}
ARGUMENTS = [
    part
    for room, values in SETTINGS.items()
    for name, value in values.items()
    for part in ("--set", f"{room}.{name}={value}")
]
SILENT = Progress(quiet=True)
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}
TORCHRUN = (
    *("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"),
    *("-m", "autogpt"),
)


def train(out: Path, *more: str) -> list[str]:
    return ["train", str(CLASSIC), "--out", str(out), *ARGUMENTS, *more]


def start(out: Path, *more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command(*train(out, "--nproc", "2", "--quiet", *more)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
    )


def newest(out: Path) -> int:
    """Return the step of the newest checkpoint; 0 if there is none."""
    found = sorted((out / "checkpoints").glob("step-*"))
    return int(found[-1].name.removeprefix("step-")) if found else 0


def wait_for(out: Path, steps: int, process: subprocess.Popen[str]) -> None:
    end = time.monotonic() + 60
    while newest(out) < steps:
        assert time.monotonic() < end, "the checkpoint never came"
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.02)


def losses(out: Path) -> dict[int, float]:
    lines = (out / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    entries = [json.loads(line) for line in lines]
    return {entry["step"]: entry["loss"] for entry in entries if entry["kind"] == "train"}


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> dict[int, float]:
    """The losses of one process."""
    out = tmp_path_factory.mktemp("alone") / "run"
    autogpt.train(str(CLASSIC), out=out, settings=SETTINGS, progress=SILENT)
    return losses(out)


def test_killed_and_stopped_it_goes_on_in_other_numbers_and_ends_as_one_process_does(
    alone: dict[int, float], tmp_path: Path
):
    out = tmp_path / "run"

    killed = start(out, "--set", "parallel.strategy=shard", "--json")
    wait_for(out, 20, killed)
    workers = psutil.Process(killed.pid).children()
    assert len(workers) == 2
    next(worker for worker in workers if worker.environ()["RANK"] == "1").kill()
    stdout, stderr = killed.communicate(timeout=30)
    assert killed.returncode == 1
    assert stderr.splitlines() == [
        "autogpt: Process 1 of 2 was killed (SIGKILL), so the run ended. It can go on after its "
        "last checkpoint: give the same command with --resume. [AG-RUN-007]"
    ]
    assert json.loads(stdout)["error"]["code"] == "run"
    assert not any(worker.is_running() for worker in workers)
    after_kill = newest(out)
    assert 20 <= after_kill < STEPS

    stopped = start(out, "--set", "parallel.strategy=replicate", "--resume")
    wait_for(out, after_kill + 10, stopped)
    stopped.send_signal(signal.SIGINT)
    stdout, stderr = stopped.communicate(timeout=30)
    assert (stopped.returncode, stdout, stderr) == (130, "", "")
    assert after_kill < newest(out) < STEPS

    ended = autogpt.train(str(CLASSIC), out=out, settings=SETTINGS, resume=True, progress=SILENT)
    assert ended.steps == STEPS
    assert ended.tokens == STEPS * 8 * 32
    found = losses(out)
    assert list(found) == sorted(found)
    for step in (1, STEPS):
        assert found[step] == pytest.approx(alone[step], abs=2e-3)


@pytest.mark.slow
def test_torchrun_starts_it_too(alone: dict[int, float], tmp_path: Path):
    out = tmp_path / "run"
    result = subprocess.run(
        [sys.executable, *TORCHRUN, *train(out, "--json", "--resume")],
        capture_output=True, text=True, timeout=120, check=False, env=ENVIRONMENT,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert result.stderr.count("nothing to resume") == 1
    assert json.loads(result.stdout)["steps"] == STEPS
    assert losses(out)[STEPS] == pytest.approx(alone[STEPS], abs=1e-3)
    assert (out / "model" / "model.safetensors").exists()


@pytest.mark.parametrize(
    ("arguments", "environment", "words"),
    [
        (("--nproc", "0"), {}, "at least 1"),
        (("--nproc", "4000"), {}, "cores"),
        (("--nproc", "2"), {"WORLD_SIZE": "3", "RANK": "0"}, "does not go with"),
    ],
)
def test_a_wrong_number_is_refused(
    tmp_path: Path, arguments: tuple[str, ...], environment: dict[str, str], words: str
):
    result = run("train", str(CLASSIC), "--out", str(tmp_path / "r"), *arguments, **environment)
    assert result.returncode == 2
    assert words in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_an_error_of_the_first_is_said_once(tmp_path: Path):
    result = run("train", str(tmp_path / "没有.txt"), "--out", str(tmp_path / "r"), "--nproc", "2")
    assert result.returncode == 1
    assert len(result.stderr.splitlines()) == 1
    assert "没有.txt" in result.stderr
    assert not (tmp_path / "r").exists()
