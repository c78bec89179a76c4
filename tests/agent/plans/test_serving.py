"""A model is served because the goal names it, and verified because it answered."""

from __future__ import annotations

from pathlib import Path

import pytest

import autogpt
from autogpt.agent.checks import Scene
from autogpt.agent.plans import best_template
from autogpt.agent.plans.arithmetic import expression
from autogpt.agent.plans.base import Goal
from autogpt.agent.plans.serving import Answers
from autogpt.agent.stand_ins import ScriptedModel
from autogpt.agent.tools.folder import Folder
from tests.server.serving import make_model

FILES = ("models/writer/config.json", "models/run/model/config.json", "notes.txt")


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("room")
    make_model(folder / "models/writer", context=256)
    return folder


@pytest.mark.parametrize(
    ("goal", "kind"),
    [
        ("Serve smollm2-135m-instruct", "serve"),
        ("Start a server with models/writer", "serve"),
        ("Deploy models/run", "serve"),
        ("把 smollm2-135m-instruct 部署成服务", "serve"),
        ("Does any note mention the server?", "mentions"),
    ],
)
def test_goals_about_serving_are_told_apart(goal: str, kind: str) -> None:
    template = best_template(Goal(text=goal, files=FILES))
    assert template is not None
    assert template.name == kind


def test_nothing_is_served_that_the_goal_does_not_name() -> None:
    assert best_template(Goal(text="Serve the best model", files=FILES)) is None
    assert best_template(Goal(text="Serve models/writer-2", files=FILES)) is None


@pytest.mark.parametrize(
    ("goal", "said", "state"),
    [
        ("Serve models/writer", "that server ends with this run", "verified"),
        ("把 models/writer 部署成服务", "服务随本次运行结束", "verified"),
        ("Serve models/writer on port 8123", "ends with this run", "unverified"),
    ],
)
def test_a_served_model_has_answered(room: Path, goal: str, said: str, state: str) -> None:
    agent = autogpt.Agent(
        ScriptedModel(), root=room, journal=room / "runs.sqlite", yes=("serve_model",)
    )
    run = agent.run(goal)
    assert said in run.answer
    assert run.state == state
    assert any(check.passed and "answers at" in check.name for check in run.checks)


def test_a_server_that_is_not_there_answers_nothing(tmp_path: Path) -> None:
    scene = Scene(folder=Folder(tmp_path), answer="", measured={})
    assert not Answers(address="http://127.0.0.1:9/v1", model="writer").run(scene).passed


def test_the_digits_of_a_name_are_no_numbers() -> None:
    assert expression("Serve smollm2-135m-instruct") is None
    assert expression("What is 2-135?") == "2-135"
