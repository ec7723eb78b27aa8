"""Equity after the fact: exact at the ends of trading days, as doubles at every row's price."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from marketprism_application.backtesting.columns import NO_PRICE, BarColumns, Ints, TickColumns
from marketprism_application.backtesting.desk import Desk, Holding
from marketprism_application.backtesting.market import Market
from marketprism_domain.trading.arithmetic import ZERO

_MOST_POINTS = 2_000
_MOST_HELD = 10_000  # changes of positions that are looked at for what is held now


class DayEquity(NamedTuple):
    """The account at the end of a trading day."""

    trading_day: str
    ts: int
    equity: Decimal
    cash: Decimal
    open_profit: Decimal
    held: int  # instruments with a position


class Curve(NamedTuple):
    """Equity at the prices of rows: times and money."""

    ts: Ints
    equity: NDArray[np.float64]

    def thinned(self) -> Curve:
        """At most some thousand of its points, the lowest and the highest of each stretch among them."""
        count = len(self.ts)
        if count <= _MOST_POINTS:
            return self
        edges = np.linspace(0, count, _MOST_POINTS // 2 + 1).astype(np.int64)
        keep = {0, count - 1}
        for start, end in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
            part = self.equity[start:end]
            keep |= {start + int(part.argmin()), start + int(part.argmax())}
        chosen = np.array(sorted(keep), dtype=np.int64)
        return Curve(self.ts[chosen], self.equity[chosen])


class Marks(NamedTuple):
    """Prices that an instrument is valued at: times of the run's clock, trading days, units."""

    ts: Ints
    day: Ints
    price: Ints
    let_go: Callable[[], None]


def marks_of(market: Market, *, by_bars: bool, delay: int) -> Marks:
    """The series that an instrument is valued by: the one that fills its orders."""
    columns: BarColumns | TickColumns | None = (
        next(iter(market.data.bars.values()), None) if by_bars else market.data.ticks
    )
    if isinstance(columns, BarColumns):
        ts = columns.ts_close + delay if delay else columns.ts_close
        return Marks(ts, columns.day, columns.close, market.data.let_go)
    if columns is not None:
        there = columns.last != NO_PRICE
        return Marks(columns.ts[there], columns.day[there], columns.last[there], market.data.let_go)
    trades = market.data.trades
    assert trades is not None  # noqa: S101 (a run has rows)
    return Marks(trades.ts, trades.day, trades.price, market.data.let_go)


def daily_equity(desk: Desk, marks: Sequence[Marks], capital: Decimal, until: int) -> list[DayEquity]:
    """The account at the end of each trading day that has rows, to the last digit."""
    days = sorted({day for each in marks for day in _days_of(each, until)})
    times = [holding.ts for holding in desk.holdings]
    ends = _ends_of(marks, days, until)
    prices = [_prices_at(each, ends) for each in marks]
    found = []
    for place, (day, ts) in enumerate(zip(days, ends.tolist(), strict=True)):
        upto = bisect_right(times, ts)
        held = _held(desk.holdings[:upto])
        cash = desk.holdings[upto - 1].cash if upto else capital
        profit = ZERO
        for market, of_market in zip(desk.markets, prices, strict=True):
            holding, price = held.get(market.rank), of_market[place]
            if holding is not None and holding.held and price is not None:
                settled = market.settlement(str(day))
                profit += open_profit(market, holding, price if settled is None else settled / market.unit)
        found.append(
            DayEquity(str(day), ts, cash + profit, cash, profit, sum(1 for each in held.values() if each.held))
        )
    return found


def equity_beside(desk: Desk, capital: Decimal) -> Decimal | None:
    """The account at the last prices while a run goes on, for another thread that looks on: changes of positions are
    whole where they are written down. None where prices change at that moment into what cannot be counted with."""
    newest = desk.holdings[-_MOST_HELD:]
    held = _held(newest)
    equity = newest[-1].cash if newest else capital
    try:
        for market in desk.markets:
            holding = held.get(market.rank)
            mark = market.last
            if holding is not None and holding.held and mark != NO_PRICE:
                equity += open_profit(market, holding, mark)
    except ArithmeticError:
        return None
    return equity


def _ends_of(marks: Sequence[Marks], days: Sequence[int], until: int) -> Ints:
    """When the last row of each day is there, of all instruments; those that begin later have none yet."""
    found = np.full(len(days), np.iinfo(np.int64).min, dtype=np.int64)
    for each in marks:
        last = np.searchsorted(each.day, np.array(days, dtype=np.int64), side="right") - 1
        found = np.where(last >= 0, np.maximum(found, each.ts[np.maximum(last, 0)]), found)
        each.let_go()
    found = np.minimum(found, until)
    if len(found):  # on the last day whatever is known counts: an order may be filled behind the last price
        found[-1] = until
    return found


def _prices_at(marks: Marks, times: Ints) -> list[int | None]:
    """The price that was known at each time, None before the first."""
    rows = np.searchsorted(marks.ts, times, side="right") - 1
    prices = marks.price[np.maximum(rows, 0)].tolist()
    marks.let_go()
    return [price if row >= 0 else None for row, price in zip(rows.tolist(), prices, strict=True)]


def _days_of(marks: Marks, until: int) -> list[int]:
    """Trading days that have a row by then."""
    found: list[int] = np.unique(marks.day[marks.ts <= until]).tolist()
    marks.let_go()
    return found


def _times_of(marks: Sequence[Marks], until: int) -> Ints:
    """Every time at which an instrument has a row, each once; instruments one after another, as all are too much."""
    found = np.zeros(0, dtype=np.int64)
    for each in marks:
        mine = np.unique(each.ts[each.ts <= until])
        each.let_go()
        if len(mine) != len(found) or not np.array_equal(mine, found):
            found = np.union1d(found, mine)
    return found


def _held(holdings: Sequence[Holding]) -> dict[int, Holding]:
    return {holding.rank: holding for holding in holdings}


def open_profit(market: Market, holding: Holding, mark: int | Decimal) -> Decimal:
    """Profit of what was held, at a mark in units."""
    terms = market.instrument.terms
    if not terms.inverse:
        return (holding.held * mark - holding.paid) * market.value
    sign = 1 if holding.held > 0 else -1
    return terms.pnl(sign, market.quantity(abs(holding.held)), holding.entry, mark * market.unit)


def share_held(desk: Desk, ts: Ints) -> float:
    """Share of these times at which something is held."""
    if not len(ts):
        return 0.0
    held = np.zeros(len(ts), dtype=np.bool_)
    for market in desk.markets:
        mine = [holding for holding in desk.holdings if holding.rank == market.rank]
        since = np.array([holding.ts for holding in mine], dtype=np.int64)
        steps = np.array([0, *(holding.held for holding in mine)], dtype=np.int64)
        held |= steps[np.searchsorted(since, ts, side="right")] != 0
    return float(held.mean())


def curve_of(desk: Desk, marks: Sequence[Marks], capital: Decimal, until: int) -> Curve:
    """Equity at every row's price, of all instruments together."""
    ts = _times_of(marks, until)
    times = np.array([holding.ts for holding in desk.holdings], dtype=np.int64)
    cash = np.array([float(capital), *(float(holding.cash) for holding in desk.holdings)])
    equity = cash[np.searchsorted(times, ts, side="right")]
    for market, each in zip(desk.markets, marks, strict=True):
        mine = [holding for holding in desk.holdings if holding.rank == market.rank]
        if not mine:
            continue
        since = np.array([holding.ts for holding in mine], dtype=np.int64)
        at = np.searchsorted(since, ts, side="right")
        held = np.array([0.0, *(float(holding.held) for holding in mine)])[at]
        inverse = market.instrument.terms.inverse
        known = (float(holding.entry / market.unit) if inverse else float(holding.paid) for holding in mine)
        paid = np.array([1.0 if inverse else 0.0, *known])[at]
        row = np.maximum(np.searchsorted(each.ts, ts, side="right") - 1, 0)
        price = each.price[row].astype(np.float64)
        if market.instrument.terms.inverse:
            entry = np.where(paid > 0, paid, 1.0)
            scale = float(market.step * market.instrument.terms.multiplier / market.unit)
            equity = equity + held * scale * (1 / entry - 1 / price)
        else:
            equity = equity + (held * price - paid) * float(market.value)
        each.let_go()
    return Curve(ts, equity)
