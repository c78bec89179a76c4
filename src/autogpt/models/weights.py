"""The tensors of a model folder, by name: safetensors files, written whole and read carefully.

Only safetensors: a ``.bin`` or ``.pt`` file is a pickle, and reading one runs whatever program is
in it. Not here: what the tensors mean (``stored_form``).

Source: safetensors format (Hugging Face 2022), https://github.com/huggingface/safetensors.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from autogpt.core.errors import CheckpointError
from autogpt.core.files import open_atomic, read_json
from autogpt.nn.quantize import Bits, QuantizedMatrix

__all__ = [
    "INDEX",
    "WEIGHTS",
    "StoredTensor",
    "StoredWeights",
    "WeightNames",
    "open_weights",
    "weight_files",
    "write_safetensors",
]

WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"

_DTYPE_NAMES = {torch.float32: "F32", torch.bfloat16: "BF16", torch.float16: "F16"}
_WRITTEN_NAMES = {**_DTYPE_NAMES, torch.uint8: "U8", torch.int64: "I64"}


def write_safetensors(
    path: Path,
    tensors: Sequence[tuple[str, Tensor]],
    *,
    dtype: torch.dtype | None = None,
    metadata: Mapping[str, str] | None = None,
) -> str:
    """Write tensors one after another, atomically, and return the sha256 of what was meant.

    The library's own writer holds all of them in memory once more, and tells of a full disk by an
    error of its own; the format is 8 bytes of length, a JSON header, and the raw data.

    Args:
        path: The file.
        tensors: Names and tensors.
        dtype: What they are stored as: float32, bfloat16 or float16; None for what each is.
        metadata: Of the file.

    Raises:
        ResourceError: If the disk is full or the folder cannot be written.
    """
    offset = 0
    header: dict[str, object] = {"__metadata__": {"format": "pt", **(metadata or {})}}
    for name, tensor in tensors:
        kind = dtype or tensor.dtype
        end = offset + tensor.numel() * kind.itemsize
        kind_name = _WRITTEN_NAMES[kind]
        shape = list(tensor.shape)
        header[name] = {"dtype": kind_name, "shape": shape, "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # so that the data begins aligned
    opening = len(text).to_bytes(8, "little") + text
    digest = hashlib.sha256(opening)
    with open_atomic(path) as file:
        file.write(opening)
        for _, tensor in tensors:
            stored = tensor.detach().to("cpu", dtype or tensor.dtype).contiguous()
            raw = stored.flatten().view(torch.uint8).numpy().data
            digest.update(raw)
            file.write(raw)
    return digest.hexdigest()


class WeightNames(Protocol):
    """How a file names weights: the part of a family (``autogpt.models.family``) that says so."""

    WEIGHTS: Mapping[str, str]
    TRANSPOSED: frozenset[str]
    PREFIX: str
    IGNORED: tuple[str, ...]


class StoredTensor(Protocol):
    """A tensor in a file, not yet read."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Its shape."""
        ...

    def read(self) -> Tensor:
        """Return it."""
        ...

    def quantized(self, bits: Bits) -> QuantizedMatrix | None:
        """Return it as it is stored, if that is a matrix of so many bits in our form."""
        ...


@dataclass(frozen=True, slots=True)
class StoredWeights:
    """The tensors of one model, not yet read.

    Attributes:
        path: The file, or the index of several; for messages.
        places: The tensors by name.
        settings: What says how large they must be; for messages.
    """

    path: Path
    places: Mapping[str, StoredTensor]
    settings: str = "config.json"

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of a tensor without reading it."""
        return self.places[name].shape

    def tensor(self, name: str) -> Tensor:
        """Return a tensor.

        Raises:
            CheckpointError: If it is not made of floating point numbers, all of them finite.
        """
        tensor = self.places[name].read()
        if tensor.dtype not in _DTYPE_NAMES:
            raise CheckpointError(
                f"{str(self.path)!r} stores {name!r} as {tensor.dtype}, expected float32, "
                "bfloat16 or float16."
            )
        low, high = tensor.aminmax()  # one pass and no copy; a NaN becomes both
        if not (low.isfinite() & high.isfinite()):
            raise CheckpointError(f"{str(self.path)!r} holds NaN or infinity in {name!r}.")
        return tensor


@dataclass(frozen=True, slots=True)
class _SafetensorsEntry:
    """A tensor of an open safetensors file, which stays memory-mapped."""

    file: Any  # the type of an open safetensors file is not public
    name: str

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.file.get_slice(self.name).get_shape())

    def read(self) -> Tensor:
        tensor: Tensor = self.file.get_tensor(self.name)
        return tensor

    def quantized(self, bits: Bits) -> None:
        """Return nothing: they are stored whole."""
        del bits


@contextlib.contextmanager
def open_weights(folder: Path) -> Iterator[StoredWeights]:
    """Open ``model.safetensors``, or the files that its index names.

    Raises:
        CheckpointError: If there are none, or one is truncated or not a safetensors file.
    """
    paths = weight_files(folder)
    path = folder / (WEIGHTS if (folder / WEIGHTS).is_file() else INDEX)
    with contextlib.ExitStack() as stack:
        places: dict[str, StoredTensor] = {}
        for file_path in paths:
            file = stack.enter_context(_open(file_path))
            names = file.keys()  # no mapping
            places.update({name: _SafetensorsEntry(file, name) for name in names})
        yield StoredWeights(path, places)


def weight_files(folder: Path) -> list[Path]:
    """Return ``model.safetensors``, or the files that its index names.

    Raises:
        CheckpointError: If there are none.
    """
    single, index = folder / WEIGHTS, folder / INDEX
    if single.is_file():
        return [single]
    if index.is_file():
        return _shards(index)
    raise _no_weights(folder)


def _open(path: Path) -> Any:  # noqa: ANN401 - the library names no type for it
    try:
        return safe_open(path, framework="pt", device="cpu")
    except FileNotFoundError as error:
        raise CheckpointError(f"{str(path)!r} is missing.") from error
    except SafetensorError as error:
        raise CheckpointError(
            f"{str(path)!r} is truncated or not a safetensors file: {error}."
        ) from error


def _shards(index: Path) -> list[Path]:
    table = read_json(index)
    names = table.get("weight_map") if isinstance(table, dict) else None
    if not isinstance(names, dict) or not names:
        raise CheckpointError(f"{str(index)!r} has no weight_map.")
    files = sorted({str(name) for name in names.values()})
    for name in files:
        if Path(name).name != name or not name.endswith(".safetensors"):
            raise CheckpointError(
                f"{str(index)!r} names {name!r}, expected a .safetensors file beside it."
            )
    return [index.parent / name for name in files]


def _no_weights(folder: Path) -> CheckpointError:
    pickles = sorted(path.name for kind in _PICKLES for path in folder.glob(kind))
    if pickles:
        return CheckpointError(
            f"{str(folder)!r} has its weights only as {pickles[0]!r}, a pickle that can run any "
            "program and is never loaded.",
            hint="Save the model as safetensors, with transformers: save_pretrained(FOLDER).",
        )
    return CheckpointError(f"{str(folder / WEIGHTS)!r} is missing.")


_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")
