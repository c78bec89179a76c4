"""Jobs: kept in SQLite, run as processes of their own, stopped, resumed, and found again."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from pathlib import Path

import pytest

from autogpt.core.errors import UsageError
from autogpt.studio import follow
from autogpt.studio.commands import Work
from autogpt.studio.jobs import Job, JobStore
from autogpt.studio.runner import Runner
from autogpt.studio.worker import Process
from autogpt.studio.workspace import Workspace, safe_name

CLASSIC = Path("src/autogpt/data/quickstart/lunyu.txt").resolve()
TINY = (
    *("--preset", "tiny"), *("--set", "model.hidden_size=32"),
    *("--set", "model.num_hidden_layers=1"), *("--set", "model.context_length=32"),
    *("--set", "training.batch_size=8"), *("--set", "kernels.compile=off"),
    *("--set", "kernels.attention=explicit"), *("--set", "training.checkpoint_every=20"),
)  # fmt: skip


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace.open(tmp_path / "runs")


@pytest.fixture
def store(workspace: Workspace) -> JobStore:
    return JobStore(workspace.database)


def wait(store: JobStore, job: Job, *states: str, timeout_s: float = 90) -> Job:
    end = time.monotonic() + timeout_s
    while (now := store.get(job.id)).state not in states:
        assert time.monotonic() < end, now
        time.sleep(0.05)
    return now


def plan_of_nothing(title: str = "a", *arguments: str) -> Work:
    """Work that ends at once: the version, or what is given."""
    return Work(kind="plan", title=title, command=arguments or ("--version",))


def test_a_job_is_kept(workspace: Workspace, store: JobStore):
    job = store.add("train", title="论语", request={"a": 1}, command=["train", "x"], run="runs/x")
    store.close()
    again = JobStore(workspace.database)
    assert again.get(job.id) == job
    assert again.get(job.id).to_dict()["title"] == "论语"
    with pytest.raises(UsageError, match="no job"):
        again.get("0" * 12)


def test_only_one_begins_a_job(workspace: Workspace, store: JobStore):
    job = store.add("task", title="t", request={}, command=[])
    stores = [JobStore(workspace.database) for _ in range(8)]
    won: list[Job] = []

    def begin(one: JobStore) -> None:
        mine = one.begin(job)
        if mine is not None:
            won.append(mine)

    threads = [threading.Thread(target=begin, args=(one,)) for one in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert won[0].attempt == 1


def test_states_change_only_as_they_may(store: JobStore):
    job = store.add("train", title="t", request={}, command=["train"])
    assert store.stopping(job) is None
    assert store.again(job, []) is None
    assert not store.remove(job)
    assert store.begin(job) is not None
    assert store.end(job, "done", exit_code=0, result={"x": 1}) is not None
    assert store.end(job, "failed") is None
    assert store.get(job.id).result == {"x": 1}
    assert store.remove(job)
    assert store.all() == []


def test_the_queue_runs_commands_and_tells_what_they_printed(workspace: Workspace, store: JobStore):
    with Runner(workspace, store) as runner:
        good = runner.submit(
            Work(kind="task", title="list", command=("models", "list", "--json")), {}
        )
        bad = runner.submit(
            Work(kind="task", title="bad", command=("generate", "no-such-model", "x", "--json")), {}
        )
        done = wait(store, good, "done")
        failed = wait(store, bad, "failed")
    assert done.result is not None
    assert "models" in done.result
    assert failed.error is not None
    assert "no-such-model" in failed.error["message"]
    assert failed.exit_code == 2


def test_a_queued_job_is_stopped_without_having_run(workspace: Workspace, store: JobStore):
    runner = Runner(workspace, store)
    job = runner.submit(plan_of_nothing(), {})
    assert runner.stop(job.id).state == "stopped"
    runner.look()
    assert store.get(job.id).attempt == 0
    assert runner.stop(job.id).state == "stopped"
    runner.resume(job.id)
    assert store.get(job.id).state == "queued"


def test_training_is_stopped_and_gone_on_with_by_another_server(
    workspace: Workspace, store: JobStore
):
    out = workspace.new_run("mine")
    command = (
        *("train", str(CLASSIC), "--out", str(out), *TINY),
        *("--set", "training.max_steps=700", "--json"),
    )
    work = Work(kind="train", title="mine", command=command, run=out)
    with Runner(workspace, store) as first:
        job = first.submit(work, {})
        end = time.monotonic() + 60
        while not follow.lines_after(out / "metrics.jsonl", 0)["entries"]:
            assert time.monotonic() < end
            time.sleep(0.05)
    assert store.get(job.id).state == "running"
    process = Process.read(workspace.job(job.id))
    assert process is not None
    assert process.alive  # the server is gone, the job is not

    with Runner(workspace, store) as second:
        second.stop(job.id)
        stopped = wait(store, job, "stopped")
        assert stopped.exit_code == 130
        assert stopped.can_resume
        resumed = second.resume(job.id)
        assert resumed.command[-1] == "--resume"
        done = wait(store, job, "done")
    assert done.result is not None
    assert done.result["steps"] == 700
    assert done.attempt == 2
    assert "going on after step" in follow.log(workspace.job(job.id))
    assert follow.progress(workspace.job(job.id)) is not None


def test_a_job_whose_processes_were_killed_is_interrupted(workspace: Workspace, store: JobStore):
    out = workspace.new_run("mine")
    command = ("train", str(CLASSIC), "--out", str(out), *TINY, "--budget", "10m", "--json")
    with Runner(workspace, store) as runner:
        job = runner.submit(Work(kind="train", title="mine", command=command, run=out), {})
        folder = workspace.job(job.id)
        end = time.monotonic() + 60
        while Process.read(folder) is None:
            assert time.monotonic() < end
            time.sleep(0.05)
        process = Process.read(folder)
        assert process is not None
        os.kill(int((folder / "worker").read_text()), signal.SIGKILL)
        process.signal(signal.SIGKILL)
        ended = wait(store, job, "interrupted")
    assert ended.error is not None
    assert ended.can_resume


def test_a_process_is_not_taken_for_a_later_one_of_its_number(tmp_path: Path):
    (tmp_path / "process.json").write_text(json.dumps({"pid": os.getpid(), "started_at": 1.0}))
    process = Process.read(tmp_path)
    assert process is not None
    assert not process.alive
    process.signal(signal.SIGKILL)  # which would end this test


def test_only_one_server_runs_the_queue(workspace: Workspace, store: JobStore):
    first, second = Runner(workspace, store), Runner(workspace, store)
    assert first._leads()
    assert not second._leads()
    with first:
        pass
    assert second._leads()
    with second:
        pass


def test_lines_come_as_they_are_written_and_again_after_a_cut(tmp_path: Path):
    path = tmp_path / "metrics.jsonl"
    assert follow.lines_after(path, 0) == {"entries": [], "offset": 0, "reset": False}
    path.write_text('{"step": 1}\n{"step": 2}\n{"st', encoding="utf-8")
    first = follow.lines_after(path, 0)
    assert first["entries"] == [{"step": 1}, {"step": 2}]
    with path.open("a") as file:
        file.write('ep": 3}\n')
    second = follow.lines_after(path, first["offset"])  # type: ignore[arg-type]
    assert second["entries"] == [{"step": 3}]
    path.write_text('{"step": 1}\n', encoding="utf-8")
    third = follow.lines_after(path, second["offset"])  # type: ignore[arg-type]
    assert third == {"entries": [{"step": 1}], "offset": 12, "reset": True}


def test_progress_is_the_last_that_was_said(tmp_path: Path):
    (tmp_path / "stderr").write_text(
        "reading\n  3%  step 10  loss 5.1  12K tokens/s  1m 20s left\nvalidation after step 12\n"
    )
    told = follow.progress(tmp_path)
    assert told == {"share": 0.03, "words": "step 10  loss 5.1  12K tokens/s", "left": "1m 20s"}


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("../../etc/passwd", "etc-passwd"), ("论语 1", "论语 1"), ("..", ""), (".hidden", "hidden"),
        ("a\x00b\n", "a-b"), ("-rf", "rf"), ("x" * 300, "x" * 80), ("C:\\temp", "C-temp"),
    ],
)  # fmt: skip
def test_names_are_made_safe(written: str, name: str):
    assert safe_name(written) == name


def test_no_name_leads_out_of_the_workspace(workspace: Workspace):
    for name in ("..", "../runs", ".studio", "/etc", "a/b", ""):
        with pytest.raises(UsageError):
            workspace.run(name)
        with pytest.raises(UsageError):
            workspace.job(name)
