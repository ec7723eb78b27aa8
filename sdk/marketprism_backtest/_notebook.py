"""A run over a table of bars in a program or a notebook."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Protocol, Self, runtime_checkable

import numpy as np
import pyarrow as pa

from marketprism_application.backtesting.columns import InstrumentData, Selection
from marketprism_application.backtesting.errors import BacktestError, NoDataError
from marketprism_application.backtesting.instruments import Instrument
from marketprism_application.backtesting.loading import parameters_of
from marketprism_application.backtesting.result import RunResult
from marketprism_application.backtesting.runs import RunSpec, run_backtest
from marketprism_application.backtesting.settings import RunSettings, decimal_of
from marketprism_application.backtesting.strategy import Strategy
from marketprism_application.backtesting.tables import bars_of_rows
from marketprism_application.integrity.bar_rows import BarRows
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_domain.sessions.trading_days import TradingDays
from marketprism_domain.trading.contracts import ContractTerms
from marketprism_domain.trading.fees import FeeRate, FeeRule

_COLUMNS = ("ts_open", "open", "high", "low", "close", "volume")
_NANOS = 1_000_000_000
_UNITS = (("d", 86_400 * _NANOS), ("h", 3_600 * _NANOS), ("m", 60 * _NANOS), ("s", _NANOS))


@runtime_checkable
class _Polars(Protocol):
    """A data frame of polars, which need not be installed."""

    def to_arrow(self) -> pa.Table:
        """The frame as a table."""
        ...


@runtime_checkable
class _Pandas(Protocol):
    """A data frame of pandas, which need not be installed."""

    columns: Iterable[object]

    def rename_axis(self, mapper: str) -> Self:
        """The frame with another name of its index."""
        ...

    def reset_index(self) -> Self:
        """The frame with its index as a column."""
        ...


def backtest(
    strategy: type[Strategy],
    bars: object,
    *,
    symbol: str = "",
    venue: str = "",
    interval: str = "",
    params: Mapping[str, object] | None = None,
    settings: RunSettings | None = None,
    multiplier: Decimal | int = 1,
    tick: Decimal | None = None,
    fee_rate: Decimal | str = "0",
    calendar: MarketCalendar | None = None,
) -> RunResult:
    """Run a strategy over one table of bars of pyarrow, pandas or polars.

    Columns: `ts_open` (nanoseconds UTC, or times, which are UTC without a zone; in pandas it may be the index), open,
    high, low, close, volume. What is not given is taken from columns `symbol`, `venue` and `interval`, where they are;
    else the interval is the least time between two rows. Without a calendar a Chinese exchange trades every weekday;
    any other market never closes.

    Raises:
        BacktestError: parameters, settings or rows that cannot be; names the field.
    """
    table = _table(bars)
    symbol = symbol or _only(table, "symbol") or "unnamed"
    venue = venue or _only(table, "venue") or "unnamed"
    interval = interval or _only(table, "interval") or _apart(table)
    rate = FeeRate(decimal_of("fee_rate", str(fee_rate)))
    terms = ContractTerms(decimal_of("multiplier", str(multiplier)))
    rule = FeeRule(rate, rate, rate)
    instrument = Instrument(venue, symbol, terms, tick, Decimal("0.00000001"), rule, rule)
    days = calendar or MarketCalendar(TradingDays())
    found = bars_of_rows(instrument, interval, BarRows.of(table), days.schedule(venue, symbol), "open")
    data = InstrumentData(instrument, found.steps.unit, found.steps.step, {interval: found.columns}, holes=found.holes)
    spec = RunSpec(strategy, parameters_of(strategy, params or {}), settings or RunSettings())
    return run_backtest(Selection((data,)), days, spec, remarks=found.remarks)


def _table(bars: object) -> pa.Table:
    """A table of any of the three libraries, with times as nanoseconds."""
    if isinstance(bars, pa.Table):
        table = bars
    elif isinstance(bars, _Polars):
        table = bars.to_arrow()
    elif isinstance(bars, _Pandas):
        indexed = "ts_open" not in list(bars.columns)
        if indexed:
            bars = bars.rename_axis("ts_open").reset_index()
        table = pa.Table.from_pandas(bars, preserve_index=False)  # type: ignore[arg-type]
    else:
        raise BacktestError(f"bars: expected a table of pyarrow, pandas or polars, was {type(bars).__name__}")
    if lacking := [name for name in _COLUMNS if name not in table.column_names]:
        names = ", ".join(table.column_names)
        raise BacktestError(f"bars: expected columns {', '.join(_COLUMNS)}, {lacking[0]} is not among {names}")
    if not table.num_rows:
        raise NoDataError("bars: expected a row or more, was none")
    times = table.column("ts_open")
    if pa.types.is_timestamp(times.type):
        times = times.cast(pa.timestamp("ns", times.type.tz)).cast(pa.int64())
    if not pa.types.is_integer(times.type) or times.null_count:
        raise BacktestError(f"bars.ts_open: expected times or nanoseconds in every row, was {times.type}")
    return table.set_column(table.column_names.index("ts_open"), "ts_open", times)


def _only(table: pa.Table, name: str) -> str:
    """The one value that a column has, empty where there is no such column. Raises BacktestError: it has several."""
    if name not in table.column_names:
        return ""
    found = [str(each) for each in table.column(name).unique().to_pylist()]
    if len(found) > 1:
        raise BacktestError(f"bars.{name}: expected one, was {', '.join(sorted(found)[:5])}")
    return found[0]


def _apart(table: pa.Table) -> str:
    """The interval of rows: the least time between two of them, a minute of a single one."""
    times = np.unique(np.array(table.column("ts_open").to_pylist(), dtype=np.int64))
    if len(times) < 2:
        return "1m"
    least = int(np.diff(times).min())
    for unit, nanos in _UNITS:
        if least % nanos == 0:
            return f"{least // nanos}{unit}"
    raise BacktestError(f"bars.ts_open: expected whole seconds between rows, was {least} ns")
