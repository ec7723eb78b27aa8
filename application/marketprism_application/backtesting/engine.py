"""The engine: rows and what is due beside them, merged by time, given to a strategy; its orders matched on the way."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import NamedTuple

from marketprism_application.backtesting.account import Account
from marketprism_application.backtesting.agenda import (
    DAY_END_RANK,
    GAP_RANK,
    SESSION_RANK,
    TIMER_RANK,
    Agenda,
    Change,
    changes,
)
from marketprism_application.backtesting.bar_fills import BarFills
from marketprism_application.backtesting.book_columns import BookColumns
from marketprism_application.backtesting.book_feed import BookFeed
from marketprism_application.backtesting.book_fills import BookFills
from marketprism_application.backtesting.clock import FAR_AWAY, Clock
from marketprism_application.backtesting.columns import (
    CLOSED,
    HALT,
    PHASES,
    Hole,
    Selection,
)
from marketprism_application.backtesting.context import Context
from marketprism_application.backtesting.desk import Desk
from marketprism_application.backtesting.errors import BacktestError, NoDataError
from marketprism_application.backtesting.feeds import BarFeed, Chunks, Feed, TickFeed, TradeFeed
from marketprism_application.backtesting.forced import forced_end, is_reached
from marketprism_application.backtesting.halting import Halter
from marketprism_application.backtesting.history import History
from marketprism_application.backtesting.mark_feed import MarkFeed
from marketprism_application.backtesting.market import Market
from marketprism_application.backtesting.orders import Evidence, OrderState
from marketprism_application.backtesting.queue_fills import QueueFills
from marketprism_application.backtesting.quote_fills import QuoteFills
from marketprism_application.backtesting.rolling import Roller
from marketprism_application.backtesting.settings import FillMode, RunSettings
from marketprism_application.backtesting.settling import Settler
from marketprism_application.backtesting.strategy import Strategy, overridden
from marketprism_application.backtesting.trade_fills import TradeFills
from marketprism_application.backtesting.universe import Universe
from marketprism_domain.sessions.calendar import MarketCalendar


class _Feeds(NamedTuple):
    """What feeds share."""

    bars: BarFills
    quotes: QuoteFills
    trades: TradeFills
    queue: QueueFills
    books: BookFills
    chunks: Chunks


class Engine:
    """One run. Afterwards `desk`, `account`, `context` and `markets` hold all that happened."""

    def __init__(
        self, selection: Selection, calendar: MarketCalendar, strategy: Strategy, settings: RunSettings
    ) -> None:
        self.settings, self.strategy, self.selection = settings, strategy, selection
        self.clock = Clock()
        self.agenda = Agenda(self.clock)
        self.account = Account(settings.capital, settings.currency)
        self.markets = [
            Market(data, calendar.schedule(*data.listed_as), rank) for rank, data in enumerate(selection.instruments)
        ]
        by_symbol = {market.symbol: market for market in self.markets}
        if len(by_symbol) < len(self.markets):
            raise BacktestError("symbol: expected each once, was one at several venues")
        self.desk = Desk(settings, self.account, self.markets, self.clock)
        self.history = History()
        self.context = Context(self.desk, by_symbol, self.history, settings.seed, self._set_timer)
        if overridden(strategy, "on_order"):
            self.desk.on_order = lambda order: strategy.on_order(self.context, order)
        if overridden(strategy, "on_fill"):
            self.desk.on_fill = lambda fill: strategy.on_fill(self.context, fill)
        self._universe = self._chosen_universe()
        self.is_running = False
        self.stopped = ""  # why the run ended before its data
        self._by_symbol = by_symbol
        self.roller = Roller(self.desk, by_symbol, self.agenda, partial(strategy.on_roll, self.context))
        self.settler = Settler(self.desk, partial(strategy.on_funding, self.context))
        self._halter = Halter(self.desk, self.agenda, self._tell_phase)
        self.feeds = self._all_feeds()
        if not self.feeds:
            raise NoDataError(f"data: expected rows that fill {settings.fill.value} orders, was none")

    # Before the first row

    def _chosen_universe(self) -> Universe | None:
        """None where the strategy looks at every instrument of the run, all the time."""
        if not overridden(self.strategy, "on_universe"):
            return None
        ask = partial(self.strategy.on_universe, self.context)
        found = Universe(self.markets, self.clock, self.agenda, self.settings.delay_of_bars, ask)
        self.context.choose_from(found)
        return found

    def _all_feeds(self) -> list[Feed]:
        desk, selection = self.desk, self.selection
        chunks = Chunks(sum(len(data.series()) for data in selection.instruments))
        fills = _Feeds(
            BarFills(desk),
            QuoteFills(desk),
            TradeFills(desk),
            QueueFills(desk),
            BookFills(desk),
            chunks,
        )
        found: list[Feed] = []
        for market in self.markets:
            found += self._feeds_of(market, fills)
        return found

    def _feeds_of(self, market: Market, fills: _Feeds) -> Iterator[Feed]:
        data, mode, strategy, ctx = market.data, self.settings.fill, self.strategy, self.context
        wants = {
            name: not data.silent and overridden(strategy, name)
            for name in ("on_bar", "on_tick", "on_trade", "on_book")
        }
        finest = next(iter(data.bars), None)
        if mode is FillMode.BAR and finest is None:
            raise NoDataError(f"bars of {market.symbol}: expected some for mode bar, was none")
        if mode is not FillMode.BAR and data.ticks is None and data.trades is None and not data.leads:
            raise NoDataError(f"ticks of {market.symbol}: expected some for mode {mode.value}, was none")
        if data.trades is not None and (mode in (FillMode.TRADE, FillMode.QUEUE) or wants["on_trade"]):
            by_book = fills.books.on_trade if data.books is not None else fills.queue.on_trade
            matches = {FillMode.TRADE: fills.trades.on_trade, FillMode.QUEUE: by_book}
            yield TradeFeed(
                self.clock,
                market,
                data.trades,
                match=matches.get(mode),
                deliver=strategy.on_trade if wants["on_trade"] else None,
                ctx=ctx,
                guard=self._guard,
                new_day=self._new_day,
                chunks=fills.chunks,
            )
        if data.marks is not None:
            yield MarkFeed(self.clock, market, data.marks, self._guard)
        if data.books is not None and mode is not FillMode.BAR:
            yield self._book_feed(market, data.books, fills.books, deliver=wants["on_book"])
        if data.ticks is not None and mode is not FillMode.BAR:
            by_tick = {
                FillMode.QUOTE: fills.quotes.on_tick,
                FillMode.TRADE: fills.trades.on_tick,
                FillMode.QUEUE: fills.queue.on_tick if data.books is None else None,
            }
            yield TickFeed(
                self.clock,
                market,
                data.ticks,
                received=self.settings.clock == "recv",
                every=mode in (FillMode.TRADE, FillMode.QUEUE),
                match=by_tick.get(mode),
                deliver=strategy.on_tick if wants["on_tick"] else None,
                ctx=ctx,
                guard=self._guard,
                new_day=self._new_day,
                chunks=fills.chunks,
            )
        for interval, columns in data.bars.items():
            fills_orders = interval == finest and (mode is FillMode.BAR or bool(data.leads))
            if fills_orders or wants["on_bar"]:
                yield BarFeed(
                    self.clock,
                    market,
                    columns,
                    delay=self.settings.delay_of_bars,
                    match=fills.bars.on_bar if fills_orders else None,
                    deliver=strategy.on_bar if wants["on_bar"] else None,
                    ctx=ctx,
                    guard=self._guard,
                    progress=self.history.of(market, interval),
                    new_day=self._new_day,
                    chunks=fills.chunks,
                )

    def _book_feed(self, market: Market, columns: BookColumns, fills: BookFills, *, deliver: bool) -> BookFeed:
        matches = self.settings.fill is FillMode.QUEUE
        if matches and market.data.trades is None:
            raise NoDataError(f"trades of {market.symbol}: expected some beside its book for mode queue, was none")
        feed = BookFeed(
            self.clock,
            market,
            columns,
            received=self.settings.clock == "recv",
            match=fills.on_step if matches else None,
            deliver=self.strategy.on_book if deliver else None,
            ctx=self.context,
            new_day=self._new_day,
        )
        if matches:
            fills.stand_by(market, feed.book)
        return feed

    def _plan(self, ts_from: int, ts_to: int) -> None:
        """Put the first change of each market, and every gap, settlement and roll, on the agenda."""
        for market in self.markets:
            walk = changes(market.schedule, ts_from, ts_to)
            passed: Change | None = None
            for change in walk:
                if change.ts > ts_from:
                    self._next_change(market, change, walk)
                    break
                passed = change
            if passed is not None:
                self._enter(market, passed)
            for hole in market.data.holes:
                self._due(max(hole.ts_noticed, ts_from), GAP_RANK, market, self._notice, hole)
            self._halter.plan(market, ts_from, ts_to)
            self.settler.plan_funding(self.agenda, market, ts_from, ts_to)
        self.roller.plan(self.selection)

    def _look_back(self) -> None:
        """How far the strategy looks back, known when it has begun."""
        self.context.lookback = self.strategy.lookback
        self.desk.lookback_ns = self.strategy.lookback // timedelta(microseconds=1) * 1_000

    def _due(self, ts: int, rank: int, market: Market, work: Callable[[Market, object], None], what: object) -> None:
        self.agenda.add(ts, rank, market.rank, lambda: work(market, what))

    # The run

    def run(self, until: int = FAR_AWAY) -> None:
        """Deliver every row that is due before `until`. A callback's error comes out of here as it was raised."""
        with self._running():
            self._begin(*self.selection.bounds())
            self._advance((until, SESSION_RANK))

    def begin(self, ts_from: int) -> None:
        """Begin a run whose rows come one after another, with the clock at the first that is there. Nobody knows its
        end: the market's changes go on. Raises what `on_start` raises."""
        with self._running():
            self._begin(ts_from, FAR_AWAY)

    def advance(self, until: tuple[int, int], *, behind_rows: bool = False) -> None:
        """Deliver every row, and all else, that is due before a time and a rank; without `behind_rows` nothing that is
        due behind the last row. Raises what a callback raises."""
        with self._running():
            self._advance(until, behind_rows=behind_rows)

    @contextmanager
    def _running(self) -> Iterator[None]:
        self.is_running = True
        try:
            yield
        finally:
            self.is_running = False

    def _begin(self, ts_from: int, ts_to: int) -> None:
        first = min(feed.head for feed in self.feeds)
        self.clock.now = first if first < FAR_AWAY else 0
        self._plan(ts_from, ts_to)
        self.strategy.on_start(self.context)
        self._look_back()

    def _advance(self, until: tuple[int, int], *, behind_rows: bool = False) -> None:
        agenda, clock = self.agenda, self.clock
        # The next row of each series: at one time by rank, then by instrument, then as the instrument has its series.
        heap = [(feed.head, feed.rank, feed.market.rank, place, feed) for place, feed in enumerate(self.feeds)]
        heapq.heapify(heap)
        alone = len(heap) == 1
        while not self.stopped:
            ts, row_rank, market_rank, place, feed = heap[0]
            due, rank = agenda.head
            if due <= ts and (due < ts or rank < row_rank):
                if (due, rank) >= until or (ts == FAR_AWAY and due > clock.now and not behind_rows):
                    break  # rows are what a run is of: behind the last one nothing happens
                agenda.run_next()
                continue
            if ts == FAR_AWAY or (ts, row_rank) >= until:
                break
            others = FAR_AWAY if alone else min(heap[1:3])[0]
            clock.limit = min(others, due, until[0] + (row_rank < until[1]))
            feed.drive()
            heapq.heapreplace(heap, (feed.head, row_rank, market_rank, place, feed))

    def notice(self, market: Market, hole: Hole) -> None:
        """A gap has become known: it is noticed at its time, or now where that is over."""
        self._due(max(hole.ts_noticed, self.clock.now), GAP_RANK, market, self._notice, hole)

    # What is due beside rows

    def _next_change(self, market: Market, change: Change, walk: Iterator[Change]) -> None:
        def enter() -> None:
            self._enter(market, change)
            following = next(walk, None)
            if following is not None:
                self._next_change(market, following, walk)

        self.agenda.add(change.ts, SESSION_RANK, market.rank, enter)

    def _enter(self, market: Market, change: Change) -> None:
        """A market enters a phase; where the day ends, its last bar is still to come."""
        was, market.calendar_phase = market.calendar_phase, change.phase
        if market.phase != HALT:  # a halt lies over the calendar until it ends
            market.phase = change.phase
        if change.day_end:
            market.day_end = change.ts
            delay = self.settings.delay_of_bars if self.settings.fill is FillMode.BAR else 0
            end = partial(self._end_day, market, change.day, closes=change.phase == CLOSED)
            self.agenda.add(change.ts + delay, DAY_END_RANK, market.rank, end)
        elif was == CLOSED and change.phase != CLOSED and market.wanted is not None:
            self._open_day(market, change)
            self.desk.target(market, market.wanted)
        elif was == CLOSED:
            self._open_day(market, change)
        if change.phase != was and market.phase != HALT:
            self._tell_phase(market)

    def _tell_phase(self, market: Market) -> None:
        if not market.data.silent and overridden(self.strategy, "on_session"):
            self.strategy.on_session(self.context, market.symbol, PHASES[market.phase])

    def _open_day(self, market: Market, change: Change) -> None:
        day = int(change.day)
        if day != market.day:
            self._new_day(market, day)

    def _end_day(self, market: Market, day: str, *, closes: bool) -> None:
        """The trading day is over: where the market closes orders of the day end; positions are margined at the last
        price."""
        if closes:
            self.desk.expire_day(market)
        self.settler.end_day(market)
        if not market.data.silent and overridden(self.strategy, "on_session"):
            self.strategy.on_session(self.context, market.symbol, "day_end")
        if self._universe is not None:
            self._universe.end_day(day)

    @staticmethod
    def _new_day(market: Market, day: int) -> None:
        market.start_day(day)

    def _notice(self, market: Market, hole: object) -> None:
        assert isinstance(hole, Hole)  # noqa: S101 (as it was planned)
        market.hole = hole
        rule = self.settings.gap_policy.rule
        if rule == "stop":
            self.stopped = f"gap of {market.symbol} noticed at {hole.ts_noticed}"
        elif rule == "flat_before_unknown" and market.held:
            self.desk.force_close(market, "gap")
        self.strategy.on_gap(self.context, market.symbol, hole)

    def _set_timer(self, ts: int, name: str) -> None:
        verb, _, number = name.partition(" ")

        def ring() -> None:
            if verb == "\0cancel":
                self.desk.end(self.desk.orders[int(number) - 1], OrderState.CANCELLED, "CANCELLED")
            else:
                self.strategy.on_timer(self.context, name)

        self.agenda.add(ts, TIMER_RANK, 0, ring)

    def _guard(self, market: Market, low: int, high: int, ts: int) -> None:
        """A row has a price near that at which the position is closed by force."""
        if market.phase == HALT:  # nobody can be closed either, until it ends
            return
        found = forced_end(self.account, self.markets, market)
        if found is None or not is_reached(found, market, low, high):
            return
        market.guarded = market.mark_guarded = False
        price = found.bankruptcy
        order = self.desk.force_close(market, "liquidation" if price is not None else "forced")
        self.desk.counts["LIQUIDATED"] += 1
        if price is None:  # a counter closes at the next price that there is
            return
        ticks, _ = market.ticks_of(price, order.sign)
        series = f"bar.{next(iter(market.data.bars))}" if self.settings.fill is FillMode.BAR else "tick"
        series = "mark" if market.data.marks is not None else series
        evidence = Evidence(series, market.venue, market.symbol, ts, 0)
        self.desk.fill(order, order.left, ticks, ts, taker=True, evidence=evidence)
        self.strategy.on_liquidation(self.context, self.desk.fills[-1])


__all__ = ["Engine"]
