"""A ClickHouse server: what one writer puts in, from a stream, and what readers get out through the query service."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Collection
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import psutil

from marketprism_adapters.clickhouse.ledger import SqlLedger
from marketprism_adapters.clickhouse.local_server import LocalClickHouse, LocalOptions
from marketprism_adapters.clickhouse.server import ClickHouseEngine
from marketprism_adapters.clickhouse.store import SqlStore
from marketprism_adapters.nats import streams
from marketprism_adapters.nats.local_server import EmbeddedOptions, EmbeddedServer, choose_port
from marketprism_adapters.nats.stream_ranges import KvProgress, StreamRanges
from marketprism_application.contracts.codec import encode
from marketprism_application.contracts.kinds import BAR, TICK
from marketprism_application.contracts.packed import PACKED_VERSION
from marketprism_application.contracts.subjects import tick_subject
from marketprism_application.ports.storage import StreamPlace, StreamRange
from marketprism_application.storage.writer import Progress, StreamWriter, WriterHooks, WriterSettings
from marketprism_domain.marketdata.bar import Bar
from marketprism_domain.marketdata.tick import Tick
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import publish_ack
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.nats.publisher import WindowPublisher

_SYMBOLS = 200
_PER_MESSAGE = 20
_QUERIES = 200


def _symbol(number: int) -> str:
    return f"zz{number % _SYMBOLS:04d}"


async def _fill(connection: NatsConnection, ticks: list[Tick], total: int) -> int:
    """Put `total` ticks of all symbols into the stream, as validators pack them; the last sequence."""
    publisher = WindowPublisher(connection)
    await publisher.open()
    span = ticks[-1].ts_event - ticks[0].ts_event + 10**9
    encoder = msgspec.msgpack.Encoder()
    for first in range(0, total, _PER_MESSAGE):
        rows = []
        for n in range(first, min(first + _PER_MESSAGE, total)):
            lap, at = divmod(n // _SYMBOLS, len(ticks))
            tick = ticks[at]
            seq = n // _SYMBOLS + 1
            rows.append(tick._replace(symbol=_symbol(n), seq=seq, source_seq=seq, ts_event=tick.ts_event + lap * span))
        await publisher.publish("market.packed.1", encoder.encode([PACKED_VERSION, "bench", 1, 0, rows]))
    await publisher.flush()
    await publisher.close()
    return -(-total // _PER_MESSAGE)


async def _write(
    connection: NatsConnection, engine: ClickHouseEngine, last: int, others: dict[str, int]
) -> dict[str, Any]:
    """One writer from the beginning of the stream to its end: rows a second, all of it counted, and CPU time a row, its
    own and that of `others`, processes by their names."""
    store = SqlStore(engine)
    await store.migrate()
    kv = await NatsKeyValue.open(connection, streams.STORE_RANGES)
    done = asyncio.Event()
    batches: list[tuple[int, float]] = []

    class Watched(KvProgress):
        async def save(self, progress: Progress) -> None:
            await super().save(progress)
            if progress.watermark >= last:
                done.set()

    class Counted(WriterHooks):
        def batch(self, rows: int, seconds: float, dead: int) -> None:
            assert not dead
            batches.append((rows, seconds))

    source = StreamRanges(connection, streams.TICKS)
    writer = StreamWriter(
        streams.TICKS, source, Watched(kv, "bench"), store, SqlLedger(engine), WriterSettings(), Counted()
    )
    before = {name: _cpu_s(pid) for name, pid in others.items()}
    started, cpu = time.perf_counter(), time.process_time()
    running = asyncio.create_task(writer.run(1))
    await done.wait()
    seconds, used = time.perf_counter() - started, time.process_time() - cpu
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    rows = sum(count for count, _ in batches)
    beside = {name: round((_cpu_s(pid) - before[name]) / rows * 1e6, 2) for name, pid in others.items()}
    ordered = sorted(count for count, _ in batches)
    return {
        "rows": rows,
        "seconds": round(seconds, 1),
        "rows_per_s": round(rows / seconds),
        "cpu_us_per_row": {"writer": round(used / rows * 1e6, 2), **beside},
        "batch_rows_p50": ordered[len(ordered) // 2],
    }


def _cpu_s(pid: int) -> float:
    used = psutil.Process(pid).cpu_times()
    return float(used.user + used.system)


_SIZE = """SELECT sum(data_compressed_bytes) AS bytes, sum(rows) AS rows FROM system.parts
WHERE active AND table = 'market_ticks'"""


async def measure_server(ticks: list[Tick], bar: Bar, total: int) -> dict[str, Any]:
    """Writer and readers on real servers with `total` ticks of 200 symbols."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        nats = await EmbeddedServer.start(EmbeddedOptions(path / "nats", port=choose_port(0), max_store_gb=50))
        server = await LocalClickHouse.start(LocalOptions(path / "clickhouse", choose_port(0), choose_port(0)))
        connection = await NatsConnection.open(nats.url, name="bench")
        engine = await ClickHouseEngine.open(server.url)
        try:
            await streams.ensure_streams(connection)
            last = await _fill(connection, ticks, total)
            gc.freeze()  # what the benchmark itself holds is not what a storage process holds
            processes = {"clickhouse": server.process.pid, "nats": nats.process.pid}
            written = await _write(connection, engine, last, processes)
            gc.unfreeze()
            bars = await _bars(SqlStore(engine), bar)
            await publish_ack(connection, tick_subject("zz0001"), encode(TICK, ticks[-1]._replace(symbol="zz0001")))
            await _merged(engine)
            (size,) = (await engine.fetch(_SIZE)).to_pylist()
            async with read_side(nats.url, server.url, path) as url:
                queries = await _ask(url)
                queries["bar_seen_after_publish"] = await _seen(connection, url, bar)
        finally:
            await engine.close()
            await connection.close()
            await server.stop()
            await nats.stop()
    return {
        "symbols": _SYMBOLS,
        "writer": written,
        "insert_1000_bars_ms": bars,
        "through_the_service_ms": queries,
        "bytes_per_tick": round(int(size["bytes"]) / max(1, int(size["rows"])), 1),
    }


_PARTS = "SELECT count() AS n FROM system.parts WHERE active AND database = 'market'"


async def _merged(engine: ClickHouseEngine) -> None:
    """Until the server has merged what was just written, for ten seconds nothing: readers are measured on tables at
    rest."""
    before, same = -1, 0
    for _ in range(120):
        (parts,) = (await engine.fetch(_PARTS)).to_pylist()
        same = same + 1 if parts["n"] == before else 0
        before = parts["n"]
        if same >= 10:
            return
        await asyncio.sleep(1)


async def _bars(store: SqlStore, bar: Bar) -> dict[str, float]:
    """Batches of a thousand minute bars, one symbol each."""
    times = []
    for batch in range(_SYMBOLS // 2):
        rows = [
            bar._replace(
                symbol=_symbol(batch),
                interval="1m",
                ts_open=bar.ts_open + n * 60 * 10**9,
                ts_event=bar.ts_event + n * 60 * 10**9,
                seq=n,
                close=Decimal("1.5"),
            )
            for n in range(1_000)
        ]
        places = [StreamPlace(batch * 1_000 + n, 0) for n in range(1_000)]
        started = time.perf_counter()
        await store.insert(BAR, rows, places, StreamRange("B", "x", batch, batch), 1)
        times.append((time.perf_counter() - started) * 1_000)
    return spread(times)


@contextlib.asynccontextmanager
async def read_side(nats_url: str, clickhouse_url: str, path: Path) -> Any:
    """The address of an API gateway with a query service behind it, a process each."""
    async with (
        _service("query", nats_url, clickhouse_url, path) as query,
        _service("api", nats_url, clickhouse_url, path) as api,
        aiohttp.ClientSession() as session,
    ):
        async with asyncio.timeout(60):
            for url in (query, api):
                while not await _is_healthy(session, url):
                    await asyncio.sleep(0.1)
        yield api


async def _is_healthy(session: aiohttp.ClientSession, url: str) -> bool:
    with contextlib.suppress(aiohttp.ClientError):
        async with session.get(f"{url}/health") as answer:
            return bool((await answer.json())["status"] == "healthy")
    return False


@contextlib.asynccontextmanager
async def _service(name: str, nats_url: str, clickhouse_url: str, path: Path) -> Any:
    port = choose_port(0)
    values = {
        "NATS__URL": nats_url,
        "STORE__ENGINE": "clickhouse",
        "STORE__URL": clickhouse_url,
        f"HTTP__{name.upper()}": str(port),
        "DATA_DIR": str(path / name),
        "LOG__LEVEL": "error",
        "API__PER_SECOND": "1000000",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "marketprism_services",
        "run",
        name,
        env={**os.environ, **{f"MARKETPRISM_{key}": value for key, value in values.items()}},
    )
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        await process.wait()


async def _ask(url: str) -> dict[str, Any]:
    questions: dict[str, Callable[[int], str]] = {
        "bars_1000_arrow": lambda n: f"/api/v1/bars/{_symbol(n % 100)}?interval=1m&limit=1000&format=arrow",
        "bars_1000_arrow_again": lambda n: f"/api/v1/bars/{_symbol(n % 100)}?interval=1m&limit=1000&format=arrow",
        "bars_1000_json": lambda n: f"/api/v1/bars/{_symbol(n % 100)}?interval=1m&limit=1000",
        "ticks_1000_arrow": lambda n: f"/api/v1/ticks/{_symbol(n * 7)}?limit=1000&format=arrow",
        "latest_tick": lambda _: "/api/v1/ticks/zz0001/latest",
    }
    found: dict[str, Any] = {}
    async with aiohttp.ClientSession() as session:
        for name, path in questions.items():
            found[name] = await _times(lambda n, path=path: _get(session, url + path(n)))
    return found


async def _seen(connection: NatsConnection, url: str, bar: Bar) -> dict[str, float]:
    """From a bar's receipt by the stream to the first answer that holds it; nothing has stored it."""
    times = []
    async with aiohttp.ClientSession() as session:
        for number in range(_QUERIES):
            made = bar._replace(symbol="zz0150", interval="1m", ts_open=bar.ts_open + number * 60 * 10**9, seq=number)
            await publish_ack(connection, "market.bar.1m.zz0150", encode(BAR, made))
            started = time.perf_counter()
            path = f"{url}/api/v1/bars/zz0150?interval=1m&from={made.ts_open}&limit=1&format=csv"
            while len(await _get(session, path, {200, 404})) < 2:
                pass
            times.append((time.perf_counter() - started) * 1_000)
    return spread(times)


async def _get(session: aiohttp.ClientSession, url: str, expected: Collection[int] = (200,)) -> list[bytes]:
    async with session.get(url) as answer:
        body = await answer.read()
        assert answer.status in expected, body[:300]
        return body.splitlines() if answer.status == 200 else []


async def _times(ask: Callable[[int], Awaitable[object]]) -> dict[str, float]:
    times = []
    for number in range(_QUERIES):
        started = time.perf_counter()
        await ask(number)
        times.append((time.perf_counter() - started) * 1_000)
    return spread(times)


def spread(times: list[float]) -> dict[str, float]:
    ordered = sorted(times)
    return {"p50": round(ordered[len(ordered) // 2], 2), "p99": round(ordered[int(0.99 * (len(ordered) - 1))], 2)}
