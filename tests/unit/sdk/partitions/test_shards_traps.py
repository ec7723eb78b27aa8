"""Partitions that a member holds by its record and does not work on, each brought about in the way it comes about."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import msgspec
import pytest

from marketprism_sdk.errors import DeadlineExceeded
from marketprism_sdk.partitions import OwnerRecord, Shards, rendezvous
from marketprism_sdk.testing import ManualClock, MemoryKeyValue
from tests.unit.sdk.election.crew import Line, Stage
from tests.unit.sdk.partitions.shards_group import COUNT, Member

MOVES = next(p for p in range(COUNT) if rendezvous(p, "ab") == "b")  # from a to b when b joins
Join = Callable[[str], Member]


@pytest.fixture
def stage() -> Iterator[Stage]:
    opened = Stage()
    yield opened
    opened.close()


@pytest.fixture
def join(stage: Stage) -> Join:
    checkpoints: dict[int, tuple[int, str]] = {}

    def start(name: str) -> Member:
        line = Line(name, stage.kv, stage.clock, lambda *_: None)
        return Member(stage, name, COUNT, checkpoints, line, lambda *_: None)

    return start


def _shared(a: Member, b: Member) -> None:
    assert set(a.parts) | set(b.parts) == set(range(COUNT))
    assert not set(a.parts) & set(b.parts)
    assert MOVES in b.parts


def test_a_take_over_that_failed_while_another_member_joined_is_the_others(stage: Stage, join: Join) -> None:
    a = join("a")
    a.failures += [DeadlineExceeded("the former owner's last commit is on its way")] * COUNT
    stage.pass_s(0.01)
    assert not a.parts
    record = stage.kv._entries[f"own.{MOVES}"].value
    assert msgspec.msgpack.decode(record, type=OwnerRecord).state == "released"  # at once, not at the next try
    b = join("b")
    stage.pass_s(2.0)
    _shared(a, b)


def test_a_claim_whose_answer_was_lost_while_another_member_joined_is_the_others(stage: Stage, join: Join) -> None:
    a = join("a")
    stage.pass_s(1.0)
    a.refused(MOVES)
    a.line.lose = 1
    stage.pass_s(0.13)  # it claims again, and does not hear that it owns
    assert MOVES not in a.parts
    b = join("b")
    stage.pass_s(2.5)
    _shared(a, b)


def test_a_release_that_failed_is_tried_again(stage: Stage, join: Join) -> None:
    a = join("a")
    stage.pass_s(1.0)
    b = join("b")
    a.line.away = True
    stage.pass_s(0.3)
    a.line.away = False
    stage.pass_s(2.5)
    _shared(a, b)


def test_what_a_process_held_that_comes_back_under_its_name_is_given_back(stage: Stage, join: Join) -> None:
    before = join("a")
    stage.pass_s(1.0)
    before.line.cut = True
    before.task.cancel()
    stage.pass_s(0.01)
    b, a = join("b"), join("a")  # before anybody has missed it
    stage.pass_s(2.5)
    _shared(a, b)


def test_what_the_stage_lost_without_a_word_is_claimed_anew(stage: Stage, join: Join) -> None:
    a = join("a")
    stage.pass_s(1.0)
    epoch = a.parts[MOVES]
    a.idle(MOVES)
    assert a.shards.disagreements() == {MOVES: "owned_idle"}
    stage.pass_s(2.5)
    assert a.parts[MOVES] > epoch
    assert not a.shards.disagreements()


def test_a_bucket_made_anew_starts_above_the_epochs_of_before(stage: Stage, join: Join) -> None:
    a = join("a")
    for _ in range(3):
        stage.pass_s(1.0)
        a.refused(MOVES)
    stage.pass_s(1.0)
    epoch = a.parts[MOVES]
    stage.make_bucket_anew()
    stage.pass_s(30.0)
    assert a.parts[MOVES] > epoch
    assert set(a.parts) == set(range(COUNT))


async def test_partitions_are_given_back_without_waiting_for_the_answer_of_one_another() -> None:
    class Slow(MemoryKeyValue):
        """Answers releases when there are as many as there are partitions."""

        def __init__(self) -> None:
            super().__init__()
            self.releasing = 0
            self.all_there = asyncio.Event()

        async def update(self, key: str, value: bytes, revision: int) -> int:
            if key.startswith("own.") and msgspec.msgpack.decode(value, type=OwnerRecord).state == "released":
                self.releasing += 1
                if self.releasing == COUNT:
                    self.all_there.set()
                await self.all_there.wait()
            return await super().update(key, value, revision)

    async def nothing(*_: int) -> None:
        return None

    kv, clock = Slow(), ManualClock()
    shards = Shards(kv, "a", count=COUNT, on_own=nothing, on_lose=nothing, clock=clock)
    task = asyncio.create_task(shards.run())
    await clock.advance(1.0)
    assert len(shards.owned) == COUNT
    async with asyncio.timeout(20):
        await shards.leave()
    assert not shards.owned
    await task
