"""Mistakes that elections are known to make, each provoked on a clock that stands still."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from marketprism_sdk.election import Election, LeaseAcquired, LeaseLost, LeaseRecord, LeaseReleased, LeaseSettings
from marketprism_sdk.errors import DeadlineExceeded, Fenced
from marketprism_sdk.partitions import OwnerRecord, Shards
from marketprism_sdk.ports import KeyValue, KvEntry
from marketprism_sdk.testing import FaultyKeyValue, ManualClock, MemoryKeyValue, MemoryProber

KEY = "x"
Alive = dict[tuple[int, str], MemoryProber]


class Candidate:
    def __init__(self, kv: KeyValue, clock: ManualClock, name: str, alive: Alive | None = None, **hooks: Any) -> None:
        self.events: list[object] = []
        self.prober = MemoryProber({} if alive is None else alive, name)
        prober = None if alive is None else self.prober
        self.election = Election(kv, KEY, name, clock=clock, prober=prober, on_event=self.events.append, **hooks)
        self.task = asyncio.create_task(self.election.run())

    def of(self, kind: type) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    async def die(self) -> None:
        """As by SIGKILL: nothing is released, the connection closes."""
        self.prober.connected = False
        self.election._observer.close = _nothing  # type: ignore[method-assign]
        self.election.role = type(self.election.role).STANDBY
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


async def _nothing() -> None:
    return None


async def pair(clock: ManualClock, kv: KeyValue, alive: Alive | None = None) -> tuple[Candidate, Candidate]:
    one = Candidate(kv, clock, "one", alive)
    await clock.advance(0.5)
    two = Candidate(kv, clock, "two", alive)
    await clock.advance(0.5)
    assert one.election.is_active()
    return one, two


async def test_a_probe_and_an_ended_lease_at_the_same_moment_make_one_epoch() -> None:
    kv, clock, alive = MemoryKeyValue(), ManualClock(), {}
    one, two = await pair(clock, kv, alive)
    epochs: list[int] = []
    await kv.watch(KEY, lambda entry: epochs.append(msgspec.msgpack.decode(entry.value, type=LeaseRecord).epoch))
    await one.die()
    await clock.advance(1.03)  # both say so: nobody answers, and the lease is over
    assert [e.epoch for e in two.of(LeaseAcquired)] == [2]
    assert set(epochs) == {2}
    await two.die()


async def test_a_killed_leader_is_replaced_after_two_probes_not_after_its_lease() -> None:
    kv, clock, alive = MemoryKeyValue(), ManualClock(), {}
    one, two = await pair(clock, kv, alive)
    await one.die()
    await clock.advance(0.12)
    assert two.election.is_leader()
    await two.die()


async def test_a_renewal_that_was_taken_while_its_answer_was_lost_is_recognised() -> None:
    kv, clock = MemoryKeyValue(), ManualClock()
    faulty = FaultyKeyValue(kv)
    one = Candidate(faulty, clock, "one")
    await clock.advance(0.4)
    faulty.lose_answers = 2
    await clock.advance(2)
    assert one.election.is_leader()
    assert one.of(LeaseLost) == []
    assert [e.epoch for e in one.of(LeaseAcquired)] == [1]
    await one.die()


async def test_a_renewal_that_arrives_late_cannot_take_the_lease_back() -> None:
    kv, clock = MemoryKeyValue(), ManualClock()
    faulty = FaultyKeyValue(kv)
    one = Candidate(faulty, clock, "one")
    await clock.advance(0.3)
    two = Candidate(kv, clock, "two")
    await clock.advance(0.3)
    faulty.hold.clear()  # renewals are on their way and arrive after the takeover
    await clock.advance(1.6)
    assert two.election.is_leader()
    assert not one.election.is_leader()
    faulty.hold.set()
    await clock.advance(0.5)
    assert all(task.exception() is not None for task in faulty.late if task.done() and task.exception() is not None)
    entry = await kv.get(KEY)
    assert entry is not None
    assert msgspec.msgpack.decode(entry.value, type=LeaseRecord).holder == "two"
    assert [lost.reason for lost in one.of(LeaseLost)] == ["two leads"]
    await one.die()
    await two.die()


async def test_a_standby_that_is_back_before_the_leader_does_not_take_its_absence_for_death() -> None:
    kv, clock, alive = MemoryKeyValue(), ManualClock(), {}
    one, two = await pair(clock, kv, alive)
    # A restart of the server: everybody is away, then the standby is back and the leader's subscription is not.
    kv.away = True
    for candidate in (one, two):
        candidate.prober.connected = False
        candidate.prober.outages += 1
    await clock.advance(0.3)
    kv.away = False
    two.prober.connected = True
    await clock.advance(0.4)
    one.prober.connected = True
    await clock.advance(3)
    assert two.of(LeaseAcquired) == []
    assert one.election.is_leader()
    # Heard again, it counts again.
    await one.die()
    await clock.advance(0.2)
    assert two.election.is_leader()
    await two.die()


async def test_a_probe_that_hangs_does_not_delay_the_end_of_the_lease() -> None:
    class Hanging(MemoryProber):
        async def unanswered(self, epoch: int, holder: str, timeout_s: float) -> bool:
            if frozen:
                await clock.sleep(timeout_s)
                raise DeadlineExceeded("no answer")
            return await super().unanswered(epoch, holder, timeout_s)

    kv, clock, alive, frozen = MemoryKeyValue(), ManualClock(), {}, []
    one = Candidate(kv, clock, "one", alive)
    await clock.advance(0.5)
    events: list[object] = []
    two = Election(kv, KEY, "two", clock=clock, prober=Hanging(alive, "two"), on_event=events.append)
    task = asyncio.create_task(two.run())
    await clock.advance(0.5)
    frozen.append(True)
    one.task.cancel()
    one.election.role = type(one.election.role).STANDBY
    await asyncio.gather(one.task, return_exceptions=True)
    for _ in range(106):  # at most 1.06 s, in small steps
        await clock.advance(0.01)
    assert two.is_leader()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_standby_whose_watch_is_deaf_reads_the_key_before_it_believes_in_silence() -> None:
    kv, clock = MemoryKeyValue(), ManualClock()
    one = Candidate(kv, clock, "one")
    await clock.advance(0.3)
    deaf = FaultyKeyValue(kv)
    deaf.deaf = True
    two = Candidate(deaf, clock, "two")
    await clock.advance(10)
    assert two.of(LeaseAcquired) == []
    assert one.election.is_leader()
    await one.die()
    await two.die()


async def test_an_activation_that_hangs_is_ended_by_its_deadline_and_the_lease_given_back() -> None:
    async def hang(_: int) -> None:
        await asyncio.Event().wait()

    kv, clock = MemoryKeyValue(), ManualClock()
    settings = LeaseSettings(hook_s=0.05)
    one = Candidate(kv, clock, "one", on_acquired=hang, settings=settings)
    await clock.advance(0.1)
    two = Candidate(kv, clock, "two")
    await asyncio.sleep(0.1)  # hooks are in real time
    await clock.advance(0.3)
    assert not one.election.is_active()
    assert two.election.is_leader()
    assert "within 0.05 s" in one.of(LeaseLost)[0].reason
    await one.die()
    await two.die()


async def test_exclusive_work_begins_when_the_activation_has_ended() -> None:
    ready = asyncio.Event()

    async def activate(_: int) -> None:
        await ready.wait()

    kv, clock = MemoryKeyValue(), ManualClock()
    one = Candidate(kv, clock, "one", on_acquired=activate)
    await clock.advance(0.2)
    assert (one.election.is_leader(), one.election.is_active()) == (True, False)
    ready.set()
    await clock.advance(0.01)
    assert one.election.is_active()
    await one.die()


async def test_a_hook_that_raises_at_the_end_of_a_leadership_does_not_end_the_candidate() -> None:
    async def fail(_: str) -> None:
        raise OSError("cannot stop")

    kv, clock = MemoryKeyValue(), ManualClock()
    one = Candidate(kv, clock, "one", on_lost=fail)
    await clock.advance(0.3)
    one.election.surrender("a write was refused")
    await clock.advance(1)
    assert one.election.is_leader()
    assert [e.epoch for e in one.of(LeaseAcquired)] == [1, 2]
    await one.die()


async def test_a_release_in_the_middle_of_a_renewal_frees_the_key() -> None:
    kv, clock = MemoryKeyValue(), ManualClock()
    one, two = await pair(clock, kv)
    for _ in range(3):
        await clock.advance(0.08)
    await asyncio.gather(one.election.release(), clock.advance(0.02))
    await clock.advance(0.02)
    assert len(one.of(LeaseReleased)) == 1
    assert one.of(LeaseLost) == []
    assert two.election.is_leader()
    await two.die()


async def test_a_bucket_made_anew_starts_above_what_the_fences_have_seen() -> None:
    async def fence(epoch: int) -> None:
        if epoch <= 50:
            raise Fenced("the fence is at 50", 50)

    kv, clock = MemoryKeyValue(), ManualClock()
    one = Candidate(kv, clock, "one", on_acquired=fence)
    await clock.advance(1)
    assert one.election.is_active()
    assert one.election.epoch == 51
    await one.die()


async def test_a_claim_that_lost_reads_the_owner_again_and_never_writes_its_old_view() -> None:
    kv, clock = MemoryKeyValue(), ManualClock()
    faulty = FaultyKeyValue(kv)
    faulty.deaf = True  # it learns nothing by the watch
    owned: list[tuple[int, int]] = []

    async def own(partition: int, epoch: int) -> None:
        owned.append((partition, epoch))

    async def lose(_: int) -> None:
        return None

    done = False

    def another_is_faster() -> None:
        nonlocal done
        if not done and "own.0" not in kv._entries and "sess.one" in kv._entries:
            done = True
            kv._write("own.0", msgspec.msgpack.encode(OwnerRecord("gone", 7)))

    faulty.before_write = another_is_faster
    shards = Shards(faulty, "one", count=1, on_own=own, on_lose=lose, clock=clock)
    task = asyncio.create_task(shards.run())
    for _ in range(30):
        await clock.advance(0.05)
    assert done
    assert owned == [(0, 8)]  # above what the faster one wrote, at once and not after a lease
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_partition_that_cannot_be_taken_over_does_not_hold_up_the_others() -> None:
    kv, clock = MemoryKeyValue(), ManualClock()
    tried: list[int] = []

    async def own(partition: int, _: int) -> None:
        tried.append(partition)
        if partition == 0 and tried.count(0) < 3:
            raise DeadlineExceeded("its checkpoint cannot be read")

    async def lose(_: int) -> None:
        return None

    shards = Shards(kv, "one", count=4, on_own=own, on_lose=lose, clock=clock)
    task = asyncio.create_task(shards.run())
    await clock.advance(0.2)
    assert set(shards.owned) == {1, 2, 3}
    await clock.advance(3)
    assert set(shards.owned) == {0, 1, 2, 3}
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_who_surrenders_and_rests_leaves_the_key_alone_meanwhile_also_where_nobody_else_is() -> None:
    kv, clock = MemoryKeyValue(), ManualClock()
    alone = Candidate(kv, clock, "alone")
    await clock.advance(0.5)
    for expected, rest_s in ((1, 4.0), (2, 8.0)):
        assert [e.epoch for e in alone.of(LeaseAcquired)][-1] == expected
        alone.election.surrender("its store cannot be opened", rest_s=rest_s)
        await clock.advance(rest_s - 0.2)
        assert len(alone.of(LeaseAcquired)) == expected
        assert not alone.election.is_leader()
        await clock.advance(0.5)
        assert len(alone.of(LeaseAcquired)) == expected + 1
    await alone.die()


class Behind(MemoryKeyValue):
    """Renewals time out while `shown` is set, and replicas still have that."""

    shown: list[KvEntry | None]

    def __init__(self) -> None:
        super().__init__()
        self.shown = []

    async def get(self, key: str) -> KvEntry | None:
        """What a replica has."""
        return self.shown[0] if self.shown else await super().get(key)

    async def update(self, key: str, value: bytes, revision: int) -> int:
        """No answer."""
        if self.shown:
            raise DeadlineExceeded("no answer")
        return await super().update(key, value, revision)

    def make_anew(self) -> None:
        """It is another one, of lower revisions."""
        self._entries.clear()
        self._revision = 0


@pytest.mark.parametrize("is_there", [True, False])
async def test_a_leader_whose_renewal_times_out_does_not_go_for_what_a_replica_that_lags_still_has(
    is_there: bool,
) -> None:
    kv, clock = Behind(), ManualClock()
    one = Candidate(kv, clock, "one")
    await clock.advance(0.5)
    before = await kv.get(KEY) if is_there else None
    await one.election.release()
    two = Candidate(kv, clock, "two")
    await clock.advance(1)
    assert two.election.is_leader()
    kv.shown.append(before)
    await clock.advance(0.6)
    assert two.election.is_leader()
    kv.shown.clear()
    await clock.advance(1)
    assert two.of(LeaseLost) == []
    assert [e.epoch for e in two.of(LeaseAcquired)] == [2]
    kv.make_anew()  # which refuses the renewal: that is believed
    await clock.advance(0.5)
    assert [lost.reason for lost in two.of(LeaseLost)] == ["nobody leads"]
    await two.die()
