"""Documents to two cleaned texts, train and validation, and a table of what was removed.

The split comes first: by the hash of each text, before anything is dropped (``split.py``). Each
step then has its flag (``steps.py``): repair, too short, repetitive (``examine.py``), duplicates,
near duplicates (``duplicates.py``). No text of the validation split is left in train, whatever the
flags. Text goes straight to disk (``intake.py``, ``spool.py``); memory holds some twenty bytes a
document.

Nothing here judges content (language, toxicity, personal data): only form.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from autogpt.core.errors import DataError
from autogpt.core.files import explain_os_errors
from autogpt.core.units import format_bytes
from autogpt.data import duplicates, split
from autogpt.data.crew import examined
from autogpt.data.examine import EXAMPLES
from autogpt.data.intake import LEAST_BLOCK_BYTES, Intake, batched, sized
from autogpt.data.readers import Document
from autogpt.data.spool import CleanedText, write_cleaned
from autogpt.data.steps import CleanConfig, CleanReport, CleanStep, Step

__all__ = ["CleanConfig", "CleanReport", "CleanResult", "CleanStep", "CleanedText", "clean"]

_EXAMPLE_CHARS = 80


@dataclass(frozen=True, kw_only=True, slots=True)
class CleanResult:
    """A cleaned corpus.

    Attributes:
        train: To learn from.
        validation: Held out; no text of it is in ``train``.
        report: What was removed.
    """

    train: CleanedText
    validation: CleanedText
    report: CleanReport


def clean(
    documents: Iterable[Document],
    config: CleanConfig | None = None,
    *,
    folder: Path,
    progress: Callable[[int], None] | None = None,
    processes: int | None = None,
) -> CleanResult:
    """Clean ``documents`` and write ``train.txt`` and ``validation.txt`` into ``folder``.

    Args:
        documents: Parts of one document follow each other, and documents of one file too.
        config: What to do.
        folder: Made if need be; temporary files in it take about twice the text.
        progress: Called with the characters of each document as it is taken in.
        processes: That examine a large corpus; one a core by default. The result is the same.

    Raises:
        DataError: If too little text is left to hold some out.
        ResourceError: If the disk is full or the folder cannot be written.
    """
    config = config or CleanConfig()
    with explain_os_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        room = Path(tempfile.mkdtemp(prefix=".cleaning-", dir=folder))
        try:
            with Intake(room) as intake:
                batches = batched(sized(documents, config))
                for batch, found in examined(batches, config, processes=processes):
                    intake.add(batch, found)
                    if progress is not None:
                        for document, _ in batch:
                            progress(len(document.text))
            return _decide(intake, config, folder)
        finally:
            shutil.rmtree(room, ignore_errors=True)


def _decide(intake: Intake, config: CleanConfig, folder: Path) -> CleanResult:
    rows = intake.rows
    if len(rows) == 0:
        raise _too_small(0)
    held = split.hold_out(
        rows,
        intake.file_starts,
        fraction=config.validation_fraction,
        max_bytes=config.validation_max_bytes,
    )
    marks = intake.marks
    _mark_duplicates(rows.hashes, held, marks, exact=config.exact_duplicates)
    if config.near_duplicates:
        keep = marks == 0
        for dropped, partners in intake.near.find(keep, held, config.near_threshold):
            marks[dropped] = np.where(held[partners] & ~held[dropped], Step.LEAK, Step.NEAR)
    kept = marks == 0
    if kept.any() and not held[kept].any():
        held = held | (rows.hashes == rows.hashes[kept].min())
    if not held[kept].any() or held[kept].all():
        raise _too_small(int(rows.sizes[kept].sum(dtype=np.int64)))
    splits = [
        write_cleaned(intake.spool, kept & side, rows.continues, folder / name)
        for name, side in (("train.txt", ~held), ("validation.txt", held))
    ]
    return CleanResult(
        train=splits[0],
        validation=splits[1],
        report=_report(intake, marks, config, bytes_out=splits[0].bytes + splits[1].bytes),
    )


def _mark_duplicates(
    hashes: NDArray[np.uint64],
    held: NDArray[np.bool_],
    marks: NDArray[np.uint8],
    *,
    exact: bool,
) -> None:
    """Mark what equals an earlier row, or a validation row, that is itself kept."""
    live = np.flatnonzero(marks == 0)

    def keys(start: int, stop: int) -> NDArray[np.uint64]:
        return hashes[live[start:stop]]

    for members, begins in duplicates.twins(keys, len(live), held[live]):
        lead, member = live[members[begins]], live[members]
        leaks = held[lead] & ~held[member]
        marks[member[leaks]] = Step.LEAK
        if exact:
            marks[member[~leaks & (lead != member)]] = Step.DUPLICATE


def _too_small(left_bytes: int) -> DataError:
    return DataError(
        f"The corpus is too small: {format_bytes(left_bytes)} of distinct text, "
        "not enough to hold some out for validation.",
        hint=f"Give two different texts, or one of {format_bytes(8 * LEAST_BLOCK_BYTES)} or more.",
    )


def _report(
    intake: Intake, marks: NDArray[np.uint8], config: CleanConfig, *, bytes_out: int
) -> CleanReport:
    sizes = intake.spool.sizes
    steps = []
    for step in config.steps:
        if step.changes:
            change = intake.changes[step]
            documents, size, examples = change.documents, change.bytes, change.examples
        else:
            dropped = marks == step
            documents, size = int(dropped.sum()), int(sizes[dropped].sum(dtype=np.int64))
            first = np.flatnonzero(dropped)[:EXAMPLES].tolist()
            examples = [_beginning(intake.spool.text(row, 4 * _EXAMPLE_CHARS)) for row in first]
        steps.append(
            CleanStep(
                step=step.title,
                documents=documents,
                bytes=size,
                changed=step.changes,
                examples=tuple(examples),
            )
        )
    return CleanReport(
        steps=tuple(steps),
        rows_in=len(marks),
        rows_out=int((marks == 0).sum()),
        bytes_in=intake.bytes_in + intake.changes[Step.NORMALIZED].bytes,
        bytes_out=bytes_out,
    )


def _beginning(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= _EXAMPLE_CHARS else flat[: _EXAMPLE_CHARS - 1] + "…"
