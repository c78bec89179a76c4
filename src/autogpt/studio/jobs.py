"""Jobs: what the studio was asked to do, and what became of it; in SQLite, so that it is kept.

A job is a command line of ``autogpt`` with a folder for its output::

    queued -> running -> done | failed | stopped | interrupted
                 ^                          |          |
                 +------- resumed ----------+----------+

``interrupted`` means that its process is gone and left no word: the machine went down, or somebody
killed it. Several servers may share the file; each change is one transaction.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from autogpt.core.errors import UsageError

__all__ = ["ENDED", "Job", "JobStore", "Kind", "State"]

Kind = Literal[
    "train", "finetune", "evaluate", "task", "plan", "pull", "inspect", "agent", "export"
]
State = Literal["queued", "running", "stopping", "done", "failed", "stopped", "interrupted"]
ENDED: tuple[State, ...] = ("done", "failed", "stopped", "interrupted")

_SCHEMA = """
CREATE TABLE IF NOT EXISTS jobs (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    title TEXT NOT NULL,
    request TEXT NOT NULL,
    command TEXT NOT NULL,
    run TEXT,
    state TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    created_at REAL NOT NULL,
    started_at REAL,
    ended_at REAL,
    exit_code INTEGER,
    result TEXT,
    error TEXT
)
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """One job.

    Attributes:
        id: A short random name.
        kind: What it does.
        title: What people call it.
        request: What was asked for, as the page sent it.
        command: Arguments of ``autogpt``.
        run: The folder it writes; None for none.
        state: See the module.
        attempt: How often it was begun, from 1; the first start counts.
        created_at: Seconds since 1970, as the others.
        started_at: When its last attempt began.
        ended_at: When that ended.
        exit_code: Of its process.
        result: The last JSON object it printed.
        error: The ``error`` object it printed, or one that says what became of it.
    """

    id: str
    kind: Kind
    title: str
    request: Mapping[str, Any]
    command: tuple[str, ...]
    run: str | None
    state: State
    attempt: int
    created_at: float
    started_at: float | None = None
    ended_at: float | None = None
    exit_code: int | None = None
    result: Mapping[str, Any] | None = None
    error: Mapping[str, Any] | None = None

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will come of it by itself."""
        return self.state in ENDED

    @property
    def can_resume(self) -> bool:
        """Whether it may be gone on with, or begun again."""
        return self.state in ("failed", "stopped", "interrupted")

    def to_dict(self) -> dict[str, object]:
        """Return the job as plain values."""
        return {
            "id": self.id,
            "kind": self.kind,
            "title": self.title,
            "request": dict(self.request),
            "command": list(self.command),
            "run": self.run,
            "state": self.state,
            "attempt": self.attempt,
            "created_at": self.created_at,
            "started_at": self.started_at,
            "ended_at": self.ended_at,
            "exit_code": self.exit_code,
            "result": self.result,
            "error": self.error,
            "can_resume": self.can_resume,
        }


class JobStore:
    """The jobs of one studio folder; any thread may use it.

    Args:
        path: The SQLite file; its folder exists.
    """

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._connection.row_factory = sqlite3.Row
        with self._change() as connection:
            connection.execute(_SCHEMA)

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._connection.close()

    def add(
        self,
        kind: Kind,
        *,
        title: str,
        request: Mapping[str, object],
        command: Sequence[str],
        run: str | None = None,
    ) -> Job:
        """Put a new job at the end of the queue."""
        job = Job(
            id=secrets.token_hex(6),
            kind=kind,
            title=title,
            request=request,
            command=tuple(command),
            run=run,
            state="queued",
            attempt=0,
            created_at=time.time(),
        )
        with self._change() as connection:
            connection.execute(
                "INSERT INTO jobs (id, kind, title, request, command, run, state, attempt,"
                " created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    *(job.id, kind, title, _dump(request), _dump(job.command), run),
                    *(job.state, job.attempt, job.created_at),
                ),
            )
        return job

    def get(self, job_id: str) -> Job:
        """Return a job.

        Raises:
            UsageError: If there is none.
        """
        rows = self._rows("SELECT * FROM jobs WHERE id = ?", (job_id,))
        if not rows:
            raise UsageError(
                f"There is no job {job_id!r}.", hint="Reload the page to see which there are."
            )
        return rows[0]

    def all(self, *, kinds: Sequence[Kind] = (), limit: int = 200) -> list[Job]:
        """Return jobs, the newest first; of some kinds, or all."""
        wanted = list(kinds) or list(get_args(Kind))
        marks = ", ".join("?" * len(wanted))
        return self._rows(
            f"SELECT * FROM jobs WHERE kind IN ({marks}) ORDER BY created_at DESC LIMIT ?",
            (*wanted, limit),
        )

    def in_states(self, *states: State) -> list[Job]:
        """Return the jobs that are in one of these states, the oldest first."""
        marks = ", ".join("?" * len(states))
        return self._rows(
            f"SELECT * FROM jobs WHERE state IN ({marks}) ORDER BY created_at",
            states,
        )

    def begin(self, job: Job) -> Job | None:
        """Take a queued job as one's own; None if somebody else was faster."""
        return self._move(job, "running", "attempt = attempt + 1, started_at = ?, ended_at = NULL,"
                          " exit_code = NULL, result = NULL, error = NULL", (time.time(),),
                          expected=("queued",))  # fmt: skip

    def stopping(self, job: Job) -> Job | None:
        """Note that a running job was asked to stop."""
        return self._move(job, "stopping", "", (), expected=("running", "stopping"))

    def end(
        self,
        job: Job,
        state: State,
        *,
        exit_code: int | None = None,
        result: Mapping[str, object] | None = None,
        error: Mapping[str, object] | None = None,
    ) -> Job | None:
        """Note how a job ended, unless that is noted already."""
        return self._move(
            job,
            state,
            "ended_at = ?, exit_code = ?, result = ?, error = ?",
            (time.time(), exit_code, _dump(result), _dump(error)),
            expected=("queued", "running", "stopping"),
        )

    def again(self, job: Job, command: Sequence[str]) -> Job | None:
        """Put a job that ended without a result back into the queue."""
        return self._move(
            job,
            "queued",
            "command = ?",
            (_dump(tuple(command)),),
            expected=("failed", "stopped", "interrupted"),
        )

    def remove(self, job: Job) -> bool:
        """Forget a job that has ended; return whether it had."""
        with self._change() as connection:
            marks = ", ".join("?" * len(ENDED))
            done = connection.execute(
                f"DELETE FROM jobs WHERE id = ? AND state IN ({marks})",
                (job.id, *ENDED),
            )
            return done.rowcount > 0

    def _move(
        self,
        job: Job,
        state: State,
        also: str,
        values: Sequence[object],
        *,
        expected: Sequence[State],
    ) -> Job | None:
        """Change the state of a job if it is an expected one; None if it is not."""
        marks = ", ".join("?" * len(expected))
        with self._change() as connection:
            done = connection.execute(
                f"UPDATE jobs SET state = ?{', ' if also else ''}{also}"
                f" WHERE id = ? AND state IN ({marks})",
                (state, *values, job.id, *expected),
            )
            if done.rowcount == 0:
                return None
        return self.get(job.id)

    def _rows(self, query: str, values: Sequence[object]) -> list[Job]:
        with self._lock:
            rows = self._connection.execute(query, tuple(values)).fetchall()
        return [_job(row) for row in rows]

    @contextmanager
    def _change(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")


def _job(row: sqlite3.Row) -> Job:
    values = dict(row)
    for name in ("request", "command", "result", "error"):
        values[name] = None if values[name] is None else json.loads(values[name])
    return Job(**{**values, "command": tuple(values["command"])})


def _dump(value: object) -> str | None:
    return None if value is None else json.dumps(value, ensure_ascii=False)
