"""The state of a sharded model in a checkpoint: each process writes its own rows.

::

    run/checkpoints/step-00000120/
        shard-00001-model-00001-of-00001.safetensors      of rank 0
        shard-00002-model-00001-of-00001.safetensors      of rank 1, and so on
        state.json, manifest.json                         as in any checkpoint

torch.distributed.checkpoint decides who writes and reads which rows, so that any number of
processes can go on, or one that has the whole model; a checkpoint that one process wrote is read
in shards as well. Its own storage keeps a pickle beside the tensors, which would run whatever
program is in it; its safetensors storage keeps the offsets as JSON in each header, and is what is
used here (docs/decisions/0004-shards-without-pickles.md).
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import torch
from safetensors import SafetensorError
from torch import Tensor
from torch.distributed.checkpoint import state_dict_loader, state_dict_saver
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.hf_storage import (
    HuggingFaceStorageReader,
    HuggingFaceStorageWriter,
)
from torch.distributed.checkpoint.metadata import TensorStorageMetadata
from torch.distributed.tensor import DTensor

from autogpt.core.errors import CheckpointError
from autogpt.core.files import explain_os_errors, sha256_file
from autogpt.training import checkpoints
from autogpt.training.checkpoints import RunState
from autogpt.training.distributed import World

__all__ = ["read", "read_into", "save"]


def save(run: Path, at: RunState, tensors: Mapping[str, Tensor], world: World) -> None:
    """Write a checkpoint of which every process writes its rows; all of them call this.

    Raises:
        CheckpointError: If a tensor holds NaN or infinity.
        ResourceError: If the disk is full or cannot be written; older checkpoints stay.
    """

    def write(folder: Path, tensors: Mapping[str, Tensor]) -> dict[str, str]:
        _refuse_broken(tensors)
        world.gathered("")  # the folder is there
        with explain_os_errors(folder), _explained(folder), _quiet():
            writer = HuggingFaceStorageWriter(str(folder), save_distributed=True)
            state_dict_saver.save(dict(tensors), storage_writer=writer)
        mine = folder.glob(f"shard-{world.rank + 1:05d}-*.safetensors")
        digests = world.gathered(json.dumps({path.name: sha256_file(path) for path in mine}))
        return {name: digest for said in digests for name, digest in json.loads(said).items()}

    if world.leads:
        checkpoints.save(run, at, tensors, write=write)
    else:
        write(checkpoints.unfinished(run, at.steps), tensors)
    world.gathered("")  # it has its name


def _refuse_broken(tensors: Mapping[str, Tensor]) -> None:
    for name, tensor in tensors.items():
        if not torch.isfinite(cast(DTensor, tensor).to_local()).all():
            raise CheckpointError(
                f"Nothing was saved: {name!r} holds NaN or infinity.",
                hint="Go on from the last checkpoint with --resume.",
            )


def read(folder: Path) -> dict[str, Tensor]:
    """Return the whole tensors of a checkpoint.

    Raises:
        CheckpointError: If it cannot be read.
    """
    with _explained(folder), _quiet():
        tensors = {
            name: torch.empty(stored.size, dtype=stored.properties.dtype)
            for name, stored in _stored(folder).items()
        }
        reader = HuggingFaceStorageReader(str(folder))
        state_dict_loader.load(dict(tensors), storage_reader=reader, no_dist=True)
    return tensors


def read_into(folder: Path, tensors: Mapping[str, Tensor]) -> None:
    """Fill each process's rows of ``tensors`` from a checkpoint; all of them call this.

    Raises:
        CheckpointError: If it cannot be read, or belongs to another model.
    """
    with _explained(folder), _quiet():
        stored = _stored(folder)
        if stored.keys() != tensors.keys() or any(
            stored[name].size != tensor.shape for name, tensor in tensors.items()
        ):
            raise CheckpointError("The checkpoint's tensors are not those of this model.")
        state_dict_loader.load(dict(tensors), storage_reader=HuggingFaceStorageReader(str(folder)))


def _stored(folder: Path) -> dict[str, TensorStorageMetadata]:
    metadata = HuggingFaceStorageReader(str(folder)).read_metadata()
    return {
        name: stored
        for name, stored in metadata.state_dict_metadata.items()
        if isinstance(stored, TensorStorageMetadata)
    }


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    """Turn what torch and safetensors raise into one sentence."""
    try:
        yield
    except CheckpointException as error:
        causes = [cause for cause, _ in error.failures.values()]
        for cause in causes:
            if isinstance(cause, OSError):
                raise cause from error
        raise _unreadable(folder, causes[0] if causes else error) from error
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise _unreadable(folder, error) from error


def _unreadable(folder: Path, error: BaseException) -> CheckpointError:
    return CheckpointError(f"The checkpoint {str(folder)!r} cannot be read or written: {error}")


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep to itself what torch warns of: that nobody else takes part, when one process reads."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="torch.distributed.checkpoint")
        yield
