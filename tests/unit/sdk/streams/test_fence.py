"""The fence's record: raised, raised again, lost against somebody, refused, not decided."""

from __future__ import annotations

from itertools import pairwise

import msgspec
import pytest

from marketprism_sdk.errors import DeadlineExceeded, Fenced, StreamError
from marketprism_sdk.nats.jetstream import publish_ack
from marketprism_sdk.streams import Fence, FenceRecord, raise_fence
from tests.simulation.scene import LOST, UNHEARD, Scene, played, refusal
from tests.simulation.streams import Incoming

NO_QUORUM, TOO_LONG = 10077, 10054
SUBJECT = "fence.x"


async def begun(scene: Scene) -> Fence:
    """A stream, and a fence of it that is not raised yet."""
    connection = await scene.connect()
    await scene.stream("OUT", "out.>", "fence.>")
    return Fence(connection, "OUT", SUBJECT, "one", 5)


def records(scene: Scene) -> list[FenceRecord]:
    return [msgspec.msgpack.decode(data, type=FenceRecord) for data in scene.data("OUT", SUBJECT)]


def put(scene: Scene, data: bytes) -> None:
    """Somebody else writes the fence."""
    scene.server.jetstream.streams["OUT"].publish(Incoming(SUBJECT, {}, data))


def record(holder: str, epoch: int) -> bytes:
    return msgspec.msgpack.encode(FenceRecord(holder, epoch))


@played
async def test_only_writes_under_the_latest_fence_are_taken(scene: Scene) -> None:
    one = await begun(scene)
    await one.raise_it()
    assert (one.seq, one.stream, await one.holds(), records(scene)) == (1, "OUT", True, [FenceRecord("one", 5)])
    connection = await scene.connect()
    await publish_ack(connection, "out.a", b"1", one.headers)
    two = await raise_fence(connection, "OUT", SUBJECT, "two", 6)
    assert (two.seq, await two.holds(), await one.holds()) == (3, True, False)
    with pytest.raises(Fenced):
        await publish_ack(connection, "out.a", b"late", one.headers)
    await publish_ack(connection, "out.a", b"2", two.headers)
    assert scene.data("OUT", "out.a") == [b"1", b"2"]


@pytest.mark.parametrize(("holder", "epoch"), [("two", 5), ("two", 6), ("one", 6)])
@played
async def test_a_fence_of_this_epoch_or_a_later_one_is_not_passed(scene: Scene, holder: str, epoch: int) -> None:
    fence = await begun(scene)
    put(scene, record(holder, epoch))
    with pytest.raises(Fenced, match=f"fence.x: expected a fence below epoch 5, was {epoch} of {holder}") as caught:
        await fence.raise_it()
    assert (caught.value.epoch, len(scene.stored("OUT"))) == (epoch, 1)


@pytest.mark.parametrize("before", [record("zero", 4), b"junk", record("one", 5)], ids=["earlier", "junk", "own"])
@played
async def test_an_earlier_fence_the_own_one_and_what_is_none_give_way(scene: Scene, before: bytes) -> None:
    fence = await begun(scene)
    put(scene, before)
    await fence.raise_it()
    assert (fence.seq, len(scene.came(SUBJECT))) == (2, 1)


@played
async def test_the_first_epoch_of_all_passes_what_is_no_record(scene: Scene) -> None:
    await begun(scene)
    put(scene, b"junk")
    first = Fence(await scene.connect(), "OUT", SUBJECT, "one", 0)
    await first.raise_it()
    assert first.seq == 2


@played
async def test_a_fence_that_was_taken_unheard_is_known_again(scene: Scene) -> None:
    fence = await begun(scene)
    scene.server.meet(SUBJECT, UNHEARD)
    await fence.raise_it()
    assert (fence.seq, records(scene)) == (1, [FenceRecord("one", 5)])


@played
async def test_a_fence_that_was_lost_is_written_again_and_the_own_one_of_before_does_not_count(scene: Scene) -> None:
    fence = await begun(scene)
    await fence.raise_it()
    scene.server.meet(SUBJECT, LOST)
    await fence.raise_it()
    assert (fence.seq, records(scene)) == (2, [FenceRecord("one", 5)] * 2)


@played
async def test_who_was_overtaken_looks_again_and_wins_against_an_earlier_epoch(scene: Scene) -> None:
    fence = await begun(scene)
    scene.server.before(SUBJECT, lambda: put(scene, record("zero", 4)))
    await fence.raise_it()
    assert (fence.seq, records(scene)) == (2, [FenceRecord("zero", 4), FenceRecord("one", 5)])


@played
async def test_who_was_overtaken_by_a_later_epoch_is_refused_with_it(scene: Scene) -> None:
    fence = await begun(scene)
    scene.server.before(SUBJECT, lambda: put(scene, record("two", 9)))
    with pytest.raises(Fenced) as caught:
        await fence.raise_it()
    assert (caught.value.epoch, records(scene)) == (9, [FenceRecord("two", 9)])


@played
async def test_what_is_not_decided_is_asked_five_times_each_a_little_later(scene: Scene) -> None:
    fence = await begun(scene)
    scene.server.meet(SUBJECT, *[refusal(NO_QUORUM)] * 6)
    with pytest.raises(StreamError) as caught:
        await fence.raise_it()
    assert caught.value.code == NO_QUORUM
    gaps = [after.at_s - before.at_s for before, after in pairwise(scene.came(SUBJECT))]
    assert gaps == pytest.approx([0.02, 0.04, 0.06, 0.08], abs=0.015)


@played
async def test_what_is_lost_five_times_has_no_known_outcome(scene: Scene) -> None:
    fence = await begun(scene)
    scene.server.meet(SUBJECT, *[LOST] * 6)
    with pytest.raises(DeadlineExceeded):
        await fence.raise_it()
    assert len(scene.came(SUBJECT)) == 5


@played
async def test_a_refusal_for_good_is_raised_at_once(scene: Scene) -> None:
    fence = await begun(scene)
    scene.server.meet(SUBJECT, refusal(TOO_LONG))
    with pytest.raises(StreamError) as caught:
        await fence.raise_it()
    assert (caught.value.code, len(scene.came(SUBJECT))) == (TOO_LONG, 1)


@played
async def test_a_fence_is_refreshed_where_it_still_is_the_own_one(scene: Scene) -> None:
    fence = await begun(scene)
    await fence.raise_it()
    await fence.refresh()
    assert (fence.seq, await fence.holds(), records(scene)) == (2, True, [FenceRecord("one", 5)] * 2)
    put(scene, record("two", 6))
    with pytest.raises(Fenced):
        await fence.refresh()
    assert (fence.seq, len(records(scene))) == (2, 3)


@played
async def test_a_fence_that_is_gone_does_not_hold(scene: Scene) -> None:
    fence = await begun(scene)
    await fence.raise_it()
    scene.server.jetstream.streams["OUT"].purge(SUBJECT)
    assert not await fence.holds()
