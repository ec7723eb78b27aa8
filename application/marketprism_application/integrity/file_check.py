"""A check of one series of a file, with what else is known of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple, TypeVar

import numpy as np
import pyarrow as pa

from marketprism_application.contracts.nearest import did_you_mean
from marketprism_application.errors import QueryError, SourceError
from marketprism_application.integrity import event_check
from marketprism_application.integrity.bar_check import check_in_parts, report_of
from marketprism_application.integrity.bar_rows import BarRows, joined
from marketprism_application.integrity.catalogue import BARS, FUNDING, INTEREST, TRADES
from marketprism_application.integrity.expected_grid import NOWHERE, Grid
from marketprism_application.integrity.inputs import Inputs, TermPeriod
from marketprism_application.integrity.known_terms import listing_of, terms_of
from marketprism_application.integrity.placing import Stamped, by_opening
from marketprism_application.integrity.trade_rows import TradeRows
from marketprism_application.integrity.trade_rows import joined as joined_trades
from marketprism_application.ports.imports import ROWS, TIME_OF, FileSeries, RowsFile
from marketprism_domain.errors import InvalidValue
from marketprism_domain.instruments.exchange_codes import is_chinese
from marketprism_domain.instruments.names import has_signed_price
from marketprism_domain.integrity.dataset import Dataset
from marketprism_domain.integrity.expectation import (
    UNBOUNDED,
    Alignment,
    Expectation,
    ExpectationRules,
    Halt,
    Listing,
    expectation_of,
    whole_days,
)
from marketprism_domain.integrity.report import IntegrityReport
from marketprism_domain.sessions.calendar import MarketCalendar, Schedule
from marketprism_domain.sessions.trading_days import NANOS_PER_DAY
from marketprism_domain.values import NANOS_PER_MINUTE, Interval

UNNAMED = "unnamed"  # the venue of a file that says none: a market that never closes
_MOST_DAYS = 3_653
_FEW_BARS = 10  # a hole of so few bars is one that a market leaves by itself
_OFTEN = 0.05
R = TypeVar("R")


@dataclass(frozen=True)
class CheckAsked:
    """What is asked of a check. Bounds that are None are those of the trading days that have rows; `dense` None is
    found out. `confirmed`: a range that takes long is meant."""

    now_ns: int
    ts_from: int | None = None
    ts_to: int | None = None
    dense: bool | None = None
    alignment: Alignment | None = None
    listing: Listing = UNBOUNDED
    halts: Sequence[Halt] = ()
    terms: Sequence[TermPeriod] = ()
    confirmed: bool = False
    inputs: Inputs = field(default_factory=Inputs)


class Bounds(NamedTuple):
    """The range that is checked, and what was done to what was asked for."""

    ts_from: int
    ts_to: int
    remarks: tuple[str, ...] = ()


def check_file(
    file: RowsFile,
    series: FileSeries,
    calendar: MarketCalendar,
    asked: CheckAsked,
    witnesses: Sequence[tuple[RowsFile, FileSeries]] = (),
) -> IntegrityReport:
    """The report of a series of a file; `witnesses` are other files of the same instrument.

    Raises:
        SourceError: the file cannot be read. QueryError: a bound that cannot be, or no name of the instrument.
    """
    if not series.symbol:
        raise QueryError("symbol: expected the instrument of the file's rows, which do not name it; give --symbol")
    if series.kind == BARS:
        return _check_bar_file(file, series, calendar, asked, witnesses)
    venue, remarks = _venue(series)
    if series.kind == TRADES:
        trades = joined_trades(_all(file, series, TradeRows.of))
        dataset = _event_dataset(series, venue, trades.ts.min(), trades.ts.max(), asked)
        inputs = replace(asked.inputs, terms=tuple(asked.terms), may_be_negative=has_signed_price(series.symbol))
        inside = trades.taken((trades.ts >= dataset.ts_from) & (trades.ts < dataset.ts_to))
        report = event_check.check_trades(inside, dataset, inputs, _faults(file))
    else:
        table = pa.Table.from_batches(_all(file, series, lambda batch: batch), ROWS[series.kind])
        ts = table.column(TIME_OF[series.kind]).to_numpy()
        dataset = _event_dataset(series, venue, ts.min(), ts.max(), asked)
        table = table.filter(pa.array((ts >= dataset.ts_from) & (ts < dataset.ts_to)))
        faults = _faults(file)
        if series.kind == FUNDING:
            report = event_check.check_funding(table, dataset, faults)
        else:
            value = "open_interest" if series.kind == INTEREST else _VALUES.get(series.kind, "price")
            report = event_check.check_values(table, dataset, value, faults)
    return replace(report, remarks=(*file.facts.remarks, *remarks, *report.remarks))


_VALUES = {"book_top": "bid_price", "orderbook": "price"}


def _all(file: RowsFile, series: FileSeries, make: Callable[[pa.RecordBatch], R]) -> list[R]:
    found = [make(batch) for batch in file.batches(series)]
    if not found:
        raise SourceError(f"{series.symbol}: expected rows of it in the file, there are none")
    return found


def _faults(file: RowsFile) -> list[tuple[str, str]]:
    return [(fault.code, fault.text) for fault in file.faults()]


def _venue(series: FileSeries) -> tuple[str, tuple[str, ...]]:
    if series.venue:
        return series.venue, ()
    return UNNAMED, ("the file names no venue: checked as a market that never closes, --venue says otherwise",)


def _event_dataset(series: FileSeries, venue: str, first: int, last: int, asked: CheckAsked) -> Dataset:
    ts_from = first if asked.ts_from is None else asked.ts_from
    ts_to = last + 1 if asked.ts_to is None else min(asked.ts_to, asked.now_ns + 1)
    return _dataset(series._replace(venue=venue), int(ts_from), int(ts_to))


def _dataset(series: FileSeries, ts_from: int, ts_to: int) -> Dataset:
    try:
        return Dataset(series.kind, series.venue, series.symbol, series.interval, ts_from, ts_to)
    except InvalidValue as error:
        raise QueryError(str(error)) from error


def _check_bar_file(
    file: RowsFile,
    series: FileSeries,
    calendar: MarketCalendar,
    asked: CheckAsked,
    witnesses: Sequence[tuple[RowsFile, FileSeries]],
) -> IntegrityReport:
    venue, remarks = _venue(series)
    if not series.interval:
        raise QueryError(
            "interval: expected one that the bars are apart, which their times do not tell; give --interval"
        )
    series = series._replace(venue=venue)
    schedule = calendar.schedule(venue, series.symbol)
    rows = joined(_all(file, series if series in file.facts.series else _own(file, series), BarRows.of))
    known = _opening(rows, series, schedule, asked, file.facts.stamped)
    bounds = bounds_of(known.rows, schedule, series.interval, asked)
    rows = _inside(known.rows, bounds, asked)
    if not len(rows):
        raise SourceError(f"{series.symbol}: expected rows in the range that is asked for, there are none")
    dataset = _dataset(series, bounds.ts_from, bounds.ts_to)
    if asked.listing == UNBOUNDED:
        asked = replace(asked, listing=listing_of(venue, series.symbol))
    dense, found_out = _density(file.facts.dense, rows, dataset, schedule, asked)
    rules = ExpectationRules(dense, asked.now_ns, asked.alignment or "session", asked.listing, tuple(asked.halts))
    expectation = expected(rows, dataset, schedule, rules, "open", fixed=asked.alignment is not None)
    inputs = replace(
        asked.inputs,
        terms=tuple(asked.terms) or terms_of(venue, series.symbol, file.facts.format),
        may_be_negative=has_signed_price(series.symbol),
    )
    inputs = with_witnesses(inputs, series, witnesses)
    found = check_in_parts(rows.in_order(), expectation, inputs)
    found[0].defects.extend(known.defects)
    found[0].remarks.extend(known.remarks)
    report = report_of(expectation, found, _faults(file))
    return replace(report, remarks=(*file.facts.remarks, *remarks, *bounds.remarks, *found_out, *report.remarks))


def _opening(rows: BarRows, series: FileSeries, schedule: Schedule, asked: CheckAsked, stamped: str) -> Stamped:
    """All rows at the times at which their bars open, whichever they bear: a range that is asked for is of those."""
    whole = bounds_of(rows, schedule, series.interval, replace(asked, ts_from=None, ts_to=None, confirmed=True))
    rules = ExpectationRules(True, asked.now_ns, asked.alignment or "session")
    interval = Interval.parse(series.interval)
    # Rows of another zone may be of a day beside.
    around = 0 if interval.unit in "dw" else NANOS_PER_DAY
    dataset = _dataset(series, max(1, whole.ts_from - around), whole.ts_to + around)
    expectation = expected(rows, dataset, schedule, rules, stamped, fixed=asked.alignment is not None)
    grid = Grid.of(expectation)
    known = by_opening(rows, grid, stamped if interval.unit not in "dw" else "open", interval.nanos)
    at = grid.place(known.rows.ts)
    ts = known.rows.ts.copy()
    ts[at != NOWHERE] = grid.ts_open[at[at != NOWHERE]]
    return known._replace(rows=known.rows.at(ts))


def _own(file: RowsFile, series: FileSeries) -> FileSeries:
    """The series as the file knows it, of one that was given a venue."""
    return next(each for each in file.facts.series if each._replace(venue=series.venue) == series)


def _inside(rows: BarRows, bounds: Bounds, asked: CheckAsked) -> BarRows:
    """What lies in a range that was asked for."""
    keep = np.ones(len(rows), dtype=np.bool_)
    if asked.ts_from is not None:
        keep &= rows.ts >= bounds.ts_from
    if asked.ts_to is not None:
        keep &= rows.ts < bounds.ts_to
    return rows.taken(keep)


def bounds_of(rows: BarRows | None, schedule: Schedule, interval: str, asked: CheckAsked) -> Bounds:
    """The range of a check: as it is asked for, else the whole trading days that have rows.

    Raises:
        QueryError: from at or behind to, ten years of minutes that nobody confirmed, or no rows and no bounds.
    """
    remarks: list[str] = []
    ts_to = asked.ts_to
    if ts_to is not None and ts_to > asked.now_ns:
        ts_to = asked.now_ns
        remarks.append("to lies in the future: checked until now")
    if asked.ts_from is not None and asked.ts_to is not None and asked.ts_from >= asked.ts_to:
        raise QueryError(f"to: expected after from ({asked.ts_from}), was {asked.ts_to}")
    if asked.ts_from is not None and ts_to is not None and asked.ts_from >= ts_to:
        raise QueryError(f"from: expected a time before now, was {asked.ts_from}")
    if (asked.ts_from is None or ts_to is None) and (rows is None or not len(rows)):
        raise QueryError("from: expected a range, for there is no row that tells one")
    first = last = ""
    if rows is not None and len(rows):
        first, last = (schedule.trading_day_of(int(ts)) for ts in (rows.ts.min(), rows.ts.max()))
        if Interval.parse(interval).unit == "w":
            first, last = schedule.week(first)[0], schedule.week(last)[1]
    ts_from = asked.ts_from
    days = whole_days(schedule, Interval.parse(interval), ts_from, ts_to)
    ts_from, ts_to = days.ts_from, days.ts_to
    if ts_from is None:
        assert rows is not None  # noqa: S101 (refused above)
        ts_from = min(int(rows.ts.min()), schedule.sessions(first)[0].ts_open)
    if ts_to is None:
        assert rows is not None  # noqa: S101 (refused above)
        ts_to = max(int(rows.ts.max()) + 1, schedule.sessions(last)[-1].ts_close)
    if (ts_to - ts_from) // NANOS_PER_DAY > _MOST_DAYS and interval == "1m" and not asked.confirmed:
        raise QueryError("from: expected at most ten years of 1m bars, or --confirm")
    return Bounds(ts_from, max(ts_to, ts_from + 1), tuple(remarks))


def expected(
    rows: BarRows,
    dataset: Dataset,
    schedule: Schedule,
    rules: ExpectationRules,
    stamped: str,
    *,
    fixed: bool,
) -> Expectation:
    """What must be there, by the alignment that the rows have: bars of several minutes are counted in session minutes
    or by the wall clock, and both are usual."""
    first = _expectation(dataset, schedule, rules)
    interval = Interval.parse(dataset.interval)
    if fixed or interval.unit in "dw" or interval.nanos <= NANOS_PER_MINUTE or not is_chinese(dataset.venue):
        return first
    others: tuple[Alignment, ...] = ("clock", "wall")
    all_of_them = (first, *(_expectation(dataset, schedule, replace(rules, alignment=each)) for each in others))
    return max(all_of_them, key=lambda each: _fit(rows, Grid.of(each), stamped, interval.nanos))


def _expectation(dataset: Dataset, schedule: Schedule, rules: ExpectationRules) -> Expectation:
    try:
        return expectation_of(dataset, schedule, rules)
    except InvalidValue as error:
        raise QueryError(str(error)) from error


def _fit(rows: BarRows, grid: Grid, stamped: str, length: int) -> int:
    """How well rows fit a grid: those that lie in it, less the bars that no row is of."""
    known = by_opening(rows, grid, stamped, length).rows
    hits = int((grid.place(known.ts) != NOWHERE).sum())
    return 2 * hits - len(grid)


def _density(
    known: bool | None, rows: BarRows, dataset: Dataset, schedule: Schedule, asked: CheckAsked
) -> tuple[bool, tuple[str, ...]]:
    if asked.dense is not None:
        return asked.dense, ()
    if known is not None:
        return known, ()
    rules = ExpectationRules(True, asked.now_ns, asked.alignment or "session", asked.listing, tuple(asked.halts))
    expectation = expected(rows, dataset, schedule, rules, "open", fixed=asked.alignment is not None)
    if looks_dense(rows, Grid.of(expectation)):
        return True, ("the series is dense, as it seems: --sparse says otherwise",)
    return False, ("the series is sparse, as it seems: --dense says otherwise",)


def looks_dense(rows: BarRows, grid: Grid) -> bool:
    """Whether a series has a bar for each minute but for some holes. One that has none where nothing was traded has
    many short holes all over."""
    at = grid.place(rows.ts)
    there = np.zeros(len(grid) + 2, dtype=np.int8)
    there[at[at != NOWHERE] + 1] = 1
    there[0] = there[-1] = 1
    edges = np.flatnonzero(np.diff(there))
    lengths = edges[1::2] - edges[::2]
    return int((lengths <= _FEW_BARS).sum()) <= max(3, _OFTEN * int(there.sum()))


def with_witnesses(inputs: Inputs, series: FileSeries, witnesses: Sequence[tuple[RowsFile, FileSeries]]) -> Inputs:
    """The inputs with other files of the same instrument: bars of days, bars of the same interval, trades.

    Raises:
        QueryError: a file that is no witness of these bars.
    """
    for file, other in witnesses:
        if other.kind == TRADES:
            inputs = replace(inputs, trades=joined_trades(_all(file, other, TradeRows.of)))
        elif other.kind == BARS and other.interval == series.interval:
            inputs = replace(inputs, klines=joined(_all(file, other, BarRows.of)).in_order())
        elif other.kind == BARS and other.interval == "1d":
            inputs = replace(inputs, day_bars=joined(_all(file, other, BarRows.of)).in_order())
        else:
            known = (f"trades, bars of {series.interval}", "bars of 1d")
            was = f"{other.kind} {other.interval}".strip()
            raise QueryError(f"witness: expected {' or '.join(known)}, was {was}{did_you_mean(was, known)}")
    return inputs
