"""Every wrong input: one sentence, the right exit code, nothing lost."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.commands import CLASSIC, TINY, command, run

ONE_STEP = (*TINY, "--set", "training.max_steps=1")


def refused(*arguments: str, code: int, words: str, cwd: Path) -> str:
    result = run(*arguments, cwd=cwd)
    assert result.returncode == code, result.stderr
    assert words in result.stderr
    assert "Traceback" not in result.stderr
    *_, last = result.stderr.strip().splitlines()
    assert last.startswith("autogpt: ")
    return last


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    text = CLASSIC.read_text(encoding="utf-8")
    (tmp_path / "empty.txt").touch()
    (tmp_path / "small.txt").write_text("Too little.", encoding="utf-8")
    (tmp_path / "short.txt").write_text(text[:3000], encoding="utf-8")
    (tmp_path / "binary.txt").write_bytes(bytes(range(256)) * 64)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "picture.png").write_bytes(b"\x89PNG")
    (tmp_path / "rows.jsonl").write_text(
        '{"id": 1, "body": "One."}\n{"id": 2, "body": \n', encoding="utf-8"
    )
    return tmp_path


@pytest.mark.parametrize(
    ("source", "flags", "code", "words"),
    [
        ("empty.txt", [], 1, "empty.txt"),
        ("missing.txt", [], 1, "does not exist"),
        ("folder", [], 1, "no readable file"),
        ("binary.txt", [], 1, "binary.txt"),
        ("rows.jsonl", ["--text-field", "body"], 1, "line 2"),
        ("rows.jsonl", ["--text-field", "text", "--on-error", "skip"], 1, "body"),
        ("small.txt", [], 1, "too small"),
        ("short.txt", ["--set", "model.context_length=4096"], 1, "context_length"),
        ("short.txt", ["--encoding", "klingon"], 2, "encoding"),
        ("short.txt", ["--encoding", "ascii"], 1, "short.txt"),
        ("short.txt", ["--set", "training.lr=-1"], 2, "lr = -1"),
        ("short.txt", ["--set", "training.lrr=1"], 2, "training.lr"),
        ("short.txt", ["--set", "model.hidden_size=abc"], 2, "hidden_size"),
        ("short.txt", ["--set", "model.hidden_size=-64"], 2, "hidden_size = -64"),
        ("short.txt", ["--budget", "-5m"], 2, "-5m"),
        ("short.txt", ["--budget", "0s"], 2, "0s"),
        ("short.txt", ["--vocab-size", "10"], 2, "vocab_size"),
        ("short.txt", ["--preset", "huge"], 2, "huge"),
    ],
)
def test_train(texts: Path, source: str, flags: list[str], code: int, words: str):
    refused("train", source, "--out", "r", *ONE_STEP, *flags, code=code, words=words, cwd=texts)


def test_broken_rows_can_be_skipped(texts: Path):
    lines = [f'{{"body": "{line}"}}' for line in CLASSIC.read_text(encoding="utf-8").split()]
    (texts / "rows.jsonl").write_text("\n".join([*lines, "{"]), encoding="utf-8")
    flags = ("--text-field", "body", "--on-error", "skip")
    result = run("train", "rows.jsonl", "--out", "r", *ONE_STEP, *flags, cwd=texts)
    assert result.returncode == 0, result.stderr
    assert "skipped: 1" in result.stderr


def test_another_encoding_is_found_and_reported(texts: Path):
    text = CLASSIC.read_text(encoding="utf-8")
    (texts / "gb.txt").write_bytes(text.encode("gb18030"))
    result = run("train", "gb.txt", "--out", "r", *ONE_STEP, cwd=texts)
    assert result.returncode == 0, result.stderr
    assert "gb18030" in result.stderr.lower()


@pytest.mark.skipif(os.geteuid() == 0 and not shutil.which("setpriv"), reason="root may write all")
def test_no_permission(texts: Path):
    (texts / "locked").mkdir(mode=0o555)
    line = command("train", "short.txt", "--out", "locked/r", *ONE_STEP)
    if os.geteuid() == 0:  # lay the power to override permissions down
        line = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--", *line]
        line[1:1] = ["--no-new-privs"]
    result = subprocess.run(line, capture_output=True, text=True, cwd=texts, check=False)
    assert result.returncode == 1, result.stderr
    assert "No permission" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_full_disk_keeps_the_last_checkpoint(texts: Path):
    """Files may not grow beyond a limit: the system says so in place of "disk full"."""
    code = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000)); "
        "from autogpt.cli.app import main; sys.exit(main())"
    )
    line = [sys.executable, "-c", code, "train", str(CLASSIC), "--out", "r", *TINY]
    result = subprocess.run(line, capture_output=True, text=True, cwd=texts, check=False)
    assert result.returncode == 1, result.stderr
    assert "Traceback" not in result.stderr
    assert "autogpt: " in result.stderr
