"""A live source beside a simulated venue, for the tests of both."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from marketprism_adapters.venues.live.settings import VenueSettings
from marketprism_adapters.venues.live.source import VenueSource
from marketprism_adapters.venues.registry import MARKETS
from marketprism_adapters.venues.simulator.registry import DIALECTS
from marketprism_adapters.venues.simulator.server import SimulatedVenueServer
from marketprism_application.ports.sources import SourceBatch
from marketprism_sdk.resilience import Backoff
from marketprism_services.chaos.venues.audit import VenueAudit

FAST = VenueSettings(kinds=("trade", "orderbook", "quote"), silent_s=0.8, audit_s=2.0)
QUICK = Backoff(0.05, 0.3)
Until = Callable[[list[SourceBatch]], bool]


@asynccontextmanager
async def venue(
    market: str, settings: VenueSettings = FAST, **given: Any
) -> AsyncIterator[tuple[SimulatedVenueServer, VenueSource]]:
    row = MARKETS[market]
    async with SimulatedVenueServer(
        DIALECTS[market](("BTC", "ETH")), **{"rate": 20.0, "levels": 40, **given}
    ) as server:
        settings = replace(settings, instruments=settings.instruments or tuple(server.books))
        source = VenueSource(row.make(server.ws_url, server.rest_url), settings, backoff=QUICK)
        try:
            yield server, source
        finally:
            await source.close()


async def batches(
    source: VenueSource, until: Until, audit: VenueAudit | None = None, seconds: float = 20
) -> list[SourceBatch]:
    seen: list[SourceBatch] = []
    deadline = time.monotonic() + seconds
    stream = source.stream({})
    try:
        async for batch in stream:
            seen.append(batch)
            if audit is not None:
                audit.on_batch(batch)
            if until(seen):
                return seen
            assert time.monotonic() < deadline, "nothing of what was waited for came"
    finally:
        await stream.aclose()  # type: ignore[attr-defined]
    raise AssertionError("the stream ended")


def kinds_of(seen: list[SourceBatch]) -> set[str]:
    return {type(message).__name__.removesuffix("Message") for batch in seen for message in batch.messages}


async def batches_more(source: VenueSource, audit: VenueAudit, seconds: float) -> None:
    """What the source collects in a while, without a stream of its own."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        await asyncio.sleep(0.05)
        source.feed.on_clock(time.time_ns())
        out = source.feed.collect()
        audit.on_batch(SourceBatch(out.ticks, 0, {}, out.gaps, messages=out.messages))
