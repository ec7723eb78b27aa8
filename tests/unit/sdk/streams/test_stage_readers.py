"""Readers of partitions that are taken over: one that cannot be made, one that has no place yet, one that is forgotten."""

from __future__ import annotations

import asyncio
import gc

import pytest

from marketprism_sdk.errors import StreamError
from marketprism_sdk.nats.pull import PullConsumer
from tests.simulation.scene import LOST, Scene, played, refusal
from tests.unit.sdk.streams.staged import TOO_LONG, numbers, staged, sums

MADE, DELETED = "$JS.API.CONSUMER.CREATE.IN", "$JS.API.CONSUMER.DELETE.IN"


@played
async def test_a_reader_that_cannot_be_made_leaves_nothing_behind(scene: Scene) -> None:
    one = await staged(scene)
    others = {id(each): each for each in gc.get_objects() if isinstance(each, PullConsumer)}  # of tests before
    scene.server.meet(MADE, refusal(TOO_LONG))
    with pytest.raises(StreamError):
        await one.stage.own(0, 1)
    gc.collect()
    left = [each for each in gc.get_objects() if isinstance(each, PullConsumer) and id(each) not in others]
    assert (one.stage.parts, left) == ({}, [])
    await one.stage.own(0, 1)


# -- looking while it goes on


@played
async def test_a_reader_that_has_no_place_yet_holds_up_nobody(scene: Scene) -> None:
    """Whoever shall have it may have gone; the partitions that are taken over beside it are read meanwhile."""
    one = await staged(scene)
    scene.server.meet(MADE, LOST, LOST)
    began = scene.now_s
    async with one.running():
        await asyncio.gather(*(one.stage.own(partition, 1) for partition in range(2)))
        assert scene.now_s - began == pytest.approx(0.25, abs=0.1)
        for partition in range(2):
            scene.put(f"in.{partition}", *numbers(3))
        await one.done(6)
        assert scene.now_s - began < 3.0
    assert (one.outputs(), one.outputs(1), one.lost) == (sums(3), sums(3), [])


@played
async def test_partitions_are_let_go_at_once_where_nobody_answers(scene: Scene) -> None:
    """A server that is cut off answers no deletion; a stage that starts again would hold its lock for a minute."""
    one = await staged(scene, *range(8))
    scene.server.meet(f"{DELETED}.*", *[LOST] * 8)
    async with one.running():
        scene.server.meet("stage.sums.0.ck", refusal(TOO_LONG))
        scene.put("in.0", *numbers(3))
        began = scene.now_s
        await scene.until(lambda: len(one.made) == 16)
        assert scene.now_s - began < 1.0
        await one.done(3)
    assert len(scene.came(f"{DELETED}.*")) == 16
    assert one.outputs() == sums(3)


@played
async def test_a_consumer_that_is_let_go_is_deleted(scene: Scene) -> None:
    one = await staged(scene, 0)
    assert len(scene.server.jetstream.consumers) == 1
    async with one.running():
        await one.stage.disown(0)
        assert not scene.server.jetstream.consumers


@played
async def test_a_reader_that_is_still_to_be_made_is_forgotten_with_its_partition(scene: Scene) -> None:
    one = await staged(scene)
    scene.server.meet(MADE, LOST)
    async with one.running():
        await one.stage.own(0, 1)
        await one.stage.disown(0)
        await asyncio.sleep(5)
    assert len(scene.came(MADE)) == 1
    assert not scene.server.jetstream.consumers
