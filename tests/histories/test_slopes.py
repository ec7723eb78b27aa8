"""The statistics of a soak: what grows is found, what wavers or peaks is not."""

from __future__ import annotations

import math
import random

import pytest

from tests.histories.generated_load import market_hours
from tests.histories.slopes import Bound, slope_of, verdict

BOUND = Bound(10.0)


def noisy(per_hour: float, *, count: int = 120, noise: float = 1.0, seed: int = 1) -> list[tuple[float, float]]:
    dice = random.Random(seed)
    return [(10.0 * at, 100.0 + per_hour * 10.0 * at / 3_600 + dice.gauss(0.0, noise)) for at in range(count)]


def test_a_straight_line_has_its_slope_and_no_doubt() -> None:
    slope = slope_of(noisy(36.0, noise=0.0))
    assert slope is not None
    assert (slope.per_hour, slope.low, slope.high) == tuple(pytest.approx(36.0) for _ in range(3))
    assert slope.p < 1e-9


@pytest.mark.parametrize("seed", range(5))
def test_a_leak_in_noise_is_found_and_noise_is_none(seed: int) -> None:
    assert verdict(slope_of(noisy(60.0, seed=seed)), BOUND) == "grows"
    assert verdict(slope_of(noisy(0.0, seed=seed)), BOUND) == "holds"
    assert verdict(slope_of(noisy(5.0, noise=0.1, seed=seed)), BOUND) == "holds"


def test_a_walk_without_direction_is_no_trend_more_often_than_one_of_independent_samples_would_say() -> None:
    found = []
    for seed in range(20):
        dice, value, walk = random.Random(seed), 0.0, []
        for at in range(100):
            value = 0.9 * value + dice.gauss(0.0, 1.0)
            walk.append((10.0 * at, value))
        slope = slope_of(walk)
        assert slope is not None
        found.append(slope.p < 0.01)
    assert sum(found) <= 3


def test_peaks_do_not_count() -> None:
    samples = noisy(0.0)
    for at in (50, 80, 110, 118):
        samples[at] = (samples[at][0], 10_000.0)
    assert verdict(slope_of(samples), BOUND) == "holds"


def test_the_warm_up_is_cut_off() -> None:
    warm = [(10.0 * at, 100.0 * (1 - math.exp(-at / 5))) for at in range(30)]
    samples = [*warm, *((300.0 + time, value) for time, value in noisy(0.0, noise=0.2))]
    assert verdict(slope_of(samples, warm_up_s=300.0), BOUND) == "holds"
    assert verdict(slope_of(samples[:40]), BOUND) == "grows"


def test_equal_samples_have_no_slope_and_few_have_none_that_is_known() -> None:
    slope = slope_of([(float(at), 7.0) for at in range(50)])
    assert slope is not None
    assert (slope.per_hour, slope.p, verdict(slope, Bound(0.0))) == (0.0, 1.0, "holds")
    assert (slope_of(noisy(60.0)[:9]), verdict(None, BOUND)) == (None, "unknown")


def test_a_bound_may_be_a_part_of_what_there_is() -> None:
    slope = slope_of(noisy(36.0, noise=0.0))
    assert slope is not None
    assert (verdict(slope, Bound(1.0, 0.1)), verdict(slope, Bound(1.0, 0.5))) == ("grows", "holds")
    assert verdict(slope, Bound(1.0, least=13.0)) == "holds"  # it grew by 12 in a third of an hour


def test_how_long_the_market_was_open_leaves_breaks_out() -> None:
    hours = [market_hours(rows) for rows in (0, 1, 2, 10_000, 40_000)]
    assert hours[:2] == [0, 0]
    assert hours == sorted(hours)
    day = 20_700 / 3_600  # of rb: 21:00 to 23:00, 9:00 to 15:00 without its breaks
    assert 1.2 * day < hours[-1] < 1.4 * day  # 31 000 rows a day; its nights and its breaks are longer than it
