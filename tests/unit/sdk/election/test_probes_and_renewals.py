"""Whoever writes is there: probes that nobody answered before a renewal was seen say nothing about its writer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from marketprism_sdk.election import LeaseSettings, encode_lease
from marketprism_sdk.election._observation import LeaseObserver
from marketprism_sdk.partitions._membership import SESSION_PREFIX, Membership
from marketprism_sdk.testing.clock import ManualClock
from marketprism_sdk.testing.memory import MemoryKeyValue, MemoryProber

KEY = "lease"


class Scripted(MemoryProber):
    """Nobody answers any more once `gone`; `meanwhile` happens while a probe is on its way."""

    def __init__(self) -> None:
        super().__init__({}, "two")
        self.gone = False
        self.meanwhile: Callable[[], Awaitable[object]] | None = None

    async def unanswered(self, epoch: int, holder: str, timeout_s: float) -> bool:
        del epoch, holder, timeout_s
        if self.meanwhile is not None:
            meanwhile, self.meanwhile = self.meanwhile, None
            await meanwhile()
        return self.gone


async def test_a_renewal_that_comes_while_a_probe_is_on_its_way_outweighs_what_was_missed() -> None:
    kv, prober = MemoryKeyValue(), Scripted()
    held = encode_lease("one", 1, "held", "")
    revision = await kv.create(KEY, held)
    observer = LeaseObserver(kv, KEY, LeaseSettings(probes=2), ManualClock(), prober, lambda: None)
    await observer.look()
    assert not await observer.vacant()  # heard
    prober.gone = True
    assert not await observer.vacant()  # missed once
    prober.meanwhile = lambda: kv.update(KEY, held, revision)
    assert not await observer.vacant()
    assert not await observer.vacant()  # counted anew: once
    assert await observer.vacant()
    await observer.close()


async def test_a_heartbeat_that_comes_while_a_probe_is_on_its_way_outweighs_what_was_missed() -> None:
    kv, prober = MemoryKeyValue(), Scripted()
    one = Membership(kv, "one", LeaseSettings(), ManualClock(), None, lambda: None)
    two = Membership(kv, "two", LeaseSettings(probes=2), ManualClock(), prober, lambda: None)
    stop = await kv.watch(SESSION_PREFIX, two.hint)
    await one.join()
    await two.look()  # heard
    prober.gone = True
    await two.look()  # missed once
    prober.meanwhile = one.beat
    await two.look()
    assert two.owns_still("one")
    await two.look()  # counted anew: once
    assert two.owns_still("one")
    await two.look()
    assert not two.owns_still("one")
    await stop()
