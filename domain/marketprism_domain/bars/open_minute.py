"""What changes with every tick: the minute that is open and the day's running totals.

Attributes of plain classes and places in the tick's row: compiled, each is read in a nanosecond. The forms that are
kept (`Minute`, `Running`) are made of them when a minute closes or its memory is asked for.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from marketprism_domain.bars.state import Running
from marketprism_domain.bars.windows import Minute, Window
from marketprism_domain.instruments.names import has_signed_price
from marketprism_domain.marketdata.tick import (
    EPOCH,
    HIGH,
    LAST,
    LOW,
    OPEN_INTEREST,
    SOURCE,
    SYMBOL,
    TRADED,
    TRADED_TURNOVER,
    TS_PUB,
    TS_RECV,
    TURNOVER,
    VOLUME,
    Tick,
)

_ZERO: Final = Decimal(0)


class DayTotals:
    """Cumulative values of the trading day, to take differences from."""

    __slots__ = ("high", "last", "low", "trading_day", "turnover", "volume")

    def __init__(self, running: Running) -> None:
        self.trading_day: str = running.trading_day
        self.volume: Decimal = running.volume
        self.turnover: Decimal = running.turnover
        self.last: Decimal | None = running.last
        self.high: Decimal | None = running.high
        self.low: Decimal | None = running.low

    def running(self) -> Running:
        """The same as plain data."""
        return Running(self.trading_day, self.volume, self.turnover, self.last, self.high, self.low)

    def traded_by(self, tick: Tick) -> tuple[Decimal, Decimal]:
        """What was traded since the tick before, as amount and money."""
        return traded_by(tick, self.volume, self.turnover)

    def extremes(self, tick: Tick, last: Decimal) -> tuple[Decimal, Decimal]:
        """Lowest and highest price since the previous snapshot.

        A snapshot is a slice: the day's own high or low may have moved between two of them without `last` ever
        showing it. Then the extreme happened in this slice.
        """
        low = high = last
        before, of_day = self.high, tick[HIGH]
        if of_day is not None and (before is None or of_day > before) and of_day > high:
            high = of_day
        before, of_day = self.low, tick[LOW]
        if of_day is not None and (before is None or of_day < before) and of_day < low:
            low = of_day
        return low, high

    def remember(self, tick: Tick) -> None:
        """Take the next difference from this tick."""
        self.last = tick[LAST]
        value = tick[VOLUME]
        if value is not None:
            self.volume = value
        value = tick[TURNOVER]
        if value is not None:
            self.turnover = value
        value = tick[HIGH]
        if value is not None:
            self.high = value
        value = tick[LOW]
        if value is not None:
            self.low = value


class OpenMinute:
    """The minute that ticks are added to. `ts_open` and `ts_close` are those of its window."""

    __slots__ = (
        "close",
        "epoch",
        "gap",
        "high",
        "low",
        "open",
        "open_interest",
        "revision",
        "source",
        "ticks",
        "ts_close",
        "ts_open",
        "ts_pub",
        "ts_recv",
        "turnover",
        "volume",
        "window",
    )

    def __init__(self, minute: Minute) -> None:
        self.window: Window = minute.window
        self.ts_open: int = minute.window.ts_open
        self.ts_close: int = minute.window.ts_close
        self.open: Decimal = minute.open
        self.high: Decimal = minute.high
        self.low: Decimal = minute.low
        self.close: Decimal = minute.close
        self.volume: Decimal = minute.volume
        self.turnover: Decimal = minute.turnover
        self.open_interest: Decimal | None = minute.open_interest
        self.ticks: int = minute.ticks
        self.gap: bool = minute.gap
        self.revision: int = minute.revision
        self.source: str = minute.source
        self.epoch: int = minute.epoch
        self.ts_recv: int = minute.ts_recv
        self.ts_pub: int = minute.ts_pub

    def move(self, window: Window) -> None:
        """The same ticks, in another window."""
        self.window, self.ts_open, self.ts_close = window, window.ts_open, window.ts_close

    def minute(self) -> Minute:
        """The minute as it is now, as plain data."""
        return Minute(
            self.window,
            self.open,
            self.high,
            self.low,
            self.close,
            self.volume,
            self.turnover,
            self.open_interest,
            self.ticks,
            self.gap,
            self.revision,
            self.source,
            self.epoch,
            self.ts_recv,
            self.ts_pub,
        )

    def add(self, tick: Tick, last: Decimal, day: DayTotals) -> None:
        """Count a tick of this minute, and remember its totals.

        As `DayTotals.extremes` and `remember` say it, in one pass: a price that did not move is between low and high
        already.
        """
        moved = last != day.last
        grown = amount_of(tick, day.volume)
        if grown or moved:
            day.last = last
            self.close = last
            if moved:
                self.high = last if last > self.high else self.high
                self.low = last if last < self.low else self.low
            of_day = tick[HIGH]
            if of_day is not None:
                if (day.high is None or of_day > day.high) and of_day > self.high:
                    self.high = of_day
                day.high = of_day
            of_day = tick[LOW]
            if of_day is not None:
                if (day.low is None or of_day < day.low) and of_day < self.low:
                    self.low = of_day
                day.low = of_day
            self.volume = self.volume + grown
            self.turnover = self.turnover + money_of(tick, day.turnover)
            self.revision = 0
            of_day = tick[VOLUME]
            if of_day is not None:
                day.volume = of_day
            of_day = tick[TURNOVER]
            if of_day is not None:
                day.turnover = of_day
        # A snapshot without a trade moves only open interest and the receipt of a minute that traded.
        self.open_interest = tick[OPEN_INTEREST] or self.open_interest
        self.ticks += 1
        self.source = tick[SOURCE]
        self.epoch = tick[EPOCH]
        self.ts_recv = tick[TS_RECV]
        self.ts_pub = tick[TS_PUB]


def amount_of(tick: Tick, volume: Decimal) -> Decimal:
    """What was traded since the tick before, whose running total is `volume`."""
    traded = tick[TRADED]
    return (tick[VOLUME] or _ZERO) - volume if traded is None else traded


def money_of(tick: Tick, turnover: Decimal) -> Decimal:
    """The money that was traded since the tick before, whose running total is `turnover`."""
    if tick[TRADED] is not None:
        return tick[TRADED_TURNOVER] or _ZERO
    of_day = tick[TURNOVER]
    money = _ZERO if of_day is None else of_day - turnover
    if money < _ZERO and has_signed_price(tick[SYMBOL]):
        return _ZERO  # prices below zero take money off the day's sum: what was paid is not known
    return money


def traded_by(tick: Tick, volume: Decimal, turnover: Decimal) -> tuple[Decimal, Decimal]:
    """What was traded since the tick before, whose running totals are `volume` and `turnover`, as amount and money."""
    return amount_of(tick, volume), money_of(tick, turnover)


def touched(minute: Minute, tick: Tick) -> Minute:
    """A closed minute with a tick that brings no trade."""
    return minute._replace(
        open_interest=tick.open_interest or minute.open_interest,
        ticks=minute.ticks + 1,
        source=tick.source,
        epoch=tick.epoch,
        ts_recv=tick.ts_recv,
        ts_pub=tick.ts_pub,
    )
