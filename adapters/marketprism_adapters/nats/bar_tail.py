"""The end of the bars' stream in memory, so that a bar can be queried before it is in a table."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from marketprism_adapters.nats import streams
from marketprism_application.contracts.codec import ContractError, decode
from marketprism_application.contracts.kinds import BAR
from marketprism_application.queries.recent_bars import RecentBars
from marketprism_application.storage.writer import Progress
from marketprism_domain.errors import DomainError
from marketprism_sdk.errors import SdkError, StreamMissing, reason_of
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import stream_info
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.nats.pull import PullConsumer
from marketprism_sdk.observability import Metrics
from marketprism_sdk.ports import KvEntry
from marketprism_sdk.values import decode_or_none

log = structlog.get_logger()

_LOOK_S = 5.0  # the watermark is watched; it is also read so often, since a watch may miss a change
_HEARTBEAT_S, _QUIET_S = 5.0, 7.0  # of the consumer; without one, bars may be missing
_AGAIN_S = 0.5


class BarTail:
    """Keeps `recent` what it should be: bars above the store's watermark, and none below.

    `on_history` hears that rows of the past are in the store, which no bar of the stream tells.
    """

    def __init__(
        self,
        connection: NatsConnection,
        recent: RecentBars,
        metrics: Metrics,
        on_history: Callable[[], None] = lambda: None,
    ) -> None:
        self._on_history = on_history
        self._history = b""
        self._connection = connection
        self._recent = recent
        self._metrics = metrics
        self._consumer: PullConsumer | None = None
        self._caught_up = False
        self._created = ""
        self._stored = 0
        self._revision = 0  # of the newest watermark that came
        self._set_back = False

    def is_live(self) -> bool:
        """Whether every bar up to now was heard."""
        consumer = self._consumer
        return self._caught_up and consumer is not None and self._connection.connected and consumer.silent_s < _QUIET_S

    async def run(self) -> None:
        """Follow the stream until cancelled; starts again from the watermark when it fails or was made anew."""
        kv = NatsKeyValue.existing(self._connection, streams.STORE_RANGES)
        stop = await kv.watch(streams.BARS, self._moved)
        stop_history = await kv.watch(streams.HISTORY, self._history_moved)
        try:
            while True:
                try:
                    await self._follow(kv)
                except StreamMissing as error:  # nothing there yet, or away until its service makes it again
                    log.debug("bar_tail.unavailable", error=str(error))
                    await asyncio.sleep(_AGAIN_S)
                except SdkError as error:
                    log.warning("bar_tail.restarting", error=reason_of(error))
                    await asyncio.sleep(_AGAIN_S)
        finally:
            await stop()
            await stop_history()

    def _history_moved(self, entry: KvEntry | None) -> None:
        value = entry.value if entry is not None and not entry.deleted else b""
        if value != self._history:
            self._history = value
            self._on_history()

    def _moved(self, entry: KvEntry) -> None:
        # Who watches and who reads are answered by any replica: one that lags would set the watermark back.
        if entry.key != streams.BARS or entry.deleted or entry.revision < self._revision:
            return
        self._revision = entry.revision
        progress = decode_or_none(entry, Progress, metrics=self._metrics)
        if progress is not None and progress.created == self._created:
            self._set_back |= progress.watermark < self._stored  # the store is filled again
            self._stored = progress.watermark
            self._recent.stored_to(progress.watermark)

    async def _follow(self, kv: NatsKeyValue) -> None:
        self._caught_up = False
        self._recent.clear()
        self._created = str((await stream_info(self._connection, streams.BARS))["created"])
        entry = await kv.get(streams.BARS)
        # Without a watermark the whole stream is read: a bar that is stored as well is answered once all the same.
        progress = decode_or_none(entry, Progress, metrics=self._metrics) or Progress()
        start = max(0, progress.watermark) + 1 if progress.created == self._created else 1
        self._stored, self._set_back = start - 1, False
        self._revision = entry.revision if entry is not None else 0  # of a bucket that was made anew they begin again
        filters = list(streams.STORED[streams.BARS])
        consumer = PullConsumer(self._connection, streams.BARS, filters, start_seq=start, heartbeat_s=_HEARTBEAT_S)
        await consumer.open()
        self._consumer = consumer
        loop = asyncio.get_running_loop()
        look_at = loop.time() + _LOOK_S
        try:
            while True:
                messages = await consumer.fetch(1_000, _LOOK_S if self._caught_up else 0.5)
                for message in messages:
                    self._add(message.seq, message.data)
                self._caught_up = not messages or messages[-1].pending == 0
                if loop.time() >= look_at:
                    look_at = loop.time() + _LOOK_S
                    if await self._recreated(kv):
                        return
        finally:
            self._caught_up = False
            await consumer.close()

    def _add(self, seq: int, data: bytes) -> None:
        try:
            self._recent.add(seq, decode(BAR, data))
        except (ContractError, DomainError) as error:
            self._metrics.count("tail_malformed_total")
            log.warning("bar.malformed", seq=seq, error=reason_of(error))

    async def _recreated(self, kv: NatsKeyValue) -> bool:
        if not self._connection.connected:
            return False
        entry = await kv.get(streams.BARS)
        if entry is not None:
            self._moved(entry)
        self._history_moved(await kv.get(streams.HISTORY))
        self._metrics.gauge("tail_bars", len(self._recent))
        self._metrics.gauge("tail_dropped_bars", self._recent.dropped)
        return self._set_back or str((await stream_info(self._connection, streams.BARS))["created"]) != self._created
