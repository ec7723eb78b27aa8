"""Measure, print, and write `tests/benchmarks/results/<date>.json`."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog

from marketprism_adapters.calendars import chinese_calendar_of_markets
from tests.benchmarks.archive import measure_archive
from tests.benchmarks.backtest import measure_backtests
from tests.benchmarks.backtest_year import measure_year
from tests.benchmarks.console import measure_console
from tests.benchmarks.core import measure_core
from tests.benchmarks.counter import measure_counter
from tests.benchmarks.downloads import measure_downloads
from tests.benchmarks.gateway import measure_gateway
from tests.benchmarks.history import measure_history
from tests.benchmarks.integrity import measure_integrity
from tests.benchmarks.latency import measure_latency
from tests.benchmarks.orders import measure_orders
from tests.benchmarks.peers import vnpy_bars
from tests.benchmarks.quiet import measure_quiet
from tests.benchmarks.revisions import measure_revisions
from tests.benchmarks.server import measure_server
from tests.benchmarks.stages import measure, ticks_to_measure
from tests.benchmarks.stored import measure_stored
from tests.benchmarks.stream_fanout import measure_fanout
from tests.benchmarks.sustained import measure_sustained
from tests.benchmarks.venue_load import measure_load
from tests.benchmarks.venue_sockets import measure_sockets
from tests.benchmarks.venues import measure_peers, measure_venues
from tests.conftest import FIXTURES
from tests.contract.test_codec import SAMPLES

RESULTS = Path(__file__).with_name("results")
NAMES = ("ru1901_20181008", "ru1901_20181009", "ru1901_20181010")


def _source() -> str:
    files = [FIXTURES / f"ctp/ticks/{name}.csv.gz" for name in NAMES]
    return "replay:" + ",".join(map(str, files)) if files[0].exists() else "sim:days=1"


def pipeline() -> dict[str, Any]:
    """One run of the whole pipeline: source to store, every service a process, start-up included in the seconds."""
    source = _source()
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable,
            "-m",
            "marketprism_services",
            "up",
            "--source",
            source,
            "--speed",
            "max",
            "--once",
            "--json",
        ]
        done = subprocess.run(
            [*command, "--data-dir", folder, "--nats-port", "0"], capture_output=True, text=True, check=True
        )
    result: dict[str, Any] = json.loads(done.stdout)
    return {name: result[name] for name in ("ticks_read", "seconds", "ticks_per_second", "missing", "duplicates", "ok")}


def main() -> None:
    """Everything, or the parts that are named."""
    parser = argparse.ArgumentParser(prog="make bench")
    parser.add_argument("--runs", type=int, default=3, help="runs of the whole pipeline")
    parser.add_argument(
        "--server-ticks", type=int, default=1_000_000, help="ticks in the ClickHouse server; 0 for none"
    )
    parser.add_argument(
        "--only",
        default="",
        help="venues, gateway, backtest, backtest-year, integrity, revisions, downloads, stream, console, orders, quiet, "
        "sustained, latency, core, history, stored, server: only that",
    )
    parser.add_argument(
        "--load-seconds", type=float, default=60.0, help="of a venue at 10 000 frames a second; 0: none"
    )
    parser.add_argument(
        "--console-minutes", type=float, default=10.0, help="of the console at 2 000 updates a second; 0: none"
    )
    parser.add_argument("--quiet-seconds", type=float, default=60.0, help="over which a quiet market is measured")
    parser.add_argument("--stored-ticks", type=int, default=10_000_000, help="that are stored while readers ask")
    parser.add_argument("--stored-questions", type=int, default=200, help="of each sort that are asked")
    parser.add_argument("--stored-folder", type=Path, default=None, help="of a store that is kept, and filled once")
    arguments = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    if arguments.only == "venues":
        _write({"venues": venues(arguments.load_seconds)}, "venues-")
        return
    if arguments.only == "gateway":
        _write({"gateway": asyncio.run(measure_gateway(_source()))}, "gateway-")
        return
    if arguments.only == "integrity":
        _write({"integrity": measure_integrity()}, "integrity-")
        return
    if arguments.only == "revisions":
        _write({"revisions": asyncio.run(measure_revisions())}, "revisions-")
        return
    if arguments.only == "downloads":
        _write({"downloads": measure_downloads()}, "downloads-")
        return
    if arguments.only == "backtest":
        _write({"backtest": measure_backtests(peers=True)}, "backtest-")
        return
    if arguments.only == "backtest-year":
        _write({"backtest_year": measure_year()}, "backtest-year-")
        return
    if arguments.only == "stream":
        _write({"stream": measure_fanout()}, "stream-")
        return
    if arguments.only == "console":
        _write({"console": measure_console(_source(), minutes=arguments.console_minutes)}, "console-")
        return
    if arguments.only == "sustained":
        _write({"sustained": measure_sustained(copies=(1, 2, 4))}, "sustained-")
        return
    if arguments.only == "core":
        _write({"core": measure_core()}, "core-")
        return
    if arguments.only == "stored":
        found = asyncio.run(measure_stored(arguments.stored_ticks, arguments.stored_folder, arguments.stored_questions))
        _write({"stored": found}, f"stored-{arguments.stored_ticks}-")
        return
    if arguments.only == "server":
        ticks, _ = ticks_to_measure(chinese_calendar_of_markets())
        _write(
            {"clickhouse_server": asyncio.run(measure_server(list(ticks), SAMPLES["bar"], arguments.server_ticks))},
            "server-",
        )
        return
    if arguments.only == "latency":
        _write({"latency": measure_latency()}, "latency-")
        return
    if arguments.only == "history":
        _write({"history": measure_history()}, "history-")
        return
    if arguments.only == "orders":
        _write({"orders": measure_orders()}, "orders-")
        return
    if arguments.only == "quiet":
        _write({"quiet": measure_quiet(arguments.quiet_seconds)}, "quiet-")
        return
    runs = [pipeline() for _ in range(arguments.runs)]
    rates = sorted(run["ticks_per_second"] for run in runs)
    ticks, _ = ticks_to_measure(chinese_calendar_of_markets())
    server = None
    if arguments.server_ticks:
        server = asyncio.run(measure_server(list(ticks), SAMPLES["bar"], arguments.server_ticks))
    result = {
        "pipeline": {"runs": runs, "ticks_per_second_median": rates[len(rates) // 2]},
        "stages": measure(),
        "clickhouse_server": server,
        "counter": measure_counter(),
        "archive": measure_archive(),
        "backtest": measure_backtests(),
        "orders": measure_orders(),
        "venues": venues(arguments.load_seconds),
        "peers": {"vnpy_bar_generator_1m_ticks_per_s": vnpy_bars(ticks)},
    }
    _write(result, "")


def venues(load_seconds: float) -> dict[str, Any]:
    """Crypto venues: frames on one core, peers beside them, web-socket libraries, the whole pipeline under load."""
    found = {"one_core_per_s": measure_venues(), "peers_per_s": measure_peers(), "sockets_per_s": measure_sockets()}
    return {**found, "load": measure_load(load_seconds)} if load_seconds else found


def _write(result: dict[str, Any], prefix: str) -> None:
    made = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {
            "cpu": platform.processor() or platform.machine(),
            "cores": os.cpu_count(),
            "python": platform.python_version(),
        },
        "command": " ".join(["make bench", *sys.argv[1:]]),
        **result,
    }
    RESULTS.mkdir(exist_ok=True)
    text = json.dumps(made, indent=1)
    (RESULTS / f"{prefix}{datetime.now(UTC):%Y-%m-%d}.json").write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
