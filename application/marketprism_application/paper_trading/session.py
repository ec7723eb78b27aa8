"""A run that is driven by what arrives: the engine of backtests, with rows put into it one after another."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final

from marketprism_application.backtesting.clock import FAR_AWAY
from marketprism_application.backtesting.columns import InstrumentData, Selection
from marketprism_application.backtesting.desk import Decision
from marketprism_application.backtesting.engine import Engine
from marketprism_application.backtesting.errors import BacktestError, NoDataError
from marketprism_application.backtesting.instruments import Instrument
from marketprism_application.backtesting.market import PERPETUAL
from marketprism_application.backtesting.orders import Fill
from marketprism_application.backtesting.result import Failed, RunResult
from marketprism_application.backtesting.runs import RunSpec, engine_of, failure_of, result_of
from marketprism_application.backtesting.settings import FillMode
from marketprism_application.paper_trading.order import ArrivalOrder, Place, SentOrder
from marketprism_application.paper_trading.series import Record, no_bars, no_ticks
from marketprism_application.paper_trading.stream import InstrumentStream
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_domain.trading.arithmetic import exact_arithmetic

_BEHIND_NS: Final = 5_000_000_000  # how far event time stays behind the clock where no row moves it
_NOW_NS: Final = 60_000_000_000  # a row that is older is of a recording: the clock says nothing of it


@dataclass(frozen=True)
class PaperOptions:
    """How rows that arrive are put in order.

    `interval` of the bars, empty for none. `sent_in_order`: one program sends them all by their times, a replay.
    `hold_s`: how long a row waits for those of other instruments. `patience_s`: how long ticks wait for the bar that
    they have ended.
    """

    interval: str = ""
    sent_in_order: bool = False
    hold_s: float = 0.25
    patience_s: float = 5.0

    def __post_init__(self) -> None:
        for name in ("hold_s", "patience_s"):
            if not 0 <= getattr(self, name) <= 3_600:
                raise BacktestError(f"{name}: expected 0 to 3600 seconds, was {getattr(self, name)}")


class PaperSession:
    """One run on paper. `take` what has come, `release` what nothing can come before; `result` when it is over.

    Raises:
        BacktestError: settings that need rows which do not arrive one by one, or terms without a price tick.
    """

    def __init__(
        self, instruments: Sequence[Instrument], calendar: MarketCalendar, spec: RunSpec, options: PaperOptions
    ) -> None:
        self._spec, self._options = spec, options
        settings = spec.settings
        if settings.detail:
            raise BacktestError("detail: expected none on paper: bars come after the ticks that they are made of")
        by_bars = settings.fill is FillMode.BAR
        interval = options.interval or ("1m" if by_bars else "")
        ordered = sorted(instruments, key=lambda each: each.key)
        self._remarks: tuple[str, ...] = ()
        unpaid = [each.symbol for each in ordered if each.symbol.endswith(PERPETUAL)]
        if unpaid and settings.funding == "strict":  # a rate that cannot come is no fault of the run
            spec = self._spec = replace(spec, settings=replace(settings, funding="stored"))
            self._remarks = (f"funding of {', '.join(unpaid)} is not paid: its rates do not come here",)
        selection = Selection(tuple(_data(each, interval, ticks=not by_bars) for each in ordered))
        with exact_arithmetic():
            self.engine: Engine = engine_of(selection, calendar, spec)
        self._order = SentOrder() if options.sent_in_order else ArrivalOrder(options.hold_s, options.patience_s)
        self._streams = {
            market.instrument.key: InstrumentStream(market, self.engine, self._order, interval, by_bars=by_bars)
            for market in self.engine.markets
        }
        self._begun = self._current = False
        self._started = time.perf_counter()
        self._shown = [0, 0]
        self.failed: Failed | None = None

    @property
    def over(self) -> bool:
        """Whether the strategy has failed, or the gap policy has stopped the run."""
        return self.failed is not None or bool(self.engine.stopped)

    def take(self, records: Sequence[Record], now: float, wall_ns: int = 0) -> None:
        """Rows that have come, in the order in which they did; those of other instruments are passed over.

        `now` is the clock of waiting in seconds, `wall_ns` the time of day.
        """
        if self.over:
            return
        for key, mine in _runs(records):
            stream = self._streams.get(key)
            if stream is not None:
                stream.take(mine, now, begun=self._begun)
        if records:
            self._current = abs(wall_ns - records[-1].ts_event) < _NOW_NS

    def release(self, now: float, wall_ns: int = 0, *, ended: bool = False) -> None:
        """Give the strategy what nothing can come before any more; at the end everything that has come.

        Where rows are those of now and none waits, event time follows the clock some seconds behind: sessions end and
        timers ring without a row.
        """
        if self.over:
            return
        order = self._order
        if ended:
            place: Place = (FAR_AWAY, 0)
        elif isinstance(order, SentOrder):
            place = order.horizon()
        else:
            place = order.horizon(now)
        with exact_arithmetic(), self._catching():
            if not self._begun:
                head = min((feed.head, feed.rank) for feed in self.engine.feeds)
                if head[0] == FAR_AWAY or head >= place:
                    return
                self.engine.begin(min(each.ts_first for each in self._streams.values()))
                self._begun = True
            self.engine.advance(place)
            idle = wall_ns - max(_BEHIND_NS, 2 * self._spec.settings.delay_of_bars)
            if self._current and not ended and isinstance(order, ArrivalOrder) and not order.is_waiting:
                self.engine.advance((idle, 0), behind_rows=True)

    def wakes_at(self, now: float) -> float | None:
        """When `release` has something to do although nothing has come; None for not before a row comes."""
        return self._order.wakes_at(now) if isinstance(self._order, ArrivalOrder) else None

    @contextmanager
    def _catching(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            self.failed = failure_of(error, self.engine)
            if self.failed is None:
                raise

    def news(self) -> tuple[list[Decision], list[Fill]]:
        """Decisions and fills since the last time that this was asked."""
        desk = self.engine.desk
        since = self._shown
        self._shown = [len(desk.decisions), len(desk.fills)]
        return desk.decisions[since[0] :], desk.fills[since[1] :]

    def result(self, remarks: tuple[str, ...] = ()) -> RunResult:
        """What came of it, as of a backtest of the rows that have come. Raises NoDataError: none has."""
        engine = self.engine
        if not self._begun and self.failed is None:
            names = ", ".join(market.symbol for market in engine.markets)
            raise NoDataError(f"rows of {names}: expected some, none has come")
        for stream in self._streams.values():
            stream.finish()
        engine.selection = Selection(tuple(market.data for market in engine.markets))
        more = [text for stream in self._streams.values() for text in stream.remarks()]
        with exact_arithmetic():
            seconds = time.perf_counter() - self._started
            return result_of(
                engine, self._spec, self.failed, seconds=seconds, remarks=(*remarks, *self._remarks, *more)
            )


def _data(instrument: Instrument, interval: str, *, ticks: bool) -> InstrumentData:
    """An instrument without rows, on the grid of its own price tick."""
    if instrument.tick is None:
        raise BacktestError(
            f"price_tick: expected it of {instrument.symbol}, whose terms are not known; give --price-tick"
        )
    bars = {interval: no_bars(interval)} if interval else {}
    return InstrumentData(instrument, instrument.tick, instrument.step, bars, no_ticks() if ticks else None)


def _runs(records: Sequence[Record]) -> Iterator[tuple[tuple[str, str], list[Record]]]:
    """Records that follow one another and are of one instrument and kind."""
    waiting: list[Record] = []
    for record in records:
        if waiting and (type(record), record.symbol, record.venue) != (
            type(waiting[0]),
            waiting[0].symbol,
            waiting[0].venue,
        ):
            yield (waiting[0].venue, waiting[0].symbol), waiting
            waiting = []
        waiting.append(record)
    if waiting:
        yield (waiting[0].venue, waiting[0].symbol), waiting


__all__ = ["PaperOptions", "PaperSession"]
