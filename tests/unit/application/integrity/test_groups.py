"""Each of the seventeen groups fires where something is wrong, and does not where nothing is."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest

from marketprism_application.integrity import event_check
from marketprism_application.integrity.bar_check import check_bars, check_in_parts, daily_grid, report_of
from marketprism_application.integrity.bar_rows import BarRows
from marketprism_application.integrity.catalogue import CODES, GROUPS
from marketprism_application.integrity.exact_numbers import ExactNumbers
from marketprism_application.integrity.expected_grid import Grid
from marketprism_application.integrity.inputs import DayLimits, Figures, Inputs, TermPeriod
from marketprism_application.integrity.trade_rows import TradeRows
from marketprism_application.integrity.witnesses import day_sums
from marketprism_domain.integrity.dataset import Dataset
from marketprism_domain.integrity.report import IntegrityReport
from tests.support.bar_series import TERMS, added, changed, checked, china, clean, codes, expected, numbers, without

WEEK = expected()
ROWS = clean(WEEK)
GRID = Grid.of(WEEK)
SPARSE = replace(WEEK, dense=False)
WITH_MONEY = replace(ROWS, turnover=numbers(ROWS.close.units * ROWS.volume.units * 5))


def ran(report: IntegrityReport, group: str) -> bool:
    return next(check.ran for check in report.checks if check.group == group)


def days_of(rows: BarRows) -> BarRows:
    """The bars of the days that rows make."""
    starts = GRID.day_starts
    ends = np.r_[starts[1:], len(rows)] - 1
    return BarRows(
        rows.ts[starts],
        rows.row[starts],
        rows.open.taken(starts),
        numbers(np.maximum.reduceat(rows.high.units, starts)),
        numbers(np.minimum.reduceat(rows.low.units, starts)),
        rows.close.taken(ends),
        rows.volume.sums(starts),
    )


def test_there_are_seventeen_groups_and_each_code_is_of_one() -> None:
    assert len(GROUPS) == 17
    assert {code.group for code in CODES.values()} == {group.name for group in GROUPS}


def test_a_report_names_every_group_and_why_one_could_not_run() -> None:
    report = checked(ROWS, WEEK)
    assert [check.group for check in report.checks] == [group.name for group in GROUPS]
    assert {check.group for check in report.checks if check.ran} == {
        *("missing", "unexpected", "duplicate", "ohlc", "step", "jump", "stale", "checksum", "open_interest"),
    }
    assert all(check.reason for check in report.checks if not check.ran)


@pytest.mark.parametrize("bars", [300, 465, 1_000])
def test_parts_find_what_the_whole_has(bars: int) -> None:
    damaged = changed(ROWS, [463, 464, 900, 1_395], high=lambda units: units * 2)
    damaged = without(damaged, np.r_[460:470, 700, 925:935])
    twice = changed(damaged.taken(slice(600, 602)), slice(None), volume=lambda units: units + 1)
    rows = added(damaged, twice).in_order()
    whole = report_of(WEEK, [check_bars(rows, WEEK, Inputs(terms=TERMS, day_bars=days_of(ROWS)))], ())
    parts = report_of(WEEK, check_in_parts(rows, WEEK, Inputs(terms=TERMS, day_bars=days_of(ROWS)), bars), ())
    assert len(whole.defects) == 7
    assert parts == whole


def test_missing_heads_and_tails_are_missing() -> None:
    report = checked(ROWS.taken(slice(111, len(ROWS) - 7)), WEEK)
    assert codes(report) == {"missing_range": 118}
    assert [(defect.total, defect.trading_day) for defect in report.defects] == [(111, "20190304"), (7, "20190308")]
    assert report.missing == 118
    assert [day.state for day in report.coverage] == ["partly", "complete", "complete", "complete", "partly"]


def test_a_bar_of_a_sparse_series_is_missing_only_where_another_source_has_volume() -> None:
    out = np.array([200, 201, 900])
    rows = without(ROWS, out)
    report = checked(rows, SPARSE)
    assert (report.missing, report.empty, report.is_clean, ran(report, "missing")) == (0, 3, True, False)
    seen = checked(rows, SPARSE, Inputs(terms=TERMS, klines=without(ROWS, 201)))
    assert codes(seen) == {"missing_bar": 2}
    assert (seen.missing, seen.empty) == (2, 1)
    idle = changed(ROWS, out, volume=lambda units: units * 0)
    assert checked(rows, SPARSE, Inputs(terms=TERMS, klines=idle)).is_clean


def test_rows_outside_the_sessions_are_unexpected() -> None:
    lunch = ROWS.taken(slice(0, 3)).at(np.array([china("20190304", 12, minute) for minute in (0, 1, 5)]))
    holiday = ROWS.taken(slice(0, 1)).at(np.array([china("20190303", 10)]))
    report = checked(added(added(ROWS, lunch), holiday), WEEK)
    assert codes(report) == {"unexpected_bar": 4}
    assert report.unexpected == 4
    assert [defect.total for defect in report.defects] == [1, 2, 1]


def test_rows_of_one_time_that_differ_are_duplicates_and_say_nothing_else() -> None:
    twice = changed(ROWS.taken(slice(50, 52)), slice(None), close=lambda units: units * 3, high=lambda units: units * 3)
    report = checked(added(ROWS, twice), WEEK)
    assert codes(report) == {"duplicate": 2}
    assert [row.row for row in report.defects[0].rows][:2] == [51, 51]


@pytest.mark.parametrize(
    ("columns", "fires"),
    [
        ({"high": lambda units: units * 0 + 1}, True),
        ({"low": lambda units: units * 2}, True),
        ({"volume": lambda units: -units}, True),
        ({name: (lambda units: units * 0) for name in ("open", "high", "low", "close")}, True),
        ({"volume": lambda units: units * 0}, False),
    ],
)
def test_rows_that_cannot_be(columns: dict, fires: bool) -> None:  # type: ignore[type-arg]
    report = checked(changed(ROWS, [77], **columns), WEEK)
    assert codes(report).get("ohlc", 0) == int(fires)
    empty = replace(ROWS, open=ExactNumbers(ROWS.open.units, 0, np.arange(len(ROWS)) != 9))
    assert codes(checked(empty, WEEK)) == {"ohlc": 1}


def test_a_spread_may_cost_less_than_nothing() -> None:
    rows = changed(
        ROWS, slice(None), **{name: (lambda units: units - 60_000) for name in ("open", "high", "low", "close")}
    )
    assert checked(rows, WEEK, Inputs(terms=TERMS, may_be_negative=True)).is_clean
    assert codes(checked(rows, WEEK))["ohlc"] > 1_000


def test_steps_are_those_of_the_date() -> None:
    half = len(ROWS) // 2
    finer = (TermPeriod(0, Decimal(20)), TermPeriod(int(ROWS.ts[half]), Decimal(10), Decimal("0.5")))
    report = checked(ROWS, WEEK, Inputs(terms=finer))
    wrong = [defect for defect in report.defects if defect.code == "off_tick"]
    assert wrong
    assert max(defect.ts_to for defect in wrong) <= int(ROWS.ts[half])
    assert codes(checked(ROWS, WEEK, Inputs(terms=(TermPeriod(0, Decimal(10), Decimal(2)),))))["off_step"] > 100
    fractions = replace(ROWS, volume=ExactNumbers(ROWS.volume.units * 10**6 + 1, 6))
    assert codes(checked(fractions, WEEK)) == {"off_step": len(ROWS)}


def test_prices_beyond_the_limits_of_their_day() -> None:
    low, high = int(ROWS.low.units.min()), int(ROWS.high.units.max())
    limits = {day: DayLimits(Decimal(low), Decimal(high)) for day in WEEK.trading_days}
    assert checked(ROWS, WEEK, Inputs(terms=TERMS, limits=limits)).is_clean
    limits[WEEK.trading_days[1]] = DayLimits(Decimal(low), Decimal(high) / 2 + Decimal("0.25"))
    report = checked(ROWS, WEEK, Inputs(terms=TERMS, limits=limits))
    assert codes(report) == {"outside_limits": 465}
    assert ran(report, "limits")


def test_a_wick_is_a_jump_and_a_market_that_moves_is_none() -> None:
    assert codes(checked(changed(ROWS, [700], high=lambda units: units * 2), WEEK)) == {"jump": 1}
    stays = {name: (lambda units: units + 5_000) for name in ("open", "high", "low", "close")}
    moved = changed(ROWS, slice(700, None), **stays)
    report = checked(moved, WEEK)
    assert report.is_clean
    assert [notice.code for notice in report.notices] == ["leap"]
    night = changed(ROWS, slice(465, None), **stays)  # over the night
    assert not checked(night, WEEK).notices


def test_prices_that_stand_still_while_there_is_volume() -> None:
    frozen = {name: (lambda units: units * 0 + 50_000) for name in ("open", "high", "low", "close")}
    report = checked(changed(ROWS, slice(500, 540), **frozen), WEEK)
    assert {code: total for code, total in codes(report).items() if code == "stale"} == {"stale": 40}
    short = checked(changed(ROWS, slice(500, 520), **frozen), WEEK)
    assert "stale" not in codes(short)
    idle = changed(ROWS, slice(500, 540), **frozen, volume=lambda units: units * 0)
    assert "stale" not in codes(checked(idle, WEEK))
    assert "stale" in codes(checked(ROWS, WEEK, Inputs(terms=TERMS, figures=Figures(stale_bars=1))))


def test_bars_of_a_day_add_up_to_the_bar_of_the_day() -> None:
    days = days_of(ROWS)
    report = checked(ROWS, WEEK, Inputs(terms=TERMS, day_bars=days))
    assert report.is_clean
    assert ran(report, "day_sums")
    for name in ("open", "high", "low", "close", "volume"):
        other = changed(days, [2], **{name: lambda units: units + 10})
        wrong = checked(ROWS, WEEK, Inputs(terms=TERMS, day_bars=other))
        assert [(defect.code, defect.trading_day) for defect in wrong.defects] == [("volume_mismatch", "20190306")]
        assert wrong.defects[0].text.startswith(f"of the bar of the day: {name} ")
    hole = checked(without(ROWS, 940), WEEK, Inputs(terms=TERMS, day_bars=days))
    assert codes(hole) == {"missing_bar": 1}  # a day that is not whole is no witness


def test_a_day_opens_with_its_first_trade_and_not_with_a_bar_that_has_none() -> None:
    filled = changed(ROWS, [465], volume=lambda units: units * 0, open=lambda units: units * 0 + 90_000)
    filled = changed(filled, [465], high=lambda units: units * 0 + 90_000, low=lambda units: units * 0 + 10)
    traded = without(filled, 465)
    grid = Grid.of(WEEK)
    days = days_of(ROWS)
    keep = np.ones(len(ROWS), dtype=np.bool_)
    keep[465] = False
    starts = np.flatnonzero(np.r_[True, np.diff(grid.day[keep]) != 0])
    days = replace(
        days,
        open=traded.open.taken(starts),
        high=numbers(np.maximum.reduceat(traded.high.units, starts)),
        low=numbers(np.minimum.reduceat(traded.low.units, starts)),
        volume=traded.volume.sums(starts),
    )
    whole = np.ones(len(grid.days), dtype=np.bool_)
    compared = day_sums(filled, np.arange(len(ROWS)), grid, whole, days, daily_grid(grid))
    assert (compared.defects, compared.compared) == ([], 5)


def test_bars_that_differ_from_the_venues_own() -> None:
    assert checked(ROWS, WEEK, Inputs(terms=TERMS, klines=ROWS)).is_clean
    theirs = changed(ROWS, [5, 6, 99], volume=lambda units: units + 1)
    report = checked(ROWS, WEEK, Inputs(terms=TERMS, klines=theirs))
    assert [(defect.code, defect.total) for defect in report.defects] == [("kline_mismatch", 2), ("kline_mismatch", 1)]
    counted = replace(ROWS, trades=ROWS.volume.units)
    other = replace(counted, trades=ROWS.volume.units + (np.arange(len(ROWS)) == 3))
    assert codes(checked(counted, WEEK, Inputs(terms=TERMS, klines=other))) == {"kline_mismatch": 1}


def tape(count: int = 600) -> TradeRows:
    """Four trades in each minute: the four prices of its bar."""
    rows = ROWS.taken(slice(0, count))
    order = np.stack([rows.open.units, rows.high.units, rows.low.units, rows.close.units], axis=1).ravel()
    ts = (rows.ts[:, None] + np.arange(4) * 10**9).ravel()
    amounts = np.repeat(rows.volume.units * 250, 4)
    number = np.arange(1_000, 1_000 + 4 * count)
    return TradeRows(ts, np.arange(1, 4 * count + 1), numbers(order), numbers(amounts, 3), number=number)


def test_bars_that_differ_from_the_trades_in_them() -> None:
    report = checked(ROWS, WEEK, Inputs(terms=TERMS, trades=tape()))
    assert report.is_clean
    assert ran(report, "trades")
    less = checked(ROWS, WEEK, Inputs(terms=TERMS, trades=tape().taken(np.arange(2_400) != 801)))
    assert codes(less) == {"trade_mismatch": 1}
    off_book = replace(tape(), off_book=np.arange(2_400) == 801)
    assert codes(checked(ROWS, WEEK, Inputs(terms=TERMS, trades=off_book))) == {"trade_mismatch": 1}


def tape_report(trades: TradeRows, **inputs: object) -> IntegrityReport:
    dataset = Dataset("trade", "binance", "BTC-USDT", "", int(trades.ts.min()), int(trades.ts.max()) + 1)
    return event_check.check_trades(trades, dataset, Inputs(**inputs), ())  # type: ignore[arg-type]


def test_numbers_of_trades_that_are_missing_doubled_or_impossible() -> None:
    whole = tape()
    assert tape_report(whole).is_clean
    assert tape_report(whole.taken(np.random.default_rng(1).permutation(len(whole)))).is_clean
    report = tape_report(whole.taken(np.r_[0:10, 15:100, 101:600]))
    assert [(defect.code, defect.total) for defect in report.defects] == [("missing_trades", 5), ("missing_trades", 1)]
    assert (report.expected, report.present, report.missing) == (600, 594, 6)
    covering = replace(whole, first_id=whole.number * 10, last_id=whole.number * 10 + 9)  # type: ignore[operator]
    assert tape_report(covering).is_clean
    holed = replace(covering, last_id=covering.last_id - (np.arange(2_400) == 7) * 4)  # type: ignore[operator]
    assert [(defect.code, defect.total) for defect in tape_report(holed).defects] == [("missing_trades", 4)]
    twice = whole.taken(np.r_[0:10, 9, 10:2_400])
    assert (tape_report(twice).is_clean, tape_report(twice).repeated) == (True, 1)
    other = replace(twice, price=numbers(twice.price.units + (np.arange(2_401) == 10)))
    assert [defect.code for defect in tape_report(other).defects] == ["duplicate"]
    zero = replace(whole, quantity=numbers(whole.quantity.units * (np.arange(2_400) != 3), 3))
    assert [defect.code for defect in tape_report(zero).defects] == ["ohlc"]
    steps = tape_report(whole, terms=(TermPeriod(0, Decimal(20), Decimal("0.5")),))
    assert {defect.code for defect in steps.defects} == {"off_tick", "off_step"}


def test_an_average_price_outside_low_and_high() -> None:
    assert checked(WITH_MONEY, WEEK).is_clean
    report = checked(changed(WITH_MONEY, [8], turnover=lambda units: units * 2), WEEK)
    assert codes(report) == {"vwap_outside": 1}
    assert ran(report, "vwap")
    other_unit = changed(WITH_MONEY, slice(None), turnover=lambda units: units // 10_000)
    report = checked(other_unit, WEEK)
    assert report.is_clean
    assert not ran(report, "vwap")
    coins = replace(WITH_MONEY, turnover=ExactNumbers(ROWS.volume.units * 10**8 // ROWS.close.units, 8))
    assert checked(coins, WEEK, Inputs(terms=(TermPeriod(0, multiplier=Decimal(1), inverse=True),))).is_clean


def test_a_fault_of_the_file_is_a_defect() -> None:
    found = [check_bars(ROWS, WEEK, Inputs(terms=TERMS))]
    report = report_of(WEEK, found, [("checksum", "SHA-256 is another one")])
    assert [(defect.code, defect.text) for defect in report.defects] == [("checksum", "SHA-256 is another one")]
    assert not ran(report_of(WEEK, found, None), "checksum")


def test_times_of_another_unit_than_the_rest() -> None:
    digits = np.full(len(ROWS), 13)
    assert checked(replace(ROWS, digits=digits), WEEK).is_clean
    digits[[3, 4, 9]] = 16
    report = checked(replace(ROWS, digits=digits), WEEK)
    assert codes(report) == {"time_unit": 3}
    assert report.defects[0].text == "in microseconds, other rows in milliseconds"
    assert [row.row for row in report.defects[0].rows] == [4, 5, 10]


def test_bars_that_do_not_say_that_they_overlap_a_gap_and_those_that_say_it_of_none() -> None:
    flags = np.zeros(len(ROWS), dtype=np.bool_)
    flags[100:110] = True
    gaps = ((int(ROWS.ts[100]) + 5, int(ROWS.ts[109]) + 7),)
    rows = replace(ROWS, gap=flags)
    assert checked(rows, WEEK, Inputs(terms=TERMS, gaps=gaps)).is_clean
    assert codes(checked(rows, WEEK, Inputs(terms=TERMS, gaps=()))) == {"gap_unknown": 10}
    assert codes(checked(replace(ROWS, gap=~flags & flags), WEEK, Inputs(terms=TERMS, gaps=gaps))) == {
        "gap_overlap": 10
    }


def events(ts: list[int], values: list[str], name: str) -> pa.Table:
    return pa.table(
        {
            "ts_event": pa.array(ts, pa.int64()),
            name: pa.array(values).cast(pa.decimal128(38, 18)),
            "row": pa.array(range(1, len(ts) + 1), pa.int64()),
            "digits": pa.array([13] * len(ts), pa.int64()),
        }
    )


def test_open_interest_below_zero() -> None:
    assert codes(checked(changed(ROWS, [4], open_interest=lambda units: -units), WEEK)) == {"oi_negative": 1}
    dataset = Dataset("open_interest", "okx", "BTC-USDT-PERP", "", 0, 10)
    table = events([1, 2, 3], ["5", "-1", "6"], "open_interest")
    report = event_check.check_values(table, dataset, "open_interest", ())
    assert [(defect.code, defect.rows[0].row) for defect in report.defects] == [("oi_negative", 2)]


def test_settlements_without_a_rate() -> None:
    hour = 3600 * 10**9
    begin = 1_700_006_400 * 10**9  # midnight
    ts = [begin + n * 8 * hour + n for n in range(12)]
    dataset = Dataset("funding_rate", "okx", "BTC-USDT-PERP", "", ts[0], ts[-1] + 1)
    rates = ["0.0001"] * len(ts)
    whole = event_check.check_funding(events(ts, rates, "rate"), dataset, ())
    assert (whole.is_clean, whole.expected) == (True, 12)
    holed = event_check.check_funding(events(ts[:3] + ts[5:], rates[:-2], "rate"), dataset, ())
    assert [(defect.code, defect.total) for defect in holed.defects] == [("funding_missing", 2)]
    hourly = [begin + n * hour for n in range(24) if n != 7]
    each = event_check.check_funding(events(hourly, ["0"] * 23, "rate"), replace(dataset, ts_to=hourly[-1] + 1), ())
    assert [(defect.code, defect.total) for defect in each.defects] == [("funding_missing", 1)]
