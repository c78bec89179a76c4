from __future__ import annotations

import json
from importlib.resources import files

import numpy as np
import pytest

from autogpt.core.errors import ConfigError
from autogpt.training.scaling import Corpus, Law, effective_tokens, fit, law, look_at

COUNTED = ((62_500, 4.6), (125_000, 4.4), (250_000, 4.2), (500_000, 4.0))
CORPUS = Corpus(
    vocab_size=1000,
    train_tokens=500_000,
    validation_tokens=50_000,
    bytes_per_token=3.0,
    counted=COUNTED,
)


def run(
    corpus: str, weights: int, layers: int, tokens: int, unique: int, truth: Law
) -> dict[str, object]:
    seen = Corpus(
        vocab_size=1000,
        train_tokens=unique,
        validation_tokens=1,
        bytes_per_token=3.0,
        counted=COUNTED,
    )
    return {
        "corpus": corpus,
        "block_weights": weights,
        "layers": layers,
        "tokens": tokens,
        "unique_tokens": unique,
        "vocab": 1000,
        "counted": [list(point) for point in COUNTED],
        "loss": truth.loss(seen, weights=weights, layers=layers, tokens=tokens),
    }


def test_a_law_is_found_again_from_runs_that_follow_it():
    truth = Law((0.5, 0.12, 0.3, 0.35, 0.25, 0.5, 0.004, 0.05, 0.05, 0.3, 0.2), 0.02)
    runs = [
        run(corpus, weights, layers, tokens, unique, truth)
        for corpus, unique in (("a", 400_000), ("b", 3_000_000))
        for weights, layers in ((100_000, 1), (400_000, 2), (400_000, 4), (2_000_000, 4))
        for tokens in (200_000, 1_000_000, 8_000_000)
    ]
    found = fit(runs)
    for size in ({"weights": 200_000, "layers": 1}, {"weights": 1_000_000, "layers": 3}):
        expected = truth.loss(CORPUS, **size, tokens=3e6)
        assert found.loss(CORPUS, **size, tokens=3e6) == pytest.approx(expected, rel=0.01)
    assert 0.02 <= found.noise < 0.1


def test_repeated_tokens_are_worth_less():
    assert effective_tokens(5e5, 1e6) == 5e5
    assert 1e6 < effective_tokens(2e6, 1e6) < 2e6
    assert effective_tokens(1e9, 1e6) == pytest.approx(1e6 * 16.4)


def test_the_kept_runs_give_a_law_that_is_sane():
    kept = law()
    losses = [
        kept.loss(CORPUS, weights=w, layers=3, tokens=t)
        for w, t in ((1e5, 1e6), (1e6, 1e6), (1e6, 4e6))
    ]
    assert losses[0] > losses[1] > losses[2] > 0.3 * CORPUS.ngram_loss
    low, high = kept.interval(losses[0])
    assert low < losses[0] < high


def test_kept_runs_are_predicted_without_their_corpus():
    text = (files("autogpt.training") / "scaling_runs.jsonl").read_text(encoding="utf-8")
    names = sorted({json.loads(line)["corpus"] for line in text.splitlines()})
    assert len(names) >= 4
    assert law(without=(names[0],)) != law()


def test_too_few_runs_are_refused():
    with pytest.raises(ConfigError, match="too few"):
        fit([])


def test_a_corpus_is_described_by_counting():
    ids = np.tile(np.arange(50, dtype=np.uint16), 100)
    corpus = look_at(ids, ids[:500], vocab_size=50, held_out_bytes=1000)
    assert corpus.train_tokens == 5000
    assert corpus.bytes_per_token == 2.0
    tokens, losses = zip(*corpus.counted, strict=True)
    assert list(tokens) == sorted(tokens)
    assert tokens[-1] == 5000
    assert corpus.ngram_loss == pytest.approx(losses[-1])
    assert corpus.ngram_loss < 0.1


def test_counting_is_told_between_and_beyond_what_was_counted():
    assert CORPUS.counting(250_000) == pytest.approx(4.2)
    assert 4.2 < CORPUS.counting(200_000) < 4.4
    assert CORPUS.counting(30_000) > 4.6
    assert CORPUS.counting(5_000_000) == CORPUS.ngram_loss == 4.0  # there is no more text
    assert CORPUS.slope == pytest.approx(np.log(4.2 / 4.0))
