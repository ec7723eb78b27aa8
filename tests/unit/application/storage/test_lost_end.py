"""A stream that lost its end gives its sequences again: what a store has recorded of the former messages is not believed
of those that have them now."""

from __future__ import annotations

import asyncio

import pytest

from marketprism_application.storage.progress import Beginning
from marketprism_application.storage.writer import Progress, StreamWriter, WriterSettings
from marketprism_sdk.errors import DeadlineExceeded
from tests.fakes.storing import STREAM, Source, World
from tests.unit.application.storage.test_store_states import Storing


def test_a_store_that_comes_back_does_not_take_another_message_for_the_one_that_it_has() -> None:
    states = Storing()
    states.restore_an_older_copy(1)
    states.run_to_the_end()
    states.another_store("B")
    states.lose_the_end(lost=1, again=1, foreign=0, seen=True)
    states.another_store("A")
    states.teardown()


def test_a_stream_that_is_beyond_the_watermark_again_before_anybody_looks_is_read_again() -> None:
    states = Storing()
    states.publish(5, 0)
    states.run_to_the_end()
    states.lose_the_end(lost=2, again=4, foreign=0, seen=False)
    states.teardown()


def test_a_copy_that_was_made_before_the_stream_lost_its_end_does_not_know_what_came_again() -> None:
    states = Storing()
    states.publish(5, 1)
    states.run_to_the_end()
    states.copy_the_store()
    states.lose_the_end(lost=3, again=6, foreign=0, seen=True)
    states.run_to_the_end()
    states.restore_a_copy(0)
    states.teardown()


def test_a_place_of_others_at_the_end_that_becomes_one_of_ours_is_read() -> None:
    states = Storing()
    states.publish(3, 0)
    states.world.log.append("market.other.0", b"", ts=10**6)
    states.run_to_the_end()
    assert states.world.progress is not None
    assert states.world.progress.watermark == 4, "settled"
    states.lose_the_end(lost=1, again=2, foreign=0, seen=False)
    states.teardown()


class Unreachable(Source):
    """Its leader does not answer what lies at a sequence."""

    async def time_at(self, seq: int) -> int:
        raise DeadlineExceeded(f"no answer for {seq}")


class Listening(World):
    """What a writer says of its beginning."""

    def __init__(self) -> None:
        super().__init__()
        self.begins: list[Beginning] = []

    async def begun(self, begin: Beginning, was: Progress | None, store: str) -> None:
        self.begins.append(begin)


async def test_no_answer_is_not_another_message() -> None:
    states = Storing()
    states.world = world = Listening()
    states.publish(5, 0)
    await asyncio.to_thread(states.run_to_the_end)
    before, world.begins = (world.progress, dict(world.ledger.watermarks)), []
    writer = StreamWriter(STREAM, Unreachable(world), world, world, world, WriterSettings(), world)
    with pytest.raises(DeadlineExceeded):
        await writer.run(1)
    assert (world.begins, (world.progress, world.ledger.watermarks)) == ([], before)
