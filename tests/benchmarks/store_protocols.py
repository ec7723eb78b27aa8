"""A ClickHouse server asked over HTTP and over its native protocol, in turns: `python -m tests.benchmarks.store_protocols`.

Prints medians: rows a second of one writer that inserts encoded ticks, milliseconds of a query of 1 000 bars, and
seconds of processor time at the server and in this process for each.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import structlog

from marketprism_adapters.calendars import chinese_calendar_of_markets
from marketprism_adapters.clickhouse.local_server import LocalClickHouse, LocalOptions
from marketprism_adapters.clickhouse.native import NativeEngine
from marketprism_adapters.clickhouse.reader import SqlReader
from marketprism_adapters.clickhouse.server import ClickHouseEngine
from marketprism_adapters.clickhouse.store import SqlStore
from marketprism_adapters.nats.local_server import choose_port
from marketprism_application.contracts.kinds import BAR, TICK
from marketprism_application.ports.reading import RangeQuery
from marketprism_application.ports.storage import EncodedRows, StreamPlace, StreamRange
from tests.benchmarks.stages import ticks_to_measure
from tests.contract.test_codec import SAMPLES

_RUNS = 5
_ROWS = 100_000
_PER_MESSAGE = 20
_QUERIES = 20


def _groups() -> list[EncodedRows]:
    ticks, _ = ticks_to_measure(chinese_calendar_of_markets())
    encode = msgspec.msgpack.Encoder().encode
    rows = []
    for n in range(_ROWS):
        lap, at = divmod(n, len(ticks))
        rows.append(encode(ticks[at]._replace(symbol=f"s{lap}", seq=n, source_seq=n)))
    return [EncodedRows(n, rows[n : n + _PER_MESSAGE]) for n in range(0, _ROWS, _PER_MESSAGE)]


def _server_cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def _timed(pid: int, work: Callable[[], Awaitable[object]]) -> tuple[float, float, float]:
    server, mine, started = _server_cpu(pid), time.process_time(), time.perf_counter()
    await work()
    return time.perf_counter() - started, _server_cpu(pid) - server, time.process_time() - mine


async def measure_protocols() -> dict[str, Any]:
    """Both protocols on one server."""
    groups = _groups()
    with tempfile.TemporaryDirectory() as folder:
        options = LocalOptions(Path(folder) / "clickhouse", choose_port(0), choose_port(0), native=True)
        server = await LocalClickHouse.start(options)
        engines = {
            "http": await ClickHouseEngine.open(server.url),
            "native": await NativeEngine.open(server.native_url),
        }
        stores = {name: SqlStore(engine) for name, engine in engines.items()}
        await stores["http"].migrate()
        bar = SAMPLES["bar"]
        bars = [bar._replace(symbol="zz", ts_open=bar.ts_open + n * 60 * 10**9, seq=n) for n in range(1_000)]
        await stores["http"].insert(
            BAR, bars, [StreamPlace(n, 0) for n in range(1_000)], StreamRange("B", "x", 0, 0), 1
        )
        inserts: dict[str, list[tuple[float, float, float]]] = {name: [] for name in engines}
        queries: dict[str, list[tuple[float, float, float]]] = {name: [] for name in engines}
        asked = RangeQuery("zz", interval=bar.interval, limit=1_000)
        for run in range(_RUNS + 1):  # the first of each is not counted
            for name, store in stores.items():
                covered = StreamRange("S", f"{name}{run}", 0, _ROWS)
                write = partial(store.insert_encoded, TICK, groups, covered, 1)
                inserts[name].append(await _timed(server.process.pid, write))
        for _ in range(_RUNS + 1):
            for name, engine in engines.items():
                reader = SqlReader(engine)

                async def ask(reader: SqlReader = reader) -> None:
                    for _ in range(_QUERIES):
                        assert (await reader.records(BAR, asked)).num_rows == 1_000

                queries[name].append(await _timed(server.process.pid, ask))
        for engine in engines.values():
            await engine.close()
        await server.stop()
    return {
        name: {
            "insert_rows_per_s": round(_ROWS / _median(inserts[name], 0)),
            "insert_server_cpu_us_per_row": round(_median(inserts[name], 1) / _ROWS * 1e6, 2),
            "insert_client_cpu_us_per_row": round(_median(inserts[name], 2) / _ROWS * 1e6, 2),
            "bars_1000_ms": round(_median(queries[name], 0) / _QUERIES * 1e3, 2),
            "bars_1000_client_cpu_ms": round(_median(queries[name], 2) / _QUERIES * 1e3, 2),
        }
        for name in engines
    }


def _median(runs: list[tuple[float, float, float]], part: int) -> float:
    return statistics.median(run[part] for run in runs[1:])


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    print(json.dumps(asyncio.run(measure_protocols()), indent=1))
