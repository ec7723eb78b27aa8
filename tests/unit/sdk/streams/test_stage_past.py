"""What a stage remembered of a partition at a time in the past."""

from __future__ import annotations

import asyncio

import msgspec

from marketprism_sdk.streams import PastState, state_before
from tests.simulation.clocks import BEGIN_NS
from tests.simulation.scene import Scene, played
from tests.unit.sdk.streams.staged import Staged, numbers, staged


async def before(one: Staged, at_s: float, partition: int = 0) -> PastState | None:
    """What was remembered before a time of the loop."""
    return await state_before(one.connection, one.settings, partition, BEGIN_NS + int(at_s * 1e9))


@played
async def test_a_state_is_the_last_one_that_was_committed_before_the_time(scene: Scene) -> None:
    one = await staged(scene, 0, 1, snapshot_every_s=0.0)
    created = scene.server.jetstream.streams["IN"].created
    began, times = scene.now_s, []
    async with one.running():
        for number in range(1, 4):
            scene.put("in.0", str(number).encode())
            await asyncio.sleep(1)
            times.append(scene.now_s)
    for count, at_s in enumerate(times, 1):
        state = msgspec.msgpack.encode((count, count * (count + 1) // 2))
        assert await before(one, at_s) == PastState(count, state, created)
    assert await before(one, began - 0.5) is None
    assert await before(one, times[-1], 7) is None


@played
async def test_a_partition_that_had_taken_nothing_remembered_nothing(scene: Scene) -> None:
    one = await staged(scene, 0)
    scene.put("in.0", *numbers(2))
    async with one.running():
        await one.done(2)
        created = scene.server.jetstream.streams["IN"].created
        assert await before(one, scene.now_s + 1) == PastState(0, b"", created)


@played
async def test_a_large_state_is_put_together_from_its_chunks_and_is_none_where_one_is_gone(scene: Scene) -> None:
    one = await staged(scene, 0, snapshot_every_s=0.0)
    part = one.stage.parts[0]
    state = bytes(range(256)) * 3_000  # two chunks
    part.processor.snapshot = lambda: state  # type: ignore[method-assign]
    async with one.running():
        scene.put("in.0", *numbers(2))
        await one.done(2)
    found = await before(one, scene.now_s + 1)
    assert found is not None
    assert (found.in_seq, found.state) == (2, state)
    scene.server.jetstream.streams["OUT"].purge("stage.sums.0.snap.1")
    assert await before(one, scene.now_s + 1) == PastState(2, None, found.created)


@played
async def test_a_chunk_of_another_snapshot_is_none_of_this_one(scene: Scene) -> None:
    one = await staged(scene, 0, snapshot_every_s=0.0)
    async with one.running():
        scene.put("in.0", *numbers(2))
        await one.done(2)
    scene.put("stage.sums.0.ck", msgspec.msgpack.encode({**_plain(one), "snap_in_seq": 1}))
    found = await before(one, scene.now_s + 1)
    assert found is not None
    assert (found.in_seq, found.state) == (1, None)


@played
async def test_what_is_no_checkpoint_is_no_state(scene: Scene) -> None:
    one = await staged(scene, 0)
    scene.put("stage.sums.0.ck", b"junk")
    assert await before(one, scene.now_s + 1) is None


def _plain(one: Staged) -> dict[str, object]:
    return msgspec.structs.asdict(one.lasts()[0])
