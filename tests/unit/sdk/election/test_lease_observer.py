"""What a standby sees of a lease, reading by reading."""

from __future__ import annotations

import pytest

from marketprism_sdk.election import LeaseSettings
from marketprism_sdk.election._lease import encode_lease
from marketprism_sdk.election._observation import LeaseObserver
from marketprism_sdk.errors import DeadlineExceeded
from marketprism_sdk.ports import KvEntry
from marketprism_sdk.testing import ManualClock, MemoryKeyValue

KEY = "x"
SETTINGS = LeaseSettings()


class CountedKeyValue(MemoryKeyValue):
    """Counts how often the key is read."""

    def __init__(self) -> None:
        super().__init__()
        self.read = 0

    async def get(self, key: str) -> KvEntry | None:
        """As the bucket."""
        self.read += 1
        return await super().get(key)


class Answers:
    """A prober whose answers are written down: True for nobody there, an error for not known."""

    def __init__(self) -> None:
        self.outages = 0
        self.next: list[bool | Exception] = []

    async def serve(self, epoch: int) -> None:
        """Nothing."""

    async def stop(self) -> None:
        """Nothing."""

    async def unanswered(self, epoch: int, holder: str, timeout_s: float) -> bool:
        """The next one."""
        answer = self.next.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


class Watched:
    """An observer with everything around it."""

    def __init__(self, *, probing: bool = False) -> None:
        self.kv, self.clock, self.prober, self.woken = CountedKeyValue(), ManualClock(), Answers(), 0
        self.observer = LeaseObserver(self.kv, KEY, SETTINGS, self.clock, self.prober if probing else None, self._wake)

    def _wake(self) -> None:
        self.woken += 1

    async def held(self, epoch: int = 1, state: str = "held") -> None:
        """The leader writes."""
        await self.kv.put(KEY, encode_lease("leader", epoch, state, ""))


async def test_before_anything_is_known_it_looks_within_a_second() -> None:
    watched = Watched()
    assert (watched.observer.expires_in_s(), watched.observer.next_look_s(5.0), watched.observer.silent_s()) == (
        1,
        1,
        0,
    )
    await watched.held()
    await watched.observer.look()
    await watched.clock.advance(0.5)
    assert watched.observer.expires_in_s() == pytest.approx(0.52)
    await watched.clock.advance(5)
    assert watched.observer.expires_in_s() == 0.001


@pytest.mark.parametrize("there", [False, True])
async def test_the_key_is_read_once_a_heartbeat_also_where_there_is_none(there: bool) -> None:
    watched = Watched()
    if there:
        await watched.held()
    for _ in range(3):
        await watched.observer.look()
    await watched.clock.advance(SETTINGS.heartbeat_s)
    await watched.observer.look()
    assert watched.kv.read == 2


async def test_after_an_outage_of_ones_own_connection_silence_and_probes_count_anew() -> None:
    watched = Watched(probing=True)
    await watched.held()
    await watched.observer.look()
    watched.prober.next = [False, True]
    assert not await watched.observer.vacant()
    assert not await watched.observer.vacant()
    await watched.clock.advance(0.9)
    watched.prober.outages += 1
    await watched.observer.look()
    assert (watched.observer.silent_s(), watched.observer.next_look_s(0.1)) == (0, 0.1)
    watched.prober.next = [True, True, True]  # none has answered since
    assert [await watched.observer.vacant() for _ in range(3)] == [False] * 3


async def test_a_holder_that_has_answered_is_gone_when_two_probes_find_nobody() -> None:
    watched = Watched(probing=True)
    await watched.held()
    await watched.observer.look()
    watched.prober.next = [False, True, DeadlineExceeded("slow"), True]
    assert [await watched.observer.vacant() for _ in range(4)] == [False, False, False, True]
    assert watched.observer.next_look_s(0.1) == 0.05


async def test_a_hint_wakes_where_somebody_else_or_nobody_leads_and_not_for_a_renewal() -> None:
    watched = Watched()
    await watched.observer.look()
    await watched.held()
    assert (watched.woken, watched.observer.leader()) == (1, "leader")
    await watched.held()
    assert watched.woken == 1
    await watched.held(state="released")
    assert (watched.woken, watched.observer.leader()) == (2, None)
    await watched.held(epoch=2)
    assert watched.woken == 3
    await watched.observer.close()
    await watched.held(epoch=3)
    assert watched.woken == 3


async def test_a_holder_is_absent_where_nobody_holds_or_the_server_says_so() -> None:
    watched = Watched()
    assert await watched.observer.holder_is_absent()
    await watched.held()
    await watched.observer.look()
    assert not await watched.observer.holder_is_absent()
    probing = Watched(probing=True)
    await probing.held()
    await probing.observer.look()
    probing.prober.next = [True, False, DeadlineExceeded("slow")]
    assert [await probing.observer.holder_is_absent() for _ in range(3)] == [True, False, False]
    await probing.held(state="released")
    assert await probing.observer.holder_is_absent()


async def test_whoever_writes_is_there_and_probes_that_were_missed_before_count_no_more() -> None:
    watched = Watched(probing=True)
    await watched.held()
    await watched.observer.look()
    watched.prober.next = [False, True]
    assert [await watched.observer.vacant() for _ in range(2)] == [False, False]
    assert watched.observer.next_look_s(0.1) == 0.05  # one missed: the next look is soon
    await watched.held()
    assert watched.observer.next_look_s(0.1) == 0.1
