"""Backtests by CPU second of one core: two running means over bars and ticks, by events and by the kernel, from the
store, and the same task in other engines, in turns with ours.

The task and its results: 10 and 30 bars of cu1905 at a fee of 0.0001 of the value, 120 and 480 ticks of ru1901 at
0.000045; one lot long or short, orders filled at the next open, or at the next bid or ask.
"""

from __future__ import annotations

import asyncio
import gc
import tempfile
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

from examples.double_average import DoubleAverage

from marketprism_application.backtesting.columns import InstrumentData, Selection
from marketprism_application.backtesting.engine import Engine
from marketprism_application.backtesting.kernel import crossing_means, is_there, run_kernel
from marketprism_application.backtesting.runs import RunSpec, run_backtest
from marketprism_application.backtesting.settings import FillMode, GapPolicy, RunSettings
from marketprism_application.backtesting.signals import prepared
from marketprism_domain.trading.arithmetic import exact_arithmetic
from marketprism_services.cli.backtest_data import DataAsked, FileRows, TermsGiven, calendar_of
from tests.benchmarks.backtest_peers.environments import PEERS, run_peer, write_bars, write_ticks
from tests.benchmarks.backtest_store import measure_store
from tests.conftest import FIXTURES

_BARS = (FIXTURES / "ctp" / "bars" / "tq_SHFE.cu1905_1m.csv.gz",)
_TICKS = tuple(FIXTURES / "ctp" / "ticks" / f"ru1901_201810{day}.csv.gz" for day in ("08", "09", "10"))
_RUNS, _TURNS, _SETS = 7, 2, 400
_SLOW_PEERS = {"nautilus_trader": 1}  # runs a turn of those that take seconds


class Task(NamedTuple):
    """Rows, how orders are filled, lengths of both means, and the fee of the value."""

    files: tuple[Path, ...]
    fill: FillMode
    interval: str
    lengths: tuple[int, int]
    rate: str
    reference: tuple[int, str] | None = None  # orders and money that engines agree on


_TASKS = {
    "bars": Task(_BARS, FillMode.BAR, "1m", (10, 30), "0.0001", (870, "-66104.115")),
    "bars_few_orders": Task(_BARS, FillMode.BAR, "1m", (400, 1_200), "0.0001"),
    "quotes": Task(_TICKS, FillMode.QUOTE, "", (120, 480), "0.000045", (362, "-16770.3535")),
    "queue": Task(_TICKS, FillMode.QUEUE, "", (120, 480), "0.000045"),
}


def measure_backtests(*, peers: bool = False) -> dict[str, object]:
    """Rows a CPU second: the engine alone and with its result, the kernel, from the store, and peers in turns."""
    found: dict[str, object] = {}
    for name, task in _TASKS.items():
        found[name] = _ours(task, _selection(task), _RUNS)
    found["kernel"] = _kernel() if is_there() else "numba is not installed"
    found["from_store"] = asyncio.run(measure_store(_TICKS))
    if peers:
        found["peers"] = {kind: _beside_peers(kind, _TASKS[kind]) for kind in ("bars", "quotes")}
    return found


def _selection(task: Task) -> Selection:
    terms = TermsGiven(fee_rate=Decimal(task.rate))
    asked = DataAsked(task.files, task.interval, task.fill, terms=terms)
    return FileRows(asked, calendar_of(None)).selection()


def _ours(task: Task, selection: Selection, runs: int) -> dict[str, object]:
    calendar = calendar_of(None)
    count = sum(len(columns) for data in selection.instruments for _, columns in data.series())
    params = DoubleAverage.Params(fast=task.lengths[0], slow=task.lengths[1])
    settings = RunSettings(fill=task.fill, gap_policy=GapPolicy("ignore"))

    def engine() -> None:
        with exact_arithmetic():
            Engine(selection, calendar, DoubleAverage(params), settings).run()

    def whole() -> None:
        run_backtest(selection, calendar, RunSpec(DoubleAverage, params, settings))

    result = run_backtest(selection, calendar, RunSpec(DoubleAverage, params, settings))
    got = (result.sent, format(result.net.normalize(), "f"))
    assert task.reference in (None, got), got
    return {
        "rows": count,
        "rows_per_cpu_s": round(count / _least(engine, runs)),
        "rows_per_cpu_s_with_result": round(count / _least(whole, runs)),
        "orders": got[0],
        "net": got[1],
    }


def _kernel() -> dict[str, object]:
    """Targets of two means and their fills, over many sets of parameters."""
    task = _TASKS["bars"]
    settings = RunSettings(gap_policy=GapPolicy("ignore"))
    rows = prepared(_selection(task), calendar_of(None), settings)
    sets = [(2 + number % 40, 50 + number) for number in range(_SETS)]

    def sweep() -> None:
        with exact_arithmetic():
            for fast, slow in sets:
                run_kernel(rows, crossing_means(rows.table, fast, slow), -1, settings.capital)

    started = time.process_time()
    with exact_arithmetic():
        first = run_kernel(rows, crossing_means(rows.table, *task.lengths), -1, settings.capital)
    compiled = time.process_time() - started
    assert (first.sent, format(first.net.normalize(), "f")) == task.reference
    seconds = _least(sweep, _RUNS)
    return {
        "rows_per_cpu_s": round(len(rows.table) * _SETS / seconds),
        "sets_per_cpu_s": round(_SETS / seconds),
        "first_call_cpu_s": round(compiled, 2),
    }


def _beside_peers(kind: str, task: Task) -> dict[str, object]:
    """Ours and the peers' in turns, the quickest of each, and how many times quicker ours is."""
    selection = _selection(task)
    data = selection.instruments[0]
    is_bars = task.fill is FillMode.BAR
    size = int(data.instrument.terms.multiplier)
    best: dict[str, dict[str, object]] = {}
    with tempfile.TemporaryDirectory() as folder:
        rows = Path(folder) / f"{kind}.npz"
        _write(rows, data, is_bars)
        for _ in range(_TURNS):
            ours = _ours(task, selection, _RUNS)
            _better(best, "ours", ours)
            for name in PEERS:
                runs = _SLOW_PEERS.get(name, _RUNS)
                found = run_peer(name, rows, "bars" if is_bars else "ticks", task.lengths, size, task.rate, runs)
                if "not_run" not in found:
                    count = int(str(found["rows"]))
                    found["rows_per_cpu_s"] = round(count / float(str(found.pop("cpu_s"))))
                    if "cpu_s_with_result" in found:
                        with_result = float(str(found.pop("cpu_s_with_result")))
                        found["rows_per_cpu_s_with_result"] = round(count / with_result)
                _better(best, name, found)
    for name in PEERS:
        for rate in ("rows_per_cpu_s", "rows_per_cpu_s_with_result"):
            if rate in best[name]:
                best[name][f"ours_to_{rate}"] = round(float(str(best["ours"][rate])) / float(str(best[name][rate])), 2)
    return dict(best)


def _better(best: dict[str, dict[str, object]], name: str, found: dict[str, object]) -> None:
    known = best.setdefault(name, found)
    for rate, value in found.items():
        if rate.startswith("rows_per"):
            known[rate] = max(float(str(known.get(rate, 0))), float(str(value)))


def _write(path: Path, data: InstrumentData, is_bars: bool) -> None:
    if is_bars:
        write_bars(path, data, next(iter(data.bars.values())))
    else:
        assert data.ticks is not None
        write_ticks(path, data, data.ticks)


def _least(work: Callable[[], None], runs: int) -> float:
    """CPU seconds of the quickest of some runs: others on the machine only make it slower."""
    best = float("inf")
    for _ in range(runs):
        gc.collect()
        started = time.process_time()
        work()
        best = min(best, time.process_time() - started)
    return best


__all__ = ["measure_backtests"]
