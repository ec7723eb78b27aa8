"""How far a stream is read, and how far it is stored, where a member of it lags behind its leader."""

from __future__ import annotations

import asyncio

import pytest

from marketprism_adapters.nats import streams
from marketprism_adapters.nats.stream_ranges import KvProgress, StreamRanges
from marketprism_application.ports.storage import Progress
from marketprism_sdk.errors import RevisionConflict
from marketprism_sdk.nats.kv import NatsKeyValue
from tests.simulation.scene import Scene, played

WANTED, FOREIGN = "market.packed.0", "fence.market.packed"


async def ranges(scene: Scene, *, stored: int) -> StreamRanges:
    """A reader that has so many messages, the last of them at that sequence."""
    connection = await scene.connect()
    await scene.stream(streams.TICKS, "market.packed.*", FOREIGN)
    scene.put(WANTED, *[b"x"] * stored)
    source = StreamRanges(connection, streams.TICKS)
    await source.open(1)
    found = 0
    while found < stored:
        found += len(await source.next(stored, 1.0))
    return source


def lag(scene: Scene) -> None:
    """The member that the reader's consumer sits on gets nothing more."""
    stream = scene.server.jetstream.streams[streams.TICKS]
    stream.lagging_at = stream.last


@played
async def test_what_a_member_that_lags_has_not_got_is_not_settled(scene: Scene) -> None:
    source = await ranges(scene, stored=3)
    lag(scene)
    scene.put(WANTED, b"4", b"5")
    scene.put(FOREIGN, b"")
    assert await source.settled(3) == 3
    assert await source.settled(4) == 4, "the fifth is there too"
    assert await source.settled(5) == 6, "nothing but a message of others lies behind it"
    scene.server.jetstream.streams[streams.TICKS].lagging_at = None
    await asyncio.sleep(1.0)
    assert [message.seq for message in await source.next(10, 1.0)] == [4, 5]
    await source.close()


@played
async def test_what_comes_between_the_questions_is_not_settled_and_holds_nothing_up(scene: Scene) -> None:
    source = await ranges(scene, stored=2)
    scene.put(FOREIGN, b"")
    lag(scene)
    scene.server.before(f"$JS.API.STREAM.MSG.GET.{streams.TICKS}", lambda: scene.put(WANTED, b"4"))
    assert await source.settled(2) == 3
    assert await source.settled(3) == 3
    await source.close()


@played
async def test_what_is_here_and_not_taken_is_not_settled_although_the_stream_has_let_it_go(scene: Scene) -> None:
    source = await ranges(scene, stored=2)
    scene.put(WANTED, b"3")
    await asyncio.sleep(1.0)
    scene.put(FOREIGN, b"")
    scene.server.jetstream.streams[streams.TICKS].purge(below=4)
    assert await source.settled(2) == 2
    assert [message.seq for message in await source.next(10, 1.0)] == [3]
    assert await source.settled(3) == 4
    await source.close()


@played
async def test_every_subject_that_is_stored_is_asked_for(scene: Scene) -> None:
    connection = await scene.connect()
    await scene.stream(streams.EVENTS, "market.>", "other.>")
    source = StreamRanges(connection, streams.EVENTS)
    scene.put("other.x", b"")
    await source.open(1)
    assert await source.settled(0) == 1
    scene.server.jetstream.streams[streams.EVENTS].lagging_at = 1
    for subject in ("market.gap.x", "market.quality.x", "market.event.x", "market.instrument.x"):
        scene.put(subject, b"")
        assert await source.settled(1) == 1
        scene.server.jetstream.streams[streams.EVENTS].purge("market.>")
    assert await source.settled(1) == 5
    await source.close()


@pytest.mark.parametrize("former", [b'{"seq": 1}', b'{"seq": 77}'], ids=["an older one", "none"])
@played
async def test_progress_is_what_the_leader_has_whatever_a_replica_says(scene: Scene, former: bytes) -> None:
    connection = await scene.connect()
    # Two are kept of each key, so that a replica that lags can be asked for the former one.
    await scene.stream("KV_b", "$KV.b.>", max_msgs_per_subject=2)
    kv = NatsKeyValue.existing(connection, "b")
    writer = KvProgress(kv, streams.TICKS)
    await writer.load()
    first, second = Progress("made", 1, 1, 10, 10, "s"), Progress("made", 1, 11, 20, 20, "s")
    await writer.save(first)
    await writer.save(second)
    scene.server.meet("$JS.API.DIRECT.GET.KV_b", *[lambda _: former] * 5)
    entry = await kv.get(streams.TICKS)
    assert (entry.revision if entry is not None else 0) != 2, "the replica lags"
    reader = KvProgress(kv, streams.TICKS)
    assert await reader.load() == second
    await reader.save(second)
    with pytest.raises(RevisionConflict):
        await writer.save(second)
