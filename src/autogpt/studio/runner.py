"""Runs the queue: starts what is next, sees what has ended, stops what is to stop.

One look every half second, from a thread of the server. Everything it knows is in the database and
in files, so a server that was restarted, even killed, goes on where the last one was. Of several
servers in one folder, one holds the lock and runs the queue; another takes over when it is gone.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import shutil
import signal
import threading
from pathlib import Path

from autogpt.core.errors import UsageError
from autogpt.core.i18n import text
from autogpt.studio import follow, worker
from autogpt.studio.commands import Work
from autogpt.studio.jobs import Job, JobStore, Kind
from autogpt.studio.worker import END, Process
from autogpt.studio.workspace import Workspace

__all__ = ["Runner"]

_logger = logging.getLogger(__name__)

_LOOK_EVERY_S = 0.5
_LANES: dict[Kind, str] = {
    "plan": "plan",
    "pull": "pull",
    "inspect": "plan",
}  # of the others one at a time
_RESUMABLE = ("train", "finetune")
_STOPPED = 130


class Runner:
    """The queue of one workspace. A context manager: the thread runs while it is open.

    Args:
        workspace: Where jobs and runs are.
        store: The jobs.
    """

    def __init__(self, workspace: Workspace, store: JobStore) -> None:
        self._workspace, self.store = workspace, store
        self._lock_file: int | None = None
        self._wake, self._ending = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Runner:
        """Begin to look after the queue."""
        self._thread = threading.Thread(target=self._run, name="studio jobs", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Let go of the queue; what runs goes on."""
        self._ending.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join()
        if self._lock_file is not None:
            os.close(self._lock_file)
            self._lock_file = None

    def submit(self, wanted: Work, request: dict[str, object]) -> Job:
        """Put work into the queue."""
        job = self.store.add(
            wanted.kind,
            title=wanted.title,
            request=request,
            command=wanted.command,
            run=str(wanted.run) if wanted.run else None,
        )
        self._wake.set()
        return job

    def stop(self, job_id: str) -> Job:
        """Ask a job to stop: like Ctrl-C the first time, at once the second; one that ended has.

        Raises:
            UsageError: If there is no such job.
        """
        job = self.store.get(job_id)
        if job.state == "queued":
            ended = self.store.end(job, "stopped")
            if ended is not None:
                return ended
            job = self.store.get(job_id)
        if job.has_ended:
            return job
        process = Process.read(self._workspace.job(job.id))
        if process is not None:
            process.signal(signal.SIGKILL if job.state == "stopping" else signal.SIGINT)
        return self.store.stopping(job) or self.store.get(job_id)

    def resume(self, job_id: str) -> Job:
        """Go on with a job that was stopped, or begin it again.

        Raises:
            UsageError: If there is no such job, or nothing to resume.
        """
        job = self.store.get(job_id)
        command = list(job.command)
        if job.kind in _RESUMABLE and "--resume" not in command:
            command.append("--resume")
        again = self.store.again(job, command) if job.can_resume else None
        if again is None:
            raise UsageError(f"The job {job.title!r} is {job.state}: it cannot be resumed.")
        self._wake.set()
        return again

    def remove(self, job_id: str) -> None:
        """Forget a job that has ended, and what it printed; its run stays.

        Raises:
            UsageError: If there is no such job, or it has not ended.
        """
        job = self.store.get(job_id)
        if not self.store.remove(job):
            raise UsageError(f"The job {job.title!r} has not ended yet.", hint="Stop it first.")
        shutil.rmtree(self._workspace.job(job.id), ignore_errors=True)

    def _run(self) -> None:
        while not self._ending.is_set():
            try:
                if self._leads():
                    self.look()
            except Exception:
                _logger.exception("the queue of jobs could not be looked after")
            self._wake.wait(_LOOK_EVERY_S)
            self._wake.clear()

    def _leads(self) -> bool:
        """Whether this server runs the queue."""
        if self._lock_file is not None:
            return True
        descriptor = os.open(self._workspace.own / "queue.lock", os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            return False
        self._lock_file = descriptor
        return True

    def look(self) -> None:
        """See what has ended, and start what is next."""
        busy: set[str] = set()
        for job in self.store.in_states("running", "stopping"):
            if not self._see_end(job):
                busy.add(_lane(job))
        for job in self.store.in_states("queued"):
            if _lane(job) not in busy:
                busy.add(_lane(job))
                self._start(job)

    def _start(self, queued: Job) -> None:
        job = self.store.begin(queued)
        if job is None:
            return
        folder = self._workspace.job(job.id)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        worker.begin(folder, list(job.command), cwd=folder)

    def _see_end(self, job: Job) -> bool:
        """Note the end of a job if it has ended; return whether it has."""
        folder = self._workspace.job(job.id)
        working = worker.is_working(folder)
        code = _exit_code(folder)
        if code is None and working:
            return False
        process = Process.read(folder)
        if code is None and process is not None and process.alive:
            return False  # its worker is gone; it is not
        result = follow.last_object(folder)
        if code is None:
            error = {"code": "interrupted", "message": text("job.interrupted", "en"), "hint": ""}
            self.store.end(job, "interrupted", error=error)
        elif code == 0:
            self.store.end(job, "done", exit_code=0, result=result)
        elif code == _STOPPED or (job.state == "stopping" and code < 0):
            self.store.end(job, "stopped", exit_code=code)
        else:
            error = follow.error_in(folder, result, code)
            self.store.end(job, "failed", exit_code=code, error=error)
        return True


def _exit_code(folder: Path) -> int | None:
    try:
        return int(json.loads((folder / END).read_text(encoding="utf-8"))["exit_code"])
    except (OSError, ValueError, KeyError):
        return None


def _lane(job: Job) -> str:
    return _LANES.get(job.kind, "work")
