"""Two gateways of a venue as processes, the leader killed, every stream on three nodes."""

from __future__ import annotations

import asyncio
import signal
import subprocess
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from marketprism_adapters.nats import streams
from marketprism_adapters.nats.local_cluster import LocalCluster
from marketprism_application.contracts.codec import decode
from marketprism_application.contracts.kinds import GAP, ORDERBOOK, TRADE
from marketprism_application.contracts.packed import decode_packed
from marketprism_domain.marketdata.orderbook import SNAPSHOT, UPDATE
from marketprism_domain.marketdata.tick import Tick
from marketprism_sdk.errors import StreamError
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import StoredMessage, stream_info
from marketprism_sdk.nats.pull import PullConsumer
from tests.e2e.program import ENVIRONMENT, PROGRAM
from tests.e2e.simulated_venue import simulated

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240), pytest.mark.xdist_group("e2e")]


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[LocalCluster]:
    nodes = await LocalCluster.start(tmp_path / "nats")
    yield nodes
    await nodes.stop()


@pytest.mark.long
async def test_what_two_leaders_of_a_venue_published_is_in_the_stream_once(
    tmp_path: Path, cluster: LocalCluster
) -> None:
    """Every trade once and in order, also those that happened while nobody led; books in chains that a snapshot begins
    again at the takeover, with a gap before it."""
    connection = await NatsConnection.open(cluster.url, name="test")
    processes: list[subprocess.Popen[bytes]] = []
    try:
        with simulated("binance-usdm") as server:
            source = f"binance-usdm:BTC-USDT-PERP+ETH-USDT-PERP,url=127.0.0.1:{server.port}"
            processes.append(_service("validator", cluster.url, tmp_path / "validator"))
            for number in range(2):
                processes.append(_service("gateway", cluster.url, tmp_path / f"gateway-{number}", "--source", source))
                if not number:
                    await _until(connection, lambda found: _epochs(found)[1] > 100)
            await asyncio.sleep(3)  # the second one stands by
            processes[1].kill()
            await asyncio.sleep(2)  # the venue trades on: what the other one is not connected for yet is fetched
            found = await _until(connection, lambda found: _epochs(found)[2] > 300)
            ticks = await _ticks(connection, max(each.seq for each in _trades(found, "BTC-USDT-PERP")))
        assert processes[2].poll() is None
        gaps = await _gaps(connection)
    finally:
        for process in processes:
            process.send_signal(signal.SIGTERM)
            process.wait(30)
        await connection.close()
    for symbol in ("BTC-USDT-PERP", "ETH-USDT-PERP"):
        trades = _trades(found, symbol)
        assert [trade.seq for trade in trades] == list(range(trades[0].seq, trades[0].seq + len(trades)))
        told = [tick.source_seq for tick in ticks if tick.symbol == symbol and tick.traded]
        assert told == list(range(told[0], told[0] + len(told)))
        assert told[0] == trades[0].seq
        # Nobody read it before: the day's first hours are missing. Of the takeover only the book's steps are.
        causes = Counter((gap.kind, gap.cause) for gap in gaps if gap.symbol == symbol and gap.cause != "joined")
        assert causes.pop((ORDERBOOK.name, "sequence")) == 1
        # Kinds without numbers: nobody knows whether any came while nobody read.
        assert {cause for _, cause in causes} == {"interrupted"}
        assert not {TRADE.name, ORDERBOOK.name} & {kind for kind, _ in causes}
        steps = [decode(ORDERBOOK, e.data) for e in found if e.subject == f"market.binance.{symbol}.orderbook"]
        at: tuple[int, int] = (0, 0)  # epoch and id that the chain stands at
        for step in steps:
            if step.form == UPDATE:
                assert (step.epoch, step.prev_id) == at, "an update that follows neither a snapshot nor an update"
            else:
                assert step.form == SNAPSHOT
            at = (step.epoch, step.seq)


def _service(name: str, url: str, folder: Path, *more: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [*PROGRAM, "run", name, "--nats-url", url, "--data-dir", str(folder), *more],
        env={**ENVIRONMENT, "MARKETPRISM_NATS__REPLICAS": "3"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _trades(found: list[StoredMessage], symbol: str) -> list[Any]:
    return [decode(TRADE, each.data) for each in found if each.subject == f"market.binance.{symbol}.trade"]


async def _ticks(connection: NatsConnection, until: int) -> list[Tick]:
    """Validated ticks, at least up to a trade of BTC-USDT-PERP."""
    async with asyncio.timeout(30):
        consumer = PullConsumer(connection, streams.TICKS, ["market.packed.*"], batch=1_000)
        await consumer.open()
        found: list[Tick] = []
        while not any(tick.symbol == "BTC-USDT-PERP" and tick.traded and tick.source_seq >= until for tick in found):
            for message in await consumer.fetch(1_000, 0.5):
                found += decode_packed(message.data).ticks
        await consumer.close()
        return found


async def _gaps(connection: NatsConnection) -> list[Any]:
    consumer = PullConsumer(connection, streams.EVENTS, ["market.gap.>"], batch=1_000)
    await consumer.open()
    found = [decode(GAP, message.data) for message in await consumer.fetch(1_000, 1.0)]
    await consumer.close()
    return found


def _epochs(found: list[StoredMessage]) -> Counter[int]:
    """Messages by the epoch of the leader that wrote them."""
    return Counter(msgspec.msgpack.decode(each.data)["epoch"] for each in found)


async def _until(connection: NatsConnection, enough: Callable[[list[StoredMessage]], bool]) -> list[StoredMessage]:
    """The stream from its beginning, read until there is enough of it."""
    async with asyncio.timeout(60):
        while not await _is_there(connection):
            await asyncio.sleep(0.2)
        consumer = PullConsumer(connection, streams.DATA, ["market.>"], batch=1_000)
        await consumer.open()
        found: list[StoredMessage] = []
        while not enough(found):
            found += await consumer.fetch(1_000, 0.5)
        await consumer.close()
        return found


async def _is_there(connection: NatsConnection) -> bool:
    try:
        await stream_info(connection, streams.DATA)
    except StreamError:
        return False
    return True
