"""What a member of a group does, turn by turn: how often it looks and reads, and what it says of what it lets go."""

from __future__ import annotations

import asyncio

import msgspec

from marketprism_sdk.election import LeaseSettings
from marketprism_sdk.errors import NotConnected
from marketprism_sdk.partitions import OwnerRecord, ShardClaimed, ShardDisagreed, Shards, rendezvous
from marketprism_sdk.partitions._membership import SESSION_PREFIX, SessionRecord
from marketprism_sdk.partitions._owners import OWNER_PREFIX
from marketprism_sdk.partitions._takeovers import ShardReleased
from marketprism_sdk.ports import KvEntry
from marketprism_sdk.testing import ManualClock, MemoryKeyValue, MemoryProber

SETTINGS = LeaseSettings()
COUNT = 4


class Counted(MemoryKeyValue):
    """Counts how often everything is read."""

    def __init__(self) -> None:
        super().__init__()
        self.read = 0

    async def entries(self, prefix: str = "") -> list[KvEntry]:
        """As the bucket."""
        self.read += 1
        return await super().entries(prefix)


class Member:
    """Shards with what they do and say."""

    def __init__(
        self, kv: MemoryKeyValue, clock: ManualClock, name: str = "m", prober: MemoryProber | None = None
    ) -> None:
        self.done: list[tuple[str, int]] = []
        self.failing = 0
        self.slow: dict[int, asyncio.Event] = {}
        self.working: dict[int, int] = {}
        self.events: list[object] = []
        self.shards = Shards(
            kv,
            name,
            count=COUNT,
            on_own=self._own,
            on_lose=self._lose,
            working=lambda: self.working,
            clock=clock,
            settings=SETTINGS,
            prober=prober,
            on_event=self.events.append,
        )
        self.task = asyncio.create_task(self.shards.run())

    async def _own(self, partition: int, epoch: int) -> None:
        if self.failing:
            self.failing -= 1
            raise ValueError("not now")
        if partition in self.slow:
            await self.slow[partition].wait()
        self.working[partition] = epoch
        self.done.append(("own", partition))

    async def _lose(self, partition: int) -> None:
        self.working.pop(partition, None)
        self.done.append(("lose", partition))

    def of(self, kind: type) -> list[tuple[int, ...]]:
        return [(e.partition, e.epoch) for e in self.events if isinstance(e, kind)]  # type: ignore[attr-defined]

    async def end(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


async def put(kv: MemoryKeyValue, key: str, record: msgspec.Struct) -> None:
    await kv.put(key, msgspec.msgpack.encode(record))


async def test_a_member_that_is_alone_and_settled_looks_seldom_and_one_with_others_or_in_doubt_often() -> None:
    clock = ManualClock()
    without, alive = Member(kv := MemoryKeyValue(), clock), {}
    await clock.advance(1)
    assert without.shards.pause_s() == SETTINGS.heartbeat_s / 2
    probing = Member(other := MemoryKeyValue(), clock, prober=MemoryProber(alive, "m"))
    await clock.advance(1)
    assert probing.shards.pause_s() > SETTINGS.heartbeat_s
    probing.working.pop(0)
    assert probing.shards.pause_s() == SETTINGS.probe_s
    probing.working[0] = 1
    await put(other, f"{SESSION_PREFIX}n", SessionRecord("live", 1))
    assert probing.shards.pause_s() == SETTINGS.probe_s
    assert kv is not other
    await without.end()
    await probing.end()


async def test_everything_is_read_again_now_and_then_and_not_at_each_turn() -> None:
    kv, clock = Counted(), ManualClock()
    member = Member(kv, clock)
    await clock.advance(1)
    begun = kv.read
    assert begun >= 1
    for _ in range(100):
        await clock.advance(0.6)
    assert 2 <= kv.read - begun <= 20
    await member.end()


async def test_who_was_declared_dead_lets_go_of_everything_and_comes_again_under_later_epochs() -> None:
    kv, clock = MemoryKeyValue(), ManualClock()
    member = Member(kv, clock)
    await clock.advance(1)
    assert member.of(ShardClaimed) == [(p, 1) for p in range(COUNT)]
    await put(kv, f"{SESSION_PREFIX}m", SessionRecord("dead"))
    await clock.advance(3)
    assert member.of(ShardReleased) == [(p, 1) for p in range(COUNT)]
    assert member.done[COUNT : 2 * COUNT] == [("lose", p) for p in range(COUNT)]
    assert member.of(ShardClaimed)[COUNT:] == [(p, 2) for p in range(COUNT)]
    assert member.working == dict.fromkeys(range(COUNT), 2)
    await member.end()


async def test_work_on_what_is_not_owned_is_ended_and_told() -> None:
    kv, clock = MemoryKeyValue(), ManualClock()
    member = Member(kv, clock)
    await clock.advance(1)
    taken = next(p for p in range(COUNT))
    member.shards.owned.pop(taken)
    await put(kv, f"{SESSION_PREFIX}n", SessionRecord("live", 1))
    await put(kv, f"{OWNER_PREFIX}{taken}", OwnerRecord("n", 5))
    await clock.advance(0.3)
    assert ShardDisagreed("m", taken, "worked_unowned") in member.events
    assert taken not in member.working
    assert ("lose", taken) in member.done
    await member.end()


async def test_a_pause_after_a_failed_take_over_does_not_outlive_the_take_over() -> None:
    kv, clock = MemoryKeyValue(), ManualClock()
    member = Member(kv, clock)
    member.failing = 3 * COUNT
    await clock.advance(5)
    assert set(member.working) == set(range(COUNT))
    assert member.shards.pause_s() == SETTINGS.heartbeat_s / 2  # as ever
    assert [(e.partition, e.reason) for e in member.events if isinstance(e, ShardDisagreed)][:COUNT] == [
        (p, "take_over_failed") for p in range(COUNT)
    ]
    await member.end()


async def test_what_another_living_member_holds_is_waited_for_without_a_pause() -> None:
    kv, clock = MemoryKeyValue(), ManualClock()
    await put(kv, f"{SESSION_PREFIX}n", SessionRecord("drain", 1))
    for partition in range(COUNT):
        await put(kv, f"{OWNER_PREFIX}{partition}", OwnerRecord("n", 4))
    member = Member(kv, clock)
    await clock.advance(0.5)
    assert member.working == {}
    await put(kv, f"{OWNER_PREFIX}2", OwnerRecord("n", 4, "released"))
    await clock.advance(0.01)
    assert member.working == {2: 5}
    assert rendezvous(2, ["m"]) == "m"
    await clock.advance(1.5)  # and it is silent for longer than its lease
    assert member.working == {0: 5, 1: 5, 2: 5, 3: 5}
    assert {e.partition: e.replaced for e in member.events if isinstance(e, ShardClaimed)} == {
        0: "n",
        1: "n",
        2: "",
        3: "n",
    }
    await member.end()


async def test_a_partition_whose_writes_were_refused_is_asked_for_under_a_later_epoch() -> None:
    kv, clock = MemoryKeyValue(), ManualClock()
    member = Member(kv, clock)
    await clock.advance(1)
    member.shards.lost(1)
    await clock.advance(2)
    assert member.shards.owned[1] >= 2
    member.shards.lost(7)  # of none of its own: nothing rises
    await member.end()


async def test_a_take_over_that_takes_long_holds_up_no_other_of_the_same_turn() -> None:
    kv, clock = MemoryKeyValue(), ManualClock()
    member = Member(kv, clock)
    member.slow[0] = asyncio.Event()
    await clock.advance(1)
    assert member.done == [("own", p) for p in range(1, COUNT)]
    member.slow[0].set()
    await clock.advance(0.1)
    assert member.done[-1] == ("own", 0)
    assert member.working == dict.fromkeys(range(COUNT), 1)
    await member.end()


async def test_nothing_is_let_go_while_something_is_taken_over() -> None:
    kv, clock = MemoryKeyValue(), ManualClock()
    member = Member(kv, clock)
    member.slow[0] = asyncio.Event()
    await clock.advance(1)
    leaving = asyncio.create_task(member.shards.leave())
    await clock.advance(1)
    assert not [each for each in member.done if each[0] == "lose"]
    member.slow[0].set()
    await clock.advance(1)
    await leaving
    assert member.done[COUNT:] == [("lose", p) for p in range(COUNT)]
    await member.end()


async def test_a_claim_of_unknown_outcome_breaks_off_no_other() -> None:
    class Refusing(MemoryKeyValue):
        refused = 0

        async def create(self, key: str, value: bytes) -> int:
            if key == f"{OWNER_PREFIX}0" and not self.refused:
                self.refused += 1
                raise NotConnected("away")
            return await super().create(key, value)

    kv, clock = Refusing(), ManualClock()
    member = Member(kv, clock)
    await clock.advance(0.01)
    assert (kv.refused, sorted(member.working)) == (1, [1, 2, 3])
    await clock.advance(3)
    assert sorted(member.working) == list(range(COUNT))
    assert not member.of(ShardDisagreed)
    await member.end()
