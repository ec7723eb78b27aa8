"""A stage whose writes fail, whose connection goes, whose partitions are another's: what it does again, what it gives up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from marketprism_sdk.errors import Fenced, NotConnected
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import delete_stream
from tests.simulation.scene import LOST, NOBODY, UNHEARD, Fate, Scene, played, refusal
from tests.unit.sdk.streams.staged import (
    NEVER_S,
    NO_QUORUM,
    TOO_LONG,
    WRONG_SEQUENCE,
    KnowsAgain,
    Staged,
    Sums,
    another,
    numbers,
    staged,
    streams,
    sums,
)

CHECKPOINT = "stage.sums.0.ck"
MADE = "$JS.API.CONSUMER.CREATE.IN"


@pytest.mark.parametrize(
    "fate",
    [LOST, UNHEARD, NOBODY, refusal(NO_QUORUM), refusal(TOO_LONG), refusal(WRONG_SEQUENCE)],
    ids=["lost", "unheard", "nobody", "no quorum", "refused", "fenced"],
)
@played
async def test_a_commit_that_fails_is_done_again_from_the_checkpoints(scene: Scene, fate: Fate) -> None:
    one = await staged(scene, 0, 1)
    async with one.running():
        scene.put("in.0", *numbers(3))
        await one.done(3)
        scene.server.meet("stage.sums.1.ck", fate)  # the last message of the batch
        for partition in range(2):
            scene.put(f"in.{partition}", *numbers(3, " side", start=4 - 3 * partition))
        await one.done(9)
        await asyncio.sleep(5.1)  # for so long an answer is waited for
    assert (one.outputs(), one.outputs(1)) == (sums(6), sums(3))
    assert sorted(scene.data("SIDE")) == [b"1 1", b"2 3", b"3 6", b"4 10", b"5 15", b"6 21"]
    assert (sorted(one.made), one.lost) == ([0, 0, 1, 1], [])


@played
async def test_a_connection_that_goes_is_waited_for_and_everything_comes_once(scene: Scene) -> None:
    one = await staged(scene, 0, 1)
    async with one.running():
        for number in range(1, 31):
            scene.put("in.0", f"{number} side".encode())
            scene.put("in.1", str(number).encode())
            if number % 10 == 5:
                scene.reset()
            await asyncio.sleep(0.013)
        await one.done(60)
    assert (one.outputs(), one.outputs(1), len(scene.stored("SIDE"))) == (sums(30), sums(30), 30)
    assert (len(one.made), one.lost) == (8, [])


@played
async def test_a_connection_that_goes_ends_a_commit_that_nobody_will_answer(scene: Scene) -> None:
    one = await staged(scene, 0)
    async with one.running():
        scene.put("in.0", b"1")
        scene.server.meet(CHECKPOINT, UNHEARD)
        await scene.until(lambda: len(one.outputs()) == 1)
        began = scene.now_s
        scene.reset()
        scene.put("in.0", b"2")
        await one.done(2)
        assert scene.now_s - began < 1.0
    assert one.outputs() == sums(2)


@played
async def test_an_idle_stage_whose_connection_goes_starts_again_at_once(scene: Scene) -> None:
    one = await staged(scene, 0, idle_commit_s=NEVER_S)
    async with one.running():
        await asyncio.sleep(0.1)
        scene.reset()
        await scene.until(lambda: one.made == [0, 0], 2.0)
        await asyncio.sleep(5)
        assert one.made == [0, 0]


@played
async def test_who_has_ended_hears_of_no_connection_that_goes(scene: Scene) -> None:
    one = await staged(scene, 0)
    async with one.running():
        await asyncio.sleep(0.1)
    await asyncio.sleep(0.1)
    (session,) = scene.server.sessions
    assert (len(session.subscriptions), scene.server.jetstream.consumers) == (1, {})
    scene.reset()
    await asyncio.sleep(1)
    await one.own(0, epoch=2)
    async with one.running():
        await asyncio.sleep(1)
    assert one.made == [0, 0]


# -- partitions that are another's


@played
async def test_a_partition_that_another_has_taken_is_given_up_and_the_others_stay(scene: Scene) -> None:
    one = await staged(scene, 0, 1)
    two = another(scene, one)
    async with one.running():
        scene.put("in.0", *numbers(3))
        scene.put("in.1", *numbers(3))
        await one.done(6)
        await two.own(0, epoch=2)
        scene.put("in.0", b"4")
        scene.put("in.1", b"4")
        async with two.running():
            await one.done(8)
            assert (one.lost, [*one.stage.parts], [*two.stage.parts]) == ([0], [1], [0])
    assert (one.outputs(), one.outputs(1)) == (sums(4), sums(4))
    assert one.made.count(0) == 1 + 1  # it is looked at once, and not again


@pytest.mark.parametrize(
    ("fates", "attempts", "lost"),
    [
        ([refusal(NO_QUORUM)] * 4, 5, []),
        ([refusal(NO_QUORUM)] * 5, 5, [0]),
        ([refusal(TOO_LONG)] * 2, 3, []),
    ],
)
@played
async def test_a_partition_that_cannot_be_taken_again_is_tried_five_times(
    scene: Scene, fates: list[Fate], attempts: int, lost: list[int]
) -> None:
    one = await staged(scene, 0, 1)
    async with one.running():
        await asyncio.sleep(0.1)
        scene.server.meet("out.0", LOST)  # a hole in the batch
        scene.server.meet(CHECKPOINT, refusal(NO_QUORUM), *fates)
        scene.put("in.0", b"1")
        scene.put("in.1", b"1")
        await one.done(1)
        await asyncio.sleep(3)
        tries = [each.at_s for each in scene.came(CHECKPOINT)][2:][:attempts]
        assert len(tries) == attempts
        assert [after - before for before, after in pairwise(tries)] == pytest.approx([0.2] * (attempts - 1), abs=0.02)
        assert (one.lost, 0 in one.stage.parts) == (lost, not lost)
    assert one.outputs(1) == sums(1)
    assert one.outputs() == ([] if lost else sums(1))


@played
async def test_checkpoints_that_nobody_answers_for_are_given_up_together(
    scene: Scene,
) -> None:
    one = await staged(scene, *range(16))
    read = "$JS.API.STREAM.MSG.GET.OUT"
    async with one.running():
        await asyncio.sleep(0.1)
        scene.server.meet(CHECKPOINT, refusal(NO_QUORUM))
        scene.server.meet(read, *[LOST] * 1_000)
        scene.put("in.0", b"1")
        began = scene.now_s
        await asyncio.sleep(1)
        await one.stage.disown(3)  # waits for the lock
        assert 9.0 < scene.now_s - began < 16.0  # an election, and an answer that does not come; not that for each
        assert (sorted(one.lost), [*one.stage.parts]) == ([*range(16)], [])
    assert one.outputs() == []


@played
async def test_an_input_that_is_made_anew_is_read_anew_by_whoever_knows_what_comes_again(scene: Scene) -> None:
    one = await staged(scene, 0, kind=KnowsAgain, snapshot_every_s=0.0, look_s=1.0)
    async with one.running():
        scene.put("in.0", *numbers(5))
        await one.done(5)
        await delete_stream(one.connection, "IN")
        await asyncio.sleep(3)
        assert one.stage.input.away.startswith("STREAM.INFO.IN: stream not found")
        await scene.stream("IN", "in.>")
        await scene.until(lambda: one.cuts and not one.stage.input.away, 5.0)
        scene.put("in.0", b"6")
        await scene.until(lambda: one.outputs()[5:])
        ((partition, cut),) = one.cuts
        assert (partition, cut.wanted, cut.first, cut.reason) == (0, 6, 1, "the stream was made anew")
        assert one.lost == []
    assert one.outputs() == [*sums(5), "6 21"]


@played
async def test_an_input_that_is_made_anew_is_left_by_whoever_would_count_twice(scene: Scene) -> None:
    one = await staged(scene, 0, look_s=1.0)
    async with one.running():
        scene.put("in.0", *numbers(5))
        await one.done(5)
        await delete_stream(one.connection, "IN")
        await scene.stream("IN", "in.>")
        await scene.until(lambda: one.lost, 5.0)
        assert (one.lost, one.made, [*one.stage.parts]) == ([0], [0, 0], [])
        assert "made anew" in one.stage.input.refused[0]


@played
async def test_an_input_whose_reader_found_it_made_anew_is_taken_over_again(scene: Scene) -> None:
    one = await staged(scene, 0, kind=KnowsAgain, snapshot_every_s=0.0, look_s=NEVER_S)
    async with one.running():
        scene.put("in.0", *numbers(5))
        await one.done(5)
        await delete_stream(one.connection, "IN")  # its consumer hears of it, looks, and finds another stream
        await scene.stream("IN", "in.>")
        scene.put("in.0", b"6")
        await scene.until(lambda: one.outputs()[5:])
    assert [cut.reason for _, cut in one.cuts] == ["the stream was made anew"]


# -- its own end


@played
async def test_who_stops_commits_what_is_pending_with_its_whole_state(scene: Scene) -> None:
    one = await staged(scene, 0, 1, commit_interval_s=NEVER_S, idle_commit_s=NEVER_S)
    async with one.running():
        scene.put("in.0", *numbers(3))
        scene.put("in.1", *numbers(2))
        await scene.until(lambda: len(one.taken) == 5)
        assert one.outputs() == []
    assert (one.outputs(), one.outputs(1)) == (sums(3), sums(2))
    assert (one.snapshots(), one.snapshots(1)) == ([(3, 3)], [(5, 2)])
    assert one.stage.parts == {}


@pytest.mark.parametrize(
    ("fate", "takes_s"), [(LOST, 2.0), (refusal(TOO_LONG), 0.0), (refusal(NO_QUORUM), 0.0)], ids=["lost", "no", "later"]
)
@played
async def test_who_stops_waits_for_two_seconds_at_most_and_lets_its_partitions_go(
    scene: Scene, fate: Fate, takes_s: float
) -> None:
    one = await staged(scene, 0, commit_interval_s=NEVER_S, idle_commit_s=NEVER_S)
    scene.server.meet(CHECKPOINT, fate)
    async with one.running() as task:
        scene.put("in.0", b"1")
        await scene.until(lambda: one.taken)
        began = scene.now_s
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        assert scene.now_s - began == pytest.approx(takes_s, abs=0.05)
    await asyncio.sleep(0.1)
    (session,) = scene.server.sessions
    assert (len(session.subscriptions), scene.server.jetstream.consumers, one.outputs()) == (1, {}, [])
    two = another(scene, one)
    await two.own(0, epoch=2)
    async with two.running():
        await asyncio.sleep(0.1)
    assert one.outputs() == sums(1)
    await asyncio.sleep(6)  # nobody waits for an answer any more


class WithoutEars(NatsConnection):
    """A connection on which nobody can listen for a while."""

    deaf = 0

    async def subscribe(self, subject: str, callback: Callable[[Any], None], queue: str = "") -> Any:
        """As the connection, once it is well again."""
        if self.deaf:
            self.deaf -= 1
            raise NotConnected("away")
        return await super().subscribe(subject, callback, queue)


@played
async def test_a_stage_that_cannot_listen_for_receipts_tries_again(scene: Scene) -> None:
    await streams(scene)
    connection = await WithoutEars.open("nats://simulated:4222", name="one")
    assert isinstance(connection, WithoutEars)
    one = Staged(scene, connection, "one", 0.0, Sums)
    await one.own(0)
    async with one.running():
        await asyncio.sleep(0.1)
        connection.deaf = 3
        scene.server.meet(CHECKPOINT, refusal(NO_QUORUM))
        scene.put("in.0", b"1 side")
        began = scene.now_s
        await one.done(1)
        assert scene.now_s - began == pytest.approx(0.6, abs=0.15)
    assert (one.outputs(), scene.data("SIDE"), one.lost) == (sums(1), [b"1 1"], [])
    await connection.close()


# -- giving back


@played
async def test_a_partition_is_given_back_with_everything_committed(scene: Scene) -> None:
    one = await staged(scene, 0, 1, commit_interval_s=NEVER_S, idle_commit_s=NEVER_S)
    async with one.running():
        scene.put("in.0", *numbers(3))
        scene.put("in.1", *numbers(2))
        await scene.until(lambda: len(one.taken) == 5)
        await one.stage.disown(7)
        assert one.outputs() == []
        await one.stage.disown(0)
        assert (one.outputs(), one.snapshots(), [*one.stage.parts]) == (sums(3), [(3, 3)], [1])
        assert len(scene.server.jetstream.consumers) == 1
        assert len(one.commits) == 1
        scene.put("in.1", b"3")
        await scene.until(lambda: len(one.taken) == 6)
    assert (one.outputs(1), one.lost) == (sums(3), [])


@played
async def test_a_partition_whose_last_commit_fails_is_given_back_all_the_same(scene: Scene) -> None:
    one = await staged(scene, 0, 1, commit_interval_s=NEVER_S, idle_commit_s=NEVER_S)
    async with one.running():
        scene.put("in.0", *numbers(3))
        scene.put("in.1", *numbers(2))
        await scene.until(lambda: len(one.taken) == 5)
        scene.server.meet("stage.sums.*.ck", refusal(TOO_LONG))
        await one.stage.disown(0)
        assert (one.outputs(), [*one.stage.parts]) == ([], [1])
        assert len(scene.server.jetstream.consumers) == 1
        await scene.until(lambda: len(one.taken) == 7)  # what had not been committed is done again
    two = another(scene, one)
    await two.own(0, epoch=2)
    async with two.running():
        await asyncio.sleep(0.1)
    assert (one.outputs(), one.outputs(1), one.lost) == (sums(3), sums(2), [])


@played
async def test_a_partition_of_a_later_epoch_is_not_taken(scene: Scene) -> None:
    one = await staged(scene)
    two = another(scene, one)
    await two.own(0, epoch=2)
    for holder, epoch in (("one", 1), ("one", 2)):
        with pytest.raises(Fenced, match="expected a checkpoint below epoch"):
            await one.stage.own(0, epoch)
        assert holder == one.holder
    assert (one.stage.parts, one.stage.input.refused) == ({}, {})
