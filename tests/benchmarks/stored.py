"""A ClickHouse server that has stored much already: what readers wait for, through the gateway and the query service.

Rows are multiplied inside the server, out of a recorded day: 200 symbols, as many days as the number of ticks makes,
each a partition, the last of them in parts as a writer leaves them. Every question is about another symbol and time,
so that no cache answers.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp

from marketprism_adapters.calendars import chinese_calendar_of_markets
from marketprism_adapters.clickhouse.local_server import LocalClickHouse, LocalOptions
from marketprism_adapters.clickhouse.server import ClickHouseEngine
from marketprism_adapters.clickhouse.store import SqlStore
from marketprism_adapters.nats import streams
from marketprism_adapters.nats.local_server import EmbeddedOptions, EmbeddedServer, choose_port
from marketprism_application.contracts.codec import encode
from marketprism_application.contracts.kinds import BAR, TICK
from marketprism_application.contracts.subjects import tick_subject
from marketprism_application.ports.storage import StreamPlace, StreamRange
from marketprism_domain.marketdata.bar import Bar
from marketprism_domain.marketdata.tick import Tick
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import publish_ack
from tests.benchmarks.server import read_side, spread
from tests.benchmarks.stages import ticks_to_measure
from tests.contract.test_codec import SAMPLES

SYMBOLS = 200
_PER_DAY = 5_000  # ticks of a symbol
_MINUTES = 345  # of a day, as bars
_DAY_NS = 86_400 * 10**9
_BASE = "zzbase"
_SLOW = 2  # times that a question about everything is asked
_PARTS = 10  # of the newest day


def symbol_of(number: int) -> str:
    """Name of one of the symbols."""
    return f"zz{number % SYMBOLS:04d}"


def _base_of(ticks: Sequence[Tick]) -> list[Tick]:
    """So many ticks of one calendar day (UTC), spread over it."""
    day = ticks[-1].ts_event // _DAY_NS
    of_day = [tick for tick in ticks if tick.ts_event // _DAY_NS == day]
    step = max(1, len(of_day) // _PER_DAY)
    return [tick._replace(symbol=_BASE, seq=n) for n, tick in enumerate(of_day[::step][:_PER_DAY])]


async def _fill(engine: ClickHouseEngine, ticks: Sequence[Tick], bar: Bar, days: int) -> None:
    """Days of ticks and of minute bars, all symbols, the oldest first."""
    store = SqlStore(engine)
    await store.migrate()
    for table in (TICK.table, BAR.table):
        await engine.execute(f"SYSTEM STOP MERGES market.{table}")
    base = _base_of(ticks)
    places = [StreamPlace(n + 1, 0) for n in range(len(base))]
    await store.insert(TICK, base, places, StreamRange("base", "x", 1, len(base)), 1)
    opened = base[0].ts_event // (60 * 10**9) * 60 * 10**9
    minute = bar._replace(symbol=_BASE, interval="1m", ts_open=opened, ts_close=opened, ts_event=opened, seq=0)
    await store.insert(BAR, [minute], [StreamPlace(1, 0)], StreamRange("base", "x", 1, 1), 1)
    for day in range(days):
        # The newest day has been written just now: parts of some symbols' rows each, as a writer leaves them.
        parts = _PARTS if day == days - 1 else 1
        name = f"{datetime.fromtimestamp(base[-1].ts_event // 10**9 + day * 86_400, UTC):%Y%m%d}"
        for part in range(parts):
            await engine.execute(_TICKS.format(day=day, parts=parts, part=part, per_day=len(base), trading_day=name))
        if day % 10 == 9 or day == days - 1:
            await engine.execute(_BARS.format(first=day - day % 10, days=day % 10 + 1))
            await engine.execute(f"SYSTEM START MERGES market.{BAR.table}")


# One insert makes one part, as merges leave a day; in the order of the key, so that nothing is sorted.
_INSERT = """SETTINGS max_threads = 1, max_insert_threads = 1, min_insert_block_size_rows = 1100000,
min_insert_block_size_bytes = 0, max_partitions_per_insert_block = 0, optimize_on_insert = 0"""
_TICKS = f"""INSERT INTO market.market_ticks {_INSERT}
SELECT b.* REPLACE (
  concat('zz', leftPad(toString(s.number), 4, '0')) AS symbol,
  b.seq + {{day}} * {{per_day}} AS seq, b.source_seq + {{day}} * {{per_day}} AS source_seq,
  b.ts_event + toIntervalDay({{day}}) AS ts_event, b.ts_recv + toIntervalDay({{day}}) AS ts_recv,
  '{{trading_day}}' AS trading_day, b.last + s.number + {{day}} AS last,
  b.stream_seq + {{day}} * {{per_day}} AS stream_seq)
FROM (SELECT number FROM system.numbers LIMIT {SYMBOLS}) AS s
CROSS JOIN (SELECT * FROM market.market_ticks WHERE symbol = '{_BASE}' AND seq % {{parts}} = {{part}}
  ORDER BY ts_event, seq) AS b"""
_BARS = f"""INSERT INTO market.market_bars {_INSERT}
SELECT b.* REPLACE (
  concat('zz', leftPad(toString(s.number), 4, '0')) AS symbol, m.number AS seq,
  b.ts_open + toIntervalDay(d.number) + toIntervalMinute(m.number) AS ts_open,
  b.ts_open + toIntervalDay(d.number) + toIntervalMinute(m.number + 1) AS ts_close,
  b.ts_open + toIntervalDay(d.number) + toIntervalMinute(m.number + 1) AS ts_event,
  formatDateTime(b.ts_open + toIntervalDay(d.number), '%Y%m%d') AS trading_day,
  b.close + (m.number * 7 + s.number) % 50 AS close, b.volume + m.number % 13 AS volume,
  b.stream_seq + m.number AS stream_seq)
FROM (SELECT number FROM system.numbers LIMIT {SYMBOLS}) AS s
CROSS JOIN (SELECT number FROM system.numbers LIMIT {_MINUTES}) AS m
CROSS JOIN (SELECT {{first}} + number AS number FROM system.numbers LIMIT {{days}}) AS d
CROSS JOIN (SELECT * FROM market.market_bars WHERE symbol = '{_BASE}') AS b"""
_SIZE = """SELECT table, sum(rows) AS rows, count() AS parts, uniqExact(partition) AS partitions,
sum(data_compressed_bytes) AS bytes FROM system.parts
WHERE active AND database = 'market' AND table IN ('market_ticks', 'market_bars') GROUP BY table ORDER BY table"""


async def _sizes(engine: ClickHouseEngine) -> dict[str, Any]:
    found = (await engine.fetch(_SIZE)).to_pylist()
    return {row.pop("table"): {name: int(value) for name, value in row.items()} for row in found}


async def _settled(engine: ClickHouseEngine) -> dict[str, Any]:
    """What is stored, once the server has merged what it wants to merge: parts that stay as many for ten seconds."""
    before, same = await _sizes(engine), 0
    while same < 10:
        await asyncio.sleep(1)
        now = await _sizes(engine)
        same = same + 1 if now == before else 0
        before = now
    return before


class _Times:
    """Questions about symbols and times by chance, always the same ones."""

    def __init__(self, first: int, days: int) -> None:
        self._first = first
        self._days = days
        self._chance = random.Random(20)

    def symbol(self) -> str:
        return symbol_of(self._chance.randrange(SYMBOLS))

    def bars(self) -> int:
        """The beginning of a range in which there are a thousand minutes."""
        return self._first + self._chance.randrange(max(1, self._days - 3)) * _DAY_NS

    def ticks(self) -> int:
        """An instant in the first half of a day's ticks."""
        day = self._chance.randrange(self._days) * _DAY_NS
        return self._first + day + self._chance.randrange(3 * 3_600) * 10**9

    def questions(self) -> dict[str, Callable[[], str]]:
        """What is asked, by name."""
        hours, four = 3_600 * 10**9, 4 * _DAY_NS

        def bars(form: str = "") -> str:
            start = self.bars()
            return f"/api/v1/bars/{self.symbol()}?interval=1m&from={start}&to={start + four}&limit=1000{form}"

        def ticks(form: str = "") -> str:
            start = self.ticks()
            return f"/api/v1/ticks/{self.symbol()}?from={start}&to={start + 2 * hours}&limit=1000{form}"

        arrow = "&format=arrow"
        return {
            "bars_1000_arrow": lambda: bars(arrow),
            "bars_1000_json": bars,
            "bars_1000_from": lambda: f"/api/v1/bars/{self.symbol()}?interval=1m&from={self.bars()}&limit=1000{arrow}",
            "bars_1000_last": lambda: f"/api/v1/bars/{self.symbol()}?interval=1m&last=1000{arrow}",
            "ticks_1000_arrow": lambda: ticks(arrow),
            "ticks_1000_json": ticks,
            "ticks_1000_from": lambda: f"/api/v1/ticks/{self.symbol()}?from={self.ticks()}&limit=1000{arrow}",
            "ticks_1000_last": lambda: f"/api/v1/ticks/{self.symbol()}?last=1000{arrow}",
            "newest_tick": lambda: f"/api/v1/ticks/{self.symbol()}/latest",
            "newest_tick_of_store": lambda: f"/api/v1/orderbook/{self.symbol()}?at={self.ticks()}",
            "newest_tick_ever": lambda: f"/api/v1/orderbook/{self.symbol()}",
        }


_WHOLE = {"symbols": "/api/v1/symbols", "coverage": "/api/v1/coverage", "daily": "/api/v1/daily/zz0007"}


async def _asked(session: aiohttp.ClientSession, urls: Sequence[str]) -> dict[str, Any]:
    """Milliseconds until the whole answer was there, of one after another, and why there was none."""
    times: list[float] = []
    failures: list[str] = []
    for url in urls:
        started = time.perf_counter()
        async with session.get(url) as answer:
            body = await answer.read()
        times.append((time.perf_counter() - started) * 1_000)
        if answer.status != 200:
            failures.append(f"{answer.status} {body[:200].decode(errors='replace')}")
    failed = {"failed": len(failures), "first": failures[0]} if failures else {}
    return {**spread(times), **failed}


async def _ask(url: str, times: _Times, questions: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=120)) as session:
        for path in times.questions().values():  # what a process does once is not what a question costs
            await _asked(session, [url + path() for _ in range(3)])
        for name, path in times.questions().items():
            paths = [url + path() for _ in range(questions)]
            found[name] = await _asked(session, paths)
            if name == "bars_1000_arrow":
                found[f"{name}_again"] = await _asked(session, paths)
            print(name, found[name], file=sys.stderr, flush=True)
        for name, each in _WHOLE.items():
            found[name] = await _asked(session, [url + each] * _SLOW)
            print(name, found[name], file=sys.stderr, flush=True)
    return found


@contextlib.asynccontextmanager
async def _servers(nats: Path, store: Path) -> AsyncIterator[tuple[EmbeddedServer, LocalClickHouse]]:
    messages = await EmbeddedServer.start(EmbeddedOptions(nats, port=choose_port(0)))
    server = await LocalClickHouse.start(LocalOptions(store, choose_port(0), choose_port(0)))
    try:
        yield messages, server
    finally:
        await server.stop()
        await messages.stop()


async def measure_stored(total: int, folder: Path | None = None, questions: int = 200) -> dict[str, Any]:
    """Milliseconds of each question with `total` ticks stored. A `folder` is one for the store that is kept, and that
    is not filled again."""
    ticks, _ = ticks_to_measure(chinese_calendar_of_markets())
    base = _base_of(ticks)
    days = max(4, total // (SYMBOLS * len(base)))
    with tempfile.TemporaryDirectory() as made:
        path = Path(made)
        async with _servers(path / "nats", folder or path / "store") as (messages, server):
            connection = await NatsConnection.open(messages.url, name="bench")
            engine = await ClickHouseEngine.open(server.url, timeout_s=600)
            try:
                started = time.perf_counter()
                if not await _sizes(engine):
                    await _fill(engine, ticks, SAMPLES["bar"], days)
                filled_s = time.perf_counter() - started
                stored = await _settled(engine)
                await streams.ensure_streams(connection)
                for number in range(SYMBOLS):
                    tick = ticks[-1]._replace(symbol=symbol_of(number))
                    await publish_ack(connection, tick_subject(tick.symbol), encode(TICK, tick))
                async with read_side(messages.url, server.url, path) as url:
                    times = await _ask(url, _Times(base[0].ts_event, days), questions)
            finally:
                await engine.close()
                await connection.close()
    return {"symbols": SYMBOLS, "days": days, "filled_s": round(filled_s), "stored": stored, "ms": times}
