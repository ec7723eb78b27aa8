"""A gateway and a query service over a ClickHouse server that holds what the documents' examples ask for."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from marketprism_adapters.calendars import chinese_calendar_of_markets
from marketprism_adapters.clickhouse.server import ClickHouseEngine
from marketprism_adapters.nats import streams
from marketprism_adapters.nats.local_server import EmbeddedOptions, EmbeddedServer, choose_port
from marketprism_application.contracts.kinds import BAR, INSTRUMENT, KINDS, TICK, DataKind
from marketprism_application.ports.storage import StreamPlace, StreamRange
from marketprism_application.queries.derived_bars import ReadRules
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_services.api.endpoint import Endpoint
from marketprism_services.api.service import ApiService
from marketprism_services.query.service import QueryService
from marketprism_services.settings.api import ApiSettings
from marketprism_services.wiring.store import ServerEngines
from tests.contract.test_codec import SAMPLES
from tests.fakes.ticks import at, book, tick
from tests.support.empty_stores import empty_store

OPENED = at("2018-10-09 09:00:00")
MINUTE = 60 * 10**9
INTERVALS = ("1m", "5m", "1d")
SYMBOL = "ru1901"


def _bar(number: int, interval: str) -> Any:
    minutes = {"1m": 1, "5m": 5, "1d": 1_440}[interval]
    opened = OPENED + minutes * number * MINUTE
    return SAMPLES["bar"]._replace(
        venue="shfe",
        symbol=SYMBOL,
        interval=interval,
        ts_open=opened,
        ts_close=opened + minutes * MINUTE,
        ts_event=opened + minutes * MINUTE,
        seq=number,
        trading_day=str(20181009 + number if interval == "1d" else 20181009),
        revision=0,
    )


async def _fill(url: str) -> None:
    """A little of each kind, of the instrument that the examples name."""
    engine = await ClickHouseEngine.open(url)
    store = await empty_store(engine)
    ticks = [
        tick(OPENED + n * 10**9, f"{12_000 + n % 7}.5", n + 1, **book(11_999, 12_001))._replace(
            symbol=SYMBOL, seq=n + 1, trading_day="20181009"
        )
        for n in range(30)
    ]
    terms = SAMPLES["instrument"]._replace(
        venue="shfe", symbol=SYMBOL, product="ru", class_="future", multiplier=Decimal(10)
    )
    groups: list[tuple[DataKind, list[Any]]] = [
        (TICK, ticks),
        *((BAR, [_bar(n, interval) for n in range(4)]) for interval in INTERVALS),
        (INSTRUMENT, [terms]),
        *(
            (kind, [SAMPLES[kind.name]._replace(venue="shfe", symbol=SYMBOL)])
            for kind in KINDS.values()
            if kind.path and kind not in (TICK, BAR)
        ),
    ]
    for number, (kind, rows) in enumerate(groups):
        covered = StreamRange(kind.stream, str(number), 1, len(rows))
        await store.insert(kind, rows, [StreamPlace(n + 1, 0) for n in range(len(rows))], covered, 1)
    await engine.close()


class DescribedApi:
    """The gateway's address, and what it serves."""

    def __init__(self, url: str, folder: Path) -> None:
        self._url, self._folder = url, folder
        self._state: queue.Queue[BaseException | None] = queue.Queue()
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self.base = ""
        self.endpoints: list[Endpoint] = []
        self._thread = threading.Thread(target=self._run, name="described-api")

    def start(self) -> None:
        self._thread.start()
        failure = self._state.get(timeout=60)
        if failure is not None:
            raise failure

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
        except BaseException as error:
            self._state.put(error)
            raise
        finally:
            self._loop.close()

    async def _serve(self) -> None:
        await _fill(self._url)
        server = await EmbeddedServer.start(EmbeddedOptions(self._folder / "nats", port=choose_port(0)))
        connection = await NatsConnection.open(server.url, name="described-api")
        await streams.ensure_streams(connection)
        rules = ReadRules(chinese_calendar_of_markets(), INTERVALS)
        query = QueryService(connection, rules, ServerEngines(self._url))
        limits = ApiSettings(auth="off", per_second=100_000, access_log="off")
        service = ApiService(connection, INTERVALS, limits, version="1.2.3")
        running = []
        for each in (query, service):
            running.append(asyncio.create_task(each.run(self._stop)))
            async with asyncio.timeout(30):
                while not each.http.ready:
                    assert not running[-1].done(), running[-1]
                    await asyncio.sleep(0.02)
        self.base = f"http://127.0.0.1:{service.http.port}"
        self.endpoints = service.endpoints()
        self._state.put(None)
        await self._stop.wait()
        await asyncio.gather(*running)
        await connection.close()
        await server.stop()


@pytest.fixture(scope="module")
def described_api(clickhouse_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DescribedApi]:
    """Runs beside the tests, which ask it as anybody does."""
    api = DescribedApi(clickhouse_url, tmp_path_factory.mktemp("described"))
    api.start()
    yield api
    api.stop()
