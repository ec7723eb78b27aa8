"""The pipeline on three NATS nodes, every stream and bucket replicated."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from marketprism_adapters.nats import streams
from marketprism_adapters.nats.cluster import LocalCluster
from marketprism_adapters.sources import make_source, parse_source
from marketprism_application.contracts.codec import decode
from marketprism_application.contracts.kinds import BAR
from marketprism_application.export import bars_csv
from marketprism_application.rebuild import rebuild
from marketprism_domain.calendar import MarketCalendar
from marketprism_domain.marketdata.bar import Bar
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import stream_info
from marketprism_sdk.nats.pull import PullConsumer
from marketprism_services.container import Container
from marketprism_services.settings import Settings

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
    services = [container.validator(), container.aggregator(), container.gateway()]
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
    expected = await rebuild(
        source.stream({}), calendar, bars=settings.bars.domain(), rules=settings.validation_rules()
    )
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


async def test_a_service_that_starts_while_a_stream_elects_its_leader_waits_for_it(cluster: LocalCluster) -> None:
    connection = await NatsConnection.open(cluster.url, name="test")
    try:
        await streams.ensure_streams(connection, 3)
        await cluster.wait_current(streams.DATA)
        await cluster.kill_node(await cluster.leader_of(streams.DATA))
        await streams.ensure_venue(connection, "binance", 3)
        assert "market.binance.>" in (await stream_info(connection, streams.DATA))["config"]["subjects"]
        consumer = PullConsumer(connection, streams.DATA, ["market.>"])
        await consumer.open()
        await consumer.close()
    finally:
        await connection.close()
