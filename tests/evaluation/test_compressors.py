from __future__ import annotations

import random

from autogpt.evaluation.compressors import compressed_bits_per_byte


def test_repetition_costs_little_and_noise_almost_everything() -> None:
    source = random.Random(0)
    noise = "".join(source.choices([chr(code) for code in range(128)], k=20_000))
    dull = compressed_bits_per_byte(["子曰：学而时习之，不亦说乎？"] * 500)
    hard = compressed_bits_per_byte([noise])
    assert set(dull) == set(hard) == {"gzip", "xz"}
    assert all(0 < bits < 0.2 for bits in dull.values())
    assert all(6.9 < bits < 8 for bits in hard.values())


def test_texts_are_joined() -> None:
    text = "What light through yonder window breaks? " * 50
    assert compressed_bits_per_byte([text[:500], text[500:]]) == compressed_bits_per_byte([text])


def test_nothing_and_broken_text() -> None:
    assert compressed_bits_per_byte([]) == {}
    assert compressed_bits_per_byte([""]) == {}
    assert compressed_bits_per_byte(["\ud800" * 10])["gzip"] > 0
