"""Which instruments a strategy looks at, chosen anew when a trading day is over from what was there by then."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import NamedTuple

import numpy as np

from marketprism_application.backtesting.agenda import TIMER_RANK, Agenda
from marketprism_application.backtesting.clock import Clock
from marketprism_application.backtesting.columns import NO_PRICE, Ints
from marketprism_application.backtesting.errors import BacktestError
from marketprism_application.backtesting.market import Market
from marketprism_application.contracts.nearest import did_you_mean
from marketprism_domain.errors import InvalidValue


class DayOf(NamedTuple):
    """What an instrument did in a trading day, as far as its rows were there when the day was over.

    `before` is the last price of the day before, None of an instrument that had none. `turnover` is money.
    """

    symbol: str
    trading_day: str
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    before: Decimal | None
    volume: Decimal
    turnover: float

    @property
    def change(self) -> float | None:
        """Share by which it rose over the day before, below 0 where it fell."""
        return None if not self.before else float(self.close / self.before) - 1


class _Rows(NamedTuple):
    """A series by which a day is summed up: when each row is there, its trading day, prices, volume and turnover."""

    ts: Ints
    day: Ints
    open: Ints
    high: Ints
    low: Ints
    close: Ints
    volume: Ints


class Universe:
    """Asks a strategy for its instruments whenever a trading day is over in every market that had it."""

    def __init__(
        self,
        markets: Sequence[Market],
        clock: Clock,
        agenda: Agenda,
        delay: int,
        choose: Callable[[list[DayOf]], Iterable[str] | None],
    ) -> None:
        self._markets, self._clock, self._agenda, self._choose = markets, clock, agenda, choose
        self._rows = [_rows_of(market, delay) for market in markets]
        self._last = ""
        self.symbols: tuple[str, ...] = ()

    def end_day(self, day: str) -> None:
        """A market's trading day is over; those that end it at the same time come first."""
        if day > self._last and all(_is_over(market, day, self._clock.now) for market in self._markets):
            self._last = day
            self._agenda.add(self._clock.now, TIMER_RANK, -1, lambda: self._ask(day))

    def _ask(self, day: str) -> None:
        listed = [self._day(market, rows, day) for market, rows in zip(self._markets, self._rows, strict=True)]
        chosen = self._choose([each for each in listed if each is not None])
        if chosen is None:
            return
        known = tuple(market.symbol for market in self._markets)
        symbols = tuple(dict.fromkeys(chosen))
        for each in symbols:
            if each not in known:
                near = did_you_mean(str(each), known)
                raise BacktestError(f"universe: expected symbols of the run, was {each!r}{near}")
        self.symbols = symbols

    def _day(self, market: Market, rows: _Rows, day: str) -> DayOf | None:
        """A day of an instrument, None of one that had no row in it by now: not listed yet, or no longer."""
        first, end = (int(each) for each in np.searchsorted(rows.day, [int(day), int(day) + 1]))
        end = min(end, int(np.searchsorted(rows.ts, self._clock.now, side="right")))
        if first >= end:
            return None
        part = slice(first, end)
        volume = rows.volume[part].astype(np.float64) / market.sides
        return DayOf(
            market.symbol,
            day,
            market.price(int(rows.open[first])),
            market.price(int(rows.high[part].max())),
            market.price(int(rows.low[part].min())),
            market.price(int(rows.close[end - 1])),
            market.price(int(rows.close[first - 1])) if first else None,
            market.quantity(int(volume.sum())),
            float((volume * rows.close[part]).sum()) * market.rough_value,
        )


def _is_over(market: Market, day: str, now: int) -> bool:
    try:
        sessions = market.schedule.sessions(day)
    except InvalidValue:  # it has no such day
        return True
    return sessions[-1].ts_close <= now


def _rows_of(market: Market, delay: int) -> _Rows:
    data = market.data
    for bars in data.bars.values():
        return _Rows(bars.ts_close + delay, bars.day, bars.open, bars.high, bars.low, bars.close, bars.volume)
    if data.ticks is not None:
        there = data.ticks.last != NO_PRICE
        last = data.ticks.last[there]
        return _Rows(data.ticks.ts[there], data.ticks.day[there], last, last, last, last, data.ticks.volume[there])
    trades = data.trades
    if trades is None:
        none = np.zeros(0, dtype=np.int64)
        return _Rows(none, none, none, none, none, none, none)
    price = trades.price
    return _Rows(trades.ts, trades.day, price, price, price, price, trades.quantity)


__all__ = ["DayOf", "Universe"]
