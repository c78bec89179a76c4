from __future__ import annotations

from pathlib import Path

import pytest

from autogpt.core.memo import cache_folder, recall, remember


def test_what_is_remembered_is_recalled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AUTOGPT_CACHE", str(tmp_path / "new"))
    assert recall("speed") is None
    remember("speed", {"fastest": "a"})
    remember("other", {"n": 1})
    assert recall("speed") == {"fastest": "a"}


def test_a_folder_that_cannot_be_written_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "file").write_text("", encoding="utf-8")
    monkeypatch.setenv("AUTOGPT_CACHE", str(tmp_path / "file"))
    remember("speed", {"fastest": "a"})
    assert recall("speed") is None


def test_the_cache_follows_the_platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("AUTOGPT_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "autogpt"
