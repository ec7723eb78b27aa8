"""RequestBudget: several programs of one address, each with a connection of its own, over a real nats-server."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

import pytest

from marketprism_adapters.nats.shared_budget import SharedBudget
from marketprism_adapters.venues.live.rest import RestClient
from marketprism_application.errors import SourceError
from marketprism_application.ports.request_budget import RequestBudget
from marketprism_application.venues.protocol import RestRequest, VenueLimits
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.resilience import Priority
from tests.support.downloads import simulated

LIMITS = {"rest": (200.0, 300.0)}
PATH = RestRequest("/api/v3/time", weight=2.0)


@pytest.fixture
async def budgets(nats_url: str, unique: str) -> AsyncIterator[Callable[[], SharedBudget]]:
    """Makes the budget of one more program behind the same address."""
    made: list[tuple[SharedBudget, NatsConnection]] = []
    waiting = [await NatsConnection.open(nats_url) for _ in range(4)]

    def make() -> SharedBudget:
        connection = waiting.pop()
        made.append((SharedBudget(connection, unique, "binance", LIMITS), connection))
        return made[-1][0]

    yield make
    for budget, connection in made:
        await budget.release()
        await connection.close()
    for connection in waiting:
        await connection.close()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


async def draw(budget: RequestBudget, begun: float, seconds: float, weight: float = 2.0) -> tuple[float, float]:
    """What a program that always wants something gets in a time, and when it had the last of it."""
    total, last = 0.0, begun
    while time.monotonic() - begun < seconds:
        await budget.acquire("rest", weight)
        total += weight
        last = time.monotonic()
    return total, last


async def test_three_programs_get_together_what_the_venue_gives(budgets: Callable[[], SharedBudget]) -> None:
    three = [budgets() for _ in range(3)]
    begun = time.monotonic()
    found = await asyncio.gather(*(draw(each, begun, 2.0) for each in three))
    rate, burst = LIMITS["rest"]
    elapsed = max(last for _, last in found) - begun
    assert sum(total for total, _ in found) <= burst + rate * elapsed
    assert min(total for total, _ in found) > 0
    # Some tens of requests a write.
    assert sum(each.writes for each in three) < sum(total for total, _ in found) / 4


async def test_what_is_live_is_left_to_it(budgets: Callable[[], SharedBudget], nats_url: str, unique: str) -> None:
    """A gateway that uses half of a budget: it asks nobody, and workers get the other half."""
    live, worker = budgets(), budgets()
    begun = time.monotonic()
    used = 0.0

    async def gateway() -> None:
        nonlocal used
        while time.monotonic() - begun < 3.0:
            live.used("rest", 10.0)
            used += 10.0
            await asyncio.sleep(0.1)

    (total, last), _ = await asyncio.gather(draw(worker, begun, 3.0), gateway())
    rate, burst = LIMITS["rest"]
    await until(lambda: not live.unreported)
    # What was used in the last second may not have been known yet.
    assert total + used <= burst + rate * (last - begun) + rate
    assert total < burst + rate * (last - begun) - used / 2
    assert live.writes <= 2 + 3.0 * 2  # once a second, and where another was first once more


async def test_who_is_told_to_wait_tells_all_others_and_live_work_goes_on(
    budgets: Callable[[], SharedBudget],
) -> None:
    first, second, late = budgets(), budgets(), budgets()
    await first.acquire("rest", 1.0)
    await second.acquire("rest", 1.0)
    first.refused(30.0)
    assert 29 < first.waits_s <= 30
    await until(lambda: second.waits_s > 0)
    assert second.waits_s <= 30
    await late.acquire("rest", 1.0)  # by now it knows
    assert late.waits_s > 0
    async with simulated("binance") as venue, RestClient(venue.rest_url, VenueLimits(budgets=LIMITS), second) as rest:
        bulk = asyncio.create_task(rest.get(PATH, Priority.BULK))
        assert await rest.get(PATH, Priority.LOW)
        await asyncio.sleep(0.2)
        assert not bulk.done()
        bulk.cancel()


async def test_a_program_that_died_takes_nothing_with_it(budgets: Callable[[], SharedBudget]) -> None:
    dead, alive = budgets(), budgets()
    await dead.acquire("rest", 200.0)  # and is never seen again
    async with asyncio.timeout(20):
        for _ in range(4):
            await alive.acquire("rest", 100.0)


async def test_a_client_draws_for_bulk_work_and_says_what_is_live(budgets: Callable[[], SharedBudget]) -> None:
    budget, other = budgets(), budgets()
    async with AsyncExitStack() as stack:
        venue = await stack.enter_async_context(simulated("binance"))
        rest = await stack.enter_async_context(RestClient(venue.rest_url, VenueLimits(budgets=LIMITS), budget))
        await rest.get(PATH, Priority.BULK)
        assert budget.writes == 1
        for _ in range(20):
            await rest.get(PATH, Priority.NORMAL)
        await other.acquire("rest", 1.0)
        before = budget.writes
        await until(lambda: budget.writes > before or not budget.unreported)
        assert venue.asked["/api/v3/time"] == 21
        assert await rest.get(RestRequest("/api/v3/time", budget="unknown"), Priority.BULK)


async def test_without_nats_live_work_goes_on_and_bulk_work_is_refused(nats_url: str, unique: str) -> None:
    connection = await NatsConnection.open(nats_url)
    budget = SharedBudget(connection, unique, "binance", LIMITS, patience_s=0.1)
    await budget.acquire("rest", 1.0)
    await connection.close()
    budget.used("rest", 5.0)
    with pytest.raises(SourceError, match="expected an answer of NATS"):
        await budget.acquire("rest", 100.0)
    await until(lambda: bool(budget.unreported))  # to be said once it is there again
    await budget.release()
