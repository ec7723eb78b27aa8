"""A bucket whose server has lost its leader: it can be read and takes no writes until another one is elected."""

from __future__ import annotations

from collections import Counter
from collections.abc import MutableMapping
from typing import Any

from marketprism_sdk.election import LeaseAcquired, LeaseLost, encode_lease
from marketprism_sdk.errors import NotConnected, StreamError
from marketprism_sdk.ports import KvEntry
from marketprism_sdk.testing import FaultyKeyValue, ManualClock, MemoryKeyValue
from tests.unit.sdk.election.test_election_traps import Candidate, pair


class Leaderless(FaultyKeyValue):
    """Takes no writes as long as `electing`; counts them."""

    def __init__(self, kv: MemoryKeyValue) -> None:
        super().__init__(kv)
        self.electing = False
        self.refused = 0
        self.before_write = self._refuse

    def _refuse(self) -> None:
        if self.electing:
            self.refused += 1
            raise StreamError("nobody answers for the bucket now", retryable=True)


async def passed(clock: ManualClock, seconds: float) -> None:
    """In small steps, as timers of a loop come."""
    for _ in range(round(seconds / 0.025)):
        await clock.advance(0.025)


async def test_a_dead_leader_is_followed_as_soon_as_the_bucket_takes_writes_again() -> None:
    kv, clock, alive = Leaderless(MemoryKeyValue()), ManualClock(), {}
    one, two = await pair(clock, kv, alive)
    kv.electing = True  # the node is lost on which the leader was and the bucket's
    await one.die()
    for _ in range(4):  # whenever the election ends
        await passed(clock, 1.2)
        assert two.of(LeaseAcquired) == []
    assert 10 < kv.refused < 60  # tried some times a second, and no more
    kv.electing = False
    await passed(clock, 0.2)
    assert [each.epoch for each in two.of(LeaseAcquired)] == [2]
    await two.die()


async def test_a_leader_that_is_there_goes_on_when_the_bucket_takes_writes_again(
    logs: list[MutableMapping[str, Any]],
) -> None:
    kv, clock, alive = Leaderless(MemoryKeyValue()), ManualClock(), {}
    one, two = await pair(clock, kv, alive)
    kv.electing = True
    await passed(clock, 4.0)
    kv.electing = False
    await passed(clock, 2.0)
    assert one.election.is_leader()
    assert [one.of(LeaseLost), two.of(LeaseAcquired)] == [[], []]
    # One line for all that it tried meanwhile, and one for the end.
    assert kv.refused > 10
    assert Counter(each["event"] for each in logs) == {"lease.not_renewed": 1, "lease.resumed": 1}
    await one.die()
    await two.die()


async def test_who_took_the_key_without_hearing_it_leads_without_waiting_for_itself() -> None:
    kv, clock, alive = Leaderless(MemoryKeyValue()), ManualClock(), {}
    one = Candidate(kv, clock, "one", alive)
    kv.lose_answers = 1  # the write was taken, its answer was lost with the connection
    await passed(clock, 0.4)
    assert [each.epoch for each in one.of(LeaseAcquired)] == [2]
    assert one.election.is_active()
    await one.die()


class CutOff(FaultyKeyValue):
    """Neither reads nor writes as long as `away`, and says so at once; counts what it is asked."""

    def __init__(self, kv: MemoryKeyValue) -> None:
        super().__init__(kv)
        self.away = False
        self.asked = 0
        self.before_write = self._ask

    def _ask(self) -> None:
        self.asked += self.away
        if self.asked > 1_000:
            raise SystemExit("asked without a pause")
        if self.away:
            raise NotConnected("away")

    async def get(self, key: str) -> KvEntry | None:
        self._ask()
        return await super().get(key)


async def test_a_leader_that_hears_of_another_and_is_cut_off_gives_way_to_its_loop() -> None:
    """The change came while it was frozen, and so did the end of its connection."""
    shared, clock = MemoryKeyValue(), ManualClock()
    kv = CutOff(shared)
    one = Candidate(kv, clock, "one", {})
    await passed(clock, 0.5)
    assert one.election.is_leader()
    kv.away = True
    entry = await shared.get(one.election.key)
    assert entry is not None
    await shared.update(one.election.key, encode_lease("two", 2, "held", ""), entry.revision)
    await passed(clock, 1.0)
    assert 5 < kv.asked < 100
    kv.away = False
    await passed(clock, 0.3)
    assert [each.reason for each in one.of(LeaseLost)] == ["two leads"]
    await one.die()
