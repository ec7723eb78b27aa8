"""A ClickHouse server: what one writer puts in and what a reader gets out, with many ticks of many symbols there."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from marketprism_adapters.clickhouse.engine import ClickHouseEngine
from marketprism_adapters.clickhouse.local import LocalClickHouse, LocalOptions
from marketprism_adapters.nats.embedded import choose_port
from marketprism_adapters.sql.store import SqlReader, SqlStore
from marketprism_application.contracts.codec import PACKED_VERSION
from marketprism_application.contracts.kinds import BAR, TICK
from marketprism_application.ports import Place, RangeQuery, StreamRange
from marketprism_application.store import Progress, StreamWriter, WriterSettings
from marketprism_domain.marketdata.bar import Bar
from marketprism_domain.marketdata.tick import Tick

_SYMBOLS = 200
_PER_MESSAGE = 20
_BATCH = 50_000


class _Message:
    __slots__ = ("data", "seq", "subject")

    def __init__(self, seq: int, data: bytes) -> None:
        self.subject, self.seq, self.data = "market.packed.1", seq, data


class _Endless:
    """A stream that is read as fast as it is asked for, `total` ticks long; made of ready messages."""

    def __init__(self, ticks: list[Tick], total: int) -> None:
        self._total = total // _PER_MESSAGE
        self._seq = 0
        self._span = ticks[-1].ts_event - ticks[0].ts_event + 10**9
        self._ticks = ticks

    async def open(self, start_seq: int) -> str:
        del start_seq
        return "bench"

    async def next(self, max_messages: int, max_wait_s: float) -> list[_Message]:
        del max_wait_s
        if self._seq >= self._total:
            raise asyncio.CancelledError
        count = min(max_messages, _BATCH // _PER_MESSAGE, self._total - self._seq)
        made = [self._message(self._seq + n) for n in range(count)]
        self._seq += count
        return made

    def _message(self, number: int) -> _Message:
        start = number * _PER_MESSAGE
        rows = []
        for n in range(start, start + _PER_MESSAGE):
            lap, at = divmod(n, len(self._ticks))
            tick = self._ticks[at]
            symbol = f"zz{n % _SYMBOLS:04d}"
            rows.append(
                tick._replace(symbol=symbol, seq=n, source_seq=n, ts_event=tick.ts_event + lap % 20 * self._span)
            )
        return _Message(number + 1, msgspec.msgpack.encode([PACKED_VERSION, "bench", 1, 0, rows]))


class _Forgetful:
    async def load(self) -> Progress:
        return Progress()

    async def save(self, progress: Progress) -> None:
        del progress


async def measure_server(ticks: list[Tick], bar: Bar, total: int) -> dict[str, Any]:
    """Rows a second of the writer alone (making the messages is not counted), and milliseconds of queries."""
    with tempfile.TemporaryDirectory() as folder:
        server = await LocalClickHouse.start(LocalOptions(Path(folder), choose_port(0), choose_port(0)))
        engine = await ClickHouseEngine.open(server.url)
        store = SqlStore(engine)
        await store.migrate()
        written: list[tuple[int, float]] = []
        source = _Endless(ticks, total)
        writer = StreamWriter(
            "S",
            source,
            _Forgetful(),
            store,
            WriterSettings(max_rows=_BATCH),
            on_batch=lambda n, s, _: written.append((n, s)),
        )
        with contextlib.suppress(asyncio.CancelledError):
            await writer.run(1)
        rows, seconds = sum(n for n, _ in written), sum(s for _, s in written)
        bars = await _bars(store, bar)
        reader = SqlReader(engine)
        queries = {
            "query_1000_bars_ms": await _times(
                lambda n: reader.records(BAR, RangeQuery("zz0001", interval="1m", limit=1_000))
            ),
            "query_1000_ticks_ms": await _times(
                lambda n: reader.records(TICK, RangeQuery(f"zz{n % _SYMBOLS:04d}", limit=1_000))
            ),
            "latest_tick_of_table_ms": await _times(lambda n: reader.latest(TICK, [f"zz{n % _SYMBOLS:04d}"]), 20),
        }
        (size,) = (await engine.fetch(_SIZE)).to_pylist()
        await engine.close()
        await server.stop()
    return {
        "ticks_in_table": rows, "symbols": _SYMBOLS, "writer_rows_per_s": round(rows / seconds),
        "batch_rows": _BATCH, "insert_1000_bars_ms": bars, **queries,
        "bytes_per_tick": round(int(size["bytes"]) / max(1, int(size["rows"])), 1),
    }  # fmt: skip


_SIZE = "SELECT sum(data_compressed_bytes) AS bytes, sum(rows) AS rows FROM system.parts WHERE active AND table = 'market_ticks'"


async def _bars(store: SqlStore, bar: Bar) -> dict[str, float]:
    times = []
    for batch in range(30):
        rows = [
            bar._replace(
                symbol="zz0001", interval="1m", ts_open=bar.ts_open + (batch * 1_000 + n) * 60 * 10**9,
                ts_event=bar.ts_event + (batch * 1_000 + n) * 60 * 10**9, seq=batch * 1_000 + n, close=Decimal("1.5"),
            )
            for n in range(1_000)
        ]  # fmt: skip
        places = [Place(batch * 1_000 + n, 0) for n in range(1_000)]
        started = time.perf_counter()
        await store.insert(BAR, rows, places, StreamRange("B", "x", batch, batch), 1)
        times.append((time.perf_counter() - started) * 1_000)
    return _spread(times)


async def _times(ask: Any, count: int = 100) -> dict[str, float]:
    times = []
    for number in range(count):
        started = time.perf_counter()
        await ask(number)
        times.append((time.perf_counter() - started) * 1_000)
    return _spread(times)


def _spread(times: list[float]) -> dict[str, float]:
    ordered = sorted(times)
    return {"p50": round(ordered[len(ordered) // 2], 2), "p99": round(ordered[int(0.99 * (len(ordered) - 1))], 2)}
