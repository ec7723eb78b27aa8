"""A run on paper: a strategy on what a client of the platform receives, live or from a replay."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import partial
from typing import Protocol, TypeAlias

from marketprism_application.backtesting.engine import Engine
from marketprism_application.backtesting.errors import BacktestError, NoDataError
from marketprism_application.backtesting.instruments import Instrument
from marketprism_application.backtesting.loading import parameters_of
from marketprism_application.backtesting.orders import Fill
from marketprism_application.backtesting.result import DecisionRow, RunResult
from marketprism_application.backtesting.runs import RunSpec
from marketprism_application.backtesting.settings import FillMode, RunSettings
from marketprism_application.backtesting.strategy import Strategy
from marketprism_application.paper_trading.series import Record
from marketprism_application.paper_trading.session import PaperOptions, PaperSession
from marketprism_domain.instruments.sizes import size_of
from marketprism_domain.instruments.written_names import at_chinese_exchange, is_pattern, venue_named
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_domain.sessions.exchange_hours import venue_of
from marketprism_domain.sessions.trading_days import TradingDays, day_of
from marketprism_domain.trading.contracts import ContractTerms
from marketprism_domain.trading.fees import FeeRate, FeeRule

Terms: TypeAlias = Callable[[str, str, date], Instrument]
_LOOK_S = 1.0  # between two looks at the clock, and whether it is over


class RowStream(Protocol):
    """Rows as they come."""

    async def batch(self) -> Sequence[Record]:
        """What has come by now, at least one row. Raises StopAsyncIteration: the replay is over."""
        ...

    async def aclose(self) -> None:
        """Nothing more is wanted."""
        ...


class LiveRows(Protocol):
    """`MarketClient.live`, as far as it is needed."""

    def together(
        self,
        symbol: str | Sequence[str],
        interval: str = "",
        *,
        ticks: bool = True,
        venue: str = "*",
        wait: bool = False,
    ) -> RowStream:
        """Ticks, bars and gaps in the order in which they come."""
        ...


class Market(Protocol):
    """`MarketClient`, as far as it is needed: of a replay it has the prefix."""

    @property
    def prefix(self) -> str:
        """First tokens of a replay's subjects; empty where it listens to the market."""
        ...

    @property
    def live(self) -> LiveRows:
        """What comes from now on."""
        ...


@dataclass(frozen=True)
class PaperRun:
    """What is run on paper, on which instruments, and how.

    `terms` gives instruments by venue, symbol and day. `wait`: instruments may be yet to come. `hold_s` and
    `patience_s` as `PaperOptions` has them.
    """

    spec: RunSpec
    symbols: tuple[str, ...]
    calendar: MarketCalendar
    terms: Terms
    interval: str = ""
    venue: str = ""
    wait: bool = False
    hold_s: float = PaperOptions.hold_s
    patience_s: float = PaperOptions.patience_s

    def __post_init__(self) -> None:
        if not self.symbols:
            raise BacktestError("symbol: expected at least one, was none")
        for name in self.symbols:
            if is_pattern(name) or "," in name:
                raise BacktestError(f"symbol: expected the name of one instrument, was {name!r}")

    @property
    def options(self) -> PaperOptions:
        """How arriving rows are put in order, where one program does not send them all."""
        by_bars = self.spec.settings.fill is FillMode.BAR
        return PaperOptions(self.interval or ("1m" if by_bars else ""), False, self.hold_s, self.patience_s)


@dataclass
class Watching:
    """Who looks on: the engine when it is there, each decision and fill.

    `stop` ends the run; `has_ended` is asked now and then whether what is listened to is over; `around` is entered
    while callbacks run. Afterwards `bounds` are the first and the last time of any row.
    """

    on_begin: Callable[[Engine], object] = lambda _: None
    on_decision: Callable[[DecisionRow], object] = lambda _: None
    on_fill: Callable[[Fill], object] = lambda _: None
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    has_ended: Callable[[], Awaitable[bool]] | None = None
    around: Callable[[], AbstractContextManager[object]] = nullcontext
    bounds: tuple[int, int] = (0, 0)


async def run_paper(market: Market, run: PaperRun, watching: Watching | None = None) -> RunResult:
    """Run a strategy on what arrives until the replay ends, the strategy fails, or `watching.stop` is set.

    What a callback raises is in the result, as a backtest has it.

    Raises:
        BacktestError: the run cannot begin. NoDataError: nothing came before the end. What the market raises.
    """
    return await _Driver(market, run, watching or Watching()).run()


class _Driver:
    def __init__(self, market: Market, run: PaperRun, watching: Watching) -> None:
        self._market, self._run, self._watching = market, run, watching
        self._venues: dict[str, str] = {}
        names = []
        for name in run.symbols:
            named = at_chinese_exchange(name)
            symbol = name if named is None else named.symbol
            names.append(symbol)
            if run.venue or (named is not None and named.venue):
                self._venues[symbol] = venue_named(run.venue) if run.venue else str(named and named.venue)
        self._symbols = tuple(dict.fromkeys(names))
        self._session: PaperSession | None = None
        self._early: list[Record] = []  # before every venue is known
        self._moved = time.monotonic()

    async def run(self) -> RunResult:
        options, venue = self._run.options, self._run.venue or "*"
        ticks = self._run.spec.settings.fill is not FillMode.BAR
        rows = self._market.live.together(
            list(self._symbols), options.interval, ticks=ticks, venue=venue, wait=self._run.wait
        )
        stopping = asyncio.ensure_future(self._watching.stop.wait())
        coming: asyncio.Task[Sequence[Record]] | None = None
        try:
            while not stopping.done() and not self._is_over():
                coming = coming or asyncio.ensure_future(rows.batch())
                await asyncio.wait((coming, stopping), timeout=self._pause(), return_when=asyncio.FIRST_COMPLETED)
                if coming.done():
                    done, coming = coming, None
                    try:
                        await self._take(done.result())
                    except StopAsyncIteration:
                        break
                elif await self._ended():
                    break
                self._release()
        finally:
            stopping.cancel()
            if coming is not None:
                coming.cancel()
                with suppress(asyncio.CancelledError, StopAsyncIteration):
                    await coming
            await rows.aclose()
        self._release(ended=True)
        if self._session is None:
            raise NoDataError(f"rows of {', '.join(self._symbols)}: expected some, none has come")
        result = await asyncio.to_thread(self._session.result)  # reads the strategy's source
        self._watching.bounds = self._session.engine.selection.bounds()
        return result

    def _is_over(self) -> bool:
        return self._session is not None and self._session.over

    def _pause(self) -> float:
        now = time.monotonic()
        due = self._session.wakes_at(now) if self._session is not None else None
        return _LOOK_S if due is None else min(_LOOK_S, max(0.0, due - now))

    async def _ended(self) -> bool:
        """Whether what is listened to is over: nothing has come for a while, and whoever knows says so."""
        ask = self._watching.has_ended
        if ask is None or time.monotonic() - self._moved < 2 * _LOOK_S:
            return False
        return await ask()

    async def _take(self, records: Sequence[Record]) -> None:
        now = self._moved = time.monotonic()
        if self._session is None:
            self._early += records
            self._session = await self._build()
            if self._session is None:
                return
            records, self._early = self._early, []
        for record in records:
            if self._venues.get(record.symbol) != record.venue:
                both = ", ".join(sorted({record.venue, self._venues.get(record.symbol, "")}))
                raise BacktestError(f"venue: expected one of {both}, which all have {record.symbol}, was none")
        self._session.take(records, now, time.time_ns())

    async def _build(self) -> PaperSession | None:
        """The run, once the venue of every instrument is known."""
        for record in self._early:
            self._venues.setdefault(record.symbol, record.venue)
        for symbol in self._symbols:
            if symbol not in self._venues and (usual := venue_of(symbol)):
                self._venues[symbol] = usual
        if any(symbol not in self._venues for symbol in self._symbols):
            return None
        options = self._run.options
        if self._market.prefix:
            options = PaperOptions(options.interval, True, options.hold_s, options.patience_s)
        day = next((each.trading_day for each in self._early if each.trading_day), "")
        on = day_of(day) if day else datetime.now(UTC).date()
        venues, terms = self._venues, self._run.terms
        instruments = await asyncio.to_thread(  # terms are in files
            lambda: [terms(venues[symbol], symbol, on) for symbol in self._symbols]
        )
        session = PaperSession(instruments, self._run.calendar, self._run.spec, options)
        self._watching.on_begin(session.engine)
        return session

    def _release(self, *, ended: bool = False) -> None:
        session = self._session
        if session is None:
            return
        with self._watching.around():
            session.release(time.monotonic(), time.time_ns(), ended=ended)
        decisions, fills = session.news()
        markets = session.engine.markets
        for each in decisions:
            market = markets[each.rank]
            self._watching.on_decision(DecisionRow(each.ts, market.venue, market.symbol, each.text, False))
        for fill in fills:
            self._watching.on_fill(fill)


async def paper(
    market: Market,
    strategy: type[Strategy],
    symbols: str | Sequence[str],
    *,
    params: Mapping[str, object] | None = None,
    settings: RunSettings | None = None,
    interval: str = "",
    venue: str = "",
    multiplier: Decimal | int | None = None,
    tick: Decimal | str | None = None,
    fee_rate: Decimal | str = "0",
    calendar: MarketCalendar | None = None,
    wait: bool = False,
    watching: Watching | None = None,
) -> RunResult:
    """Run a strategy on paper on what a `MarketClient` receives, until `watching.stop` is set; of a client with the
    `prefix` of a replay, until that ends. Size and price tick are the product's own where they are not given.

    Raises:
        BacktestError: parameters, settings or terms that cannot be; names the field. NoDataError: nothing came.
    """
    names = (symbols,) if isinstance(symbols, str) else tuple(symbols)
    spec = RunSpec(strategy, parameters_of(strategy, params or {}), settings or RunSettings())
    given = _Given(multiplier, None if tick is None else Decimal(tick), Decimal(fee_rate))
    days = calendar or MarketCalendar(TradingDays())
    run = PaperRun(spec, names, days, partial(_instrument, given), interval, venue, wait)
    return await run_paper(market, run, watching)


@dataclass(frozen=True)
class _Given:
    multiplier: Decimal | int | None
    tick: Decimal | None
    fee_rate: Decimal


def _instrument(given: _Given, venue: str, symbol: str, _: date) -> Instrument:
    size = size_of(venue, symbol)
    multiplier = given.multiplier or (size.multiplier if size is not None else 1)
    tick = given.tick or (size.price_tick if size is not None else None)
    rate = FeeRate(given.fee_rate)
    rule = FeeRule(rate, rate, rate)
    step = Decimal(1) if size is not None else Decimal("0.00000001")
    return Instrument(venue, symbol, ContractTerms(Decimal(multiplier)), tick, step, rule, rule)


__all__ = ["Market", "PaperRun", "Watching", "paper", "run_paper"]
