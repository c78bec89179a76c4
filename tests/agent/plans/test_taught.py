"""Files for models that were taught a task: which goals are of the kind, and what comes of them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

import autogpt
from autogpt.agent.demands import outputs
from autogpt.agent.plans import best_template
from autogpt.agent.plans.base import Goal
from autogpt.agent.stand_ins import ScriptedModel
from autogpt.data.preprocessing import PictureConfig, SoundConfig
from autogpt.models.multimodal_files import Recognition
from autogpt.tasks.asking import Form
from tests.media import make_multimodal
from tests.server.serving import make_model

FILES = (
    *("calls/tone.wav", "scan.png", "letter.txt", "sales.csv"),
    *("models/writer/config.json", "models/seer/config.json", "models/listener/config.json"),
)


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("room")
    writer = make_model(root / "models/writer", context=256)
    form = Form(task="translate", prompts={"": "{text}"}, languages=(("en", "zh"),))
    (writer / "task.json").write_text(json.dumps(form.to_dict()))
    size = PictureConfig(height=8, width=8, channels=1, mean=(0.5,), std=(0.5,))
    make_multimodal(root / "models/seer", size, Recognition(task="recognize", labels=("cat", "狗")))
    sound = SoundConfig(sample_rate=8000, mels=16, seconds=2)
    make_multimodal(root / "models/listener", sound, Recognition(task="transcribe"))
    Image.fromarray(np.full((12, 9), 100, dtype=np.uint8)).save(root / "scan.png")
    (root / "calls").mkdir()
    tone = 0.3 * np.sin(2 * np.pi * 500 * np.arange(8000) / 8000)
    soundfile.write(root / "calls/tone.wav", tone, 8000)
    (root / "letter.txt").write_text("Call Ann on 3 March.\n")
    return root


@pytest.mark.parametrize(
    ("goal", "kind"),
    [
        ("Transcribe calls/tone.wav", "transcribe"),
        ("What is said in tone.wav?", "transcribe"),
        ("把 tone.wav 转写成 tone.txt", "transcribe"),
        ("Translate letter.txt into Chinese with models/writer", "translate"),
        ("用 models/writer 把 letter.txt 翻译成中文", "translate"),
        ("Translate letter.txt into Chinese", None),  # with which model?
        ("Translate letter.txt with models/writer", None),  # into what?
        ("Recognize scan.png with models/seer", "recognize"),
        ("用 models/seer 识别 scan.png", "recognize"),
        ("Recognize scan.png", None),
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
        ("Translate letter.txt into Chinese with models/writer", "Not in the translation: 3"),
        ("用 models/writer 把 letter.txt 翻译成中文", "译文里缺：3"),
        ("Translate letter.txt into Chinese with models/writer as out.txt", "Written to out.txt"),
        ("Recognize scan.png with models/seer and write it to seen.csv", "seen.csv"),
        ("用 models/seer 识别 scan.png", "%"),
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
    run = agent.run("Recognize scan.png with models/seer and frame it")
    assert any("frame" in check.detail for check in run.checks if not check.passed)


def test_a_model_that_cannot_is_said_to_be_the_reason(room: Path) -> None:
    agent = autogpt.Agent(ScriptedModel(), root=room, journal=room / "runs.sqlite")
    run = agent.run("Transcribe tone.wav with models/seer")
    assert run.state == "failed"
    assert "listen" in run.answer
