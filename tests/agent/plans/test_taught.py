"""Files for models that were taught a task: which goals are of the kind, and what comes of them."""

from __future__ import annotations

from pathlib import Path

import pytest

import autogpt
from autogpt.agent.demands import outputs
from autogpt.agent.plans import best_template
from autogpt.agent.plans.base import Goal
from autogpt.agent.stand_ins import ScriptedModel
from tests.agent.worlds import make_taught

FILES = (
    *("tone.wav", "图.png", "note.txt", "sales.csv"),
    *("models/writer/config.json", "models/seer/config.json", "models/listener/config.json"),
)


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_taught(tmp_path_factory.mktemp("room"))


@pytest.mark.parametrize(
    ("goal", "kind"),
    [
        ("Transcribe tone.wav", "transcribe"),
        ("What is said in tone.wav?", "transcribe"),
        ("把 tone.wav 转写成 tone.txt", "transcribe"),
        ("Translate note.txt into Chinese with models/writer", "translate"),
        ("用 models/writer 把 note.txt 翻译成中文", "translate"),
        ("Translate note.txt into Chinese", None),  # with which model?
        ("Translate note.txt with models/writer", None),  # into what?
        ("Recognize 图.png with models/seer", "recognize"),
        ("用 models/seer 识别 图.png", "recognize"),
        ("Recognize 图.png", None),
        ("What is the total amount in sales.csv?", "table"),
    ],
)
def test_goals_are_told_apart(goal: str, kind: str | None) -> None:
    columns = {"sales.csv": ("region", "amount")}
    template = best_template(Goal(text=goal, files=FILES, columns=columns))
    assert (template.name if template else None) == kind


def test_files_that_are_to_be_written_are_known() -> None:
    assert outputs("Transcribe tone.wav to tone.txt") == ["tone.txt"]
    assert outputs("Translate a.txt into Chinese as b.txt") == ["b.txt"]
    assert outputs("把 tone.wav 转写成 notes/tone.txt") == ["notes/tone.txt"]


@pytest.mark.parametrize(
    ("goal", "said"),
    [
        ("Transcribe tone.wav with models/listener", "nobody held it against the sound"),
        ("用 models/listener 把 tone.wav 转写成 tone.txt", "没有人对照过录音"),
        ("Translate note.txt into Chinese with models/writer", "Not in the translation: 3"),
        ("用 models/writer 把 note.txt 翻译成中文", "译文里缺：3"),
        ("Translate note.txt into Chinese with models/writer as out.txt", "Written to out.txt"),
        ("Recognize 图.png with models/seer and write it to seen.csv", "seen.csv"),
        ("用 models/seer 识别 图.png", "%"),
    ],
)
def test_what_a_model_made_is_told_and_never_called_verified(
    room: Path, goal: str, said: str
) -> None:
    allowed = ("write_file", "translate_file")
    agent = autogpt.Agent(ScriptedModel(), root=room, journal=room / "runs.sqlite", yes=allowed)
    run = agent.run(goal)
    assert said in run.answer
    assert run.state == "unverified"
    parts = [check for check in run.checks if check.name == "every part of the goal was checked"]
    assert all(check.passed for check in parts), [check.detail for check in parts]
    for path in outputs(goal):
        assert (room / path).is_file()


def test_a_part_that_is_not_done_is_named(room: Path) -> None:
    agent = autogpt.Agent(ScriptedModel(), root=room, journal=room / "runs.sqlite")
    run = agent.run("Recognize 图.png with models/seer and frame it")
    assert any("frame" in check.detail for check in run.checks if not check.passed)


def test_a_model_that_cannot_is_said_to_be_the_reason(room: Path) -> None:
    agent = autogpt.Agent(ScriptedModel(), root=room, journal=room / "runs.sqlite")
    run = agent.run("Transcribe tone.wav with models/seer")
    assert run.state == "failed"
    assert "listen" in run.answer
