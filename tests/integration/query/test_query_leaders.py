"""Queries while a second storage stands by, and while the one that has the store open changes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from marketprism_adapters.nats import streams
from marketprism_adapters.nats.local_server import EmbeddedOptions, EmbeddedServer, choose_port
from marketprism_application.contracts.questions import LatestBars, Names, Symbols, decode_answer, encode_question
from marketprism_application.queries.derived_bars import ReadRules
from marketprism_application.storage.writer import WriterSettings
from marketprism_client import MarketClient, QueryFailed
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_sdk.errors import NotActive
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.service import Service
from marketprism_services.query.service import QueryService
from marketprism_services.storage.service import StorageService
from marketprism_services.wiring.store import EmbeddedEngines


class StreamPlace:
    """Services of one NATS; `start` returns when one is ready."""

    def __init__(self, url: str, connection: NatsConnection) -> None:
        self.url = url
        self.connection = connection
        self.running: dict[Service, tuple[asyncio.Event, asyncio.Task[int]]] = {}

    async def start(self, service: Service) -> None:
        stop = asyncio.Event()
        self.running[service] = (stop, asyncio.create_task(service.run(stop)))
        async with asyncio.timeout(60):
            while not service.http.ready:
                assert not self.running[service][1].done()
                await asyncio.sleep(0.02)

    async def stop(self, service: Service) -> int:
        stop, task = self.running.pop(service)
        stop.set()
        return await task


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[StreamPlace]:
    server = await EmbeddedServer.start(EmbeddedOptions(tmp_path / "nats", port=choose_port(0)))
    connection = await NatsConnection.open(server.url, name="leaders-test")
    made = StreamPlace(server.url, connection)
    yield made
    codes = [await made.stop(service) for service in reversed(list(made.running))]
    assert set(codes) <= {0}
    await connection.close()
    await server.stop()


def storage(place: StreamPlace, folder: Path) -> StorageService:
    return StorageService(place.connection, EmbeddedEngines(folder), WriterSettings())


async def test_queries_go_to_the_storage_that_leads_and_survive_its_change(
    place: StreamPlace, tmp_path: Path, calendar: MarketCalendar, eventually: Callable[..., object]
) -> None:
    one, two = storage(place, tmp_path / "chdb"), storage(place, tmp_path / "chdb")
    await place.start(one)
    await eventually(one.election.is_active, 60)
    await place.start(two)
    query = QueryService(place.connection, ReadRules(calendar, ("1m",)))
    await place.start(query)
    async with MarketClient(place.url) as market:
        for _ in range(40):
            assert (await market.symbols()).num_rows == 0
        # Whoever asks storage itself, and not the leader by name, is sent on by the standby.
        question = encode_question(Symbols())
        for _ in range(20):
            assert decode_answer(await query.calls.call_raw("storage", "arrow", question)).num_rows == 0
        with pytest.raises(NotActive, match=one.instance):
            await query.calls.call_raw("storage", "arrow", question, instance=two.instance)
        asking = [asyncio.create_task(_ask_until(market, two.election.is_active)) for _ in range(8)]
        await asyncio.sleep(0.1)
        await place.stop(one)
        assert all(asked > 0 for asked in await asyncio.gather(*asking))
        for _ in range(10):
            assert (await market.symbols()).num_rows == 0


async def _ask_until(market: MarketClient, over: Callable[[], bool]) -> int:
    asked = 0
    while not over():
        assert (await market.symbols()).num_rows == 0
        asked += 1
    return asked


async def test_without_anybody_who_leads_a_question_is_unavailable(
    place: StreamPlace, calendar: MarketCalendar
) -> None:
    await place.start(QueryService(place.connection, ReadRules(calendar, ("1m",))))
    async with MarketClient(place.url, timeout_s=1.0) as market:
        with pytest.raises(QueryFailed, match=r"storage: nobody answers on rpc\.storage\.arrow") as caught:
            await market.symbols()
    assert caught.value.code == "UNAVAILABLE"


async def test_the_newest_of_what_nobody_knows_does_not_wait_for_a_silent_store(
    place: StreamPlace, calendar: MarketCalendar
) -> None:
    await streams.ensure_streams(place.connection)
    asked: list[object] = []
    await place.connection.subscribe("rpc.storage.arrow", asked.append)
    query = QueryService(place.connection, ReadRules(calendar, ("1m",)))
    await place.start(query)
    waiting = asyncio.create_task(
        query.arrow(encode_question(Names()))
    )  # waits as long as a question about history may
    found = await asyncio.gather(*[query.latest_tick(f"NOSUCH{n}") for n in range(10)])
    assert found == [None] * 10
    assert await query.latest_bars(LatestBars("NOSUCH", "1m")) == []
    assert not waiting.done()
    assert len(asked) == 1
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_the_interval_of_live_bars_is_looked_at(place: StreamPlace) -> None:
    async with MarketClient(place.url) as market:
        for wrong in ("", "1x", "1m 0\r\nPUB x", "5m.>"):
            with pytest.raises(QueryFailed, match="interval") as caught:
                market.bars_live("rb2505", wrong)
            assert caught.value.code == "INVALID_PARAMETER"
        market.bars_live("rb2505", "*")
