"""Small files of arrays that lie beside a model, in safetensors: read with suspicion.

Not here: weights of models (``models.weights``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError
from safetensors.numpy import load_file

from autogpt.core.errors import CheckpointError
from autogpt.models.weights import write_safetensors

__all__ = ["Array", "load_arrays", "save_arrays"]

Array = npt.NDArray[Any]


def save_arrays(path: Path, arrays: Mapping[str, Array], kinds: Mapping[str, type]) -> None:
    """Write arrays, each as its kind.

    Raises:
        ResourceError: If the disk is full or the folder cannot be written.
    """
    tensors = [(name, torch.from_numpy(arrays[name].astype(kind))) for name, kind in kinds.items()]
    write_safetensors(path, tensors)


def load_arrays(
    path: Path, kinds: Mapping[str, type], valid: Callable[..., bool]
) -> dict[str, Array]:
    """Read arrays, all of them finite.

    Args:
        path: The file.
        kinds: Name and kind of each.
        valid: Whether they are what they should be; is given them by name.

    Raises:
        CheckpointError: If the file is missing or damaged, or holds something else.
    """
    try:
        found = load_file(path)
        arrays = {name: found[name] for name in kinds}
    except (OSError, KeyError, ValueError, SafetensorError) as error:
        raise CheckpointError(
            f"{str(path)!r} is missing or damaged.", hint="Copy the whole folder of the model."
        ) from error
    kept = all(arrays[name].dtype == kind for name, kind in kinds.items())
    if not kept or not all(np.isfinite(each).all() for each in arrays.values()):
        raise CheckpointError(f"{str(path)!r} is damaged.")
    if not valid(**arrays):
        raise CheckpointError(f"{str(path)!r} is damaged, or of a model with other labels.")
    return arrays
