"""Runs that are stopped, killed, damaged, moved and forked, and gone on with."""

from __future__ import annotations

import hashlib
import json
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from autogpt.core.config import read_toml
from tests.cli.commands import CLASSIC, TINY
from tests.cli.warm import Command, Warm

STEPS = 120
ARGUMENTS = (
    *TINY,
    *("--set", f"training.max_steps={STEPS}"),
    *("--set", "training.checkpoint_every=10"),
    *("--set", "kernels.attention=explicit"),
    *("--set", "kernels.threads=1"),
)


@pytest.fixture(scope="module")
def autogpt(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warm]:
    warm = Warm(tmp_path_factory.mktemp("outputs"))
    yield warm
    warm.close()


def train(out: Path, *more: str) -> tuple[str, ...]:
    return ("train", str(CLASSIC), "--out", str(out), *ARGUMENTS, *more)


def wait_for(out: Path, steps: int) -> None:
    path, end = out / "checkpoints" / f"step-{steps:08d}", time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < end, f"{path} never came"
        time.sleep(0.002)


def begun(autogpt: Warm, out: Path, *, steps: int = 10) -> Command:
    command = autogpt.start(*train(out))
    wait_for(out, steps)
    return command


def weights(out: Path) -> str:
    return hashlib.sha256((out / "model" / "model.safetensors").read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def whole(autogpt: Warm, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing happened to; it was begun with --resume, where there was nothing yet."""
    out = tmp_path_factory.mktemp("whole") / "run"
    result = autogpt.run(*train(out, "--resume", "--json"))
    assert result.returncode == 0, result.stderr
    assert "nothing to resume" in result.stderr
    return out


def test_a_run_that_much_happened_to_ends_as_if_nothing_had(
    autogpt: Warm, whole: Path, tmp_path: Path
):
    out = tmp_path / "run"
    stopped = begun(autogpt, out).kill(signal.SIGINT)
    assert stopped.returncode == 130
    assert "--resume" in stopped.stderr
    assert "Traceback" not in stopped.stderr
    assert stopped.stdout == ""
    tokens = out / "data" / "train" / "tokens.bin"
    prepared = tokens.stat().st_mtime_ns

    going_on = autogpt.start(*train(out, "--resume"))
    wait_for(out, 40)
    assert going_on.kill().returncode == -signal.SIGKILL

    *_, last = sorted((out / "checkpoints").glob("step-*"))
    state = last / "state.safetensors"
    state.write_bytes(state.read_bytes()[:-100])
    out = out.rename(tmp_path / "moved")
    result = autogpt.run(
        "train", "--out", str(out), *ARGUMENTS, "--resume", "--json"
    )  # the sources are not needed
    assert result.returncode == 0, result.stderr
    assert "truncated" in result.stderr
    assert "going on after step" in result.stderr
    assert json.loads(result.stdout)["steps"] == STEPS
    assert tokens.name in {path.name for path in (out / "data" / "train").iterdir()}
    assert (out / "data" / "train" / "tokens.bin").stat().st_mtime_ns == prepared
    assert weights(out) == weights(whole)
    assert not (out / "checkpoints").exists()
    lines = (out / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    steps = [json.loads(line)["step"] for line in lines]
    assert steps == sorted(steps)
    assert "lunyu.txt" in (out / "model" / "README.md").read_text(encoding="utf-8")


def test_sigterm_stops_with_a_checkpoint(autogpt: Warm, tmp_path: Path):
    stopped = begun(autogpt, tmp_path / "run").kill(signal.SIGTERM)
    assert stopped.returncode == 130
    step = stopped.stderr.split("stopped after step ")[1].split(";")[0]
    *_, last = sorted((tmp_path / "run" / "checkpoints").glob("step-*"))
    assert last.name == f"step-{int(step):08d}"


def test_a_finished_run_is_not_resumed(autogpt: Warm, whole: Path):
    result = autogpt.run(*train(whole, "--resume"))
    assert result.returncode == 1
    assert "finished" in result.stderr
    assert f"--from {whole} --budget +10m" in result.stderr


def test_other_data_or_settings_are_refused_and_nothing_is_lost(autogpt: Warm, tmp_path: Path):
    out = tmp_path / "run"
    begun(autogpt, out).kill()
    before = {p: p.read_bytes() for p in out.rglob("*") if p.is_file()}
    other = tmp_path / "other.txt"
    other.write_text("Another text. " * 3000, encoding="utf-8")
    for arguments, words in (
        ((str(other), *ARGUMENTS, "--resume"), "other data"),
        ((str(CLASSIC), *ARGUMENTS, "--resume", "--set", "model.head_dim=8"), "model.head_dim"),
        ((str(CLASSIC), *ARGUMENTS), "already holds a run"),
        ((str(CLASSIC), *TINY, "--resume", "--budget", "+1m"), "bound by its steps"),
    ):
        result = autogpt.run("train", *arguments, "--out", str(out))
        assert result.returncode in (1, 2), result.stderr
        assert words in result.stderr
        assert "Traceback" not in result.stderr
    assert {p: p.read_bytes() for p in out.rglob("*") if p.is_file()} == before


def test_a_run_of_a_newer_version_is_refused_in_a_sentence(autogpt: Warm, tmp_path: Path):
    out = tmp_path / "run"
    begun(autogpt, out).kill()
    recipe = out / "recipe.toml"
    text = recipe.read_text(encoding="utf-8")
    assert text.startswith("format = 1\n")
    recipe.write_text(text.replace("format = 1", "format = 99\nsparkle = true"), encoding="utf-8")
    result = autogpt.run(*train(out, "--resume"))
    assert result.returncode == 2
    assert "format 99, of a newer AutoGPT" in result.stderr.splitlines()[-1]


def test_a_run_folder_has_one_process(autogpt: Warm, tmp_path: Path):
    first = begun(autogpt, tmp_path / "run")
    second = autogpt.run(*train(tmp_path / "run", "--resume"))
    assert second.returncode == 1
    assert "in use" in second.stderr
    assert first.kill().returncode == -signal.SIGKILL


@pytest.mark.parametrize("state", ["finished", "stopped"])
def test_a_fork_begins_with_the_weights_of_its_run(
    autogpt: Warm, whole: Path, tmp_path: Path, state: str
):
    source, out = whole, tmp_path / "fork"
    if state == "stopped":
        source = tmp_path / "source"
        begun(autogpt, source, steps=60).kill()
    command = (
        *("train", "--from", str(source), "--out", str(out), "--json"),
        *("--set", "training.max_steps=4", "--set", "training.warmup=0.5"),
        *("--set", "kernels.attention=explicit", "--set", "kernels.threads=1"),
    )
    result = autogpt.run(*command)
    assert result.returncode == 0, result.stderr
    entries = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    first = json.loads((whole / "metrics.jsonl").read_text().splitlines()[0])
    assert entries[0]["loss"] < 0.9 * first["loss"]
    assert json.loads(result.stdout)["steps"] == 4
    origin = read_toml(out / "recipe.toml")["origin"]
    assert isinstance(origin, dict)
    assert origin["run"] == str(source)
    assert origin["first_row"] >= 8 * (STEPS if state == "finished" else 60)
    if state == "stopped":
        shutil.rmtree(source)
    assert autogpt.run("generate", str(out), "子曰", "--max-tokens", "3").returncode == 0


def test_a_fork_of_other_things_is_refused(autogpt: Warm, whole: Path, tmp_path: Path):
    other = tmp_path / "other.txt"
    other.write_text("Another text. " * 3000, encoding="utf-8")
    source = ("--from", str(whole))
    for arguments, words in (
        (("--from", str(tmp_path)), "not a run folder"),
        ((str(other), *source), "other data"),
        ((*source, "--set", "model.hidden_size=64"), "model.hidden_size"),
        (("--budget", "+10m"), "there is none"),
        ((), "nothing to train on"),
    ):
        result = autogpt.run("train", *arguments, "--out", str(tmp_path / "new"))
        assert result.returncode in (1, 2), result.stderr
        assert words in result.stderr
        assert "Traceback" not in result.stderr
        assert not (tmp_path / "new").exists()


def test_runs_are_compared(autogpt: Warm, whole: Path, tmp_path: Path):
    plot = str(tmp_path / "c.png")
    shown = autogpt.run("compare", str(whole), str(whole), "--plot", plot, "--by", "time")
    assert shown.returncode == 0, shown.stderr
    assert "bits/byte" in shown.stdout
    result = autogpt.run("compare", str(whole), "--plot", plot, "--json")
    (compared,) = json.loads(result.stdout)["runs"]
    assert compared["state"] == "finished"
    assert compared["steps"] == STEPS
    assert compared["parameters"] > 50_000
    assert Path(plot).read_bytes().startswith(b"\x89PNG")
    wrong = autogpt.run("compare", str(tmp_path))
    assert wrong.returncode == 1
    assert "not a run folder" in wrong.stderr


def test_a_run_is_replayed_from_its_recipe_and_schedule(autogpt: Warm, whole: Path, tmp_path: Path):
    again = tmp_path / "again"
    settings = (whole / "recipe.toml").read_text(encoding="utf-8")
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(settings.replace(f"max_steps = {STEPS}\n", ""), encoding="utf-8")
    followed = ("--recipe", str(recipe), "--set", f"training.schedule={whole}")
    result = autogpt.run("train", str(CLASSIC), *followed, "--out", str(again), "--json")
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["steps"] == STEPS
    assert weights(again) == weights(whole)


def test_a_text_that_was_learned_by_heart_leaves_the_weights_from_before(
    autogpt: Warm, tmp_path: Path
):
    short = tmp_path / "short.txt"
    short.write_text(CLASSIC.read_text(encoding="utf-8")[:6000], encoding="utf-8")
    out = tmp_path / "run"
    settings = ("training.max_steps=400", "training.lr=0.02", "training.muon_lr=0.05")
    many = [word for setting in settings for word in ("--set", setting)]
    result = autogpt.run("train", str(short), "--out", str(out), *TINY, *many)
    assert result.returncode == 0, result.stderr
    assert "by heart" in result.stderr
    lines = (out / "metrics.jsonl").read_text().splitlines()
    looks = [entry["loss"] for entry in map(json.loads, lines) if entry["kind"] == "validation"]
    assert looks[-1] < looks[-2]
    assert looks[-1] == pytest.approx(min(looks[1:]), abs=1e-4)
    assert not (out / "best").exists()
