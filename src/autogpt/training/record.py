"""What happened during a run, step by step: ``metrics.jsonl`` and TensorBoard events.

``metrics.jsonl`` holds one JSON object a line and is only ever appended to while training, each
line flushed, so it can be followed with ``tail -f`` and survives a kill. A line torn by a crash is
dropped on resume together with everything after the checkpoint. Steps that training itself undid,
by going back to a checkpoint, stay: tokens only ever rise. The
TensorBoard events under ``tensorboard/`` say the same and are never read back. The rate of each
step is noted for replay (``schedule``).

Not the recipe (what was decided) and not the checkpoint (what is needed to go on).
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, fields
from pathlib import Path
from types import TracebackType
from typing import IO, Literal, Self, cast

from autogpt.core.errors import RunError
from autogpt.core.files import explain_os_errors, open_atomic
from autogpt.training.events import EventFile
from autogpt.training.schedule import Realized

__all__ = ["METRICS", "TENSORBOARD", "Entry", "Kind", "Record", "read"]

METRICS = "metrics.jsonl"
TENSORBOARD = "tensorboard"

Kind = Literal["train", "validation"]

_SCALARS = ("loss", "bits_per_byte", "learning_rate", "gradient_norm", "tokens_per_s")


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One line of the record.

    Attributes:
        kind: A look at the training batch, or at the whole validation split.
        step: Optimizer steps done.
        tokens: Training tokens seen so far.
        elapsed_s: Seconds of work so far, over all resumes.
        loss: Cross-entropy in nats per token.
        bits_per_byte: The same in bits per byte of text; comparable across tokenizers.
        learning_rate: Of the matrices, after the schedule.
        gradient_norm: Before clipping.
        tokens_per_s: Since the entry before.

    A scalar is None where it was not measured, or was not a finite number.
    """

    kind: Kind
    step: int
    tokens: int
    elapsed_s: float
    loss: float | None = None
    bits_per_byte: float | None = None
    learning_rate: float | None = None
    gradient_norm: float | None = None
    tokens_per_s: float | None = None

    def scalars(self) -> dict[str, float]:
        """Return what was measured, by tag: what both kinds have is grouped, to be seen together.

        Numbers that are not finite are left out.
        """
        values = {name: _finite(getattr(self, name)) for name in _SCALARS}
        return {
            f"{name}/{self.kind}" if name in ("loss", "bits_per_byte") else name: value
            for name, value in values.items()
            if isinstance(value, float)
        }

    def to_json(self) -> str:
        """Return one line of strict JSON: a number that is not finite becomes null."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        kept = {key: _finite(value) for key, value in values.items() if value is not None}
        return json.dumps(kept, ensure_ascii=False, allow_nan=False)


class Record:
    """Appends entries to the record of one run. Make it with ``Record.open``; close it at the end.

    Args:
        folder: The run folder, which exists.
        purge_step: First step that TensorBoard is to forget from earlier events; None for none.
        tensorboard: Whether to write TensorBoard events too.
    """

    def __init__(
        self, folder: Path, *, purge_step: int | None = None, tensorboard: bool = True
    ) -> None:
        self._path = folder / METRICS
        with explain_os_errors(self._path):
            self._file: IO[str] = self._path.open("a", encoding="utf-8")
        self._schedule = Realized(folder, steps=0 if purge_step is None else purge_step - 1)
        self._events = None
        if tensorboard:
            self._events = EventFile(folder / TENSORBOARD, purge_step=purge_step)

    @classmethod
    def open(
        cls,
        folder: Path,
        *,
        resume_step: int | None = None,
        resume_bytes: int | None = None,
        tensorboard: bool = True,
    ) -> Self:
        """Open the record of a new run, or of a run that goes on after ``resume_step``.

        Args:
            folder: The run folder; made if missing.
            resume_step: Entries after this step are dropped; 0 drops all. None: a new run.
            resume_bytes: How long the record was then, where that is known: the rest is dropped.
            tensorboard: Whether to write TensorBoard events too.

        Raises:
            RunError: If a new run finds the record of another, or a record is damaged inside.
            ResourceError: If the folder cannot be written.
        """
        path = folder / METRICS
        with explain_os_errors(path):
            folder.mkdir(parents=True, exist_ok=True)
        if resume_step is None:
            if path.exists() and path.stat().st_size > 0:
                raise RunError(
                    f"{str(folder)!r} already holds the record of a run.",
                    hint="Choose another folder, or remove this one.",
                )
            return cls(folder, tensorboard=tensorboard)
        _cut(path, resume_step, resume_bytes)
        return cls(folder, purge_step=resume_step + 1, tensorboard=tensorboard)

    def log(self, entry: Entry) -> None:
        """Append one entry and hand it to the system at once.

        Raises:
            ResourceError: If the disk is full.
        """
        with explain_os_errors(self._path):
            self._file.write(entry.to_json() + "\n")
            self._file.flush()
        if self._events is not None:
            self._events.add(entry.scalars(), entry.step)

    def note(self, step: int, rate: float) -> None:
        """Note the rate of a step for replay, see ``schedule``.

        Raises:
            ResourceError: If the disk is full.
        """
        self._schedule.note(step, rate)

    @property
    def size_bytes(self) -> int:
        """How long ``metrics.jsonl`` is."""
        return os.fstat(self._file.fileno()).st_size

    def sync(self) -> None:
        """Make what is logged durable, before a checkpoint claims it; any thread may do so.

        Raises:
            ResourceError: If the disk fails.
        """
        with explain_os_errors(self._path):
            os.fsync(self._file.fileno())  # each line was flushed when it was logged
        self._schedule.sync()

    def close(self) -> None:
        """Make the record durable and release the files. Closing twice is fine.

        Raises:
            ResourceError: If the disk is full or fails.
        """
        if self._file.closed:
            return
        with ExitStack() as stack:
            if self._events is not None:
                stack.callback(self._events.close)
            stack.callback(self._schedule.close)
            stack.enter_context(explain_os_errors(self._path))
            stack.callback(self._file.close)  # tries again to write what a full disk refused
            self.sync()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def read(folder: Path) -> list[Entry]:
    """Return the entries of a run in the order they were written; none if there is no record.

    A torn last line is left out.

    Raises:
        RunError: If any other line is damaged.
    """
    path = folder / METRICS
    if not path.exists():
        return []
    entries: list[Entry] = []
    lines = path.read_bytes().splitlines()
    for number, line in enumerate(lines, start=1):
        try:
            entries.append(_parse(line))
        except (ValueError, KeyError, TypeError) as error:
            if number == len(lines):
                break
            raise RunError(
                f"Line {number} of {str(path)!r} is damaged: {line[:60].decode(errors='replace')!r}"
                " is not an entry of a run's record.",
                hint="Remove that line, or train into another folder.",
            ) from error
    return entries


def _parse(line: bytes) -> Entry:
    """Return the entry of one line; fields that a later version added are passed over."""
    raw = json.loads(line)
    if not isinstance(raw, Mapping) or raw["kind"] not in ("train", "validation"):
        raise ValueError("not an entry")
    scalars = {name: None if raw.get(name) is None else float(raw[name]) for name in _SCALARS}
    return Entry(
        kind=cast(Kind, raw["kind"]),
        step=int(raw["step"]),
        tokens=int(raw["tokens"]),
        elapsed_s=float(raw["elapsed_s"] or 0.0),
        **scalars,
    )


def _cut(path: Path, last_step: int, size_bytes: int | None) -> None:
    """Rewrite the record without a torn line and without what came after the checkpoint."""
    if size_bytes is not None and path.exists() and path.stat().st_size >= size_bytes:
        kept = path.read_bytes()[:size_bytes]
        with open_atomic(path) as file:
            file.write(kept)
        return
    entries = [entry for entry in read(path.parent) if entry.step <= last_step]
    with open_atomic(path, "w", encoding="utf-8") as file:
        file.writelines(entry.to_json() + "\n" for entry in entries)


def _finite(value: object) -> object:
    """Return ``value``, or None in place of a number that JSON has no word for."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
