from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from autogpt.evaluation.metrics.metric import Metric, mean, share
from autogpt.evaluation.metrics.texts import translation_metrics
from autogpt.evaluation.significance import compare_all, compare_pair


def test_mcnemar_is_the_binomial_test():
    one = share("accuracy", [True] * 60 + [False] * 20 + [True] * 15 + [False] * 5)
    two = share("accuracy", [True] * 60 + [False] * 20 + [False] * 15 + [True] * 5)
    found = compare_pair(one, two)
    assert found.method == "McNemar"
    assert found.p == pytest.approx(binomtest(5, 20).pvalue)
    assert found.difference == pytest.approx(-0.10)
    assert found.low < -0.10 < found.high < 0
    assert found.winner == 0


def test_alike_models_do_not_differ():
    metric = share("accuracy", [True, False] * 20)
    assert compare_pair(metric, metric).p == 1.0
    assert compare_pair(metric, metric).winner is None


def test_randomization_agrees_with_all_exchanges():
    random = np.random.default_rng(0)
    one, two = random.normal(size=10), random.normal(0.6, size=10)
    signs = np.array([[1 if n >> b & 1 else -1 for b in range(10)] for n in range(1024)])
    apart = two - one
    exact = (np.abs(signs @ apart) >= abs(apart.sum()) - 1e-12).mean()
    found = compare_pair(mean("score", one), mean("score", two))
    assert found.method == "approximate randomization"
    assert found.p == pytest.approx(exact, abs=0.02)


def test_false_alarms_are_as_rare_as_promised():
    random = np.random.default_rng(5)
    alarms = 0
    for trial in range(100):
        pair = [mean("score", random.normal(size=40)) for _ in range(2)]
        alarms += compare_pair(*pair, seed=trial).p < 0.05
    assert alarms <= 11  # five expected; more than eleven has a chance of one in two hundred


def test_translations():
    references = [f"the cat number {n} sat on the mat today" for n in range(40)]
    bad = [r.replace("sat on", "at in") for r in references]
    good, worse = (translation_metrics(w, references)[0] for w in (references, bad))
    found = compare_pair(good, worse)
    assert found.p < 0.001
    assert found.difference < -20
    assert found.winner == 0


def test_lower_is_better_where_it_is():
    low = mean("loss", np.linspace(1, 2, 50), better="lower")
    high = mean("loss", np.linspace(1.5, 2.5, 50), better="lower")
    assert compare_pair(low, high).winner == 0
    assert compare_pair(high, low).winner == 1


def test_of_many_pairs_luck_does_not_pass():
    random = np.random.default_rng(6)
    metrics = [mean("score", random.normal(size=30)) for _ in range(4)]
    found = compare_all(metrics)
    assert [(d.first, d.second) for d in found] == [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]
    single = [compare_pair(metrics[d.first], metrics[d.second]).p for d in found]
    assert all(many.p >= one for many, one in zip(found, single, strict=True))
    smallest = min(range(6), key=lambda index: single[index])
    assert found[smallest].p == pytest.approx(min(1.0, 6 * single[smallest]))


def test_other_examples_are_refused():
    with pytest.raises(ValueError, match="not measured alike"):
        compare_pair(share("accuracy", [True]), share("accuracy", [True, False]))
    one = Metric(name="x", formula="f1", parts=np.ones((3, 3)))
    with pytest.raises(ValueError, match="not measured alike"):
        compare_pair(one, Metric(name="x", formula="macro_f1", parts=np.ones((3, 3))))
