"""Entries of the gap ledger, from where the storage takes them like every other gap."""

from __future__ import annotations

import asyncio
import hashlib
import time

import structlog

from marketprism_adapters.nats import streams
from marketprism_application.contracts.codec import encode
from marketprism_application.contracts.kinds import GAP
from marketprism_application.contracts.subjects import subject_of
from marketprism_application.errors import StoreError
from marketprism_application.ports.storage import Progress
from marketprism_domain.integrity.dataset import Dataset
from marketprism_domain.marketdata.gap import FROM_HISTORY, Gap, kind_missing_in
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_sdk.errors import SdkError, reason_of
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import publish_ack
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.values import decode_or_none

log = structlog.get_logger()

_LOOK_S = 0.02
_AGAIN_S = 0.2
_TRIES = 5


class NatsGapLedger:
    """Fulfils `GapLedger`.

    An entry is the same message whenever it is made, but for the time of its publication: the table of gaps keeps one
    row by instrument, begin, cause and kind of data. Its `source` names the interval of bars that are missing, for a
    minute that a venue lacks says nothing of its hours. With a calendar an entry has its trading day. It is durable
    when the stream has it; the storage is waited for `stored_s`, so that who asks next finds it, but not for longer.
    """

    def __init__(
        self, connection: NatsConnection, calendar: MarketCalendar | None = None, *, stored_s: float = 2.0
    ) -> None:
        self._connection, self._calendar, self._stored_s = connection, calendar, stored_s
        self._ranges = NatsKeyValue.existing(connection, streams.STORE_RANGES)

    async def enter(self, dataset: Dataset, cause: str) -> None:
        """Publish it, again where no receipt came: the stream knows a message that it has."""
        gap = self._gap(dataset, cause)
        headers = {"Nats-Msg-Id": _id(gap)}
        for attempt in range(1, _TRIES + 1):
            try:
                seq = (await publish_ack(self._connection, subject_of(GAP, gap), encode(GAP, gap), headers)).seq
                break
            except SdkError as error:
                if attempt == _TRIES or not error.retryable:
                    raise StoreError(f"gap ledger: expected an entry: {reason_of(error)}", retryable=True) from error
                await asyncio.sleep(_AGAIN_S)
        await self._until_stored(seq)

    def _gap(self, dataset: Dataset, cause: str) -> Gap:
        day = ""
        if self._calendar is not None:
            day = self._calendar.schedule(dataset.venue, dataset.symbol).trading_day_of(dataset.ts_from)
        return Gap(
            venue=dataset.venue,
            symbol=dataset.symbol,
            source=f"{FROM_HISTORY}:{dataset.interval}" if dataset.interval else FROM_HISTORY,
            epoch=0,
            seq=0,
            ts_event=dataset.ts_to,  # decides in which partition the row lies: always the same one
            ts_recv=dataset.ts_to,
            ts_pub=time.time_ns(),
            ts_from=dataset.ts_from,
            ts_to=dataset.ts_to,
            cause=cause,
            trading_day=day,
            kind=kind_missing_in(dataset.kind),
        )

    async def _until_stored(self, seq: int) -> None:
        until = time.monotonic() + self._stored_s
        try:
            while time.monotonic() < until:
                progress = decode_or_none(await self._ranges.get(streams.EVENTS), Progress)
                if progress is not None and progress.watermark >= seq:
                    return
                await asyncio.sleep(_LOOK_S)
        except SdkError as error:  # the entry is durable all the same
            log.debug("gap_ledger.storage_unknown", error=reason_of(error))


def _id(gap: Gap) -> str:
    text = "/".join((gap.venue, gap.symbol, gap.source, gap.kind, gap.cause, str(gap.ts_from), str(gap.ts_to)))
    return f"ledger-{hashlib.sha256(text.encode()).hexdigest()[:32]}"


__all__ = ["NatsGapLedger"]
