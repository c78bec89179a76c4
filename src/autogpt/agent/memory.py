"""What was found out before: facts with their source and run, in the journal's database.

Found again by words (SQLite FTS5) and, where the sentence model is there, by meaning. A fact is
data like a tool's result: it can inform an answer and cannot allow anything. What the user writes
or edits says so in its source.
"""

from __future__ import annotations

import json
import re
import sqlite3
import time
from dataclasses import asdict, dataclass
from typing import Any

from autogpt.agent.journal import Journal
from autogpt.agent.router import Embed
from autogpt.core.errors import UsageError

__all__ = ["Fact", "Memory"]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS facts(
    id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE, source TEXT NOT NULL, run TEXT NOT NULL,
    at REAL NOT NULL, vector TEXT);
CREATE VIRTUAL TABLE IF NOT EXISTS facts_words USING fts5(words, tokenize='unicode61');
"""
_HAN = re.compile(r"[\u3400-\u9fff]")


@dataclass(frozen=True, kw_only=True, slots=True)
class Fact:
    """Something that was found out.

    Attributes:
        id: Its number.
        text: In a sentence.
        source: Where it is from, as in ``notes/a.txt``, or ``user``.
        run: In which run it was found; empty where the user wrote it.
        at: Seconds since 1970.
    """

    id: int
    text: str
    source: str
    run: str
    at: float

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)


class Memory:
    """The facts.

    Args:
        journal: In whose database they are.
        embed: Turns texts into vectors; None: words alone.
    """

    def __init__(self, journal: Journal, *, embed: Embed | None = None) -> None:
        self._db: sqlite3.Connection = journal.database
        self._db.executescript(_SCHEMA)
        self._embed = embed

    def add(self, text: str, *, source: str, run: str = "") -> int:
        """Keep a fact and return its number; one that is known keeps its own.

        Raises:
            UsageError: If it is empty.
        """
        text = " ".join(text.split())
        if not text:
            raise UsageError("A fact is empty.")
        known = self._db.execute("SELECT id FROM facts WHERE text = ?", (text,)).fetchone()
        if known:
            return int(known[0])
        vector = None if self._embed is None else json.dumps(list(self._embed([text])[0]))
        self._db.execute("BEGIN IMMEDIATE")
        done = self._db.execute(
            "INSERT INTO facts(text, source, run, at, vector) VALUES (?, ?, ?, ?, ?)",
            (text, source, run, time.time(), vector),
        )
        self._db.execute(
            "INSERT INTO facts_words(rowid, words) VALUES (?, ?)", (done.lastrowid, _spaced(text))
        )
        self._db.execute("COMMIT")
        return int(done.lastrowid or 0)

    def edit(self, number: int, text: str) -> None:
        """Change a fact; its source is then the user.

        Raises:
            UsageError: If there is no such fact.
        """
        self.forget(number)
        self.add(text, source="user")

    def forget(self, number: int) -> None:
        """Take a fact away.

        Raises:
            UsageError: If there is no such fact.
        """
        done = self._db.execute("DELETE FROM facts WHERE id = ?", (number,))
        if not done.rowcount:
            raise UsageError(
                f"There is no fact {number}.", hint="See them: autogpt agent memory list"
            )
        self._db.execute("DELETE FROM facts_words WHERE rowid = ?", (number,))

    def all(self) -> list[Fact]:
        """Return all facts, oldest first."""
        return self._facts("ORDER BY id", ())

    def find(self, words: str, most: int = 5) -> list[Fact]:
        """Return the facts that speak of something, the best first."""
        ranks: dict[int, float] = {}
        wanted = " OR ".join(f'"{word}"' for word in re.findall(r"\w+", _spaced(words)))
        if wanted:
            rows = self._db.execute(
                "SELECT rowid FROM facts_words WHERE facts_words MATCH ? ORDER BY rank LIMIT 20",
                (wanted,),
            ).fetchall()
            for place, (number,) in enumerate(rows):
                ranks[number] = 1 / (10 + place)
        if self._embed is not None:
            for place, number in enumerate(self._near(words)):
                ranks[number] = ranks.get(number, 0.0) + 1 / (10 + place)
        best = sorted(ranks, key=lambda number: -ranks[number])[:most]
        known = {fact.id: fact for fact in self.all()}
        return [known[number] for number in best if number in known]

    def _near(self, words: str) -> list[int]:
        assert self._embed is not None  # asked before
        own = self._embed([words])[0]
        rows = self._db.execute("SELECT id, vector FROM facts WHERE vector NOT NULL").fetchall()
        scored = [
            (sum(a * b for a, b in zip(own, json.loads(vector), strict=True)), number)
            for number, vector in rows
        ]
        return [number for score, number in sorted(scored, reverse=True)[:20] if score > 0.3]

    def _facts(self, order: str, values: tuple[object, ...]) -> list[Fact]:
        rows = self._db.execute(
            f"SELECT id, text, source, run, at FROM facts {order}",  # noqa: S608 - our own words
            values,
        ).fetchall()
        return [
            Fact(id=number, text=text, source=source, run=run, at=at)
            for number, text, source, run, at in rows
        ]


def _spaced(text: str) -> str:
    """Return a text with each Chinese character as a word, as the index needs it."""
    return _HAN.sub(lambda match: f" {match[0]} ", text)
