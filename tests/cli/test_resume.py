"""Runs that are stopped, killed or damaged, and gone on with."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.cli.commands import CLASSIC, TINY, command, run

STEPS = ("--set", "training.max_steps=300", "--set", "training.checkpoint_every=10")
ARGUMENTS = (*TINY, *STEPS, "--set", "kernels.attention=explicit", "--set", "kernels.threads=1")


def start(out: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command("train", str(CLASSIC), "--out", str(out), *ARGUMENTS, "--json"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(path: Path, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < end, f"{path} never came"
        time.sleep(0.02)


def kill_after(out: Path, steps: int) -> None:
    process = start(out)
    wait_for(out / "checkpoints" / f"step-{steps:08d}")
    process.kill()
    process.communicate()


def resume(out: Path, *more: str) -> subprocess.CompletedProcess[str]:
    return run("train", str(CLASSIC), "--out", str(out), *ARGUMENTS, "--resume", *more)


def weights(out: Path) -> str:
    return hashlib.sha256((out / "model" / "model.safetensors").read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("whole") / "run"
    result = run("train", str(CLASSIC), "--out", str(out), *ARGUMENTS, "--json")
    assert result.returncode == 0, result.stderr
    return out


def test_a_killed_run_ends_as_if_nothing_had_happened(whole: Path, tmp_path: Path):
    out = tmp_path / "run"
    kill_after(out, 20)
    result = resume(out, "--json")
    assert result.returncode == 0, result.stderr
    assert "going on after step" in result.stderr
    assert json.loads(result.stdout)["steps"] == 300
    assert weights(out) == weights(whole)
    assert not (out / "checkpoints").exists()
    lines = (out / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    steps = [json.loads(line)["step"] for line in lines]
    assert steps == sorted(steps)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_goes_on(whole: Path, tmp_path: Path, number: signal.Signals):
    out = tmp_path / "run"
    process = start(out)
    wait_for(out / "checkpoints" / "step-00000010")
    process.send_signal(number)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "--resume" in stderr
    assert "Traceback" not in stderr
    assert stdout == ""
    assert resume(out).returncode == 0
    assert weights(out) == weights(whole)


def test_a_truncated_checkpoint_is_passed_over(whole: Path, tmp_path: Path):
    out = tmp_path / "run"
    kill_after(out, 30)
    *_, last = sorted((out / "checkpoints").glob("step-*"))
    state = last / "state.safetensors"
    state.write_bytes(state.read_bytes()[:-100])
    result = resume(out)
    assert result.returncode == 0, result.stderr
    assert "truncated" in result.stderr
    assert weights(out) == weights(whole)


def test_a_finished_run_is_not_resumed(whole: Path):
    result = resume(whole)
    assert result.returncode == 1
    assert "finished" in result.stderr


def test_other_data_or_settings_are_refused_and_nothing_is_lost(tmp_path: Path):
    out = tmp_path / "run"
    kill_after(out, 10)
    before = {p: p.read_bytes() for p in out.rglob("*") if p.is_file()}
    other = tmp_path / "other.txt"
    other.write_text("Another text. " * 3000, encoding="utf-8")
    for arguments, words in (
        ((str(other), *ARGUMENTS, "--resume"), "other data"),
        ((str(CLASSIC), *ARGUMENTS, "--resume", "--set", "model.head_dim=8"), "model.head_dim"),
        ((str(CLASSIC), *ARGUMENTS), "already holds a run"),
    ):
        result = run("train", *arguments, "--out", str(out))
        assert result.returncode == 1, result.stderr
        assert words in result.stderr
        assert "Traceback" not in result.stderr
    assert {p: p.read_bytes() for p in out.rglob("*") if p.is_file()} == before


def test_resuming_nothing_begins(tmp_path: Path):
    few = ("--set", "training.max_steps=2")
    result = run("train", str(CLASSIC), "--out", str(tmp_path / "r"), *TINY, *few, "--resume")
    assert result.returncode == 0, result.stderr
    assert "nothing to resume" in result.stderr


def test_prepared_tokens_are_reused(tmp_path: Path):
    out = tmp_path / "run"
    kill_after(out, 10)
    tokens = out / "data" / "train" / "tokens.bin"
    before = tokens.stat().st_mtime_ns
    assert resume(out).returncode == 0
    assert tokens.stat().st_mtime_ns == before
