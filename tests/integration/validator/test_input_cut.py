"""The raw log and the validated ticks are cut while nobody reads them: services go on, and say what is missing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from marketprism_adapters.nats import streams
from marketprism_adapters.nats.local_server import EmbeddedOptions, EmbeddedServer
from marketprism_application.contracts.codec import decode
from marketprism_application.contracts.kinds import BAR, EVENT, GAP
from marketprism_application.contracts.packed import PACKED_VERSION, Packed, encode_packed
from marketprism_application.contracts.subjects import packed_subject, raw_subject
from marketprism_domain.bars.builder import BarSettings
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_domain.ticks.rules import ValidationRules
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import api, direct_get_last, leader_get_last, publish_ack
from marketprism_services.aggregator.service import AggregatorService
from marketprism_services.stages.market_stage import MarketStageService
from marketprism_services.validator.service import ValidatorService
from tests.fakes.ticks import at, tick
from tests.integration.sdk.test_nats import messages_of

pytestmark = [pytest.mark.timeout(180), pytest.mark.xdist_group("input-cut")]

SECOND = 10**9
START = at("2018-10-08 09:00:00")
PART = 3
Wait = Callable[..., Any]


class StreamPlace:
    """One NATS with a partition's worth of a pipeline."""

    def __init__(self, url: str, connection: NatsConnection, calendar: MarketCalendar) -> None:
        self.url, self.connection, self.calendar = url, connection, calendar
        self.running: dict[str, tuple[MarketStageService, asyncio.Event, asyncio.Task[int], NatsConnection]] = {}

    async def start(self, name: str) -> MarketStageService:
        own = await NatsConnection.open(self.url, name=name)
        made: MarketStageService = (
            ValidatorService(own, self.calendar, ValidationRules())
            if name == "validator"
            else AggregatorService(own, self.calendar, BarSettings(("1m",)))
        )
        stop = asyncio.Event()
        self.running[name] = (made, stop, asyncio.create_task(made.run(stop)), own)
        return made

    async def stop(self, name: str) -> None:
        _, stop, task, own = self.running.pop(name)
        stop.set()
        async with asyncio.timeout(20):
            assert await task == 0
        await own.close()

    async def put(self, places: range) -> None:
        """One tick a message, a tick each second."""
        for place in places:
            ts = START + place * SECOND
            made = tick(ts, 3_000 + place % 9, place + 1, day="20181008", seq=place)
            packed = Packed(PACKED_VERSION, "test", 1, ts, (made,), session="s", chain=place)
            await publish_ack(self.connection, raw_subject(PART), encode_packed(packed))

    async def checkpoint(self, stream: str, stage: str) -> dict[str, Any]:
        last = await direct_get_last(self.connection, stream, f"stage.{stage}.{PART}.ck")
        return {} if last is None else msgspec.msgpack.decode(last.data)

    async def done(self, source: str, stream: str, subject: str, stage: str) -> None:
        """Wait until the stage has read all there is."""
        last = await leader_get_last(self.connection, source, subject)
        assert last is not None
        async with asyncio.timeout(60):
            while (await self.checkpoint(stream, stage)).get("in_seq", 0) < last.seq:
                await asyncio.sleep(0.1)

    async def validated(self) -> None:
        await self.done(streams.RAW, streams.TICKS, raw_subject(PART), streams.VALIDATOR_STAGE)

    async def aggregated(self) -> None:
        await self.done(streams.TICKS, streams.BARS, packed_subject(PART), streams.AGGREGATOR_STAGE)

    async def events(self, name: str) -> list[dict[str, Any]]:
        found = [decode(EVENT, data) for data in await messages_of(self.connection, streams.EVENTS, "market.event.>")]
        return [event.data for event in found if event.name == name]

    async def flagged(self) -> set[int]:
        """Minutes whose bar carries a gap in its last revision."""
        bars = [decode(BAR, data) for data in await messages_of(self.connection, streams.BARS, "market.bar.>")]
        last = {(bar.ts_open - START) // (60 * SECOND): bar.gap for bar in bars}
        return {minute for minute, gap in last.items() if gap}


@pytest.fixture
async def place(calendar: MarketCalendar, tmp_path: Path) -> AsyncIterator[StreamPlace]:
    server = await EmbeddedServer.start(EmbeddedOptions(tmp_path, port=0))
    connection = await NatsConnection.open(server.url, name="test")
    await streams.ensure_streams(connection)
    made = StreamPlace(server.url, connection, calendar)
    yield made
    for name in list(made.running):
        await made.stop(name)
    await connection.close()
    await server.stop()


async def test_a_raw_log_that_was_cut_leaves_a_gap_and_goes_on(place: StreamPlace, eventually: Wait) -> None:
    await place.start("aggregator")
    await place.start("validator")
    await place.put(range(70))
    await place.validated()
    await place.stop("validator")
    await place.put(range(70, 200))
    await api(place.connection, f"STREAM.PURGE.{streams.RAW}", {"seq": 151})
    await place.put(range(200, 400))
    service = await place.start("validator")
    await place.validated()
    stats = (await place.checkpoint(streams.TICKS, streams.VALIDATOR_STAGE))["stats"]["test"]
    assert (stats["accepted"], stats["out_of_chain"], stats["redelivered"]) == (70 + 250, 0, 0)
    await eventually(lambda: service.metrics.total("stream_truncated_total") == 1)
    assert await service.losses.health() == "degraded"
    gaps = [decode(GAP, data) for data in await messages_of(place.connection, streams.EVENTS, "market.gap.>")]
    assert [(g.cause, (g.ts_from - START) // SECOND, (g.ts_to - START) // SECOND) for g in gaps] == [
        ("truncated", 69, 150)
    ]
    await place.aggregated()
    assert await place.flagged() == {1, 2}
    async with asyncio.timeout(10):
        while not (told := await place.events("StreamTruncated")):
            await asyncio.sleep(0.1)
    assert told == [{"stream": "MARKET_RAW", "reader": f"validator.{PART}", "wanted": 71, "first": 151}]


async def test_ticks_that_were_cut_before_they_became_bars_flag_the_bars(place: StreamPlace, eventually: Wait) -> None:
    service = await place.start("aggregator")
    await place.start("validator")
    await place.put(range(70))
    await place.validated()
    await place.aggregated()
    await place.stop("aggregator")
    await place.put(range(70, 200))
    await place.validated()
    last = await leader_get_last(place.connection, streams.TICKS, packed_subject(PART))
    assert last is not None
    await api(
        place.connection, f"STREAM.PURGE.{streams.TICKS}", {"filter": packed_subject(PART), "seq": last.seq - 150}
    )
    await api(place.connection, f"STREAM.PURGE.{streams.TICKS}", {"filter": "market.tick.>", "seq": last.seq - 150})
    await place.put(range(200, 400))
    await place.validated()
    service = await place.start("aggregator")
    await place.aggregated()
    await eventually(lambda: service.metrics.total("truncated_gaps_total") == 1)
    flagged = await place.flagged()
    assert 1 in flagged
    assert flagged < {0, 1, 2, 3}
    gaps = [decode(GAP, data) for data in await messages_of(place.connection, streams.EVENTS, "market.gap.>")]
    assert [(gap.cause, gap.kind, (gap.ts_from - START) // SECOND) for gap in gaps] == [("truncated", "bar", 69)]
