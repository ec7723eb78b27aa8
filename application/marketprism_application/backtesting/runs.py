"""One run from rows to result: the engine, what went wrong in a callback, and what follows from what happened."""

from __future__ import annotations

import gc
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

import numpy as np

from marketprism_application.backtesting.benchmark import benchmark_statistics, held_returns
from marketprism_application.backtesting.clock import FAR_AWAY
from marketprism_application.backtesting.columns import Selection
from marketprism_application.backtesting.engine import Engine
from marketprism_application.backtesting.equity import (
    Curve,
    DayEquity,
    Marks,
    curve_of,
    daily_equity,
    marks_of,
    share_held,
)
from marketprism_application.backtesting.errors import BacktestError, StrategyFailed
from marketprism_application.backtesting.excursions import Excursions
from marketprism_application.backtesting.gap_exposure import exposure, overlaps, tainted
from marketprism_application.backtesting.halting import halted_time
from marketprism_application.backtesting.identity import code_digest, data_digests, run_id, session_digests
from marketprism_application.backtesting.orders import RoundTrip
from marketprism_application.backtesting.result import DecisionRow, Failed, OrderRow, RunResult
from marketprism_application.backtesting.round_trips import Judges, round_trips
from marketprism_application.backtesting.settings import FillMode, RunSettings
from marketprism_application.backtesting.statistics import Statistic, days_a_year, statistics_of, trip_statistics
from marketprism_application.backtesting.strategy import Parameters, Strategy
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_domain.trading.arithmetic import ZERO, exact_arithmetic

_HOUR_NS = 3_600_000_000_000


@dataclass(frozen=True)
class RunSpec:
    """What is run: a strategy's class and the name that it was asked for by, its parameters, the settings."""

    strategy: type[Strategy]
    params: Parameters
    settings: RunSettings
    name: str = ""

    @property
    def shown_name(self) -> str:
        """The strategy as `package.module:Class`."""
        return self.name or f"{self.strategy.__module__}:{self.strategy.__qualname__}"


def run_backtest(
    selection: Selection,
    calendar: MarketCalendar,
    spec: RunSpec,
    *,
    until: int = FAR_AWAY,
    remarks: tuple[str, ...] = (),
    begun: Callable[[Engine], None] | None = None,
) -> RunResult:
    """Run a strategy over rows, those before `until`. `begun` gets the engine before it starts.

    What a callback raises is not raised here: the result's state is `failed`, with what there is.

    Raises:
        BacktestError: the run cannot begin: no rows for its mode, or settings that do not fit together.
    """
    with exact_arithmetic():
        engine = engine_of(selection, calendar, spec)
        if begun is not None:
            begun(engine)
        started = time.perf_counter()
        failed = None
        with _few_collections():
            try:
                engine.run(until)
            except Exception as error:
                failed = failure_of(error, engine)
                if failed is None:
                    raise
        return result_of(engine, spec, failed, until=until, seconds=time.perf_counter() - started, remarks=remarks)


def engine_of(selection: Selection, calendar: MarketCalendar, spec: RunSpec) -> Engine:
    """The engine of a run that has not begun. Raises BacktestError: the strategy cannot be made, or the rows do not fit
    the settings."""
    try:
        strategy = spec.strategy(spec.params)
    except Exception as error:
        raise StrategyFailed(f"{spec.shown_name}: {_where(error, 0)}") from error
    return Engine(selection, calendar, strategy, spec.settings)


def failure_of(error: Exception, engine: Engine) -> Failed | None:
    """What a run ends with when a callback has raised; None for an error of the product's own."""
    if isinstance(error, BacktestError):
        return Failed(str(error.code), f"{error} ({_where(error, engine.clock.now)})")
    if isinstance(error, MemoryError):
        return Failed("LIMIT", f"memory: expected less than the limit ({_where(error, engine.clock.now)})")
    if not _is_of_strategy(error, type(engine.strategy)):
        return None
    return Failed(StrategyFailed.code, _where(error, engine.clock.now))


def result_of(
    engine: Engine,
    spec: RunSpec,
    failed: Failed | None,
    *,
    until: int = FAR_AWAY,
    seconds: float = 0.0,
    remarks: tuple[str, ...] = (),
) -> RunResult:
    """Everything that follows from a run that is over."""
    return _Account(engine, spec, until, seconds).result(failed, remarks)


@contextmanager
def _few_collections() -> Iterator[None]:
    """Rows are tuples of numbers, millions of them and no circle among them: they are not searched for one."""
    before = gc.get_threshold()
    gc.set_threshold(100_000, 50, 100)
    try:
        yield
    finally:
        gc.set_threshold(*before)


def _is_of_strategy(error: BaseException, strategy: type[Strategy]) -> bool:
    """Whether an error passed through code that is not the product's."""
    frames = traceback.extract_tb(error.__traceback__)
    own = getattr(sys.modules.get(strategy.__module__), "__file__", None)
    return any(frame.filename == own or "marketprism_" not in frame.filename for frame in frames[1:])


def _where(error: BaseException, now: int) -> str:
    """What was raised, in which file and line of the strategy, and at which event time."""
    frames = traceback.extract_tb(error.__traceback__)
    outside = [frame for frame in frames if "marketprism_application" not in frame.filename]
    frame = outside[-1] if outside else frames[-1]
    moment = datetime.fromtimestamp(now / 1e9, UTC).isoformat(timespec="milliseconds") if now else "the start"
    text = str(error) or "no text"
    place = f"{frame.filename}:{frame.lineno} at {moment}"
    return place if isinstance(error, BacktestError) else f"{type(error).__name__}: {text} ({place})"


class _Account:
    """Puts the result of an engine that has run together."""

    def __init__(self, engine: Engine, spec: RunSpec, until: int, seconds: float) -> None:
        self._engine, self._spec, self._until, self._seconds = engine, spec, until, seconds
        self._desk = engine.desk

    def result(self, failed: Failed | None, remarks: tuple[str, ...]) -> RunResult:
        """Everything that follows from what happened."""
        engine, spec, desk = self._engine, self._spec, self._desk
        settings, until = spec.settings, min(self._until - 1, engine.clock.now)
        is_bar = settings.fill is FillMode.BAR
        marks = [marks_of(market, by_bars=is_bar, delay=settings.delay_of_bars) for market in engine.markets]
        days = daily_equity(desk, marks, settings.capital, until)
        curve = curve_of(desk, marks, settings.capital, until)
        marked = tainted(desk.decisions, engine.markets, desk.lookback_ns)
        decisions = [
            DecisionRow(each.ts, engine.markets[each.rank].venue, engine.markets[each.rank].symbol, each.text, flag)
            for each, flag in zip(desk.decisions, marked, strict=True)
        ]
        trips = self._trips(decisions)
        net = engine.account.equity(engine.markets) - settings.capital
        if days and any(market.settlement(days[-1].trading_day) is not None for market in engine.markets):
            net = days[-1].equity - settings.capital
        digests = data_digests(engine.selection)
        state = "failed" if failed is not None else "stopped" if engine.stopped else "done"
        of_terms = tuple(each for data in engine.selection.instruments for each in data.instrument.remarks)
        more = (f"stopped: {engine.stopped}",) if engine.stopped else ()
        return RunResult(
            run_id(
                spec.strategy,
                spec.params,
                settings,
                engine.selection,
                digests,
                session_digests(engine.markets, engine.selection),
            ),
            spec.shown_name,
            spec.params.model_dump(mode="json"),
            settings.plain(),
            tuple(data.instrument.plain() for data in engine.selection.instruments),
            state,
            failed,
            self._orders(),
            desk.fills,
            decisions,
            trips,
            days,
            curve,
            self._statistics(days, curve, trips) + self._held(days, curve, marks),
            exposure(desk.fills, marked, trips, engine.markets, net),
            settings.capital,
            net + engine.account.fees - engine.account.funding,
            engine.account.fees,
            engine.account.funding,
            desk.counts,
            digests,
            code_digest(spec.strategy),
            sum(len(columns) for data in engine.selection.instruments for _, columns in data.series()),
            self._seconds,
            engine.context.logs,
            engine.context.series,
            (*remarks, *of_terms, *more),
            desk.slippage,
            {
                f"{each.venue}.{each.symbol}": halted_time(each, engine.clock.now) / 1e9
                for each in engine.markets
                if each.halts
            },
            until,
        )

    def _orders(self) -> list[OrderRow]:
        return [
            OrderRow(
                order.number,
                order.ts_created,
                order.market.venue,
                order.symbol,
                order.side,
                order.kind.value,
                order.quantity,
                order.market.quantity(order.filled),
                order.limit,
                order.stop,
                order.tif.value,
                order.state.value,
                order.code,
                order.tag,
                order.ts_done,
            )
            for order in self._desk.orders
        ]

    def _trips(self, decisions: list[DecisionRow]) -> list[RoundTrip]:
        engine, found = self._engine, list[RoundTrip]()
        by_time = {(each.ts, each.symbol) for each in decisions if each.tainted}
        orders = self._desk.orders

        def is_tainted(number: int) -> bool:
            order = orders[number - 1]
            return (order.ts_created, order.symbol) in by_time

        by_bars = self._spec.settings.fill is FillMode.BAR
        for market in engine.markets:
            trips = round_trips(
                [fill for fill in self._desk.fills if fill.symbol == market.symbol and fill.venue == market.venue],
                market.instrument.terms,
                Judges(partial(overlaps, market.data.holes), is_tainted, Excursions(market, by_bars=by_bars)),
                [each for each in self._desk.payments if each.rank == market.rank],
            )
            found += trips.done
            last = trips.still_open(market.venue, market.symbol, market.price(market.last), engine.clock.now)
            found += [last] if last is not None else []
        return sorted(found, key=lambda trip: (trip.ts_entry, trip.symbol))

    def _statistics(self, days: list[DayEquity], curve: Curve, trips: list[RoundTrip]) -> list[Statistic]:
        engine = self._engine
        year = days_a_year(*(market.venue for market in engine.markets))
        capital = float(self._spec.settings.capital)
        equity = [float(day.equity) for day in days]
        found = statistics_of(equity, capital, year=year, intraday=curve.equity)
        over = [trip for trip in trips if trip.ts_exit]
        profits = [float(trip.net) for trip in over]
        found += trip_statistics(profits, [(trip.ts_exit - trip.ts_entry) / _HOUR_NS for trip in over])
        return [*found, *self._traded(days)]

    def _held(self, days: list[DayEquity], curve: Curve, marks: list[Marks]) -> list[Statistic]:
        """How much of the time something was held, and what holding all the time would have earned."""
        levels = np.array([float(self._spec.settings.capital), *(float(day.equity) for day in days)])
        found = [
            Statistic("exposure", share_held(self._desk, curve.ts), "share of the rows at which something is held")
        ]
        if bool((levels > 0).all()):
            held = held_returns(marks, [day.trading_day for day in days])
            found += benchmark_statistics(levels[1:] / levels[:-1] - 1, held)
        return found

    def _traded(self, days: list[DayEquity]) -> list[Statistic]:
        """Turnover, and what of it was slippage and large for its bar."""
        fills, settings = self._desk.fills, self._spec.settings
        values = {market.symbol: market.instrument.terms for market in self._engine.markets}
        traded = sum((values[fill.symbol].value(fill.quantity, fill.price) for fill in fills), ZERO)
        return [
            Statistic("turnover", float(traded), "value of all fills, money"),
            Statistic(
                "turnover_a_day",
                float(traded / settings.capital) / max(1, len(days)),
                "share of the capital a trading day",
            ),
            Statistic(
                "fees_share", float(self._engine.account.fees / traded) if traded else None, "fees over turnover"
            ),
        ]
