"""The engine: rows and what is due beside them, merged by time, given to a strategy; its orders matched on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
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
    PHASES,
    Hole,
    Selection,
)
from marketprism_application.backtesting.context import Context
from marketprism_application.backtesting.desk import Desk
from marketprism_application.backtesting.errors import BacktestError, NoDataError
from marketprism_application.backtesting.feeds import BarFeed, Feed, TickFeed, TradeFeed
from marketprism_application.backtesting.forced import forced_end, is_reached
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
from marketprism_domain.sessions.calendar import MarketCalendar


class _Feeds(NamedTuple):
    """What feeds share."""

    bars: BarFills
    quotes: QuoteFills
    trades: TradeFills
    queue: QueueFills
    books: BookFills


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
        self.is_running = False
        self.stopped = ""  # why the run ended before its data
        self._by_symbol = by_symbol
        self.roller = Roller(self.desk, by_symbol, self.agenda, partial(strategy.on_roll, self.context))
        self.settler = Settler(self.desk, partial(strategy.on_funding, self.context))
        self._feeds = self._all_feeds()
        if not self._feeds:
            raise NoDataError(f"data: expected rows that fill {settings.fill.value} orders, was none")

    # Before the first row

    def _all_feeds(self) -> list[Feed]:
        fills = _Feeds(
            BarFills(self.desk),
            QuoteFills(self.desk),
            TradeFills(self.desk),
            QueueFills(self.desk),
            BookFills(self.desk),
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

    def _plan(self) -> None:
        """Put the first change of each market, and every gap, settlement and roll, on the agenda."""
        ts_from, ts_to = self.selection.bounds()
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
        self.is_running = True
        try:
            self._run(until)
        finally:
            self.is_running = False

    def _run(self, until: int) -> None:
        first = min(feed.head for feed in self._feeds)
        self.clock.now = first if first < FAR_AWAY else 0
        self._plan()
        self.strategy.on_start(self.context)
        self._look_back()
        feeds, agenda, clock = self._feeds, self.agenda, self.clock
        while not self.stopped:
            feed = min(feeds, key=lambda each: (each.head, each.rank, each.market.rank))
            ts = feed.head
            due, rank = agenda.head
            if min(ts, due) >= until:
                break
            if (due, rank) < (ts, feed.rank):
                if ts == FAR_AWAY and due > clock.now:
                    break  # rows are what a run is of: behind the last one nothing happens
                agenda.run_next()
                continue
            if ts == FAR_AWAY:
                break
            others = min((each.head for each in feeds if each is not feed), default=FAR_AWAY)
            clock.limit = min(others, due, until)
            feed.drive()

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
        was, market.phase = market.phase, change.phase
        if change.day_end:
            market.day_end = change.ts
            delay = self.settings.delay_of_bars if self.settings.fill is FillMode.BAR else 0
            end = partial(self._end_day, market, closes=change.phase == CLOSED)
            self.agenda.add(change.ts + delay, DAY_END_RANK, market.rank, end)
        elif was == CLOSED and change.phase != CLOSED and market.wanted is not None:
            self._open_day(market, change)
            self.desk.target(market, market.wanted)
        elif was == CLOSED:
            self._open_day(market, change)
        if change.phase != was and not market.data.silent and overridden(self.strategy, "on_session"):
            self.strategy.on_session(self.context, market.symbol, PHASES[change.phase])

    def _open_day(self, market: Market, change: Change) -> None:
        day = int(change.day)
        if day != market.day:
            self._new_day(market, day)

    def _end_day(self, market: Market, *, closes: bool) -> None:
        """The trading day is over: where the market closes orders of the day end; positions are margined at the last
        price."""
        if closes:
            self.desk.expire_day(market)
        self.settler.end_day(market)
        if not market.data.silent and overridden(self.strategy, "on_session"):
            self.strategy.on_session(self.context, market.symbol, "day_end")

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
