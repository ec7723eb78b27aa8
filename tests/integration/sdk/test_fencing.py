"""The races themselves, forced: two leaders, two owners, writes that arrive late. One server, and three (R3)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from nats.aio.msg import Msg

from marketprism_adapters.nats.local_cluster import LocalCluster
from marketprism_sdk.election import Election, LeaseRecord, LeaseSettings, decode_lease
from marketprism_sdk.errors import DeadlineExceeded, Fenced, NotActive, RevisionConflict, SdkError
from marketprism_sdk.nats.api_errors import WRONG_LAST_SEQUENCE
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import api, ensure_stream, leader_get_last, publish_ack
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.nats.prober import NatsProber
from marketprism_sdk.streams import Fence, FencedPublisher, Stage, raise_fence
from marketprism_sdk.testing import FaultyProxy
from tests.integration.sdk.stage_process import Sums, settings
from tests.integration.sdk.test_nats import messages_of

pytestmark = pytest.mark.xdist_group("fencing")


class StreamPlace:
    """A connection and how many replicas its streams have."""

    def __init__(self, connection: NatsConnection, replicas: int) -> None:
        self.connection = connection
        self.replicas = replicas

    async def stream(self, name: str, subjects: list[str]) -> None:
        config = {"name": name, "subjects": subjects, "storage": "file", "num_replicas": self.replicas}
        await ensure_stream(self.connection, {**config, "allow_direct": True, "allow_atomic": True})


@pytest.fixture(params=[1, 3], ids=["R1", "R3"])
async def place(request: pytest.FixtureRequest, nats_url: str, tmp_path: Path) -> AsyncIterator[StreamPlace]:
    replicas = request.param
    cluster = await LocalCluster.start(tmp_path) if replicas == 3 else None
    connection = await NatsConnection.open(cluster.url if cluster else nats_url, name="test")
    yield StreamPlace(connection, replicas)
    await connection.close()
    if cluster is not None:
        await cluster.stop()


async def test_of_two_leaders_that_write_at_once_only_the_later_epoch_is_taken(place: StreamPlace, unique: str) -> None:
    connection = place.connection
    await place.stream(unique, [f"{unique}.>"])
    refused: list[str] = []
    one = await raise_fence(connection, unique, f"{unique}.fence", "one", 1)
    old = FencedPublisher(connection, one, replicas=place.replicas, on_fenced=refused.append)
    await old.open()
    for number in range(500):
        await old.publish(f"{unique}.data", b"1-%d" % number)
    await old.flush()
    assert old.acknowledged == 500
    two = await raise_fence(connection, unique, f"{unique}.fence", "two", 2)
    new = FencedPublisher(connection, two, replicas=place.replicas, linger_s=0.001)
    await new.open()

    async def write_on(publisher: FencedPublisher, name: int) -> None:
        for number in range(500, 800):
            await publisher.publish(f"{unique}.data", b"%d-%d" % (name, number))
            if number % 10 == 0:
                await asyncio.sleep(0)
        await publisher.flush()

    first, second = await asyncio.gather(write_on(old, 1), write_on(new, 2), return_exceptions=True)
    assert isinstance(first, Fenced)
    assert second is None
    assert len(refused) >= 1
    expected = [b"1-%d" % n for n in range(500)] + [b"2-%d" % n for n in range(500, 800)]
    assert await messages_of(connection, unique, f"{unique}.data") == expected
    with pytest.raises(Fenced, match="expected a fence below epoch 1, was 2 of two") as caught:
        await raise_fence(connection, unique, f"{unique}.fence", "one", 1)
    assert caught.value.epoch == 2
    await old.close()
    await new.close()


async def test_a_holder_whose_write_of_the_fence_was_taken_unheard_goes_on_from_it(
    connection: NatsConnection, unique: str
) -> None:
    subjects, subject = [f"{unique}.>"], f"{unique}.fence"
    await ensure_stream(connection, {"name": unique, "subjects": subjects, "storage": "file", "allow_direct": True})
    unheard, again = (Fence(connection, unique, subject, "one", 1) for _ in range(2))
    # Both look before one of them has written: to the other, its own write was refused by one that it knows.
    await asyncio.gather(unheard.raise_it(), again.raise_it())
    assert unheard.seq == again.seq > 0
    assert [await fence.holds() for fence in (unheard, again)] == [True, True]
    await again.raise_it()  # what was written before and forgotten is refused from here on
    assert [await fence.holds() for fence in (unheard, again)] == [False, True]


async def test_of_two_owners_of_a_shard_that_commit_at_once_only_the_later_epoch_is_taken(
    place: StreamPlace, unique: str
) -> None:
    connection = place.connection
    await place.stream(f"{unique}-in", [f"{unique}.in.>"])
    await place.stream(f"{unique}-out", [f"{unique}.out.>", f"stage.{unique}.>"])
    await place.stream(f"{unique}-side", [f"{unique}.side"])
    lost: list[int] = []
    one = Stage(connection, settings(unique), lambda p, _: Sums(unique, p), "one", on_lost=lost.append)
    two = Stage(connection, settings(unique), lambda p, _: Sums(unique, p), "two")
    await one.own(0, 1)
    # Both believe; the second came by a claim that the first has not heard of.
    await two.own(0, 2)
    running = [asyncio.create_task(stage.run()) for stage in (one, two)]
    for number in range(300):
        await publish_ack(connection, f"{unique}.in.0", str(number).encode())
    total = sum(range(300))
    found: list[bytes] = []
    for _ in range(200):
        await asyncio.sleep(0.1)
        found = await messages_of(connection, f"{unique}-out", f"{unique}.out.0")
        if found and found[-1] == b"300 %d" % total and lost:
            break
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    assert lost == [0]
    expected = []
    for count in range(1, 301):
        expected += [b"%d %d" % (count, sum(range(count)))] * 2
    assert found == expected


async def test_a_fence_that_is_gone_refuses_everything(place: StreamPlace, unique: str) -> None:
    connection = place.connection
    await place.stream(unique, [f"{unique}.>"])
    fence = await raise_fence(connection, unique, f"{unique}.fence", "one", 1)
    publisher = FencedPublisher(connection, fence, replicas=place.replicas)
    await publisher.open()
    await publisher.publish(f"{unique}.data", b"1")
    await publisher.flush()
    await fence.refresh()
    assert await fence.holds()
    await api(connection, f"STREAM.PURGE.{unique}", {"filter": f"{unique}.fence"})
    second = FencedPublisher(connection, fence, replicas=place.replicas)
    await second.open()
    await second.publish(f"{unique}.data", b"2")
    with pytest.raises(SdkError):
        await second.flush()
    assert await messages_of(connection, unique, f"{unique}.data") == [b"1"]
    await publisher.close()
    await second.close()


class LedBefore(NatsConnection):
    """A connection on which a server that led the stream before answers first, once: it refuses what the leader takes,
    or never hears of."""

    subject = ""
    refusal: Mapping[str, object] = MappingProxyType({})
    takes = True

    async def request(self, subject: str, payload: bytes, **options: Any) -> Msg:
        """As the connection; the next answer to what is published there is a refusal."""
        if subject != self.subject:
            return await super().request(subject, payload, **options)
        self.subject = ""
        if not self.takes:
            subject, payload, options = "$JS.API.INFO", b"", {"timeout_s": 5.0}
        answer = await super().request(subject, payload, **options)
        answer.data = json.dumps({"error": dict(self.refusal)}).encode()
        return answer


BY_ITS_FENCE = {"code": 400, "err_code": WRONG_LAST_SEQUENCE, "description": "wrong last sequence: 3"}
UNDECIDED = {"code": 503, "err_code": 10008, "description": "JetStream system temporarily unavailable"}


@pytest.mark.parametrize("count", [1, 2], ids=["alone", "batch"])
@pytest.mark.parametrize("takes", [True, False], ids=["taken", "not taken"])
@pytest.mark.parametrize("refusal", [BY_ITS_FENCE, UNDECIDED], ids=["by its fence", "undecided"])
async def test_what_a_leader_of_before_refuses_stands_once_whether_it_was_taken_or_not(
    nats_url: str, unique: str, refusal: dict[str, object], takes: bool, count: int
) -> None:
    connection = await LedBefore.open(nats_url, name="test")
    assert isinstance(connection, LedBefore)
    await StreamPlace(connection, 1).stream(unique, [f"{unique}.>"])
    fence = await raise_fence(connection, unique, f"{unique}.fence", "one", 1)
    fenced: list[str] = []
    publisher = FencedPublisher(connection, fence, replicas=3, on_fenced=fenced.append)
    await publisher.open()
    await publisher.publish(f"{unique}.data", b"same")  # what stood there before is not what was refused
    await publisher.flush()
    connection.subject, connection.refusal, connection.takes = f"{unique}.data", refusal, takes
    for _ in range(count):
        await publisher.publish(f"{unique}.data", b"same")
    await publisher.flush()
    await publisher.publish(f"{unique}.data", b"last")
    await publisher.flush()
    assert not connection.subject
    assert fenced == []
    assert publisher.acknowledged == count + 2
    assert await messages_of(connection, unique, f"{unique}.data") == [b"same"] * (count + 1) + [b"last"]
    await publisher.close()
    await connection.close()


async def test_a_copy_of_what_was_refused_that_comes_late_is_refused(nats_url: str, unique: str) -> None:
    """It is still on its way while its publisher finds out that it was not taken, and sends it again."""
    connection = await LedBefore.open(nats_url, name="test")
    assert isinstance(connection, LedBefore)
    await StreamPlace(connection, 1).stream(unique, [f"{unique}.>"])
    fence = await raise_fence(connection, unique, f"{unique}.fence", "one", 1)
    publisher, under = FencedPublisher(connection, fence, replicas=3), fence.headers
    await publisher.open()
    connection.subject, connection.refusal, connection.takes = f"{unique}.data", UNDECIDED, False
    await publisher.publish(f"{unique}.data", b"1")
    await publisher.flush()
    with pytest.raises(Fenced):
        await publish_ack(connection, f"{unique}.data", b"1", under)
    assert await messages_of(connection, unique, f"{unique}.data") == [b"1"]
    await publisher.close()
    await connection.close()


class Losing(NatsConnection):
    """A connection on which the next question about a subject is lost on its way."""

    loses = ""

    async def request(self, subject: str, payload: bytes, **options: Any) -> Msg:
        """As the connection, but for that one."""
        if subject == self.loses:
            self.loses = ""
            raise DeadlineExceeded("no answer in time")
        return await super().request(subject, payload, **options)


async def test_a_fence_that_is_raised_again_is_a_new_one_though_its_first_write_was_lost(
    nats_url: str, unique: str
) -> None:
    connection = await Losing.open(nats_url, name="test")
    assert isinstance(connection, Losing)
    await StreamPlace(connection, 1).stream(unique, [f"{unique}.>"])
    subject = f"{unique}.fence"
    first = await raise_fence(connection, unique, subject, "one", 1)
    connection.loses = subject
    again = await raise_fence(connection, unique, subject, "one", 1)
    assert again.seq > first.seq
    with pytest.raises(Fenced):  # what was on its way under the first one
        await publish_ack(connection, f"{unique}.data", b"1", first.headers)
    await publish_ack(connection, f"{unique}.data", b"2", again.headers)
    await connection.close()


async def test_what_a_stream_knows_by_its_name_is_taken_once_and_the_rest_of_its_batch_with_it(
    place: StreamPlace, unique: str
) -> None:
    connection = place.connection
    await place.stream(unique, [f"{unique}.>"])
    for epoch, numbers in enumerate([range(100), range(60, 200), [*range(150, 180), 500, 3, 501]], 1):
        fence = await raise_fence(connection, unique, f"{unique}.fence", f"leader-{epoch}", epoch)
        publisher = FencedPublisher(connection, fence, replicas=place.replicas)
        await publisher.open()
        for number in numbers:
            await publisher.publish(f"{unique}.data", b"%d" % number, {"Nats-Msg-Id": f"trade-{number}"})
        await publisher.flush()
        await publisher.close()
    stored = [int(data) for data in await messages_of(connection, unique, f"{unique}.data")]
    assert stored == [*range(200), 500, 501]


async def test_a_leader_whose_lease_has_ended_does_not_write(connection: NatsConnection, unique: str) -> None:
    place = StreamPlace(connection, 1)
    await place.stream(unique, [f"{unique}.>"])
    fence = await raise_fence(connection, unique, f"{unique}.fence", "one", 1)
    publisher = FencedPublisher(connection, fence, leads=lambda: False)
    await publisher.open()
    with pytest.raises(NotActive):
        await publisher.publish(f"{unique}.data", b"1")
    await publisher.close()


async def test_a_renewal_buffered_on_the_way_arrives_late_and_is_refused(
    connection: NatsConnection, nats_url: str, unique: str
) -> None:
    proxy = FaultyProxy("127.0.0.1", int(nats_url.rsplit(":", 1)[1]))
    await proxy.start()
    behind = await NatsConnection.open(proxy.url)
    lease = LeaseSettings(lease_s=0.6, heartbeat_s=0.15, probe_timeout_s=0.1)
    kv = await NatsKeyValue.open(connection, unique)
    one = Election(
        await NatsKeyValue.open(behind, unique), "x", "one", settings=lease, prober=NatsProber(behind, unique, "one")
    )
    two = Election(kv, "x", "two", settings=lease, prober=NatsProber(connection, unique, "two"))
    first = asyncio.create_task(one.run())
    while not one.is_active():
        await asyncio.sleep(0.01)
    second = asyncio.create_task(two.run())
    await asyncio.sleep(0.4)
    held = decode_lease(await kv.get("x"))
    proxy.cut()
    while not two.is_active():
        await asyncio.sleep(0.01)
    assert not one.is_leader()  # its lease ended on its own clock, before the other began
    # What the old leader sends now lies in the proxy and is delivered when the other has led for a while.
    stale = asyncio.create_task(
        NatsKeyValue(behind, unique).update("x", b"", 1)  # as a renewal of a revision that is long gone
    )
    await asyncio.sleep(0.3)
    proxy.heal()
    with pytest.raises((RevisionConflict, SdkError)):
        await stale
    await asyncio.sleep(0.5)
    now = decode_lease(await kv.get("x"))
    assert held == LeaseRecord("one", 1, "held")
    assert now == LeaseRecord("two", 2, "held")
    assert one.leader() == "two"
    for task in (first, second):
        task.cancel()
    await asyncio.gather(first, second, return_exceptions=True)
    await behind.close()
    await proxy.stop()


async def test_the_leader_of_a_stream_is_asked_where_a_replica_may_lag(place: StreamPlace, unique: str) -> None:
    await place.stream(unique, [f"{unique}.>"])
    assert await leader_get_last(place.connection, unique, f"{unique}.x") is None
    ack = await publish_ack(place.connection, f"{unique}.x", b"\x00\xff")
    last = await leader_get_last(place.connection, unique, f"{unique}.x")
    assert last is not None
    assert (last.seq, last.data, last.subject) == (ack.seq, b"\x00\xff", f"{unique}.x")


async def test_a_fence_is_written_anew_while_messages_go_on(place: StreamPlace, unique: str) -> None:
    await place.stream(unique, [f"{unique}.>"])
    fence = await raise_fence(place.connection, unique, f"{unique}.fence", "one", 1)
    publisher = FencedPublisher(place.connection, fence, replicas=place.replicas, refresh_s=0.05)
    await publisher.open()
    first = (await leader_get_last(place.connection, unique, f"{unique}.fence")).seq  # type: ignore[union-attr]
    for number in range(400):
        await publisher.publish(f"{unique}.data", str(number).encode())
        if number % 20 == 0:
            await asyncio.sleep(0.02)
    await publisher.flush()
    last = (await leader_get_last(place.connection, unique, f"{unique}.fence")).seq  # type: ignore[union-attr]
    assert last > first
    assert await messages_of(place.connection, unique, f"{unique}.data") == [b"%d" % n for n in range(400)]
    await publisher.close()


async def test_the_state_of_an_idle_partition_is_written_anew(connection: NatsConnection, unique: str) -> None:
    place = StreamPlace(connection, 1)
    await place.stream(f"{unique}-in", [f"{unique}.in.>"])
    await place.stream(f"{unique}-out", [f"{unique}.out.>", f"stage.{unique}.>"])
    quick = replace(settings(unique), refresh_s=0.2, idle_commit_s=0.05)
    stage = Stage(connection, quick, lambda p, _: Sums(unique, p), "one")
    await stage.own(0, 1)
    running = asyncio.create_task(stage.run())
    await asyncio.sleep(1.0)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    subjects = await api(connection, f"STREAM.INFO.{unique}-out", {"subjects_filter": "stage.>"})
    counts = subjects["state"]["subjects"]
    assert counts[f"stage.{unique}.0.ck"] >= 3
    assert counts[f"stage.{unique}.0.snap.0"] >= 2
