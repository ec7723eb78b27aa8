"""Events of the services that people are told of, out of MARKET_EVENTS."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable

import msgspec
import structlog

from marketprism_adapters.nats import streams
from marketprism_adapters.nats.alert_store import AlertStore, SentLog
from marketprism_application.contracts.alert_records import Alert, AlertRecord
from marketprism_application.contracts.codec import ContractError, decode
from marketprism_application.contracts.kinds import EVENT
from marketprism_application.notifications.event_alerts import alert_of
from marketprism_sdk.errors import SdkError, reason_of
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import leader_info
from marketprism_sdk.nats.pull import PullConsumer
from marketprism_sdk.observability.secret_fields import hide_secrets
from marketprism_services.notifier.masking import masked

log = structlog.get_logger()

_AGAIN_S = 1.0
_REPEAT_NS = 3_600 * 1_000_000_000  # what is told again within is the same occurrence


class EventReader:
    """Reads on where the leader before ended; the first one begins with what comes then."""

    def __init__(self, connection: NatsConnection, store: AlertStore, sent: SentLog) -> None:
        self._connection = connection
        self._store = store
        self._sent = sent
        self._away = False  # as far as the log says

    async def run(self) -> None:
        """Keep events as alerts until cancelled."""
        while True:
            try:
                await self._read()
            except SdkError as error:
                if not self._away:
                    log.warning("events.not_readable", stream=streams.EVENTS, error=reason_of(error))
                self._away = True
                await asyncio.sleep(_AGAIN_S)

    async def _read(self) -> None:
        seq = await self._sent.position()
        last = int((await leader_info(self._connection, streams.EVENTS))["state"]["last_seq"])
        first = seq + 1 if seq <= last else 1  # a stream that was made anew is read from its beginning
        start_ns = 0 if seq else time.time_ns()
        consumer = PullConsumer(
            self._connection, streams.EVENTS, ["market.event.>"], start_seq=first, start_ns=start_ns
        )
        try:
            await consumer.open()
            self._away = False  # the next time is told again
            if not seq:
                await self._sent.save_position(max(last, 1))
            while True:
                messages = await consumer.fetch(256, 5.0)
                found = [alert for message in messages if (alert := alert_in(message.subject, message.data))]
                if found:
                    await self._keep(found)
                if messages:
                    await self._sent.save_position(messages[-1].seq)
        finally:
            await consumer.close()

    async def _keep(self, alerts: Iterable[Alert]) -> None:
        """What is known is read once for all of them: a market that goes bad says so of each instrument. What the
        batch before wrote is among it: an end tells nothing where its beginning is not known."""
        known = {record.alert.id: record for record in await self._store.all_latest()}
        for alert in alerts:
            for each in occurrences(alert, known.values()):
                await self._store.report(each)
                known[each.id] = AlertRecord(each, each.starts_at, each.ends_at, each.ends_at)


def alert_in(subject: str, data: bytes) -> Alert | None:
    """The alert that a message of the stream is, without secrets in its texts; None where it is none."""
    try:
        record = decode(EVENT, data)
        # By the names of its fields first: an alert's description is one text.
        alert = alert_of(record._replace(data=hide_secrets(record.data)))
    except ContractError as error:
        log.warning("event.malformed", subject=subject, error=str(error))
        return None
    return None if alert is None else masked(alert)


def occurrences(alert: Alert, known: Iterable[AlertRecord]) -> list[Alert]:
    """What an alert of an event reports: a new occurrence, nothing where one lasts, or the end of each that lasts."""
    lasting = [record.alert for record in known if record.is_open and record.alert.fingerprint == alert.fingerprint]
    if alert.ends_at:
        return [msgspec.structs.replace(each, ends_at=alert.ends_at) for each in lasting]
    if any(alert.starts_at - each.starts_at < _REPEAT_NS for each in lasting):
        return []
    return [alert]


__all__ = ["EventReader", "alert_in", "occurrences"]
