"""The C++ decoder's structures and functions, as ``decoder.hpp`` declares them.

Not here: whether what is passed makes sense, which ``backend`` checks before each call.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from ctypes import POINTER, Structure, c_float, c_int, c_int32, c_int64, c_long, c_void_p
from functools import cache
from pathlib import Path
from typing import Any

from autogpt.nn.quantize import QuantizedMatrix

__all__ = ["Batch", "Functions", "Layer", "Matrix", "Model", "Team", "matrix", "team"]


class Matrix(Structure):
    """A quantized matrix."""

    _fields_ = (
        ("values", c_void_p),
        ("scales", c_void_p),
        ("mins", c_void_p),
        ("bias", c_void_p),
        ("rows", c_int32),
        ("cols", c_int32),
        ("bits", c_int32),
    )


class Layer(Structure):
    """The weights of a block."""

    _fields_ = (
        ("query_key_value", Matrix),
        ("output", Matrix),
        ("gate_up", Matrix),
        ("down", Matrix),
        ("attention_norm", c_void_p),
        ("network_norm", c_void_p),
        ("query_norm", c_void_p),
        ("key_norm", c_void_p),
        ("attention_post_norm", c_void_p),
        ("network_post_norm", c_void_p),
        ("cos", c_void_p),
        ("sin", c_void_p),
        ("window", c_int64),
    )


class Model(Structure):
    """A model."""

    _fields_ = (
        ("layers", c_int32),
        ("hidden", c_int32),
        ("heads", c_int32),
        ("kv_heads", c_int32),
        ("head_dim", c_int32),
        ("intermediate", c_int32),
        ("vocab", c_int32),
        ("cache_bits", c_int32),
        ("gelu", c_int32),
        ("eps", c_float),
        ("embedding_multiplier", c_float),
        ("query_scale", c_float),
        ("norm", c_void_p),
        ("embedding", Matrix),
        ("head", Matrix),
        ("layer", POINTER(Layer)),
    )


class Batch(Structure):
    """One step."""

    _fields_ = (
        ("tokens", c_int32),
        ("rows", c_int32),
        ("table_width", c_int32),
        ("outputs", c_int32),
        ("blocks", c_int32),
        ("token_ids", c_void_p),
        ("positions", c_void_p),
        ("row_starts", c_void_p),
        ("tables", c_void_p),
        ("output_tokens", c_void_p),
        ("logits", c_void_p),
        ("keys", c_void_p),
        ("values", c_void_p),
        ("scratch", c_void_p),
    )


class Team(Structure):
    """Where threads come from."""

    _fields_ = (
        ("start", c_void_p),
        ("index", c_void_p),
        ("size", c_void_p),
        ("threads", c_int32),
    )


class Functions:
    """The functions of a loaded library, with their types."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self.scratch_bytes = library.autogpt_scratch_bytes
        self.scratch_bytes.argtypes = (POINTER(Model), POINTER(Batch))
        self.scratch_bytes.restype = c_long
        self.block_bytes = library.autogpt_block_bytes
        self.block_bytes.argtypes = (POINTER(Model), c_int)
        self.block_bytes.restype = c_long
        self.run = library.autogpt_run
        self.run.argtypes = (POINTER(Model), POINTER(Batch), POINTER(Team))
        self.run.restype = None


def matrix(stored: QuantizedMatrix, bias: int | None = None) -> Matrix:
    """Return the structure of a matrix; it holds pointers only, ``stored`` must live on."""
    minimums = None if stored.minimums is None else stored.minimums.data_ptr()
    return Matrix(
        stored.values.data_ptr(),
        stored.scales.data_ptr(),
        minimums,
        bias,
        stored.rows,
        stored.columns,
        stored.bits,
    )


def team(threads: int) -> Team:
    """Return a team of torch's own threads where they are OpenMP's of GNU, else of new ones."""
    return Team(*(_openmp().get(name) for name in ("start", "index", "size")), threads)


@cache
def _openmp() -> Mapping[str, Any]:
    """Return the addresses of the functions of the OpenMP library that torch has loaded.

    Its ``GOMP_parallel`` is what compilers call for a parallel region: stable since GCC 4.9.
    """
    try:
        lines = Path("/proc/self/maps").read_text(encoding="utf-8").splitlines()
        paths = [line[line.index("/") :] for line in lines if "/libgomp" in line]
        library = ctypes.CDLL(paths[0])
        names = {"start": "GOMP_parallel", "index": "omp_get_thread_num"}
        names["size"] = "omp_get_num_threads"
        return {ours: _address(getattr(library, theirs)) for ours, theirs in names.items()}
    except (OSError, ValueError, IndexError, AttributeError):
        return {}


def _address(function: Any) -> int | None:  # noqa: ANN401 - ctypes has no public type for it
    return ctypes.cast(function, c_void_p).value
