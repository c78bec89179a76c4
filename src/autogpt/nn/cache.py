"""The key/value cache: what attention needs of the tokens already read, kept while decoding.

Memory is allocated once, for a fixed number of tokens a row. Rows may have different lengths. The
layout makes that simple: **a token's slot is its position**. Prompts are therefore aligned left
and padded on the right; the padding's keys land in slots beyond the row's length, where no real
query may look (slot <= position), and are overwritten by the tokens that follow. So each row gets
what it would get alone.

::

    cache = KVCache(model.config, batch_size=2, capacity=64)
    hidden = model(prompts, cache=cache)       # [2, T], right-padded; every row advances by T
    cache.truncate([5, 9])                     # the true lengths; padding is forgotten
    hidden = model(next_tokens, cache=cache)   # [2, 1]

Not here: paging and several texts sharing a prefix (``paged``). For inference only: what is cached
carries no gradient.

Letters in shapes: B batch, T new tokens, S cached tokens, C capacity, K key/value heads, E width.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple, Protocol

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from autogpt.core.errors import ResourceError

__all__ = ["WHOLE", "Cache", "CacheShape", "KVCache", "Piece", "Span", "cut"]


class CacheShape(Protocol):
    """The part of a model's config that a cache needs."""

    @property
    def num_hidden_layers(self) -> int:
        """Layers."""

    @property
    def num_key_value_heads(self) -> int:
        """K."""

    @property
    def head_dim(self) -> int:
        """E."""


WHOLE = slice(None)  # all rows, or all tokens


class Span(NamedTuple):
    """A part of the new tokens, and all that they see: equally long rows, or a piece of one.

    Attributes:
        rows: Which rows, neighbors; ``WHOLE`` for all.
        tokens: Which of their new tokens; ``WHOLE`` for all.
        key: What the rows hold, up to the last of these tokens, without padding.
        value: Likewise.
        mask: Where the tokens may look, in all rows or in each; None is causal.
    """

    rows: slice
    tokens: slice
    key: Float[Tensor, "B K S E"]
    value: Float[Tensor, "B K S E"]
    mask: Bool[Tensor, "*B T S"] | None


class Piece(NamedTuple):
    """Neighboring new tokens of a row, and the slots that they see.

    Attributes:
        tokens: Which of the new tokens; ``WHOLE`` for all.
        slots: From the first slot that one of them sees to the last token's own.
        mask: Where among these they may look; None is causal.
    """

    tokens: slice
    slots: slice
    mask: Bool[Tensor, "T S"] | None


def cut(
    before: int,
    count: int,
    *,
    grid: int | None,
    window: int | None,
    device: torch.device | None = None,
) -> list[Piece]:
    """Cut the new tokens of a row at fixed positions.

    A kernel that reads many queries at once rounds by their number; cut at fixed positions, a
    token's numbers do not depend on how many others happened to be read in the same step.

    Args:
        before: Tokens that the row held.
        count: New tokens.
        grid: Cut at its multiples; None leaves the tokens whole.
        window: Tokens that a token sees, itself included; None for all.
        device: Of the masks.
    """
    end = before + count
    edges = [before, end]
    if grid is not None and count > 1:
        edges = [before, *range(before // grid * grid + grid, end, grid), end]
    pieces = []
    for first, last in pairwise(edges):
        low = 0 if window is None else max(0, first - window + 1)
        mask = None
        # One token sees all slots from ``low`` on; from the very beginning plain causality does.
        if last - first > 1 and not (first == 0 and (window is None or last <= window)):
            slots = torch.arange(low, last, device=device)
            places = torch.arange(first, last, device=device)[:, None]
            mask = slots <= places
            if window is not None:
                mask &= slots > places - window
        tokens = WHOLE if last - first == count else slice(first - before, last - before)
        pieces.append(Piece(tokens, slice(low, last), mask))
    return pieces


class Cache(Protocol):
    """What a model needs of a cache: :class:`KVCache`, or ``paged.PagedRows``."""

    @property
    def longest(self) -> int:
        """Tokens held by the longest row."""

    def positions(self, count: int) -> Int[Tensor, "B T"]:
        """Return the positions that the next ``count`` tokens of each row take."""

    def mask(self, count: int) -> Bool[Tensor, "B 1 T S"] | None:
        """Return where they may look among what ``append`` returns; None is causal."""

    def append(
        self, layer: int, key: Float[Tensor, "B K T E"], value: Float[Tensor, "B K T E"]
    ) -> tuple[Float[Tensor, "B K S E"], Float[Tensor, "B K S E"]]:
        """Store one layer's new keys and values; return all rows, padded to the longest."""

    def store(
        self, layer: int, key: Float[Tensor, "B K T E"], value: Float[Tensor, "B K T E"]
    ) -> None:
        """Store one layer's new keys and values."""

    def spans(self, layer: int, *, window: int | None = None) -> Iterator[Span]:
        """Yield all new tokens, rows in order, with what they see after ``store``.

        With a window, a token sees itself and the ``window`` - 1 tokens before.
        """

    def advance(self, count: int) -> None:
        """Count ``count`` more tokens in every row; the model calls this after its last layer."""


class KVCache:
    """Keys and values of every layer, for ``batch_size`` rows of up to ``capacity`` tokens.

    Args:
        config: The model's config.
        batch_size: B.
        capacity: C, tokens a row can hold, padding included.
        dtype: That of the model's activations.
        device: That of the model; None is torch's default.
    """

    def __init__(
        self,
        config: CacheShape,
        batch_size: int,
        capacity: int,
        dtype: torch.dtype = torch.float32,
        device: torch.device | None = None,
    ) -> None:
        if batch_size < 1 or capacity < 1:
            raise ValueError(f"{batch_size=} and {capacity=} must be at least 1")
        shape = (batch_size, config.num_key_value_heads, capacity, config.head_dim)
        # Zeros, not empty: a slot never written is masked, but 0 * NaN would still be NaN.
        layers = range(config.num_hidden_layers)
        self._keys = [torch.zeros(shape, dtype=dtype, device=device) for _ in layers]
        self._values = [torch.zeros(shape, dtype=dtype, device=device) for _ in layers]
        self._stored = 0  # new tokens, not yet counted in the lengths
        self._set_lengths([0] * batch_size)

    @property
    def batch_size(self) -> int:
        """Rows."""
        return len(self._lengths)

    @property
    def capacity(self) -> int:
        """Tokens a row can hold."""
        return self._keys[0].shape[2]

    @property
    def lengths(self) -> tuple[int, ...]:
        """Tokens held by each row."""
        return self._lengths

    @property
    def longest(self) -> int:
        """Tokens held by the longest row."""
        return max(self._lengths)

    def positions(self, count: int) -> Int[Tensor, "B T"]:
        """Return the positions that the next ``count`` tokens of each row take."""
        return self._starts[:, None] + torch.arange(count, device=self._starts.device)

    def mask(self, count: int) -> Bool[Tensor, "B 1 T S"] | None:
        """Return where the next ``count`` tokens may look among the slots in use, them included.

        None, which attention reads as causal, when all rows are equally long.
        """
        if self._even:
            return None
        slots = torch.arange(self.longest + count, device=self._starts.device)
        return (slots <= self.positions(count)[:, :, None])[:, None]

    def append(
        self, layer: int, key: Float[Tensor, "B K T E"], value: Float[Tensor, "B K T E"]
    ) -> tuple[Float[Tensor, "B K S E"], Float[Tensor, "B K S E"]]:
        """Store one layer's new keys and values; return all slots in use, as views.

        The lengths move only with :meth:`advance`, once every layer has stored its part.

        Raises:
            ResourceError: If a row would grow beyond the capacity.
        """
        self.store(layer, key, value)
        used = self.longest + key.shape[2]
        return self._keys[layer][:, :, :used], self._values[layer][:, :, :used]

    def store(
        self, layer: int, key: Float[Tensor, "B K T E"], value: Float[Tensor, "B K T E"]
    ) -> None:
        """Store one layer's new keys and values.

        Raises:
            ResourceError: If a row would grow beyond the capacity.
        """
        count = key.shape[2]
        used = self.longest + count
        if used > self.capacity:
            raise ResourceError(f"{used} tokens do not fit a cache for {self.capacity}.")
        for store, new in ((self._keys[layer], key), (self._values[layer], value)):
            if self._even:
                store[:, :, self.longest : used] = new.detach()
            else:
                rows = torch.arange(self.batch_size, device=store.device)[:, None]
                store[rows, :, self.positions(count)] = new.detach().transpose(1, 2).to(store.dtype)
        self._stored = count

    def spans(self, layer: int, *, window: int | None = None) -> Iterator[Span]:
        """Yield all new tokens, rows in order, with what they see after ``store``.

        With a window, a token sees itself and the ``window`` - 1 tokens before.
        """
        rows = [WHOLE] if self._even else [slice(row, row + 1) for row in range(self.batch_size)]
        keys, values = self._keys[layer], self._values[layer]
        for part in rows:
            before = self._lengths[part.start or 0]
            for tokens, slots, mask in cut(
                before, self._stored, grid=None, window=window, device=keys.device
            ):
                yield Span(part, tokens, keys[part, :, slots], values[part, :, slots], mask)

    def advance(self, count: int) -> None:
        """Count ``count`` more tokens in every row; the model calls this after its last layer."""
        self._set_lengths([length + count for length in self._lengths])

    def truncate(self, lengths: Sequence[int]) -> None:
        """Forget what lies beyond ``lengths`` (one for each row): padding, or rejected tokens.

        Raises:
            ValueError: If a row would get longer, or their number is wrong.
        """
        pairs = zip(lengths, self._lengths, strict=True)
        if any(not 0 <= new <= old for new, old in pairs):
            raise ValueError(f"cannot truncate rows of {self._lengths} tokens to {tuple(lengths)}")
        self._set_lengths(lengths)

    def select(self, rows: Sequence[int]) -> None:
        """Keep only ``rows``, in that order; a row named twice is copied."""
        index = torch.tensor(rows, device=self._starts.device)
        self._keys = [store[index] for store in self._keys]
        self._values = [store[index] for store in self._values]
        self._set_lengths([self._lengths[row] for row in rows])

    def _set_lengths(self, lengths: Sequence[int]) -> None:
        self._lengths = tuple(lengths)
        self._even = len(set(self._lengths)) == 1
        self._starts = torch.tensor(self._lengths, device=self._keys[0].device)
