"""A run over a table of bars in a program or a notebook."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import pyarrow as pa

from marketprism_application.backtesting.columns import InstrumentData, Selection
from marketprism_application.backtesting.instruments import Instrument
from marketprism_application.backtesting.loading import parameters_of
from marketprism_application.backtesting.result import RunResult
from marketprism_application.backtesting.runs import RunSpec, run_backtest
from marketprism_application.backtesting.settings import RunSettings
from marketprism_application.backtesting.strategy import Strategy
from marketprism_application.backtesting.tables import bars_of_rows
from marketprism_application.integrity.bar_rows import BarRows
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_domain.sessions.trading_days import TradingDays
from marketprism_domain.trading.contracts import ContractTerms
from marketprism_domain.trading.fees import FeeRate, FeeRule


def backtest(
    strategy: type[Strategy],
    bars: pa.Table,
    *,
    symbol: str,
    venue: str = "unnamed",
    interval: str = "1m",
    params: Mapping[str, object] | None = None,
    settings: RunSettings | None = None,
    multiplier: Decimal | int = 1,
    tick: Decimal | None = None,
    fee_rate: Decimal | str = "0",
    calendar: MarketCalendar | None = None,
) -> RunResult:
    """Run a strategy over one table of bars: `ts_open` (nanoseconds UTC), open, high, low, close, volume.

    Without a calendar a Chinese exchange trades every weekday; any other market never closes.

    Raises:
        BacktestError: parameters, settings or rows that cannot be; names the field.
    """
    rate = FeeRate(Decimal(fee_rate))
    terms = ContractTerms(Decimal(multiplier))
    rule = FeeRule(rate, rate, rate)
    instrument = Instrument(venue, symbol, terms, tick, Decimal("0.00000001"), rule, rule)
    days = calendar or MarketCalendar(TradingDays())
    found = bars_of_rows(instrument, interval, BarRows.of(bars), days.schedule(venue, symbol), "open")
    data = InstrumentData(instrument, found.steps.unit, found.steps.step, {interval: found.columns}, holes=found.holes)
    spec = RunSpec(strategy, parameters_of(strategy, params or {}), settings or RunSettings())
    return run_backtest(Selection((data,)), days, spec, remarks=found.remarks)
