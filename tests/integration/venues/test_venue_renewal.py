"""Several connections to a venue at a time: renewals, collectors, one that lags behind the other."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

import pytest

from marketprism_adapters.venues.simulator.faults import Fault
from marketprism_adapters.venues.simulator.session import Session
from marketprism_services.chaos.venues.audit import VenueAudit
from marketprism_services.chaos.venues.trial import TRIED
from tests.integration.venues.venue_side import FAST, batches, batches_more, venue

pytestmark = pytest.mark.timeout(120)


@pytest.mark.parametrize("market", TRIED)
@pytest.mark.long_on("coinm", "linear")
async def test_a_connection_is_renewed_and_nothing_is_missed(market: str) -> None:
    settings = replace(FAST, lifetime_s=1.5, silent_s=5.0)
    async with venue(market, settings, rate=40.0) as (server, source):
        audit = VenueAudit(server)
        await source.connect()
        renewed = lambda _: min((connection.renewals for connection in source.desk.connections), default=0) >= 2  # noqa: E731
        seen = await batches(source, renewed, audit, seconds=40)
        assert all(connection.losses == 0 for connection in source.desk.connections)
        assert [gap for batch in seen for _, gap in batch.gaps] == []
        audit.conclude()
        assert audit.wrong == []
        assert source.feed.repeats > 0  # both connections brought the same, and it was published once


@pytest.mark.parametrize("market", TRIED)
@pytest.mark.long_on("coinm", "linear")
async def test_a_connection_that_lags_is_left_only_when_everything_of_it_has_come(market: str) -> None:
    settings = replace(FAST, lifetime_s=2.5, silent_s=10.0)
    async with venue(market, settings, rate=40.0) as (server, source):
        audit = VenueAudit(server)
        await source.connect()
        stream = source.stream({})
        slowed: set[int] = set()
        async for batch in stream:
            audit.on_batch(batch)
            if not slowed and audit.checked > 60 and not audit.invalid() and audit.trading_since(0.0):
                for session in server.sessions:
                    session.pause_s, session.slow_until = 1.2, time.monotonic() + 60
                    slowed.add(id(session))
            if slowed and min(connection.renewals for connection in source.desk.connections) and not audit.invalid():
                break
        await stream.aclose()  # type: ignore[attr-defined]
        audit.conclude()
        assert audit.wrong == []
        assert all(connection.losses == 0 for connection in source.desk.connections)
        if source.venue.rule.mergeable:
            assert audit.gaps == 0
        assert source.refill.filled == 0  # nothing had to be asked for


async def test_two_collectors_are_merged_by_sequence() -> None:
    async with venue("binance", replace(FAST, collectors=2)) as (server, source):
        audit = VenueAudit(server)
        await source.connect()
        await batches(source, lambda found: len(found) > 30, audit)
        for _ in range(6):  # each in turn loses frames, and is cut off: the other one has them
            server.do(Fault(0, "abort", 1))
            await batches_more(source, audit, 0.3)
            while not all(each.up and each.stood_s > 0.3 for each in source.desk.connections):
                await batches_more(source, audit, 0.1)  # one alone must not be the next that is cut off
        audit.conclude()
        assert audit.wrong == []
        assert audit.gaps == 0
        assert all(source.feed.books.of(symbol).sync.gaps == 0 for symbol in server.books)


@pytest.mark.long
async def test_a_connection_that_brings_nothing_takes_over_from_none() -> None:
    """It is open, and its subscriptions are confirmed; the old one goes on, and is renewed later."""
    settings = replace(FAST, lifetime_s=1.5, silent_s=40.0)
    async with venue("binance", settings) as (server, source):
        audit = VenueAudit(server)
        await source.connect()
        muted: list[Session] = []

        async def mute_the_second() -> None:
            while not muted:
                await asyncio.sleep(0)  # before it can subscribe
                if len(server.sessions) > 1:
                    muted.extend(session for session in server.sessions if not session.streams)
                    for session in muted:
                        session.mute = True

        muting = asyncio.create_task(mute_the_second())
        over = lambda _: bool(muted) and muted[0] not in server.sessions  # noqa: E731
        await batches(source, over, audit, seconds=40)
        await muting
        (connection,) = source.desk.connections
        assert (connection.renewals, connection.losses) == (0, 0)
        assert not audit.invalid()
        audit.conclude()
        assert audit.wrong == []
        assert audit.gaps == 0
