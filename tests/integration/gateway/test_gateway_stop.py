"""The end of a gateway that leads: its source is let go at once, what it read is in the log, then the lease is free."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

import pytest

from marketprism_adapters.nats import streams
from marketprism_application.contracts.packed import decode_packed
from marketprism_application.gateway.packing import TickPacker
from marketprism_application.ports.sources import SourceBatch, SourceTraits
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_sdk.election import LeaseSettings
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.stream_reading import read_stream
from marketprism_services.gateway.service import GatewayService
from tests.fakes.ticks import tick

pytestmark = [pytest.mark.timeout(60), pytest.mark.xdist_group("gateway")]


class Endless:
    """A recording that goes on for ever, and notes who lets go of it when."""

    traits = SourceTraits(recording=True)

    def __init__(self, source: str, order: list[str]) -> None:
        self._source = source
        self._order = order
        self.read = 0

    async def connect(self) -> None:
        self._order.append("connected")

    async def instruments(self) -> Sequence[Any]:
        return ()

    async def stream(self, after: Mapping[str, int]) -> AsyncIterator[SourceBatch]:
        del after
        try:
            while True:
                self.read += 1
                one = tick("2025-03-03 09:00:00", seq=self.read)._replace(source=self._source)
                yield SourceBatch([one], one.ts_recv, {self._source: self.read})
                await asyncio.sleep(0.01)
        finally:
            self._order.append("reading ended")

    async def close(self) -> None:
        self._order.append("closed")
        await asyncio.sleep(0.02)


class Clinging(Endless):
    """Its connections take long to close, as on a machine that is busy."""

    def __init__(self, source: str, order: list[str]) -> None:
        super().__init__(source, order)
        self.let_go = asyncio.Event()

    async def close(self) -> None:
        await super().close()
        await self.let_go.wait()


async def test_a_source_that_takes_long_to_close_keeps_its_lease_from_nobody(
    connection: NatsConnection, calendar: MarketCalendar, unique: str, eventually: Callable[..., Any]
) -> None:
    first, second = Clinging(unique, []), Endless(unique, [])
    patient = LeaseSettings(hook_s=600.0)
    gateways = [
        GatewayService(
            connection, source, lambda: TickPacker(calendar, lambda _: 0), calendar, group=unique, lease=patient
        )
        for source in (first, second)
    ]
    stops = [asyncio.Event(), asyncio.Event()]
    running = [asyncio.create_task(gateways[0].run(stops[0]))]
    await eventually(lambda: first.read > 5)
    running.append(asyncio.create_task(gateways[1].run(stops[1])))
    await eventually(lambda: gateways[1].http.ready)
    stops[0].set()
    await eventually(lambda: second.read > 0)
    assert not running[0].done()
    first.let_go.set()
    assert await running[0] == 0
    stops[1].set()
    assert await running[1] == 0


async def test_a_leader_that_stops_lets_its_source_go_first_and_its_lease_before_it_is_silent(
    connection: NatsConnection, calendar: MarketCalendar, unique: str, eventually: Callable[..., Any]
) -> None:
    order: list[str] = []
    first, second = Endless(unique, order), Endless(unique, [])
    gateways = [
        GatewayService(connection, source, lambda: TickPacker(calendar, lambda _: 0), calendar, group=unique)
        for source in (first, second)
    ]
    stops = [asyncio.Event(), asyncio.Event()]
    running = [asyncio.create_task(gateways[0].run(stops[0]))]
    await eventually(lambda: first.read > 5)
    running.append(asyncio.create_task(gateways[1].run(stops[1])))
    await eventually(lambda: gateways[1].http.ready)
    stops[0].set()
    await eventually(lambda: second.read > first.read)
    assert await running[0] == 0
    assert order == ["connected", "closed", "reading ended"]
    stops[1].set()
    assert await running[1] == 0
    stored = await read_stream(connection, streams.RAW, ["market.raw.0"])
    packed = [found for each in stored if (found := decode_packed(each.data)).source == unique]
    assert {found.epoch for found in packed} == {1, 2}
    by_first = [each.source_seq for found in packed if found.epoch == 1 for each in found.ticks]
    assert by_first == [*range(1, len(by_first) + 1)]
    assert len(by_first) >= first.read - 1
