"""Batches of a stage on their way: what goes on meanwhile, what comes behind them, what becomes of them when they fail."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

from tests.simulation.scene import LOST, TAKEN, UNHEARD, Fate, Scene, played, refusal
from tests.unit.sdk.streams.staged import NEVER_S, NO_QUORUM, TOO_LONG, numbers, staged, sums

CHECKPOINT = "stage.sums.0.ck"


@pytest.mark.parametrize("fate", [LOST, UNHEARD, refusal(NO_QUORUM), refusal(TOO_LONG)], ids=str)
@played
async def test_what_was_in_a_commit_that_fails_while_another_partition_is_taken_is_done_again(
    scene: Scene, fate: Fate
) -> None:
    one = await staged(scene, 0, 1)
    async with one.running():
        scene.put("in.0", *numbers(3))
        await one.done(3)
        scene.server.meet(CHECKPOINT, fate)
        scene.put("in.0", *numbers(3, start=4))
        await scene.until(lambda: scene.came(CHECKPOINT)[2:])
        await one.stage.own(2, 1)
        scene.put("in.0", b"7")
        scene.put("in.2", b"1")
        await one.done(8)
    assert (one.outputs(), one.outputs(2), one.lost) == (sums(7), sums(1), [])


@played
async def test_a_partition_is_taken_while_a_commit_of_another_waits_for_its_answer(scene: Scene) -> None:
    one = await staged(scene, 0)
    async with one.running():
        scene.server.meet(CHECKPOINT, 2.0)
        scene.put("in.0", b"1")
        await scene.until(lambda: scene.came(CHECKPOINT)[1:])
        began = scene.now_s
        await one.stage.own(1, 1)
        assert scene.now_s - began < 0.1
        await one.done(1)
    assert (one.outputs(), one.made) == (sums(1), [0, 1])


@played
async def test_what_a_partition_put_out_before_it_is_taken_again_is_there_once(scene: Scene) -> None:
    one = await staged(scene, 0, commit_interval_s=0.5)
    async with one.running():
        scene.put("in.0", *numbers(3))
        await scene.until(lambda: len(one.taken) == 3)
        await one.stage.own(0, 2)
        assert (one.outputs(), one.snapshots()) == (sums(3), [(3, 3)])
        assert len(scene.server.jetstream.consumers) == 1
        scene.put("in.0", b"4")
        await one.done(4)
    assert (one.outputs(), one.checkpoints()[-1].epoch) == (sums(4), 2)


@played
async def test_what_gathered_behind_a_commit_goes_as_soon_as_that_is_answered(scene: Scene) -> None:
    one = await staged(scene, 0, commit_interval_s=0.5, idle_commit_s=NEVER_S)
    async with one.running():
        scene.server.meet(CHECKPOINT, 1.3)
        scene.put("in.0", b"1")
        await scene.until(lambda: scene.came(CHECKPOINT)[1:])
        scene.put("in.0", b"2", b"3")
        await one.done(3)
        first, second = scene.came(CHECKPOINT)[1:]
        assert second.at_s - first.at_s == pytest.approx(1.3, abs=0.02)
    assert (one.outputs(), [count for _, count, _ in one.commits][:2]) == (sums(3), [2, 3])


@played
async def test_a_connection_that_goes_while_a_full_batch_waits_for_the_one_before_it_ends_both(scene: Scene) -> None:
    one = await staged(scene, 0, max_batch=5)
    async with one.running():
        scene.server.meet(CHECKPOINT, 3.0)
        scene.put("in.0", b"1 x12")
        await scene.until(lambda: len(scene.came("out.0")) == 10)
        await asyncio.sleep(0.1)
        began = scene.now_s
        scene.reset()
        await scene.until(lambda: len(one.made) == 2)
        assert scene.now_s - began < 1.0
        await one.done(1)
        await asyncio.sleep(4)
    assert (one.outputs(), one.lost) == (["1 1"] * 12, [])


@played
async def test_what_fails_beside_a_commit_does_not_wait_for_its_answer(scene: Scene) -> None:
    one = await staged(scene, 0)
    (session,) = scene.server.sessions
    async with one.running():
        await asyncio.sleep(0.1)
        before = len(session.subscriptions)
        scene.server.meet(CHECKPOINT, LOST)
        scene.put("in.0", b"1")
        await scene.until(lambda: scene.came(CHECKPOINT)[1:])
        scene.server.meet("side.0", refusal(TOO_LONG))
        scene.put("in.0", b"2 side", b"3 side")
        began = scene.now_s
        await asyncio.sleep(0.05)
        scene.put("in.0", b"4 side")
        await one.done(4)
        assert scene.now_s - began < 1.0
        await asyncio.sleep(6)
        assert len(session.subscriptions) == before
    assert (one.outputs(), sorted(scene.data("SIDE"))) == (sums(4), [b"2 3", b"3 6", b"4 10"])


@pytest.mark.parametrize("taking", [False, True], ids=["before it begins", "while it takes over"])
@played
async def test_a_server_that_is_away_costs_no_attempt(scene: Scene, taking: bool) -> None:
    one = await staged(scene, 0)
    async with one.running():
        await asyncio.sleep(0.1)
        scene.server.meet(CHECKPOINT, *[refusal(NO_QUORUM)] * (2 if taking else 4))
        if taking:
            scene.put("in.0", b"1")
            await scene.until(lambda: len(scene.came(CHECKPOINT)) == 3)
        scene.server.stop()
        scene.loop.call_later(5.0, scene.server.start)
        if not taking:
            await asyncio.sleep(6)
            scene.put("in.0", b"1")
        await one.done(1)
    assert (one.outputs(), one.lost) == (sums(1), [])


@pytest.mark.parametrize(
    ("subject", "fates", "more"),
    [
        ("side.0", [LOST] * 4, " side"),
        ("side.0", [UNHEARD] * 4, " side"),
        (CHECKPOINT, [LOST, TAKEN] * 4, ""),  # who takes the partition again writes one too
    ],
    ids=["side lost", "side unheard", "checkpoint lost"],
)
@played
async def test_a_receipt_that_does_not_come_is_waited_for_longer_each_time_and_shortly_behind_one_that_came(
    scene: Scene, subject: str, fates: list[str], more: str
) -> None:
    """Every partition waits for it: a leader that goes takes receipts with it, and a slow one takes its time."""
    one = await staged(scene, 0)

    def pauses() -> list[float]:
        sent = [each.at_s for each in scene.came(subject) if each.batch or "Nats-Msg-Id" in each.headers]
        return [after - before for before, after in pairwise(sent)]

    async with one.running():
        scene.server.meet(subject, *fates)
        scene.put("in.0", *numbers(1, more))
        await scene.until(one.outputs, 60.0)
        assert pauses() == pytest.approx([2.5, 5.0, 10.0, 10.0], abs=0.1)
        scene.server.meet(subject, fates[0])
        scene.put("in.0", *numbers(1, more, start=2))
        await one.done(2)
        assert pauses()[-1] == pytest.approx(2.5, abs=0.1)
    assert (one.outputs(), one.lost) == (sums(2), [])
    assert scene.data("SIDE") == ([b"1 1", b"2 3"] if more else [])
