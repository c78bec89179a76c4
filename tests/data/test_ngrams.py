from __future__ import annotations

import math

import numpy as np

from autogpt.data.ngrams import ngram_losses


def reference(train: list[int], held_out: list[int], vocab_size: int, orders: int) -> list[float]:
    """Return what the module computes, by the formula and with dictionaries."""
    losses, lower = [], [1.0 / vocab_size] * len(held_out)
    for order in range(1, orders + 1):

        def grams(ids: list[int], order: int = order) -> list[tuple[int, ...]]:
            padded = [-1] * (order - 1) + ids
            return [tuple(padded[i : i + order]) for i in range(len(ids))]

        counts: dict[tuple[int, ...], int] = {}
        for gram in grams(train):
            counts[gram] = counts.get(gram, 0) + 1
        ones = sum(count == 1 for count in counts.values())
        twos = sum(count == 2 for count in counts.values())
        discount = ones / (ones + 2 * twos) if ones and twos else 0.5
        new = []
        for gram, below in zip(grams(held_out), lower, strict=True):
            same = {g: c for g, c in counts.items() if g[:-1] == gram[:-1]}
            total = sum(same.values())
            if not total:
                new.append(below)
                continue
            own = max(counts.get(gram, 0) - discount, 0) / total
            new.append(own + discount * len(same) / total * below)
        lower = new
        losses.append(-sum(map(math.log, lower)) / len(lower))
    return losses


def test_losses_are_those_of_the_formula():
    random = np.random.default_rng(0)
    train, held_out = (random.integers(7, size=n) ** 2 % 11 for n in (300, 80))
    expected = reference(train.tolist(), held_out.tolist(), 11, 3)
    np.testing.assert_allclose(ngram_losses(train, held_out, vocab_size=11, orders=3), expected)


def test_longer_histories_tell_more_where_text_has_order():
    cycle = np.tile(np.array([1, 2, 3, 1, 4, 5], dtype=np.uint16), 200)
    one, two, three = ngram_losses(cycle, cycle[:100], vocab_size=6, orders=3)
    assert one > 1.4
    assert one > two > three
    assert three < 0.1


def test_tokens_never_seen_keep_some_probability():
    losses = ngram_losses(np.zeros(50, np.uint16), np.array([3, 4]), vocab_size=8)
    assert all(math.isfinite(loss) for loss in losses)
