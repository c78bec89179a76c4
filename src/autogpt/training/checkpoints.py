"""Checkpoints of a run in progress: crash-safe, verified, and enough to go on bit for bit.

::

    run/checkpoints/step-00000120/
        state.safetensors      masters of the weights, and the optimizer's moments
        state.json          where the run is: steps, tokens, seconds
        manifest.json          size and sha256 of both

A checkpoint is written under another name, forced to disk, and renamed; the two newest are kept.
Order of the data and learning rate follow from the steps done, so nothing else is needed. Not the
finished model, which ``models.checkpoint`` writes.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from autogpt.core.config import from_mapping, to_mapping
from autogpt.core.errors import AutoGPTError, CheckpointError
from autogpt.core.files import (
    explain_os_errors,
    fsync_folder,
    read_json,
    verify_manifest,
    write_json,
    write_manifest,
)
from autogpt.models.weights import write_safetensors

__all__ = ["RunState", "latest", "load", "remove_all", "save"]

FOLDER = "checkpoints"
_STATE, _FACTS = "state.safetensors", "state.json"
_KEPT = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class RunState:
    """Where a run is.

    Attributes:
        steps: Optimizer steps done.
        tokens: Training tokens seen.
        train_s: Seconds in the loop, over all resumes; they drive the schedule.
        other_s: Seconds before the loop, over all resumes: preparing, compiling, loading.
        energy_kwh: Of all of it, as far as known.
    """

    steps: int = 0
    tokens: int = 0
    train_s: float = 0.0
    other_s: float = 0.0
    energy_kwh: float = 0.0

    @property
    def elapsed_s(self) -> float:
        """Seconds of the run so far."""
        return self.train_s + self.other_s


def save(run: Path, at: RunState, tensors: Mapping[str, Tensor]) -> Path:
    """Write a checkpoint, drop those before the newest two, and return its folder.

    Raises:
        ResourceError: If the disk is full or cannot be written; older checkpoints stay.
    """
    folder = run / FOLDER / f"step-{at.steps:08d}"
    unfinished = folder.with_name(f".{folder.name}")
    with explain_os_errors(folder):
        shutil.rmtree(unfinished, ignore_errors=True)
        try:
            unfinished.mkdir(parents=True)
            write_safetensors(unfinished / _STATE, list(tensors.items()), dtype=torch.float32)
            write_json(unfinished / _FACTS, to_mapping(at))
            write_manifest(unfinished, [_STATE, _FACTS])
            shutil.rmtree(folder, ignore_errors=True)
            unfinished.rename(folder)
        except BaseException:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise
    fsync_folder(folder.parent)
    for old in _all(run)[:-_KEPT]:
        shutil.rmtree(old, ignore_errors=True)
    return folder


def latest(run: Path, *, say: Callable[[str], None] = lambda _: None) -> Path | None:
    """Return the newest checkpoint that is whole; None if the run has none at all.

    Args:
        run: The run folder.
        say: Told of each checkpoint that is passed over, and why.

    Raises:
        CheckpointError: If there are checkpoints, and all are damaged.
    """
    folders = _all(run)
    for folder in reversed(folders):
        try:
            verify_manifest(folder)
        except CheckpointError as error:
            say(f"{error.message} Trying the checkpoint before it.")
        else:
            return folder
    if folders:
        raise CheckpointError(
            f"No checkpoint in {str(run / FOLDER)!r} is whole.",
            hint="Train into another folder, or remove this one and begin again.",
        )
    return None


def load(folder: Path) -> tuple[RunState, dict[str, Tensor]]:
    """Read a checkpoint that :func:`latest` found.

    Raises:
        CheckpointError: If it cannot be read.
    """
    try:
        return from_mapping(RunState, read_json(folder / _FACTS)), load_file(folder / _STATE)
    except (AutoGPTError, OSError, ValueError) as error:
        raise CheckpointError(f"The checkpoint {str(folder)!r} cannot be read: {error}") from error


def remove_all(run: Path) -> None:
    """Remove the checkpoints of a run that is finished."""
    shutil.rmtree(run / FOLDER, ignore_errors=True)


def _all(run: Path) -> list[Path]:
    """Return the folders of all finished checkpoints, oldest first."""
    return sorted((run / FOLDER).glob("step-*"))
