"""What comes of one instrument on its way into the engine: numbers are checked, bars are expected, gaps noticed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from marketprism_application.backtesting.agenda import DAY_END_RANK
from marketprism_application.backtesting.clock import FAR_AWAY
from marketprism_application.backtesting.columns import Hole
from marketprism_application.backtesting.engine import Engine
from marketprism_application.backtesting.feeds import BAR_RANK, BarFeed, TickFeed
from marketprism_application.backtesting.market import Market
from marketprism_application.backtesting.tables import Steps, holes_of
from marketprism_application.paper_trading.order import ArrivalOrder, SentOrder
from marketprism_application.paper_trading.series import BarSeries, Record, TickSeries
from marketprism_domain.bars.builder import BarBuilder, BarSettings
from marketprism_domain.marketdata.bar import Bar
from marketprism_domain.marketdata.gap import Gap
from marketprism_domain.marketdata.tick import Tick
from marketprism_domain.values import NANOS_PER_SECOND

MISSED = "missed"  # cause of a gap of ticks that were published and did not come here


class InstrumentStream:
    """Rows of one instrument. `ts_first` is where they begin."""

    def __init__(
        self, market: Market, engine: Engine, order: ArrivalOrder | SentOrder, interval: str, *, by_bars: bool
    ) -> None:
        self._market, self._engine, self._order, self._by_bars = market, engine, order, by_bars
        self._delay = engine.settings.delay_of_bars
        self._received = engine.settings.clock == "recv"
        steps = Steps(market.unit, market.step)
        self._ticks = TickSeries(market.instrument, steps)
        self._bars = BarSeries(market.instrument, interval, steps) if interval else None
        feeds = [feed for feed in engine.feeds if feed.market is market]
        self._tick_feed = next((feed for feed in feeds if isinstance(feed, TickFeed)), None)
        if self._tick_feed is not None:  # they grow with the rows
            market.data = replace(
                market.data, settlements=self._ticks.settlements, settled_before=self._ticks.settled_before
            )
        self._bar_feed = next((feed for feed in feeds if isinstance(feed, BarFeed)), None)
        self._reached = self._expected = self._builder = None
        if isinstance(order, ArrivalOrder):
            self._reached = order.series()
            if self._bar_feed is not None and not by_bars:
                self._expected = order.bars_expected(BAR_RANK)
                settings = BarSettings(intervals=(interval,), grace_s=self._delay / NANOS_PER_SECOND)
                self._builder = BarBuilder(market.venue, market.symbol, market.schedule, settings)
        self.ts_first = FAR_AWAY
        self._counts = {"missed": 0, "late": 0, "revised": 0}

    def take(self, records: Sequence[Record], now: float, *, begun: bool) -> None:
        """Rows of one kind, in the order in which they came."""
        not_before = self._engine.clock.now if begun else 0
        if isinstance(records[0], Tick):
            self._take_ticks([each for each in records if isinstance(each, Tick)], now, not_before, begun=begun)
        elif isinstance(records[0], Bar):
            for record in records:
                if isinstance(record, Bar):
                    self._take_bar(record, now, not_before)
        else:
            self._take_gaps([each for each in records if isinstance(each, Gap)], begun=begun)

    # Ticks

    def _take_ticks(self, ticks: list[Tick], now: float, not_before: int, *, begun: bool) -> None:
        if self._tick_feed is None:
            if isinstance(self._order, SentOrder) and ticks:
                self._order.arrived(ticks[-1].ts_event)
            return
        fresh = self._fresh(ticks, begun=begun)
        if not fresh:
            return
        for tick in fresh:
            self._expect(tick, now)
        times = [tick.ts_recv if self._received else tick.ts_event for tick in fresh]
        self._count_late(times, not_before)
        columns = self._ticks.take(fresh)
        if columns is not None:
            self.ts_first = min(self.ts_first, times[0])
            self._tick_feed.more(columns, not_before)
        self._moved(times[-1], BAR_RANK, now)

    def _fresh(self, ticks: Sequence[Tick], *, begun: bool) -> list[Tick]:
        """Those that have not come before. Numbers go up by one: where one is missing, ticks did not come here."""
        found: list[Tick] = []
        last = self._ticks.last
        for tick in ticks:
            if last is not None and tick.seq <= last.seq and tick.ts_event <= last.ts_event:
                continue  # again, after a validator has died
            if last is not None and tick.seq > last.seq + 1:
                self._counts["missed"] += tick.seq - last.seq - 1
                self._note(Hole(last.ts_event, tick.ts_event, tick.ts_event, MISSED), begun=begun)
            found.append(tick)
            last = tick
        return found

    def _expect(self, tick: Tick, now: float) -> None:
        """The bars that a tick ends must come: the same code makes them elsewhere."""
        if self._builder is None or self._expected is None or self._bars is None:
            return
        for bar in (*self._builder.on_clock(tick.ts_event), *self._builder.on_tick(tick)):
            if bar.revision == 0 and bar.ts_open > self._bars.last:
                self._expected.expect(bar.ts_open, bar.ts_close + self._delay, now)

    # Bars

    def _take_bar(self, bar: Bar, now: float, not_before: int) -> None:
        series, feed = self._bars, self._bar_feed
        if series is None or bar.interval != series.interval:
            return
        if isinstance(self._order, SentOrder):
            self._order.arrived(bar.ts_close)
        known = series.revision_of(bar.ts_open)
        if known < 0 and bar.ts_open > series.last:
            columns = series.take(bar)
            if columns is not None:
                self._grown()
                self._count_late([bar.ts_close + self._delay], not_before)
                self.ts_first = min(self.ts_first, bar.ts_open)
                if feed is not None:
                    feed.more(columns, not_before)
        elif 0 <= known < bar.revision:
            row = series.revise(bar)
            if row is not None:
                self._grown()
                self._counts["revised"] += 1
            if row is not None and feed is not None:
                at = max(not_before, bar.ts_close + self._delay)
                self._engine.agenda.add(at, BAR_RANK, self._market.rank, lambda: feed.revise(row, bar.revision))
        if self._expected is not None:
            self._expected.arrived(bar.ts_open, now)
        if self._by_bars:
            self._moved(bar.ts_close + self._delay, DAY_END_RANK, now)

    def _grown(self) -> None:
        """What `ctx.bars` looks at: bars that have come; how many of them were delivered the engine counts."""
        if self._bars is not None:
            data = self._market.data
            self._market.data = replace(data, bars={self._bars.interval: self._bars.columns})

    # Gaps

    def _take_gaps(self, gaps: Sequence[Gap], *, begun: bool) -> None:
        if isinstance(self._order, SentOrder):
            self._order.arrived(gaps[-1].ts_event)
        for hole in holes_of(gaps):
            if hole not in self._market.data.holes:
                self._note(hole, begun=begun)

    def _note(self, hole: Hole, *, begun: bool) -> None:
        data = self._market.data
        known = sorted((*data.holes, hole), key=lambda each: (each.ts_noticed, each))
        self._market.data = replace(data, holes=tuple(known))
        if begun:
            self._engine.notice(self._market, hole)

    # How far it is

    def _moved(self, ts: int, rank: int, now: float) -> None:
        if self._reached is not None and isinstance(self._order, ArrivalOrder):
            self._reached.place, self._reached.last_sign = max(self._reached.place, (ts, rank)), now
            self._order.arrived(ts, now)
        elif isinstance(self._order, SentOrder):
            self._order.arrived(ts)

    def _count_late(self, times: Sequence[int], not_before: int) -> None:
        self._counts["late"] += sum(ts < not_before for ts in times)

    def finish(self) -> None:
        """Let the instrument have all its rows, as a backtest would."""
        if self._tick_feed is not None:
            self._market.data = replace(self._market.data, ticks=self._ticks.whole())

    def remarks(self) -> list[str]:
        """What was not as it should be, in words."""
        symbol, counts = self._market.symbol, self._counts
        off_grid = self._ticks.off_grid + (self._bars.off_grid if self._bars is not None else 0)
        overdue = self._expected.overdue if self._expected is not None else 0
        texts = (
            (counts["missed"], f"ticks of {symbol} did not come here; gaps say when"),
            (counts["late"], f"rows of {symbol} came after later ones of others, and were given when they came"),
            (counts["revised"], f"bars of {symbol} came again, revised"),
            (off_grid, f"rows of {symbol} have a number between two steps, and are left out"),
            (overdue, f"bars of {symbol} that ticks had ended did not come in time; ticks went on without them"),
        )
        return [f"{count} {text}" for count, text in texts if count]


__all__ = ["MISSED", "InstrumentStream"]
