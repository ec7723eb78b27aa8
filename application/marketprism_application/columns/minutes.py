"""Minutes of one trading day's ticks, as the builder adds them one by one: `BarBuilder._add` over columns."""

from __future__ import annotations

from decimal import Decimal

import numpy as np

from marketprism_application.columns.decimals import DecimalColumn, Flags, InexactColumn, Ints, units_of
from marketprism_application.columns.sections import Groups
from marketprism_application.columns.tick_columns import TickColumns
from marketprism_application.columns.windows import Units, Windows, meets
from marketprism_domain.bars.cascade import Gaps
from marketprism_domain.bars.state import Running
from marketprism_domain.instruments.names import has_signed_price
from marketprism_domain.values import NANOS_PER_MINUTE

_LOWEST, _HIGHEST = np.iinfo(np.int64).min, np.iinfo(np.int64).max
_ROOM = 2**62


def minutes_of(
    ticks: TickColumns, groups: Groups, current: Windows, running: Running, units: Units, gaps: Gaps, *, trades: bool
) -> tuple[Windows, Running]:
    """The minutes that have a trade, the one that is open (`current`, a row) first, and the totals behind them.

    Every tick of `groups` counts and none of them is late. `trades`: each tick has its own amount, no running total.

    Raises:
        InexactColumn: a number that has no place in the units.
    """
    first, last = int(groups.begin[0]), int(groups.end[-1])
    rows = slice(first, last)
    hits = np.arange(last - first) if trades else _trading(ticks, rows, running, units)
    at = hits + first
    goes_on = int(groups.start[0]) == int(current.ts_open[0])
    begun, ended = np.searchsorted(hits, groups.begin - first), np.searchsorted(hits, groups.end - first)
    made = np.flatnonzero(ended > begun)
    if not len(made):
        return (_touched(ticks, groups, current, units) if goes_on else current), running
    starts, ends = begun[made], ended[made] - 1
    # Rows between trades have the price of the trade before them: they move no extreme, and need not be left out.
    prices = ticks.last.units(rows, units.price)
    amounts, money = _amounts(ticks, at, starts, ends, running, units, trades=trades)
    opens = groups.start[made]
    merges = goes_on and int(made[0]) == 0
    firsts, lasts = at[starts], groups.end[made] - 1
    if merges:
        firsts = firsts.copy()
        firsts[0] = groups.begin[0]  # the minute is there already: each tick of it touches it
    interest, has_interest, moved = _interest(ticks.open_interest, firsts, lasts, units.interest)
    found = Windows(
        opens,
        opens + NANOS_PER_MINUTE,
        prices[hits[starts]],
        np.maximum.reduceat(_extremes(ticks.high, hits, rows, prices, running.high, units.price, 1), hits[starts]),
        np.minimum.reduceat(_extremes(ticks.low, hits, rows, prices, running.low, units.price, -1), hits[starts]),
        prices[hits[ends]],
        amounts,
        money,
        interest,
        has_interest,
        lasts + 1 - firsts,
        meets(opens, opens + NANOS_PER_MINUTE, gaps),
        _sources(ticks, units)[ticks.source[lasts]],
        ticks.epoch[lasts],
        ticks.ts_recv[lasts],
        ticks.ts_pub[lasts],
    )
    after = Running(
        running.trading_day,
        _newest(ticks.volume, at, running.volume) or Decimal(0),
        _newest(ticks.turnover, at, running.turnover) or Decimal(0),
        ticks.last.decimal(int(at[-1])),
        _newest(ticks.high, at, running.high),
        _newest(ticks.low, at, running.low),
    )
    if goes_on and not merges:
        current = _touched(ticks, groups, current, units)
    if not merges:
        return current.then(found), after
    if not moved[0]:  # no interest came with the ticks of the open minute
        found.interest[0], found.has_interest[0] = current.interest[0], current.has_interest[0]
    found.open[0] = current.open[0]
    found.high[0] = max(found.high[0], current.high[0])
    found.low[0] = min(found.low[0], current.low[0])
    found.volume[0] += current.volume[0]
    found.turnover[0] += current.turnover[0]
    found.ticks[0] += current.ticks[0]
    found.gap[0] = current.gap[0]
    return found, after


def _trading(ticks: TickColumns, rows: slice, running: Running, units: Units) -> Ints:
    """Which of the rows carry a trade: volume or price moved since the tick before."""
    head = slice(rows.start, rows.start + 1)
    moved = np.empty(rows.stop - rows.start, np.bool_)
    moved[0] = int(ticks.volume.units(head, units.volume)[0]) != units_of(running.volume, units.volume) or int(
        ticks.last.units(head, units.price)[0]
    ) != units_of(running.last, units.price)
    moved[1:] = ticks.volume.moved(rows)
    moved[1:] |= ticks.last.moved(rows)
    return np.flatnonzero(moved)


def _amounts(
    ticks: TickColumns, at: Ints, starts: Ints, ends: Ints, running: Running, units: Units, *, trades: bool
) -> tuple[Ints, Ints]:
    """Volume and turnover of each minute."""
    if trades:
        return tuple(  # type: ignore[return-value]
            np.add.reduceat(_summable(column.units(at, scale)), starts)
            for column, scale in ((ticks.traded, units.volume), (ticks.traded_turnover, units.turnover))
        )
    totals = ticks.volume.units(at[ends], units.volume)
    volume = np.diff(totals, prepend=units_of(running.volume, units.volume))
    before = units_of(running.turnover, units.turnover)
    there = ticks.turnover.is_there(at)
    signed = has_signed_price(ticks.symbol)
    if not signed and (there is None or bool(there.all())):
        return volume, np.diff(ticks.turnover.units(at[ends], units.turnover), prepend=before)
    money = np.diff(_filled(ticks.turnover.units(at, units.turnover), there, before), prepend=before)
    if signed:
        money = np.maximum(money, 0)
    return volume, np.add.reduceat(_summable(money), starts)


def _summable(values: Ints) -> Ints:
    if max(int(values.max()), -int(values.min())) * len(values) >= _ROOM:
        raise InexactColumn
    return values


def _filled(values: Ints, there: Flags | None, before: int) -> Ints:
    """Values where there is one, the one before where there is none."""
    if there is None:
        return values
    newest = np.maximum.accumulate(np.where(there, np.arange(len(values)), -1))
    return np.where(newest >= 0, values[newest], before)


def _extremes(
    column: DecimalColumn, hits: Ints, rows: slice, prices: Ints, before: Decimal | None, scale: int, sign: int
) -> Ints:
    """Highest (or lowest, by `sign`) price of each slice: the day's own extreme where it moved beyond the price."""
    beyond = (_LOWEST if sign > 0 else _HIGHEST) if before is None else units_of(before, scale)
    there = column.is_there(rows)
    if there is not None and not bool(there[hits].all()):
        there = there[hits]
        places = np.arange(len(hits))
        values = _filled(column.units(hits + rows.start, scale), there, beyond)
        known = np.append(beyond, values[:-1])
    else:
        # Only behind a tick at which it moved can it have.
        places = np.searchsorted(hits, np.flatnonzero(column.moved(rows)) + 1)
        places = np.unique(np.append(0, places[places < len(hits)]))
        values = column.units(hits[places] + rows.start, scale)
        known = column.units(hits[np.maximum(places - 1, 0)] + rows.start, scale)
        known[0] = beyond
    reached = prices[hits[places]]
    wider = (values > known) & (values > reached) if sign > 0 else (values < known) & (values < reached)
    if not bool(wider.any()):
        return prices
    found = prices.copy()
    found[hits[places[wider]]] = values[wider]
    return found


def _interest(column: DecimalColumn, firsts: Ints, lasts: Ints, scale: int) -> tuple[Ints, Flags, Flags]:
    """The newest open interest other than 0 of each range of rows, else that of its first row; whether there is one;
    whether it is other than 0."""
    there = column.is_there(lasts)
    values = column.units(lasts, scale)
    moved = values != 0
    if bool(moved.all()):
        return values, np.ones(len(values), np.bool_) if there is None else there, moved
    start = int(firsts[0])
    some = column.taken(slice(start, int(lasts[-1]) + 1)).nonzero()
    newest = np.maximum.accumulate(np.where(some, np.arange(start, start + len(some)), -1))[lasts - start]
    moved = newest >= firsts
    rows = np.where(moved, newest, firsts)
    there = column.is_there(rows)
    return column.units(rows, scale), np.ones(len(rows), np.bool_) if there is None else there, moved


def _touched(ticks: TickColumns, groups: Groups, current: Windows, units: Units) -> Windows:
    """The open minute, behind ticks of it that carry no trade."""
    firsts, lasts = groups.begin[:1], groups.end[:1] - 1
    interest, has_interest, moved = _interest(ticks.open_interest, firsts, lasts, units.interest)
    return current._replace(
        interest=np.where(moved, interest, current.interest),
        has_interest=np.where(moved, has_interest, current.has_interest),
        ticks=current.ticks + lasts + 1 - firsts,
        source=_sources(ticks, units)[ticks.source[lasts]],
        epoch=ticks.epoch[lasts],
        ts_recv=ticks.ts_recv[lasts],
        ts_pub=ticks.ts_pub[lasts],
    )


def _sources(ticks: TickColumns, units: Units) -> Ints:
    return np.array([units.code(source) for source in ticks.sources], np.int64)


def _newest(column: DecimalColumn, at: Ints, before: Decimal | None) -> Decimal | None:
    """The last number of these rows; the one before them where there is none."""
    there = column.is_there(at)
    if there is None:
        return column.decimal(int(at[-1]))
    known = np.flatnonzero(there)
    return column.decimal(int(at[known[-1]])) if len(known) else before
