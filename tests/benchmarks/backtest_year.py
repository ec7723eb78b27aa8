"""A year of minute bars of many instruments in a process of its own: its memory, its rows a CPU second.

`python -m tests.benchmarks.backtest_year FOLDER` runs over a folder of rows as a worker's child does, and prints JSON.
"""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
import tempfile
import time
from decimal import Decimal
from pathlib import Path

import numpy as np
from examples.double_average import DoubleAverage

from marketprism_adapters.calendars import chinese_calendar_of_markets
from marketprism_application.backtesting.columns import BarColumns, InstrumentData
from marketprism_application.backtesting.context import Context
from marketprism_application.backtesting.cursors import BarView
from marketprism_application.backtesting.instruments import Instrument
from marketprism_application.backtesting.runs import RunSpec, run_backtest
from marketprism_application.backtesting.settings import RunSettings
from marketprism_domain.trading.contracts import ContractTerms
from marketprism_services.backtest.row_files import RowsWriter, bytes_of, read_rows

INSTRUMENTS, MINUTES = 50, 365 * 1_440
_MINUTE, _BEGINS = 60_000_000_000, 1_704_067_200_000_000_000  # 2024-01-01


class Portfolio(DoubleAverage):
    """The two means of every instrument by itself."""

    def __init__(self, params: DoubleAverage.Params | None = None) -> None:
        super().__init__(params)
        self._each: dict[str, DoubleAverage] = {}

    def on_start(self, ctx: Context) -> None:
        """One for each instrument."""
        self._each = {symbol: DoubleAverage(self.params) for symbol in ctx.universe}

    def on_bar(self, ctx: Context, bar: BarView) -> None:
        """A bar is closed."""
        self._each[bar.symbol].on_bar(ctx, bar)


def measure_year(instruments: int = INSTRUMENTS, minutes: int = MINUTES) -> dict[str, float]:
    """Megabytes at most and rows a CPU second of a child, and what it started with."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "rows"
        _write(folder, instruments, minutes)
        (Path(place) / "calendar").write_bytes(pickle.dumps(chinese_calendar_of_markets()))
        done = subprocess.run(
            [sys.executable, "-m", "tests.benchmarks.backtest_year", str(folder)],
            capture_output=True,
            text=True,
            check=True,
        )
        found: dict[str, float] = json.loads(done.stdout)
        return {**found, "files_mb": round(bytes_of(folder) / 2**20)}


def _write(folder: Path, instruments: int, minutes: int) -> None:
    chance = np.random.default_rng(1)
    opens = _BEGINS + np.arange(minutes, dtype=np.int64) * _MINUTE
    # Trading days of the venue are those of UTC.
    days = np.repeat((np.datetime64("2024-01-01") + np.arange(minutes // 1_440 + 1)).astype(str), 1_440)[:minutes]
    day = np.char.replace(days, "-", "").astype(np.int64)
    writer = RowsWriter(folder)
    for number in range(instruments):
        close = 50_000 + np.cumsum(chance.integers(-3, 4, minutes, dtype=np.int64))
        first = np.r_[50_000, close[:-1]]
        high, low = np.maximum(first, close) + 1, np.minimum(first, close) - 1
        volume = chance.integers(1, 1_000, minutes, dtype=np.int64)
        gap = np.zeros(minutes, dtype=np.bool_)
        columns = BarColumns("1m", opens, opens + _MINUTE, day, first, high, low, close, volume, gap)
        instrument = Instrument("binance", f"C{number:02}-USDT-PERP", ContractTerms(Decimal(1), settle="USDT"))
        writer.add(InstrumentData(instrument, Decimal("0.1"), Decimal(1), {"1m": columns}))
    writer.finish()


def _run(folder: Path) -> dict[str, float]:
    before = _most_kb()
    selection, calendar = read_rows(folder), pickle.loads((folder.parent / "calendar").read_bytes())
    params = Portfolio.Params(fast=2_400, slow=9_600)
    settings = RunSettings(capital=Decimal(100_000_000), currency="USDT")
    started = time.process_time()
    result = run_backtest(selection, calendar, RunSpec(Portfolio, params, settings))
    seconds = time.process_time() - started
    assert result.state == "done", result.failed
    return {
        "memory_mb": round(_most_kb() / 1_024),
        "memory_before_rows_mb": round(before / 1_024),
        "rows": result.rows,
        "orders": result.sent,
        "rows_per_cpu_s": round(result.rows / seconds),
    }


def _most_kb() -> int:
    """The most memory of this process; `getrusage` would count that of the parent that it was forked from too."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1])


if __name__ == "__main__":
    print(json.dumps(_run(Path(sys.argv[1]))))
