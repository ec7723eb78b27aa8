"""A gateway of VeighNa through the whole gateway service, on a real NATS: every tick is in the raw log, once."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from marketprism_adapters.nats import streams
from marketprism_adapters.nats.local_server import EmbeddedOptions, EmbeddedServer
from marketprism_adapters.vnpy_gateway.source import VnpySource
from marketprism_application.contracts.packed import decode_packed
from marketprism_application.gateway.packing import TickPacker
from marketprism_domain.gateway import RetryPolicy
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_services.gateway.service import GatewayService
from tests.support.vnpy_gateways import scripted_gateway
from tests.support.vnpy_sources import QUICK

pytestmark = [pytest.mark.timeout(180), pytest.mark.xdist_group("gateway")]

TICKS, SLICES = 20_000, 100


async def test_twenty_thousand_ticks_in_a_second_are_in_the_raw_log_and_none_is_lost(
    calendar: MarketCalendar, tmp_path: Path, eventually: Callable[..., Any], record_property: Callable[..., None]
) -> None:
    server = await EmbeddedServer.start(EmbeddedOptions(tmp_path, port=0))
    connection = await NatsConnection.open(server.url, name="test")
    await streams.ensure_streams(connection)
    volumes: list[int] = []
    numbers: list[int] = []

    def taken(message: Any) -> None:
        for tick in decode_packed(message.data).ticks:
            volumes.append(int(tick.volume or 0))
            numbers.append(tick.source_seq)

    await connection.subscribe("market.raw.*", taken)
    with scripted_gateway(tmp_path) as vnpy:
        vnpy.ScriptedGateway.burst = (TICKS, SLICES)
        source = VnpySource(f"{vnpy.__name__}.ScriptedGateway", replace(QUICK, symbols=("rb2505",)), calendar)
        own = await NatsConnection.open(server.url, name="gateway")
        service = GatewayService(
            own,
            source,
            lambda: TickPacker(calendar, lambda _: 0),
            calendar,
            group="vnpy-scripted",
            retry=RetryPolicy(0.1, 0.2, 3),
        )
        stop = asyncio.Event()
        begun = time.process_time()
        running = asyncio.create_task(service.run(stop))
        try:
            await eventually(lambda: len(volumes) >= TICKS, 60)
        finally:
            spent = time.process_time() - begun
            stop.set()
            await running
            await own.close()
            await connection.close()
            await server.stop()
    record_property("cpu_seconds", round(spent, 2))  # with the gateway that makes them, and the reader of the log
    print(f"{TICKS} ticks: {spent:.2f} CPU s, the queue was {source.deepest} deep")
    assert volumes == list(range(1, TICKS + 1))
    assert all(one < two for one, two in itertools.pairwise(numbers))
    assert (source.dropped, source.skipped) == (0, {})
