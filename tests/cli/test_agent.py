"""The verb agent: states, JSON, exit codes, runs and memory."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from autogpt.agent.promotion import model_in_use, use
from tests.agent.worlds import make_journal, make_world
from tests.cli.commands import run
from tests.llm.test_model import make_run


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("agent")
    make_world(folder / "world")
    make_run(folder / "model")
    return folder


def ask(place: Path, *words: str) -> tuple[int, str, str]:
    flags = ["--root", str(place / "world"), "--model", str(place / "model")]
    done = run("agent", *words, *flags, "--journal", str(place / "j.sqlite"))
    return done.returncode, done.stdout, done.stderr


def test_a_goal(place: Path) -> None:
    code, out, _ = ask(place, "What is the total amount in sales.csv?", "--json")
    found = json.loads(out)
    assert code == 0
    assert (found["state"], found["answer"]) == ("verified", "60")
    assert {"checks", "steps", "usage", "run"} <= set(found)
    code, out, err = ask(place, "哪个文件提到了锅炉？")
    assert (code, out) == (0, "notes/b.txt\n")
    assert "verified" in err


def test_what_is_not_allowed_fails(place: Path) -> None:
    code, out, _ = ask(place, "Convert sales.csv to sales.jsonl", "--json")
    assert code == 1
    assert json.loads(out)["state"] == "failed"
    assert not (place / "world/sales.jsonl").exists()
    code, out, _ = ask(place, "What is 1+1?", "--limit", "steps=0", "--json")
    assert (code, json.loads(out)["state"]) == (1, "out_of_budget")


def test_runs_and_memory(place: Path) -> None:
    ask(place, "What is 6*7?")
    journal = ("--journal", str(place / "j.sqlite"))
    rows = [
        json.loads(line) for line in run("agent", "runs", *journal, "--json").stdout.splitlines()
    ]
    assert rows[-1]["goal"] == "What is 6*7?"
    again = run("agent", "resume", rows[-1]["run"], *journal, "--json")
    assert json.loads(again.stdout)["answer"] == "42"
    added = run("agent", "memory", "add", "The boiler is new.", *journal)
    assert "The boiler is new." in added.stdout
    assert "boiler" in run("agent", "memory", "find", "boiler", *journal).stdout


def test_a_model_is_promoted_and_thinks_from_then_on(place: Path, tmp_path: Path) -> None:
    make_journal(place / "world", tmp_path / "j.sqlite")
    use(tmp_path, str(place / "model"))
    shutil.copytree(place / "model", tmp_path / "caller")
    flags = ("--journal", str(tmp_path / "j.sqlite"), "--json")
    found = json.loads(run("agent", "promote", str(tmp_path / "caller"), *flags).stdout)
    assert found["promoted"]  # the same weights have as much right
    assert found["candidate"]["runs_asked"] > 0
    assert model_in_use(tmp_path) == str(tmp_path / "caller")
    done = run("agent", "What is 6*7?", "--root", str(place / "world"), *flags)
    assert json.loads(done.stdout)["answer"] == "42"


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ([], "no goal"),
        (["x", "--limit", "joy=3"], "--limit"),
        (["x", "--yes", "fly"], "--yes"),
        (["x", "--check", "magic"], "--check"),
        (["resume", "none"], "no run"),
        (["promote"], "promote takes one model"),
        (["promote", "no/such/folder"], "no/such/folder"),
        (["x", "--root", "/no/such"], "--root"),
    ],
)
def test_wrong_usage(place: Path, words: list[str], problem: str) -> None:
    done = run("agent", *words, "--model", str(place / "model"), "--journal", str(place / "j2"))
    assert done.returncode == 2
    assert problem in done.stderr
    assert "Traceback" not in done.stderr
