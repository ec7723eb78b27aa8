"""RangeSource: one suite over a stream in memory and one of real NATS."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import NamedTuple

import pytest

from marketprism_adapters.memory.stream import MemoryRanges, MemoryStream
from marketprism_adapters.nats.local_server import EmbeddedOptions, EmbeddedServer
from marketprism_adapters.nats.stream_ranges import StreamRanges
from marketprism_adapters.nats.streams import TICKS
from marketprism_application.ports.storage import NO_MESSAGE, RangeSource, StreamBounds
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import api, publish_ack

WANTED, FOREIGN = "market.packed.0", "market.packed.other.1"


class Stream(NamedTuple):
    """A stream, what may happen to it, and a new reader of it."""

    append: Callable[[str, bytes], Awaitable[int]]
    delete: Callable[[int], Awaitable[object]]
    purge: Callable[[int], Awaitable[object]]
    reader: Callable[[], RangeSource]


def in_memory() -> Stream:
    stream = MemoryStream()

    async def append(subject: str, data: bytes) -> int:
        return stream.append(subject, data, ts=time.time_ns())

    async def delete(seq: int) -> None:
        stream.delete(seq)

    async def purge(first: int) -> None:
        stream.purge(first)

    return Stream(append, delete, purge, lambda: MemoryRanges(stream, lambda subject: subject == WANTED))


@pytest.fixture(scope="module")
def server_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of its own: the stream has the name that the product gives it."""
    server = asyncio.run(EmbeddedServer.start(EmbeddedOptions(tmp_path_factory.mktemp("ranges"), port=0)))
    yield server.url
    asyncio.run(server.stop())


@pytest.fixture(params=["memory", "nats"])
async def stream(request: pytest.FixtureRequest, server_url: str) -> AsyncIterator[Stream]:
    if request.param == "memory":
        yield in_memory()
        return
    connection = await NatsConnection.open(server_url)
    await api(connection, f"STREAM.CREATE.{TICKS}", {"name": TICKS, "subjects": ["market.>"], "storage": "memory"})

    async def append(subject: str, data: bytes) -> int:
        return (await publish_ack(connection, subject, data)).seq

    async def delete(seq: int) -> object:
        return await api(connection, f"STREAM.MSG.DELETE.{TICKS}", {"seq": seq, "no_erase": True})

    async def purge(first: int) -> object:
        return await api(connection, f"STREAM.PURGE.{TICKS}", {"seq": first})

    yield Stream(append, delete, purge, lambda: StreamRanges(connection, TICKS))
    await api(connection, f"STREAM.DELETE.{TICKS}")
    await connection.close()


async def read(source: RangeSource, count: int) -> list[tuple[int, bytes]]:
    """So many messages, however many calls that takes."""
    found: list[tuple[int, bytes]] = []
    while len(found) < count:
        messages = await source.next(count - len(found), 5.0)
        assert messages, f"expected {count} messages, was {found}"
        found += [(message.seq, message.data) for message in messages]
    return found


async def test_messages_come_in_order_from_a_sequence_on_without_those_of_others(stream: Stream) -> None:
    for number in range(1, 11):
        await stream.append(FOREIGN if number % 5 == 0 else WANTED, b"%d" % number)
    source = stream.reader()
    await source.open(3)
    assert await read(source, 6) == [(n, b"%d" % n) for n in (3, 4, 6, 7, 8, 9)]
    assert len(await source.next(10, 0.1)) == 0
    assert await stream.append(WANTED, b"late") == 11
    assert await read(source, 1) == [(11, b"late")]
    await source.close()


async def test_no_call_gives_more_than_was_asked_for_and_every_message_comes_once(stream: Stream) -> None:
    for number in range(1, 8):
        await stream.append(WANTED, b"%d" % number)
    source = stream.reader()
    await source.open(1)
    found: list[int] = []
    while len(found) < 7:
        messages = await source.next(3, 5.0)
        assert 1 <= len(messages) <= 3
        found += [message.seq for message in messages]
    assert found == list(range(1, 8))
    await source.close()


async def test_bounds_are_those_of_what_is_left(stream: Stream) -> None:
    source, before = stream.reader(), time.time_ns()
    for number in range(1, 7):
        await stream.append(WANTED, b"%d" % number)
    full = await source.bounds()
    assert (full.first, full.last, full.deleted) == (1, 6, 0)
    assert abs(full.ts_first - before) < 60 * 10**9
    await stream.delete(4)
    assert await source.bounds() == full._replace(deleted=1)
    await stream.purge(3)
    assert (await source.bounds())[1:3] == (3, 6)
    await stream.purge(7)
    assert await source.bounds() == StreamBounds(full.created, 7, 6)


async def test_a_deleted_message_is_lacking_and_one_that_retention_took_is_not(stream: Stream) -> None:
    for number in range(1, 9):
        await stream.append(WANTED, b"%d" % number)
    await stream.delete(5)
    await stream.purge(3)
    source = stream.reader()
    found = [await source.lacks(first, last) for first, last in ((1, 4), (4, 5), (5, 5), (5, 8), (6, 8))]
    assert found == [False, True, True, True, False]
    await source.open(1)
    assert [seq for seq, _ in await read(source, 5)] == [3, 4, 6, 7, 8]
    await source.close()


async def test_the_end_is_settled_once_everything_before_it_came(
    stream: Stream, eventually: Callable[..., Awaitable[object]]
) -> None:
    source = stream.reader()
    assert await source.settled(0) == 0
    for number in range(1, 4):
        await stream.append(WANTED, b"%d" % number)
    for _ in range(2):
        await stream.append(FOREIGN, b"x")
    await source.open(1)
    await read(source, 3)
    assert await source.settled(2) == 2, "the third came, and is not among what was read"
    settled: list[int] = []
    for _ in range(200):
        settled.append(await source.settled(3))
        if settled[-1] == 5:
            break
        await source.next(1, 0.05)
    assert set(settled) <= {3, 5}
    assert settled[-1] == 5, "nothing but messages of others lies behind the third"
    await source.close()


async def test_a_message_has_the_same_time_by_itself_and_by_its_sequence(stream: Stream) -> None:
    before = time.time_ns()
    for subject in (WANTED, FOREIGN, WANTED, WANTED):
        await stream.append(subject, b"x")
    source = stream.reader()
    await source.open(1)
    times: dict[int, int] = {}
    while len(times) < 3:
        times |= {message.seq: message.ts for message in await source.next(3, 5.0)}
    assert {seq: await source.time_at(seq) for seq in times} == times
    other = await source.time_at(2)
    assert before - 60 * 10**9 < times[1] <= other <= times[3] <= times[4]
    assert (await source.bounds()).ts_first == times[1]
    await source.close()


async def test_where_there_is_no_message_there_is_no_time(stream: Stream) -> None:
    source = stream.reader()
    assert await source.time_at(1) == NO_MESSAGE
    for _ in range(4):
        await stream.append(WANTED, b"x")
    await stream.delete(3)
    await stream.purge(2)
    found = [await source.time_at(seq) for seq in range(1, 6)]
    assert [ts == NO_MESSAGE for ts in found] == [True, False, True, False, True]
