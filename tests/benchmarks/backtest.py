"""Backtests by CPU second of one core: two running means over bars and over ticks, orders and results included."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from examples.double_average import DoubleAverage

from marketprism_application.backtesting.columns import Selection
from marketprism_application.backtesting.engine import Engine
from marketprism_application.backtesting.runs import RunSpec, run_backtest
from marketprism_application.backtesting.settings import FillMode, GapPolicy, RunSettings
from marketprism_domain.trading.arithmetic import exact_arithmetic
from marketprism_services.cli.backtest_data import DataAsked, FileRows, calendar_of
from tests.conftest import FIXTURES

_BARS = (FIXTURES / "ctp" / "bars" / "tq_SHFE.cu1905_1m.csv.gz",)
_TICKS = tuple(FIXTURES / "ctp" / "ticks" / f"ru1901_201810{day}.csv.gz" for day in ("08", "09", "10"))
_RUNS = 7


def measure_backtests() -> dict[str, float]:
    """Rows a CPU second: the engine alone with orders often and seldom, and a run with its result."""
    calendar = calendar_of(None)
    found: dict[str, float] = {}
    for name, files, fill, interval, lengths in (
        ("bars", _BARS, FillMode.BAR, "1m", (10, 30)),
        ("bars_few_orders", _BARS, FillMode.BAR, "1m", (400, 1_200)),
        ("quotes", _TICKS, FillMode.QUOTE, "", (120, 480)),
        ("queue", _TICKS, FillMode.QUEUE, "", (120, 480)),
    ):
        selection = _rows(files, fill, interval)
        count = sum(len(columns) for data in selection.instruments for _, columns in data.series())
        params = DoubleAverage.Params(fast=lengths[0], slow=lengths[1])
        settings = RunSettings(fill=fill, gap_policy=GapPolicy("ignore"))

        def engine() -> None:
            with exact_arithmetic():
                Engine(selection, calendar, DoubleAverage(params), settings).run()  # noqa: B023 (called at once)

        def whole() -> None:
            run_backtest(selection, calendar, RunSpec(DoubleAverage, params, settings))  # noqa: B023 (as above)

        found[f"backtest_{name}_rows_per_cpu_s"] = round(count / _least(engine))
        found[f"backtest_{name}_with_result_rows_per_cpu_s"] = round(count / _least(whole))
    return found


def _rows(files: tuple[Path, ...], fill: FillMode, interval: str) -> Selection:
    return FileRows(DataAsked(files, interval, fill), calendar_of(None)).selection()


def _least(work: Callable[[], None]) -> float:
    """CPU seconds of the quickest of some runs: others on the machine only make it slower."""
    best = float("inf")
    for _ in range(_RUNS):
        started = time.process_time()
        work()
        best = min(best, time.process_time() - started)
    return best
