"""The pipeline on three NATS nodes, every stream and bucket replicated."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from marketprism_adapters.nats import streams
from marketprism_adapters.nats.local_cluster import LocalCluster
from marketprism_adapters.nats.stream_layout import StreamLayout
from marketprism_adapters.sources.registry import make_source, parse_source
from marketprism_application.contracts.codec import decode
from marketprism_application.contracts.kinds import BAR
from marketprism_application.queries.export import bars_csv
from marketprism_application.replay.rebuild import rebuild
from marketprism_domain.marketdata.bar import Bar
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_domain.ticks.rules import ValidationRules
from marketprism_sdk.errors import StreamMissing
from marketprism_sdk.messaging import send_command
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import api, stream_info
from marketprism_sdk.nats.pull import PullConsumer
from marketprism_sdk.service import Service
from marketprism_services.monitor.overview import overview
from marketprism_services.platform.container import Container
from marketprism_services.settings.settings import Settings

pytestmark = [pytest.mark.timeout(240), pytest.mark.xdist_group("cluster")]

SOURCE = "sim:rate=1,days=1,instruments=rb2505"


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[LocalCluster]:
    nodes = await LocalCluster.start(tmp_path / "nats")
    yield nodes
    await nodes.stop()


async def test_the_bars_of_three_nodes_are_those_of_one(
    tmp_path: Path, cluster: LocalCluster, calendar: MarketCalendar
) -> None:
    connection = await NatsConnection.open(cluster.url, name="test")
    settings = Settings.model_validate(
        {
            "data_dir": str(tmp_path / "data"),
            "nats": {"url": cluster.url, "replicas": 3},
            "http": {"storage": 0, "query": 0, "monitor": 0},
            "source": {"spec": SOURCE},
            "bars": {"intervals": ["1m", "1d"]},
        }
    )
    container = Container(settings=settings, connection=connection)
    stop = asyncio.Event()
    services = [container.service("validator"), container.service("aggregator"), container.service("gateway")]
    running = [asyncio.create_task(service.run(stop)) for service in services]
    try:
        found, wanted = await _compare(connection, settings, calendar, running)
    finally:
        stop.set()
        codes = await asyncio.gather(*running, return_exceptions=True)
        await connection.close()
    assert codes == [0] * len(running)
    assert max(Counter((b.symbol, b.interval, b.ts_open, b.revision) for b in found).values()) == 1
    bars = {(bar.symbol, bar.interval, bar.ts_open): bar for bar in found}
    assert bars.keys() == wanted.keys()
    for key, bar in wanted.items():
        assert bars_csv([bars[key]]) == bars_csv([bar])


async def _compare(
    connection: NatsConnection, settings: Settings, calendar: MarketCalendar, running: list[asyncio.Task[int]]
) -> tuple[list[Bar], dict[tuple[str, str, int], Bar]]:
    """The bars of the stream when there are as many as the offline rebuild has, and those."""
    source = make_source(parse_source(SOURCE), calendar, speed=None)
    await source.connect()
    expected = await rebuild(source.stream({}), calendar, bars=settings.bars, rules=ValidationRules.of(settings.rules))
    wanted = {(bar.symbol, bar.interval, bar.ts_open): bar for bar in expected.bars}
    found: list[Bar] = []
    async with asyncio.timeout(150):
        while len({(bar.symbol, bar.interval, bar.ts_open) for bar in found}) < len(wanted):
            await asyncio.sleep(0.5)
            for task in running:
                assert not task.done(), f"a service ended: {task.exception() or task.result()!r}"
            if await _has(connection, streams.BARS):
                found = await _bars(connection)
    assert [replica["name"] for replica in (await stream_info(connection, streams.RAW))["cluster"]["replicas"]]
    return found, wanted


async def _has(connection: NatsConnection, stream: str) -> bool:
    message = await connection.request("$JS.API.STREAM.NAMES", b"", timeout_s=5)
    return stream in (msgspec.json.decode(message.data).get("streams") or [])


async def _bars(connection: NatsConnection) -> list[Bar]:
    consumer = PullConsumer(connection, streams.BARS, ["market.bar.>"], batch=1_000)
    await consumer.open()
    bars: list[Bar] = []
    while messages := await consumer.fetch(10_000, 1.0):
        bars += [decode(BAR, message.data) for message in messages]
    await consumer.close()
    return bars


@pytest.mark.long
async def test_a_service_that_starts_while_a_stream_elects_its_leader_waits_for_it(cluster: LocalCluster) -> None:
    connection = await NatsConnection.open(cluster.url, name="test")
    try:
        await streams.ensure_streams(connection, StreamLayout(replicas=3))
        await cluster.wait_current(streams.DATA)
        await cluster.kill_node(await cluster.leader_of(streams.DATA))
        await streams.ensure_venue(connection, "binance", StreamLayout(replicas=3))
        assert "market.binance.>" in (await stream_info(connection, streams.DATA))["config"]["subjects"]
        consumer = PullConsumer(connection, streams.DATA, ["market.>"])
        await consumer.open()
        await consumer.close()
    finally:
        await connection.close()


async def _replicas(connection: NatsConnection) -> dict[str, int]:
    found = (await api(connection, "STREAM.LIST")).get("streams") or []
    return {info["config"]["name"]: info["config"]["num_replicas"] for info in found}


def _settings(cluster: LocalCluster, tmp_path: Path, replicas: int | None) -> Settings:
    nats: dict[str, object] = {"url": cluster.url, **({"replicas": replicas} if replicas else {})}
    return Settings.model_validate(
        {
            "data_dir": str(tmp_path / "data"),
            "nats": nats,
            "http": {"storage": 0, "query": 0, "monitor": 0},
            "source": {"spec": SOURCE},
        }
    )


_STARTED = ("gateway", "validator", "aggregator")


@pytest.mark.long
async def test_who_only_looks_makes_nothing_and_nobody_lowers_replicas(tmp_path: Path, cluster: LocalCluster) -> None:
    connection = await NatsConnection.open(cluster.url, name="test")
    stop = asyncio.Event()
    running: list[asyncio.Task[int]] = []

    async def start(*services: Service) -> None:
        for service in services:
            running.append(asyncio.create_task(service.run(stop)))
            async with asyncio.timeout(60):
                while not service.http.ready:
                    assert not running[-1].done(), running[-1].exception() or running[-1].result()
                    await asyncio.sleep(0.1)

    careless = Container(settings=_settings(cluster, tmp_path, None), connection=connection)
    careful = Container(settings=_settings(cluster, tmp_path, 3), connection=connection)
    try:
        # Nothing is there yet: readers make nothing, and say so.
        assert (await overview(connection)).instances == []
        with pytest.raises(StreamMissing, match="there is none"):
            await send_command(connection, "gateway", "InitializeGateway", {}, issuer="operator")
        assert await _replicas(connection) == {}
        await start(*(careful.service(name) for name in _STARTED))
        before = await _replicas(connection)
        assert set(before) >= {*streams.MARKET_STREAMS, "COMMANDS", "COMMANDS_DLQ", "KV_service_instances"}
        assert set(before.values()) == {3}
        async with asyncio.timeout(60):  # a record that a busy machine let expire comes back with the next heartbeat
            while {record.service for record in (await overview(connection)).instances} != set(_STARTED):
                await asyncio.sleep(0.2)
        await send_command(connection, "gateway", "InitializeGateway", {"gateway": "default"}, issuer="operator")
        assert await _replicas(connection) == before
        await start(careless.service("monitor"), careless.service("query"), careless.service("validator"))
        after = await _replicas(connection)
        assert {name: after[name] for name in before} == before
    finally:
        stop.set()
        await asyncio.gather(*running, return_exceptions=True)
        await connection.close()


async def test_replicas_are_raised(cluster: LocalCluster) -> None:
    connection = await NatsConnection.open(cluster.url, name="test")
    try:
        await streams.ensure_streams(connection)
        assert set((await _replicas(connection)).values()) == {1}
        await streams.ensure_streams(connection, StreamLayout(replicas=3))
        assert set((await _replicas(connection)).values()) == {3}
    finally:
        await connection.close()
