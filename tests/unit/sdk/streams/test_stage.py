"""What a stage puts out, and when: outputs at once, checkpoints behind them, snapshots, side messages before both."""

from __future__ import annotations

import asyncio
import time

import msgspec
import pytest

from marketprism_sdk.observability import Sampled, Sampler, sampled
from marketprism_sdk.streams import Checkpoint
from marketprism_sdk.streams._stage_types import Poison, traced_step
from tests.simulation.clocks import BEGIN_NS
from tests.simulation.scene import LOST, TAKEN, Scene, played, refusal
from tests.support.spans import recorded_spans
from tests.unit.sdk.streams.staged import NEVER_S, NO_QUORUM, another, numbers, staged, sums


@played
async def test_outputs_and_what_is_done_are_one_batch(scene: Scene) -> None:
    one = await staged(scene, 0)
    async with one.running():
        scene.put("in.0", *numbers(3))
        await one.done(3)
        (commit,) = one.commits
        assert commit[:2] == (1, 4)
        assert 0 < commit[2] < 0.1
        batches = {each.headers["Nats-Batch-Id"] for each in scene.stored("OUT", "out.0")}
        assert batches == {scene.stored("OUT", "stage.sums.0.ck")[-1].headers["Nats-Batch-Id"]}
        last = one.lasts()[0]
        created = scene.server.jetstream.streams["IN"].created
        assert last == Checkpoint(1, 1, "one", 3, 0, 0, 0, {"count": 3}, 0, 3, created)
    assert one.outputs() == sums(3)
    assert (one.made, one.lost, one.stage.parts) == ([0], [], {})


@played
async def test_several_partitions_go_on_side_by_side_and_each_checkpoint_expects_the_one_before(scene: Scene) -> None:
    one = await staged(scene, 0, 1, 2)
    async with one.running():
        for start in range(1, 31, 3):
            for partition in range(3):
                scene.put(f"in.{partition}", *numbers(3, start=start))
            await asyncio.sleep(0.03)
        await one.done(90)
        assert [part.ck_seq for part in one.stage.parts.values()] == [
            scene.stored("OUT", f"stage.sums.{partition}.ck")[-1].seq for partition in range(3)
        ]
    assert [one.outputs(partition) for partition in range(3)] == [sums(30)] * 3
    assert (one.made, one.lost) == ([0, 1, 2], [])
    assert any(parts == 3 for parts, _, _ in one.commits)
    assert sum(count for _, count, _ in one.commits) >= 90 + len(one.commits)


@played
async def test_what_is_put_out_leaves_at_once_and_is_committed_when_its_time_has_come(scene: Scene) -> None:
    one = await staged(scene, 0, commit_interval_s=0.4, idle_commit_s=NEVER_S)
    async with one.running():
        for round_ in range(1, 4):
            await asyncio.sleep(0.05)
            put_at = scene.now_s
            scene.put("in.0", str(round_).encode())
            await one.done(round_)
            out, checkpoint = scene.came("out.0")[-1], scene.came("stage.sums.0.ck")[-1]
            assert out.at_s - put_at < 0.02
            assert checkpoint.at_s - out.at_s == pytest.approx(0.4, abs=0.01)
    assert len(one.written) == 3
    assert max(one.written) < 0.001


@played
async def test_a_stage_that_has_nothing_to_do_does_nothing(scene: Scene) -> None:
    one = await staged(scene, 0, 1)
    async with one.running():
        await asyncio.sleep(1)
        assert (one.commits, one.written) == ([], [])
        for number in range(1, 61):
            scene.put("in.0", str(number).encode())
            await asyncio.sleep(0.01)
        await asyncio.sleep(8)
        before, written = scene.loop.steps, len(one.written)
        await asyncio.sleep(20)
        assert scene.loop.steps - before < 1_000
        assert len(one.written) == written


@played
async def test_what_puts_nothing_out_is_committed_now_and_then(scene: Scene) -> None:
    one = await staged(scene, 0, idle_commit_s=1.0)
    async with one.running():
        await asyncio.sleep(5)
        for number in range(1, 31):
            scene.put("in.0", f"{number} x0".encode())
            await asyncio.sleep(0.1)
        assert len(one.commits) in (2, 3, 4)
    assert one.lasts()[0].in_seq == 30


@pytest.mark.parametrize(("outputs", "batches"), [(4, [5]), (5, [6]), (12, [6, 6, 3]), (17, [6, 6, 6, 3])])
@played
async def test_outputs_of_one_message_are_cut_into_batches(scene: Scene, outputs: int, batches: list[int]) -> None:
    one = await staged(scene, 0, max_batch=5)
    async with one.running():
        scene.put("in.0", f"1 x{outputs}".encode())
        await one.done(1)
        found = [count for _, count, _ in one.commits]
        assert [count for count in found if count > 1] == batches
        assert one.made == [0]
        places = [(each.in_seq, each.partial) for each in one.checkpoints()[1:]]
        assert places[-1] == (1, 0)
        assert places[:-1] == [(0, 5 * number) for number in range(1, len(places))]
    assert one.outputs() == ["1 1"] * outputs


@played
async def test_outputs_of_several_messages_fill_a_batch_together(scene: Scene) -> None:
    one = await staged(scene, 0, max_batch=5, commit_interval_s=1.0)
    async with one.running():
        scene.put("in.0", b"1 x3", b"2 x4", b"3 x1")
        await one.done(3)
        assert [count for _, count, _ in one.commits][:2] == [6, 4]
    assert one.outputs() == [*["1 1"] * 3, *["2 3"] * 4, "3 6"]


@played
async def test_more_outputs_than_three_batches_hold_need_no_new_start(scene: Scene) -> None:
    one = await staged(scene, 0)
    async with one.running():
        scene.put("in.0", b"1 x3000", b"2")
        await one.done(2)
    assert (one.made, one.outputs()) == ([0], [*["1 1"] * 3_000, "2 3"])


@played
async def test_who_takes_over_within_a_message_puts_out_the_rest_of_it(scene: Scene) -> None:
    one = await staged(scene, 0, max_batch=5)
    scene.put("in.0", b"1 x12", b"2")
    scene.server.meet("stage.sums.0.ck", TAKEN, LOST)
    async with one.running():
        await scene.until(lambda: one.commits)
    assert (len(one.outputs()), one.lasts()[0].partial) == (5, 5)
    two = another(scene, one)
    await two.own(0, epoch=2)
    async with two.running():
        await two.done(2)
    assert two.outputs() == [*["1 1"] * 12, "2 3"]


@played
async def test_a_message_without_outputs_is_done_too(scene: Scene) -> None:
    one = await staged(scene, 0, idle_commit_s=0.2)
    async with one.running():
        scene.put("in.0", b"1 x0")
        await one.done(1)
    assert (one.outputs(), one.lasts()[0].in_seq) == ([], 1)


@played
async def test_what_a_processor_cannot_take_is_set_aside_and_the_next_goes_on(scene: Scene) -> None:
    one = await staged(scene, 0)
    async with one.running():
        scene.put("in.0", b"1", b"bad", b"2")
        await one.done(3)
        assert one.stage.parts[0].poisoned == 1
    (poison,) = [msgspec.msgpack.decode(data, type=Poison) for data in scene.data("OUT", "stage.sums.0.dead")]
    assert poison == Poison(2, "ValueError: bad", b"bad")
    assert one.outputs() == sums(2)


# -- side messages


@played
async def test_side_messages_are_taken_before_the_checkpoint_that_speaks_of_them(scene: Scene) -> None:
    one = await staged(scene, 0)
    scene.server.meet("side.0", refusal(NO_QUORUM))
    async with one.running():
        scene.put("in.0", b"1 side", b"2", b"3 side")
        await one.done(3)
        assert max(each.ts for each in scene.stored("SIDE")) < scene.stored("OUT", "stage.sums.0.ck")[-1].ts
    assert (one.outputs(), one.made) == (sums(3), [0])
    assert {each.headers["Nats-Msg-Id"]: each.data for each in scene.stored("SIDE")} == {"0-1": b"1 1", "0-3": b"3 6"}


@played
async def test_a_side_message_that_is_refused_holds_the_checkpoint_back_and_comes_once(scene: Scene) -> None:
    one = await staged(scene, 0)
    scene.server.meet("side.0", refusal(10054))
    async with one.running():
        scene.put("in.0", b"1 side", b"2")
        await one.done(2)
    assert one.made == [0, 0]  # it went on from its checkpoints
    assert (one.outputs(), scene.data("SIDE")) == (sums(2), [b"1 1"])


@played
async def test_a_message_that_only_goes_elsewhere_is_committed_too(scene: Scene) -> None:
    one = await staged(scene, 0, idle_commit_s=0.2)
    async with one.running():
        scene.put("in.0", b"1 side")
        await one.done(1)
        scene.put("in.0", b"2 side")
        await one.done(2)
    assert scene.data("SIDE") == [b"1 1", b"2 3"]


# -- samples


@played
async def test_a_sampled_message_goes_on_with_its_outputs_and_its_age_is_told(scene: Scene) -> None:
    one = await staged(scene, 0, 1)
    trace = Sampler(1).take()
    assert trace is not None
    async with one.running():
        scene.put("in.0", b"1")
        scene.put("in.1", b"1")
        scene.put("in.1", b"2 side", b"3 x2", headers=trace.headers())
        scene.put("in.1", b"4")
        await one.done(5)
    ((partition, age_s), (_, second_s)) = one.traced
    now_ns = BEGIN_NS + int(scene.now_s * 1e9)
    assert partition == 1
    assert 0 < age_s <= second_s <= (now_ns - trace.origin_ns) / 1e9
    found = [sampled(each.headers) for each in scene.stored("OUT", "out.1")]
    assert [each is not None and each.trace_id == trace.trace_id for each in found] == [False, True, True, True, False]
    (side,) = scene.stored("SIDE")
    assert sampled(side.headers) is not None
    assert side.headers["Nats-Msg-Id"] == "1-2"
    assert one.outputs(1) == ["1 1", "2 3", "3 6", "3 6", "4 10"]


@played
async def test_a_step_is_recorded_with_its_time_and_its_member(scene: Scene) -> None:
    spans, ages = recorded_spans(), list[float]()
    now = time.time_ns()
    trace = Sampled("1" * 32, "2" * 16, now - 10**18)  # a thousand million seconds old
    headers = traced_step("sums", "one", lambda _, age_s: ages.append(age_s), 3, trace, now - 5)
    (span,) = spans.get_finished_spans()
    assert (span.name, dict(span.attributes or {}), span.start_time) == ("stage sums", {"holder": "one"}, now - 5)
    assert ages == pytest.approx([1e9], abs=0.5, rel=0)
    again = sampled(headers)
    assert again is not None
    assert (again.trace_id, again.span_id != trace.span_id) == (trace.trace_id, True)


# -- snapshots


@played
async def test_a_snapshot_is_written_with_a_checkpoint_when_its_time_has_come(scene: Scene) -> None:
    one = await staged(scene, 0, snapshot_every_s=2.0)
    async with one.running():
        for number in range(1, 51):
            scene.put("in.0", str(number).encode())
            await asyncio.sleep(0.1)
        await one.done(50)
        assert [count for _, count in one.snapshots()] == [pytest.approx(20, abs=1), pytest.approx(40, abs=1)]
        assert all(seq == count for seq, count in one.snapshots())
        last = one.lasts()[0]
        assert (last.snap_in_seq, last.snap_chunks, last.in_seq) == (one.snapshots()[-1][0], 1, 50)
        (snap,) = scene.stored("OUT", "stage.sums.0.snap.0")[-1:]
        behind = next(each for each in scene.stored("OUT", "stage.sums.0.ck") if each.seq > snap.seq)
        assert behind.headers["Nats-Batch-Id"] == snap.headers["Nats-Batch-Id"]
    assert [count for _, count in one.snapshots()][-1] == 50  # who leaves writes the whole state


@played
async def test_there_is_no_snapshot_within_a_message(scene: Scene) -> None:
    one = await staged(scene, 0, max_batch=5, snapshot_every_s=0.0, idle_commit_s=NEVER_S)
    async with one.running():
        scene.put("in.0", b"1 x12")
        await one.done(1)
        assert [count for _, count, _ in one.commits][:2] == [6, 6]
        assert set(one.snapshots()) == {(1, 1)}


@pytest.mark.parametrize(("outputs", "snapshots"), [(938, 1), (939, 1), (940, 0), (941, 0)])
@played
async def test_a_snapshot_leaves_room_for_checkpoints(scene: Scene, outputs: int, snapshots: int) -> None:
    one = await staged(scene, 0, max_batch=990, snapshot_every_s=0.0, idle_commit_s=NEVER_S)
    async with one.running():
        scene.put("in.0", f"1 x{outputs}".encode())
        await one.done(1)
        assert (len(one.snapshots()), one.made) == (snapshots, [0])


@played
async def test_a_partition_that_became_quiet_writes_its_whole_state(scene: Scene) -> None:
    one = await staged(scene, 0, 1, snapshot_every_s=2.0)
    async with one.running():
        scene.put("in.0", *numbers(3))
        await asyncio.sleep(1.5)
        assert one.snapshots() == []
        await asyncio.sleep(2)
        assert (one.snapshots(), one.snapshots(1)) == ([(3, 3)], [])
        await asyncio.sleep(10)
        assert one.snapshots() == [(3, 3)]


@played
async def test_the_state_of_an_idle_partition_is_written_anew_before_it_is_too_old(scene: Scene) -> None:
    one = await staged(scene, 0, refresh_s=3.0)
    async with one.running():
        await asyncio.sleep(10)
        assert len(one.snapshots()) == 3


@played
async def test_a_stream_that_does_not_say_its_limits_ends_nothing(scene: Scene) -> None:
    one = await staged(scene, 0, idle_commit_s=0.1)
    async with one.running():
        scene.server.meet("$JS.API.STREAM.INFO.OUT", refusal(10054))
        scene.put("in.0", *numbers(3))
        await asyncio.sleep(2)
    assert (one.made, one.outputs()) == ([0], sums(3))


@played
async def test_the_state_of_an_idle_partition_is_not_pushed_out_by_what_others_write(scene: Scene) -> None:
    one = await staged(scene, 0, config={"max_bytes": 100_000})
    async with one.running():
        for _ in range(80):
            scene.put("out.9", b"x" * 3_900)
            await asyncio.sleep(0.08)
        assert len(one.snapshots()) >= 1
        assert 0 in one.lasts()
    assert (one.made, one.lost) == ([0], [])
