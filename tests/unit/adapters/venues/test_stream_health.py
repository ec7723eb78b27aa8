"""Health of single streams: what each is used to, and how often one that stays quiet is asked for again."""

from __future__ import annotations

import time

import pytest

from marketprism_adapters.venues.live.stream_health import StreamHealth
from marketprism_application.venues.protocol import StreamKey

BOOK, TRADES, KLINE = (StreamKey(kind, "BTC-USDT") for kind in ("orderbook", "trade", "kline"))


class Clock:
    """Time as the test has it."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def health(clock: Clock) -> StreamHealth:
    return StreamHealth({"ticker": 30.0}, clock=clock)


def limit(health: StreamHealth, key: StreamKey) -> object:
    return {row["stream"]: row["limit_s"] for row in health.table()}[str(key)]


def used_to(health: StreamHealth, clock: Clock, key: StreamKey, cadence_s: float) -> None:
    health.asked([key])
    for _ in range(200):
        clock.now += cadence_s
        health.seen(key, clock.now)


def test_a_stream_that_never_brings_anything_is_stale_after_a_minute_but_nobody_has_to_trade(
    health: StreamHealth, clock: Clock
) -> None:
    health.asked([BOOK, TRADES])
    clock.now += 59
    assert health.stale() == []
    clock.now += 2
    assert [key for key, _ in health.stale()] == [BOOK]


def test_a_stream_that_stays_quiet_is_stale_again_and_again_at_growing_distances(
    health: StreamHealth, clock: Clock
) -> None:
    used_to(health, clock, BOOK, 0.1)
    stale_after, since = [], clock.now
    while len(stale_after) < 5:
        clock.now += 1
        if health.stale():
            stale_after.append(round(clock.now - since))
            since = clock.now
            health.asked([BOOK])
    assert stale_after == [21, 41, 81, 161, 321]
    health.seen(BOOK, clock.now)
    assert limit(health, BOOK) == 20.0


def test_what_a_stream_is_used_to_outlives_a_connection(health: StreamHealth, clock: Clock) -> None:
    used_to(health, clock, BOOK, 1.0)
    assert limit(health, BOOK) == pytest.approx(30.0)
    clock.now += 3_600  # the venue was away
    health.asked([BOOK])
    clock.now += 1
    health.seen(BOOK, clock.now)
    assert limit(health, BOOK) == pytest.approx(30.0)


def test_what_is_polled_is_late_when_three_answers_are(health: StreamHealth, clock: Clock) -> None:
    health.polled(KLINE, 10.0)
    clock.now += 49
    assert health.stale() == []
    clock.now += 2
    assert [key for key, _ in health.stale()] == [KLINE]


def test_without_a_clock_it_goes_by_the_monotonic_one() -> None:
    health = StreamHealth({})
    health.asked([BOOK])
    health.seen(BOOK, time.monotonic())
    assert health.flows([BOOK], 20.0)
    assert health.counts()["flowing"] == 1
