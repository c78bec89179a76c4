"""``autogpt models`` as a user runs it: processes of their own, a terminal where one is asked."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import select
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.commands import command, run
from tests.core.hub_server import HubServer, Repo, serve
from tests.core.wheel_index import write_catalog

FILES = {"a.gguf": b"GGUF" + bytes(9000), "LICENSE": "free 自由".encode()}


@pytest.fixture
def hub() -> Iterator[HubServer]:
    with serve() as server:
        server.repos["a/b"] = Repo(FILES)
        yield server


@pytest.fixture
def place(tmp_path: Path, hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AUTOGPT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    return tmp_path


@pytest.fixture
def catalog(place: Path) -> str:
    return str(write_catalog(place / "own.toml", "mine", FILES, repo="a/b", license_="tiny"))


def test_from_pull_to_rm(place: Path, catalog: str) -> None:
    pulled = run(
        "models", "pull", "mine", "--catalog", catalog, "--accept-license", "tiny", "--json"
    )
    assert pulled.returncode == 0, pulled.stderr
    model = json.loads(pulled.stdout)
    assert Path(model["path"]).read_bytes() == FILES["a.gguf"]
    assert "license Tiny Terms, https://example.org/terms" in pulled.stderr

    listed = json.loads(run("models", "list", "--all", "--json").stdout)
    assert [each["name"] for each in listed["models"]] == ["mine"]
    assert {"smollm2-135m-instruct", "gemma3-270m"} <= {
        each["name"] for each in listed["available"]
    }
    assert all({"reference", "memory_bytes", "fits"} <= set(each) for each in listed["recommended"])
    text = run("models", "list", "--all").stdout
    assert "mine  9.0 kB  tiny" in text
    assert str(model["path"]) in text
    assert "autogpt models pull NAME" in text
    assert "hf:Qwen/Qwen3-0.6B" in text

    shown = run("models", "show", "mine", "--verify", "--json")
    assert json.loads(shown.stdout)["verified"] == "sha256"
    assert run("models", "cp", "mine", str(place / "copy")).stdout.strip() == str(place / "copy")
    assert (place / "copy" / "LICENSE").read_bytes() == FILES["LICENSE"]

    Path(model["path"]).write_bytes(bytes(9004))
    broken = run("models", "show", "mine", "--verify", "--json")
    assert broken.returncode == 1
    assert json.loads(broken.stdout)["error"]["code"] == "checkpoint"

    refused = run("models", "rm", "mine")
    assert (refused.returncode, "--yes" in refused.stderr) == (2, True)
    removed = run("models", "rm", "mine", "--yes", "--json")
    assert json.loads(removed.stdout)["freed_bytes"] > 9000
    assert "no models here yet" in run("models", "list").stdout


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["models", "pull", "gemma3-270m"], 1, "--accept-license gemma"),
        (["models", "pull", "gemma3-270m", "--accept-license", "gema"], 2, "Did you mean 'gemma'"),
        (["models", "pull", "no-such-model"], 2, "models list --all"),
        (["models", "pull", "hf:no/such"], 1, "no model 'no/such'"),
        (["models", "show", "nothing"], 2, "no model"),
        (["models", "rm", "nothing", "--yes"], 2, "no stored model"),
        (["models", "cp", "nothing", "x"], 2, "no model"),
        (["generate", "smollm2-135m-instruct", "你好"], 2, "models pull smollm2-135m-instruct"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(
    place: Path, arguments: list[str], code: int, words: str
) -> None:
    result = run(*arguments, "--json", cwd=place)
    assert result.returncode == code, result.stderr
    assert words in result.stderr
    assert "Traceback" not in result.stderr
    assert set(json.loads(result.stdout)["error"]) == {"code", "id", "message", "hint"}


def on_terminal(*arguments: str, answers: str) -> tuple[int, str]:
    """Run a command on a terminal of its own; type an answer whenever it asks."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        command(*arguments), stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    )
    os.close(theirs)
    seen, asked, waiting = b"", 0, list(answers)
    until = time.monotonic() + 60
    while time.monotonic() < until:
        if select.select([ours], [], [], 0.1)[0]:
            try:
                seen += os.read(ours, 4096)
            except OSError:  # the terminal is closed: the command has ended
                break
            if seen.count(b"[y/N]") > asked and waiting:
                asked += 1
                with contextlib.suppress(OSError):
                    os.write(ours, waiting.pop(0).encode() + b"\n")
    os.close(ours)
    return process.wait(10), seen.decode("utf-8", "replace")


def test_a_terminal_is_asked_about_terms(place: Path, catalog: str) -> None:
    code, seen = on_terminal("models", "pull", "mine", "--catalog", catalog, answers="n")
    assert code == 1
    assert "only be used under the Tiny Terms (https://example.org/terms)" in seen
    assert "were not accepted" in seen
    code, seen = on_terminal("models", "pull", "mine", "--catalog", catalog, answers="y")
    assert code == 0, seen
    assert (place / "cache" / "models" / "mine" / "a.gguf").is_file()
    code, seen = on_terminal("models", "rm", "mine", answers="n")
    assert (code, "Nothing was deleted" in seen) == (0, True)
    assert (place / "cache" / "models" / "mine").is_dir()


def test_a_terminal_is_offered_what_is_missing(place: Path) -> None:
    code, seen = on_terminal("generate", "smollm2-135m-instruct", "你好", answers="n")
    assert code == 2
    assert "not on this machine. Fetch it now (98.4 MB)?" in seen
    assert "autogpt models pull smollm2-135m-instruct" in seen
    code, seen = on_terminal("generate", "smollm2-135m-instruct", "你好", answers="y")
    assert code == 1  # neither the hub nor the index of this test has it
    assert "could not be fetched" in seen
    assert "Traceback" not in seen
    assert not list((place / "cache" / "models").glob("smollm2*"))


def test_a_question_can_be_left(place: Path) -> None:
    code, seen = on_terminal("models", "pull", "gemma3-270m", answers="\x04")  # end of input
    assert code == 130
    assert "Traceback" not in seen
    assert "gemma" in seen
    assert not (place / "cache" / "models" / "accepted.json").exists()
