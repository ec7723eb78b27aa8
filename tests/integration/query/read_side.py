"""A query service over a ClickHouse server that holds a known little market, and the gateway that it is asked by."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from typing import Any, NamedTuple

import aiohttp
import msgspec
import pytest

from marketprism_adapters.clickhouse.server import ClickHouseEngine
from marketprism_adapters.clickhouse.store import SqlStore
from marketprism_adapters.nats import streams
from marketprism_adapters.nats.local_server import EmbeddedOptions, EmbeddedServer, choose_port
from marketprism_application.contracts.kinds import BAR, INSTRUMENT, TICK
from marketprism_application.ports.storage import EncodedRows, StreamPlace, StreamRange
from marketprism_application.queries.derived_bars import ReadRules
from marketprism_domain.marketdata.bar import Bar
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_services.api.door import Authenticate
from marketprism_services.api.service import ApiService
from marketprism_services.query.service import QueryService
from marketprism_services.settings.api import ApiSettings
from marketprism_services.wiring.store import ServerEngines
from tests.contract.test_codec import SAMPLES
from tests.fakes.ticks import at, book, tick
from tests.support.empty_stores import empty_store

OPENED = at("2025-03-03 09:00:00")
MINUTE = 60 * 10**9
COUNT = 25_000
INTERVALS = ("1m", "5m", "1d")


def bar(minute: int, close: str = "1.5", revision: int = 0, symbol: str = "rb2505") -> Bar:
    made: Bar = SAMPLES["bar"]._replace(
        venue="shfe",
        symbol=symbol,
        interval="1m",
        ts_open=OPENED + minute * MINUTE,
        ts_close=OPENED + (minute + 1) * MINUTE,
        ts_event=OPENED + (minute + 1) * MINUTE,
        seq=minute,
        ticks=3,
        open=Decimal(1),
        high=max(Decimal(2), Decimal(close)),
        low=min(Decimal(1), Decimal(close)),
        close=Decimal(close),
        volume=Decimal(10),
        turnover=Decimal(150),
        revision=revision,
        gap=False,
        trading_day="20250303",
    )
    return made


async def fill(store: SqlStore) -> None:
    """Many ticks, ten bars, terms."""
    await store.migrate()
    ticks = [
        tick(OPENED + n * 10**7, f"{3000 + n % 7}.5", n + 1, **book(2999, 3001))._replace(seq=n + 1)
        for n in range(COUNT)
    ]
    rows = [msgspec.msgpack.encode(row) for row in ticks]
    await store.insert_encoded(TICK, [EncodedRows(1, rows)], StreamRange("T", "x", 1, 1), 1)
    for number, symbol in enumerate(("rb2505", "rb2510")):
        bars = [bar(n, symbol=symbol) for n in range(10)]
        places = [StreamPlace(1 + n, 0) for n in range(10)]
        await store.insert(BAR, bars, places, StreamRange("B", f"x{number}", 1, 10), 1)
    terms = [
        SAMPLES["instrument"]._replace(
            venue="shfe", symbol=symbol, product="rb", class_="future", multiplier=Decimal(10), ts_event=day, seq=day
        )
        for symbol, day in (("rb2505", 1), ("rb2505", 2), ("rb2510", 1))
    ]
    await store.insert(INSTRUMENT, terms, [StreamPlace(n, 0) for n in range(3)], StreamRange("I", "x", 1, 3), 1)


class Api(NamedTuple):
    base: str
    session: aiohttp.ClientSession
    nats: NatsConnection
    url: str
    service: ApiService
    query: QueryService

    async def get(self, path: str, **headers: str) -> tuple[int, Any]:
        async with self.session.get(f"{self.base}/api/v1/{path}", headers=headers) as answer:
            return answer.status, await answer.json()

    async def rows(self, path: str) -> list[dict[str, Any]]:
        status, body = await self.get(path)
        assert status == 200, body
        assert body["success"]
        found: list[dict[str, Any]] = body["data"]
        return found


@pytest.fixture(scope="module")
def filled(clickhouse_url: str) -> str:
    async def go() -> None:
        engine = await ClickHouseEngine.open(clickhouse_url)
        await fill(await empty_store(engine))
        await engine.close()

    asyncio.run(go())
    return clickhouse_url


Serve = Callable[..., Any]


@pytest.fixture
async def serve(filled: str, tmp_path: Any, calendar: MarketCalendar) -> AsyncIterator[Serve]:
    server = await EmbeddedServer.start(EmbeddedOptions(tmp_path / "nats", port=choose_port(0)))
    connection = await NatsConnection.open(server.url, name="api-test")
    await streams.ensure_streams(connection)  # as the services that write do
    session, stop = aiohttp.ClientSession(), asyncio.Event()
    running: list[asyncio.Task[int]] = []

    async def start(
        limits: ApiSettings | None = None,
        engine: dict[str, str] | None = None,
        authenticate: Authenticate | None = None,
    ) -> Api:
        query = QueryService(connection, ReadRules(calendar, INTERVALS), ServerEngines(filled, engine))
        service = ApiService(connection, INTERVALS, limits, authenticate=authenticate)
        running.append(asyncio.create_task(query.run(stop)))
        async with asyncio.timeout(20):
            while not (query.http.ready and query._tail.is_live()):
                assert not running[-1].done(), running[-1]
                await asyncio.sleep(0.02)
            running.append(asyncio.create_task(service.run(stop)))
            while not service.http.ready:
                assert not running[-1].done(), running[-1]
                await asyncio.sleep(0.02)
        return Api(f"http://127.0.0.1:{service.http.port}", session, connection, server.url, service, query)

    yield start
    stop.set()
    assert await asyncio.gather(*running) == [0] * len(running)
    await session.close()
    await connection.close()
    await server.stop()
