"""The notifier where a replica that is behind answers it, or a receipt is lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from nats.aio.msg import Msg

from marketprism_adapters.nats import streams
from marketprism_adapters.nats.alert_store import ALERTS, DEAD_MANS_SWITCH, SENT, AlertStore, SentLog
from marketprism_adapters.nats.event_publisher import EventPublisher
from marketprism_adapters.nats.local_server import EmbeddedOptions, EmbeddedServer
from marketprism_adapters.nats.stream_layout import StreamLayout
from marketprism_application.contracts.alert_records import Alert, AlertRecord, Severity
from marketprism_application.notifications.dispatcher import Dispatcher
from marketprism_application.notifications.policy import DeliveryPolicy
from marketprism_domain.events.pipeline import PipelineRecovered, PipelineStalled
from marketprism_sdk.errors import DeadlineExceeded
from marketprism_sdk.observability import Metrics
from marketprism_services.notifier.event_reader import EventReader
from marketprism_services.notifier.sender import SILENT, Sender
from tests.support.behind import Behind

pytestmark = pytest.mark.timeout(60)


class Losing(Behind):
    """Loses the next receipt of a write to a bucket that is `deaf`: it was taken."""

    deaf = ""

    async def request(self, subject: str, payload: bytes, **options: Any) -> Msg:
        """As the connection."""
        answer = await super().request(subject, payload, **options)
        if self.deaf and subject.startswith(f"$KV.{self.deaf}."):
            self.deaf = ""
            raise DeadlineExceeded("no answer")
        return answer


@pytest.fixture
async def connection(tmp_path: Path) -> AsyncIterator[Losing]:
    server = await EmbeddedServer.start(EmbeddedOptions(tmp_path, port=0))
    found = await Losing.open(server.url, name="test")
    assert isinstance(found, Losing)
    yield found
    await found.close()
    await server.stop()


async def until(store: AlertStore, found: int, open_ones: int, on: Losing) -> list[AlertRecord]:
    """The alerts that are known by now, once there are so many."""
    on.ends.clear()
    async with asyncio.timeout(20):
        while True:
            records = await store.all_latest()
            if (len(records), sum(record.is_open for record in records)) == (found, open_ones):
                return records
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("before", ["nobody", "the leader before"])
async def test_a_notice_whose_claim_has_lost_its_receipt_is_the_claimers_own(connection: Losing, before: str) -> None:
    log = await SentLog.open(connection)
    await log.save_position(1)
    if before != "nobody":
        assert await log.claim("page", "chat", 6)
    connection.ends[f"KV_{SENT}"] = 1
    connection.deaf = SENT
    with pytest.raises(DeadlineExceeded):
        await log.claim("page", "chat", 7)
    assert await log.claim("page", "chat", 7)
    assert not await log.claim("page", "chat", 5)
    await log.mark("page", "chat", 7)
    assert not await log.claim("page", "chat", 7)
    assert not await log.claim("page", "chat", 8)


async def test_events_are_read_on_from_a_position_that_a_replica_lacks(connection: Losing) -> None:
    log = await SentLog.open(connection)
    await log.claim("page", "chat", 1)
    connection.ends[f"KV_{SENT}"] = 1
    assert await log.position() == 0
    await log.save_position(17)
    assert await log.position() == 17


async def test_an_alert_is_acknowledged_that_a_replica_lacks(connection: Losing) -> None:
    store = await AlertStore.open(connection)
    await store.report(Alert("f-1", "First", Severity.PAGE, 1))
    connection.ends[f"KV_{ALERTS}"] = 1
    second = Alert("f-2", "Second", Severity.PAGE, 1)
    await store.report(second)
    taken = await store.acknowledge(second.id, "ann")
    assert taken is not None
    assert taken.acknowledged_by == "ann"
    assert await store.acknowledge("0" * 24, "ann") is None


async def test_prometheus_is_not_silent_because_a_replica_lacks_its_beats(connection: Losing) -> None:
    store, sent = await AlertStore.open(connection), await SentLog.open(connection)
    dispatcher = Dispatcher(DeliveryPolicy(), {})
    sender = Sender(dispatcher, {}, store, sent, Metrics("notifier"), epoch=1, deadman_s=2.0)
    other, beat = Alert("f-1", "First", Severity.INFO, 1), Alert("f-2", DEAD_MANS_SWITCH, Severity.INFO, 1)
    await store.report(other)
    connection.ends[f"KV_{ALERTS}"] = 1
    sending = asyncio.create_task(sender.run())
    for _ in range(35):
        await store.beat(beat)
        await asyncio.sleep(0.1)
    assert [record.alert.name for record in await until(store, 1, 1, connection)] == ["First"]
    found = await until(store, 2, 2, connection)  # and now it is
    assert {record.alert.name for record in found} == {"First", SILENT}
    sending.cancel()


async def test_the_end_of_an_event_ends_its_beginning_though_a_replica_lacks_that(connection: Losing) -> None:
    await streams.ensure_one(connection, streams.EVENTS, StreamLayout())
    store, sent = await AlertStore.open(connection), await SentLog.open(connection)
    publisher = EventPublisher(connection, "monitor")
    await store.report(Alert("f-other", "Other", Severity.INFO, 1))
    reading = asyncio.create_task(EventReader(connection, store, sent).run())
    async with asyncio.timeout(20):
        while not await sent.position():
            await asyncio.sleep(0.02)
    stalled = PipelineStalled("standing", "validator", "3", 17, "", "17 messages stand")
    await publisher.publish_soon([stalled])
    await until(store, 2, 2, connection)
    connection.ends[f"KV_{ALERTS}"] = 1
    before = connection.late
    await publisher.publish_soon([stalled])
    await publisher.publish_soon([PipelineRecovered("standing", "validator", "3")])
    async with asyncio.timeout(20):
        while connection.late == before:
            await asyncio.sleep(0.02)
    await asyncio.sleep(0.2)
    await until(store, 2, 1, connection)
    reading.cancel()
    await publisher.close()
