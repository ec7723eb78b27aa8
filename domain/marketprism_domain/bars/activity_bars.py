"""Bars by activity instead of time: so many ticks, so much volume, so much turnover each."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from marketprism_domain.bars.open_minute import traded_by
from marketprism_domain.bars.state import ZERO, Running
from marketprism_domain.errors import InvalidValue
from marketprism_domain.marketdata.bar import Bar
from marketprism_domain.marketdata.tick import Tick
from marketprism_domain.sessions.calendar import Schedule
from marketprism_domain.values import NANOS_PER_SECOND, Quantity, Turnover

MEASURES = ("tick", "volume", "turnover")


@dataclass(frozen=True, slots=True)
class Activity:
    """What fills a bar: so many ticks, so much volume or turnover. Written `volume:1000`."""

    measure: str
    size: Decimal

    def __post_init__(self) -> None:
        if self.measure not in MEASURES:
            raise InvalidValue("measure", f"one of {', '.join(MEASURES)}", self.measure)
        if not self.size > 0:
            raise InvalidValue("size", "more than 0", str(self.size))

    @classmethod
    def parse(cls, text: str) -> Activity:
        """`Activity.parse("turnover:1000000")`.

        Raises:
            InvalidValue: no measure, a colon and a number above 0.
        """
        measure, _, size = text.partition(":")
        try:
            return cls(measure, Turnover(size) if measure == "turnover" else Quantity(size))
        except InvalidValue as error:  # of a part, which nobody has named
            raise InvalidValue("interval", "tick:100, volume:1000 or turnover:1000000", text) from error

    def __str__(self) -> str:
        return f"{self.measure}:{self.size}"


@dataclass(slots=True)
class ActivityState:
    """Complete memory of a builder."""

    running: Running
    bar: Bar | None = None
    measured: Decimal = ZERO


class ActivityBarBuilder:
    """One instrument; a bar closes with the tick that fills it, and with the trading day.

    A snapshot is never split: a bar may hold more than the size by the last snapshot's amount. The interval of the bars
    is the activity, like `volume:1000`.
    """

    def __init__(self, schedule: Schedule, activity: Activity, state: ActivityState | None = None) -> None:
        self._schedule = schedule
        self._measure = activity.measure
        self._size = activity.size
        self._name = str(activity)
        self.state = state or ActivityState(Running())

    def on_tick(self, tick: Tick) -> list[Bar]:
        """Bars that this tick closes."""
        s = self.state
        if tick.verdict == "stale" or tick.last is None or not (tick.volume if tick.traded is None else tick.traded):
            return []
        session = self._schedule.place(tick.ts_event).session
        if session is None or session.trading_day < s.running.trading_day:
            return []
        out: list[Bar] = []
        if session.trading_day != s.running.trading_day:
            out += self.close()
            s.running = Running(session.trading_day)
        grown, money = traded_by(tick, s.running.volume, s.running.turnover)
        self._add(tick, session.trading_day, grown, money)
        s.running.volume, s.running.turnover = tick.volume or ZERO, tick.turnover or s.running.turnover
        s.measured += {"tick": Decimal(1), "volume": grown, "turnover": money}[self._measure]
        if s.measured >= self._size:
            out += self.close()
        return out

    def _add(self, tick: Tick, trading_day: str, grown: Decimal, money: Decimal) -> None:
        last = tick.last
        assert last is not None  # noqa: S101 (checked by on_tick)
        bar = self.state.bar or Bar(
            tick.venue,
            tick.symbol,
            tick.source,
            tick.epoch,
            tick.ts_event // NANOS_PER_SECOND,
            0,
            0,
            0,
            self._name,
            tick.ts_event,
            0,
            trading_day,
            last,
            last,
            last,
            last,
            ZERO,
            ZERO,
        )
        self.state.bar = bar._replace(
            high=max(bar.high, last),
            low=min(bar.low, last),
            close=last,
            volume=bar.volume + grown,
            turnover=bar.turnover + money,
            open_interest=tick.open_interest or bar.open_interest,
            ticks=bar.ticks + 1,
            ts_event=tick.ts_event,
            ts_close=tick.ts_event,
            ts_recv=tick.ts_recv,
            ts_pub=tick.ts_pub,
        )

    def close(self) -> list[Bar]:
        """The bar that is being made, ended as it is; none where there is none."""
        bar, self.state.bar, self.state.measured = self.state.bar, None, ZERO
        return [] if bar is None else [bar]
