"""What a stage does when its input stream is cut, made anew, or not what its checkpoint says."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import msgspec
import pytest

from marketprism_sdk.errors import SdkError
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import api, delete_stream, direct_get_last, ensure_stream, publish_ack
from marketprism_sdk.streams import Checkpoint, InputCut, InputRefused, Output, Stage
from tests.integration.sdk.stage_process import Sums, settings
from tests.integration.sdk.test_nats import make_streams, messages_of

pytestmark = pytest.mark.xdist_group("stage-input")


class Knowing:
    """Puts every number out once: it knows those that it has seen, and is told of cuts."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.seen: list[int] = []
        self.cuts: list[InputCut] = []

    def process(self, seq: int, payload: bytes) -> Sequence[Output]:
        del seq
        number = int(payload)
        if number in self.seen:
            return ()
        self.seen.append(number)
        return [Output(f"{self._name}.out.0", payload)]

    def truncated(self, cut: InputCut) -> None:
        self.cuts.append(cut)

    def snapshot(self) -> bytes:
        return msgspec.msgpack.encode(self.seen)

    def restore(self, state: bytes) -> None:
        self.seen = msgspec.msgpack.decode(state)

    def stats(self) -> int:
        return len(self.seen)


class StreamPlace:
    """A stage over one partition that can be stopped and begun again."""

    def __init__(self, connection: NatsConnection, name: str) -> None:
        self.connection = connection
        self.name = name
        self.epoch = 0
        self.cuts: list[InputCut] = []
        self.stage: Stage

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Knowing]:
        self.epoch += 1
        made: list[Knowing] = []

        def make(partition: int, epoch: int) -> Knowing:
            del partition, epoch
            made.append(Knowing(self.name))
            return made[-1]

        quick = replace(settings(self.name), look_s=0.3, idle_commit_s=0.05)
        self.stage = Stage(self.connection, quick, make, "one", on_cut=lambda _, cut: self.cuts.append(cut))
        await self.stage.own(0, self.epoch)
        running = asyncio.create_task(self.stage.run())
        yield made[0]
        assert not running.done()
        await self.stage.disown(0)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    async def put(self, numbers: range) -> None:
        for number in numbers:
            await publish_ack(self.connection, f"{self.name}.in.0", b"%d" % number)

    async def out(self, numbers: list[int]) -> None:
        """Wait until just these came out."""
        found: list[int] = []
        async with asyncio.timeout(20):
            while found != numbers:
                await asyncio.sleep(0.05)
                found = [
                    int(data) for data in await messages_of(self.connection, f"{self.name}-out", f"{self.name}.out.0")
                ]

    async def input(self) -> None:
        await ensure_stream(
            self.connection,
            {"name": f"{self.name}-in", "subjects": [f"{self.name}.in.>"], "storage": "file", "allow_direct": True},
        )

    async def checkpoint(self) -> Checkpoint:
        last = await direct_get_last(self.connection, f"{self.name}-out", f"stage.{self.name}.0.ck")
        assert last is not None
        return msgspec.msgpack.decode(last.data, type=Checkpoint)

    async def write(self, checkpoint: Checkpoint | dict[str, object]) -> None:
        await publish_ack(self.connection, f"stage.{self.name}.0.ck", msgspec.msgpack.encode(checkpoint))


@pytest.fixture
async def place(connection: NatsConnection, unique: str) -> StreamPlace:
    await make_streams(connection, unique)
    return StreamPlace(connection, unique)


async def test_a_stream_made_anew_while_nobody_read_is_read_from_its_beginning(place: StreamPlace) -> None:
    async with place.running():
        await place.put(range(20))
        await place.out([*range(20)])
    await delete_stream(place.connection, f"{place.name}-in")
    await place.input()
    await place.put(range(15, 25))
    async with place.running():
        await place.out([*range(25)])
    (cut,) = place.cuts
    assert (cut.wanted, cut.first, bool(cut.log)) == (21, 1, True)
    async with place.running():  # it is told once: the checkpoint is of the new stream now
        await place.put(range(25, 30))
        await place.out([*range(30)])
    assert len(place.cuts) == 1


async def test_a_stream_made_anew_under_a_running_stage_is_read_from_its_beginning(place: StreamPlace) -> None:
    async with place.running():
        await place.put(range(20))
        await place.out([*range(20)])
        await delete_stream(place.connection, f"{place.name}-in")
        await asyncio.sleep(1.0)  # away, which ends nothing
        await place.input()
        await place.put(range(15, 40))
        await place.out([*range(40)])
    assert [bool(cut.log) for cut in place.cuts] == [True]


async def test_what_was_purged_while_nobody_read_is_told_once_and_outlives_a_restart(place: StreamPlace) -> None:
    async with place.running():
        await place.put(range(10))
        await place.out([*range(10)])
    await place.put(range(10, 30))
    await api(place.connection, f"STREAM.PURGE.{place.name}-in", {"seq": 26})
    async with place.running() as processor:
        await place.out([*range(10), *range(25, 30)])
        assert processor.seen == [*range(10), *range(25, 30)]
        assert [(cut.first, cut.log) for cut in processor.cuts] == [(26, "")]
    async with place.running() as processor:
        await place.put(range(30, 33))
        await place.out([*range(10), *range(25, 33)])
    assert len(place.cuts) == 1


async def test_a_quiet_partition_is_not_told_of_messages_that_it_has_done(place: StreamPlace) -> None:
    async with place.running():
        await place.put(range(10))
        await place.out([*range(10)])
        async with asyncio.timeout(20):
            while (await place.checkpoint()).snap_in_seq < 10:
                await asyncio.sleep(0.05)
    await api(place.connection, f"STREAM.PURGE.{place.name}-in")
    async with place.running() as processor:
        assert not processor.cuts
        await place.put(range(10, 12))
        await place.out([*range(12)])


async def test_counters_and_what_was_taken_outlive_a_take_over_before_anything_comes(place: StreamPlace) -> None:
    async with place.running():
        await place.put(range(10))
        await place.out([*range(10)])
    before = await place.checkpoint()
    async with place.running():
        now = await place.checkpoint()
        assert (now.epoch, now.stats, now.taken, now.since) == (before.epoch + 1, 10, 10, 0)
        await place.put(range(10, 12))
        await place.out([*range(12)])
    now = await place.checkpoint()
    assert (now.stats, now.taken, now.in_seq) == (12, 12, 12)


async def test_a_checkpoint_of_the_form_before_goes_on(place: StreamPlace) -> None:
    async with place.running():
        await place.put(range(10))
        await place.out([*range(10)])
    older = msgspec.structs.asdict(await place.checkpoint())
    del older["created"]
    await place.write(older)
    async with place.running():
        await place.put(range(10, 12))
        await place.out([*range(12)])
    assert not place.cuts
    assert (await place.checkpoint()).created


async def test_a_checkpoint_beyond_the_end_of_its_stream_is_told_and_read_over(place: StreamPlace) -> None:
    async with place.running():
        await place.put(range(10))
        await place.out([*range(10)])
    await place.write(msgspec.structs.replace(await place.checkpoint(), in_seq=1_000_000))
    await place.put(range(10, 15))
    async with place.running():
        await place.out([*range(15)])
    (cut,) = place.cuts
    assert cut.reason == "the checkpoint is at 1000000, the stream ends at 15"


async def test_a_processor_that_would_count_twice_stands_still_and_says_why(
    connection: NatsConnection, unique: str
) -> None:
    await make_streams(connection, unique)
    await publish_ack(connection, f"{unique}.in.0", b"1")
    await publish_ack(
        connection, f"stage.{unique}.0.ck", msgspec.msgpack.encode(Checkpoint(1, 1, "one", 99, 0, 0, 0, None))
    )
    stage = Stage(connection, settings(unique), lambda p, _: Sums(unique, p), "one")
    with pytest.raises(InputRefused, match=r"expected stream .* to go on at 100, the checkpoint is at 99") as caught:
        await stage.own(0, 2)
    assert isinstance(caught.value, SdkError)
    assert list(stage.input.refused) == [0]


@pytest.mark.parametrize("noise", [b"", b"\xc1", b"\x80", b"\x91" * 20_000, msgspec.msgpack.encode({"in_seq": "x"})])
async def test_noise_where_a_stage_keeps_its_place_moves_nothing_and_ends_nothing(
    place: StreamPlace, noise: bytes
) -> None:
    ours = f"stage.{place.name}.0"
    async with place.running():
        await place.put(range(10))
        await place.out([*range(10)])
        await asyncio.sleep(0.3)
    async with place.running():
        for name in ("ck", "snap.0", "ck"):
            await publish_ack(place.connection, f"{ours}.{name}", noise)
        await place.put(range(10, 20))
        await place.out([*range(20)])
    for name in ("ck", "snap.0", "snap.9"):
        await publish_ack(place.connection, f"{ours}.{name}", noise)
    async with place.running():
        await place.put(range(20, 30))
        await place.out([*range(30)])
    assert place.cuts == []
    assert (await place.checkpoint()).in_seq == 30


async def test_a_partition_whose_place_was_never_a_record_is_not_begun_anew(place: StreamPlace) -> None:
    await publish_ack(place.connection, f"stage.{place.name}.0.ck", b"noise")
    with pytest.raises(SdkError, match="expected a record of a stage, was 5 bytes of something else"):
        async with place.running():
            pass
