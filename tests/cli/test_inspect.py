"""The verbs ``inspect``, ``export`` and ``verify`` as they are typed."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from autogpt.cli.app import main
from tests.llm.test_model import make_run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("run"))


def typed(monkeypatch: pytest.MonkeyPatch, *arguments: str | Path) -> int:
    monkeypatch.setattr(sys, "argv", ["autogpt", *map(str, arguments)])
    return main()


def test_inspect_in_json_with_a_page(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "inside.html"
    code = typed(monkeypatch, "inspect", run, "學而 day", "--out", page, "--token", "1", "--json")
    out = capsys.readouterr().out
    assert code == 0
    facts = json.loads(out)
    assert facts["text"] == "學而 day"
    assert facts["focus"] == 1
    assert facts["page"] == str(page)
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_inspect_speaks_chinese(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert typed(monkeypatch, "inspect", run, "學而 day", "--lang", "zh", "--top-k", "5") == 0
    out = capsys.readouterr().out
    assert "走进模型内部" in out
    assert "top-k 5" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["x", "--head", "1"], "Add --layer"),
        (["x", "--token", "7"], "token = 7 is not there"),
        ([""], "no text to read"),
        (["x", "--temperature", "-1"], "temperature"),
    ],
)
def test_inspect_tells_what_is_wrong(
    run: Path,
    arguments: list[str],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert typed(monkeypatch, "inspect", run, *arguments) == 2
    assert message in capsys.readouterr().err


def test_export_then_verify(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "m.gguf"
    code = typed(
        monkeypatch, "export", run, "--to", "gguf", "--out", out, "--dtype", "f32", "--json"
    )
    captured = capsys.readouterr()
    assert code == 0, captured.err
    assert json.loads(captured.out)["verification"]["ok"]
    assert typed(monkeypatch, "verify", out) == 0
    said = capsys.readouterr().out
    assert "✓ tokenizer: 12 hard texts come back as they were" in said
    assert "✓ autogpt" in said
    with out.open("r+b") as file:
        file.truncate(out.stat().st_size - 64)
    assert typed(monkeypatch, "verify", out, "--json") == 1
    facts = json.loads(capsys.readouterr().out)
    assert facts["ok"] is False
    assert facts["engines"] == []


def test_verify_tells_what_is_no_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert typed(monkeypatch, "verify", tmp_path / "nothing") == 2
    assert "nothing" in capsys.readouterr().err


def test_verify_a_signed_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("cryptography")
    from autogpt.safety.records import make_record, new_key, sign

    record = make_record("你好", model="m", model_sha256="0", prompt="hi", settings={"top_k": 1})
    signed = sign(record, new_key(tmp_path / "key.pem"))
    path = tmp_path / "record.json"
    path.write_text(json.dumps(signed), encoding="utf-8")
    assert typed(monkeypatch, "verify", path, "--json") == 0
    assert json.loads(capsys.readouterr().out)["record"]["model"] == "m"
    path.write_text(json.dumps(signed).replace('"m"', '"other"'), encoding="utf-8")
    assert typed(monkeypatch, "verify", path) == 1
    assert "was changed after it was signed" in capsys.readouterr().err
