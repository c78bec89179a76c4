"""``autogpt chat`` as a user has it: in a terminal, piped, and on a transcript."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

from autogpt.cli.app import main
from tests.llm.test_model import make_run


def with_template(folder: Path) -> Path:
    """Return a run whose model answers messages; what it says is noise."""
    run = make_run(folder)
    path = run / "model" / "tokenizer_config.json"
    settings = json.loads(path.read_text(encoding="utf-8"))
    if "chat_template" not in settings:
        settings["chat_template"] = (
            "{%- for m in messages %}{{ m.role }}: {{ m.content }}\n{%- endfor %}"
        )
        path.write_text(json.dumps(settings), encoding="utf-8")
        (run / "model" / "manifest.json").unlink()
    return run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(with_template(tmp_path_factory.mktemp("chat")))


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    before, sys.argv = sys.argv, ["autogpt", *arguments]
    try:
        code = main()
    finally:
        sys.argv = before
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_one_message(run: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base = ["chat", "--model", run, "--max-tokens", "6", "--seed", "1"]
    code, out, err = said(capsys, *base, "你好 Shall I?", "--save", str(tmp_path / "t.jsonl"))
    assert code == 0
    assert err == ""
    saved = json.loads((tmp_path / "t.jsonl").read_text())["messages"]
    assert [turn["role"] for turn in saved] == ["user", "assistant"]
    assert saved[1]["content"] == out.strip()
    code, _, _ = said(capsys, *base, "And?", "--load", str(tmp_path / "t.jsonl"))
    assert code == 0
    code, out, _ = said(capsys, *base, "你好 Shall I?", "--json")
    answer = json.loads(out)
    assert {"text", "usage", "timing"} <= set(answer)
    assert answer["text"] == saved[1]["content"]


def test_many_messages(run: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = tmp_path / "rows.txt"
    rows.write_text("Hello\n你好\n")
    out = tmp_path / "answers.jsonl"
    base = ["chat", "--model", run, "--input", str(rows), "--max-tokens", "4", "--out", str(out)]
    code, _, _ = said(capsys, *base)
    assert code == 0
    found = [json.loads(line) for line in out.read_text().splitlines()]
    assert [row["source"] for row in found] == ["rows.txt:1", "rows.txt:2"]


def test_what_is_wrong_is_told(
    run: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments, message in (
        (["x", "--model", "no-such-model"], "no-such-model"),
        (["x", "--model", run, "--load", str(tmp_path / "none")], "no file"),
        (["x", "--model", run, "--json", "--save", "f"], "terminal"),
    ):
        code, out, err = said(capsys, "chat", *arguments)
        assert code in (1, 2)
        assert message in err
        assert "Traceback" not in out + err


class Terminal:
    """A process that believes to be in a terminal."""

    def __init__(self, *arguments: str) -> None:
        self._own, theirs = pty.openpty()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "autogpt", *arguments],
            stdin=theirs, stdout=theirs, stderr=theirs, env={**os.environ, "TERM": "dumb"},
        )  # fmt: skip
        os.close(theirs)
        self.shown = ""

    def until(self, text: str, seconds: float = 60) -> str:
        """Read until this is shown; return what was read."""
        begin, first = time.monotonic(), len(self.shown)
        while text not in self.shown[first:]:
            assert time.monotonic() - begin < seconds, self.shown[first:]
            if select.select([self._own], [], [], 0.2)[0]:
                try:
                    self.shown += os.read(self._own, 4096).decode("utf-8", "replace")
                except OSError:
                    break
        return self.shown[first:]

    def type(self, line: str) -> None:
        os.write(self._own, f"{line}\n".encode())

    def end(self) -> int:
        code = self._process.wait(30)
        os.close(self._own)
        return code


def test_in_a_terminal(run: str, tmp_path: Path) -> None:
    path = tmp_path / "talk.jsonl"
    terminal = Terminal("chat", "--model", run, "--max-tokens", "5", "--seed", "2")
    terminal.until("> ")
    terminal.type("/help")
    assert "/undo" in terminal.until("> ")
    terminal.type("/system Be kind.")
    assert "system: Be kind." in terminal.until("> ")
    terminal.type("你好")
    terminal.until("> ")
    terminal.type('"""two')
    terminal.until("... ")
    terminal.type('lines"""')
    terminal.until("> ")
    terminal.type(f"/save {path}")
    assert "saved" in terminal.until("> ")
    terminal.type("/undo")
    assert "undone: two" in terminal.until("> ")
    terminal.type("/undoo")
    assert "Did you mean /undo?" in terminal.until("> ")
    terminal.type(f"/load {path}")
    assert "Be kind." in terminal.until("> ")
    terminal.type("/exit")
    assert terminal.end() == 0
    assert "Traceback" not in terminal.shown
    messages = json.loads(path.read_text(encoding="utf-8"))["messages"]
    assert messages[0] == {"role": "system", "content": "Be kind."}
    contents = [turn["content"] for turn in messages if turn["role"] == "user"]
    assert contents == ["你好", "two\nlines"]
