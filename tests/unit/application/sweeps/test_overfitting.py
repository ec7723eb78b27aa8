"""What the best of many trials is worth."""

from __future__ import annotations

import math

import numpy as np
import pytest

from marketprism_application.backtesting.errors import ParameterError
from marketprism_application.sweeps.overfitting import (
    Moments,
    minimum_track_record,
    moments_of,
    overfitting_probability,
    plateau,
    probabilistic_sharpe,
    verdict_of,
)
from marketprism_application.trading.selection_bias import deflated_sharpe

YEAR = math.sqrt(252)


def test_the_deflated_ratio_is_that_of_its_authors() -> None:
    # T 1250, N 100, SR 2.5 a year, V 1/2 a year, skew -3, kurtosis 10: SR0 0.1132, DSR 0.9004.
    found = deflated_sharpe(2.5 / math.sqrt(250), 1_250, 100, 0.5 / 250, -3, 10)
    assert (round(found.expected_maximum, 4), round(found.probability, 4)) == (0.1132, 0.9004)


def test_the_probabilistic_ratio_and_the_length_of_record_belong_together() -> None:
    moments = Moments(1_250, 0.05, -1.0, 6.0)
    needed = minimum_track_record(moments, 0.0, 0.95)
    assert needed is not None
    assert probabilistic_sharpe(moments._replace(periods=round(needed))) == pytest.approx(0.95, abs=1e-3)
    assert minimum_track_record(moments._replace(sharpe=-0.01)) is None
    # Normal returns: the error of a Sharpe ratio is sqrt((1 + SR^2 / 2) / (T - 1)).
    normal = Moments(101, 0.1, 0.0, 3.0)
    assert probabilistic_sharpe(normal) == pytest.approx(
        0.5 * (1 + math.erf(0.1 * 10 / math.sqrt(1 + 0.005) / math.sqrt(2))), abs=1e-12
    )


def test_noise_is_overfitted_half_of_the_time() -> None:
    found = [
        overfitting_probability(np.random.default_rng(seed).normal(0, 0.01, (1_000, 50))).pbo for seed in range(12)
    ]
    assert np.mean(found) == pytest.approx(0.5, abs=0.1)


def test_one_true_edge_is_found_again() -> None:
    chance = np.random.default_rng(1)
    returns = chance.normal(0, 0.01, (1_000, 50))
    returns[:, 17] += 3 / YEAR * 0.01
    found = overfitting_probability(returns)
    assert found.pbo < 0.05
    assert found.splits == 12_870


def test_equal_trials_are_neither_good_nor_bad() -> None:
    one = np.random.default_rng(2).normal(0, 0.01, (100, 1))
    assert overfitting_probability(np.repeat(one, 5, axis=1)).pbo == 0.5


@pytest.mark.parametrize(("shape", "blocks"), [((100, 1), 16), ((100, 4), 7), ((20, 4), 16)])
def test_too_little_for_a_probability_is_refused(shape: tuple[int, int], blocks: int) -> None:
    with pytest.raises(ParameterError, match="pbo"):
        overfitting_probability(np.zeros(shape), blocks)


def test_trials_made_before_make_a_result_worth_less() -> None:
    returns = np.random.default_rng(3).normal(0.0004, 0.01, (500, 20))
    best = int(np.argmax([moments_of(returns[:, each]).sharpe for each in range(20)]))
    alone, after = verdict_of(returns, best), verdict_of(returns, best, trials_before=10_000)
    assert (alone.trials, after.trials) == (20, 10_020)
    assert alone.deflated is not None
    assert after.deflated is not None
    assert after.deflated < alone.deflated
    assert alone.pbo == after.pbo


def test_few_days_say_little() -> None:
    assert verdict_of(np.zeros((2, 5)), 0) == (5, None, None, None, None, None)
    found = verdict_of(np.random.default_rng(4).normal(0, 1, (10, 5)), 0)  # four blocks of two days and a half
    assert found.pbo is not None
    assert verdict_of(np.random.default_rng(4).normal(0, 1, (10, 1)), 0).deflated is None


def test_a_plateau_is_neighbours_that_do_as_well() -> None:
    assert plateau(10.0, [9.0, 7.0, 6.9, -1.0]) == 0.5
    assert plateau(-1.0, [1.0]) is None
    assert plateau(1.0, []) is None
