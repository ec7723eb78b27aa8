"""Election and shards on a clock that stands still: every step of the state machines."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import msgspec
import pytest

from marketprism_sdk.election import Election, LeaseAcquired, LeaseLost, LeaseRecord, LeaseReleased, LeaseSettings, Role
from marketprism_sdk.errors import ConfigurationError
from marketprism_sdk.partitions import Shards, partition_of, rendezvous
from marketprism_sdk.resilience import Backoff, CircuitBreaker, CircuitOpen, retry
from marketprism_sdk.testing import ManualClock, MemoryKeyValue

KEY = "gateway.default"


class Candidate:
    """An election with what it said."""

    def __init__(
        self,
        kv: MemoryKeyValue,
        clock: ManualClock,
        name: str,
        on_acquired: Callable[[int], Awaitable[None]] | None = None,
    ) -> None:
        self.events: list[object] = []
        hooks = {"on_acquired": on_acquired} if on_acquired else {}
        self.election = Election(kv, KEY, name, clock=clock, on_event=self.events.append, **hooks)  # type: ignore[arg-type]
        self.task = asyncio.create_task(self.election.run())

    def acquired(self) -> list[int]:
        return [e.epoch for e in self.events if isinstance(e, LeaseAcquired)]

    async def end(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


async def test_one_leads_and_the_other_stands_by() -> None:
    kv, clock = MemoryKeyValue(), ManualClock()
    one, two = Candidate(kv, clock, "one"), Candidate(kv, clock, "two")
    await clock.advance(5)
    leaders = [c for c in (one, two) if c.election.is_leader()]
    assert len(leaders) == 1
    assert one.acquired() + two.acquired() == [1]
    assert one.election.leader() == two.election.leader() == leaders[0].election.holder
    await one.end()
    await two.end()


async def test_a_leader_that_falls_silent_is_replaced_after_its_lease_under_the_next_epoch() -> None:
    kv, clock = MemoryKeyValue(), ManualClock()
    one = Candidate(kv, clock, "one")
    await clock.advance(0.5)
    two = Candidate(kv, clock, "two")
    await clock.advance(0.5)
    one.task.cancel()  # as a killed process: nothing is released
    one.election.role = Role.STANDBY
    await clock.advance(0.7)
    assert not two.election.is_leader()
    await clock.advance(0.7)
    assert two.acquired() == [2]
    await two.end()


async def test_a_released_lease_is_taken_at_once() -> None:
    kv, clock = MemoryKeyValue(), ManualClock()
    one = Candidate(kv, clock, "one")
    await clock.advance(0.5)
    two = Candidate(kv, clock, "two")
    await clock.advance(0.3)
    await one.election.release()
    assert isinstance(one.events[-1], LeaseReleased)
    await clock.advance(0.2)
    assert two.acquired() == [2]
    await one.end()
    await two.end()


async def test_a_leader_that_lost_the_key_steps_down_and_says_why() -> None:
    kv, clock = MemoryKeyValue(), ManualClock()
    one = Candidate(kv, clock, "one")
    await clock.advance(0.5)
    entry = await kv.get(KEY)
    assert entry is not None
    await kv.update(KEY, msgspec.msgpack.encode(LeaseRecord("thief", 2, "held")), entry.revision)
    await clock.advance(0.5)
    assert not one.election.is_leader()
    (lost,) = [e for e in one.events if isinstance(e, LeaseLost)]
    assert lost.reason == "thief leads"
    await one.end()


async def test_a_lapse_while_the_bucket_was_away_is_resumed_under_the_same_epoch() -> None:
    kv, clock = MemoryKeyValue(), ManualClock()
    one = Candidate(kv, clock, "one")
    await clock.advance(0.5)
    kv.away = True
    await clock.advance(3)
    assert not one.election.is_leader()
    kv.away = False
    await clock.advance(1)
    assert one.election.is_leader()
    assert one.acquired() == [1]
    await one.end()


async def test_a_standby_does_not_count_silence_it_could_not_hear() -> None:
    kv, clock = MemoryKeyValue(), ManualClock()
    one = Candidate(kv, clock, "one")
    await clock.advance(0.5)
    two = Candidate(kv, clock, "two")
    await clock.advance(0.3)
    kv.away = True
    await clock.advance(5)
    kv.away = False
    await clock.advance(0.4)
    assert two.acquired() == []
    assert one.election.is_leader()
    await one.end()
    await two.end()


async def test_an_activation_that_fails_gives_the_lease_to_another() -> None:
    async def fail(_: int) -> None:
        raise OSError("no database")

    kv, clock = MemoryKeyValue(), ManualClock()
    one = Candidate(kv, clock, "one", fail)
    await clock.advance(0.2)
    two = Candidate(kv, clock, "two")
    await clock.advance(1)
    assert two.election.is_leader()
    (lost,) = [e for e in one.events if isinstance(e, LeaseLost)]
    assert "no database" in lost.reason
    await one.end()
    await two.end()


@pytest.mark.parametrize("values", [(0.4, 0.25, 0.05), (1.0, 0.01, 0.05), (1.0, 0.25, 0)])
def test_a_lease_must_outlive_heartbeats_and_probes(values: tuple[float, float, float]) -> None:
    with pytest.raises(ConfigurationError, match="a leader must survive one lost"):
        LeaseSettings(*values)


class Member:
    """A member of a shard group with what it owns."""

    def __init__(self, kv: MemoryKeyValue, clock: ManualClock, name: str) -> None:
        self.log: list[tuple[str, int]] = []
        self.shards = Shards(
            kv, name, count=16, on_own=self._own, on_lose=self._lose, clock=clock, settings=LeaseSettings()
        )
        self.task = asyncio.create_task(self.shards.run())

    async def _own(self, partition: int, epoch: int) -> None:
        self.log.append(("own", partition))

    async def _lose(self, partition: int) -> None:
        self.log.append(("lose", partition))


async def _settle(clock: ManualClock, seconds: float) -> None:
    for _ in range(int(seconds / 0.05)):
        await clock.advance(0.05)
        await asyncio.sleep(0.005)


async def test_partitions_are_shared_and_move_when_members_come_and_go() -> None:
    kv, clock = MemoryKeyValue(), ManualClock()
    one = Member(kv, clock, "one")
    await _settle(clock, 1)
    assert set(one.shards.owned) == set(range(16))
    two = Member(kv, clock, "two")
    await _settle(clock, 3)
    assert set(one.shards.owned) | set(two.shards.owned) == set(range(16))
    assert not set(one.shards.owned) & set(two.shards.owned)
    assert two.shards.owned
    await one.shards.leave()
    await _settle(clock, 3)
    assert set(two.shards.owned) == set(range(16))
    one.task.cancel()
    two.task.cancel()
    await asyncio.gather(one.task, two.task, return_exceptions=True)


async def test_a_silent_member_is_declared_dead_and_finds_out() -> None:
    kv, clock = MemoryKeyValue(), ManualClock()
    one, two = Member(kv, clock, "one"), Member(kv, clock, "two")
    await _settle(clock, 2)
    two.task.cancel()
    await asyncio.gather(two.task, return_exceptions=True)
    await _settle(clock, 3)
    assert set(one.shards.owned) == set(range(16))
    assert await two.shards._membership.beat() is False
    one.task.cancel()
    await asyncio.gather(one.task, return_exceptions=True)


def test_partitions_are_fnv_1a_and_members_are_weighed_the_same_everywhere() -> None:
    assert [partition_of(key, 32) for key in ("shfe.ru1901", "a", "")] == [11, 12, 5]
    members = [f"m{n}" for n in range(5)]
    before = {p: rendezvous(p, members) for p in range(64)}
    after = {p: rendezvous(p, members[:-1]) for p in range(64)}
    assert all(after[p] == owner for p, owner in before.items() if owner != "m4")
    assert rendezvous(1, []) is None


async def test_a_retry_ends_with_the_first_success_or_an_error_not_worth_repeating() -> None:
    clock, calls = ManualClock(), []

    class Away(Exception):
        retryable = True

    async def third_time() -> int:
        calls.append(1)
        if len(calls) < 3:
            raise Away
        return 7

    task = asyncio.create_task(retry(third_time, clock=clock, backoff=Backoff(1, 4, 0)))
    await clock.advance(10)
    assert await task == 7

    async def wrong() -> None:
        calls.append(1)
        raise ValueError("x")

    calls.clear()
    with pytest.raises(ValueError, match="x"):
        await retry(wrong, clock=clock)
    assert len(calls) == 1
    assert [Backoff(1, 5, 0).pause_s(n) for n in (1, 2, 3, 4)] == [1, 2, 4, 5]


async def test_a_circuit_opens_after_failures_and_closes_after_a_success() -> None:
    clock = ManualClock()
    breaker = CircuitBreaker(failures=2, rest_s=5, clock=clock)

    async def fail() -> None:
        raise OSError

    async def work() -> int:
        return 1

    for _ in range(2):
        with pytest.raises(OSError):
            await breaker.execute(fail)
    with pytest.raises(CircuitOpen):
        await breaker.execute(work)
    await clock.advance(5)
    assert breaker.state == "half-open"
    assert await breaker.execute(work) == 1
    assert breaker.state == "closed"
