"""What is put into a clean series is found, once, and nothing else is: recall and precision."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from marketprism_application.integrity.bar_rows import BarRows
from marketprism_domain.integrity.expectation import Expectation
from marketprism_domain.integrity.report import IntegrityReport
from marketprism_domain.values import NANOS_PER_MINUTE
from tests.support.bar_series import TICK, added, changed, checked, clean, codes, expected, without

FUTURE = expected()
COIN = expected("binance", "BTC-USDT", days=("20240101", "20240103"))
HOURS = expected("shfe", "cu1905", "15m", ("20190304", "20190426"))
SERIES = {"future": FUTURE, "coin": COIN, "quarters": HOURS}
CLEAN: dict[str, BarRows] = {name: clean(each) for name, each in SERIES.items()}
some = st.sampled_from(sorted(SERIES))
seeds = st.integers(0, 2**32 - 1)
quick = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)


def places(name: str, seed: int, count: int, apart: int = 1) -> np.ndarray:
    """Some rows of a series, none nearer to another than `apart`, none at its ends."""
    total = len(CLEAN[name])
    chance = np.random.default_rng(seed)
    slots = np.arange(5, total - 5, apart + 1)
    return np.sort(chance.choice(slots, min(count, len(slots)), replace=False))


def found_rows(report: IntegrityReport, code: str) -> set[int]:
    """When the bars open that a code is said of."""
    return {row.ts for defect in report.defects if defect.code == code for row in defect.rows}


@pytest.mark.parametrize("name", sorted(SERIES))
def test_a_clean_series_has_no_defect(name: str) -> None:
    report = checked(CLEAN[name], SERIES[name])
    assert (report.defects, report.score, report.grade) == ((), 100.0, "A")
    assert report.expected == report.present == len(CLEAN[name])


@quick
@given(some, seeds, st.integers(1, 200))
def test_each_bar_that_is_taken_out_is_missing(name: str, seed: int, count: int) -> None:
    out = places(name, seed, count, apart=0)
    report = checked(without(CLEAN[name], out), SERIES[name])
    assert codes(report).keys() <= {"missing_bar", "missing_range"}
    assert report.missing == len(out) == sum(codes(report).values())
    spans = [(defect.ts_from, defect.ts_to) for defect in report.defects]
    ts = CLEAN[name].ts[out]
    assert all(any(begin <= each < end for begin, end in spans) for each in ts.tolist())


@quick
@given(some, seeds, st.integers(1, 50))
def test_each_row_that_is_there_twice_with_another_value_is_a_duplicate(name: str, seed: int, count: int) -> None:
    twice = places(name, seed, count)
    other = changed(CLEAN[name].taken(twice), slice(None), volume=lambda units: units + 1)
    report = checked(added(CLEAN[name], other), SERIES[name])
    assert codes(report) == {"duplicate": len(twice)}
    assert report.duplicate == len(twice)
    assert found_rows(report, "duplicate") == set(CLEAN[name].ts[twice].tolist())


@quick
@given(some, seeds, st.integers(1, 50))
def test_a_row_that_is_there_twice_alike_is_counted_and_no_defect(name: str, seed: int, count: int) -> None:
    twice = places(name, seed, count)
    report = checked(added(CLEAN[name], CLEAN[name].taken(twice)), SERIES[name])
    assert report.is_clean
    assert (report.duplicate, report.repeated) == (len(twice), len(twice))


@quick
@given(some, seeds, st.integers(1, 50), st.sampled_from(["high", "low"]))
def test_each_impossible_bar_is_found(name: str, seed: int, count: int, price: str) -> None:
    wrong = places(name, seed, count)
    rows = CLEAN[name]
    beyond = {"high": rows.low.units - TICK, "low": rows.high.units + TICK}[price]
    damaged = changed(rows, wrong, **{price: lambda _: beyond[wrong]})
    report = checked(damaged, SERIES[name])
    assert codes(report) == {"ohlc": len(wrong)}
    assert found_rows(report, "ohlc") == set(rows.ts[wrong].tolist())


@quick
@given(some, seeds, st.integers(1, 50), st.integers(1, TICK - 1))
def test_each_price_between_the_steps_is_found(name: str, seed: int, count: int, part: int) -> None:
    wrong = places(name, seed, count)
    damaged = changed(CLEAN[name], wrong, high=lambda units: units + part)
    report = checked(damaged, SERIES[name])
    assert codes(report) == {"off_tick": len(wrong)}
    assert found_rows(report, "off_tick") == set(CLEAN[name].ts[wrong].tolist())


@quick
@given(some, seeds, st.integers(1, 12), st.integers(2, 20), st.booleans())
def test_spikes_are_found(name: str, seed: int, count: int, percent: int, up: bool) -> None:
    wrong = places(name, seed, count, apart=20)
    factor = 1 + percent / 100 if up else 1 - percent / 100

    def leap(units: np.ndarray) -> np.ndarray:
        return np.asarray(np.rint(units * factor / TICK) * TICK, dtype=np.int64)

    damaged = changed(CLEAN[name], wrong, open=leap, high=leap, low=leap, close=leap)
    report = checked(damaged, SERIES[name])
    assert codes(report).keys() <= {"jump"}
    found = found_rows(report, "jump")
    truth = set(CLEAN[name].ts[wrong].tolist())
    assert len(found & truth) >= 0.95 * len(truth)
    assert len(found & truth) >= 0.95 * len(found)


@quick
@given(seeds, st.sampled_from(["future", "coin"]), st.sampled_from([-8, -1, 1, 8]))
def test_an_hour_that_is_some_hours_off_is_one_defect(seed: int, name: str, hours: int) -> None:
    rows = CLEAN[name]
    chance = np.random.default_rng(seed)
    first = int(chance.integers(600, len(rows) - 700))
    ts = rows.ts.copy()
    block = slice(first, first + 60)
    is_whole = bool(
        (np.diff(ts[block]) == NANOS_PER_MINUTE).all()
    )  # else breaks cut it into pieces, some of fewer than ten rows
    ts[block] += hours * 60 * NANOS_PER_MINUTE
    report = checked(rows.at(ts), SERIES[name])
    wrong = [defect for defect in report.defects if defect.code == "wrong_zone"]
    assert sum(defect.total for defect in wrong) >= (60 if is_whole else 30)
    others = sum(total for code, total in codes(report).items() if code != "wrong_zone")
    assert sum(defect.total for defect in wrong) + others <= 120
    if name == "coin":
        assert codes(report) == {"wrong_zone": 60}


@quick
@given(seeds)
def test_everything_at_once_is_found_once_each(seed: int) -> None:
    rows, chance = CLEAN["future"], np.random.default_rng(seed)
    gone, double, spike, off, broken = (
        int(each) for each in chance.choice(np.arange(60, len(rows) - 60, 30), 5, replace=False)
    )
    damaged = changed(rows, off, high=lambda units: units + 1)
    damaged = changed(damaged, broken, low=lambda _: rows.high.units[broken] + TICK)
    damaged = changed(damaged, spike, **{name: lambda units: units * 2 for name in ("open", "high", "low", "close")})
    twice = changed(rows.taken(slice(double, double + 1)), 0, volume=lambda units: units + 7)
    report = checked(added(without(damaged, gone), twice), SERIES["future"])
    assert codes(report) == {"missing_bar": 1, "duplicate": 1, "jump": 1, "off_tick": 1, "ohlc": 1}


def test_a_whole_file_in_another_zone_is_one_defect_and_checked_as_it_should_be() -> None:
    rows: BarRows = CLEAN["future"]
    expectation: Expectation = SERIES["future"]
    shifted = without(rows, 100).at(without(rows, 100).ts - 8 * 3600 * 10**9)
    report = checked(shifted, expectation)
    assert codes(report) == {"wrong_zone": len(rows) - 1, "missing_bar": 1}
    assert report.defects[0].text == "all rows are 8 h early"
