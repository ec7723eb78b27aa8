"""Bars, ticks and trades as columns of a run: whole numbers on the instrument's own grid."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from marketprism_application.backtesting.columns import (
    CONTINUOUS,
    NO_PRICE,
    PHASES,
    BarColumns,
    Flags,
    Hole,
    Ints,
    TickColumns,
    TradeColumns,
)
from marketprism_application.backtesting.errors import NoDataError, OffGridError
from marketprism_application.backtesting.instruments import Instrument
from marketprism_application.integrity.bar_rows import BarRows
from marketprism_application.integrity.exact_numbers import ExactNumbers, exact_numbers
from marketprism_application.integrity.expected_grid import NOWHERE, Grid, runs_of
from marketprism_application.integrity.placing import by_opening
from marketprism_application.integrity.trade_rows import TradeRows
from marketprism_application.ports.imports import DECIMAL
from marketprism_domain.instruments.exchange_codes import is_chinese
from marketprism_domain.integrity.dataset import Dataset
from marketprism_domain.integrity.expectation import Alignment, ExpectationRules, expectation_of
from marketprism_domain.marketdata.bar import Bar
from marketprism_domain.marketdata.gap import LOSSES, Gap
from marketprism_domain.marketdata.tick import Tick
from marketprism_domain.sessions.calendar import Schedule
from marketprism_domain.sessions.trading_days import NANOS_PER_DAY
from marketprism_domain.ticks.gaps import JOINED
from marketprism_domain.trading.arithmetic import ZERO
from marketprism_domain.values import NANOS_PER_MINUTE, Interval

_FEWEST_MISSING = 5  # bars in a row without which a hole is nothing: a market leaves short ones by itself
_PRICES = ("open", "high", "low", "close")


class Steps(NamedTuple):
    """The grid of a run's numbers: of prices, and of quantities."""

    unit: Decimal
    step: Decimal


class FoundBars(NamedTuple):
    """Bars of a series, the holes between them, and what was done to them."""

    columns: BarColumns
    steps: Steps
    holes: tuple[Hole, ...]
    remarks: tuple[str, ...]


def bars_of_rows(
    instrument: Instrument, interval: str, rows: BarRows, schedule: Schedule, stamped: str, steps: Steps | None = None
) -> FoundBars:
    """Bars of a file or of the store, at the places that the calendar has for them; what has none is left out.

    Raises:
        NoDataError: no row, or none that the calendar has a place for.
    """
    if not len(rows):
        raise NoDataError(f"bars of {instrument.symbol}: expected rows, was none")
    rows = rows.in_order()
    length = Interval.parse(interval)
    grid = _grid(instrument, interval, rows, schedule, stamped)
    rows = by_opening(rows, grid, stamped if length.unit not in "dw" else "open", length.nanos).rows
    at = grid.place(rows.ts)
    keep = np.flatnonzero(at != NOWHERE)
    keep = keep[np.r_[True, at[keep][1:] != at[keep][:-1]]] if len(keep) else keep
    if not len(keep):
        raise NoDataError(f"bars of {instrument.symbol}: expected bars of {interval} in its sessions, was none")
    rows, at, left_out = rows.taken(keep), at[keep], len(rows) - len(keep)
    steps = steps or steps_of(instrument, [getattr(rows, name) for name in _PRICES], [rows.volume])
    days = np.array([int(day) for day in grid.days], dtype=np.int64)
    columns = BarColumns(
        interval,
        grid.ts_open[at],
        grid.ts_close[at],
        days[grid.day[at]],
        *_four([on_grid(getattr(rows, name), steps.unit, name) for name in _PRICES]),
        on_grid(rows.volume, steps.step, "volume"),
        np.zeros(len(rows), dtype=np.bool_) if rows.gap is None else rows.gap,
    )
    holes = _missing(grid, at) if length.unit not in "dw" else ()
    remarks = (f"{left_out} bars outside its sessions, or there twice, are left out",) if left_out else ()
    return FoundBars(columns, steps, holes, remarks)


def _grid(instrument: Instrument, interval: str, rows: BarRows, schedule: Schedule, stamped: str) -> Grid:
    """Where bars can be, by the alignment that the rows have."""
    first, last = (schedule.trading_day_of(int(each)) for each in (rows.ts.min(), rows.ts.max()))
    length = Interval.parse(interval)
    if length.unit == "w":
        first, last = schedule.week(first)[0], schedule.week(last)[1]
    ts_from, ts_to = schedule.sessions(first)[0].ts_open, schedule.sessions(last)[-1].ts_close
    dataset = Dataset("bar", instrument.venue, instrument.symbol, interval, ts_from, max(ts_to, ts_from + 1))
    chinese = is_chinese(instrument.venue) and length.unit not in "dw" and length.nanos > NANOS_PER_MINUTE
    alignments: tuple[Alignment, ...] = ("session", "clock", "wall") if chinese else ("session",)

    def grid_of(alignment: Alignment) -> Grid:
        return Grid.of(expectation_of(dataset, schedule, ExpectationRules(True, ts_to + NANOS_PER_DAY, alignment)))

    def fit(grid: Grid) -> int:
        placed = by_opening(rows, grid, stamped, length.nanos).rows
        return 2 * int((grid.place(placed.ts) != NOWHERE).sum()) - len(grid)

    grids = [grid_of(each) for each in alignments]
    return grids[0] if len(grids) == 1 else max(grids, key=fit)


def _missing(grid: Grid, at: np.ndarray[tuple[int], np.dtype[np.intp]]) -> tuple[Hole, ...]:
    """Runs of bars that are not there, up to the last one that is."""
    there = np.zeros(int(at[-1]) + 1, dtype=np.bool_)
    there[at] = True
    missing = np.flatnonzero(~there)
    found = []
    for first, last in runs_of(missing):
        if last - first + 1 >= _FEWEST_MISSING:
            ts_to = int(grid.ts_close[missing[last]])
            found.append(Hole(int(grid.ts_open[missing[first]]), ts_to, ts_to, "missing_bars"))
    return tuple(found)


def steps_of(instrument: Instrument, prices: Sequence[ExactNumbers], quantities: Sequence[ExactNumbers]) -> Steps:
    """The instrument's own tick and step where all numbers lie on them, else the finest decimals that they have."""
    return Steps(_common(instrument.tick, prices), _common(instrument.step, quantities))


def _common(own: Decimal | None, columns: Sequence[ExactNumbers]) -> Decimal:
    if own is not None and all(_divides(own, each) for each in columns):
        return own
    scale = max((each.scale for each in columns), default=0)
    exponent = 0 if own is None else int(own.normalize().as_tuple().exponent)
    return Decimal(1).scaleb(min(-scale, exponent))


def _divides(step: Decimal, numbers: ExactNumbers) -> bool:
    units, whole = _whole(step, numbers)
    inside = units if numbers.there is None else units[numbers.there]
    return not len(inside) or not bool((inside % whole).any())


def _whole(step: Decimal, numbers: ExactNumbers) -> tuple[Ints, int]:
    """Numbers and a step as whole numbers of one unit."""
    exponent = step.normalize().as_tuple().exponent
    fine = numbers.scaled(max(-int(exponent), numbers.scale))
    return fine.units, int(step.scaleb(fine.scale))


def on_grid(numbers: ExactNumbers, step: Decimal, name: str, missing: int = 0) -> Ints:
    """Numbers as multiples of a step; what is not there is `missing`. Raises OffGridError: between two."""
    units, whole = _whole(step, numbers)
    inside = units if numbers.there is None else units[numbers.there]
    if len(inside) and bool((inside % whole).any()):
        raise OffGridError(f"{name}: expected multiples of {step}, was one between")
    found = units // whole
    if numbers.there is not None:
        found = np.where(numbers.there, found, missing)
    return found.astype(np.int64)


class BarNumbers(NamedTuple):
    """Bars of one series as columns of exact numbers, in order of time."""

    ts_open: Ints
    ts_close: Ints
    day: Ints
    open: ExactNumbers
    high: ExactNumbers
    low: ExactNumbers
    close: ExactNumbers
    volume: ExactNumbers
    gap: Flags


def bars_of_numbers(
    instrument: Instrument, interval: str, bars: BarNumbers, steps: Steps | None = None
) -> tuple[BarColumns, Steps]:
    """Bars on the instrument's grid."""
    prices = [getattr(bars, name) for name in _PRICES]
    steps = steps or steps_of(instrument, prices, [bars.volume])
    columns = BarColumns(
        interval,
        bars.ts_open,
        bars.ts_close,
        bars.day,
        *_four([on_grid(each, steps.unit, name) for name, each in zip(_PRICES, prices, strict=True)]),
        on_grid(bars.volume, steps.step, "volume"),
        bars.gap,
    )
    return columns, steps


def bars_of_records(
    instrument: Instrument, interval: str, bars: Sequence[Bar], steps: Steps | None = None
) -> FoundBars:
    """Bars that the pipeline's own code has made. Raises NoDataError: there is none."""
    if not bars:
        raise NoDataError(f"bars of {instrument.symbol}: expected bars of {interval}, was none")
    of_rows = (
        *(_ints(getattr(bar, name) for bar in bars) for name in ("ts_open", "ts_close")),
        _ints(int(bar.trading_day) for bar in bars),
        *(_numbers([getattr(bar, name) for bar in bars]) for name in (*_PRICES, "volume")),
        np.array([bar.gap for bar in bars], dtype=np.bool_),
    )
    numbers = BarNumbers._make(of_rows)
    return FoundBars(*bars_of_numbers(instrument, interval, numbers, steps), (), ())


class TickNumbers(NamedTuple):
    """Ticks as columns of exact numbers, in the order of their `seq`; `traded` None: volumes count from the day's
    begin."""

    ts: Ints
    ts_recv: Ints
    seq: Ints
    day: Ints
    phase: Ints
    last: ExactNumbers
    bid: ExactNumbers
    bid_size: ExactNumbers
    ask: ExactNumbers
    ask_size: ExactNumbers
    limit_up: ExactNumbers
    limit_down: ExactNumbers
    volume: ExactNumbers
    turnover: ExactNumbers
    traded: tuple[ExactNumbers, ExactNumbers] | None


def ticks_of_numbers(
    instrument: Instrument, ticks: TickNumbers, steps: Steps | None = None
) -> tuple[TickColumns, Steps]:
    """Validated ticks on the instrument's grid. Volumes that count from the day's begin become those of each row."""
    prices = {name: getattr(ticks, name) for name in ("last", "bid", "ask", "limit_up", "limit_down")}
    sizes = {name: getattr(ticks, name) for name in ("bid_size", "ask_size")}
    volume, turnover = ticks.traded or _of_each_row(ticks)
    if steps is None:
        steps = steps_of(instrument, list(prices.values()), [*sizes.values(), volume])
    value = steps.unit * steps.step * instrument.terms.multiplier
    columns = TickColumns(
        ts=ticks.ts,
        ts_recv=ticks.ts_recv,
        seq=ticks.seq,
        day=ticks.day,
        volume=on_grid(volume, steps.step, "volume"),
        turnover=np.rint(turnover.floats() / float(value)).astype(np.int64),
        phase=ticks.phase,
        **{name: on_grid(each, steps.unit, name, NO_PRICE) for name, each in prices.items()},
        **{name: on_grid(each, steps.step, name) for name, each in sizes.items()},
    )
    return columns, steps


def settlements_of(ticks: Sequence[Tick]) -> tuple[dict[str, Decimal], dict[str, Decimal]]:
    """Settlement prices by trading day, and those of the trading day before each, as far as snapshots have them."""
    of_day = {tick.trading_day: tick.settlement for tick in ticks if tick.settlement is not None}
    before = {tick.trading_day: tick.pre_settlement for tick in ticks if tick.pre_settlement is not None}
    return of_day, before


def ticks_of_records(
    instrument: Instrument, ticks: Sequence[Tick], steps: Steps | None = None
) -> tuple[TickColumns, Steps]:
    """Validated ticks in the order of their numbers. Raises NoDataError: there is none."""
    if not ticks:
        raise NoDataError(f"ticks of {instrument.symbol}: expected some, was none")
    bids = [tick.bids[0] if tick.bids else None for tick in ticks]
    asks = [tick.asks[0] if tick.asks else None for tick in ticks]
    traded = None
    if any(tick.traded is not None for tick in ticks):
        traded = (
            _numbers([each.traded for each in ticks], ZERO),
            _numbers([each.traded_turnover for each in ticks], ZERO),
        )
    numbers = TickNumbers(
        ts=_ints(tick.ts_event for tick in ticks),
        ts_recv=_ints(tick.ts_recv for tick in ticks),
        seq=_ints(tick.seq for tick in ticks),
        day=_ints(int(tick.trading_day) for tick in ticks),
        phase=_ints(phase_code(tick.phase) for tick in ticks),
        last=_numbers([tick.last for tick in ticks]),
        bid=_numbers([None if each is None else each.price for each in bids]),
        bid_size=_numbers([None if each is None else each.quantity for each in bids]),
        ask=_numbers([None if each is None else each.price for each in asks]),
        ask_size=_numbers([None if each is None else each.quantity for each in asks]),
        limit_up=_numbers([tick.limit_up for tick in ticks]),
        limit_down=_numbers([tick.limit_down for tick in ticks]),
        volume=_numbers([tick.volume for tick in ticks], ZERO),
        turnover=_numbers([tick.turnover for tick in ticks], ZERO),
        traded=traded,
    )
    return ticks_of_numbers(instrument, numbers, steps)


def phase_code(phase: str) -> int:
    """The number of a phase; of one without a name that of continuous trading."""
    return PHASES.index(phase) if phase in PHASES else CONTINUOUS


def _of_each_row(ticks: TickNumbers) -> tuple[ExactNumbers, ExactNumbers]:
    """Volume and turnover of each row alone."""
    found = []
    for numbers in (ticks.volume, ticks.turnover):
        before = np.r_[0, numbers.units[:-1]]
        before[np.r_[True, ticks.day[1:] != ticks.day[:-1]]] = 0
        found.append(replace(numbers, units=np.maximum(numbers.units - before, 0)))
    return found[0], found[1]


def trades_of_rows(
    instrument: Instrument, rows: TradeRows, taker: Ints, schedule: Schedule, steps: Steps | None = None
) -> tuple[TradeColumns, Steps]:
    """Trades of a file or of the store; `taker` is 1 where the taker bought, -1 where it sold."""
    if not len(rows):
        raise NoDataError(f"trades of {instrument.symbol}: expected some, was none")
    steps = steps or steps_of(instrument, [rows.price], [rows.quantity])
    order = np.argsort(rows.ts, kind="stable")
    seq = rows.row if rows.number is None else rows.number
    day = _ints(int(schedule.trading_day_of(int(ts))) for ts in rows.ts[order])
    columns = TradeColumns(
        rows.ts[order],
        seq[order],
        day,
        on_grid(rows.price, steps.unit, "price")[order],
        on_grid(rows.quantity, steps.step, "quantity")[order],
        taker[order],
    )
    return columns, steps


def _four(columns: list[Ints]) -> tuple[Ints, Ints, Ints, Ints]:
    first, high, low, last = columns
    return first, high, low, last


def holes_of(gaps: Iterable[Gap]) -> tuple[Hole, ...]:
    """Gaps of the ledger in which data were lost, in the order in which they were noticed."""
    causes = {*LOSSES, JOINED}
    found = {Hole(each.ts_from, each.ts_to, each.ts_event, each.cause) for each in gaps if each.cause in causes}
    return tuple(sorted(found, key=lambda hole: (hole.ts_noticed, hole)))


def _numbers(values: Sequence[Decimal | None], missing: Decimal | None = None) -> ExactNumbers:
    array = pa.array(values, DECIMAL)
    return exact_numbers(array if missing is None else array.fill_null(missing))


def _ints(values: Iterable[int]) -> Ints:
    return np.fromiter(values, dtype=np.int64)
