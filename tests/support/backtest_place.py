"""A place for backtest services: a NATS server, the read side over recorded days of ru1901, and strategies that misbehave."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec

from marketprism_adapters.clickhouse.server import ClickHouseEngine
from marketprism_adapters.clickhouse.store import SqlStore
from marketprism_adapters.nats import streams
from marketprism_adapters.nats.local_server import EmbeddedOptions, EmbeddedServer, choose_port
from marketprism_adapters.sources.registry import replay_spec
from marketprism_adapters.trading_tables.files import FileTables
from marketprism_application.contracts.backtest_rows import TABLES
from marketprism_application.contracts.kinds import BAR, TICK
from marketprism_application.ports.storage import EncodedRows, StreamPlace, StreamRange
from marketprism_application.queries.derived_bars import ReadRules
from marketprism_application.storage.writer import WriterSettings
from marketprism_domain.marketdata.bar import Bar
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_sdk.messaging import NatsBus, RpcClient
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_services.backtest.service import BacktestService
from marketprism_services.cli.backtest_recordings import read_recordings
from marketprism_services.query.service import QueryService
from marketprism_services.settings.backtest import BacktestSettings
from marketprism_services.settings.settings import Settings
from marketprism_services.storage.service import StorageService
from marketprism_services.wiring.store import ServerEngines
from tests.support.backtests import RU, calendar
from tests.support.services import running

NET = "704.07925"  # of the double average 10/30 over the three days, the reference of the field
RUN: dict[str, Any] = {
    "strategy": "examples.double_average:DoubleAverage",
    "instruments": ["ru1901"],
    "params": {"fast": 10, "slow": 30},
    "interval": "1m",
    "settings": {"gap_policy": "ignore", "fee_rate": "0.000045", "multiplier": 10},
}
STRATEGIES = """
import socket, time
from marketprism_backtest import Field, Parameters, Strategy

class Quiet(Strategy):
    class Params(Parameters):
        n: int = Field(1, ge=1, le=1000)

class Raises(Quiet):
    def on_bar(self, ctx, bar):
        if self.params.n % 2 == 1:
            raise ValueError("it does that")

class Loops(Quiet):
    def on_bar(self, ctx, bar):
        if self.params.n % 2 == 1:
            while True:
                try:
                    time.sleep(0.01)
                except BaseException:
                    pass

class Eats(Quiet):
    def on_bar(self, ctx, bar):
        self.food = getattr(self, "food", []) + [bytearray(64_000_000)]

class Exits(Quiet):
    def on_bar(self, ctx, bar):
        import os
        os._exit(7)

class Calls(Quiet):
    def on_bar(self, ctx, bar):
        socket.create_connection(("127.0.0.1", 4222), 1)

class Writes(Quiet):
    def on_bar(self, ctx, bar):
        open("/tmp/a_backtest_wrote_this", "w")

class Nan(Quiet):
    def on_bar(self, ctx, bar):
        ctx.target(bar.symbol, float("nan"))

class Trades(Quiet):
    def on_bar(self, ctx, bar):
        time.sleep(0.005 * self.params.n)
        ctx.target(bar.symbol, 1 if bar.close_ticks % 2 else -1)

class Slow(Quiet):
    def on_bar(self, ctx, bar):
        time.sleep(0.005 * self.params.n)
"""


@lru_cache(maxsize=1)
def _rows() -> tuple[list[bytes], list[Bar]]:
    """Encoded ticks, and minute bars, of the recorded days."""
    source = {"spec": replay_spec([str(path) for path in RU]), "checked": True}
    found = read_recordings(Settings.model_validate({"source": source}), calendar(), "1m")
    (ticks,) = found.ticks.values()
    return [msgspec.msgpack.encode(row) for row in ticks], list(found.bars)


def fill_store(url: str) -> None:
    """The ticks and minute bars of the recorded days, as the pipeline makes them; left as they are where they are."""
    ticks, bars = _rows()

    async def go() -> None:
        engine = await ClickHouseEngine.open(url)
        try:
            if _filled.get(url) == await _inventory(engine):
                return
            await engine.execute("DROP DATABASE IF EXISTS market SYNC")
            store = SqlStore(engine)
            await store.migrate()
            await store.insert_encoded(TICK, [EncodedRows(1, ticks)], StreamRange("T", "x", 1, 1), 1)
            places = [StreamPlace(1 + n, 0) for n in range(len(bars))]
            await store.insert(BAR, bars, places, StreamRange("B", "x", 1, len(places)), 1)
            _filled[url] = await _inventory(engine)
        finally:
            await engine.close()

    asyncio.run(go())


_filled: dict[str, dict[str, int]] = {}  # rows of each table when a server had been filled


async def _inventory(engine: ClickHouseEngine) -> dict[str, int]:
    """Rows of each table of the database that has some, but those of results."""
    found = await engine.fetch(
        "SELECT name, total_rows FROM system.tables WHERE database = 'market' AND total_rows > 0"
        " AND name NOT LIKE 'backtest%'"
    )
    return {row["name"]: int(row["total_rows"]) for row in found.to_pylist()}


class Place:
    """The server, and calls to whichever instance answers."""

    def __init__(self, url: str, connection: NatsConnection, folder: Path) -> None:
        self.url, self.connection, self.folder = url, connection, folder
        self.calls = RpcClient(NatsBus(connection))
        self.strategies = folder / "strategies"
        (self.strategies / "odd").mkdir(parents=True, exist_ok=True)
        (self.strategies / "odd" / "__init__.py").write_text("")
        (self.strategies / "odd" / "ones.py").write_text(STRATEGIES)

    def settings(self, **more: Any) -> BacktestSettings:
        return BacktestSettings.model_validate(
            {"packages": ("examples", "odd"), "strategies": self.strategies, "eventless_s": 2, "memory_mb": 400, **more}
        )

    def service(self, connection: NatsConnection, **more: Any) -> BacktestService:
        folder = self.folder / f"host{id(connection)}"
        return BacktestService(connection, calendar, self.settings(**more), folder, FileTables.read)

    async def call(self, method: str, body: object, timeout_s: float = 60.0) -> Any:
        return await self.calls.call("backtest", method, body, timeout_s=timeout_s)

    async def submit(self, method: str = "run", **changes: Any) -> Any:
        return await self.call(method, {**RUN, **changes})

    async def ended(self, id_: str, deadline_s: float = 300.0) -> Any:
        """A record when nothing more becomes of it."""
        end = time.monotonic() + deadline_s
        while True:
            found = await self.call("get", {"id": id_})
            if found["state"] in ("done", "failed", "cancelled"):
                return found
            assert time.monotonic() < end, found
            await asyncio.sleep(0.05)

    async def made(self, method: str = "run", **changes: Any) -> Any:
        """What has become of something that was asked for."""
        return await self.ended((await self.submit(method, **changes))["run_id"])


async def forget_results(url: str) -> None:
    """Results of tests before."""
    engine = await ClickHouseEngine.open(url)
    for table in TABLES:
        await engine.execute(f"TRUNCATE TABLE market.{table}")
    await engine.close()


@asynccontextmanager
async def place(clickhouse_url: str, folder: Path, market: MarketCalendar) -> AsyncIterator[Place]:
    """A place where the query service answers; backtest services are the test's own."""
    server = await EmbeddedServer.start(EmbeddedOptions(folder / "nats", port=choose_port(0)))
    connection = await NatsConnection.open(server.url, name="backtest-test")
    await streams.ensure_streams(connection)
    await forget_results(clickhouse_url)
    query = QueryService(connection, ReadRules(market, ("1m",)), ServerEngines(clickhouse_url, None))
    storage = StorageService(connection, ServerEngines(clickhouse_url, None), WriterSettings())
    try:
        async with running(query), running(storage):
            yield Place(server.url, connection, folder)
    finally:
        await connection.close()
        await server.stop()


async def check_singles(at: Place, rows: list[dict[str, Any]]) -> None:
    """Runs of a sweep are those that the same parameters give alone, bit for bit."""
    singles = []
    for chunk in range(0, len(rows), 5):
        singles += await asyncio.gather(*(at.made(params=row["params"]) for row in rows[chunk : chunk + 5]))
    assert [each["digest"] for each in singles] == [row["run_id"] for row in rows]
    documents = [await at.call("document", {"id": each["run_id"]}) for each in singles]
    for name in ("outcome", "net", "statistics", "orders", "gaps"):
        assert [each[name] for each in documents] == [row[name] for row in rows]


def fork_servers() -> list[int]:
    """Processes of this one that children are forks of."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            words = (folder / "cmdline").read_text().split("\0")
        except OSError:
            continue
        if parent == os.getpid() and "marketprism_services.backtest.child_server" in words:
            found.append(int(folder.name))
    return found
