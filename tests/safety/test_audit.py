from __future__ import annotations

import json
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from autogpt.core.errors import CheckpointError
from autogpt.safety.audit import AuditLog, verify_log
from autogpt.safety.policy import Policy, Rule
from autogpt.safety.rails import Rails

SECRET = "ghp_" + "aB3dE6" * 6


@pytest.fixture
def log(tmp_path: Path) -> AuditLog:
    return AuditLog(tmp_path / "audit.jsonl")


def test_it_holds_hashes_and_no_text(log: AuditLog) -> None:
    rails = Rails(Policy(rules={"secrets": Rule(action="mask")}))
    text = f"我的密钥是 {SECRET}"
    log.write("input", text=text, verdict=rails.check(text), route="chat")
    head = log.write("output", text="ok")
    content = log.path.read_text(encoding="utf-8")
    assert SECRET not in content
    assert "密钥" not in content
    first, second = log.entries()
    assert first["text_hmac"] == log.hash(text)
    assert first["characters"] == len(text)
    assert first["verdict"]["action"] == "mask"  # type: ignore[index]
    assert second["event"] == "output"
    assert verify_log(log.path) == head
    key = log.path.with_name("audit.jsonl.key")
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert AuditLog(log.path).hash(text) == log.hash(text)


@pytest.mark.parametrize("place", range(5))
@pytest.mark.parametrize("how", ["alter", "drop", "swap"])
def test_tampering_is_found(log: AuditLog, place: int, how: str) -> None:
    heads = [log.write("input", text=f"text {i}", number=i) for i in range(6)]
    lines = log.path.read_text().splitlines()
    if how == "alter":
        lines[place] = lines[place].replace(f'"number": {place}', '"number": 9')
    elif how == "drop":
        del lines[place]
    else:
        lines[place], lines[place + 1] = lines[place + 1], lines[place]
    log.path.write_text("\n".join(lines) + "\n")
    with pytest.raises(CheckpointError, match="was changed: line"):
        verify_log(log.path, head=heads[-1])


def test_an_end_that_was_cut_off_is_found_by_its_head(log: AuditLog) -> None:
    heads = [log.write("input", number=i) for i in range(3)]
    lines = log.path.read_text().splitlines()
    log.path.write_text("\n".join(lines[:2]) + "\n")
    assert verify_log(log.path, head=heads[1]) == heads[1]
    with pytest.raises(CheckpointError, match="cut off"):
        verify_log(log.path, head=heads[2])


def test_a_torn_line_is_found(log: AuditLog) -> None:
    log.write("input")
    log.path.write_bytes(log.path.read_bytes()[:-20])
    log.write("input")
    with pytest.raises(CheckpointError, match="line 1|Line 1"):
        verify_log(log.path)


def test_long_entries_and_several_processes(log: AuditLog) -> None:
    log.write("input", note="x" * 10_000)
    code = (
        "import sys; from pathlib import Path; from autogpt.safety.audit import AuditLog\n"
        "log = AuditLog(Path(sys.argv[1]))\n"
        "for i in range(20): log.write('input', number=i)"
    )
    others = [subprocess.Popen([sys.executable, "-c", code, str(log.path)]) for _ in range(2)]
    for i in range(20):
        log.write("input", number=i)
    assert [other.wait() for other in others] == [0, 0]
    verify_log(log.path)
    assert len(log.path.read_text().splitlines()) == 61
    assert all(json.loads(line) for line in log.path.read_text().splitlines())
