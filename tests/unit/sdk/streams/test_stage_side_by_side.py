"""Partitions that are taken over side by side: none waits for another, and those that are worked on go on."""

from __future__ import annotations

import asyncio

import pytest

from tests.simulation.scene import LOST, Scene, played, refusal
from tests.unit.sdk.streams.staged import TOO_LONG, numbers, staged, sums

ASKED = "$JS.API.STREAM.MSG.GET.OUT"


@played
async def test_what_is_worked_on_goes_on_while_another_partition_is_taken_over(scene: Scene) -> None:
    one = await staged(scene, 0)
    async with one.running():
        scene.server.meet(ASKED, *[LOST] * 6)
        began = scene.now_s
        taking = asyncio.create_task(one.stage.own(1, 1))
        await asyncio.sleep(0.1)
        scene.put("in.0", *numbers(3))
        await one.done(3)
        assert scene.now_s - began < 1.0
        assert not taking.done()
        await taking
        assert scene.now_s - began > 2.0
    assert one.outputs() == sums(3)


@played
async def test_many_are_taken_over_in_the_time_of_one(scene: Scene) -> None:
    one = await staged(scene)
    scene.server.meet(ASKED, *[LOST] * 16)
    began = scene.now_s
    async with one.running():
        await asyncio.gather(*(one.stage.own(partition, 1) for partition in range(16)))
        assert scene.now_s - began == pytest.approx(0.5, abs=0.1)
        assert sorted(one.stage.parts) == list(range(16))


@played
async def test_what_came_before_a_partition_was_there_is_taken_at_once(scene: Scene) -> None:
    one = await staged(scene, 0, idle_commit_s=30.0)
    async with one.running():
        scene.put("in.1", *numbers(3))
        await one.stage.own(1, 1)
        began = scene.now_s
        await one.done(3)
        assert scene.now_s - began < 1.0
    assert one.outputs(1) == sums(3)


@played
async def test_a_take_over_that_is_broken_off_at_its_end_leaves_no_reader(scene: Scene) -> None:
    one = await staged(scene, 0)
    async with one.running():
        scene.server.meet(ASKED, LOST)
        taking = asyncio.create_task(one.stage.own(1, 1))
        await asyncio.sleep(0.1)
        scene.server.meet("stage.sums.0.ck", LOST)  # who lets it go waits for this receipt, with the lock held
        scene.put("in.0", *numbers(1))
        await asyncio.sleep(0.1)
        letting_go = asyncio.create_task(one.stage.disown(0))
        await scene.until(lambda: len(scene.server.jetstream.consumers) == 2)
        await asyncio.sleep(0.3)
        taking.cancel()
        await asyncio.gather(taking, return_exceptions=True)
        assert [each.filters for each in scene.server.jetstream.consumers.values()] == [["in.0"]]
        await letting_go
    assert 1 not in one.stage.parts


@played
async def test_one_that_is_not_recovered_holds_up_no_other(scene: Scene) -> None:
    """A stage that starts again asks for all its checkpoints at once; the answer to one of them is lost for long."""
    one = await staged(scene, *range(4))
    async with one.running():
        scene.put("in.0", *numbers(2))
        await one.done(2)
        made = len(one.made)
        scene.server.meet(ASKED, *[LOST] * 4)
        scene.server.meet("stage.sums.0.ck", refusal(TOO_LONG))
        scene.put("in.0", *numbers(1, start=3))
        began = scene.now_s
        await scene.until(lambda: len(one.made) == made + 4)
        assert scene.now_s - began == pytest.approx(0.5, abs=0.2)
        await one.done(3)
    assert (one.outputs(), one.lost) == (sums(3), [])
