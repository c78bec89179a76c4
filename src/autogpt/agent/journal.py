"""The journal: what a run meant to do and what came of it, on disk before and after each call.

::

    log = Journal(path).begin(goal, settings)
    answer = log.act("model", key, "read", ask)          # intent, ask(), result
    log.act("tool", key, "effect", send, reconcile=was_it_sent)

A run is a function of what is recorded: its questions to the model and to the world all go through
:meth:`RunLog.act` or :meth:`RunLog.once`. After a crash the same function runs again and is given
what is recorded, place by place, until the record ends; from there on it acts (durable execution,
as in Temporal 2019 and AWS SWF 2012). The one open question is a call whose intent is there and
whose result is not. It is made again if it is a ``read`` or ``idempotent``; an ``effect`` is asked
whether it happened (``reconcile``), else whoever runs the agent is, and never repeated blindly.

SQLite in WAL mode, every entry synced; entries are appended, a trigger refuses anything else.
"""

from __future__ import annotations

import json
import sqlite3
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from autogpt.agent.errors import AmbiguousError, BusyError, DivergedError
from autogpt.core.errors import ResourceError, UsageError

__all__ = ["Effect", "Entry", "Journal", "RunLog", "RunRow"]

Effect = Literal["read", "idempotent", "effect"]
"""What a call may change: nothing; something that is the same when done twice; something."""

Json = Any
"""A value of JSON."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS runs(
    id TEXT PRIMARY KEY, goal TEXT NOT NULL, settings TEXT NOT NULL, begun REAL NOT NULL);
CREATE TABLE IF NOT EXISTS entries(
    run TEXT NOT NULL REFERENCES runs(id), place INTEGER NOT NULL,
    kind TEXT NOT NULL CHECK(kind IN ('intent', 'result', 'note', 'finish')),
    what TEXT NOT NULL, key TEXT NOT NULL, payload TEXT NOT NULL, at REAL NOT NULL,
    PRIMARY KEY(run, place));
CREATE TRIGGER IF NOT EXISTS entries_stay BEFORE UPDATE ON entries
    BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER IF NOT EXISTS entries_remain BEFORE DELETE ON entries
    BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One line of the journal.

    Attributes:
        place: From 0, without gaps in a run.
        kind: ``intent`` before a call, ``result`` after it, ``note`` what needs no pair,
            ``finish`` the end.
        what: Whom it concerns, as in "model" or "tool".
        key: Hash of the exact call.
        payload: What is kept.
        at: Seconds since 1970.
    """

    place: int
    kind: str
    what: str
    key: str
    payload: Json
    at: float


@dataclass(frozen=True, kw_only=True, slots=True)
class RunRow:
    """One run: its name, what was asked, how, when, and the state it finished in, if it did."""

    id: str
    goal: str
    settings: Mapping[str, Json]
    begun: float
    state: str | None


class Journal:
    """All runs of a place.

    Args:
        path: The database; made with its folder.
        at_point: Called before and after every append with its name, as in ``before intent
            tool``; tests end the process there.

    Raises:
        ResourceError: If it cannot be opened or written.
    """

    def __init__(self, path: Path, *, at_point: Callable[[str], None] | None = None) -> None:
        self.path = path
        self._at_point = at_point or (lambda _name: None)
        with self._explained():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, timeout=30, isolation_level=None)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the database."""
        self._db.close()

    @property
    def database(self) -> sqlite3.Connection:
        """The connection, for what is kept beside the journal (``memory``)."""
        return self._db

    def begin(self, goal: str, settings: Mapping[str, Json] | None = None) -> RunLog:
        """Return the log of a new run."""
        run = f"{time.strftime('%Y%m%d')}-{uuid.uuid4().hex[:8]}"
        with self._explained():
            self._db.execute(
                "INSERT INTO runs VALUES (?, ?, ?, ?)",
                (run, goal, json.dumps(dict(settings or {}), ensure_ascii=False), time.time()),
            )
        return RunLog(self, run, [])

    def open(self, run: str) -> RunLog:
        """Return the log of a run, to go on with it.

        Raises:
            UsageError: If there is no such run.
        """
        self.row(run)
        return RunLog(self, run, self.entries(run))

    def row(self, run: str) -> RunRow:
        """Return what is known of a run.

        Raises:
            UsageError: If there is no such run.
        """
        found = [row for row in self.runs() if row.id == run]
        if not found:
            raise UsageError(
                f"There is no run {run!r} in {str(self.path)!r}.",
                hint="See which there are: autogpt agent runs",
            )
        return found[0]

    def runs(self) -> list[RunRow]:
        """Return all runs, oldest first."""
        rows = self._db.execute(
            "SELECT id, goal, settings, begun, (SELECT payload FROM entries WHERE run = id AND "
            "kind = 'finish' ORDER BY place DESC LIMIT 1) FROM runs ORDER BY begun"
        ).fetchall()
        return [
            RunRow(
                id=run,
                goal=goal,
                settings=json.loads(settings),
                begun=begun,
                state=None if finish is None else json.loads(finish)["state"],
            )
            for run, goal, settings, begun, finish in rows
        ]

    def entries(self, run: str) -> list[Entry]:
        """Return all entries of a run, in order."""
        rows = self._db.execute(
            "SELECT place, kind, what, key, payload, at FROM entries WHERE run = ? ORDER BY place",
            (run,),
        ).fetchall()
        return [
            Entry(place=place, kind=kind, what=what, key=key, payload=json.loads(payload), at=at)
            for place, kind, what, key, payload, at in rows
        ]

    def append(self, run: str, entry: Entry) -> None:
        """Add an entry; when this returns it is on disk.

        Raises:
            BusyError: If another process has added one in this place.
            ResourceError: If it cannot be written.
        """
        name = f"{entry.kind} {entry.what}"
        self._at_point(f"before {name}")
        payload = json.dumps(entry.payload, ensure_ascii=False)
        try:
            with self._explained():
                self._db.execute(
                    "INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?, ?)",
                    (run, entry.place, entry.kind, entry.what, entry.key, payload, entry.at),
                )
        except sqlite3.IntegrityError as error:
            raise BusyError(
                f"Another process is at work on the run {run!r}.",
                hint="Wait for it, or begin a new run.",
            ) from error
        self._at_point(f"after {name}")

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.IntegrityError:
            raise
        except (sqlite3.DatabaseError, OSError) as error:
            raise ResourceError(
                f"The journal {str(self.path)!r} cannot be used: {error}.",
                hint="Free some space, or name another one with --journal.",
            ) from error


class RunLog:
    """The log of one run, and where in it the run is. Made by :class:`Journal`.

    Attributes:
        run: Its name.
    """

    def __init__(self, journal: Journal, run: str, recorded: list[Entry]) -> None:
        self._journal = journal
        self.run = run
        self._recorded = recorded
        self._place = 0

    @property
    def replays(self) -> bool:
        """Whether what comes next is recorded already."""
        return self._place < len(self._recorded)

    def once(self, what: str, key: str, find: Callable[[], Json]) -> Json:
        """Return what is recorded in this place, or find it and record it."""
        entry = self._next("note", what, key)
        if entry is not None:
            return entry.payload
        return self._append("note", what, key, find())

    def act(
        self,
        what: str,
        key: str,
        effect: Effect,
        do: Callable[[], Json],
        *,
        intent: Json = None,
        reconcile: Callable[[], Json | None] | None = None,
        ask: Callable[[], bool | None] | None = None,
    ) -> Json:
        """Return the recorded result of a call, or make it: intent, call, result.

        Args:
            what: Whom it concerns.
            key: Hash of the exact call.
            effect: What it may change.
            do: Makes the call.
            intent: Kept with the intent, as what was reserved.
            reconcile: Of an effect that was begun: what it came to, if it happened, None if it
                did not; raises ``LookupError`` if that cannot be told.
            ask: Asks whether an effect happened, where that cannot be told otherwise; None:
                nobody knows.

        Raises:
            AmbiguousError: If an effect was begun and nobody can say whether it happened.
            DivergedError: If another call is recorded here.
        """
        begun = self._next("intent", what, key)
        if begun is None:
            self._append("intent", what, key, intent)
        done = self._next("result", what, key)
        if done is not None:
            return done.payload
        if begun is not None and effect == "effect":
            found = self._settle(what, reconcile, ask)
            if found is not None:
                return self._append("result", what, key, found)
        return self._append("result", what, key, do())

    def finish(self, payload: Json) -> None:
        """Record the end of the run; payload has its ``state``."""
        if self._next("finish", "run", "") is None:
            self._append("finish", "run", "", payload)

    @property
    def finished(self) -> Json | None:
        """What is recorded of the end, or None."""
        ends = [entry.payload for entry in self._recorded if entry.kind == "finish"]
        return ends[-1] if ends else None

    def _settle(
        self,
        what: str,
        reconcile: Callable[[], Json | None] | None,
        ask: Callable[[], bool | None] | None,
    ) -> Json | None:
        """Return the result of an effect that happened; None if it did not."""
        if reconcile is not None:
            try:
                return reconcile()
            except LookupError:
                pass  # it cannot be told: ask
        said = None if ask is None else ask()
        if said is None:
            raise AmbiguousError(
                f"The run {self.run!r} stopped in the middle of a {what} call with an effect, and "
                "it is not known whether it happened.",
                hint=f"Look, and say so: autogpt agent resume {self.run} --happened yes (or no)",
            )
        return {"ok": True, "value": "done before the run was interrupted"} if said else None

    def _next(self, kind: str, what: str, key: str) -> Entry | None:
        if not self.replays:
            return None
        entry = self._recorded[self._place]
        if (entry.kind, entry.what, entry.key) != (kind, what, key):
            raise DivergedError(
                f"The run {self.run!r} asks for {kind} {what} in place {self._place}, where "
                f"{entry.kind} {entry.what} is recorded: the tools, the settings or the program "
                "have changed since it began.",
                hint="Begin a new run.",
            )
        self._place += 1
        return entry

    def _append(self, kind: str, what: str, key: str, payload: Json) -> Json:
        entry = Entry(
            place=self._place, kind=kind, what=what, key=key, payload=payload, at=time.time()
        )
        self._journal.append(self.run, entry)
        self._place += 1
        self._recorded.append(entry)
        return payload
