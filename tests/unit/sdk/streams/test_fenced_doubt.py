"""A batch that was refused and may have been taken: by a server that led the stream before, or while nobody led it."""

from __future__ import annotations

import asyncio
import json

import pytest

from marketprism_sdk.errors import DeadlineExceeded, Fenced, StreamError, StreamMisconfigured
from marketprism_sdk.nats.jetstream import publish_ack
from marketprism_sdk.streams import raise_fence
from tests.simulation.scene import LOST, Fate, Scene, denied, played, refusal
from tests.unit.sdk.streams.fenced import NO_QUORUM, SUBJECT, TOO_LONG, WRONG_SEQUENCE, opened

ASKED, LOOKED = "$JS.API.STREAM.MSG.GET.OUT", "$JS.API.DIRECT.GET.OUT"
REFUSED = pytest.mark.parametrize("code", [WRONG_SEQUENCE, NO_QUORUM], ids=["by the fence", "undecided"])


@REFUSED
@pytest.mark.parametrize("count", [1, 3])
@played
async def test_what_was_not_taken_is_sent_again_under_the_fence_raised_anew(
    scene: Scene, code: int, count: int
) -> None:
    leader = await opened(scene, 3)
    for _ in range(count - 1):
        scene.server.meet("out.a", "taken")
    scene.server.meet("out.a", refusal(code))
    await leader.publish(*range(count))
    await leader.publisher.flush()
    await leader.publish(9)
    await leader.publisher.flush()
    assert (leader.numbers, leader.fences, leader.told) == ([*range(count), 9], [1, 2], [])
    assert leader.publisher.acknowledged == count + 1


@REFUSED
@pytest.mark.parametrize("count", [1, 3])
@played
async def test_what_was_taken_all_the_same_is_not_sent_again(scene: Scene, code: int, count: int) -> None:
    leader = await opened(scene, 3)
    await leader.publish(7)
    await leader.publisher.flush()
    scene.server.meet("out.a", *["taken"] * (count - 1), denied(code))
    await leader.publish(*range(count))
    await leader.publisher.flush()
    await leader.publish(9)
    await leader.publisher.flush()
    assert (leader.numbers, len(leader.fences), leader.told) == ([7, *range(count), 9], 2, [])
    assert leader.publisher.acknowledged == count + 2


@played
async def test_what_was_taken_at_the_second_attempt_is_not_sent_a_third_time(scene: Scene) -> None:
    leader = await opened(scene, 3)
    scene.server.meet("out.a", refusal(NO_QUORUM), denied(WRONG_SEQUENCE))
    await leader.publish(1)
    await leader.publisher.flush()
    assert (leader.numbers, len(scene.came("out.a"))) == ([1], 2)


@played
async def test_the_same_said_before_is_not_taken_for_it(scene: Scene) -> None:
    leader = await opened(scene, 3)
    scene.server.meet("out.a", "taken", refusal(NO_QUORUM), "taken", denied(NO_QUORUM), refusal(WRONG_SEQUENCE))
    for _ in range(4):
        await leader.publish(5)
        await leader.publisher.flush()
    assert leader.numbers == [5] * 4


@played
async def test_one_that_the_stream_knows_stands_where_it_stood(scene: Scene) -> None:
    leader = await opened(scene, 3)
    await publish_ack(leader.connection, "out.known", b"0", {"Nats-Msg-Id": "known"})
    await leader.publish(5)
    await leader.publisher.flush()
    await leader.publisher.publish("out.a", b"0", {"Nats-Msg-Id": "known"})  # its receipt is of a place before
    await leader.publisher.flush()
    scene.server.meet("out.a", refusal(NO_QUORUM))
    await leader.publish(5)
    await leader.publisher.flush()
    assert leader.numbers == [0, 5, 5]


@pytest.mark.parametrize("up_to", [2, 3])
@played
async def test_a_replica_that_has_not_the_fence_is_not_believed(scene: Scene, up_to: int) -> None:
    leader = await opened(scene, 3)
    await leader.publish(1)
    await leader.publisher.flush()
    scene.server.meet("out.a", denied(NO_QUORUM))
    scene.server.meet(LOOKED, *[lambda data: json.dumps({**json.loads(data), "up_to_seq": up_to}).encode()] * 2)
    await leader.publish(2)
    await leader.publisher.flush()
    assert (leader.numbers, len(scene.came(LOOKED))) == ([1, 2], 3)


@played
async def test_a_replica_without_any_fence_is_not_believed(scene: Scene) -> None:
    leader = await opened(scene, 3)
    scene.server.meet("out.a", denied(NO_QUORUM))
    scene.server.meet(LOOKED, lambda _: json.dumps({"multi_last": ["out.other"]}).encode())
    await leader.publish(2)
    await leader.publisher.flush()
    assert (leader.numbers, len(scene.came(LOOKED))) == ([2], 2)


@played
async def test_a_fence_that_was_raised_anew_is_not_renewed_for_the_bytes_before_it(scene: Scene) -> None:
    leader = await opened(scene, 3, config={"max_bytes": 204_808}, max_batch=1)  # an eighth: 25 601 bytes
    scene.server.meet("out.a", *["taken"] * 10, refusal(NO_QUORUM))
    for _ in range(11):
        await leader.publisher.publish("out.a", b"")
    assert len(leader.fences) == 2
    for _ in range(200):
        await leader.publisher.publish("out.a", b"")
    assert len(leader.fences) == 2
    await leader.publisher.publish("out.a", b"")
    assert len(leader.fences) == 3


@played
async def test_a_refusal_by_the_own_fence_that_does_not_end_has_no_known_outcome(scene: Scene) -> None:
    leader = await opened(scene, 3, undecided_s=2.0)
    scene.server.meet("out.a", *[refusal(WRONG_SEQUENCE)] * 1_000)
    began = scene.now_s
    await leader.publish(1)
    with pytest.raises(DeadlineExceeded, match="whether it was taken is not known"):
        await leader.publisher.flush()
    assert 1.4 < scene.now_s - began < 2.05
    assert (leader.told, leader.numbers) == ([], [])


@REFUSED
@played
async def test_who_was_deposed_while_it_was_in_doubt_is_refused(scene: Scene, code: int) -> None:
    leader = await opened(scene, 3)
    scene.server.meet("out.a", refusal(code))
    task = asyncio.create_task(leader.publish(1))
    await asyncio.sleep(0.01)  # refused, and not asked about yet
    await raise_fence(leader.connection, "OUT", SUBJECT, "two", 2)
    with pytest.raises(Fenced):
        await leader.publisher.flush()
    await task
    assert (len(leader.told), leader.numbers) == (1, [])


@REFUSED
@pytest.mark.parametrize("fate", [LOST, refusal(NO_QUORUM)], ids=["silent", "no quorum"])
@played
async def test_a_fence_that_cannot_be_looked_at_yet_ends_nothing(scene: Scene, code: int, fate: Fate) -> None:
    leader = await opened(scene, 3)
    scene.server.meet("out.a", refusal(code))
    scene.server.meet(ASKED, *[fate] * 5)
    await leader.publish(1)
    await leader.publisher.flush(30.0)
    assert (leader.told, leader.numbers) == ([], [1])


@REFUSED
@pytest.mark.parametrize(("refused", "error"), [(TOO_LONG, StreamError), (10074, StreamMisconfigured)])
@played
async def test_a_fence_that_may_not_be_looked_at_is_an_error(
    scene: Scene, code: int, refused: int, error: type[Exception]
) -> None:
    leader = await opened(scene, 3)
    scene.server.meet("out.a", refusal(code))
    scene.server.meet(ASKED, refusal(refused))
    await leader.publish(1)
    with pytest.raises(error):
        await leader.publisher.flush()
    assert (leader.told, leader.numbers) == ([], [])
