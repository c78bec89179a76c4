"""Keys and values in blocks of 16 tokens, so that texts of any length share one memory.

:class:`PagedCache` is the memory: numbered blocks in every layer. Which blocks belong to which
text is the business of whoever runs the model (``inference.blocks``); here they come as tables.
:class:`PagedRows` is what the model sees of it in one step: some rows, each with its table, that
all read the same number of new tokens. It has the interface of ``cache.KVCache``.

A row whose blocks follow each other in memory is read where it lies. That works because the
blocks of one head lie side by side (``[K, blocks, 16, E]`` in memory, presented as
``[blocks, K, 16, E]``): n blocks in a row are n * 16 tokens in a row. Equally long rows at equal
distances are read together. Rows whose blocks are scattered are gathered first: a copy with the
same numbers.

Source of paging: Kwon et al. 2023, "Efficient Memory Management for Large Language Model Serving
with PagedAttention".

Letters in shapes: B rows, T new tokens, S cached tokens, K key/value heads, E head width.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from autogpt.nn.cache import WHOLE, CacheShape, Piece, Span, cut

__all__ = ["BLOCK", "GRID", "PagedCache", "PagedRows"]

BLOCK = 16  # tokens; vLLM's default on every device (Kwon et al. 2023, section 7.2)
GRID = 64  # queries that attend together; torch's CPU kernel works on 32 to 256 at a time


@dataclass(frozen=True, slots=True)
class PagedCache:
    """Numbered blocks of keys and values in every layer.

    Attributes:
        keys: For each layer ``[blocks, K, 16, E]``, all with the same strides, whatever they are.
        values: Likewise.
    """

    keys: list[Tensor]
    values: list[Tensor]

    @classmethod
    def allocate(
        cls,
        config: CacheShape,
        blocks: int,
        *,
        dtype: torch.dtype,
        device: torch.device | None = None,
    ) -> PagedCache:
        """Return a cache whose memory is taken from the system only as blocks are written."""
        shape = (config.num_key_value_heads, blocks, BLOCK, config.head_dim)

        def stores() -> list[Tensor]:
            return [
                torch.empty(shape, dtype=dtype, device=device).transpose(0, 1)
                for _ in range(config.num_hidden_layers)
            ]

        return cls(stores(), stores())

    @property
    def blocks(self) -> int:
        """Blocks in every layer."""
        return self.keys[0].shape[0]

    def copy(self, sources: Sequence[int], targets: Sequence[int]) -> None:
        """Copy each source block over its target, in every layer."""
        device = self.keys[0].device
        source, target = (torch.tensor(blocks, device=device) for blocks in (sources, targets))
        for store in (*self.keys, *self.values):
            store[target] = store[source]


@dataclass(frozen=True, slots=True)
class _Lines:
    """Rows that lie in memory as ``[B, K, S, E]``: equal lengths, equal distances."""

    rows: slice
    length: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int  # of the first row in its storage


@dataclass(frozen=True, slots=True)
class _Scattered:
    """One row whose blocks are to be gathered."""

    rows: slice
    length: int
    blocks: Tensor  # int64


class PagedRows:
    """Some rows of a paged cache, as a model reads and extends them in one step.

    Args:
        cache: The memory.
        tables: ``[B, M]``, the blocks of each row; entries beyond its length are not looked at.
        lengths: Tokens of each row, the new ones included.
        places: ``[B, T]``, the positions of the new tokens, the last ones of each row.
    """

    def __init__(
        self,
        cache: PagedCache,
        tables: npt.NDArray[np.int32],
        lengths: Sequence[int],
        places: Int[Tensor, "B T"],
    ) -> None:
        self._cache = cache
        self._tables = tables
        self._used = tuple(lengths)
        self._count = places.shape[1]
        self._places = places
        self._even = len(set(self._used)) == 1
        self._groups = list(self._find_groups())
        self._pieces: dict[tuple[int, int | None], list[Piece]] = {}
        # Keys and values of one layer and group, from when they are written to when they are read.
        self._views: tuple[int, Tensor, Tensor] | None = None
        self._slots: tuple[Tensor, Tensor] | None = None

    @property
    def lengths(self) -> tuple[int, ...]:
        """Tokens that each row held before this step."""
        return tuple(length - self._count for length in self._used)

    @property
    def longest(self) -> int:
        """Tokens that the longest row held before this step."""
        return max(self._used) - self._count

    def positions(self, count: int) -> Int[Tensor, "B T"]:
        """Return the positions of the new tokens."""
        self._check(count)
        return self._places

    def mask(self, count: int) -> Bool[Tensor, "B 1 T S"] | None:
        """Return where the new tokens may look among the slots that ``append`` returns.

        None, which attention reads as causal, when all rows are equally long.
        """
        self._check(count)
        if self._even:
            return None
        slots = torch.arange(max(self._used), device=self._places.device)
        return (slots <= self._places[:, :, None])[:, None]

    def store(
        self, layer: int, key: Float[Tensor, "B K T E"], value: Float[Tensor, "B K T E"]
    ) -> None:
        """Write one layer's new keys and values into their blocks."""
        keys, values = self._cache.keys[layer], self._cache.values[layer]
        only = self._groups[0]
        if len(self._groups) == 1 and isinstance(only, _Lines):
            key_view, value_view = _view(keys, only), _view(values, only)
            begin = only.length - self._count
            key_view.narrow(2, begin, self._count).copy_(key)
            value_view.narrow(2, begin, self._count).copy_(value)
            self._views = layer, key_view, value_view
        else:
            blocks, offsets = self._find_slots()
            keys[blocks, :, offsets] = key.transpose(1, 2)
            values[blocks, :, offsets] = value.transpose(1, 2)

    def spans(self, layer: int, *, window: int | None = None) -> Iterator[Span]:
        """Yield all new tokens, rows in order, with what they see after ``store``.

        With a window, a token sees itself and the ``window`` - 1 tokens before.
        """
        for group in self._groups:
            key, value = self._held(layer, group)
            for tokens, slots, mask in self._cut(group.length, window):
                if slots.stop - slots.start < group.length:
                    yield Span(group.rows, tokens, key[:, :, slots], value[:, :, slots], mask)
                else:
                    yield Span(group.rows, tokens, key, value, mask)

    def append(
        self, layer: int, key: Float[Tensor, "B K T E"], value: Float[Tensor, "B K T E"]
    ) -> tuple[Float[Tensor, "B K S E"], Float[Tensor, "B K S E"]]:
        """Write one layer's new keys and values; return all rows, padded with zeros."""
        self.store(layer, key, value)
        if len(self._groups) == 1:
            return self._held(layer, self._groups[0])
        # Zeros: a slot that is masked would still spread a NaN.
        shape = (len(self._used), key.shape[1], max(self._used), key.shape[3])
        keys, values = key.new_zeros(shape), value.new_zeros(shape)
        for group in self._groups:
            held_keys, held_values = self._held(layer, group)
            keys[group.rows, :, : group.length] = held_keys
            values[group.rows, :, : group.length] = held_values
        return keys, values

    def advance(self, count: int) -> None:
        """Do nothing: the lengths are those after the step from the start."""
        self._check(count)

    def _check(self, count: int) -> None:
        if count != self._count:
            raise ValueError(f"these rows read {self._count} tokens, not {count}")

    def _held(self, layer: int, group: _Lines | _Scattered) -> tuple[Tensor, Tensor]:
        """Return keys and values of a group."""
        if self._views is not None and self._views[0] == layer:
            return self._views[1], self._views[2]
        keys, values = self._cache.keys[layer], self._cache.values[layer]
        if isinstance(group, _Lines):
            return _view(keys, group), _view(values, group)
        return _gather(keys, group), _gather(values, group)

    def _find_slots(self) -> tuple[Int[Tensor, "B T"], Int[Tensor, "B T"]]:
        """Return block and offset of each new token, found once for all layers."""
        if self._slots is None:
            tables = torch.from_numpy(self._tables).to(self._places.device, torch.int64)
            blocks = tables.gather(1, self._places // BLOCK)
            self._slots = blocks, self._places % BLOCK
        return self._slots

    def _find_groups(self) -> Iterator[_Lines | _Scattered]:
        needed = [-(-length // BLOCK) for length in self._used]
        firsts: list[int] = self._tables[:, 0].tolist()
        in_line = [self._is_line(row, firsts[row], need) for row, need in enumerate(needed)]
        begin = 0
        while begin < len(needed):
            end = begin + 1
            if not in_line[begin]:
                rows = WHOLE if len(needed) == 1 else slice(begin, end)
                blocks = torch.from_numpy(self._tables[begin, : needed[begin]])
                blocks = blocks.to(self._places.device, torch.int64)
                yield _Scattered(rows, self._used[begin], blocks)
                begin = end
                continue
            distance = max(0, firsts[end] - firsts[begin]) if end < len(needed) else 0
            while (
                end < len(needed)
                and in_line[end]
                and self._used[end] == self._used[begin]
                and firsts[end] - firsts[end - 1] == distance > 0
            ):
                end += 1
            yield self._lines(begin, end, firsts[begin], distance)
            begin = end

    def _lines(self, begin: int, end: int, block: int, distance: int) -> _Lines:
        """Return the rows from ``begin`` to ``end``, their first blocks ``distance`` apart."""
        store, length = self._cache.keys[0], self._used[begin]
        block_step, head_step, token_step, step = store.stride()
        return _Lines(
            WHOLE if end - begin == len(self._used) else slice(begin, end),
            length,
            (end - begin, store.shape[1], length, store.shape[3]),
            (distance * block_step, head_step, token_step, step),
            block * block_step,
        )

    def _is_line(self, row: int, first: int, needed: int) -> bool:
        """Return whether a row's blocks follow each other in memory."""
        store = self._cache.keys[0]
        if store.stride(0) != BLOCK * store.stride(2):
            return False
        size = self._tables.itemsize
        line = _line(self._cache.blocks)[first * size : (first + needed) * size]
        return self._tables[row, :needed].tobytes() == line

    def _cut(self, length: int, window: int | None) -> list[Piece]:
        """Return the pieces of a row of this length, made once for all layers."""
        pieces = self._pieces.get((length, window))
        if pieces is None:
            device = self._cache.keys[0].device
            before = length - self._count
            pieces = cut(before, self._count, grid=GRID, window=window, device=device)
            self._pieces[length, window] = pieces
        return pieces


@functools.cache
def _line(blocks: int) -> bytes:
    """Return the numbers of all blocks in order, as they are in a table."""
    return np.arange(blocks, dtype=np.int32).tobytes()


def _view(store: Tensor, group: _Lines) -> Float[Tensor, "B K S E"]:
    return store.as_strided(group.shape, group.strides, store.storage_offset() + group.offset)


def _gather(store: Tensor, group: _Scattered) -> Float[Tensor, "1 K S E"]:
    picked = store.transpose(0, 1).index_select(1, group.blocks)  # [K, m, 16, E]
    return picked.flatten(1, 2)[None, :, : group.length]
