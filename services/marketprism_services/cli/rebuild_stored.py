"""`marketprism rebuild --symbol`: bars of the ticks that a running pipeline has stored."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from marketprism_adapters.calendars import chinese_calendar_of_markets
from marketprism_adapters.remote.reader import RemoteReader
from marketprism_application.replay.stored import RebuiltTicks, Span, rebuild_stored
from marketprism_domain.bars.state import BarSettings
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_services.cli.data_files import as_stops
from marketprism_services.cli.options import connected, storage_leader
from marketprism_services.platform.nats_place import NatsPlace
from marketprism_services.settings.settings import Settings

_ANSWER_S = 60.0


def bars_of_stored(
    nats: NatsPlace,
    settings: Settings,
    symbol: str,
    venue: str,
    span: tuple[int | None, int | None],
    bars: BarSettings,
    progress: Callable[[int], None],
) -> RebuiltTicks:
    """Bars of one instrument that open in `span` (nanoseconds UTC, None is no bound), by the code of the live pipeline;
    `progress` gets how many ticks were read.

    Raises:
        Stop: no NATS or no storage answers; nothing of it is stored, at that venue or in that time.
    """

    async def work(connection: NatsConnection) -> RebuiltTicks:
        leader = storage_leader(connection)
        reader = RemoteReader(partial(leader.call_raw, "arrow", timeout_s=_ANSWER_S, idempotent=True))
        calendar = chinese_calendar_of_markets(settings.calendar)
        now = time.time_ns()
        return await rebuild_stored(
            reader, calendar, symbol, Span(*span), bars, now, venue=venue or None, progress=progress
        )

    with as_stops():
        return connected(nats, work)


__all__ = ["bars_of_stored"]
