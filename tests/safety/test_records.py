from __future__ import annotations

import copy
import json
import stat
from pathlib import Path

import pytest

from autogpt.core.errors import CheckpointError
from autogpt.safety.records import is_record, load_key, make_record, new_key, sign, verify_record

pytest.importorskip("cryptography", reason="records are signed with the package cryptography")


def signed(folder: Path) -> dict[str, object]:
    record = make_record(
        "好的。",
        model="tiny",
        model_sha256="ab" * 32,
        prompt="Write to ada@example.org",
        settings={"temperature": 0.7, "top_k": None},
        seed=3,
    )
    return json.loads(json.dumps(sign(record, new_key(folder / "key.pem"))))


def test_a_record_can_be_checked_and_holds_no_text(tmp_path: Path) -> None:
    value = signed(tmp_path)
    assert is_record(value)
    assert "ada@" not in json.dumps(value)
    record = verify_record(value, text="好的。", prompt="Write to ada@example.org")
    assert record["seed"] == "3"
    assert stat.S_IMODE((tmp_path / "key.pem").stat().st_mode) == 0o600
    with pytest.raises(FileExistsError):
        new_key(tmp_path / "key.pem")
    again = sign(record, load_key(tmp_path / "key.pem"))
    assert again["signature"] == value["signature"]
    verify_record(again, public_key=str(value["public_key"]))


def test_every_change_is_found(tmp_path: Path) -> None:
    value = signed(tmp_path)
    for name in value["record"]:  # type: ignore[attr-defined]
        changed = copy.deepcopy(value)
        changed["record"][name] = "other"  # type: ignore[index]
        with pytest.raises(CheckpointError, match="changed after"):
            verify_record(changed)
    for name in ("signature", "public_key"):
        with pytest.raises(CheckpointError, match="not valid"):
            verify_record({**value, name: "AAAA"})
    with pytest.raises(CheckpointError, match="another text"):
        verify_record(value, text="好的")
    with pytest.raises(CheckpointError, match="another key"):
        verify_record(value, public_key="AAAA")
    with pytest.raises(CheckpointError, match="no signed record"):
        verify_record({"record": {}})


def test_files_that_are_no_key(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("no key")
    with pytest.raises(CheckpointError, match="holds no signing key"):
        load_key(tmp_path / "x")
