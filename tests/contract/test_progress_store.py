"""ProgressStore: one suite over memory and a KV bucket, in memory and of real NATS."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import NamedTuple

import pytest

from marketprism_adapters.memory.progress import MemoryProgress, ProgressCell
from marketprism_adapters.nats.stream_ranges import KvProgress
from marketprism_application.ports.storage import Progress, ProgressStore
from marketprism_sdk.errors import KeyExists, RevisionConflict
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.ports import KeyValue
from marketprism_sdk.testing import MemoryKeyValue

BEGUN = Progress("2025", epoch=3, first=11, last=20, watermark=10, store="s1", fill="f")
DONE = Progress("2025", epoch=3, watermark=20, store="s1")


class StreamPlace(NamedTuple):
    """Where the progress of one stream is: a new writer of it, and a way to spoil what is there."""

    writer: Callable[[], ProgressStore]
    spoil: Callable[[], Awaitable[object]]


@pytest.fixture(params=["memory", "memory bucket", "nats"])
async def place(request: pytest.FixtureRequest, nats_url: str, unique: str) -> AsyncIterator[StreamPlace]:
    if request.param == "memory":
        cell = ProgressCell()

        async def spoil() -> None:
            cell.put(None)

        yield StreamPlace(lambda: MemoryProgress(cell), spoil)
        return
    connection = await NatsConnection.open(nats_url) if request.param == "nats" else None
    kv: KeyValue = MemoryKeyValue() if connection is None else await NatsKeyValue.open(connection, unique)
    yield StreamPlace(lambda: KvProgress(kv, "TICKS"), lambda: kv.put("TICKS", b"\xc1"))
    if connection is not None:
        await connection.close()


async def test_where_there_is_none_progress_is_empty(place: StreamPlace) -> None:
    assert await place.writer().load() == Progress()


async def test_what_was_saved_is_loaded_by_the_same_and_by_the_next_writer(place: StreamPlace) -> None:
    writer = place.writer()
    await writer.load()
    for progress in (BEGUN, DONE):
        await writer.save(progress)
        assert await place.writer().load() == progress
    assert await writer.load() == DONE


async def test_a_writer_whose_progress_another_one_changed_is_refused_and_changes_nothing(place: StreamPlace) -> None:
    first, second = place.writer(), place.writer()
    await first.load()
    await second.load()
    await first.save(BEGUN)
    for _ in range(2):
        with pytest.raises((RevisionConflict, KeyExists)):
            await second.save(DONE)
    await second.load()
    await second.save(DONE)
    with pytest.raises((RevisionConflict, KeyExists)):
        await first.save(BEGUN)
    assert await place.writer().load() == DONE


async def test_a_value_that_cannot_be_read_is_none_and_can_be_replaced(place: StreamPlace) -> None:
    writer = place.writer()
    await writer.load()
    await writer.save(BEGUN)
    await place.spoil()
    with pytest.raises((RevisionConflict, KeyExists)):
        await writer.save(DONE)
    assert await writer.load() is None
    await writer.save(DONE)
    assert await place.writer().load() == DONE
