"""Heartbeats of members: few where nobody misses them, and enough for who comes unheard."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from marketprism_sdk.election import LeaseSettings
from marketprism_sdk.partitions._membership import SESSION_PREFIX, Membership
from marketprism_sdk.ports import KvEntry
from marketprism_sdk.testing.clock import ManualClock
from marketprism_sdk.testing.memory import MemoryKeyValue

SETTINGS = LeaseSettings()


class Members:
    """Members of one bucket, each with its heartbeats running, and what was written of each session."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.kv = MemoryKeyValue()
        self.beats: dict[str, list[float]] = {}
        self.ended: list[str] = []
        self._beating: dict[str, asyncio.Task[None]] = {}

    async def count(self) -> None:
        """Note from now on when each session is written."""

        def note(entry: KvEntry) -> None:
            self.beats.setdefault(entry.key.removeprefix(SESSION_PREFIX), []).append(self.clock.monotonic_s())

        await self.kv.watch("", note)

    async def join(self, name: str, *, deaf: bool = False) -> Membership:
        """A member that beats; one that is deaf hears nothing of the others."""
        member = Membership(self.kv, name, SETTINGS, self.clock, None, lambda: None)
        if not deaf:
            await self.kv.watch(SESSION_PREFIX, member.hint)
        await member.join()
        member.reset(await self.kv.entries())
        self._beating[name] = asyncio.create_task(member.keep(lambda: self.ended.append(name)))
        await self.clock.advance(0)
        return member

    async def look_for(self, member: Membership, seconds: float) -> None:
        """Let time pass while a member looks for silent peers, as often as it would probe them."""
        for _ in range(round(seconds / SETTINGS.probe_s)):
            await self.clock.advance(SETTINGS.probe_s)
            await member.look()

    def freeze(self, name: str) -> None:
        """No more heartbeats of one."""
        self._beating[name].cancel()

    def close(self) -> None:
        for name in self._beating:
            self.freeze(name)


@pytest.fixture
async def members() -> AsyncIterator[Members]:
    made = Members()
    await made.count()
    yield made
    made.close()


async def test_a_member_that_is_alone_beats_seldom(members: Members) -> None:
    await members.join("a")
    members.beats.clear()
    await members.clock.advance(6.01)
    assert len(members.beats["a"]) == round(6 / (0.75 * SETTINGS.lease_s))


async def test_who_comes_is_shown_a_heartbeat_at_once_and_all_of_them_from_then_on(members: Members) -> None:
    await members.join("a")
    await members.clock.advance(0.3)
    members.beats.clear()
    await members.join("b")
    assert len(members.beats["a"]) == 1
    await members.clock.advance(5.01)
    for name in "ab":
        assert 0 <= len(members.beats[name]) - 1 - round(5 / SETTINGS.heartbeat_s) <= 1


async def test_a_member_whose_peers_are_dead_beats_seldom_again(members: Members) -> None:
    a = await members.join("a")
    await members.join("b", deaf=True)
    members.freeze("b")
    await members.look_for(a, 2 * SETTINGS.lease_s)
    assert not a.owns_still("b")
    members.beats.clear()
    await members.clock.advance(6.01)
    assert len(members.beats["a"]) <= 1 + round(6 / (0.75 * SETTINGS.lease_s))


async def test_who_was_not_heard_coming_does_not_take_a_member_for_dead(members: Members) -> None:
    await members.join("a", deaf=True)
    b = await members.join("b")
    await members.look_for(b, 10 * SETTINGS.lease_s)
    assert b.owns_still("a")
    assert not members.ended
