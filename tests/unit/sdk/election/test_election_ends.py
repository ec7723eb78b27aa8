"""What a candidate leaves behind: when it is stopped, when it did not get the lease, when work does not end."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from marketprism_sdk.election import Election, LeaseAcquired, LeaseLost, LeaseRecord, LeaseReleased, LeaseSettings, Role
from marketprism_sdk.election._lease import decode_lease
from marketprism_sdk.errors import ConfigurationError, KeyExists, NotConnected, StreamError
from marketprism_sdk.ports import KvEntry
from marketprism_sdk.testing import FaultyKeyValue, ManualClock, MemoryKeyValue
from tests.unit.sdk.election.test_election_outages import Leaderless, passed
from tests.unit.sdk.election.test_election_traps import KEY, Alive, Candidate, pair


async def thief(kv: MemoryKeyValue, epoch: int = 9) -> None:
    """Somebody else has the key."""
    entry = await kv.get(KEY)
    held = msgspec.msgpack.encode(LeaseRecord("thief", epoch, "held"))
    await kv.update(KEY, held, entry.revision if entry is not None else 0)


async def test_a_stopped_leader_follows_nothing_serves_nobody_and_tells_that_it_was_stopped() -> None:
    kv, clock, alive, lost = MemoryKeyValue(), ManualClock(), Alive(), list[str]()

    async def on_lost(reason: str) -> None:
        lost.append(reason)

    one = Candidate(kv, clock, "one", alive, on_lost=on_lost)
    await clock.advance(0.5)
    assert (list(alive), kv.watchers) == ([(1, "one")], 1)
    one.task.cancel()
    await asyncio.gather(one.task, return_exceptions=True)
    assert one.events[-1] == LeaseLost(KEY, "one", 1, "stopped")
    assert (lost, alive, kv.watchers, one.election.role) == (["stopped"], {}, 0, Role.STANDBY)
    await one.election.release()  # there is nothing to give back
    assert one.of(LeaseReleased) == []


async def test_a_leader_that_surrenders_ends_at_once_and_not_with_its_next_renewal() -> None:
    kv, clock = MemoryKeyValue(), ManualClock()
    one = Candidate(kv, clock, "one")
    await clock.advance(0.5)
    one.election.surrender("work is not possible here", rest_s=5)
    await clock.advance(0)
    assert one.of(LeaseLost) == [LeaseLost(KEY, "one", 1, "work is not possible here")]
    await one.die()


async def test_how_long_a_lease_is_left_is_known_to_its_leader_alone() -> None:
    kv, clock = MemoryKeyValue(), ManualClock()
    one, two = await pair(clock, kv)
    assert two.election.leads_for_s() == 0.0
    assert 0.75 <= one.election.leads_for_s() <= 1.0
    await one.die()
    await two.die()


@pytest.mark.parametrize("after_s", [0.0, 0.6], ids=["new", "renewed"])
async def test_a_leader_that_hears_of_another_asks_at_once(after_s: float) -> None:
    kv, clock = MemoryKeyValue(), ManualClock()
    one = Candidate(kv, clock, "one")
    await clock.advance(after_s)
    assert one.of(LeaseAcquired) != []
    await thief(kv)
    await clock.advance(0)
    assert [each.reason for each in one.of(LeaseLost)] == ["thief leads"]
    await one.die()


@pytest.mark.parametrize("failure", ["another is first", "no answer", "away"])
async def test_who_did_not_get_the_lease_answers_no_probe_for_it(failure: str) -> None:
    kv, clock, alive = FaultyKeyValue(MemoryKeyValue()), ManualClock(), Alive()
    failures = {"another is first": KeyExists("expected no entry"), "away": NotConnected("the bucket is away")}

    def before_write() -> None:
        if failure in failures:
            raise failures[failure]

    kv.before_write = before_write
    if failure == "no answer":
        kv.hold.clear()
    one = Candidate(kv, clock, "one", alive)
    await clock.advance(0.01)
    assert (one.of(LeaseAcquired), alive) == ([], {})
    await one.die()


async def test_a_candidate_without_a_prober_that_gets_no_write_through_tries_some_times_a_second() -> None:
    kv, clock = Leaderless(MemoryKeyValue()), ManualClock()
    one, two = await pair(clock, kv)
    kv.electing = True
    await one.die()
    await passed(clock, 6.0)
    assert 1 <= kv.refused < 60
    assert two.of(LeaseAcquired) == []
    await two.die()


async def test_an_activation_has_ended_before_the_owner_hears_that_the_lease_is_lost() -> None:
    kv, clock, told = MemoryKeyValue(), ManualClock(), list[str]()

    async def on_acquired(_: int) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            told.append("activation ended")

    async def on_lost(_: str) -> None:
        told.append("lost")

    one = Candidate(kv, clock, "one", on_acquired=on_acquired, on_lost=on_lost)
    await clock.advance(0.5)
    await thief(kv)
    await clock.advance(0.5)
    assert told == ["activation ended", "lost"]
    await one.die()


async def test_an_activation_that_does_not_let_itself_be_cancelled_is_waited_for_no_longer_than_a_hook_may_take() -> (
    None
):
    kv, clock, lost, over = MemoryKeyValue(), ManualClock(), asyncio.Event(), asyncio.Event()

    async def on_acquired(_: int) -> None:
        while not over.is_set():
            try:
                await over.wait()
            except asyncio.CancelledError:
                continue

    async def on_lost(_: str) -> None:
        lost.set()

    settings = LeaseSettings(hook_s=0.05)
    one = Candidate(kv, clock, "one", on_acquired=on_acquired, on_lost=on_lost, settings=settings)
    await clock.advance(0)
    await thief(kv)
    await clock.advance(0)
    async with asyncio.timeout(5):
        await lost.wait()
    over.set()
    await one.die()


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"lease_s": 3_600.5}, "lease_s of at most 3600, was 3600.5"),
        ({"lease_s": 0.5}, "lease_s > 2 x heartbeat_s"),
        ({"heartbeat_s": 0.05}, "heartbeat_s > probe_s > 0"),
        ({"probes": 0}, "probes of at least 1, was 0"),
        ({"hook_s": 0.0}, "hook_s of more than 0 and at most 3600, was 0.0"),
        ({"hook_s": 3_600.5}, "hook_s of more than 0 and at most 3600, was 3600.5"),
        ({"probe_timeout_s": 0.0}, "0 < probe_timeout_s < lease_s"),
        ({"probe_timeout_s": 1.0}, "0 < probe_timeout_s < lease_s"),
    ],
)
def test_what_makes_no_lease_is_refused_up_to_its_bound(values: dict[str, float], text: str) -> None:
    with pytest.raises(ConfigurationError, match=text):
        LeaseSettings(**values)  # type: ignore[arg-type]


def test_what_is_at_a_bound_is_a_lease_and_the_defaults_are_those_that_are_documented() -> None:
    assert LeaseSettings(lease_s=3_600.0, hook_s=3_600.0, probes=1).hook_s == 3_600.0
    given = LeaseSettings()
    assert (given.lease_s, given.heartbeat_s, given.probe_s, given.probe_timeout_s) == (1.0, 0.25, 0.05, 0.12)
    assert (given.probes, given.hook_s) == (2, 10.0)
    assert (Role.STANDBY.value, Role.LEADER.value, LeaseRecord("a", 1, "held").endpoint) == ("standby", "leader", "")


def test_a_value_that_is_no_record_is_nobodys() -> None:
    assert decode_lease(None) is None
    assert decode_lease(KvEntry(KEY, b"junk", 3)) == LeaseRecord("", 0, "released")


async def test_a_standby_that_is_released_ends_at_once() -> None:
    kv, clock = MemoryKeyValue(), ManualClock()
    one, two = await pair(clock, kv)
    await two.election.release()
    assert two.task.done()
    assert two.events == []
    await one.die()


async def test_a_bucket_that_refuses_the_first_write_is_asked_again() -> None:
    kv, clock = FaultyKeyValue(MemoryKeyValue()), ManualClock()

    def refuse() -> None:
        kv.before_write = lambda: None
        raise StreamError("nobody answers for the bucket now", retryable=True)

    kv.before_write = refuse
    election = Election(kv, KEY, "one", clock=clock)
    task = asyncio.create_task(election.run())
    await clock.advance(0.5)
    assert election.is_leader()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
