"""A fence must outlive what its stream keeps: written anew by time, by the bytes of others and by the own ones."""

from __future__ import annotations

import asyncio
import inspect
from itertools import pairwise

import pytest

from marketprism_sdk.errors import Fenced, StreamError
from marketprism_sdk.nats.jetstream import publish_ack
from marketprism_sdk.streams import FencedPublisher, raise_fence
from tests.simulation.scene import NOBODY, Fate, Scene, played, refusal
from tests.unit.sdk.streams.fenced import NO_QUORUM, SUBJECT, TOO_LONG, opened

BOTH = pytest.mark.parametrize("replicas", [1, 3], ids=["R1", "R3"])
LOOKED = "$JS.API.STREAM.INFO.OUT"


def renewals(scene: Scene) -> list[float]:
    """When the fence was written anew, seconds behind its first record."""
    first, *others = [each.at_s for each in scene.came(SUBJECT)]
    return [each - first for each in others]


@BOTH
@pytest.mark.parametrize("refresh_s", [0.3, 12.0])
@played
async def test_the_fence_is_written_anew_as_often_as_that_is_wanted(
    scene: Scene, replicas: int, refresh_s: float
) -> None:
    leader = await opened(scene, replicas, refresh_s=refresh_s)
    for number in range(30):
        await leader.publish(number)
        await asyncio.sleep(refresh_s / 10)
    await leader.publisher.flush()
    assert len(renewals(scene)) in (2, 3)
    assert renewals(scene)[:2] == pytest.approx([refresh_s, 2 * refresh_s], rel=0.05)
    assert leader.numbers == [*range(30)]
    assert scene.came("out.>")[-1].headers.get("Nats-Expected-Last-Subject-Sequence") == str(leader.fence.seq)


@played
async def test_the_fence_is_written_anew_at_a_quarter_of_the_streams_age(scene: Scene) -> None:
    await opened(scene, config={"max_age": 40 * 10**9})
    await asyncio.sleep(101)
    assert renewals(scene) == pytest.approx([10.0 * n for n in range(1, 11)], abs=0.5)


@played
async def test_a_fence_without_limits_is_written_anew_every_hour(scene: Scene) -> None:
    await opened(scene)
    assert inspect.signature(FencedPublisher).parameters["refresh_s"].default == 3_600.0
    await asyncio.sleep(60)
    assert renewals(scene) == []


@played
async def test_what_others_write_does_not_push_the_fence_out(scene: Scene) -> None:
    leader = await opened(scene, config={"max_bytes": 100_000})
    other = await scene.connect("other")
    for _ in range(80):
        await publish_ack(other, "out.b", b"x" * 3_900)
        await asyncio.sleep(0.08)
    await asyncio.sleep(1)
    stream = scene.server.jetstream.streams["OUT"]
    assert stream.first > 30
    assert await leader.fence.holds()
    assert 4 <= len(renewals(scene)) <= 40
    await leader.publish(1)
    await leader.publisher.flush()


@pytest.mark.parametrize(("max_bytes", "at"), [(204_800, 200), (204_808, 201)])
@pytest.mark.parametrize("replicas", [1, 3], ids=["R1", "R3"])
@played
async def test_what_is_written_under_it_renews_the_fence_at_an_eighth_of_the_streams_bytes(
    scene: Scene, replicas: int, max_bytes: int, at: int
) -> None:
    # An eighth is 25 600 or 25 601 bytes, and each message counts 128 beside its payload.
    leader = await opened(scene, replicas, config={"max_bytes": max_bytes}, max_batch=1)
    for _ in range(2 * at):
        await leader.publisher.publish("out.a", b"")
    await leader.publisher.flush()
    assert leader.fences == [1, at + 1, 2 * at + 2]


@BOTH
@played
async def test_a_stream_without_a_bound_renews_nothing_for_bytes(scene: Scene, replicas: int) -> None:
    leader = await opened(scene, replicas)
    await leader.publish(*range(300))
    await leader.publisher.flush()
    assert leader.fences == [1]


@played
async def test_what_is_under_way_is_decided_before_the_fence_moves(scene: Scene) -> None:
    leader = await opened(scene, refresh_s=1.0)
    await asyncio.sleep(0.995)
    scene.server.meet("out.a", *[refusal(NO_QUORUM)] * 3)
    await leader.publish(1, 2)
    await asyncio.sleep(3)
    await leader.publish(3)
    await leader.publisher.flush()
    assert leader.numbers == [1, 2, 3]
    assert len(leader.fences) > 1


@BOTH
@pytest.mark.parametrize("fate", [refusal(NO_QUORUM), NOBODY], ids=["no quorum", "nobody"])
@played
async def test_a_renewal_that_is_not_decided_is_asked_for_again(scene: Scene, replicas: int, fate: Fate) -> None:
    leader = await opened(scene, replicas, refresh_s=1.0)
    scene.server.meet(SUBJECT, *[fate] * 6)
    await asyncio.sleep(2.5)
    tries = renewals(scene)[:7]
    pauses = [after - before for before, after in pairwise(tries)]
    assert pauses == pytest.approx([0.02, 0.04, 0.08, 0.16, 0.32, 0.5], abs=0.02)
    await leader.publish(1)
    await leader.publisher.flush()
    assert (leader.numbers, leader.fences[:2]) == ([1], [1, 2])


@BOTH
@played
async def test_a_renewal_that_is_not_decided_in_time_ends_the_publisher(scene: Scene, replicas: int) -> None:
    leader = await opened(scene, replicas, refresh_s=1.0, undecided_s=2.0)
    scene.server.meet(SUBJECT, *[refusal(NO_QUORUM)] * 1_000)
    await asyncio.sleep(8)
    assert 2.4 < renewals(scene)[-1] < 3.02
    with pytest.raises(StreamError):
        await leader.publish(1)


@BOTH
@played
async def test_a_renewal_that_is_refused_for_good_ends_the_publisher(scene: Scene, replicas: int) -> None:
    leader = await opened(scene, replicas, refresh_s=1.0)
    scene.server.meet(SUBJECT, refusal(TOO_LONG))
    await asyncio.sleep(5)
    with pytest.raises(StreamError) as caught:
        await leader.publish(1)
    assert (caught.value.code, len(renewals(scene)), leader.told) == (TOO_LONG, 1, [])


@BOTH
@played
async def test_who_was_deposed_is_told_by_the_renewal(scene: Scene, replicas: int) -> None:
    leader = await opened(scene, replicas, refresh_s=1.0)
    await raise_fence(leader.connection, "OUT", SUBJECT, "two", 2)
    await asyncio.sleep(3)
    assert len(leader.told) == 1
    with pytest.raises(Fenced):
        await leader.publish(1)
    assert len(leader.fences) == 2


@BOTH
@played
async def test_who_was_deposed_is_told_by_the_renewal_for_its_own_bytes(scene: Scene, replicas: int) -> None:
    leader = await opened(scene, replicas, config={"max_bytes": 10_000}, max_batch=1)
    await raise_fence(leader.connection, "OUT", SUBJECT, "two", 2)
    with pytest.raises(Fenced):
        await leader.publisher.publish("out.a", b"x" * 2_000)
    assert (len(leader.told), scene.came("out.>")) == (1, [])


@played
async def test_a_stream_that_does_not_answer_a_look_is_looked_at_again(scene: Scene) -> None:
    leader = await opened(scene, refresh_s=12.0)
    scene.server.meet(LOOKED, *[refusal(TOO_LONG)] * 2)
    await asyncio.sleep(26)
    assert renewals(scene) == pytest.approx([12.0, 24.0], abs=0.1)
    await leader.publish(1)
    await leader.publisher.flush()
