"""Turns of a stage: how long one lasts, who comes next, what is let out meanwhile, who waits for its end."""

from __future__ import annotations

import asyncio
from itertools import groupby

import pytest

from tests.simulation.scene import Scene, played
from tests.unit.sdk.streams.staged import NEVER_S, Staged, another, numbers, staged, sums


def shares(one: Staged) -> list[tuple[int, int]]:
    """Partition and number of the messages that were taken one behind the other."""
    return [(partition, len([*group])) for partition, group in groupby(one.taken, key=lambda each: each[0])]


async def waiting(scene: Scene, *counts: int, works_s: float, **settings: float) -> Staged:
    """Partitions for which so many messages have arrived before the first turn."""
    one = await staged(scene, *range(len(counts)), works_s=works_s, **settings)
    for partition, count in enumerate(counts):
        scene.put(f"in.{partition}", *numbers(count))
    await asyncio.sleep(0.1)
    return one


@played
async def test_partitions_share_turns_sixteen_messages_at_a_time_and_a_cut_turn_goes_on_behind_the_cut(
    scene: Scene,
) -> None:
    one = await waiting(scene, 40, 40, 40, works_s=0.001, idle_commit_s=NEVER_S)
    async with one.running():
        await one.done(120)
    # A turn of 20 ms ends behind the second share. It begins anew behind the partition at which it ended.
    assert shares(one) == [(0, 16), (1, 16), (2, 16), (0, 16), (1, 16), (2, 16), (0, 8), (1, 8), (2, 8)]
    assert [one.outputs(partition) for partition in range(3)] == [sums(40)] * 3


@played
async def test_a_turn_that_was_cut_at_the_first_partition_goes_on_at_the_second(scene: Scene) -> None:
    one = await waiting(scene, 40, 20, 20, works_s=0.002, idle_commit_s=NEVER_S)
    async with one.running():
        await one.done(80)
    assert shares(one) == [(0, 16), (1, 16), (2, 16), (0, 16), (1, 4), (2, 4), (0, 8)]


@played
async def test_a_turn_with_time_left_gives_everybody_a_second_share(scene: Scene) -> None:
    one = await waiting(scene, 40, 5, works_s=0.0001, idle_commit_s=NEVER_S)
    async with one.running():
        await one.done(45)
    assert shares(one) == [(0, 16), (1, 5), (0, 24)]


@played
async def test_a_turn_without_time_is_one_share(scene: Scene) -> None:
    one = await waiting(scene, 40, 40, works_s=0.0, commit_interval_s=0.0, idle_commit_s=NEVER_S)
    async with one.running():
        async with asyncio.timeout(10):
            while len(one.taken) < 16:
                await asyncio.sleep(0)
        assert len(one.taken) == 16
        await one.done(80)
    assert shares(one)[:4] == [(0, 16), (1, 16), (0, 16), (1, 16)]


@played
async def test_who_gives_a_partition_back_waits_for_the_end_of_a_turn_only(scene: Scene) -> None:
    one = await waiting(scene, 200, 200, works_s=0.001, idle_commit_s=NEVER_S)
    async with one.running():
        await asyncio.sleep(0.0005)
        assert one.taken
        await one.stage.disown(0)
        assert len(one.taken) <= 3 * 32
    two = another(scene, one)
    await two.own(0, 1, epoch=2)
    async with two.running():
        await two.done(400)
    assert [two.outputs(partition) for partition in range(2)] == [sums(200)] * 2


@played
async def test_a_turn_that_was_cut_is_followed_by_the_next_one_at_once(scene: Scene) -> None:
    one = await staged(scene, 0, 1, works_s=0.001, idle_commit_s=NEVER_S)
    for partition in range(2):
        scene.put(f"in.{partition}", *numbers(100, " x0"))
    await asyncio.sleep(0.1)
    async with one.running():  # nothing is put out, so that no commit wakes it
        began = scene.now_s
        await scene.until(lambda: len(one.taken) == 200)
        assert scene.now_s - began < 0.22


@played
async def test_what_is_made_early_in_a_turn_is_let_out_every_four_messages(scene: Scene) -> None:
    one = await waiting(scene, 10, works_s=0.001, idle_commit_s=NEVER_S, commit_interval_s=1.0)
    async with one.running():
        await scene.until(lambda: len(one.taken) == 10)
        assert one.written == pytest.approx([0.003, 0.003, 0.001])
        await scene.until(lambda: len(scene.came("out.0")) == 10)
        came = [each.at_s for each in scene.came("out.0")]
        assert len(came) == 10


@played
async def test_whatever_is_put_out_has_left_at_the_end_of_each_four_messages(scene: Scene) -> None:
    one = await waiting(scene, 9, works_s=0.001, idle_commit_s=NEVER_S, commit_interval_s=1.0)
    unsent: list[int] = []
    process = one.stage.parts[0].processor.process

    def noting(seq: int, payload: bytes) -> object:
        unsent.append(one.connection.traffic.unsent_bytes)
        return process(seq, payload)

    one.stage.parts[0].processor.process = noting  # type: ignore[method-assign, assignment]
    async with one.running():
        await scene.until(lambda: len(one.taken) == 9)
    assert [bool(each) for each in unsent[1:]] == [True, True, True, False] * 2


@played
async def test_whoever_leaves_takes_no_more_of_what_has_arrived(scene: Scene) -> None:
    one = await waiting(scene, 3, 3, works_s=0.0)
    one.stage.leave()
    async with one.running():
        await asyncio.sleep(1)
        await one.stage.disown(0)
    assert (one.taken, one.outputs()) == ([], [])


@played
async def test_a_partition_waits_at_what_a_newer_program_wrote_and_the_others_go_on(scene: Scene) -> None:
    one = await staged(scene, 0, 1)
    scene.put("in.0", b"1", b"newer", b"2")
    scene.put("in.1", *numbers(2))
    async with one.running():
        await one.done(3)
        scene.put("in.0", b"3")
        scene.put("in.1", b"3")
        await one.done(4)
        assert one.stage.input.refused == {0: "expected version 1, was 2; it waits at 2 for an instance that reads it"}
        assert one.stage.parts[0].consumer is None
        assert len(scene.server.jetstream.consumers) == 1
    assert (one.outputs(), one.outputs(1)) == (sums(1), sums(3))
    assert [seq for partition, seq in one.taken if partition == 0] == [1, 2]
    assert one.made == [0, 1]
