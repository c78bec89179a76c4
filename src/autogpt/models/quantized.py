"""A model whose matrices are in 8 or 4 bits: made while its weights are read, saved, loaded again.

The weights are rounded one by one as they are read, so a model never has to fit into memory whole.
Embedding and head stay at 8 bits, because the head's rounding goes into the scores directly (with
4 bits the divergence from full precision is twenty times that of all other matrices together,
docs/log.md). Vectors (norms, biases) and learned positions stay as they are.

A saved model lies beside the one it was made of, as ``quantized-int8.safetensors``, and is used as
long as that one does not change. Not here: how numbers are rounded (``nn.quantize``), running.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import hashlib
import json
import mmap
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from autogpt.core.errors import CheckpointError, ConfigError
from autogpt.core.files import MANIFEST, read_json
from autogpt.models.checkpoint import load_model, read_config
from autogpt.models.empty import empty_model
from autogpt.models.gpt import GPT, GPTConfig
from autogpt.models.weights import StoredTensor, write_safetensors
from autogpt.nn.quantize import Bits, QuantizedMatrix, interleave, join, quantize

__all__ = [
    "QUANTIZATIONS",
    "Quantization",
    "QuantizedModel",
    "Quantizer",
    "check_quantization",
    "give_back_heap",
    "load_quantized",
    "one_thread",
    "save_quantized",
]

Quantization = Literal["int8", "int4"]
QUANTIZATIONS: Mapping[str, Bits] = {"int8": 8, "int4": 4}

_FORMAT = "autogpt-quantized-1"
_VOCABULARY = ("embedding.weight", "head.weight")
_POSITIONS = "positions.weight"  # added, not multiplied with
_PARTS = ("values", "scales", "minimums")


@dataclass(frozen=True, slots=True)
class QuantizedModel:
    """A model in parts.

    Attributes:
        model: Its switches, vectors and tables; its matrices have shapes but no numbers.
        matrices: The matrices, by name of the weight.
        quantization: How they were rounded.
    """

    model: GPT
    matrices: dict[str, QuantizedMatrix]
    quantization: Quantization

    @property
    def config(self) -> GPTConfig:
        """The switches."""
        return self.model.config

    @property
    def size_bytes(self) -> int:
        """Memory that the matrices take."""
        return sum(matrix.size_bytes for matrix in self.matrices.values())

    def placed(self, name: str, move: Callable[[Tensor], Tensor]) -> QuantizedMatrix:
        """Move a matrix; return it."""
        self.matrices[name] = self.matrices[name].moved(move)
        return self.matrices[name]

    def joined(self, names: Sequence[str], move: Callable[[Tensor], Tensor]) -> QuantizedMatrix:
        """Return matrices below each other, moved; those kept here become views of it."""
        whole = join([self.matrices[name] for name in names]).moved(move)
        begin = 0
        for name in names:
            end = begin + self.matrices[name].values.shape[0]
            self._replace(name, whole, slice(begin, end))
            begin = end
        return whole

    def interleaved(
        self, first: str, second: str, move: Callable[[Tensor], Tensor]
    ) -> QuantizedMatrix:
        """Return two matrices, blocks of rows in turns, moved; those kept become views of it."""
        whole = interleave(self.matrices[first], self.matrices[second]).moved(move)
        self._replace(first, whole, slice(0, None, 2))
        self._replace(second, whole, slice(1, None, 2))
        return whole

    def dequantized(self, dtype: torch.dtype) -> GPT:
        """Return an ordinary model of the rounded weights; the parts are used up."""
        weights = self.model.state_dict()
        for name in list(self.matrices):
            weights[name] = self.matrices.pop(name).dequantize().to(dtype)
        weights = {name: weight.to(dtype) for name, weight in weights.items()}
        self.model.load_state_dict(weights, assign=True)
        return self.model.eval()

    def _replace(self, name: str, whole: QuantizedMatrix, rows: slice) -> None:
        old = self.matrices[name]
        self.matrices[name] = QuantizedMatrix(
            whole.values[rows],
            whole.scales[rows],
            None if whole.minimums is None else whole.minimums[rows],
            old.rows,
            old.columns,
        )


class Quantizer:
    """Rounds the weights of a model as they are read; ``keep`` of ``build_model``.

    Args:
        quantization: To what.

    Attributes:
        matrices: What has been rounded, by name of the weight.
    """

    def __init__(self, quantization: Quantization) -> None:
        self.matrices: dict[str, QuantizedMatrix] = {}
        self._quantization = quantization

    def __call__(self, name: str, weight: Tensor) -> Tensor:
        """Return what the model keeps of a weight: a vector, or the shape of a matrix."""
        if weight.ndim != 2 or name == _POSITIONS:
            return weight.float()
        self.matrices[name] = quantize(weight, self._bits(name))
        _give_back(weight)
        return _shape_alone(self.matrices[name])

    def take(self, name: str, stored: StoredTensor) -> Tensor | None:
        """Return what the model keeps of a matrix that is stored rounded to as many bits already.

        Its numbers are those of the file then, to the bit; ``take`` of ``build_model``.
        """
        if name == _POSITIONS:
            return None
        matrix = stored.quantized(self._bits(name))
        if matrix is None:
            return None
        self.matrices[name] = matrix
        return _shape_alone(matrix)

    def finish(self, model: GPT) -> QuantizedModel:
        """Return the parts of the model that was built with this."""
        give_back_heap()
        return QuantizedModel(model, self.matrices, self._quantization)

    def _bits(self, name: str) -> Bits:
        return _bits_of(name, self._quantization)


def _bits_of(name: str, quantization: Quantization) -> Bits:
    return 8 if name in _VOCABULARY else QUANTIZATIONS[quantization]


def _shape_alone(matrix: QuantizedMatrix) -> Tensor:
    # Of bf16, the dtype of the cache, by which its size is reckoned.
    return torch.empty(matrix.rows, matrix.columns, dtype=torch.bfloat16, device="meta")


def load_quantized(
    folder: Path, quantization: Quantization, *, deep: bool = True
) -> QuantizedModel:
    """Read a model folder, rounding its weights, or what was saved of that before.

    Args:
        folder: A folder in Hugging Face layout.
        quantization: "int8" or "int4".
        deep: As in ``load_model``.

    Raises:
        CheckpointError: As ``load_model``; or if the saved file is damaged.
        ResourceError: If the folder may not be read.
    """
    check_quantization(quantization)
    saved = folder / _file_name(quantization)
    if saved.is_file():
        quantized = _read_saved(saved, read_config(folder), quantization, _fingerprint(folder))
        if quantized is not None:
            return quantized
    quantizer = Quantizer(quantization)
    with one_thread():
        model = load_model(folder, dtype="auto", deep=deep, keep=quantizer)
    return quantizer.finish(model)


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Let torch compute in one thread: many short operations gain little from more.

    On a busy machine they lose: rounding a model took 57 s in two threads, 3 s in one.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def check_quantization(quantization: str) -> None:
    """Refuse an unknown quantization.

    Raises:
        ConfigError: Naming those there are.
    """
    if quantization not in QUANTIZATIONS:
        raise ConfigError(
            f"quantize = {quantization!r} is unknown, expected {' or '.join(QUANTIZATIONS)}."
        )


def save_quantized(quantized: QuantizedModel, folder: Path) -> Path:
    """Write the rounded weights into the folder of the model they were made of.

    Returns:
        The file.

    Raises:
        ResourceError: If the disk is full or the folder cannot be written.
    """
    tensors = [
        (f"{name}.{part}", tensor)
        for name, matrix in quantized.matrices.items()
        for part in _PARTS
        if (tensor := getattr(matrix, part)) is not None
    ]
    tensors += [
        (name, weight)
        for name, weight in quantized.model.state_dict().items()
        if name not in quantized.matrices
    ]
    path = folder / _file_name(quantized.quantization)
    source = _fingerprint(folder)
    write_safetensors(path, tensors, metadata={"format": _FORMAT, "source": source})
    return path


def _file_name(quantization: Quantization) -> str:
    return f"quantized-{quantization}.safetensors"


def _fingerprint(folder: Path) -> str:
    """Return what changes with the weights of a folder: checksums, else sizes and times."""
    facts: object = None
    if (folder / MANIFEST).is_file():
        facts = read_json(folder / MANIFEST)
    else:
        facts = [
            [path.name, path.stat().st_size, path.stat().st_mtime_ns]
            for path in sorted(folder.glob("model*.safetensors"))
        ]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _read_saved(
    path: Path, config: GPTConfig, quantization: Quantization, source: str
) -> QuantizedModel | None:
    """Return the saved model; None if it was made of other weights."""
    model = empty_model(config)
    weights: dict[str, Tensor] = {}
    matrices: dict[str, QuantizedMatrix] = {}
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            metadata = file.metadata() or {}
            if metadata.get("format") != _FORMAT or metadata.get("source") != source:
                return None
            names = set(file.keys())
            for name, weight in model.state_dict().items():
                shape = weight.shape
                if name in names:
                    weights[name] = _checked(file.get_tensor(name), tuple(shape), name, path)
                    continue
                found = [
                    file.get_tensor(f"{name}.{part}") if f"{name}.{part}" in names else None
                    for part in _PARTS
                ]
                bits = _bits_of(name, quantization)
                matrices[name] = _checked_matrix(found, (shape[0], shape[1]), bits, name, path)
                weights[name] = _shape_alone(matrices[name])
    except SafetensorError as error:
        raise _damaged(path, str(error)) from error
    model.load_state_dict(weights, assign=True)
    return QuantizedModel(model.eval(), matrices, quantization)


def _checked(tensor: Tensor, shape: tuple[int, ...], name: str, path: Path) -> Tensor:
    if tensor.shape != shape or tensor.dtype != torch.float32:
        raise _damaged(path, f"{name!r} has another shape")
    if not bool(tensor.isfinite().all()):
        raise _damaged(path, f"{name!r} is not finite")
    return tensor


def _checked_matrix(
    parts: Sequence[Tensor | None], shape: tuple[int, int], bits: Bits, name: str, path: Path
) -> QuantizedMatrix:
    wanted = QuantizedMatrix.part_shapes(*shape, bits)
    found = [None if part is None else tuple(part.shape) for part in parts]
    dtypes = [None if part is None else part.dtype for part in parts]
    half = None if bits == 8 else torch.float16
    if found != list(wanted) or dtypes != [torch.uint8, torch.float16, half]:
        raise _damaged(path, f"{name!r} has another shape")
    if not all(part is None or bool(part.isfinite().all()) for part in parts[1:]):
        raise _damaged(path, f"{name!r} is not finite")
    # Copied, because what is memory-mapped changes when the file does.
    values, scales, minimums = (None if part is None else part.clone() for part in parts)
    return QuantizedMatrix(cast(Tensor, values), cast(Tensor, scales), minimums, shape[0], shape[1])


def _damaged(path: Path, reason: str) -> CheckpointError:
    return CheckpointError(
        f"{str(path)!r} is damaged: {reason}.", hint="Delete it; it is made of the other weights."
    )


def _give_back(weight: Tensor) -> None:
    """Tell the system that a weight is not needed in memory any more.

    Of a memory-mapped file that frees the pages; anything else keeps its contents.
    """
    advise = _c_function("madvise")
    if advise is None:
        return
    begin = -(-weight.data_ptr() // mmap.PAGESIZE) * mmap.PAGESIZE
    size = weight.data_ptr() + weight.nbytes - begin
    if size > 0:
        advise(ctypes.c_void_p(begin), ctypes.c_size_t(size), ctypes.c_int(_PAGE_OUT))


def give_back_heap() -> None:
    """Return to the system what was freed between allocations that live on.

    Rounding leaves holes that C's allocator keeps: 110 MB of 610 for a model of 135M weights.
    """
    trim = _c_function("malloc_trim")
    if trim is not None:
        trim(0)


_PAGE_OUT = 21  # MADV_PAGEOUT of Linux 5.4; others refuse it, which does no harm


@functools.cache
def _c_function(name: str) -> ctypes._NamedFuncPointer | None:
    """Return a function of the C library; None where it has no such function."""
    try:
        found: ctypes._NamedFuncPointer = getattr(ctypes.CDLL(None), name)
    except (OSError, AttributeError, TypeError):  # the last on Windows
        return None
    return found
