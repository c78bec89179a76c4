"""The command as a user runs it: real processes, real files."""

from __future__ import annotations

import fcntl
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.commands import CLASSIC, TINY, run


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, object]]:
    out = tmp_path_factory.mktemp("runs") / "a"
    few = ("--set", "training.max_steps=20")
    result = run("train", str(CLASSIC), "--out", str(out), *TINY, *few, "--json")
    assert result.returncode == 0, result.stderr
    return out, json.loads(result.stdout)


def test_train_writes_a_whole_run(trained: tuple[Path, dict[str, object]]):
    out, result = trained
    assert {"run", "model", "parameters", "steps", "tokens", "wall_s", "train_s"} <= set(result)
    assert result["steps"] == 20
    assert float(str(result["val_loss"])) > 0
    for name in ("recipe.toml", "metrics.jsonl", "curves.png", "report.html", "model/README.md"):
        assert (out / name).stat().st_size > 0


def test_a_run_generates_the_same_text_for_the_same_seed(trained: tuple[Path, dict[str, object]]):
    texts = [
        run("generate", str(trained[0]), "子曰", "--max-tokens", "8", "--seed", "1", "--json")
        for _ in range(2)
    ]
    first = json.loads(texts[0].stdout)
    assert first["text"] == json.loads(texts[1].stdout)["text"]
    assert first["usage"]["completion_tokens"] == 8


def test_a_run_folder_is_not_overwritten(trained: tuple[Path, dict[str, object]]):
    result = run("train", str(CLASSIC), "--out", str(trained[0]))
    assert result.returncode == 1
    assert "already holds" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["train", "missing.txt", "--out", "r"], 1, "does not exist"),
        (["train", "missing.txt", "--out", "r", "--set", "training.clpi=1"], 2, "training.clip"),
        (["train", "x.txt", "--out", "r", "--budget", "soon"], 2, "not a budget"),
        (["trian"], 2, "train"),
        (["generate", "no-such-model", "x"], 2, "no model"),
    ],
)
def test_wrong_input_is_one_sentence(
    arguments: list[str], code: int, words: str, tmp_path: Path
) -> None:
    result = run(*arguments, "--json", cwd=tmp_path)
    assert result.returncode == code
    assert words in result.stderr
    assert "Traceback" not in result.stderr
    assert set(json.loads(result.stdout)["error"]) == {"code", "id", "message", "hint"}


@pytest.mark.parametrize("source", ["missing.txt", "empty.txt", "binary.txt"])
def test_a_wrong_source_leaves_no_folder_behind(tmp_path: Path, source: str):
    (tmp_path / "empty.txt").touch()
    (tmp_path / "binary.txt").write_bytes(bytes(range(256)) * 64)
    assert run("train", source, "--out", "r", cwd=tmp_path).returncode == 1
    assert not (tmp_path / "r").exists()


def test_a_folder_in_use_is_refused(tmp_path: Path):
    with (tmp_path / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        result = run("train", str(CLASSIC), "--out", str(tmp_path))
    assert result.returncode == 1
    assert "in use" in result.stderr


def test_samples_begin_as_the_held_out_text_does(trained: tuple[Path, dict[str, object]]):
    card = (trained[0] / "model" / "README.md").read_text(encoding="utf-8")
    assert "KING" not in card
    assert "temperature 0.7, min-p 0.1, seed 0" in card


def test_help_imports_no_torch():
    code = (
        "import sys; from autogpt.cli.app import main; sys.argv = ['autogpt', '--help']\n"
        "main(); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0
