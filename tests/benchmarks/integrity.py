"""Rates of data checks and of reading others' files, on one core."""

from __future__ import annotations

import gc
import tempfile
import time
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from marketprism_adapters.imports.registry import open_rows_file
from marketprism_application.contracts.history import encode_block
from marketprism_application.history.file_rows import rows_of
from marketprism_application.history.targets import target_of
from marketprism_application.integrity.bar_check import check_bars, report_of
from marketprism_application.integrity.bar_rows import BarRows
from marketprism_application.integrity.expected_grid import Grid
from marketprism_application.integrity.file_check import CheckAsked
from marketprism_application.integrity.inputs import Inputs, TermPeriod
from tests.benchmarks.stages import REPEATS
from tests.support.bar_series import CALENDAR, TERMS, clean, expected, numbers

KLINES = AGG_TRADES = 500_000


def measure_integrity() -> dict[str, float]:
    """Checked bars a second, all groups that bars alone allow; klines and aggregated trades read a second."""
    pa.set_cpu_count(1)
    expectation = expected("binance", "BTC-USDT", days=("20200101", "20211231"))
    rows = clean(expectation)
    with_money = _with_money(rows)
    inputs = Inputs(terms=(TermPeriod(0, TERMS[0].price_tick, TERMS[0].quantity_step, TERMS[0].quantity_step),))

    def check() -> None:
        report = report_of(expectation, [check_bars(with_money, expectation, inputs)], ())
        assert report.is_clean, report.defects[:3]

    result = {"bars": float(len(rows)), "checked_bars_per_s": len(rows) / cpu_seconds(check)}
    with tempfile.TemporaryDirectory() as folder:
        klines = _zip(Path(folder) / "k.zip", "BTCUSDT-1m-2024-01.csv", _klines(with_money))
        trades = _zip(Path(folder) / "t.zip", "BTCUSDT-aggTrades-2024-01-01.csv", _trades())
        result["klines_per_s"] = KLINES / cpu_seconds(lambda: _read(klines))
        result["klines_to_columns_per_s"] = KLINES / cpu_seconds(lambda: _columns(klines))
        result["agg_trades_per_s"] = AGG_TRADES / cpu_seconds(lambda: _read(trades))
        result["klines_to_records_per_s"] = KLINES / cpu_seconds(lambda: _records(klines))
        result["agg_trades_to_records_per_s"] = AGG_TRADES / cpu_seconds(lambda: _records(trades))
        result["klines_to_blocks_per_s"] = KLINES / cpu_seconds(lambda: _records(klines, as_blocks=True))
        result["agg_trades_to_blocks_per_s"] = AGG_TRADES / cpu_seconds(lambda: _records(trades, as_blocks=True))
    result["grid_bars_per_s"] = len(rows) / cpu_seconds(lambda: Grid.of(expectation))
    return result


def cpu_seconds(work: Callable[[], object]) -> float:
    """Processor seconds of the quickest of a few runs, the collector resting: others use the machine too."""
    seconds = []
    for _ in range(REPEATS):
        gc.collect()
        gc.disable()
        started = time.process_time()
        work()
        seconds.append(time.process_time() - started)
        gc.enable()
    return min(seconds)


def _with_money(rows: BarRows) -> BarRows:
    return replace(rows, turnover=numbers(rows.close.units * rows.volume.units))


def _zip(path: Path, member: str, text: str) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr(member, text)
    return path


def _klines(rows: BarRows) -> str:
    ts = 1_704_067_200_000 + 60_000 * np.arange(KLINES)
    part = [(each.units[:KLINES] / 100).tolist() for each in (rows.open, rows.high, rows.low, rows.close, rows.volume)]
    lines = (
        f"{t},{o:.8f},{h:.8f},{lo:.8f},{c:.8f},{v:.8f},{t + 59_999},{c * v:.8f},17,0.50000000,21000.03000000,0"
        for t, o, h, lo, c, v in zip(ts.tolist(), *part, strict=True)
    )
    return "\n".join(lines) + "\n"


def _trades() -> str:
    return "".join(
        f"{n},42000.{n % 100:02d},0.{n % 1000:03d}1,{2 * n},{2 * n + 1},{1_704_067_200_000 + n},True,True\n"
        for n in range(AGG_TRADES)
    )


def _read(path: Path) -> None:
    file = open_rows_file(path)
    rows = sum(batch.num_rows for batch in file.batches(file.facts.series[0]))
    assert rows == KLINES == AGG_TRADES


def _columns(path: Path) -> None:
    file = open_rows_file(path)
    assert sum(len(BarRows.of(batch)) for batch in file.batches(file.facts.series[0])) == KLINES


def _records(path: Path, *, as_blocks: bool = False) -> None:
    """A file as an import reads it: records of a kind, and the blocks in which they travel."""
    file = open_rows_file(path)
    (series,) = file.facts.series
    count = 0
    for part in rows_of(file, series, target_of(file.facts, series), CALENDAR, CheckAsked(2 * 10**18)):
        count += part.table.num_rows
        if as_blocks:
            encode_block(part.table, replaces=False)
    assert count == KLINES == AGG_TRADES


if __name__ == "__main__":
    for name, figure in measure_integrity().items():
        print(f"{name:26} {figure:,.0f}")
