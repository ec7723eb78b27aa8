"""Policy, limiter, bulkhead, breaker on a clock that stands still."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketprism_sdk.errors import ConfigurationError, DeadlineExceeded
from marketprism_sdk.resilience import (
    Backoff,
    Bulkhead,
    BulkheadFull,
    CircuitBreaker,
    CircuitOpen,
    Policy,
    Priority,
    RateLimited,
    RateLimiter,
    retry,
)
from marketprism_sdk.testing import ManualClock


class Away(Exception):
    retryable = True


async def test_tokens_go_to_the_highest_priority_and_within_one_in_order() -> None:
    clock = ManualClock()
    limiter = RateLimiter(10, 1, clock=clock)
    served: list[str] = []

    async def take(name: str, priority: Priority) -> None:
        await limiter.acquire(priority)
        served.append(name)

    await take("first", Priority.LOW)
    wanted = [
        ("l", Priority.LOW),
        ("n1", Priority.NORMAL),
        ("n2", Priority.NORMAL),
        ("h", Priority.HIGH),
        ("c", Priority.CRITICAL),
    ]
    tasks = [asyncio.create_task(take(*w)) for w in wanted]
    await clock.advance(0.05)
    assert served == ["first"]
    for _ in range(5):
        await clock.advance(0.1)
    await asyncio.gather(*tasks)
    assert served == ["first", "c", "h", "n1", "n2", "l"]


async def test_a_full_queue_refuses_the_last_of_the_lowest_priority() -> None:
    clock = ManualClock()
    limiter = RateLimiter(1, 1, waiting=2, clock=clock)
    await limiter.acquire()
    low = asyncio.create_task(limiter.acquire(Priority.LOW))
    high = asyncio.create_task(limiter.acquire(Priority.HIGH))
    await clock.advance(0)
    critical = asyncio.create_task(limiter.acquire(Priority.CRITICAL))
    await clock.advance(0)
    with pytest.raises(RateLimited) as caught:
        await low
    assert caught.value.retry_after_s == 1.0
    assert limiter.refused == 1
    await clock.advance(3)
    await asyncio.gather(high, critical)


async def test_a_cancelled_waiter_gives_its_turn_away_and_a_penalty_stops_everybody() -> None:
    clock = ManualClock()
    limiter = RateLimiter(1, 2, clock=clock)
    limiter.penalise(5)
    first, second = asyncio.create_task(limiter.acquire()), asyncio.create_task(limiter.acquire())
    await clock.advance(1)
    first.cancel()
    await clock.advance(4)
    assert not second.done()
    await clock.advance(1.1)
    await second
    with pytest.raises(ValueError, match="at most 2, was 3"):
        await limiter.acquire(weight=3)


@given(st.lists(st.floats(0.01, 3.0), min_size=1, max_size=40))
def test_no_more_than_the_rate_and_the_burst_ever_pass(gaps: list[float]) -> None:
    async def run() -> None:
        clock = ManualClock()
        limiter = RateLimiter(2, 3, clock=clock)
        passed = 0

        async def take() -> None:
            nonlocal passed
            await limiter.acquire()
            passed += 1

        tasks = []
        started = clock.monotonic_s()
        for gap in gaps:
            tasks.append(asyncio.create_task(take()))
            await clock.advance(gap)
            assert passed <= 3 + 2 * (clock.monotonic_s() - started) + 1e-6
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(run())


async def test_a_bulkhead_bounds_what_runs_and_what_waits() -> None:
    gate = asyncio.Event()
    bulkhead = Bulkhead(2, waiting=1)
    running = 0
    most = 0

    async def work() -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await gate.wait()
        running -= 1

    tasks = [asyncio.create_task(bulkhead.execute(work)) for _ in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(BulkheadFull, match="at most 3"):
        await bulkhead.execute(work)
    gate.set()
    await asyncio.gather(*tasks)
    assert (most, bulkhead.inside, bulkhead.refused) == (2, 0, 1)


async def test_a_policy_composes_all_of_it() -> None:
    clock = ManualClock()
    changes: list[str] = []
    breaker = CircuitBreaker(failures=3, rest_s=10, on_change=changes.append, clock=clock)
    limiter = RateLimiter(100, 100, clock=clock)
    policy = Policy(
        timeout_s=0.02,
        attempts=3,
        backoff=Backoff(1, 4, 0),
        limiter=limiter,
        bulkhead=Bulkhead(1),
        breaker=breaker,
        clock=clock,
    )
    calls = 0

    async def flaky() -> int:
        nonlocal calls
        calls += 1
        if calls < 3:
            raise Away
        return 7

    task = asyncio.create_task(policy.execute(flaky))
    await clock.advance(5)
    assert (await task, calls, breaker.state) == (7, 3, "closed")

    async def hang() -> None:
        await asyncio.sleep(60)

    task2 = asyncio.create_task(policy.execute(hang))
    for _ in range(10):
        await asyncio.sleep(0.02)
        await clock.advance(2)
    with pytest.raises(DeadlineExceeded, match=r"within 0\.02 s"):
        await task2
    assert breaker.state in ("open", "half-open")
    assert changes == ["open"]
    once = Policy(breaker=breaker, clock=clock)
    if breaker.state == "open":
        with pytest.raises(CircuitOpen):
            await once.execute(flaky)
    await clock.advance(10)
    assert await once.execute(flaky) == 7
    assert changes == ["open", "closed"]


async def test_no_retry_begins_after_the_deadline_or_before_what_the_other_side_asked_for() -> None:
    clock = ManualClock()
    tried: list[float] = []
    started = clock.monotonic_s()

    class Busy(Exception):
        retryable = True
        retry_after_s = 3.0

    async def busy() -> None:
        tried.append(round(clock.monotonic_s() - started, 3))
        raise Busy

    task = asyncio.create_task(retry(busy, attempts=10, backoff=Backoff(0.1, 1, 0), deadline_s=7, clock=clock))
    await clock.advance(20)
    with pytest.raises(Busy):
        await task
    assert tried == [0, 3, 6]


def test_settings_that_cannot_work_are_refused() -> None:
    for wrong in (lambda: RateLimiter(0, 1), lambda: Bulkhead(0), lambda: Backoff(2, 1)):
        with pytest.raises(ConfigurationError, match="expected"):
            wrong()
