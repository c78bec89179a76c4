"""The journal: append-only, replayed, and right after kill -9 at every one of its points."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from autogpt.agent.errors import AmbiguousError, BusyError, DivergedError
from autogpt.agent.journal import Journal
from autogpt.core.errors import ResourceError, UsageError

# A run of four calls, of every kind; an effect is a line in a file that must be there once.
WORKER = """
import json, os, signal, sys
from pathlib import Path
from autogpt.agent.journal import Journal

folder, run, kill_at = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
points = 0

def at_point(name):
    global points
    points += 1
    if points == kill_at:
        os.kill(os.getpid(), signal.SIGKILL)

def effect(name, crash_inside=False):
    with (folder / "effects.txt").open("a") as file:
        file.write(name + "\\n")
        file.flush()
        os.fsync(file.fileno())
    at_point("inside " + name)
    return {"ok": True, "value": name}

def happened(name):
    path = folder / "effects.txt"
    return {"ok": True, "value": name} if path.exists() and name in path.read_text() else None

journal = Journal(folder / "journal.sqlite", at_point=at_point)
log = journal.begin("a goal") if run == "new" else journal.open(run)
(folder / "run").write_text(log.run)
answer = log.act("model", "k1", "read", lambda: {"text": "hello"})
log.act("tool", "k2", "effect", lambda: effect("sent"), reconcile=lambda: happened("sent"))
log.once("survey", "k3", lambda: {"files": 3})
log.act("tool", "k4", "effect", lambda: effect("paid"), reconcile=lambda: happened("paid"))
log.act("tool", "k5", "idempotent", lambda: {"ok": True, "value": "written"})
log.finish({"state": "verified"})
print(json.dumps({"points": points}))
"""


def work(folder: Path, run: str, kill_at: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", WORKER, str(folder), run, str(kill_at)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_kill_9_at_every_point_then_resume_without_a_duplicate_effect(tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    whole.mkdir()
    points = json.loads(work(whole, "new", 0).stdout)["points"]
    assert points >= 20
    for kill_at in range(1, points + 1):
        folder = tmp_path / str(kill_at)
        folder.mkdir()
        died = work(folder, "new", kill_at)
        assert died.returncode == -signal.SIGKILL
        run = (folder / "run").read_text()
        ended = work(folder, run, 0)
        assert ended.returncode == 0, ended.stderr
        assert (folder / "effects.txt").read_text() == "sent\npaid\n", kill_at
        journal = Journal(folder / "journal.sqlite")
        assert journal.row(run).state == "verified"
        kinds = [entry.kind for entry in journal.entries(run)]
        assert kinds.count("finish") == 1
        journal.close()


def test_what_is_recorded_is_not_done_again(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j.sqlite")
    log = journal.begin("ein Ziel 目标", {"seed": 1})
    assert log.act("tool", "k", "effect", lambda: {"n": 1}) == {"n": 1}
    again = journal.open(log.run)
    assert again.replays
    assert again.act("tool", "k", "effect", lambda: pytest.fail("done twice")) == {"n": 1}
    assert not again.replays
    row = journal.row(log.run)
    assert (row.goal, row.settings, row.state) == ("ein Ziel 目标", {"seed": 1}, None)
    journal.close()


def interrupted(journal: Journal) -> str:
    """Return a run that stopped between the intent and the result of an effect."""
    log = journal.begin("g")

    def die() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        log.act("tool", "k", "effect", die)
    return log.run


def test_an_ambiguous_effect_is_asked_about_and_never_repeated_blindly(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j.sqlite")
    run = interrupted(journal)
    never = lambda: pytest.fail("repeated")  # noqa: E731
    with pytest.raises(AmbiguousError, match="not known whether it happened"):
        journal.open(run).act("tool", "k", "effect", never)

    def unknown() -> None:
        raise LookupError

    with pytest.raises(AmbiguousError):
        journal.open(run).act("tool", "k", "effect", never, reconcile=unknown, ask=lambda: None)
    done = journal.open(run).act("tool", "k", "effect", never, ask=lambda: True)
    assert done["ok"]
    other = interrupted(journal)
    assert journal.open(other).act("tool", "k", "effect", lambda: 7, ask=lambda: False) == 7
    journal.close()


def test_another_course_is_an_error(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j.sqlite")
    log = journal.begin("g")
    log.once("survey", "k", lambda: 1)
    with pytest.raises(DivergedError, match="asks for note survey in place 0"):
        journal.open(log.run).once("survey", "other", lambda: 1)
    journal.close()


def test_two_processes_on_one_run(tmp_path: Path) -> None:
    journal, other = Journal(tmp_path / "j.sqlite"), Journal(tmp_path / "j.sqlite")
    log = journal.begin("g")
    twin = other.open(log.run)
    log.once("survey", "k", lambda: 1)
    with pytest.raises(BusyError, match="Another process"):
        twin.act("tool", "k", "effect", lambda: pytest.fail("both did it"))
    journal.close()
    other.close()


def test_entries_cannot_be_changed(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j.sqlite")
    journal.begin("g").once("survey", "k", lambda: 1)
    for statement in ("UPDATE entries SET payload = '2'", "DELETE FROM entries"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            journal.database.execute(statement)
    journal.close()


def test_what_is_wrong_is_said_in_a_sentence(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j.sqlite")
    with pytest.raises(UsageError, match="no run 'x'"):
        journal.open("x")
    journal.close()
    (tmp_path / "bad").write_text("this is no database, and long enough to be seen as none " * 9)
    with pytest.raises(ResourceError, match="cannot be used"):
        Journal(tmp_path / "bad")
    assert os.getpid()
