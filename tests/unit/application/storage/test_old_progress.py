"""A writer that begins with an old progress, or cut off from the others: it concludes nothing before it is refused."""

from __future__ import annotations

import asyncio

import pytest

from marketprism_application.storage.writer import Progress, StreamWriter, WriterSettings
from marketprism_sdk.errors import DeadlineExceeded, RevisionConflict
from tests.fakes.storing import STREAM, Source, World
from tests.unit.application.storage.test_lost_end import Listening
from tests.unit.application.storage.test_store_states import Storing


def outcome(world: Listening) -> tuple[object, ...]:
    """What is told, and what the store and the watermark say."""
    return [*world.begins], [*world.named], dict(world.ledger.watermarks), world.progress


class Late(Listening):
    """Progress is read from a replica that lags: somebody has written since."""

    former: Progress | None = None

    async def load(self) -> Progress | None:
        found = await super().load()
        if self.former is None:
            return found
        self.cell.put(self.cell.progress)
        return self.former


class CutOff(Listening):
    """Nothing that is written is taken."""

    cut_off = False

    async def save(self, progress: Progress) -> None:
        if self.cut_off:
            raise DeadlineExceeded("no quorum")
        await super().save(progress)


async def stored(world: Listening) -> None:
    """Five messages, of which the stream keeps the last two."""
    states = Storing()
    states.world = world
    states.publish(5, 0)
    await asyncio.to_thread(states.run_to_the_end)
    states.truncate(1)
    world.begins = []


def writer_of(world: World) -> StreamWriter:
    return StreamWriter(STREAM, Source(world), world, world, world, WriterSettings(), world)


@pytest.mark.parametrize(
    "former",
    [
        pytest.param(Progress(), id="none, which is a watermark that was lost"),
        pytest.param(Progress("made-1", 1, 0, 1, 1, "A"), id="an older one, which is a hole in the stream"),
        pytest.param(Progress("made-1", 1, 0, 1, 1, "B"), id="that of the store before this one"),
        pytest.param(Progress("made-0", 1, 0, 9, 9, "A"), id="that of the stream before this one"),
    ],
)
async def test_from_an_old_progress_nothing_is_concluded(former: Progress) -> None:
    world = Late()
    await stored(world)
    before = outcome(world)
    world.former = former
    with pytest.raises(RevisionConflict):
        await writer_of(world).run(2)
    assert outcome(world) == before


async def test_where_no_write_is_taken_the_stream_has_not_lost_its_end() -> None:
    world = CutOff()
    await stored(world)
    world.log.lose_the_end(world.log.last - 1)
    before, world.cut_off = outcome(world), True
    with pytest.raises(DeadlineExceeded):
        await writer_of(world).run(2)
    assert outcome(world) == before
