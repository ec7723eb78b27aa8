"""Rows and strategies of backtests: recordings and files as runs take them, and strategies that follow a script."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
from examples.double_average import DoubleAverage

from marketprism_application.backtesting.columns import BarColumns, InstrumentData, Selection
from marketprism_application.backtesting.context import Context
from marketprism_application.backtesting.cursors import BarView, TickView, TradeView
from marketprism_application.backtesting.instruments import Instrument
from marketprism_application.backtesting.result import RunResult
from marketprism_application.backtesting.runs import RunSpec, run_backtest
from marketprism_application.backtesting.settings import FillMode, GapPolicy, RunSettings
from marketprism_application.backtesting.strategy import Strategy
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_domain.trading.contracts import ContractTerms
from marketprism_services.cli.backtest_data import DataAsked, FileRows, TermsGiven, calendar_of
from marketprism_services.cli.backtest_recordings import Recorded, read_recordings
from marketprism_services.settings.settings import Settings
from tests.conftest import FIXTURES

CHINA = ZoneInfo("Asia/Shanghai")
RU = tuple(FIXTURES / "ctp" / "ticks" / f"ru1901_201810{day}.csv.gz" for day in ("08", "09", "10"))
CU = FIXTURES / "ctp" / "bars" / "tq_SHFE.cu1905_1m.csv.gz"
IGNORE = GapPolicy("ignore")
Act = Callable[[Context], object]


@lru_cache(maxsize=1)
def calendar() -> MarketCalendar:
    return calendar_of(None)


def ns(text: str, day: str = "2018-10-08") -> int:
    """Nanoseconds of a time of China, `09:10:00.500`, on a day."""
    moment = datetime.fromisoformat(text if "T" in text else f"{day}T{text}").replace(tzinfo=CHINA)
    return round(moment.timestamp() * 1_000) * 1_000_000


@lru_cache(maxsize=8)
def recorded(spec: str, interval: str = "1m") -> Recorded:
    """What recordings hold, which every run over them in this process shares."""
    settings = Settings.model_validate({"source": {"spec": spec, "checked": True}})
    return read_recordings(settings, calendar(), interval)


@lru_cache(maxsize=32)
def rows_of(
    files: tuple[Path, ...],
    fill: FillMode,
    interval: str = "1m",
    fee: str = "0",
    detail: str = "",
    first: str = "",
    last: str = "",
) -> Selection:
    ts_from, ts_to = (ns(each) if each else None for each in (first, last))
    asked = DataAsked(
        files, interval, fill, detail, ts_from=ts_from, ts_to=ts_to, terms=TermsGiven(fee_rate=Decimal(fee))
    )

    def read(settings: Settings, _: MarketCalendar, interval: str) -> Recorded:
        return recorded(settings.source.spec, interval)

    return FileRows(asked, calendar(), read).selection()


def double_average(selection: Selection, fast: int, slow: int, **settings: object) -> RunResult:
    chosen = RunSettings(**{"gap_policy": IGNORE, **settings})  # type: ignore[arg-type]
    spec = RunSpec(DoubleAverage, DoubleAverage.Params(fast=fast, slow=slow), chosen)
    return run_backtest(selection, calendar(), spec)


def scripted(
    acts: Mapping[int, Act],
    sessions: Mapping[tuple[int, str], Act] | None = None,
    trades: Mapping[int, Act] | None = None,
) -> type[Strategy]:
    """A strategy that acts at the times of rows (a bar's end), of trades, or at a market's changes."""

    class Scripted(Strategy):
        @property
        def lookback(self) -> timedelta:
            return timedelta(minutes=5)

        def on_bar(self, ctx: Context, bar: BarView) -> None:
            if (act := acts.get(bar.ts_close)) is not None:
                act(ctx)

        def on_tick(self, ctx: Context, tick: TickView) -> None:
            if (act := acts.get(tick.ts)) is not None:
                act(ctx)

        def on_trade(self, ctx: Context, trade: TradeView) -> None:
            if (act := (trades or {}).get(trade.ts)) is not None:
                act(ctx)

        def on_session(self, ctx: Context, symbol: str, phase: str) -> None:
            if (act := (sessions or {}).get((ctx.now, phase))) is not None:
                act(ctx)

    return Scripted


def run(selection: Selection, strategy: type[Strategy], **settings: object) -> RunResult:
    chosen = RunSettings(**{"gap_policy": IGNORE, **settings})  # type: ignore[arg-type]
    return run_backtest(selection, calendar(), RunSpec(strategy, strategy.Params(), chosen))


def filled(result: RunResult) -> list[tuple[int, str, int]]:
    """Quantity, price and opening time of the row of each fill."""
    return [(int(fill.quantity), format(fill.price, "f"), fill.ts) for fill in result.fills]


def bars(
    rows: list[tuple[int, int, int, int]],
    *,
    start: int,
    volume: int = 1_000,
    instrument: Instrument | None = None,
    unit: str = "1",
    step: str = "1",
    day: str = "20240102",
) -> InstrumentData:
    """Bars of a minute one after another: open, high, low and close in units."""
    count = len(rows)
    opens = start + np.arange(count, dtype=np.int64) * 60_000_000_000
    prices = np.array(rows, dtype=np.int64).T
    columns = BarColumns(
        "1m",
        opens,
        opens + 60_000_000_000,
        np.full(count, int(day), dtype=np.int64),
        *prices,
        np.full(count, volume, dtype=np.int64),
        np.zeros(count, dtype=np.bool_),
    )
    chosen = instrument or Instrument("binance", "BTC-USDT-PERP", ContractTerms(Decimal(1), settle="USDT"))
    return InstrumentData(chosen, Decimal(unit), Decimal(step), {"1m": columns})


def with_instrument(selection: Selection, **changes: object) -> Selection:
    """The same rows with other terms."""
    data = selection.instruments[0]
    changed = replace(data, instrument=replace(data.instrument, **changes))  # type: ignore[arg-type]
    return replace(selection, instruments=(changed,))
