"""A nats-server with validators, a monitor and the messages of true recordings, and the gateways before them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import msgspec

from marketprism_adapters.counters.recordings.replay import ReplaySource
from marketprism_adapters.nats import streams
from marketprism_adapters.nats.local_server import EmbeddedOptions, EmbeddedServer
from marketprism_application.contracts.packed import Packed, encode_packed
from marketprism_application.contracts.subjects import raw_subject
from marketprism_application.gateway.packing import TickPacker
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_domain.ticks.rules import RuleSettings, ValidationRules
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import direct_get_last, leader_get_last, publish_ack
from marketprism_sdk.partitions import partition_of
from marketprism_sdk.service import Service
from marketprism_services.monitor.service import MonitorService
from marketprism_services.validator.service import ValidatorService

PARTITIONS = 32


class RawMessage(NamedTuple):
    """A message of the raw log."""

    partition: int
    packed: Packed


async def recorded(files: Sequence[Path], calendar: MarketCalendar, since: int) -> list[RawMessage]:
    """What a gateway makes of recordings from an event time on; some ticks are spoiled.

    Every 40th comes 3 s late, and every 61st has no limits and a price far from the settlement before.
    """
    source = ReplaySource(sorted(files), calendar, checked=True)
    await source.connect()
    packer = TickPacker(calendar, lambda key: partition_of(key, PARTITIONS))
    found: list[RawMessage] = []
    chains: dict[int, int] = {}
    async for batch in source.stream({}):
        later = batch._replace(ticks=[tick for tick in batch.ticks if tick.ts_event >= since])
        for partition, packed in packer.feed(later):
            chain = chains[partition] = chains.get(partition, -1) + 1
            found.append(RawMessage(partition, _spoiled(packed)._replace(session="recorded", chain=chain)))
    return found


def _spoiled(packed: Packed) -> Packed:
    ticks = []
    for tick in packed.ticks:
        late = tick._replace(ts_recv=tick.ts_event + 3 * 10**9) if tick.source_seq % 40 == 0 else tick
        if late.source_seq % 61 == 0 and late.pre_settlement is not None:
            late = late._replace(limit_up=None, limit_down=None, last=late.pre_settlement * Decimal("1.08"))
        ticks.append(late)
    return packed._replace(ticks=tuple(ticks))


class RulesPlace:
    """One NATS; services that run here end with it."""

    def __init__(self, server: EmbeddedServer, connection: NatsConnection, calendar: MarketCalendar) -> None:
        self.server, self.connection, self.calendar = server, connection, calendar
        self._running: list[tuple[Service, asyncio.Event, asyncio.Task[int], NatsConnection]] = []

    @property
    def url(self) -> str:
        return self.server.url

    async def run(self, service: Service, own: NatsConnection) -> None:
        stop = asyncio.Event()
        self._running.append((service, stop, asyncio.create_task(service.run(stop)), own))
        async with asyncio.timeout(30):
            while not service.http.ready:
                assert not self._running[-1][2].done()
                await asyncio.sleep(0.01)

    async def validator(self, settings: RuleSettings | None = None) -> ValidatorService:
        own = await NatsConnection.open(self.url, name="validator")
        made = ValidatorService(own, self.calendar, ValidationRules.of(settings or RuleSettings()))
        await self.run(made, own)
        return made

    async def monitor(self) -> MonitorService:
        own = await NatsConnection.open(self.url, name="monitor")
        made = MonitorService(own, calendar=lambda: self.calendar)
        await self.run(made, own)
        return made

    async def stop(self, service: Service) -> None:
        (entry,) = [each for each in self._running if each[0] is service]
        self._running.remove(entry)
        entry[1].set()
        async with asyncio.timeout(20):
            assert await entry[2] == 0
        await entry[3].close()

    async def put(self, messages: Sequence[RawMessage]) -> int:
        """Into the raw log; the sequence of the last."""
        last = 0
        for message in messages:
            last = (
                await publish_ack(self.connection, raw_subject(message.partition), encode_packed(message.packed))
            ).seq
        return last

    async def validated(self) -> None:
        """Wait until every partition is read to its end."""
        async with asyncio.timeout(60):
            for partition in range(PARTITIONS):
                last = await leader_get_last(self.connection, streams.RAW, raw_subject(partition))
                while last is not None and await self._done(partition) < last.seq:
                    await asyncio.sleep(0.05)

    async def _done(self, partition: int) -> int:
        found = await direct_get_last(self.connection, streams.TICKS, f"stage.validator.{partition}.ck")
        return 0 if found is None else int(msgspec.msgpack.decode(found.data)["in_seq"])

    async def close(self) -> None:
        for service, _, _, _ in self._running[::-1]:
            await self.stop(service)


@asynccontextmanager
async def rules_place(folder: Path, calendar: MarketCalendar) -> AsyncIterator[RulesPlace]:
    server = await EmbeddedServer.start(EmbeddedOptions(folder / "nats", port=0))
    connection = await NatsConnection.open(server.url, name="test")
    await streams.ensure_streams(connection)
    place = RulesPlace(server, connection, calendar)
    try:
        yield place
    finally:
        await place.close()
        await connection.close()
        await server.stop()
