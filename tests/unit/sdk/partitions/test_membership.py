"""A member's view of the others, change by change."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from marketprism_sdk.election import LeaseSettings
from marketprism_sdk.errors import DeadlineExceeded
from marketprism_sdk.partitions import rendezvous
from marketprism_sdk.partitions._hashing import weight
from marketprism_sdk.partitions._membership import SESSION_PREFIX, Membership, SessionRecord
from marketprism_sdk.ports import KvEntry
from marketprism_sdk.testing import FaultyKeyValue, ManualClock, MemoryKeyValue

SETTINGS = LeaseSettings()


class Answers:
    """A prober that knows who is there, and whom it was asked for."""

    def __init__(self, *there: str) -> None:
        self.outages = 3
        self.there = set(there)
        self.asked: list[str] = []
        self.served: list[int] = []
        self.silent = False

    async def serve(self, epoch: int) -> None:
        """For this epoch."""
        self.served.append(epoch)

    async def stop(self) -> None:
        """No more."""
        self.served.clear()

    async def unanswered(self, epoch: int, holder: str, timeout_s: float) -> bool:
        """Whether it is not there."""
        assert epoch == 0
        self.asked.append(holder)
        if self.silent:
            raise DeadlineExceeded("slow")
        return holder not in self.there


class Place:
    """One member, and a bucket that the others write into."""

    def __init__(self, prober: Answers | None = None) -> None:
        self.bucket, self.clock, self.changes = MemoryKeyValue(), ManualClock(), 0
        self.kv = FaultyKeyValue(self.bucket)
        self.member = Membership(self.kv, "m", SETTINGS, self.clock, prober, self._changed)

    def _changed(self) -> None:
        self.changes += 1

    async def write(self, name: str, state: str = "live", beat: int = 1) -> KvEntry:
        """What another one writes of itself; not heard yet."""
        await self.bucket.put(SESSION_PREFIX + name, msgspec.msgpack.encode(SessionRecord(state, beat)))
        (entry,) = [each for each in await self.bucket.entries() if each.key == SESSION_PREFIX + name]
        return entry


async def test_who_comes_drains_dies_or_goes_is_a_change_and_a_heartbeat_is_none() -> None:
    place = Place()
    place.member.hint(first := await place.write("a"))
    assert (place.changes, place.member.live()) == (1, {"a", "m"})
    place.member.hint(await place.write("a", beat=2))
    place.member.hint(first)  # late
    assert place.changes == 1
    place.member.hint(await place.write("a", "drain"))
    assert (place.changes, place.member.live(), place.member.owns_still("a")) == (2, {"m"}, True)
    place.member.hint(await place.write("a", "dead"))
    assert (place.changes, place.member.owns_still("a"), place.member.has_others) == (3, False, False)
    gone = KvEntry(SESSION_PREFIX + "a", b"", 99, deleted=True)
    place.member.hint(gone)
    place.member.hint(gone)  # who is not known any more cannot go
    assert place.changes == 4


async def test_an_older_record_never_takes_the_place_of_a_newer_one() -> None:
    place = Place()
    older, newer = await place.write("a", "drain"), await place.write("a", "live")
    place.member.hint(newer)
    place.member.hint(older)
    assert (place.changes, place.member.live()) == (1, {"a", "m"})


async def test_what_is_read_anew_takes_out_who_is_not_there_any_more() -> None:
    place = Place()
    a, b = await place.write("a"), await place.write("b")
    place.member.reset([a, b])
    assert place.changes == 2
    place.member.reset([b])
    assert (place.changes, place.member.live()) == (3, {"b", "m"})
    place.member.reset([b])
    assert place.changes == 3


async def test_the_first_silence_becomes_a_death_after_a_lease_and_what_clocks_may_differ() -> None:
    place = Place()
    assert place.member.expires_in_s() == float("inf")
    place.member.hint(await place.write("a"))
    await place.clock.advance(0.5)
    place.member.hint(await place.write("b"))
    assert place.member.expires_in_s() == pytest.approx(0.52)
    await place.clock.advance(0.5)
    await place.member.look()
    assert place.member.live() == {"a", "b", "m"}
    await place.clock.advance(0.03)
    await place.member.look()
    assert place.member.live() == {"b", "m"}
    assert place.member.expires_in_s() == pytest.approx(0.49)
    await place.clock.advance(20)
    assert place.member.expires_in_s() == 0.001


async def test_neighbours_behind_ones_own_name_are_probed_round_the_ring() -> None:
    prober = Answers("a", "b", "x", "y", "z")
    place = Place(prober)
    for name in ("a", "b", "x", "y", "z"):
        place.member.hint(await place.write(name))
    await place.member.look()
    watched = len(prober.asked)
    assert watched >= 2
    assert prober.asked == ["x", "y", "z", "a", "b"][:watched]
    for name in ("y", "z"):
        place.member.hint(await place.write(name, "dead"))
    prober.asked.clear()
    await place.member.look()
    assert prober.asked == ["x", "a", "b"][:watched]


async def test_a_peer_that_has_answered_and_is_gone_is_dead_after_two_probes_and_not_before() -> None:
    prober = Answers("a")
    place = Place(prober)
    place.member.hint(await place.write("a"))
    await place.member.look()
    prober.there.clear()
    await place.member.look()
    prober.silent = True
    await place.member.look()
    assert place.member.owns_still("a")
    prober.silent = False
    await place.member.look()
    assert not place.member.owns_still("a")
    assert place.changes == 2


async def test_a_peer_that_never_answered_a_probe_is_not_dead_for_that() -> None:
    place = Place(Answers())
    place.member.hint(await place.write("a"))
    for _ in range(4):
        await place.member.look()
    assert place.member.owns_still("a")


async def test_a_silent_peer_whose_session_is_gone_is_gone_and_one_that_wrote_meanwhile_lives() -> None:
    place = Place()
    place.member.hint(await place.write("a"))
    place.member.hint(await place.write("b"))
    await place.clock.advance(1.1)
    await place.bucket.delete(f"{SESSION_PREFIX}a")
    await place.write("b", beat=2)
    before = place.changes
    await place.member.look()
    assert (place.member.owns_still("a"), place.member.owns_still("b")) == (False, True)
    assert place.changes == before + 1
    assert place.member.expires_in_s() == pytest.approx(1.02)


async def test_heartbeats_end_with_the_word_that_the_session_is_dead() -> None:
    place, ended = Place(), list[str]()
    await place.member.join()
    beating = asyncio.create_task(place.member.keep(lambda: ended.append("dead")))
    await place.clock.advance(5)
    assert ended == []
    await place.write("m", "dead")
    await place.clock.advance(5)
    assert (ended, beating.done()) == (["dead"], True)


async def test_the_outages_before_it_began_are_not_its_own() -> None:
    prober = Answers("a")
    place = Place(prober)
    place.member.hint(await place.write("a"))
    await place.clock.advance(0.9)
    await place.member.look()
    await place.clock.advance(0.2)
    await place.member.look()
    assert not place.member.owns_still("a")


async def test_an_outage_of_ones_own_makes_silence_and_probes_count_anew() -> None:
    prober = Answers("a")
    place = Place(prober)
    place.member.hint(await place.write("a"))
    await place.member.look()
    await place.clock.advance(0.9)
    prober.outages += 1
    prober.there.clear()
    for _ in range(3):
        await place.member.look()
    assert place.member.expires_in_s() == pytest.approx(1.02)
    assert place.member.owns_still("a")


async def test_a_heartbeat_whose_answer_was_lost_is_ones_own_and_the_next_goes_on_from_it() -> None:
    place = Place(prober := Answers())
    await place.member.join()
    assert prober.served == [0]
    place.kv.lose_answers = 1
    with pytest.raises(DeadlineExceeded):
        await place.member.beat()
    assert [await place.member.beat() for _ in range(2)] == [True, True]
    revisions = [each.revision for each in await place.bucket.entries()]
    assert revisions == [3]  # join, the one without an answer, the last
    await place.member.leave()
    assert (prober.served, await place.bucket.entries()) == ([], [])


async def test_who_was_declared_dead_hears_it_with_its_next_heartbeat() -> None:
    place = Place()
    await place.member.join()
    await place.write("m", "dead")
    assert not await place.member.beat()


def test_a_partition_goes_to_the_member_that_weighs_most() -> None:
    members = frozenset({"a", "b", "c"})
    owners = [rendezvous(partition, members) for partition in range(64)]
    assert owners == [max(members, key=lambda name, n=n: weight(str(n), name)) for n in range(64)]
    assert set(owners) == members
    fewer = members - {"b"}
    assert all(rendezvous(n, fewer) == owner for n, owner in enumerate(owners) if owner != "b")
