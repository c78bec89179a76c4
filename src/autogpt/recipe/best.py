"""The weights with the lowest validation loss of a run, kept on disk while it goes on.

::

    run/best/step-00000120.safetensors     masters of the weights that learn
    run/best/best.json                     which file it is, its loss, its sha256

The file is written first, and named by ``best.json`` then, so that a crash leaves the old best or
the new one. What a resumed run does again gives the same losses, and is not written again.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from autogpt.core.errors import CheckpointError
from autogpt.core.files import read_json, write_json
from autogpt.models.weights import write_safetensors
from autogpt.training.record import Entry

__all__ = ["Best", "Kept", "looks_since_best", "masters"]

FOLDER = "best"
_FACTS = "best.json"
_MASTER = "master."


@dataclass(frozen=True, kw_only=True, slots=True)
class Kept:
    """Which weights are kept: after how many steps, and their validation loss."""

    step: int
    loss: float


class Best:
    """The best weights of a run.

    Args:
        run: The run folder.
    """

    def __init__(self, run: Path) -> None:
        self._folder = run / FOLDER

    @property
    def kept(self) -> Kept | None:
        """What is kept; None before the first."""
        facts = self._facts()
        return None if facts is None else Kept(step=facts["step"], loss=facts["loss"])

    def offer(self, step: int, loss: float, tensors: Mapping[str, Tensor]) -> bool:
        """Keep weights if their loss is the lowest so far; return whether it is.

        Args:
            step: Steps done.
            loss: On the validation examples.
            tensors: The optimizer's, masters among them.

        Raises:
            ResourceError: If the disk is full; what was kept stays.
        """
        kept = self.kept
        if kept is not None and not loss < kept.loss:
            return False
        name = f"step-{step:08d}.safetensors"
        digest = write_safetensors(self._folder / name, list(masters(tensors).items()))
        facts = {"step": step, "loss": loss, "file": name, "sha256": digest}
        write_json(self._folder / _FACTS, facts)
        for other in self._folder.glob("step-*.safetensors"):
            if other.name != name:
                other.unlink()
        return True

    def load(self) -> dict[str, Tensor]:
        """Return the weights that are kept, by their names in the model.

        Raises:
            CheckpointError: If there are none, or the file is damaged.
        """
        facts = self._facts()
        if facts is None:
            raise CheckpointError(f"No best weights were kept in {str(self._folder)!r}.")
        path = self._folder / facts["file"]
        try:
            with path.open("rb") as file:
                intact = hashlib.file_digest(file, "sha256").hexdigest() == facts["sha256"]
        except OSError as error:
            raise CheckpointError(f"{str(path)!r} cannot be read: {error.strerror}.") from error
        if not intact:
            raise CheckpointError(f"{str(path)!r} is damaged.")
        return load_file(path)

    def restore(self, model: nn.Module) -> None:
        """Put the weights that are kept into a model.

        Raises:
            CheckpointError: As :meth:`load`.
        """
        weights = self.load()
        with torch.no_grad():
            for name, weight in model.named_parameters():
                weight.copy_(weights[name])

    def remove(self) -> None:
        """Remove what is kept, once it lies in the finished model."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _facts(self) -> dict[str, Any] | None:
        path = self._folder / _FACTS
        return read_json(path) if path.is_file() else None


def masters(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the fp32 weights among an optimizer's tensors, by their names in the model."""
    return {
        name.removeprefix(_MASTER): tensor
        for name, tensor in tensors.items()
        if name.startswith(_MASTER)
    }


def looks_since_best(entries: Sequence[Entry]) -> int:
    """Return how many looks at the validation examples came after the lowest loss."""
    losses = [e.loss for e in entries if e.kind == "validation" and e.loss is not None]
    return len(losses) - 1 - losses.index(min(losses)) if losses else 0
