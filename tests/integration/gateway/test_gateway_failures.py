"""What nobody has foreseen is told and tried again: a gateway never ends by what its source or NATS brings."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from marketprism_adapters.nats import streams
from marketprism_adapters.nats.source_positions import SourcePosition
from marketprism_adapters.venues.live.source import VenueSource
from marketprism_adapters.venues.registry import MARKETS
from marketprism_adapters.venues.simulator.registry import DIALECTS
from marketprism_adapters.venues.simulator.server import SimulatedVenueServer
from marketprism_application.contracts.subjects import escape
from marketprism_application.gateway.packing import TickPacker
from marketprism_application.ports.sources import SourceBatch
from marketprism_domain.gateway import RetryPolicy
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_sdk.errors import StreamError
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_services.gateway.service import GatewayService
from tests.integration.venues.venue_side import FAST, QUICK

pytestmark = [pytest.mark.timeout(120), pytest.mark.xdist_group("gateway")]
Wait = Callable[..., Any]


class Failing(VenueSource):
    """A venue's source that fails in the middle, as often as there are errors for it."""

    errors: list[Exception]

    async def stream(self, after: Mapping[str, int]) -> AsyncIterator[SourceBatch]:
        seen = 0
        async for batch in super().stream(after):
            yield batch
            seen += len(batch.ticks)
            if seen > 5 and self.errors:
                raise self.errors.pop(0)


@pytest.mark.parametrize(
    "error",
    [KeyError("T"), OverflowError("int too big"), StreamError("no such stream", 10059)],
    ids=["a bug", "a number", "no stream"],
)
async def test_a_gateway_tells_what_failed_is_unhealthy_and_reads_on(
    connection: NatsConnection, calendar: MarketCalendar, eventually: Wait, error: Exception
) -> None:
    await streams.ensure_streams(connection)
    row, group = MARKETS["binance"], f"failing-{type(error).__name__}"
    states: list[SourcePosition] = []
    async with SimulatedVenueServer(DIALECTS["binance"](("BTC",)), rate=20.0, levels=20) as server:
        settings = replace(FAST, instruments=tuple(server.books))
        source = Failing(row.make(server.ws_url, server.rest_url), settings, backoff=QUICK)
        source.errors = [error]
        own = await NatsConnection.open(connection.url, name=group)
        made = GatewayService(
            own,
            source,
            lambda: TickPacker(calendar, lambda _: 0),
            calendar,
            group=group,
            retry=RetryPolicy(0.1, 0.2),
        )
        stop = asyncio.Event()
        running = asyncio.create_task(made.run(stop))
        try:
            bucket = await NatsKeyValue.open(connection, streams.SOURCE_POSITIONS)

            def told(entry: Any) -> None:
                if entry.value:
                    states.append(msgspec.msgpack.decode(entry.value, type=SourcePosition))

            await bucket.watch(escape(f"state.{group}"), told)
            await eventually(lambda: not source.errors, 40)
            await eventually(lambda: any(state.error and state.retry for state in states), 20)
            assert str(error) in next(state.error for state in states if state.error)
            assert (await made.http.report())["dependencies"]["source"] == "unhealthy"
            assert not running.done()
            before = made.session.ticks
            await eventually(lambda: made.session.ticks > before + 5, 40)
            await eventually(lambda: made.session.trouble == "", 40)
            assert (await made.http.report())["dependencies"]["source"] == "healthy"
            assert made.metrics.total("gateway_failures_total") == 1
            for session in server.sessions:
                session.send('{"stream":"btcusdt@aggTrade","data":{"T":"soon"}}')
            await eventually(lambda: made.metrics.total("frames_refused_total") == 1, 20)
            assert 'reason="field"' in made.metrics.text().decode()
        finally:
            stop.set()
            assert await running == 0
            await own.close()
