"""A leader's writes: each under its fence, in order, acknowledged; who is refused, and what ends the publisher."""

from __future__ import annotations

import asyncio

import pytest

from marketprism_sdk.errors import DeadlineExceeded, Fenced, NotActive, NotConnected, StreamError, StreamMissing
from marketprism_sdk.nats.jetstream import delete_stream
from marketprism_sdk.streams import FencedPublisher, fenced_publisher, raise_fence
from tests.simulation.scene import LOST, Scene, played, refusal
from tests.unit.sdk.streams.fenced import EXPECTED, NO_QUORUM, SUBJECT, TOO_LONG, opened

BOTH = pytest.mark.parametrize("replicas", [1, 3], ids=["R1", "R3"])


@BOTH
@played
async def test_what_is_published_is_stored_in_order_and_acknowledged(scene: Scene, replicas: int) -> None:
    leader = await opened(scene, replicas)
    assert leader.publisher.acknowledged == 0
    await leader.publish(*range(450))
    await leader.publisher.flush()
    assert (leader.numbers, leader.publisher.acknowledged) == ([*range(450)], 450)
    await leader.publish(450)
    await leader.publisher.flush()
    assert (leader.numbers[-1], leader.publisher.acknowledged) == (450, 451)
    assert leader.told == []


@played
async def test_on_one_replica_each_message_carries_the_fence_beside_its_own_headers(scene: Scene) -> None:
    leader = await opened(scene)
    await leader.publish(1)
    await leader.publisher.publish("out.b", b"2", {"Nats-Msg-Id": "two"})
    await leader.publisher.flush()
    fence = {EXPECTED: "1", f"{EXPECTED}-Subject": SUBJECT}
    assert [each.headers for each in scene.came("out.>")] == [fence, {**fence, "Nats-Msg-Id": "two"}]


@played
async def test_on_one_replica_receipts_count_as_they_come(scene: Scene) -> None:
    leader = await opened(scene)
    await leader.publish(1, 2)
    await asyncio.sleep(0.1)
    await leader.publish(3)
    assert leader.publisher.acknowledged == 2


@BOTH
@played
async def test_who_does_not_lead_any_more_writes_nothing(scene: Scene, replicas: int) -> None:
    leads = [True]
    leader = await opened(scene, replicas, leads=lambda: leads[0])
    await leader.publish(1)
    leads[0] = False
    with pytest.raises(NotActive):
        await leader.publish(2)
    await leader.publisher.flush()
    assert leader.numbers == [1]


@BOTH
@played
async def test_who_was_deposed_is_refused_told_once_and_says_so_ever_after(scene: Scene, replicas: int) -> None:
    leader = await opened(scene, replicas)
    await leader.publish(1)
    await leader.publisher.flush()
    await raise_fence(leader.connection, "OUT", SUBJECT, "two", 2)
    await leader.publish(2, 3)
    with pytest.raises(Fenced) as caught:
        await leader.publisher.flush()
    assert leader.told == [str(caught.value)]
    sent = len(scene.came("out.>"))
    with pytest.raises(Fenced):
        await leader.publish(4)
    with pytest.raises(Fenced):
        await leader.publisher.flush()
    assert (leader.numbers, len(scene.came("out.>"))) == ([1], sent)


@BOTH
@played
async def test_a_stream_that_is_gone_is_missing_and_deposes_nobody(scene: Scene, replicas: int) -> None:
    leader = await opened(scene, replicas)
    await delete_stream(leader.connection, "OUT")
    await leader.publish(1)
    with pytest.raises(StreamMissing):
        await leader.publisher.flush()
    assert leader.told == []
    with pytest.raises(StreamMissing):
        await leader.publish(2)


@BOTH
@played
async def test_a_refusal_for_good_ends_the_publisher_and_tells_of_no_fence(scene: Scene, replicas: int) -> None:
    leader = await opened(scene, replicas)
    scene.server.meet("out.a", refusal(TOO_LONG))
    await leader.publish(1)
    for _ in range(2):
        with pytest.raises(StreamError) as caught:
            await leader.publisher.flush()
        assert caught.value.code == TOO_LONG
    with pytest.raises(StreamError):
        await leader.publish(2)
    assert (leader.told, leader.numbers, len(scene.came("out.>"))) == ([], [], 1)


@BOTH
@played
async def test_a_flush_ends_with_its_time(scene: Scene, replicas: int) -> None:
    leader = await opened(scene, replicas, answer_s=50.0)
    scene.server.meet("out.a", LOST)
    await leader.publish(1)
    began = scene.now_s
    with pytest.raises(DeadlineExceeded, match="not acknowledged in"):
        await leader.publisher.flush(2.0)
    assert scene.now_s - began == pytest.approx(2.0, abs=0.02)
    with pytest.raises(DeadlineExceeded):
        await leader.publish(2)


@BOTH
@played
async def test_a_flush_lasts_ten_seconds_where_nobody_says_how_long(scene: Scene, replicas: int) -> None:
    leader = await opened(scene, replicas, answer_s=50.0)
    scene.server.meet("out.a", LOST)
    await leader.publish(1)
    began = scene.now_s
    with pytest.raises(DeadlineExceeded):
        await leader.publisher.flush()
    assert scene.now_s - began == pytest.approx(10.0, abs=0.02)


@BOTH
@played
async def test_a_connection_that_goes_ends_it_with_what_was_outstanding(scene: Scene, replicas: int) -> None:
    leader = await opened(scene, replicas)
    scene.server.meet("out.a", LOST)
    await leader.publish(1)
    await asyncio.sleep(0.01)
    scene.reset()
    with pytest.raises(NotConnected):
        await leader.publisher.flush()


@BOTH
@played
async def test_what_is_not_decided_goes_again_and_nothing_overtakes_it(scene: Scene, replicas: int) -> None:
    leader = await opened(scene, replicas, max_batch=1)
    scene.server.meet("out.a", *[refusal(NO_QUORUM)] * 3)
    await leader.publish(1, 2, 3)
    await leader.publisher.flush()
    assert (leader.numbers, leader.publisher.acknowledged) == ([1, 2, 3], 3)


@played
async def test_what_was_published_leaves_at_once_when_it_is_pushed(scene: Scene) -> None:
    leader = await opened(scene)
    await leader.publish(1)
    assert leader.connection.traffic.unsent_bytes > 0
    leader.publisher.push()
    assert leader.connection.traffic.unsent_bytes == 0


@BOTH
@played
async def test_who_is_closed_writes_nothing_more_and_hears_nothing_more(scene: Scene, replicas: int) -> None:
    leader = await opened(scene, replicas, refresh_s=1.0)
    (session,) = scene.server.sessions
    await asyncio.sleep(0.1)
    before = len(session.subscriptions)
    if replicas == 3:
        await leader.publish(1)  # it would go after it lingered
    await leader.publisher.close()
    await asyncio.sleep(5)
    assert (leader.numbers, leader.fences) == ([], [1])
    assert len(session.subscriptions) == before - (replicas == 1)


@BOTH
@played
async def test_one_that_was_not_opened_can_be_closed(scene: Scene, replicas: int) -> None:
    leader = await opened(scene)
    await FencedPublisher(leader.connection, leader.fence, replicas=replicas).close()


@BOTH
@played
async def test_a_publisher_of_the_kind_that_the_stream_needs(scene: Scene, replicas: int) -> None:
    leader = await opened(scene, replicas)
    fenced: list[str] = []
    publisher = await fenced_publisher(leader.connection, leader.fence, fenced.append)
    for number in range(3):
        await publisher.publish("out.a", b"%d" % number)
    await publisher.flush()
    assert leader.numbers == [0, 1, 2]
    assert len(leader.batches) == (3 if replicas == 1 else 1)
    await raise_fence(leader.connection, "OUT", SUBJECT, "two", 2)
    await publisher.publish("out.a", b"3")
    with pytest.raises(Fenced):
        await publisher.flush()
    assert len(fenced) == 1


@played
async def test_a_stream_that_is_not_there_has_no_publisher(scene: Scene) -> None:
    leader = await opened(scene)
    await delete_stream(leader.connection, "OUT")
    with pytest.raises(StreamMissing):
        await fenced_publisher(leader.connection, leader.fence)
    with pytest.raises(StreamMissing):
        await leader.publisher.open()
