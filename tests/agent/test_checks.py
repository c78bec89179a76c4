"""Checks say what is so, whatever was claimed."""

from __future__ import annotations

from pathlib import Path

import pytest

from autogpt.agent.checks import (
    Checked,
    FileParses,
    Grounded,
    Metric,
    Quote,
    Same,
    Scene,
    Schema,
    alike,
    judge,
    run_checks,
)
from autogpt.agent.demands import demanded, outputs, parse_check
from autogpt.agent.tools.folder import Folder
from autogpt.core.errors import UsageError


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    files = {
        "good.json": '{"a": 1}',
        "bad.json": "{'a': 1",
        "good.csv": "a,b\n1,2\n",
        "ragged.csv": "a,b\n1\n",
        "empty.txt": " \n",
        "lines.jsonl": '{"label": "x"}\n{"label": "y"}\n',
        "notes.txt": "The boiler was\n repaired on Monday. 锅炉已修好。",
        "bomb.xml": '<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>',
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    measured = {("runs/a", "accuracy"): 0.83}
    return Scene(folder=Folder(tmp_path), answer='{"total": 3}', measured=measured)


@pytest.mark.parametrize(
    ("check", "passes"),
    [
        (FileParses(path="good.json"), True),
        (FileParses(path="bad.json"), False),
        (FileParses(path="good.csv"), True),
        (FileParses(path="ragged.csv"), False),
        (FileParses(path="empty.txt"), False),
        (FileParses(path="bomb.xml"), False),
        (FileParses(path="none.txt"), False),
        (FileParses(path="../good.json"), False),
        (Metric(name="accuracy", at_least=0.8), True),
        (Metric(name="accuracy", at_least=0.9), False),
        (Metric(name="accuracy", at_least=0.8, model="runs/b"), False),
        (Metric(name="macro_f1", at_least=0.1), False),
        (Schema(schema={"type": "object", "required": ["total"]}), True),
        (Schema(schema={"type": "object", "required": ["sum"]}), False),
        (Schema(schema={"properties": {"label": {"enum": ["x", "y"]}}}, path="lines.jsonl"), True),
        (Schema(schema={"properties": {"label": {"enum": ["x"]}}}, path="lines.jsonl"), False),
        (Quote(quote="boiler was repaired", path="notes.txt"), True),
        (Quote(quote="锅炉已修好", path="notes.txt"), True),
        (Quote(quote="boiler was replaced", path="notes.txt"), False),
        (Quote(quote=" ", path="notes.txt"), False),
        (Same(what="x", claimed=3.0, again=lambda _folder: 3), True),
        (Same(what="x", claimed=4, again=lambda _folder: 3), False),
        (Same(what="x", claimed=4, again=lambda _folder: 1 // 0), False),
        (Grounded(slots={"file": None}), True),
        (Grounded(slots={"file": "sales.csv"}), False),
    ],
)
def test_checks(scene: Scene, check: object, passes: bool) -> None:
    assert run_checks([check], scene)[0].passed is passes  # type: ignore[list-item]


def test_verified_needs_a_check_that_speaks_for_the_goal_and_none_that_failed() -> None:
    speaks = Checked(name="a", passed=True, detail="")
    aside = Checked(name="b", passed=True, detail="", speaks=False)
    failed = Checked(name="c", passed=False, detail="", speaks=False)
    assert judge([speaks, aside]) == "verified"
    assert judge([aside]) == judge([]) == judge([speaks, failed]) == "unverified"


@pytest.mark.parametrize(
    ("goal", "paths"),
    [
        ("Write the total to out/total.txt.", ["out/total.txt"]),
        ("Convert a.csv to b.jsonl", ["b.jsonl"]),
        ("Count the rows of a.csv and save it as `n.json`", ["n.json"]),
        ("统计a.csv的行数，写入结果/行数.txt。", ["结果/行数.txt"]),
        ("把a.csv转换为b.jsonl", ["b.jsonl"]),
        ("What is in a.csv?", []),
        ("Write the total by region in sales.csv to totals.csv", ["totals.csv"]),
        ("Save the rows of a.csv in b.csv", ["b.csv"]),
        ("Write down how many rows are in a.csv", []),
    ],
)
def test_files_that_a_goal_wants_written(goal: str, paths: list[str]) -> None:
    assert outputs(goal) == paths


def test_a_file_that_was_there_before_must_have_changed(tmp_path: Path) -> None:
    (tmp_path / "out.txt").write_text("old")
    folder = Folder(tmp_path)
    checks = demanded("Write it to out.txt, with at least 85% accuracy.", folder)
    scene = Scene(folder=folder, answer="", measured={("m", "accuracy"): 0.86})
    assert [one.passed for one in run_checks(checks, scene)] == [False, True]
    (tmp_path / "out.txt").write_text("new")
    assert [one.passed for one in run_checks(checks, scene)] == [True, True]


def test_a_metric_in_chinese(tmp_path: Path) -> None:
    checks = demanded("训练一个分类器，准确率至少85%", Folder(tmp_path))
    assert checks == [Metric(name="accuracy", at_least=0.85)]


def test_checks_of_the_command_line() -> None:
    assert parse_check("file:out.json") == FileParses(path="out.json")
    assert parse_check("metric:accuracy>=0.8") == Metric(name="accuracy", at_least=0.8)
    assert parse_check("quote:a.txt=x=y") == Quote(path="a.txt", quote="x=y")
    for wrong in ("", "file:", "metric:accuracy", "metric:a>=b", "schema:x={", "magic:x"):
        with pytest.raises(UsageError, match="--check"):
            parse_check(wrong)


def test_alike() -> None:
    assert alike(0.1 + 0.2, 0.3)
    assert alike([1, {"a": 2.0}], [1.0, {"a": 2}])
    assert not alike(True, 1)
    assert not alike("1", 1)
