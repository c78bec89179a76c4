from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from autogpt.core.errors import ResourceError
from autogpt.nn.cache import KVCache

SHAPE = SimpleNamespace(num_hidden_layers=2, num_key_value_heads=3, head_dim=4)


def tokens(batch: int, count: int, start: int = 0) -> torch.Tensor:
    """Keys that tell their row and number: row * 100 + number."""
    numbers = torch.arange(start, start + count)[None] + 100 * torch.arange(batch)[:, None]
    return numbers[:, None, :, None].expand(batch, 3, count, 4).float()


def fill(cache: KVCache, new: torch.Tensor) -> torch.Tensor:
    for layer in range(2):
        key, value = cache.append(layer, new, -new)
        assert torch.equal(key, -value)
    cache.advance(new.shape[2])
    return key


def test_even_rows_grow_and_need_no_mask() -> None:
    cache = KVCache(SHAPE, 2, 8)
    assert fill(cache, tokens(2, 3)).shape == (2, 3, 3, 4)
    assert cache.mask(1) is None
    keys = fill(cache, tokens(2, 1, start=3))
    assert keys[1, 0, :, 0].tolist() == [100, 101, 102, 103]
    assert cache.lengths == (4, 4)
    assert cache.positions(2).tolist() == [[4, 5], [4, 5]]


def test_uneven_rows_write_at_their_own_length_and_hide_the_padding() -> None:
    cache = KVCache(SHAPE, 2, 8)
    fill(cache, tokens(2, 4))
    cache.truncate([2, 4])
    mask = cache.mask(1)
    assert mask is not None
    keys = fill(cache, tokens(2, 1, start=50))
    assert mask[:, 0, 0].tolist() == [[True, True, True, False, False], [True] * 5]
    assert keys[0, 0, :3, 0].tolist() == [0, 1, 50]
    assert keys[1, 0, :, 0].tolist() == [100, 101, 102, 103, 150]
    assert cache.lengths == (3, 5)


def test_several_new_tokens_after_uneven_rows_are_causal() -> None:
    cache = KVCache(SHAPE, 2, 8)
    fill(cache, tokens(2, 2))
    cache.truncate([1, 2])
    mask = cache.mask(2)
    assert mask is not None
    assert mask[0, 0].tolist() == [[True, True, False, False], [True, True, True, False]]
    assert mask[1, 0].tolist() == [[True, True, True, False], [True, True, True, True]]


def test_selecting_rows_copies_and_reorders() -> None:
    cache = KVCache(SHAPE, 2, 8)
    fill(cache, tokens(2, 2))
    cache.truncate([1, 2])
    cache.select([1, 1, 0])
    assert cache.lengths == (2, 2, 1)
    keys = fill(cache, tokens(3, 1, start=7))
    assert keys[:, 0, 0, 0].tolist() == [100, 100, 0]


def test_a_full_cache_says_so() -> None:
    cache = KVCache(SHAPE, 1, 4)
    fill(cache, tokens(1, 4))
    with pytest.raises(ResourceError, match="5 tokens do not fit a cache for 4"):
        cache.append(0, tokens(1, 1), tokens(1, 1))


def test_wrong_lengths_are_refused() -> None:
    cache = KVCache(SHAPE, 2, 4)
    fill(cache, tokens(2, 2))
    for lengths in ([3, 2], [-1, 2]):
        with pytest.raises(ValueError, match="cannot truncate"):
            cache.truncate(lengths)
    with pytest.raises(ValueError, match="zip"):
        cache.truncate([1])
    with pytest.raises(ValueError, match="at least 1"):
        KVCache(SHAPE, 0, 4)
