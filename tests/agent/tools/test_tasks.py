"""Tools of models that were taught a task, and what labelling may take."""

from __future__ import annotations

from pathlib import Path

import pytest

from autogpt.agent.stand_ins import ScriptedModel
from autogpt.agent.tools.base import Tool
from autogpt.agent.tools.folder import Folder
from autogpt.agent.tools.toolkit import toolkit_tools


@pytest.fixture
def tools(tmp_path: Path) -> dict[str, Tool]:
    (tmp_path / "笔记.csv").write_text("text\n" + "锅炉坏了\n" * 10, "utf-8")
    return {one.name: one for one in toolkit_tools(Folder(tmp_path), ScriptedModel())}


def test_they_say_what_they_change_and_where(tools: dict[str, Tool]) -> None:
    assert tools["serve_model"].effect == "effect"
    assert tools["serve_model"].aims == ("model",)
    assert tools["translate_file"].effect == "idempotent"
    assert tools["translate_file"].aims == ("out",)
    for name in ("translate_text", "transcribe_file", "recognize_file"):
        assert tools[name].effect == "read"


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("serve_model", {"model": "../outside"}),
        ("serve_model", {"model": "hf:org/name"}),
        ("translate_text", {"text": "Hello", "to": "zh", "model": "models/none"}),
        ("transcribe_file", {"path": "../a.wav", "model": "models/none"}),
        ("recognize_file", {"path": "a.png", "model": "models/none"}),
    ],
)
def test_a_model_that_is_not_here_is_refused(
    tools: dict[str, Tool], name: str, arguments: dict[str, str]
) -> None:
    result = tools[name].call(arguments)
    assert not result.ok
    assert result.value


def test_labelling_is_reserved_before_it_is_begun(tools: dict[str, Tool]) -> None:
    arguments = {"path": "笔记.csv", "column": "text", "labels": ["坏", "好"]}
    cost = tools["label_rows"].reserve(arguments)
    assert cost.tokens >= 10 * (len("锅炉坏了") + 2)
    assert tools["label_rows"].reserve({**arguments, "model": "models/own"}).tokens == 0
    assert tools["label_rows"].reserve({**arguments, "path": "none.csv"}).tokens == 0
    assert tools["translate_text"].reserve({"text": "锅炉" * 100}).tokens >= 600
