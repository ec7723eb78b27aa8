"""Equity after the fact: exact at the ends of trading days, as doubles at every row's price."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from marketprism_application.backtesting.columns import NO_PRICE, BarColumns, Ints, TickColumns
from marketprism_application.backtesting.desk import Desk, Holding
from marketprism_application.backtesting.market import Market
from marketprism_domain.trading.arithmetic import ZERO

_MOST_POINTS = 2_000


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


class _Marks(NamedTuple):
    """Prices that an instrument is valued at: times of the run's clock, trading days, units."""

    ts: Ints
    day: Ints
    price: Ints


def marks_of(market: Market, *, by_bars: bool, delay: int) -> _Marks:
    """The series that an instrument is valued by: the one that fills its orders."""
    columns: BarColumns | TickColumns | None = (
        next(iter(market.data.bars.values()), None) if by_bars else market.data.ticks
    )
    if isinstance(columns, BarColumns):
        return _Marks(columns.ts_close + delay, columns.day, columns.close)
    if columns is not None:
        there = columns.last != NO_PRICE
        return _Marks(columns.ts[there], columns.day[there], columns.last[there])
    trades = market.data.trades
    assert trades is not None  # noqa: S101 (a run has rows)
    return _Marks(trades.ts, trades.day, trades.price)


def daily_equity(desk: Desk, marks: Sequence[_Marks], capital: Decimal, until: int) -> list[DayEquity]:
    """The account at the end of each trading day that has rows, to the last digit."""
    days = sorted({int(day) for each in marks for day in np.unique(each.day[each.ts <= until])})
    times = [holding.ts for holding in desk.holdings]
    found = []
    for day in days:
        last = [int(np.searchsorted(each.day, day, side="right")) - 1 for each in marks]
        ends = [int(each.ts[row]) for each, row in zip(marks, last, strict=True) if row >= 0]
        # On the last day whatever is known counts: an order may be filled behind the last price.
        ts = until if day == days[-1] else min(max(ends), until)
        upto = bisect_right(times, ts)
        held = _held(desk.holdings[:upto])
        cash = desk.holdings[upto - 1].cash if upto else capital
        profit = ZERO
        for market, each in zip(desk.markets, marks, strict=True):
            holding = held.get(market.rank)
            row = int(np.searchsorted(each.ts, ts, side="right")) - 1
            if holding is not None and holding.held and row >= 0:
                settled = market.settlement(str(day))
                mark = int(each.price[row]) if settled is None else settled / market.unit
                profit += open_profit(market, holding, mark)
        found.append(
            DayEquity(str(day), ts, cash + profit, cash, profit, sum(1 for each in held.values() if each.held))
        )
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


def curve_of(desk: Desk, marks: Sequence[_Marks], capital: Decimal, until: int) -> Curve:
    """Equity at every row's price, of all instruments together."""
    ts = np.unique(np.concatenate([each.ts[each.ts <= until] for each in marks]))
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
    return Curve(ts, equity)
