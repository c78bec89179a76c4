"""Trackers: refused in a sentence where they are not there, mirrors where they are."""

from __future__ import annotations

import importlib.util
import json
import sqlite3
from pathlib import Path

import pytest

from autogpt.core.errors import MissingExtraError, UsageError
from autogpt.training import tracking
from autogpt.training.record import Entry
from autogpt.training.tracking import TOOLS, Trackers

SETTINGS = {"seed": 0, "training": {"lr": 0.01, "budget": "10m"}}
ENTRY = Entry(kind="train", step=3, tokens=30, elapsed_s=1.5, loss=2.5, learning_rate=0.01)
LOOK = Entry(kind="validation", step=4, tokens=40, elapsed_s=2.0, loss=2.0, bits_per_byte=1.5)


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))
    for name in ("WANDB_MODE", "WANDB_API_KEY", "MLFLOW_TRACKING_URI", "TRACKIO_SPACE_ID"):
        monkeypatch.delenv(name, raising=False)


def followed(name: str, run: Path) -> list[str]:
    said: list[str] = []
    run.mkdir(exist_ok=True)
    with Trackers([name], run=run, settings=SETTINGS, say=said.append) as trackers:
        trackers.log(ENTRY)
        trackers.log(LOOK)
    return said


def test_unknown_tools_are_refused():
    with pytest.raises(UsageError, match="'neptune' is unknown") as error:
        tracking.check(["neptune"])
    assert "wandb" in error.value.hint


def test_tensorboard_is_always_there(tmp_path: Path):
    assert followed("tensorboard", tmp_path / "run") == []
    assert not (tmp_path / "run" / "tracking.json").exists()


@pytest.mark.parametrize("name", TOOLS[1:])
def test_missing_tools_name_their_extra(name: str, tmp_path: Path):
    if importlib.util.find_spec(name) is not None:
        pytest.skip(f"{name} is installed")
    (tmp_path / name).mkdir()  # as the tool leaves it behind
    with pytest.raises(MissingExtraError, match=name) as error:
        tracking.check([name])
    assert f"autogpt-transformer[{name}]" in error.value.hint


class Broken:
    """A tool that fails at the first entry."""

    place = "nowhere"

    def __init__(self, *_: object) -> None:
        self.asked = 0

    def log(self, entry: Entry) -> None:
        raise ConnectionError(f"no server at step {entry.step}")

    def close(self, *, finished: bool) -> None:
        raise AssertionError(finished)


def test_a_tool_that_fails_is_left_out_and_the_run_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(tracking._OPENERS, "json", Broken)  # type: ignore[arg-type,index]
    monkeypatch.setattr(tracking, "TOOLS", (*TOOLS, "json"))
    assert followed("json", tmp_path) == [
        "json: nowhere",
        "json failed and is left out: ConnectionError: no server at step 3",
    ]


@pytest.mark.filterwarnings("ignore")  # of its own dependencies
def test_mlflow_keeps_a_run_in_its_local_database(tmp_path: Path):
    pytest.importorskip("mlflow")
    pytest.importorskip("alembic")
    for _ in range(2):  # the second time it is resumed
        assert "sqlite:///" in followed("mlflow", tmp_path / "run")[0]
    with sqlite3.connect(tmp_path / "mlflow.db") as database:
        (runs,) = database.execute("select count(*) from runs").fetchone()
        metrics = database.execute("select distinct key, value, step from metrics").fetchall()
        params = database.execute("select key, value from params").fetchall()
    assert runs == 1
    assert {("loss/train", 2.5, 3), ("bits_per_byte/validation", 1.5, 4)} <= set(metrics)
    assert ("training.lr", "0.01") in params


def test_trackio_keeps_a_run_in_its_local_database(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    pytest.importorskip("trackio")
    assert "trackio show" in followed("trackio", tmp_path / "run")[0]
    assert capsys.readouterr().out == ""
    with sqlite3.connect(tmp_path / "trackio" / "autogpt.db") as database:
        rows = database.execute("select step, metrics from metrics").fetchall()
    assert (3, {"loss/train": 2.5, "learning_rate": 0.01}) in [(s, json.loads(m)) for s, m in rows]


def test_wandb_is_offline_unless_it_was_set_up(tmp_path: Path):
    pytest.importorskip("wandb")
    (said,) = followed("wandb", tmp_path / "run")
    assert "offline in" in said
    assert list((tmp_path / "wandb").glob("offline-run-*/*.wandb"))
