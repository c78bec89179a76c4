"""Files within one root: no way out, however it is asked for."""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autogpt.agent.tools.base import ToolError
from autogpt.agent.tools.files import file_tools, rank_lines
from autogpt.agent.tools.folder import Folder


@pytest.fixture
def place(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "in").mkdir(parents=True)
    (root / "in/a.txt").write_text("inside 内\nsecond line\n", "utf-8")
    (root / ".env").write_text("secret")
    (root / "server.pem").write_text("secret")
    (tmp_path / "outside.txt").write_text("secret")
    (root / "link.txt").symlink_to(tmp_path / "outside.txt")
    (root / "linked").symlink_to(tmp_path)
    (root / "inner-link.txt").symlink_to(root / "in/a.txt")
    os.mkfifo(root / "pipe.txt")
    return root


OUT = (
    "../outside.txt", "in/../../outside.txt", "link.txt", "linked/outside.txt", "inner-link.txt",
    ".env", "in/../.env", "server.pem", "/etc/passwd", "linked", "", "in", "pipe.txt", "a\0b",
    "in/a.txt/b", "no/such.txt", "./../outside.txt", "in//..//../outside.txt",
)  # fmt: skip


@pytest.mark.parametrize("path", OUT)
def test_no_way_out_to_read(place: Path, path: str) -> None:
    with pytest.raises(ToolError):
        Folder(place).read(path)


@pytest.mark.parametrize("path", [path for path in OUT if path != "no/such.txt"])
def test_no_way_out_to_write(place: Path, path: str) -> None:
    with pytest.raises(ToolError):
        Folder(place).write(path, b"x")
    assert (place.parent / "outside.txt").read_text() == "secret"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(st.lists(st.sampled_from(["..", ".", "in", "linked", "link.txt", "a.txt", "", ".env"])))
def test_whatever_the_path_nothing_secret_is_read(place: Path, parts: list[str]) -> None:
    with contextlib.suppress(ToolError):
        assert Folder(place).read("/".join(parts)).startswith(b"inside")


def test_a_link_that_is_exchanged_meanwhile_leads_nowhere(place: Path) -> None:
    folder, target = Folder(place), place / "swap.txt"
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            target.unlink(missing_ok=True)
            target.symlink_to(place.parent / "outside.txt")
            target.unlink()
            target.write_text("inside")

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        for _ in range(500):
            with contextlib.suppress(ToolError):
                assert folder.read("swap.txt") in (b"inside", b"")
    finally:
        stop.set()
        thread.join()


def test_files_are_read_and_written_whole(place: Path) -> None:
    folder = Folder(place)
    assert folder.files() == ["in/a.txt"]
    folder.write("new/深/文.txt", "内容".encode())
    assert folder.text("new/深/文.txt") == "内容"
    assert folder.text(str(place / "in/a.txt")).startswith("inside")
    assert not list(place.rglob("*.draft"))
    (place / "gbk.txt").write_bytes("锅炉昨天修好了，请给李强打电话。".encode("gb18030"))
    assert "锅炉" in folder.text("gbk.txt")


def test_tools_over_files(place: Path) -> None:
    tools = {tool.name: tool for tool in file_tools(Folder(place))}
    assert tools["list_files"].call({}).value == ["in/a.txt"]
    found = tools["find_text"].call({"text": "INSIDE"}).value
    assert (found["times"], found["files"]) == (1, {"in/a.txt": 1})
    assert tools["find_text"].call({"text": "insid"}).value["times"] == 0
    assert tools["count_text"].call({"path": "in/a.txt"}).value["lines"] == 2
    refused = tools["read_file"].call({"path": "../outside.txt"})
    assert not refused.ok
    assert "outside the folder" in refused.value
    assert tools["write_file"].effect == "idempotent"
    assert tools["write_file"].aims == ("path",)


def test_search_ranks_lines() -> None:
    lines = [("a", 1, "The dogs were barking"), ("a", 2, "A dog barks at night"), ("b", 1, "Cats")]
    assert rank_lines("barking dog at night", lines)[0].line == 2
    chinese = [("a", 1, "锅炉修好了"), ("a", 2, "买牛奶")]
    assert [hit.line for hit in rank_lines("锅炉怎么样", chinese)] == [1]
