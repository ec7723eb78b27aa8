"""Minutes of ticks of days that follow one another, as the builder makes them: `OpenMinute.add` over columns."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

import numpy as np

from marketprism_application.columns.decimals import DecimalColumn, Flags, InexactColumn, Ints, units_of
from marketprism_application.columns.sections import Days, Groups
from marketprism_application.columns.tick_columns import TickColumns
from marketprism_application.columns.windows import Units, Windows, meets
from marketprism_domain.bars.cascade import Gaps
from marketprism_domain.bars.state import Running
from marketprism_domain.instruments.names import has_signed_price
from marketprism_domain.values import NANOS_PER_MINUTE

_LOWEST, _HIGHEST = np.iinfo(np.int64).min, np.iinfo(np.int64).max
_ROOM = 2**62


def minutes_of(
    ticks: TickColumns,
    groups: Groups,
    current: Windows,
    running: Running,
    units: Units,
    days: Days,
    gaps: Gaps,
    *,
    trades: bool,
) -> tuple[Windows, Running]:
    """The minutes that have a trade, the one that is open (`current`, a row) first, and the totals behind them.

    Every tick of `groups` counts and none of them is late. `running` is that of the first day of `days`; with the first
    tick of each further day they begin anew. `trades`: each tick has its own amount, no running total.

    Raises:
        InexactColumn: a number that has no place in the units.
    """
    first, last = int(groups.begin[0]), int(groups.end[-1])
    rows = slice(first, last)
    anew = groups.begin[1:][groups.day[1:] != groups.day[:-1]] - first
    out = groups.left_out - first
    moved = _moved(ticks.last, rows, running.last, units.price, anew, out)
    if trades:
        hits = np.delete(np.arange(last - first), out)
    else:
        hits = np.flatnonzero(moved | _moved(ticks.volume, rows, running.volume, units.volume, anew, out))
    at = hits + first
    goes_on = int(groups.start[0]) == int(current.ts_open[0])
    begun, ended = np.searchsorted(hits, groups.begin - first), np.searchsorted(hits, groups.end - first)
    made = np.flatnonzero(ended > begun)
    if not len(made):
        return (_touched(ticks, groups, current, units) if goes_on else current), running
    starts, ends = begun[made], ended[made] - 1
    fresh = np.flatnonzero(np.diff(groups.day[made], prepend=groups.day[0]))
    prices = _Prices.of(ticks.last, rows, hits, starts, moved, units.price)
    begins = np.searchsorted(hits, anew)
    amounts, money = _amounts(ticks, at, starts, ends, running, units, begins, fresh, trades=trades)
    opens = groups.start[made]
    merges = goes_on and int(made[0]) == 0
    firsts, lasts = at[starts], groups.end[made] - 1
    if merges:
        firsts = firsts.copy()
        firsts[0] = groups.begin[0]  # the minute is there already: each tick of it touches it
    interest, has_interest, known = _interest(ticks.open_interest, firsts, lasts, units.interest, groups.left_out)
    of_high, of_low = (
        _extremes(column, hits, rows, prices, before, units.price, begins, sign)
        for column, before, sign in ((ticks.high, running.high, 1), (ticks.low, running.low, -1))
    )
    found = Windows(
        opens,
        opens + NANOS_PER_MINUTE,
        prices.values[prices.starts],
        np.maximum.reduceat(of_high, prices.starts),
        np.minimum.reduceat(of_low, prices.starts),
        prices.values[np.append(prices.starts[1:], len(prices.values)) - 1],
        amounts,
        money,
        interest,
        has_interest,
        groups.ticks(firsts, lasts),
        meets(opens, opens + NANOS_PER_MINUTE, gaps),
        _sources(ticks, units)[ticks.source[lasts]],
        ticks.epoch[lasts],
        ticks.ts_recv[lasts],
        ticks.ts_pub[lasts],
    )
    if len(fresh):
        _begin_days(found, fresh, ticks.open, firsts[fresh], units.price)
        of_day = slice(int(begins[-1]), None)
        running = Running(f"{days.digits[-1]:08d}")
    else:
        of_day = slice(None)
    after = Running(
        running.trading_day,
        _newest(ticks.volume, at[of_day], running.volume) or Decimal(0),
        _newest(ticks.turnover, at[of_day], running.turnover) or Decimal(0),
        ticks.last.decimal(int(at[-1])),
        _newest(ticks.high, at[of_day], running.high),
        _newest(ticks.low, at[of_day], running.low),
    )
    if goes_on and not merges:
        current = _touched(ticks, groups, current, units)
    if not merges:
        return current.then(found), after
    if not known[0]:  # no interest came with the ticks of the open minute
        found.interest[0], found.has_interest[0] = current.interest[0], current.has_interest[0]
    found.open[0] = current.open[0]
    found.high[0] = max(found.high[0], current.high[0])
    found.low[0] = min(found.low[0], current.low[0])
    found.volume[0] += current.volume[0]
    found.turnover[0] += current.turnover[0]
    found.ticks[0] += current.ticks[0]
    found.gap[0] = current.gap[0]
    return found, after


def _moved(column: DecimalColumn, rows: slice, before: Decimal | None, scale: int, anew: Ints, out: Ints) -> Flags:
    """At which of the rows the number is another than at the one before; at the first of a day it is, at those that are
    left `out` it is not."""
    head = int(column.units(slice(rows.start, rows.start + 1), scale)[0])
    moved = np.empty(rows.stop - rows.start, np.bool_)
    moved[0] = head != units_of(before, scale)
    moved[1:] = column.moved(rows)
    if len(out):
        apart = out[1:] != out[:-1] + 1
        before_it, behind = out[np.append(True, apart)] - 1, out[np.append(apart, True)] + 1
        moved[out] = False
        moved[behind] = column.differs(before_it + rows.start, behind + rows.start)
    moved[anew] = True
    return moved


class _Prices(NamedTuple):
    """Prices of the rows at which they moved, and of the first trade of each minute, whose places are `starts`: between
    them a price is that of the row before."""

    values: Ints
    rows: Ints  # where each one begins
    starts: Ints

    @classmethod
    def of(cls, column: DecimalColumn, rows: slice, hits: Ints, starts: Ints, moved: Flags, scale: int) -> _Prices:
        """Those of rows, the first of which has one, too; `starts` are of the minutes among `hits`."""
        chosen = moved.copy()
        begun = hits[starts]
        chosen[begun] = True
        at = np.flatnonzero(chosen)
        return cls(column.units(at + rows.start, scale), at, np.searchsorted(at, begun))

    def places_of(self, rows: Ints) -> Ints:
        """Where rows with a trade are among the values."""
        return np.searchsorted(self.rows, rows, "right") - 1


def _begin_days(found: Windows, fresh: Ints, opens: DecimalColumn, rows: Ints, scale: int) -> None:
    """The first minutes of days open with what their first tick says of the day's opening."""
    opened = opens.units(rows, scale)
    if (there := opens.is_there(rows)) is not None:
        opened = np.where(there, opened, found.open[fresh])
    found.open[fresh] = opened
    found.high[fresh] = np.maximum(found.high[fresh], opened)
    found.low[fresh] = np.minimum(found.low[fresh], opened)


def _amounts(
    ticks: TickColumns,
    at: Ints,
    starts: Ints,
    ends: Ints,
    running: Running,
    units: Units,
    begins: Ints,
    fresh: Ints,
    *,
    trades: bool,
) -> tuple[Ints, Ints]:
    """Volume and turnover of each minute; at `begins` (of `at`) and in the minutes `fresh` totals begin at 0."""
    if trades:
        return tuple(  # type: ignore[return-value]
            np.add.reduceat(_summable(column.units(at, scale)), starts)
            for column, scale in ((ticks.traded, units.volume), (ticks.traded_turnover, units.turnover))
        )
    volume = _steps(ticks.volume.units(at[ends], units.volume), units_of(running.volume, units.volume), fresh)
    before = units_of(running.turnover, units.turnover)
    there = ticks.turnover.is_there(at)
    signed = has_signed_price(ticks.symbol)
    if not signed and (there is None or bool(there.all())):
        return volume, _steps(ticks.turnover.units(at[ends], units.turnover), before, fresh)
    values = _filled(ticks.turnover.units(at, units.turnover), there, before, begins, 0)
    money = _steps(values, before, begins)
    if signed:
        money = np.maximum(money, 0)
    return volume, np.add.reduceat(_summable(money), starts)


def _steps(totals: Ints, before: int, begins: Ints) -> Ints:
    """What totals grew by; those at `begins` began at 0."""
    grown = np.diff(totals, prepend=before)
    grown[begins] = totals[begins]
    return grown


def _summable(values: Ints) -> Ints:
    if max(int(values.max()), -int(values.min())) * len(values) >= _ROOM:
        raise InexactColumn
    return values


def _filled(values: Ints, there: Flags | None, before: int, begins: Ints, empty: int) -> Ints:
    """Values where there is one, the one before where there is none; `empty` of those that begin a day."""
    if there is None:
        return values
    begin = np.zeros(len(values), np.bool_)
    begin[begins] = True
    values = np.where(begin & ~there, empty, values)
    newest = np.maximum.accumulate(np.where(there | begin, np.arange(len(values)), -1))
    return np.where(newest >= 0, values[newest], before)


def _extremes(
    column: DecimalColumn,
    hits: Ints,
    rows: slice,
    prices: _Prices,
    before: Decimal | None,
    scale: int,
    begins: Ints,
    sign: int,
) -> Ints:
    """Highest (or lowest, by `sign`) price of each slice: the day's own extreme where it moved beyond the price."""
    nothing = _LOWEST if sign > 0 else _HIGHEST
    beyond = nothing if before is None else units_of(before, scale)
    there = column.is_there(rows)
    if there is not None and not bool(there[hits].all()):
        places = np.arange(len(hits))
        values = _filled(column.units(hits + rows.start, scale), there[hits], beyond, begins, nothing)
        known = np.append(beyond, values[:-1])
        known[begins] = nothing
    else:
        # Only behind a tick at which it moved can it have.
        places = np.searchsorted(hits, np.flatnonzero(column.moved(rows)) + 1)
        places = np.unique(np.concatenate(([0], begins, places[places < len(hits)])))
        values = column.units(hits[places] + rows.start, scale)
        known = column.units(hits[np.maximum(places - 1, 0)] + rows.start, scale)
        known[0] = beyond
        known[np.searchsorted(places, begins)] = nothing
    wider = np.flatnonzero(values > known if sign > 0 else values < known)
    if not len(wider):
        return prices.values
    found = prices.values.copy()
    (np.maximum if sign > 0 else np.minimum).at(found, prices.places_of(hits[places[wider]]), values[wider])
    return found


def _interest(column: DecimalColumn, firsts: Ints, lasts: Ints, scale: int, out: Ints) -> tuple[Ints, Flags, Flags]:
    """The newest open interest other than 0 of each range of rows without those left `out`, else that of its first row;
    whether there is one; whether it is other than 0."""
    there = column.is_there(lasts)
    values = column.units(lasts, scale)
    moved = values != 0
    if bool(moved.all()):
        return values, np.ones(len(values), np.bool_) if there is None else there, moved
    start = int(firsts[0])
    some = column.taken(slice(start, int(lasts[-1]) + 1)).nonzero()
    some[out[(out >= start) & (out <= lasts[-1])] - start] = False
    newest = np.maximum.accumulate(np.where(some, np.arange(start, start + len(some)), -1))[lasts - start]
    moved = newest >= firsts
    rows = np.where(moved, newest, firsts)
    there = column.is_there(rows)
    return column.units(rows, scale), np.ones(len(rows), np.bool_) if there is None else there, moved


def _touched(ticks: TickColumns, groups: Groups, current: Windows, units: Units) -> Windows:
    """The open minute, behind ticks of it that carry no trade."""
    firsts, lasts = groups.begin[:1], groups.end[:1] - 1
    interest, has_interest, moved = _interest(ticks.open_interest, firsts, lasts, units.interest, groups.left_out)
    return current._replace(
        interest=np.where(moved, interest, current.interest),
        has_interest=np.where(moved, has_interest, current.has_interest),
        ticks=current.ticks + groups.ticks(firsts, lasts),
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
