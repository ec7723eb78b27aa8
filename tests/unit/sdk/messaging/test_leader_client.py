"""How long a leader is waited for where nobody leads."""

from __future__ import annotations

import time

import pytest

from marketprism_sdk.errors import NoResponders, NotActive
from marketprism_sdk.messaging import LeaderClient, RpcClient, RpcServer
from marketprism_sdk.observability import Metrics
from marketprism_sdk.testing import MemoryBus


async def test_a_leader_that_does_not_come_is_not_waited_for_as_long_as_an_answer_may_take() -> None:
    leader = LeaderClient(RpcClient(MemoryBus()), "storage", wait_s=0.2)
    started = time.monotonic()
    with pytest.raises(NoResponders):
        await leader.call("redrive", timeout_s=300.0)
    assert time.monotonic() - started < 30


async def test_standbys_without_a_leader_are_asked_again_only_for_as_long() -> None:
    bus, asked = MemoryBus(), 0

    async def refuse(_: object) -> None:
        nonlocal asked
        asked += 1
        raise NotActive(None)

    server = RpcServer(bus, "storage", "one", Metrics("storage"))
    server.add("redrive", refuse)
    await server.start()
    with pytest.raises(NotActive):
        await LeaderClient(RpcClient(bus), "storage", wait_s=0.2).call("redrive", timeout_s=300.0)
    assert asked > 1
    await server.stop()
