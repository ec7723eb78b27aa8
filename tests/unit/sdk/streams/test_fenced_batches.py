"""Batches under a fence, on a replicated stream: how many messages, how long they gather, what becomes of a batch."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

from marketprism_sdk.errors import DeadlineExceeded, Fenced, StreamError
from marketprism_sdk.nats.jetstream import publish_ack
from marketprism_sdk.streams import raise_fence
from tests.simulation.scene import LOST, NOBODY, Fate, Scene, played, refusal
from tests.unit.sdk.streams.fenced import (
    EXPECTED,
    KNOWN_IN_BATCH,
    NO_QUORUM,
    SUBJECT,
    Leader,
    opened,
)


def sizes(leader: Leader) -> list[int]:
    return [len(batch) for batch in leader.batches]


@played
async def test_a_batch_holds_two_hundred_messages_and_then_goes_at_once(scene: Scene) -> None:
    leader = await opened(scene, 3)
    began = scene.now_s
    await leader.publish(*range(200))
    assert leader.publisher.acknowledged == 200
    assert scene.now_s - began < 0.005
    await leader.publish(*range(200, 450))
    await leader.publisher.flush()
    assert sizes(leader) == [200, 200, 50]


@pytest.mark.parametrize(("most", "found"), [(3, [3, 3, 1]), (5_000, [7])])
@played
async def test_a_batch_holds_as_many_as_its_owner_says(scene: Scene, most: int, found: list[int]) -> None:
    leader = await opened(scene, 3, max_batch=most)
    await leader.publish(*range(7))
    await leader.publisher.flush()
    assert sizes(leader) == found


@played
async def test_a_batch_holds_no_more_than_the_server_takes(scene: Scene) -> None:
    leader = await opened(scene, 3, max_batch=5_000)
    await leader.publish(*range(1_001))
    await leader.publisher.flush()
    assert sizes(leader) == [1_000, 1]


@played
async def test_messages_gather_for_five_milliseconds_from_the_first(scene: Scene) -> None:
    leader = await opened(scene, 3)
    for first in (0, 3):
        began = scene.now_s
        for number in range(first, first + 3):
            await leader.publish(number)
            await asyncio.sleep(0.0015)
        await asyncio.sleep(0.02)
        assert scene.came("out.>")[-1].at_s - began == pytest.approx(0.005, abs=0.0025)
    assert (leader.numbers, sizes(leader)) == ([*range(6)], [3, 3])


@played
async def test_messages_gather_for_as_long_as_their_owner_says(scene: Scene) -> None:
    leader = await opened(scene, 3, linger_s=0.5)
    began = scene.now_s
    await leader.publish(1, 2)
    await asyncio.sleep(0.4)
    assert leader.numbers == []
    await asyncio.sleep(0.2)
    assert (leader.numbers, sizes(leader)) == ([1, 2], [2])
    assert scene.came("out.>")[-1].at_s - began == pytest.approx(0.5, abs=0.01)


@played
async def test_the_first_of_a_batch_carries_the_fence_and_each_its_own_headers(scene: Scene) -> None:
    leader = await opened(scene, 3)
    for name in ("a", "b", "c", ""):
        await leader.publisher.publish("out.a", b"1", {"Nats-Msg-Id": name} if name else None)
    await leader.publisher.flush()
    await leader.publisher.publish("out.a", b"1", {"Nats-Msg-Id": "d"})
    await leader.publisher.flush()
    await leader.publish(1)
    await leader.publisher.flush()
    fence = {EXPECTED: "1", f"{EXPECTED}-Subject": SUBJECT}
    assert [
        {name: value for name, value in each.headers.items() if "Batch" not in name} for each in scene.came("out.>")
    ] == [
        {**fence, "Nats-Msg-Id": "a"},
        {"Nats-Msg-Id": "b"},
        {"Nats-Msg-Id": "c"},
        {},
        {**fence, "Nats-Msg-Id": "d"},
        fence,
    ]
    assert [each.batch for each in scene.came("out.>")[-2:]] == ["", ""]  # one message is no batch


@played
async def test_what_comes_while_a_batch_is_on_its_way_goes_behind_it_in_batches(scene: Scene) -> None:
    leader = await opened(scene, 3, max_batch=2)
    scene.server.meet("out.a", refusal(NO_QUORUM), refusal(NO_QUORUM))  # both messages of the first batch
    tasks = [asyncio.create_task(leader.publish(number)) for number in range(7)]
    await asyncio.gather(*tasks)
    await leader.publisher.flush()
    assert (leader.numbers, leader.publisher.acknowledged) == ([*range(7)], 7)
    assert max(sizes(leader)) == 2


@pytest.mark.parametrize("count", [1, 2])
@played
async def test_a_batch_without_an_answer_has_no_known_outcome_and_nothing_goes_behind_it(
    scene: Scene, count: int
) -> None:
    leader = await opened(scene, 3)
    scene.server.meet("out.a", *[LOST] * count)
    await leader.publish(*range(count))
    flushed = asyncio.create_task(leader.publisher.flush())
    await asyncio.sleep(0.1)
    await leader.publish(8, 9)
    behind = asyncio.create_task(leader.publisher.flush())
    began = scene.now_s
    with pytest.raises(DeadlineExceeded, match=r"no answer on out\.a"):
        await flushed
    assert scene.now_s - began == pytest.approx(2.9, abs=0.02)  # three seconds behind the first flush
    with pytest.raises(DeadlineExceeded):
        await behind
    await asyncio.sleep(1)
    assert (leader.numbers, sizes(leader), leader.told) == ([], [count], [])


@played
async def test_a_batch_that_lingered_and_failed_is_told_of_at_the_next_call(scene: Scene) -> None:
    leader = await opened(scene, 3, answer_s=0.5)
    scene.server.meet("out.a", LOST)
    await leader.publish(1)
    await asyncio.sleep(1)
    with pytest.raises(DeadlineExceeded):
        await leader.publish(2)
    with pytest.raises(DeadlineExceeded):
        await leader.publisher.flush()
    assert leader.numbers == []


@played
async def test_who_waits_for_a_batch_that_fails_hears_of_it(scene: Scene) -> None:
    leader = await opened(scene, 3, answer_s=0.5)
    scene.server.meet("out.a", LOST)
    await leader.publish(1)
    await asyncio.sleep(0.1)  # it lingered, and is on its way
    with pytest.raises(DeadlineExceeded):
        await leader.publisher.flush()


@pytest.mark.parametrize("fate", [refusal(NO_QUORUM), NOBODY], ids=["no quorum", "nobody"])
@played
async def test_what_is_not_decided_goes_again_for_thirty_seconds_each_pause_twice_as_long(
    scene: Scene, fate: Fate
) -> None:
    leader = await opened(scene, 3)
    scene.server.meet("out.a", *[fate] * 1_000)
    began = scene.now_s
    await leader.publish(1)
    await asyncio.sleep(40)
    with pytest.raises(StreamError) as caught:
        await leader.publisher.flush()
    assert caught.value.retryable
    tries = [each.at_s for each in scene.came("out.a")]
    pauses = [after - before for before, after in pairwise(tries)]
    assert pauses == pytest.approx([0.02, 0.04, 0.08, 0.16, 0.32, *[0.5] * (len(pauses) - 5)], abs=0.02)
    assert 29.0 < tries[-1] - began < 30.05


@played
async def test_what_is_not_decided_goes_again_for_as_long_as_its_owner_says(scene: Scene) -> None:
    leader = await opened(scene, 3, undecided_s=2.0)
    scene.server.meet("out.a", *[refusal(NO_QUORUM)] * 1_000)
    began = scene.now_s
    await leader.publish(1)
    with pytest.raises(StreamError):
        await leader.publisher.flush()
    assert 1.4 < scene.now_s - began < 2.05


@played
async def test_who_was_deposed_while_nothing_was_decided_is_refused(scene: Scene) -> None:
    leader = await opened(scene, 3)
    scene.server.meet("out.a", refusal(NO_QUORUM))
    await raise_fence(leader.connection, "OUT", SUBJECT, "two", 2)
    await leader.publish(1)
    with pytest.raises(Fenced, match="error 10077"):
        await leader.publisher.flush()
    assert (len(leader.told), len(scene.came("out.>"))) == (1, 1)


@pytest.mark.parametrize("known", [{0}, {1}, {1, 2}, {4}, {0, 1, 2, 3, 4}, {0, 2, 4}])
@pytest.mark.parametrize("count", [2, 5])
@played
async def test_what_the_stream_knows_is_taken_once_and_the_rest_of_its_batch_in_order(
    scene: Scene, count: int, known: set[int]
) -> None:
    leader = await opened(scene, 3)
    known = {number for number in known if number < count}
    for number in sorted(known):
        await publish_ack(leader.connection, "out.known", b"%d" % number, {"Nats-Msg-Id": f"id-{number}"})
    for number in range(count):
        await leader.publisher.publish("out.a", b"%d" % number, {"Nats-Msg-Id": f"id-{number}"})
    await leader.publisher.flush()
    assert [int(data) for data in scene.data("OUT", "out.a")] == [n for n in range(count) if n not in known]
    assert leader.publisher.acknowledged == count


@played
async def test_a_message_alone_that_is_refused_as_known_in_a_batch_is_an_error(scene: Scene) -> None:
    leader = await opened(scene, 3)
    scene.server.meet("out.a", refusal(KNOWN_IN_BATCH))
    await leader.publish(1)
    with pytest.raises(StreamError) as caught:
        await leader.publisher.flush()
    assert caught.value.code == KNOWN_IN_BATCH
