"""Rows of a paged cache read what they would read alone, wherever their blocks lie."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from autogpt.nn.cache import KVCache, cut
from autogpt.nn.paged import GRID, PagedCache, PagedRows

SHAPE = SimpleNamespace(num_hidden_layers=2, num_key_value_heads=3, head_dim=4)


def rows_of(
    cache: PagedCache, tables: list[list[int]], lengths: list[int], count: int
) -> PagedRows:
    width = max(map(len, tables))
    padded = np.array([[*table, *[-1] * (width - len(table))] for table in tables], dtype=np.int32)
    starts = torch.tensor(lengths)[:, None] - count
    return PagedRows(cache, padded, lengths, starts + torch.arange(count))


def fill(cache: PagedCache, tables: list[list[int]], lengths: list[int]) -> list[torch.Tensor]:
    """Write random keys, and values that are their negatives, row by row; return the keys."""
    written = []
    for table, length in zip(tables, lengths, strict=True):
        key = torch.randn(1, 3, length, 4)
        rows = rows_of(cache, [table], [length], length)
        for layer in range(2):
            rows.store(layer, key + layer, -key - layer)
        written.append(key[0])
    return written


@pytest.mark.parametrize(
    ("tables", "lengths", "spans"),
    [
        ([[0, 1, 2]], [40], 1),  # in line
        ([[3, 1, 7]], [40], 1),  # scattered
        ([[0, 1], [4, 5], [8, 9]], [20, 20, 20], 1),  # at equal distances
        ([[0, 1], [4, 5], [6, 7]], [20, 20, 20], 2),
        ([[4, 5], [0, 1]], [20, 20], 2),  # the second before the first
        ([[8, 9], [0, 1], [2, 3]], [18, 20, 20], 2),
        ([[0, 1], [9, 3], [5, 6, 7]], [20, 20, 35], 3),
    ],
)
def test_rows_get_what_was_written(tables: list[list[int]], lengths: list[int], spans: int) -> None:
    torch.manual_seed(0)
    cache = PagedCache.allocate(SHAPE, 10, dtype=torch.float32)
    for store in (*cache.keys, *cache.values):
        store.fill_(torch.nan)  # what is not written must not be read
    before = fill(cache, tables, [length - 1 for length in lengths])
    rows = rows_of(cache, tables, lengths, 1)
    new = torch.randn(len(tables), 3, 1, 4)
    rows.store(1, new + 1, -new - 1)
    found = list(rows.spans(1))
    assert len(found) == spans
    seen = [(key, value) for span in found for key, value in zip(span.key, span.value, strict=True)]
    for place, (key, value) in enumerate(seen):
        wanted = torch.cat((before[place], new[place]), dim=1) + 1
        assert torch.equal(key, wanted)
        assert torch.equal(value, -wanted)
    padded, _ = rows.append(1, new + 1, -new - 1)
    assert not padded.isnan().any()
    for place, length in enumerate(lengths):
        assert torch.equal(padded[place, :, :length], seen[place][0])
    assert rows.longest == max(lengths) - 1
    assert rows.positions(1).tolist() == [[length - 1] for length in lengths]


def test_the_mask_of_uneven_rows_hides_the_padding() -> None:
    cache = PagedCache.allocate(SHAPE, 8, dtype=torch.float32)
    mask = rows_of(cache, [[0], [1]], [3, 5], 2).mask(2)
    assert mask is not None
    assert mask[0, 0].int().tolist() == [[1, 1, 0, 0, 0], [1, 1, 1, 0, 0]]
    assert mask[1, 0].int().tolist() == [[1, 1, 1, 1, 0], [1, 1, 1, 1, 1]]
    assert rows_of(cache, [[0], [1]], [4, 4], 2).mask(2) is None


def test_another_number_of_tokens_is_refused() -> None:
    rows = rows_of(PagedCache.allocate(SHAPE, 8, dtype=torch.float32), [[0]], [3], 2)
    with pytest.raises(ValueError, match="read 2 tokens, not 1"):
        rows.positions(1)


def test_copied_blocks_hold_the_same() -> None:
    cache = PagedCache.allocate(SHAPE, 6, dtype=torch.float32)
    fill(cache, [[0, 1]], [32])
    cache.copy([0, 1], [5, 3])
    for store in (*cache.keys, *cache.values):
        assert torch.equal(store[0], store[5])
        assert torch.equal(store[1], store[3])


@pytest.mark.parametrize("window", [None, 1, 5, 100])
@pytest.mark.parametrize(("before", "count"), [(0, 1), (0, 9), (7, 1), (7, 5), (60, 80), (64, 64)])
def test_pieces_see_what_the_whole_sees(before: int, count: int, window: int | None) -> None:
    end = before + count
    places = torch.arange(before, end)[:, None]
    wanted = torch.arange(end) <= places
    if window is not None:
        wanted &= torch.arange(end) > places - window
    got = torch.zeros(count, end, dtype=torch.bool)
    for tokens, slots, mask in cut(before, count, grid=GRID, window=window):
        begin, stop, _ = tokens.indices(count)
        size = stop - begin
        assert (before + begin) // GRID == (before + stop - 1) // GRID
        if mask is None:  # as attention reads it: causal, the queries are the last of the slots
            width = slots.stop - slots.start
            mask = torch.arange(width) <= torch.arange(width - size, width)[:, None]
        got[tokens, slots] = mask
    assert torch.equal(got, wanted)


def test_the_contiguous_cache_yields_the_same_spans() -> None:
    torch.manual_seed(0)
    plain = KVCache(SHAPE, 1, 40)
    paged = PagedCache.allocate(SHAPE, 4, dtype=torch.float32)
    for count, length in ((20, 20), (3, 23), (1, 24)):
        key, value = torch.randn(2, 1, 3, count, 4)
        rows = rows_of(paged, [[2, 0]], [length], count)
        for layer in range(2):
            plain.store(layer, key, value)
            rows.store(layer, key, value)
            for window in (None, 4):
                for ours, theirs in zip(
                    plain.spans(layer, window=window), rows.spans(layer, window=window), strict=True
                ):
                    assert torch.equal(ours.key, theirs.key)
                    assert torch.equal(ours.value, theirs.value)
        plain.advance(count)
