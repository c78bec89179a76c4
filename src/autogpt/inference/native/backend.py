"""Run a quantized model with the C++ decoder: the engine's ``Backend``, checked and without copies.

Rows of prompts and of newest tokens go through the same arithmetic in one call, so a text comes
out the same, bit by bit, alone and among others, read at once and in pieces.

Everything that reaches the decoder is checked here first, because C++ would not: a wrong table is
an error, never a crash.
"""

from __future__ import annotations

import ctypes
import logging
import math
from collections.abc import Iterable
from dataclasses import fields
from operator import is_not
from typing import Any, Literal, TypeVar

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from autogpt.core.allocator import LargePages
from autogpt.core.errors import UsageError
from autogpt.inference.backends import BLOCK, PagedCache, StepBatch
from autogpt.inference.native import binding
from autogpt.inference.native.build import Built, find_library
from autogpt.inference.native.probe import is_faster
from autogpt.models.gpt import GPTConfig
from autogpt.models.quantized import QuantizedModel, give_back_heap
from autogpt.nn.positions import RotaryPositions
from autogpt.nn.quantize import GROUP, ROWS

__all__ = ["CacheKind", "NativeBackend", "load_backend", "obstacle"]

_logger = logging.getLogger(__name__)

CacheKind = Literal["float16", "int8"]
"""How keys and values are kept. 8 bits take half the memory of half precision and, in contexts of
thousands of tokens, a good part of the time; they cost some accuracy (docs/log.md)."""

_T = TypeVar("_T")
_D = TypeVar("_D", bound=np.generic)

_ALIGNMENT = 64  # bytes of a vector and of a cache line
_WIDEST_HEAD = 256  # as in attention.hpp
_INT32_MAX = 2**31 - 1

# Switches that change nothing here, or that the decoder knows.
_KNOWN = frozenset(
    {
        *("model_type", "initializer_range", "bos_token_id", "eos_token_id", "pad_token_id"),
        *("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "head_dim"),
        *("num_attention_heads", "num_key_value_heads", "max_position_embeddings", "norm_eps"),
        *("rope_theta", "rope_scaling", "query_key_norm", "attention_bias", "network_bias"),
        *("tie_word_embeddings", "attention_output_bias", "embedding_multiplier", "post_norms"),
        *("sliding_window", "layer_types", "rope_local_base_freq", "query_pre_attn_scalar"),
    }
)
_ALLOWED = {"norm": ("rms", "offset_rms"), "network": ("swiglu", "geglu"), "positions": ("rotary",)}


def obstacle(config: GPTConfig) -> str | None:
    """Return which switch of a model the decoder does not know; None if it runs the model."""
    for field in fields(config):
        value = getattr(config, field.name)
        allowed = _ALLOWED.get(field.name, (field.default,))
        if field.name not in _KNOWN and value not in allowed:
            return f"{field.name} = {value!r}"
    if config.head_dim % ROWS or config.head_dim > _WIDEST_HEAD:
        return f"head_dim = {config.head_dim}"
    return None


def load_backend(
    quantized: QuantizedModel, *, cache: CacheKind = "float16"
) -> NativeBackend | None:
    """Return the fastest way to run a quantized model that this machine has beside torch.

    None, with one warning that says why, where there is no compiler, the model has switches that
    the decoder does not know, or torch was faster when both were tried on this machine.
    """
    unknown = obstacle(quantized.config)
    if unknown is not None:
        _logger.warning(
            "this model runs in torch, which is slower: the decoder does not know %s", unknown
        )
        return None
    built = find_library()
    if built is None or not is_faster(built, quantized, NativeBackend):
        return None
    return NativeBackend(quantized, built, cache=cache)


class NativeBackend:
    """The model in C++.

    Args:
        quantized: The model; its matrices are put in order, and shared.
        built: The decoder.
        cache: How keys and values are kept.
        threads: Most threads; default torch's number at each step.
    """

    def __init__(
        self,
        quantized: QuantizedModel,
        built: Built,
        *,
        cache: CacheKind = "float16",
        threads: int | None = None,
    ) -> None:
        self._config = quantized.config
        self._functions = binding.Functions(built.library)
        self._threads = threads
        self._alive: list[object] = []  # what the structures point to
        self._pages = LargePages(
            sum(
                LargePages.size_of(part.nbytes)
                for matrix in quantized.matrices.values()
                for part in matrix.parts
            )
        )
        self._model = self._build(quantized, cache)
        self._scratch = torch.empty(0, dtype=torch.uint8)
        self._stores: tuple[Tensor, ...] = ()  # of the cache that was used last
        self._addresses: tuple[ctypes.Array[Any], ctypes.Array[Any]]

    def new_cache(self, blocks: int) -> PagedCache:
        """Return room for the keys and values of ``blocks`` * 16 tokens, as bytes.

        ``[blocks, K, bytes]`` for each layer, the blocks of a head behind each other; the memory is
        taken as they are written.
        """

        def stores(of_values: int) -> list[Tensor]:
            size = self._functions.block_bytes(self._model, of_values)
            shape = (self._config.num_key_value_heads, blocks, size)
            return [
                torch.empty(shape, dtype=torch.uint8).transpose(0, 1)
                for _ in range(self._config.num_hidden_layers)
            ]

        return PagedCache(stores(0), stores(1))

    def run(
        self, batch: StepBatch, cache: PagedCache, *, all_logits: bool = False
    ) -> Float[Tensor, "rows V"]:
        """Read the new tokens, keep their keys and values, and score what follows.

        See ``Backend.run``.

        Raises:
            UsageError: If the batch or the cache contradicts itself or the model.
        """
        ids, positions = _array(batch.token_ids, np.int64), _array(batch.positions, np.int64)
        starts, tables = _array(batch.row_starts, np.int32), _array(batch.block_tables, np.int32)
        self._check(ids, positions, starts, tables, cache.blocks)
        tokens = len(ids)
        outputs = np.arange(tokens, dtype=np.int32) if all_logits else starts[1:] - np.int32(1)
        logits = torch.empty(len(outputs), self._config.vocab_size)
        keys, values = self._pointers(cache)
        step = binding.Batch(
            tokens,
            len(starts) - 1,
            tables.shape[1],
            len(outputs),
            cache.blocks,
            *(array.ctypes.data for array in (ids, positions, starts, tables, outputs)),
            logits.data_ptr(),
            ctypes.addressof(keys),
            ctypes.addressof(values),
        )
        step.scratch = self._room(self._functions.scratch_bytes(self._model, step))
        team = binding.team(self._threads or torch.get_num_threads())
        self._functions.run(self._model, step, team)
        return logits

    # -- checks ------------------------------------------------------------------------------------

    def _check(
        self,
        ids: npt.NDArray[np.int64],
        positions: npt.NDArray[np.int64],
        starts: npt.NDArray[np.int32],
        tables: npt.NDArray[np.int32],
        blocks: int,
    ) -> None:
        rows, tokens = len(starts) - 1, len(ids)
        _expect(rows > 0 and rows <= tokens <= _INT32_MAX, "a batch has one or more rows")
        _expect(len(positions) == tokens, "each token has a position")
        _expect(tables.ndim == 2 and len(tables) == rows, "each row has a table")
        counts = np.diff(starts)
        _expect(
            bool(starts[0] == 0 and starts[-1] == tokens and counts.min() > 0),
            "rows follow each other, one or more tokens each",
        )
        _expect(
            bool(ids.min() >= 0 and ids.max() < self._config.vocab_size),
            "token ids are in the vocabulary",
        )
        _expect(
            bool(positions.min() >= 0 and positions.max() < self._config.max_position_embeddings),
            "positions are in the context",
        )
        if tokens > rows:
            inside = np.ones(tokens, dtype=bool)
            inside[starts[:-1]] = False
            _expect(
                bool((np.diff(positions, prepend=-1)[inside] == 1).all()),
                "the positions of a row follow each other",
            )
        last = positions[starts[1:] - 1] // BLOCK  # the last block that each row needs
        _expect(bool(last.max() < tables.shape[1]), "tables cover their rows")
        used = np.arange(tables.shape[1]) <= last[:, None]
        _expect(
            bool(((tables >= 0) & (tables < blocks))[used].all()),
            "tables name blocks of the cache",
        )

    def _pointers(self, cache: PagedCache) -> tuple[ctypes.Array[Any], ctypes.Array[Any]]:
        """Return the addresses of the layers' keys and values, checked when they are new."""
        stores = (*cache.keys, *cache.values)
        if len(stores) != len(self._stores) or any(map(is_not, stores, self._stores)):
            self._check_cache(cache)
            pointers = ctypes.c_void_p * self._config.num_hidden_layers
            self._addresses = (
                pointers(*(layer.data_ptr() for layer in cache.keys)),
                pointers(*(layer.data_ptr() for layer in cache.values)),
            )
            self._stores = stores
        return self._addresses

    def _check_cache(self, cache: PagedCache) -> None:
        for of_values, layers in enumerate((cache.keys, cache.values)):
            size = self._functions.block_bytes(self._model, of_values)
            _expect(
                len(layers) == self._config.num_hidden_layers
                and all(
                    layer.dtype == torch.uint8
                    and layer.shape == (cache.blocks, self._config.num_key_value_heads, size)
                    and layer.transpose(0, 1).is_contiguous()
                    for layer in layers
                ),
                "the cache was made by this back end",
            )

    def _room(self, size_bytes: int) -> int:
        """Return the address of so much memory, kept from step to step."""
        if self._scratch.numel() < size_bytes + _ALIGNMENT:
            self._scratch = torch.empty(size_bytes + _ALIGNMENT, dtype=torch.uint8)
        return -(-self._scratch.data_ptr() // _ALIGNMENT) * _ALIGNMENT

    # -- from tensors to structures ----------------------------------------------------------------

    def _build(self, quantized: QuantizedModel, cache: CacheKind) -> binding.Model:
        config, weights = self._config, quantized.model.state_dict()
        width = -(-config.hidden_size // GROUP) * GROUP
        everywhere, nearby = self._tables(quantized)
        windows = _switch(config, "windows", (None,) * config.num_hidden_layers)
        layers = (binding.Layer * config.num_hidden_layers)()
        for index in range(config.num_hidden_layers):
            prefix = f"layers.{index}."
            cos, sin = everywhere if windows[index] is None else nearby
            query, key, value, gate, up = (
                f"{prefix}{name}.weight"
                for name in (
                    *("attention.query", "attention.key", "attention.value"),
                    *("network.gate", "network.up"),
                )
            )
            layers[index] = binding.Layer(
                query_key_value=binding.matrix(
                    self._keep(quantized.joined((query, key, value), self._move)),
                    self._biases(weights, (query, key, value)),
                ),
                output=self._matrix(quantized, weights, f"{prefix}attention.output.weight"),
                gate_up=binding.matrix(
                    self._keep(quantized.interleaved(gate, up, self._move)),
                    self._biases(weights, (gate, up), interleaved=True),
                ),
                down=self._matrix(quantized, weights, f"{prefix}network.down.weight"),
                attention_norm=self._norm(weights, f"{prefix}attention_norm", width),
                network_norm=self._norm(weights, f"{prefix}network_norm", width),
                query_norm=self._norm(weights, f"{prefix}attention.query_norm"),
                key_norm=self._norm(weights, f"{prefix}attention.key_norm"),
                attention_post_norm=self._norm(weights, f"{prefix}attention_post_norm", width),
                network_post_norm=self._norm(weights, f"{prefix}network_post_norm", width),
                cos=cos,
                sin=sin,
                window=windows[index] or 0,
            )
            give_back_heap()
        self._keep(layers)
        scalar = _switch(config, "query_pre_attn_scalar", None)
        tied = "head.weight" not in quantized.matrices
        embedding = self._matrix(quantized, weights, "embedding.weight")
        return binding.Model(
            layers=config.num_hidden_layers,
            hidden=config.hidden_size,
            heads=config.num_attention_heads,
            kv_heads=config.num_key_value_heads,
            head_dim=config.head_dim,
            intermediate=config.intermediate_size,
            vocab=config.vocab_size,
            cache_bits=8 if cache == "int8" else 16,
            gelu=_switch(config, "network", "swiglu") == "geglu",
            eps=config.norm_eps,
            embedding_multiplier=_switch(config, "embedding_multiplier", 1.0),
            query_scale=1.0 / math.sqrt(scalar or config.head_dim),
            norm=self._norm(weights, "norm", width),
            embedding=embedding,
            head=embedding if tied else self._matrix(quantized, weights, "head.weight"),
            layer=layers,
        )

    def _keep(self, value: _T) -> _T:
        self._alive.append(value)
        return value

    def _tables(self, quantized: QuantizedModel) -> tuple[tuple[int, int], tuple[int, int]]:
        """Return the addresses of cosines and sines of all layers, and of those with a window."""
        model = quantized.model
        if model.rotary is None:
            raise UsageError("The decoder runs models with rotary positions only.")
        everywhere = self._table(model.rotary)
        local = getattr(model, "local_rotary", None)
        return everywhere, everywhere if local is None else self._table(local)

    def _table(self, rotary: RotaryPositions) -> tuple[int, int]:
        half = self._config.head_dim // 2
        cos, sin = rotary.look_up(self._config.max_position_embeddings, None)  # [P, E]
        # The second half of the sines has the plus sign, see ``rotate``.
        cos, sin = cos[:, :half].contiguous(), sin[:, half:].contiguous()
        return self._keep(cos).data_ptr(), self._keep(sin).data_ptr()

    def _matrix(
        self, quantized: QuantizedModel, weights: dict[str, Tensor], name: str
    ) -> binding.Matrix:
        stored = self._keep(quantized.placed(name, self._move))
        return binding.matrix(stored, self._biases(weights, (name,)))

    def _move(self, part: Tensor) -> Tensor:
        """Copy a part of a matrix to where it is read fast."""
        place = torch.frombuffer(self._pages.take(part.nbytes), dtype=part.dtype)
        return place.view(part.shape).copy_(part)

    def _norm(self, weights: dict[str, Tensor], name: str, width: int | None = None) -> int | None:
        """Return the address of a norm's weights, filled up with zeros; None if there is none."""
        weight = weights.get(f"{name}.weight")
        if weight is None:
            return None
        vector = weight.float()
        if _switch(self._config, "norm", "rms") == "offset_rms":
            vector = vector + 1.0
        vector = F.pad(vector, (0, (width or len(vector)) - len(vector)))
        return self._keep(vector.contiguous()).data_ptr()

    def _biases(
        self, weights: dict[str, Tensor], names: Iterable[str], *, interleaved: bool = False
    ) -> int | None:
        """Return the address of the biases of matrices that are one, in the order of its rows."""
        parts = [weights.get(f"{name.removesuffix('weight')}bias") for name in names]
        found = [part.float() for part in parts if part is not None]
        if not found:
            return None
        padded = [F.pad(part, (0, -len(part) % ROWS)) for part in found]
        if interleaved:
            bias = torch.stack([part.view(-1, ROWS) for part in padded], dim=1).flatten()
        else:
            bias = torch.cat(padded)
        return self._keep(bias.contiguous()).data_ptr()


def _switch(config: GPTConfig, name: str, default: Any) -> Any:  # noqa: ANN401 - of any type
    """Return a switch that only some families have."""
    return getattr(config, name, default)


def _array(tensor: Tensor, dtype: type[_D]) -> npt.NDArray[_D]:
    return np.ascontiguousarray(tensor.numpy(), dtype=dtype)


def _expect(holds: bool, what: str) -> None:  # noqa: FBT001 - reads as an assertion
    if not holds:
        raise UsageError(f"A step of the decoder is wrong: {what}.")
