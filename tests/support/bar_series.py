"""Clean series of bars on the grid of a calendar, to be damaged by tests."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np

from marketprism_adapters.calendars import chinese_calendar_of_markets
from marketprism_application.integrity.bar_check import check_bars, report_of
from marketprism_application.integrity.bar_rows import BarRows, joined
from marketprism_application.integrity.exact_numbers import ExactNumbers
from marketprism_application.integrity.expected_grid import Grid
from marketprism_application.integrity.inputs import Inputs, TermPeriod
from marketprism_domain.integrity.dataset import Dataset
from marketprism_domain.integrity.expectation import Expectation, ExpectationRules, expectation_of
from marketprism_domain.integrity.report import IntegrityReport
from marketprism_domain.sessions.trading_days import day_of, midnight

CALENDAR = chinese_calendar_of_markets()
LATER = 1_800_000_000 * 10**9
TICK = 10


def china(day: str, hour: int = 0, minute: int = 0) -> int:
    """An instant of China time, nanoseconds UTC."""
    return midnight(day_of(day)) + (hour * 60 + minute) * 60 * 10**9


def expected(
    venue: str = "shfe",
    symbol: str = "cu1905",
    interval: str = "1m",
    days: tuple[str, str] = ("20190304", "20190308"),
    *,
    dense: bool = True,
    **rules: Any,
) -> Expectation:
    """What must be there from the first section of one trading day to the last of another."""
    schedule = CALENDAR.schedule(venue, symbol)
    ts_from, ts_to = schedule.sessions(days[0])[0].ts_open, schedule.sessions(days[1])[-1].ts_close
    dataset = Dataset("bar", venue, symbol, interval, ts_from, ts_to)
    return expectation_of(dataset, schedule, ExpectationRules(dense, rules.pop("now_ns", LATER), **rules))


def numbers(units: Any, scale: int = 0) -> ExactNumbers:
    """A column of whole numbers of 10^-scale."""
    return ExactNumbers(np.asarray(units, dtype=np.int64), scale)


def clean(expectation: Expectation, seed: int = 1, tick: int = TICK) -> BarRows:
    """A walk of prices on every bar of an expectation: steps of the tick, volume in each, open interest."""
    grid = Grid.of(expectation)
    count = len(grid)
    chance = np.random.default_rng(seed)
    close = (5_000 + np.cumsum(chance.integers(-2, 3, count))) * tick
    opened = np.r_[close[0], close[:-1]]
    high = np.maximum(opened, close) + chance.integers(0, 2, count) * tick
    low = np.minimum(opened, close) - chance.integers(0, 2, count) * tick
    return BarRows(
        grid.ts_open.copy(),
        np.arange(1, count + 1, dtype=np.int64),
        *(numbers(each) for each in (opened, high, low, close)),
        numbers(chance.integers(1, 500, count)),
        open_interest=numbers(chance.integers(1_000, 2_000, count)),
    )


def without(rows: BarRows, index: Any) -> BarRows:
    """The rows without some of them."""
    keep = np.ones(len(rows), dtype=np.bool_)
    keep[index] = False
    return rows.taken(keep)


def changed(rows: BarRows, index: Any, **columns: Any) -> BarRows:
    """The rows with other values in some of them: a function of the units of each column."""
    new = {}
    for name, change in columns.items():
        column: ExactNumbers = getattr(rows, name)
        units = column.units.copy()
        units[index] = change(units[index])
        new[name] = ExactNumbers(units, column.scale, column.there)
    return replace(rows, **new)


def added(rows: BarRows, more: BarRows) -> BarRows:
    """Both, one behind the other."""
    return joined([rows, more])


TERMS = (TermPeriod(0, Decimal(TICK), Decimal(1), Decimal(5)),)


def checked(rows: BarRows, expectation: Expectation, inputs: Inputs | None = None, **more: Any) -> IntegrityReport:
    """The report of a series."""
    found = check_bars(rows, expectation, inputs or Inputs(terms=TERMS), **more)
    return report_of(expectation, [found], ())


def codes(report: IntegrityReport) -> dict[str, int]:
    """How many rows or bars each code of the defects counts."""
    found: dict[str, int] = {}
    for defect in report.defects:
        found[defect.code] = found.get(defect.code, 0) + defect.total
    return found
