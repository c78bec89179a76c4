"""Many texts: files, folders, rows; JSON lines in order, written to a file, gone on with."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

from autogpt.cli.app import main

TEXT = "The boiler broke. A man came and repaired the boiler. It works again. Nobody was hurt.\n"
CHINESE = "锅炉坏了。有人来修好了锅炉。现在锅炉又能用了。没有人受伤。\n"


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    before, sys.argv = sys.argv, ["autogpt", *arguments]
    try:
        code = main()
    finally:
        sys.argv = before
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "rows.jsonl"
    lines = [
        json.dumps({"id": n, "body": (TEXT if n % 2 else CHINESE) * 2, "note": "n" * 400})
        for n in range(6)
    ]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_one_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = said(capsys, "summarize", "--length", "8", TEXT)
    assert (code, err) == (0, "")
    assert out.strip() in TEXT
    path = tmp_path / "报告.txt"
    path.write_text(CHINESE + "\n\n" + CHINESE, encoding="utf-8")
    code, out, _ = said(capsys, "summarize", str(path), "--json")
    answer = json.loads(out)
    assert answer["source"] == "报告.txt"
    assert {"text", "usage", "timing", "evidence"} <= set(answer)
    assert all(one["supported"] for one in answer["evidence"])


def test_standard_input(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stdin:
        buffer = io.BytesIO(CHINESE.encode())

    monkeypatch.setattr(sys, "stdin", Stdin)
    code, out, _ = said(capsys, "summarize", "--style", "bullets", "-")
    assert code == 0
    assert out.startswith("- ")
    assert "锅炉" in out


def test_a_folder_gives_a_line_each(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "b.md").write_text(TEXT)
    (tmp_path / "a.txt").write_text(CHINESE)
    code, out, _ = said(capsys, "summarize", str(tmp_path), "--quiet")
    lines = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert [line["source"] for line in lines] == ["a.txt", "b.md"]


@pytest.mark.parametrize("flag", ["--input", ""])
def test_rows_give_a_line_each(rows: Path, flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    named = [flag, str(rows)] if flag else [str(rows)]
    code, out, _ = said(capsys, "summarize", *named, "--text-field", "body", "-q")
    lines = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert [line["source"] for line in lines] == [f"rows.jsonl:{n}" for n in range(1, 7)]
    assert "锅炉" in lines[0]["text"]
    assert "boiler" in lines[1]["text"]


def test_a_stopped_run_goes_on(
    rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "made" / "out.jsonl"
    base = ["summarize", "--input", str(rows), "--text-field", "body", "--out", str(out)]
    code, shown, err = said(capsys, *base)
    assert (code, shown) == (0, "")
    assert "100%" in err
    whole = out.read_bytes()
    lines = whole.splitlines(keepends=True)
    assert len(lines) == 6
    out.write_bytes(b"".join(lines[:2]) + lines[2][:40])  # torn in the third line
    code, _, err = said(capsys, *base)
    assert code == 1
    assert "--resume" in err
    code, _, _ = said(capsys, *base, "--resume")
    assert code == 0
    found = [json.loads(line) for line in out.read_bytes().splitlines()]
    wanted = [json.loads(line) for line in lines]
    assert [(row["source"], row["text"]) for row in found] == [
        (row["source"], row["text"]) for row in wanted
    ]
    assert out.read_bytes().startswith(b"".join(lines[:2]))
    code, _, _ = said(capsys, *base, "--resume")  # nothing is left to do
    assert code == 0
    other = tmp_path / "other.jsonl"
    other.write_text('{"body": "One. Two. Three."}\n')
    code, _, err = said(capsys, *base[:2], str(other), *base[3:], "--resume")
    assert code == 1
    assert "Line 1" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "There is no text"),
        (["a", "--input", "b"], "both given"),
        (["--input", "nowhere.jsonl"], "nowhere.jsonl"),
        (["text", "--text-field", "body"], "rows of a file"),
        (["text", "--resume"], "--out"),
        (["text", "--length", "huge"], "huge"),
        (["text", "--style", "poem"], "poem"),
        (["text", "--method", "abstractive"], "needs a model"),
        (["text", "--model", "no-such-model"], "no-such-model"),
    ],
)
def test_what_is_wrong_is_told(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = said(capsys, "summarize", *arguments)
    assert code in (1, 2)
    assert out == ""
    assert message in err
    assert "Traceback" not in err
