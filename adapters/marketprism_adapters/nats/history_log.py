"""MARKET_HISTORY as one who imports a series writes it: alone, at the storage's pace."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable

from marketprism_adapters.nats import streams
from marketprism_application.contracts.history import history_subject
from marketprism_application.contracts.kinds import KINDS
from marketprism_application.contracts.subjects import escape
from marketprism_application.errors import ImportTaken, StorageSilent
from marketprism_application.ports.history_log import SeriesKey
from marketprism_application.ports.storage import Progress
from marketprism_sdk.errors import DeadlineExceeded, Fenced, NotConnected, StreamError
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import answered, leader_get_last, publish_ack, stream_info
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.values import decode_or_none

_EXPECTED = "Nats-Expected-Last-Subject-Sequence"
_MOST_BLOCK, _MOST_IN_FLIGHT = 2_000_000, 32_000_000
_OF_PAYLOAD = 0.9
_LOOK_S = 0.02
_AGAIN_S = 0.2


class NatsHistoryLog:
    """Fulfils `HistoryLog`.

    Each message expects the one before it to be the last of its subject: two that import one series would both have
    compared their rows with a store that lacks the other's. `admit` raises where the pipeline does not take such rows:
    it is asked before anything is written. `patience_s` is how long the storage may take nothing.
    """

    def __init__(
        self, connection: NatsConnection, admit: Callable[[], Awaitable[object]], patience_s: float = 60.0
    ) -> None:
        self._connection = connection
        self._admit, self._patience_s = admit, patience_s
        self._ranges = NatsKeyValue.existing(connection, streams.STORE_RANGES)
        self._subject = ""
        self._last = 0
        self._waiting: deque[tuple[int, int]] = deque()
        self._in_flight = 0
        self._room = 0
        self._block = 0

    @property
    def block_bytes(self) -> int:
        """An eighth of what the stream may hold, within what a message may have."""
        return self._block

    async def join(self, series: SeriesKey) -> None:
        """Wait for what was published of the series, and know the last block of it.

        Raises:
            StreamMissing: the pipeline has no such stream, as one of an older version. What `admit` raises.
        """
        await self._admit()
        limit = int((await stream_info(self._connection, streams.HISTORY))["config"]["max_bytes"])
        self._room = min(_MOST_IN_FLIGHT, limit // 4)
        self._block = min(_MOST_BLOCK, limit // 8, int(self._connection.max_payload * _OF_PAYLOAD))
        kind = KINDS[series.kind]
        names = {name: escape(getattr(series, name)) for name in ("venue", "symbol", "interval")}
        await self._wait_for(kind.stream, await self._last_of(kind.stream, kind.subject.format(**names)))
        self._subject = history_subject(kind, series.venue, series.symbol)
        self._last = await self._last_of(streams.HISTORY, self._subject)
        await self._wait_for(streams.HISTORY, self._last)

    async def _last_of(self, stream: str, subject: str) -> int:
        found = await answered(lambda: leader_get_last(self._connection, stream, subject), stream)
        return 0 if found is None else found.seq

    async def publish(self, data: bytes) -> None:
        """One block; its receipt is waited for."""
        while self._waiting and self._in_flight + len(data) > self._room:
            await self._wait_for(streams.HISTORY, self._waiting[0][0])
            self._note_stored(await self._stored(streams.HISTORY))
        self._last = await self._sent(data)
        self._waiting.append((self._last, len(data)))
        self._in_flight += len(data)

    async def _sent(self, data: bytes) -> int:
        """Its sequence. Where no receipt came, what the stream has says whether the block is there."""
        until = time.monotonic() + self._patience_s
        while True:
            try:
                ack = await publish_ack(self._connection, self._subject, data, {_EXPECTED: str(self._last)})
            except Fenced as error:
                found = await leader_get_last(self._connection, streams.HISTORY, self._subject)
                if found is not None and found.seq > self._last and found.data == data:
                    return found.seq
                text = f"{self._subject}: somebody else imports rows of it; try again behind that"
                raise ImportTaken(text) from error
            except (DeadlineExceeded, NotConnected, StreamError) as error:
                if time.monotonic() > until or not getattr(error, "retryable", True):
                    raise
                await asyncio.sleep(_AGAIN_S)
            else:
                return ack.seq

    async def settled(self) -> None:
        """Wait until the last block is in the store."""
        last = self._last  # others of this process may publish meanwhile
        await self._wait_for(streams.HISTORY, last)
        self._note_stored(last)

    def _note_stored(self, seq: int) -> None:
        while self._waiting and self._waiting[0][0] <= seq:
            self._in_flight -= self._waiting.popleft()[1]

    async def _wait_for(self, stream: str, seq: int) -> None:
        until, before = time.monotonic() + self._patience_s, -1
        while (stored := await self._stored(stream)) < seq:
            if stored != before:
                until, before = time.monotonic() + self._patience_s, stored
            if time.monotonic() > until:
                text = f"the storage took nothing of {stream} for {self._patience_s:g} s, it is at {stored} of {seq}"
                raise StorageSilent(f"{text}; the same import, run again, goes on where this one ended", retryable=True)
            await asyncio.sleep(_LOOK_S)

    async def _stored(self, stream: str) -> int:
        progress = decode_or_none(await self._ranges.get(stream), Progress)
        return 0 if progress is None else progress.watermark


__all__ = ["NatsHistoryLog"]
