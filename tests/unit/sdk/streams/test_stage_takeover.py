"""A partition is taken over: its checkpoint fenced, its state restored, its input looked at."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import msgspec
import pytest

from marketprism_sdk.errors import DeadlineExceeded, Fenced, NewerFormat, SdkError, StreamError, StreamMissing
from marketprism_sdk.nats.jetstream import delete_stream
from marketprism_sdk.streams import Checkpoint, InputRefused, OwnedPartition
from marketprism_sdk.streams._stage_types import load_snapshot
from tests.simulation.scene import LOST, UNHEARD, Scene, played, refusal
from tests.unit.sdk.streams.staged import (
    NEVER_S,
    TOO_LONG,
    KnowsAgain,
    Staged,
    Sums,
    another,
    numbers,
    staged,
    streams,
    sums,
)

CHECKPOINT, SNAPSHOT = "stage.sums.0.ck", "stage.sums.0.snap"


def checkpoint(**values: object) -> bytes:
    first = Checkpoint(1, 1, "zero", 0, 0, 0, 0, None, created="")
    return msgspec.msgpack.encode({**msgspec.structs.asdict(first), **values})


async def left(scene: Scene, count: int, kind: type[Sums] = Sums) -> Staged:
    """A partition that somebody left behind so many messages, with its whole state."""
    one = await staged(scene, 0, 1, kind=kind, snapshot_every_s=NEVER_S, idle_commit_s=NEVER_S)
    async with one.running():
        scene.put("in.0", *numbers(count))
        await scene.until(lambda: len(one.taken) == count)
    return one


@played
async def test_the_first_owner_begins_with_nothing_under_its_epoch(scene: Scene) -> None:
    one = await staged(scene)
    scene.put("in.0", *numbers(2))
    await one.own(0, epoch=5)
    created = scene.server.jetstream.streams["IN"].created
    (first,) = one.checkpoints()
    assert (first.epoch, first.holder, first.in_seq, first.snap_chunks) == (5, "one", 0, 0)
    part = one.stage.parts[0]
    assert (part.ck_seq, part.created, part.in_seq) == (1, created, 0)
    async with one.running():
        await one.done(2)
    assert one.outputs() == sums(2)


@played
async def test_the_next_owner_goes_on_from_the_snapshot_and_repeats_no_output(scene: Scene) -> None:
    one = await left(scene, 5)
    scene.put("in.0", *numbers(3, start=6))
    two = another(scene, one)
    await two.own(0, epoch=2)
    assert two.stage.parts[0].in_seq == 5
    async with two.running():
        await asyncio.sleep(0.1)
    assert (two.outputs(), two.taken) == (sums(8), [(0, 6), (0, 7), (0, 8)])


@played
async def test_messages_between_snapshot_and_checkpoint_are_processed_again_and_put_out_once(scene: Scene) -> None:
    one = await staged(scene, 0, snapshot_every_s=NEVER_S)
    async with one.running():
        scene.put("in.0", *numbers(5))
        await one.done(5)
        scene.server.meet(f"{SNAPSHOT}.>", LOST)  # it ends without its snapshot
    two = another(scene, one)
    await two.own(0, epoch=2)
    assert (two.stage.parts[0].in_seq, two.stage.parts[0].done_seq) == (0, 5)
    async with two.running():
        await scene.until(lambda: len(two.taken) == 5)
        scene.put("in.0", b"6")
        await two.done(6)
        assert two.lasts()[0].stats == {"count": 6}
    assert (two.outputs(), [seq for _, seq in two.taken]) == (sums(6), [1, 2, 3, 4, 5, 6])


@played
async def test_a_state_that_was_only_restored_is_written_anew_with_the_place_that_it_is_of(scene: Scene) -> None:
    one = await staged(scene, 0, snapshot_every_s=NEVER_S)
    async with one.running():
        scene.put("in.0", *numbers(5))
        await one.done(5)
        scene.server.meet(f"{SNAPSHOT}.>", LOST)
    two = Staged(scene, one.connection, "two", 0.0, Sums, refresh_s=3.0)
    await two.own(0, epoch=2)
    async with two.running():
        await asyncio.sleep(4)
        assert two.snapshots() == [(5, 5)]


@played
async def test_a_reader_that_has_lost_its_consumer_makes_it_again_behind_what_it_took(scene: Scene) -> None:
    one = await left(scene, 5)
    two = another(scene, one)
    await two.own(0, epoch=2)
    (consumer,) = scene.server.jetstream.consumers.values()
    assert consumer.config["opt_start_seq"] == 6
    assert consumer.filters == ["in.0"]


@played
async def test_a_state_that_cannot_be_restored_is_refused_with_its_reason_until_it_can(scene: Scene) -> None:
    one = await left(scene, 5)
    whole = scene.data("OUT", f"{SNAPSHOT}.0")[-1]
    scene.put(f"{SNAPSHOT}.0", whole[:8] + b"junk")
    with pytest.raises(SdkError, match="partition 0: expected a snapshot, was something else"):
        await one.stage.own(0, 2)
    assert one.stage.input.refused[0].startswith("partition 0: expected a snapshot")
    assert one.stage.parts == {}
    scene.put(f"{SNAPSHOT}.0", whole)
    await one.stage.own(0, 2)
    assert (one.stage.input.refused, one.stage.parts[0].in_seq) == ({}, 5)


@played
async def test_a_state_in_several_chunks_is_as_old_as_its_oldest(scene: Scene) -> None:
    connection = await streams(scene)
    part = OwnedPartition(0, 1, Sums(scene, 0, [], 0.0))
    part.snap_in_seq, part.snap_chunks = 5, 3
    place = (5).to_bytes(8, "big")
    scene.put(f"{SNAPSHOT}.1", place + b"of ")
    scene.put(f"{SNAPSHOT}.0", place + b"half ", (4).to_bytes(8, "big") + b"other")
    scene.put(f"{SNAPSHOT}.2", place + b"it")
    assert await load_snapshot(connection, "OUT", SNAPSHOT, part) == b"half of it"
    assert part.snap_seq == 1


@played
async def test_a_snapshot_that_is_gone_is_refused(scene: Scene) -> None:
    one = await left(scene, 5)
    scene.server.jetstream.streams["OUT"].purge(f"{SNAPSHOT}.0")
    with pytest.raises(SdkError, match="expected chunk 0 of the snapshot at 5, was none"):
        await one.stage.own(0, 2)


@played
async def test_a_refusal_is_forgotten_when_the_partition_is_another_s(scene: Scene) -> None:
    one = await staged(scene)
    scene.server.meet(CHECKPOINT, refusal(TOO_LONG))
    with pytest.raises(StreamError):
        await one.stage.own(0, 1)
    assert "10054" in one.stage.input.refused[0]
    await another(scene, one).own(0, epoch=3)
    with pytest.raises(Fenced):
        await one.stage.own(0, 2)
    assert one.stage.input.refused == {}


@played
async def test_a_checkpoint_of_a_newer_program_is_left_to_it(scene: Scene) -> None:
    one = await staged(scene)
    scene.put(CHECKPOINT, checkpoint(v=2))
    with pytest.raises(NewerFormat):
        await one.stage.own(0, 9)
    assert len(scene.stored("OUT")) == 1


# -- the owner of before, who goes on writing


@played
async def test_an_owner_who_writes_in_between_is_overtaken_at_the_next_attempt(scene: Scene) -> None:
    one = await staged(scene)
    scene.put(CHECKPOINT, checkpoint(in_seq=3, taken=3))
    for seen in (4, 5):
        scene.server.before(CHECKPOINT, lambda seen=seen: scene.put(CHECKPOINT, checkpoint(in_seq=seen, taken=seen)))  # type: ignore[misc]
    scene.put("in.0", *numbers(7))
    await one.own(0, epoch=2)
    assert len(scene.came(CHECKPOINT)) == 2  # both came between one look and its write
    assert (one.stage.parts[0].done_seq, one.stage.parts[0].ck_seq) == (5, scene.stored("OUT")[-1].seq)


@played
async def test_an_owner_who_always_writes_in_between_is_tried_to_be_overtaken_for_five_seconds(scene: Scene) -> None:
    one = await staged(scene)

    def go_on() -> None:
        scene.put(CHECKPOINT, checkpoint())
        scene.work(0.25)
        scene.server.before(CHECKPOINT, go_on)

    scene.server.before(CHECKPOINT, go_on)
    began = scene.now_s
    with pytest.raises(Fenced):
        await one.stage.own(0, 2)
    assert 5.0 < scene.now_s - began < 5.5
    assert len(scene.came(CHECKPOINT)) == pytest.approx(20, abs=1)


@pytest.mark.parametrize("fate", [LOST, UNHEARD], ids=["lost", "unheard"])
@played
async def test_a_checkpoint_without_an_answer_is_no_owner_yet(scene: Scene, fate: str) -> None:
    one = await staged(scene)
    scene.server.meet(CHECKPOINT, fate)
    with pytest.raises(DeadlineExceeded):
        await one.stage.own(0, 1)
    assert one.stage.parts == {}
    await one.stage.own(0, 1)
    assert [*one.stage.parts] == [0]


# -- the input


@played
async def test_messages_that_are_gone_are_told_of_and_what_is_there_goes_on_in_a_commit_of_its_own(
    scene: Scene,
) -> None:
    one = await left(scene, 5)
    scene.put("in.0", *numbers(4, start=6))
    scene.server.jetstream.streams["IN"].purge(below=8)
    two = Staged(scene, one.connection, "two", 0.0, Sums)
    before = len(scene.stored("OUT"))
    await two.own(0, epoch=2)
    ((partition, cut),) = two.cuts
    assert (partition, cut.wanted, cut.first, cut.processed, cut.log) == (0, 6, 8, 0, "")
    fenced, snapshot, last = scene.stored("OUT")[before:]
    assert [each.subject for each in (fenced, snapshot, last)] == [CHECKPOINT, f"{SNAPSHOT}.0", CHECKPOINT]
    assert snapshot.headers["Nats-Batch-Id"] == last.headers["Nats-Batch-Id"]
    assert two.snapshots()[-1] == (7, 5)
    assert (two.lasts()[0].in_seq, two.lasts()[0].snap_in_seq, two.stage.parts[0].ck_seq) == (7, 7, last.seq)
    async with two.running():
        await two.done(7)
    assert two.outputs()[5:] == ["6 23", "7 32"]
    three = Staged(scene, one.connection, "three", 0.0, Sums)
    await three.own(0, epoch=3)
    assert (three.cuts, three.stage.parts[0].in_seq) == ([], 9)


@played
async def test_an_input_that_was_made_anew_is_refused_by_whoever_would_count_twice(scene: Scene) -> None:
    one = await left(scene, 5)
    await delete_stream(one.connection, "IN")
    await scene.stream("IN", "in.>")
    before = len(scene.came(f"{SNAPSHOT}.>"))
    with pytest.raises(InputRefused, match="expected stream IN to go on at 6, the stream was made anew"):
        await one.stage.own(0, 2)
    assert "made anew" in one.stage.input.refused[0]
    assert (one.cuts, len(scene.came(f"{SNAPSHOT}.>"))) == ([], before)


@played
async def test_an_input_that_was_made_anew_is_read_from_its_beginning_by_who_knows_it_again(scene: Scene) -> None:
    one = await left(scene, 5, kind=KnowsAgain)
    await delete_stream(one.connection, "IN")
    await scene.stream("IN", "in.>")
    scene.put("in.0", *numbers(2, start=6))
    two = Staged(scene, one.connection, "two", 0.0, KnowsAgain)
    await two.own(0, epoch=2)
    created = scene.server.jetstream.streams["IN"].created
    assert (two.stage.parts[0].created, two.lasts()[0].created, two.lasts()[0].in_seq) == (created, created, 0)
    async with two.running():
        await scene.until(lambda: len(two.outputs()) == 7)
    assert two.outputs() == sums(7)


@played
async def test_an_input_that_ends_before_the_checkpoint_is_looked_at_for_four_seconds(scene: Scene) -> None:
    one = await left(scene, 5, kind=KnowsAgain)
    stream = scene.server.jetstream.streams["IN"]
    stream.purge()
    stream.last = 3
    began = scene.now_s
    two = Staged(scene, one.connection, "two", 0.0, KnowsAgain)
    await two.own(0, epoch=2)
    assert scene.now_s - began == pytest.approx(4.0, abs=0.1)
    ((_, cut),) = two.cuts
    assert cut.reason == "the checkpoint is at 5, the stream ends at 3"


@played
async def test_an_input_that_is_not_there_has_no_owner(scene: Scene) -> None:
    one = await staged(scene)
    await delete_stream(one.connection, "IN")
    with pytest.raises(StreamMissing):
        await one.stage.own(0, 1)
    assert one.stage.input.refused[0].startswith("STREAM.INFO.IN")


@played
async def test_an_input_whose_next_messages_are_deleted_is_taken_over_behind_them(scene: Scene) -> None:
    one = await staged(scene, 0, look_s=1.0)
    asked = len(scene.came("$JS.API.STREAM.INFO.IN"))
    async with one.running():
        scene.put("in.0", *numbers(2))
        await one.done(2)
        part = one.stage.parts[0]
        assert part.consumer is not None
        part.consumer.left = 3  # the server said that it has more
        scene.server.jetstream.streams["IN"].last = 9
        scene.server.jetstream.streams["IN"].purge()
        await scene.until(lambda: one.cuts, 5.0)
        scene.put("in.0", b"3")
        await one.done(3)
        ((_, cut),) = one.cuts
        assert (cut.first, one.made) == (10, [0, 0])
    assert len(scene.came("$JS.API.STREAM.INFO.IN")) > asked


@played
async def test_an_input_is_looked_at_as_often_as_that_is_wanted_and_nothing_is_taken_anew(scene: Scene) -> None:
    one = await staged(scene, 0, look_s=3.0)
    async with one.running():
        await asyncio.sleep(0.1)
        for number in range(1, 10):
            scene.put("in.0", str(number).encode())
            await asyncio.sleep(1)
        scene.server.jetstream.streams["IN"].purge()  # they have been read
        part = one.stage.parts[0]
        assert part.consumer is not None
        part.consumer.left = 3  # as if more had been there
        await asyncio.sleep(6)
        looks = [each.at_s for each in scene.came("$JS.API.STREAM.INFO.IN")]
        gaps = [after - before for before, after in pairwise(looks[1:])]
        assert gaps == pytest.approx([3.0] * len(gaps), abs=0.6)
        assert len(gaps) >= 3
    assert (one.made, one.cuts, one.stage.input.away) == ([0], [], "")


@played
async def test_an_input_that_is_another_one_unheard_is_found_by_looking(scene: Scene) -> None:
    one = await staged(scene, 0, look_s=1.0, kind=KnowsAgain)
    async with one.running():
        scene.put("in.0", *numbers(2))
        await one.done(2)
        scene.server.jetstream.streams["IN"].created = "2026-01-02T00:00:00Z"  # a server that was restored
        await scene.until(lambda: one.cuts and one.stage.parts, 5.0)
        ((_, cut),) = one.cuts
        assert (cut.reason, one.stage.parts[0].created) == ("the stream was made anew", "2026-01-02T00:00:00Z")


@played
async def test_an_input_that_does_not_answer_is_away_until_it_does(scene: Scene) -> None:
    one = await staged(scene, 0, look_s=1.0)
    async with one.running():
        scene.server.meet("$JS.API.STREAM.INFO.IN", refusal(TOO_LONG))
        await scene.until(lambda: one.stage.input.away, 3.0)
        assert "10054" in one.stage.input.away
        await scene.until(lambda: not one.stage.input.away, 3.0)
        scene.put("in.0", b"1")
        await one.done(1)
    assert (one.made, one.lost) == ([0], [])
