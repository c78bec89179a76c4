"""Temperatures: what overstates is put right."""

from __future__ import annotations

import numpy as np
import pytest

from autogpt.tasks.calibration import (
    expected_calibration_error,
    fit_share,
    fit_temperature,
    to_probabilities,
)


@pytest.mark.parametrize("factor", [0.4, 1.0, 3.0])
@pytest.mark.parametrize("several", [False, True])
def test_the_temperature_undoes_a_factor(factor: float, *, several: bool) -> None:
    chance = np.random.default_rng(0)
    honest = chance.normal(size=(20_000, 3))
    chances = to_probabilities(honest, multi_label=several)
    if several:
        targets = (chance.random(chances.shape) < chances).astype(np.int64)
    else:
        targets = (chance.random((len(chances), 1)) > chances.cumsum(1)).sum(1)
    found = fit_temperature(honest * factor, targets, multi_label=several)
    assert found == pytest.approx(factor, rel=0.05)


def test_the_error_is_the_mean_difference() -> None:
    confidences = np.array([0.9, 0.9, 0.9, 0.9, 0.35, 0.35])
    correct = np.array([True, True, True, False, True, False])
    wanted = (4 * abs(0.9 - 0.75) + 2 * abs(0.35 - 0.5)) / 6
    assert expected_calibration_error(confidences, correct) == pytest.approx(wanted)
    assert expected_calibration_error(np.ones(3), np.ones(3, dtype=bool)) == 0
    assert expected_calibration_error(np.zeros(0), np.zeros(0, dtype=bool)) == 0
    assert fit_temperature(np.zeros((0, 2)), np.zeros(0, dtype=np.int64)) == 1.0


@pytest.mark.parametrize("share", [0.0, 0.5, 3.0])
@pytest.mark.parametrize("several", [False, True])
def test_other_scores_count_what_they_know(share: float, *, several: bool) -> None:
    chance = np.random.default_rng(0)
    own, others = chance.normal(size=(2, 20_000, 3))
    honest = own + share * others
    chances = to_probabilities(honest, multi_label=several)
    if several:
        targets = (chance.random(chances.shape) < chances).astype(np.int64)
    else:
        targets = (chance.random((len(chances), 1)) > chances.cumsum(1)).sum(1)
    found = fit_share(own * 2, others * 2, targets, multi_label=several)
    assert found == pytest.approx(share, rel=0.08, abs=0.03)
    assert fit_share(own[:0], others[:0], targets[:0], multi_label=several) == 0.0
