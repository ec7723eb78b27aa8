"""Whom a caller picks while the registry still has the entry of an instance that was killed."""

from __future__ import annotations

from marketprism_sdk.messaging import Discovery, Registration
from marketprism_sdk.testing import ManualClock, MemoryKeyValue


async def test_an_instance_without_a_heartbeat_is_picked_only_where_all_are_silent() -> None:
    clock = ManualClock()
    kv = MemoryKeyValue()
    killed, alive = (Registration(kv, "query", name, "1") for name in ("killed", "alive"))
    for each in (killed, alive):
        await each.update(status="active", metadata={"group": "default", "load": 0})
    discovery = Discovery(kv, clock=clock)
    await discovery.refresh()
    assert {discovery.pick("query").instance for _ in range(4)} == {"killed", "alive"}  # type: ignore[union-attr]
    for _ in range(3):
        await clock.advance(1.0)
        await alive.beat()
        await discovery.refresh()
    gone, there = (next(r for r in discovery.instances() if r.instance == name) for name in ("killed", "alive"))
    assert discovery.quiet_s(gone) == 3.0
    assert discovery.quiet_s(there) == 0.0
    for strategy in ("round-robin", "random", "sticky", "least-loaded"):
        picked = {discovery.pick("query", strategy, key=str(n)).instance for n in range(8)}  # type: ignore[union-attr]
        assert picked == {"alive"}, strategy
    # An overloaded machine delays everybody's: then all are as good as before.
    await clock.advance(3.0)
    assert {discovery.pick("query").instance for _ in range(4)} == {"killed", "alive"}  # type: ignore[union-attr]
    await killed.beat()
    await discovery.refresh()
    assert {discovery.pick("query").instance for _ in range(4)} == {"killed"}  # type: ignore[union-attr]
