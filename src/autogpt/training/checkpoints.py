"""Checkpoints of a run in progress: crash-safe, verified, and enough to go on bit for bit.

::

    run/checkpoints/step-00000120/
        state.safetensors      masters of the weights, and the optimizer's moments
        state.json             where the run is: steps, tokens, seconds, health, random state
        manifest.json          size and sha256 of both

Of a sharded model each process writes a file of its own instead (``sharded_checkpoints``). A
checkpoint is written under another name, forced to disk, renamed, and read back from disk; only
then are older ones removed, but for the one before it. Data and learning rate follow from the
tokens and steps done, so nothing else is needed. Not the finished model, which
``models.checkpoint`` writes; not when to save, nor doing it beside the training (``saving``).
"""

from __future__ import annotations

import base64
import dataclasses
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from autogpt.core.config import from_mapping, to_mapping
from autogpt.core.errors import AutoGPTError, CheckpointError
from autogpt.core.files import (
    explain_os_errors,
    forget_cached,
    fsync_folder,
    read_json,
    verify_manifest,
    write_json,
    write_manifest,
)
from autogpt.models.weights import write_safetensors
from autogpt.training.anomalies import Watch

__all__ = [
    "FORMAT",
    "RunState",
    "latest",
    "load",
    "random_state",
    "remove_all",
    "restore_random_state",
    "save",
    "state_of",
    "unfinished",
]

FORMAT = 2  # of a checkpoint; 1 had no health, random state and position in the record
FOLDER = "checkpoints"
_STATE, _FACTS = "state.safetensors", "state.json"
_KEPT = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class RunState:
    """Where a run is.

    Attributes:
        steps: Steps of the optimizer that made the weights what they are.
        tokens: Training tokens seen, those of skipped and undone steps too; they say where in the
            data the run is.
        train_s: Seconds in the loop, over all resumes; they drive the schedule.
        other_s: Seconds before the loop, over all resumes: preparing, compiling, loading.
        energy_kwh: Of all of it, as far as known.
        record_bytes: How long ``metrics.jsonl`` was; None where that is not known.
        random: The random state, see :func:`random_state`; empty where it is not known.
        watch: The run's health.
    """

    steps: int = 0
    tokens: int = 0
    train_s: float = 0.0
    other_s: float = 0.0
    energy_kwh: float = 0.0
    record_bytes: int | None = None
    random: str = ""
    watch: Watch = field(default_factory=Watch)

    @property
    def elapsed_s(self) -> float:
        """Seconds of the run so far."""
        return self.train_s + self.other_s


def random_state() -> str:
    """Return the state of torch's generator on the processor, as text."""
    return base64.b64encode(torch.get_rng_state().numpy().tobytes()).decode("ascii")


def restore_random_state(text: str) -> None:
    """Give torch's generator the state that :func:`random_state` returned.

    Raises:
        CheckpointError: If it is none.
    """
    try:
        state = np.frombuffer(base64.b64decode(text, validate=True), dtype=np.uint8)
        torch.set_rng_state(torch.from_numpy(state.copy()))
    except (ValueError, RuntimeError, TypeError) as error:
        raise CheckpointError("The random state of the checkpoint is not one.") from error


def unfinished(run: Path, steps: int) -> Path:
    """Return the folder that a checkpoint is written to before it gets its name."""
    return run / FOLDER / f".step-{steps:08d}"


def _write_state(folder: Path, tensors: Mapping[str, Tensor]) -> dict[str, str]:
    """Write whole tensors into one file, and return its sha256 by its name.

    Raises:
        CheckpointError: If one holds NaN or infinity.
    """
    _refuse_broken(tensors)
    digest = write_safetensors(folder / _STATE, list(tensors.items()), dtype=torch.float32)
    return {_STATE: digest}


def save(
    run: Path,
    at: RunState,
    tensors: Mapping[str, Tensor],
    *,
    write: Callable[[Path, Mapping[str, Tensor]], Mapping[str, str]] = _write_state,
) -> Path:
    """Write a checkpoint, read it back, drop those before the newest two, and return its folder.

    Args:
        run: The run folder.
        at: Where the run is.
        tensors: What the optimizer needs to go on, on the processor.
        write: Writes them into a folder and returns the sha256 of each file by its name.

    Raises:
        CheckpointError: If a tensor holds NaN or infinity, or the disk gave back something else.
        ResourceError: If the disk is full or cannot be written.

    In either case the older checkpoints stay.
    """
    folder = run / FOLDER / f"step-{at.steps:08d}"
    begun = unfinished(run, at.steps)
    with explain_os_errors(folder):
        try:
            shutil.rmtree(begun, ignore_errors=True)
            begun.mkdir(parents=True)
            fsync_folder(run)
            digests = write(begun, tensors)
            write_json(begun / _FACTS, {"format": FORMAT, **to_mapping(at)})
            write_manifest(begun, [*digests, _FACTS], known=digests)
            shutil.rmtree(folder, ignore_errors=True)  # only a damaged one can be there
            begun.rename(folder)
            fsync_folder(folder.parent)
        except BaseException:
            shutil.rmtree(begun, ignore_errors=True)
            raise
        for name in digests:
            forget_cached(folder / name)
        _verify(folder)
    _prune(run, at.steps)
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
            _verify(folder)
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


def load(
    folder: Path, *, into: dict[str, Tensor] | None = None
) -> tuple[RunState, dict[str, Tensor]]:
    """Read a checkpoint that :func:`latest` found.

    Args:
        folder: Written by one process, or by several.
        into: Filled, by all processes of a sharded model together; None: return whole tensors.

    Raises:
        CheckpointError: If it cannot be read, or a newer version wrote it.
    """
    at = state_of(folder)
    if into is None and (folder / _STATE).exists():
        try:
            return at, load_file(folder / _STATE)
        except (OSError, ValueError) as error:
            raise _unreadable(folder, error) from error
    from autogpt.training import sharded_checkpoints  # takes a while to import

    if into is None:
        return at, sharded_checkpoints.read(folder)
    sharded_checkpoints.read_into(folder, into)
    return at, into


def state_of(folder: Path) -> RunState:
    """Return where the run of a checkpoint was.

    Raises:
        CheckpointError: If that cannot be read, or a newer version wrote it.
    """
    try:
        facts = dict(read_json(folder / _FACTS))
        version = facts.pop("format", 1)
        if version > FORMAT:
            raise CheckpointError(
                f"The checkpoint {str(folder)!r} has format {version}, of a newer AutoGPT; this "
                f"one reads up to {FORMAT}.",
                hint="Update it: pip install -U autogpt-transformer",
            )
        watch = dict(facts.pop("watch", {}))
        losses, leaps = (tuple(map(float, watch.pop(n, ()))) for n in ("losses", "leaps"))
        health = dataclasses.replace(from_mapping(Watch, watch), losses=losses, leaps=leaps)
        return dataclasses.replace(from_mapping(RunState, facts), watch=health)
    except CheckpointError:
        raise
    except (AutoGPTError, OSError, TypeError, ValueError) as error:
        raise _unreadable(folder, error) from error


def _unreadable(folder: Path, error: Exception) -> CheckpointError:
    return CheckpointError(f"The checkpoint {str(folder)!r} cannot be read: {error}")


def remove_all(run: Path) -> None:
    """Remove the checkpoints of a run that is finished."""
    shutil.rmtree(run / FOLDER, ignore_errors=True)


def _verify(folder: Path) -> None:
    """Check a checkpoint against its manifest.

    Raises:
        CheckpointError: If anything is missing, truncated or altered.
    """
    try:
        named = verify_manifest(folder)["files"]
    except OSError as error:
        raise CheckpointError(f"{str(folder)!r} cannot be read: {error.strerror}.") from error
    if _FACTS not in named or len(named) < 2:
        raise CheckpointError(f"The manifest of {str(folder)!r} was altered.")


def _refuse_broken(tensors: Mapping[str, Tensor]) -> None:
    """Keep what is no number out of a checkpoint.

    Raises:
        CheckpointError: If a tensor holds NaN or infinity.
    """
    for name, tensor in tensors.items():
        # NumPy, not torch: its threads would be a second team beside those of the training.
        if not np.isfinite(tensor.detach().numpy()).all():
            raise CheckpointError(
                f"Nothing was saved: {name!r} holds NaN or infinity.",
                hint="Go on from the last checkpoint with --resume; if it happens again, the "
                "memory of this machine may be failing.",
            )


def _prune(run: Path, steps: int) -> None:
    """Remove all but the checkpoint after ``steps`` and the one before it, unfinished ones too.

    Those after it belong to a past that was given up: they were damaged, or training went back.
    """
    for unfinished in (run / FOLDER).glob(".step-*"):
        shutil.rmtree(unfinished, ignore_errors=True)
    current = f"step-{steps:08d}"
    before = [folder for folder in _all(run) if folder.name < current]
    for folder in _all(run):
        if folder.name != current and folder not in before[1 - _KEPT :]:
            shutil.rmtree(folder, ignore_errors=True)


def _all(run: Path) -> list[Path]:
    """Return the folders of all finished checkpoints, oldest first."""
    return sorted((run / FOLDER).glob("step-*"))
