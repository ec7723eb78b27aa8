"""KeyValue and MessageBus: one suite each over memory and real NATS."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import nats
import pytest
from nats.aio.msg import Msg

from marketprism_sdk.errors import DeadlineExceeded, KeyExists, NoResponders, RevisionConflict
from marketprism_sdk.messaging import BusMessage, MessageBus, NatsBus
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import publish_ack
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.ports import KeyValue, KvEntry
from marketprism_sdk.testing import MemoryBus, MemoryKeyValue
from tests.support.behind import behind


@pytest.fixture(params=["memory", "nats"])
async def kv(request: pytest.FixtureRequest, nats_url: str, unique: str) -> AsyncIterator[KeyValue]:
    if request.param == "memory":
        yield MemoryKeyValue()
        return
    connection = await NatsConnection.open(nats_url)
    yield await NatsKeyValue.open(connection, unique)
    await connection.close()


async def test_create_is_the_first_write_only(kv: KeyValue) -> None:
    revision = await kv.create("a.b", b"1")
    assert await kv.get("a.b") == KvEntry("a.b", b"1", revision)
    with pytest.raises(KeyExists):
        await kv.create("a.b", b"2")


async def test_update_needs_the_last_revision(kv: KeyValue) -> None:
    first = await kv.create("k", b"1")
    second = await kv.update("k", b"2", first)
    assert second > first
    with pytest.raises(RevisionConflict):
        await kv.update("k", b"3", first)
    assert (await kv.get("k")).value == b"2"  # type: ignore[union-attr]


async def test_a_deleted_key_is_gone_and_can_be_made_again(kv: KeyValue) -> None:
    await kv.put("k", b"1")
    await kv.delete("k")
    assert await kv.get("k") is None
    assert await kv.entries() == []
    await kv.create("k", b"2")
    assert (await kv.get("k")).value == b"2"  # type: ignore[union-attr]


async def test_the_latest_entry_is_that_of_a_key(kv: KeyValue) -> None:
    assert await kv.get_latest("k") is None
    revision = await kv.create("k", b"1")
    assert await kv.get_latest("k") == KvEntry("k", b"1", revision) == await kv.get("k")
    await kv.delete("k")
    assert await kv.get_latest("k") is None


class Lagging(NatsConnection):
    """A connection whose direct gets are answered by a replica that stays as it was when `frozen` was set."""

    frozen: dict[bytes, Msg] | None = None

    async def request(self, subject: str, payload: bytes, **options: Any) -> Msg:
        """As the connection, with late answers."""
        if self.frozen is None or ".DIRECT.GET." not in subject:
            return await super().request(subject, payload, **options)
        if payload not in self.frozen:
            self.frozen[payload] = await super().request(subject, payload, **options)
        return self.frozen[payload]


@pytest.mark.parametrize("before", ["an entry", "nothing"])
async def test_who_makes_a_key_is_refused_for_what_is_there_and_not_for_what_a_replica_still_says(
    before: str, nats_url: str, unique: str
) -> None:
    connection = await Lagging.open(nats_url)
    assert isinstance(connection, Lagging)
    kv = await NatsKeyValue.open(connection, unique)
    if before == "an entry":
        await kv.create("k", b"1")
    connection.frozen = {}
    await kv.get("k")
    if before == "an entry":
        await kv.delete("k")
    else:  # a deletion that is under way: its marker is there, and not yet taken out
        await publish_ack(connection, f"$KV.{unique}.k", b"", {"KV-Operation": "DEL"})
    revision = await kv.create("k", b"2")
    with pytest.raises(KeyExists, match="one is there"):
        await kv.create("k", b"3")
    connection.frozen = None
    assert await kv.get("k") == KvEntry("k", b"2", revision)
    await connection.close()


async def test_who_was_refused_a_write_reads_what_was_first_though_a_replica_lags(nats_url: str, unique: str) -> None:
    connection, other = await Lagging.open(nats_url), await NatsConnection.open(nats_url)
    assert isinstance(connection, Lagging)
    mine, theirs = await NatsKeyValue.open(connection, unique), await NatsKeyValue.open(other, unique)
    first = await mine.create("k", b"1")
    connection.frozen = {}
    assert await mine.get("k") == KvEntry("k", b"1", first)
    second = await theirs.update("k", b"2", first)
    with pytest.raises(RevisionConflict):
        await mine.update("k", b"3", first)
    assert await mine.get("k") == KvEntry("k", b"2", second)
    assert await mine.get("k") == KvEntry("k", b"1", first)  # any other read may be late
    await connection.close()
    await other.close()


async def test_the_latest_entry_is_read_where_a_replica_has_an_older_one_or_none(nats_url: str, unique: str) -> None:
    connection = await Lagging.open(nats_url)
    assert isinstance(connection, Lagging)
    kv = await NatsKeyValue.open(connection, unique)
    connection.frozen = {}
    assert await kv.get("k") is None
    revision = await kv.put("k", b"1")
    assert (await kv.get("k"), await kv.get_latest("k")) == (None, KvEntry("k", b"1", revision))
    await kv.delete("k")
    assert await kv.get_latest("k") is None
    await connection.close()


async def test_the_latest_entries_are_read_where_a_replica_lacks_some(nats_url: str, unique: str) -> None:
    connection = await behind(nats_url)
    kv = await NatsKeyValue.open(connection, unique)
    connection.ends[kv.stream] = await kv.put("a", b"1")
    revision = await kv.put("b", b"2")
    assert [e.key for e in await kv.entries()] == ["a"]
    asyncio.get_running_loop().call_later(0.3, connection.ends.clear)
    assert await kv.entries_latest("b") == [KvEntry("b", b"2", revision, bucket=unique)]
    assert [e.key for e in await kv.entries_latest()] == ["a", "b"]
    assert await kv.entries_latest("c") == []
    assert await NatsKeyValue.existing(connection, f"{unique}-none").entries_latest() == []
    await connection.close()


async def test_entries_are_the_live_ones_of_a_prefix(kv: KeyValue) -> None:
    for key in ("own.1", "own.2", "sess.x"):
        await kv.put(key, key.encode())
    await kv.delete("own.1")
    assert [(e.key, e.value) for e in await kv.entries("own.")] == [("own.2", b"own.2")]
    assert [e.key for e in await kv.entries()] == ["own.2", "sess.x"]


async def test_entries_are_all_of_them_though_the_server_sends_only_so_many_bytes_at_once(kv: KeyValue) -> None:
    value = bytes(700_000)
    for number in range(100):  # 70 MB; a client may have 64 under way
        await kv.put(f"k{number:03}", value)
    assert [e.key for e in await kv.entries()] == [f"k{number:03}" for number in range(100)]


async def test_a_watch_sees_changes_in_order_until_it_is_stopped(
    kv: KeyValue, eventually: Callable[..., object]
) -> None:
    seen: list[KvEntry] = []
    stop = await kv.watch("own.", seen.append)
    revision = await kv.put("own.1", b"a")
    await kv.put("sess.1", b"x")
    await kv.put("own.1", b"b")
    await kv.delete("own.1")
    await eventually(lambda: len(seen) == 3)
    assert [(e.key, e.value, e.deleted) for e in seen] == [
        ("own.1", b"a", False),
        ("own.1", b"b", False),
        ("own.1", b"", True),
    ]
    assert seen[0].revision == revision
    await stop()
    await kv.put("own.2", b"c")
    await kv.get("own.2")
    assert len(seen) == 3


async def test_of_many_writers_at_once_one_wins(kv: KeyValue) -> None:
    start = await kv.create("k", b"0")

    async def write(n: int) -> int:
        try:
            await kv.update("k", str(n).encode(), start)
        except RevisionConflict:
            return 0
        return 1

    assert sum(await asyncio.gather(*(write(n) for n in range(20)))) == 1


async def test_a_standard_client_reads_the_bucket(connection: NatsConnection, nats_url: str, unique: str) -> None:
    ours = await NatsKeyValue.open(connection, unique)
    await ours.put("service.one", b"hello")
    plain = await nats.connect(nats_url)
    try:
        theirs = await plain.jetstream().key_value(unique)
        assert (await theirs.get("service.one")).value == b"hello"
        await theirs.put("service.two", b"there")
        assert (await ours.get("service.two")).value == b"there"  # type: ignore[union-attr]
    finally:
        await plain.close()


@pytest.fixture(params=["memory", "nats"])
async def bus(request: pytest.FixtureRequest, nats_url: str) -> AsyncIterator[MessageBus]:
    if request.param == "memory":
        yield MemoryBus()
        return
    connection = await NatsConnection.open(nats_url)
    yield NatsBus(connection)
    await connection.close()


async def test_everybody_hears_an_event_and_competitors_share_it(
    bus: MessageBus, unique: str, eventually: Callable[..., object]
) -> None:
    heard: dict[str, list[bytes]] = {"a": [], "b": [], "q": []}

    def into(name: str) -> Callable[[BusMessage], object]:
        async def handle(message: BusMessage) -> None:
            heard[name].append(message.data)

        return handle

    stops = [
        await bus.subscribe(f"{unique}.*", into("a")),  # type: ignore[arg-type]
        await bus.subscribe(f"{unique}.x", into("b")),  # type: ignore[arg-type]
        await bus.subscribe(f"{unique}.x", into("q"), queue="workers"),  # type: ignore[arg-type]
        await bus.subscribe(f"{unique}.x", into("q"), queue="workers"),  # type: ignore[arg-type]
    ]
    for n in range(10):
        await bus.publish(f"{unique}.x", str(n).encode(), {"n": str(n)})
    everything = [str(n).encode() for n in range(10)]
    await eventually(lambda: len(heard["q"]) == 10 and heard["a"] == heard["b"] == everything)
    assert sorted(heard["q"]) == everything
    for stop in stops:
        await stop()


async def test_a_request_is_answered_or_says_why_not(bus: MessageBus, unique: str) -> None:
    async def echo(message: BusMessage) -> None:
        await bus.publish(message.reply, message.data + message.headers["h"].encode())

    stop = await bus.subscribe(f"{unique}.echo", echo)
    assert (await bus.request(f"{unique}.echo", b"1", timeout_s=5, headers={"h": "2"})).data == b"12"
    await stop()
    with pytest.raises(NoResponders):
        await bus.request(f"{unique}.nobody", b"", timeout_s=5)

    async def silent(_: BusMessage) -> None:
        return None

    stop = await bus.subscribe(f"{unique}.silent", silent)
    with pytest.raises(DeadlineExceeded):
        await bus.request(f"{unique}.silent", b"", timeout_s=0.1)
    await stop()


async def test_a_full_queue_drops_the_oldest_and_counts(
    bus: MessageBus, unique: str, eventually: Callable[..., object]
) -> None:
    gate, seen = asyncio.Event(), []

    async def slow(message: BusMessage) -> None:
        await gate.wait()
        seen.append(int(message.data))

    stop = await bus.subscribe(unique, slow, capacity=5)
    for n in range(30):
        await bus.publish(unique, str(n).encode())
    await eventually(lambda: bus.dropped >= 24)
    gate.set()
    await eventually(lambda: len(seen) + bus.dropped == 30)
    assert seen[-1] == 29
    await stop()


async def test_a_handler_that_raises_is_counted_and_the_next_message_is_handled(
    bus: MessageBus, unique: str, eventually: Callable[..., object]
) -> None:
    seen = []

    async def fragile(message: BusMessage) -> None:
        if message.data == b"bad":
            raise ValueError("bad")
        seen.append(message.data)

    stop = await bus.subscribe(unique, fragile)
    for data in (b"1", b"bad", b"2"):
        await bus.publish(unique, data)
    await eventually(lambda: seen == [b"1", b"2"])
    assert bus.failed == 1
    await stop()
