"""Tools of models that were taught a task, with tiny models: what they do, and what they refuse."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from autogpt.agent.stand_ins import ScriptedModel
from autogpt.agent.tools.base import Result, Tool
from autogpt.agent.tools.folder import Folder
from autogpt.agent.tools.toolkit import toolkit_tools
from autogpt.core.refs import is_missing
from tests.agent.worlds import make_taught
from tests.server.serving import until


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_taught(tmp_path_factory.mktemp("room"))


@pytest.fixture(scope="module")
def tools(root: Path) -> dict[str, Tool]:
    return {one.name: one for one in toolkit_tools(Folder(root), ScriptedModel())}


def _plain(result: Result) -> Result:
    """A result is kept in the journal, so it must be JSON."""
    json.dumps(result.value)
    return result


def test_a_picture_gets_a_label(tools: dict[str, Tool]) -> None:
    result = _plain(tools["recognize_file"].call({"path": "图.png", "model": "models/seer"}))
    assert result.ok, result.value
    assert result.value["label"] in ("bird", "cat", "狗")
    assert sum(result.value["probabilities"].values()) == pytest.approx(1, abs=1e-3)


def test_a_sound_is_written_down(tools: dict[str, Tool]) -> None:
    result = _plain(tools["transcribe_file"].call({"path": "tone.wav", "model": "models/listener"}))
    assert result.ok, result.value
    assert isinstance(result.value["text"], str)
    assert all(one["end_s"] <= 1.0 for one in result.value["segments"])


def test_a_text_is_translated(tools: dict[str, Tool], root: Path) -> None:
    asked = {"path": "note.txt", "to": "zh", "model": "models/writer", "out": "out/译文.txt"}
    result = _plain(tools["translate_file"].call(asked))
    assert result.ok, result.value
    assert result.value["path"] == "out/译文.txt"
    assert (root / "out/译文.txt").is_file()
    # A model of random weights does not say when to call Ann, and the result says so.
    assert "Call Ann on 3 March." in result.value["doubtful"]
    assert "3" in result.value["lost"]


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("recognize_file", {"path": "图.png", "model": "models/listener"}, "recognize"),
        ("recognize_file", {"path": "图.png", "model": "models/writer"}, "recognize"),
        ("recognize_file", {"path": "note.txt", "model": "models/seer"}, "note.txt"),
        ("recognize_file", {"path": "none.png", "model": "models/seer"}, "none.png"),
        ("transcribe_file", {"path": "tone.wav", "model": "models/seer"}, "listen"),
        ("transcribe_file", {"path": "note.txt", "model": "models/listener"}, "note.txt"),
        ("transcribe_file", {"path": "none.wav", "model": "models/listener"}, "none.wav"),
        ("translate_text", {"text": "a", "to": "zh", "model": "models/seer"}, "models/seer"),
        ("translate_text", {"text": "Hello.", "to": "??", "model": "models/writer"}, "??"),
        ("translate_text", {"text": "Hello.", "to": "fr", "model": "models/writer"}, "French"),
    ],
)
def test_what_does_not_fit_is_refused_in_a_sentence(
    tools: dict[str, Tool], root: Path, name: str, arguments: dict[str, str], said: str
) -> None:
    result = _plain(tools[name].call(arguments))
    assert not result.ok
    assert said in result.value
    assert str(root) not in result.value  # where the folder is says nothing to the user's goal
    assert "Error:" not in result.value  # the name of an exception


def test_a_model_is_served_until_the_run_ends(tools: dict[str, Tool]) -> None:
    serve = tools["serve_model"]
    try:
        result = _plain(serve.call({"model": "models/writer"}))
        assert result.ok, result.value
        assert serve.call({"model": "models/writer"}).value == result.value  # the same one
        address, name = result.value["address"], result.value["name"]
        body = json.dumps({"model": name, "prompt": "Shall I", "max_tokens": 4}).encode()
        asked = urllib.request.Request(
            f"{address}/completions", body, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(asked, timeout=60) as answer:
            assert json.loads(answer.read())["usage"]["completion_tokens"] > 0
        assert serve.reconcile is not None
        assert serve.reconcile(model="models/writer") == result.value
    finally:
        assert serve.close is not None
        serve.close()
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(f"{address}/models", timeout=5)
    assert serve.reconcile(model="models/writer") is None


AGENT = """
import sys, time
from autogpt.agent.stand_ins import ScriptedModel
from autogpt.agent.tools.folder import Folder
from autogpt.agent.tools.toolkit import toolkit_tools

tools = {one.name: one for one in toolkit_tools(Folder(sys.argv[1]), ScriptedModel())}
print(tools["serve_model"].call({"model": "models/writer"}).value["address"], flush=True)
time.sleep(600)
"""


def test_a_server_does_not_outlive_an_agent_that_is_killed(root: Path) -> None:
    agent = subprocess.Popen(
        [sys.executable, "-c", AGENT, str(root)], stdout=subprocess.PIPE, text=True
    )
    assert agent.stdout is not None
    with agent, agent.stdout:
        address = agent.stdout.readline().strip()
        urllib.request.urlopen(f"{address}/models", timeout=60).close()
        os.kill(agent.pid, signal.SIGKILL)

    def gone() -> bool:
        try:
            urllib.request.urlopen(f"{address}/models", timeout=5).close()
        except OSError:
            return True
        return False

    assert until(gone, seconds=30)


def test_a_model_that_cannot_be_served_says_why(tools: dict[str, Tool], root: Path) -> None:
    (root / "models/broken").mkdir()
    (root / "models/broken/config.json").write_text("{")
    result = _plain(tools["serve_model"].call({"model": "models/broken"}))
    assert not result.ok
    assert "'models/broken' could not be served: " in result.value
    assert "it ended" not in result.value


@pytest.mark.skipif(is_missing("whisper-base"), reason="whisper-base has not been pulled")
def test_whisper_listens_to_nothing(tools: dict[str, Tool]) -> None:
    result = _plain(tools["transcribe_file"].call({"path": "tone.wav"}))
    assert result.ok, result.value
