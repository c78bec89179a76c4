"""What the rails decided, in a log that shows when it was changed.

One JSON object a line; each holds the sha256 of the line before it, so that a line which is
altered, left out or put elsewhere breaks the chain. Texts are kept as keyed hashes, not as they
were: with the log's key one can prove that a text is the one that was logged, without it nobody can
try guesses. Whoever can write the file can also cut lines off its end; note ``head`` elsewhere to
notice that.

Source: Schneier and Kelsey 1999, "Secure Audit Logs to Support Computer Forensics" (hash chains).
Not here: signatures of single answers (``records``).
"""

from __future__ import annotations

import datetime
import fcntl
import hashlib
import hmac
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from autogpt.core.errors import CheckpointError
from autogpt.core.files import explain_os_errors
from autogpt.safety.verdict import Verdict

__all__ = ["AuditLog", "verify_log"]

_FIRST = "0" * 64


class AuditLog:
    """A log that is only ever appended to, by any number of processes.

    Args:
        path: The file; made if it is not there.
        key: For the hashes of texts; default that of ``PATH.key``, which is made with the log.
        keep_text: Keep texts too, as they were: only where one may.

    Raises:
        ResourceError: If the file cannot be written.
    """

    def __init__(self, path: Path, *, key: bytes | None = None, keep_text: bool = False) -> None:
        self.path = path
        self._keep_text = keep_text
        with explain_os_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._key = key if key is not None else _own_key(path)

    def hash(self, text: str) -> str:
        """Return the keyed hash under which the log holds a text."""
        return hmac.new(self._key, text.encode("utf-8", "surrogatepass"), "sha256").hexdigest()

    def write(
        self, event: str, *, text: str = "", verdict: Verdict | None = None, **facts: object
    ) -> str:
        """Append one entry, durably, and return its hash: the head of the log.

        Args:
            event: What happened, as "input", "output", "blocked".
            text: What it happened to; its hash is kept.
            verdict: What the rails said of it; scores and places, no text.
            facts: Plain values, without texts.

        Raises:
            ResourceError: If the disk is full or the file may not be written.
        """
        entry: dict[str, object] = {
            "time": datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds"),
            "event": event,
            **facts,
        }
        if text:
            entry |= {"text_hmac": self.hash(text), "characters": len(text)}
            if self._keep_text:
                entry["text"] = text
        if verdict is not None:
            entry["verdict"] = verdict.to_dict()
        with explain_os_errors(self.path), self.path.open("a+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # until the file is closed
            before, ends = _last_line(file.fileno())
            entry["before"] = _FIRST if before is None else _digest(before)
            line = json.dumps(entry, ensure_ascii=False, sort_keys=True).encode(
                "utf-8", "surrogatepass"
            )
            # A torn line, after a power cut, stays what it is: a broken link that is found.
            file.write((b"" if ends else b"\n") + line + b"\n")
            file.flush()
            os.fsync(file.fileno())
        return _digest(line)

    def entries(self) -> Iterator[Mapping[str, object]]:
        """Yield the entries, unchecked."""
        with self.path.open("rb") as file:
            for line in file:
                yield json.loads(line)


def verify_log(path: Path, *, head: str | None = None) -> str:
    """Check the chain of a log, and return its head.

    Args:
        path: The log.
        head: The hash that an entry must have, if one was noted: shows when the end was cut off.

    Raises:
        CheckpointError: If a line was altered, left out, moved or torn; says which.
    """
    before, found = _FIRST, head in (None, _FIRST)
    with explain_os_errors(path), path.open("rb") as file:
        for number, raw in enumerate(file, start=1):
            line = raw.rstrip(b"\n")
            try:
                linked = json.loads(line)["before"]
            except (ValueError, KeyError, TypeError) as error:
                raise CheckpointError(
                    f"Line {number} of the audit log {str(path)!r} is not an entry."
                ) from error
            if linked != before:
                raise CheckpointError(
                    f"The audit log {str(path)!r} was changed: line {number} does not follow the "
                    "line before it.",
                    hint="Compare with a copy; entries up to there are as they were written.",
                )
            before = _digest(line)
            found = found or before == head
    if not found:
        raise CheckpointError(
            f"The audit log {str(path)!r} was cut off: it does not hold the entry {head}."
        )
    return before


def _digest(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest()


def _last_line(descriptor: int) -> tuple[bytes | None, bool]:
    """Return the last line of an open file, if there is one, and whether the file ends a line."""
    size = os.fstat(descriptor).st_size
    if not size:
        return None, True
    window = 4096
    while True:
        begin = max(0, size - window)
        tail = os.pread(descriptor, size - begin, begin)
        ends = tail.endswith(b"\n")
        body = tail[:-1] if ends else tail
        if b"\n" in body or not begin:
            return body.rpartition(b"\n")[2], ends
        window *= 4


def _own_key(path: Path) -> bytes:
    place = path.with_name(path.name + ".key")
    if not place.exists():
        descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(os.urandom(32).hex().encode())
    return bytes.fromhex(place.read_text(encoding="ascii"))
