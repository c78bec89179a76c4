"""Intervals: that they cover the truth as often as they say, and repeat with their seed."""

from __future__ import annotations

import time

import numpy as np
import pytest

from autogpt.evaluation.metrics.labels import label_metrics
from autogpt.evaluation.metrics.metric import Metric, count_resamples, mean, measure, share
from autogpt.evaluation.metrics.texts import translation_metrics


def test_intervals_cover_the_truth():
    random = np.random.default_rng(1)
    covered = 0
    for trial in range(200):
        figure = measure(share("accuracy", (random.uniform(size=120) < 0.8).tolist()), seed=trial)
        covered += figure.low <= 0.8 <= figure.high
    assert 0.90 <= covered / 200 <= 0.99  # 95% and its own noise


def test_the_interval_is_that_of_the_normal_distribution_for_a_mean():
    values = np.random.default_rng(2).normal(5.0, 2.0, 400)
    figure = measure(mean("mean", values), resamples=4000)
    half = 1.96 * values.std() / 20
    assert figure.value == pytest.approx(values.mean())
    assert figure.low == pytest.approx(values.mean() - half, abs=0.03)
    assert figure.high == pytest.approx(values.mean() + half, abs=0.03)


def test_calibration_error_lies_in_its_interval():
    random = np.random.default_rng(3)
    chance = random.uniform(0.5, 1.0, 300)
    expected = [("a",) if r else ("b",) for r in random.uniform(size=300) < chance]
    chances = [{"a": p, "b": 1 - p} for p in chance.tolist()]
    figure = measure(label_metrics(expected, [("a",)] * 300, chances)[-1])
    assert 0 <= figure.low <= figure.value <= figure.high


def test_bleu_is_resampled_by_sentence():
    written = ["The dog bit the man .", "It was a cat .", "A man sat down on the mat ."] * 5
    references = ["The dog bit the man .", "It was the cat .", "The man sat on the mat ."] * 5
    bleu = translation_metrics(written, references)[0]
    counts = np.concatenate(list(count_resamples(15, resamples=20, seed=7)))
    quick = bleu.of(counts @ bleu.parts)
    for row, value in zip(counts.astype(int), quick, strict=True):
        chosen = np.repeat(np.arange(15), row)
        again = translation_metrics([written[i] for i in chosen], [references[i] for i in chosen])
        assert value == pytest.approx(again[0].value)


def test_same_seed_same_interval_and_names():
    metric = share("accuracy", [True, False, True, True])
    assert measure(metric, seed=1) == measure(metric, seed=1)
    fields = measure(metric).to_dict()
    assert list(fields) == ["accuracy", "accuracy_low", "accuracy_high"]
    assert fields["accuracy"] == 0.75


def test_resamples_are_as_large_as_the_sample_in_every_piece():
    pieces = list(count_resamples(5000, resamples=1000, seed=0))
    assert len(pieces) == 2
    counts = np.concatenate(pieces)
    assert counts.shape == (1000, 5000)
    assert (counts.sum(1) == 5000).all()


def test_one_example_and_none():
    figure = measure(share("accuracy", [True]))
    assert (figure.low, figure.value, figure.high) == (1.0, 1.0, 1.0)
    with pytest.raises(ValueError, match="expected"):
        Metric(name="x", formula="ratio", parts=np.zeros((0, 2)))


def test_a_thousand_resamples_of_a_large_test_set_take_no_time():
    metric = mean("mean", np.random.default_rng(0).uniform(size=5000))
    begin = time.process_time()
    measure(metric)
    assert time.process_time() - begin < 2.0  # 0.2 s; the rest is for a busy machine


def test_an_error_of_calibration_lies_in_its_interval():
    expected, probabilities = [], []
    for sure in (0.55, 0.65, 0.75, 0.85, 0.95):  # as sure as right but for 0.004: by luck
        expected += [("a",)] * round(40 * sure) + [("b",)] * (40 - round(40 * sure))
        probabilities += [{"a": sure + 0.004, "b": 0.996 - sure}] * 40
    *_, error = label_metrics(expected, [("a",)] * 200, probabilities)
    found = measure(error)
    assert found.value == pytest.approx(0.004, abs=1e-6)
    assert found.low <= found.value <= found.high
