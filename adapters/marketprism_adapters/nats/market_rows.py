"""Ticks, bars and gaps of instruments out of their streams, from now on: each once, none left out, however slow the
reader is. Who only subscribes misses what the server could not hand over in time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import TypeAlias

import structlog

from marketprism_adapters.nats import streams
from marketprism_application.contracts.codec import ContractError, decode
from marketprism_application.contracts.kinds import BAR, GAP, TICK, DataKind
from marketprism_application.contracts.subjects import escape
from marketprism_domain.marketdata.bar import Bar
from marketprism_domain.marketdata.gap import Gap
from marketprism_domain.marketdata.tick import Tick
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import leader_info
from marketprism_sdk.nats.pull import PullConsumer

log = structlog.get_logger()

Row: TypeAlias = Tick | Bar | Gap
_AT_ONCE = 2_000  # rows of a stream that are decoded before others have their turn
_STREAMS = {TICK.name: streams.TICKS, BAR.name: streams.BARS, GAP.name: streams.EVENTS}


class MarketRows:
    """Rows of some instruments, from `open` on, which the first `batch` does where nobody has. An empty interval is for
    no bars, an empty venue for all."""

    def __init__(
        self, connection: NatsConnection, symbols: Sequence[str], interval: str = "", *, ticks: bool, venue: str = ""
    ) -> None:
        self._connection, self._venue = connection, venue
        self._arrived = asyncio.Event()
        kinds = (*((TICK,) if ticks else ()), *((BAR,) if interval else ()), GAP)
        tokens = [escape(symbol) for symbol in symbols]
        self._filters = {
            kind.name: [kind.subject.format(symbol=token, venue="*", interval=escape(interval)) for token in tokens]
            for kind in kinds
        }
        self._kinds: tuple[DataKind, ...] = kinds
        self._consumers: dict[str, PullConsumer] = {}
        self.malformed = 0

    async def open(self) -> None:
        """Begin behind the last message of each stream. Raises StreamError, NotConnected, DeadlineExceeded."""
        async with AsyncExitStack() as stack:
            for kind in self._kinds:
                stream = _STREAMS[kind.name]
                info = await leader_info(self._connection, stream)
                start = int(info["state"]["last_seq"]) + 1
                filters = self._filters[kind.name]
                consumer = PullConsumer(
                    self._connection, stream, filters, start_seq=start, batch=512, on_arrival=self._arrived.set
                )
                stack.push_async_callback(consumer.close)
                await consumer.open()
                self._consumers[kind.name] = consumer
            stack.pop_all()

    async def batch(self) -> list[Row]:
        """What has come by now, at least one row: gaps first, then ticks, then the bars that those have ended."""
        if not self._consumers:
            await self.open()
        while True:
            self._arrived.clear()
            found = [row for each in (GAP, TICK, BAR) for row in self._taken(each)]
            if found:
                return found
            if not any(consumer.waiting for consumer in self._consumers.values()):
                await self._arrived.wait()

    async def has_all(self) -> bool:
        """Whether everything that the streams hold was taken. Raises StreamError, NotConnected, DeadlineExceeded."""
        for consumer in self._consumers.values():
            if consumer.waiting or not await consumer.has_all():
                return False
        return bool(self._consumers)

    def _taken(self, kind: DataKind) -> list[Row]:
        consumer = self._consumers.get(kind.name)
        found: list[Row] = []
        for _ in range(min(_AT_ONCE, consumer.waiting) if consumer is not None else 0):
            message = consumer.take() if consumer is not None else None
            if message is None:
                break
            try:
                row = decode(kind, message.data)
            except ContractError as error:
                self.malformed += 1
                log.warning("market_row.malformed", kind=kind.name, seq=message.seq, error=str(error))
                continue
            if self._venue in ("", row.venue):
                found.append(row)
        return found

    async def aclose(self) -> None:
        """Nothing more is wanted."""
        for consumer in self._consumers.values():
            await consumer.close()


__all__ = ["MarketRows"]
