"""Domain events and instruments onto their subjects, off the hot path."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any

import structlog

from marketprism_application.contracts.codec import encode
from marketprism_application.contracts.kinds import EVENT, INSTRUMENT
from marketprism_application.contracts.subjects import subject_of
from marketprism_domain.events.registry import ROUTINE, to_record
from marketprism_domain.marketdata.instrument_record import InstrumentRecord
from marketprism_sdk.errors import SdkError
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import publish_ack
from marketprism_sdk.nats.publisher import WindowPublisher
from marketprism_sdk.observability import Metrics

log = structlog.get_logger()

_Message = tuple[str, bytes, str]  # subject, payload, id
_TURN = 50
MOST_HELD = 10_000  # events, while the stream takes none
_CLOSE_S = 2.0


class EventPublisher:
    """Publishes events of one service; an event that cannot be sent is at least in the log, with its content.

    Events that the stream does not take now, as while it elects its leader, wait in their order beside whoever tells
    them; those beyond `MOST_HELD` are counted, and the log says once that they begin and once how many there were.
    """

    def __init__(self, connection: NatsConnection, source: str, metrics: Metrics | None = None) -> None:
        """Those that cannot be sent are counted in `metrics`, where there are any."""
        self._connection = connection
        self._source = source
        self._metrics = metrics
        self._publisher: WindowPublisher | None = None
        self._run = secrets.token_hex(4)
        self._count = 0
        self._held: deque[_Message] = deque()
        self._sending: asyncio.Task[None] | None = None
        self._beyond = 0  # that found as many waiting as may

    async def publish_soon(self, events: Iterable[Any], epoch: int = 0) -> None:
        """Send events; the receipts come later, and nothing is waited for."""
        now = time.time_ns()
        for event in events:
            self._count += 1
            event_id = f"{self._source}-{self._run}-{self._count}"
            record = to_record(
                event, event_id=event_id, source=self._source, ts_event=now, epoch=epoch, seq=self._count
            )
            message = subject_of(EVENT, record), encode(EVENT, record), event_id
            if self._held or (self._publisher is not None and self._publisher.holds_up):
                self._hold(message)
            else:
                await self._send(*message)
            of = {name: text for name in ("venue", "symbol") if (text := getattr(record, name))}
            if record.name in ROUTINE:
                log.debug("event.sampled", name=record.name, **{**of, **record.data})
            else:
                log.info("event.raised", name=record.name, **{**of, **record.data})

    @property
    def held(self) -> int:
        """Events that wait for the stream."""
        return len(self._held)

    def _hold(self, message: _Message) -> None:
        if len(self._held) >= MOST_HELD:
            if not self._beyond:
                log.warning("events.not_published", subject=message[0], error=f"{MOST_HELD} events wait already")
            self._beyond += 1
            self._count_lost()
            return
        self._held.append(message)
        if self._sending is None:
            self._sending = asyncio.get_running_loop().create_task(self._send_held())

    async def _send_held(self) -> None:
        try:
            while self._held:
                await self._send(*self._held[0])  # those that come meanwhile go behind it
                self._held.popleft()
        finally:
            self._sending = None
            if self._beyond:
                log.warning("events.not_published", error=f"{self._beyond} events beyond {MOST_HELD} that waited")
                self._beyond = 0

    def _count_lost(self) -> None:
        if self._metrics is not None:
            self._metrics.count("events_not_published_total")

    async def publish_once(self, event: Any, event_id: str) -> None:
        """Send an event that several tell under the same id, of which the first is kept, and wait for its receipt.

        Raises:
            SdkError: it is not in the stream, as far as is known; telling it again is safe.
        """
        self._count += 1
        record = to_record(
            event, event_id=event_id, source=self._source, ts_event=time.time_ns(), epoch=0, seq=self._count
        )
        ids = {"Nats-Msg-Id": event_id}
        await publish_ack(self._connection, subject_of(EVENT, record), encode(EVENT, record), ids)
        log.info("event.raised", name=record.name, **record.data)

    async def publish_instruments(self, instruments: Sequence[InstrumentRecord], epoch: int) -> None:
        """Publish reference data, stamped with `epoch`; other tasks have their turn in between."""
        now = time.time_ns()
        for number, item in enumerate(instruments):
            if number % _TURN == 0:
                await asyncio.sleep(0)
            self._count += 1
            record = item._replace(epoch=epoch, seq=self._count, ts_event=item.ts_event or now, ts_recv=now, ts_pub=now)
            message_id = f"{self._source}-{self._run}-{self._count}"
            await self._send(subject_of(INSTRUMENT, record), encode(INSTRUMENT, record), message_id)

    async def _send(self, subject: str, payload: bytes, message_id: str) -> None:
        try:
            if self._publisher is None:
                self._publisher = WindowPublisher(self._connection)
                await self._publisher.open()
            await self._publisher.publish(subject, payload, {"Nats-Msg-Id": message_id})
        except SdkError as error:
            log.warning("events.not_published", subject=subject, error=str(error))
            self._count_lost()
            await self._close_publisher()

    async def close(self) -> None:
        """Wait for the receipts and stop."""
        if (sending := self._sending) is not None:
            await asyncio.wait([sending], timeout=_CLOSE_S)
            if not sending.done():
                sending.cancel()
                await asyncio.gather(sending, return_exceptions=True)
                log.warning("events.not_acknowledged", error=f"{len(self._held)} events still wait")
                self._held.clear()
        await self._close_publisher()

    async def _close_publisher(self) -> None:
        if self._publisher is None:
            return
        publisher, self._publisher = self._publisher, None
        try:
            await publisher.flush(_CLOSE_S)
        except SdkError as error:
            log.warning("events.not_acknowledged", error=str(error))
        await publisher.close()
