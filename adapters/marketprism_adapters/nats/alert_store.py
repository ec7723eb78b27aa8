"""What is known of alerts (KV `alerts`), and which notices were sent over which channel (KV `notify_sent`).

Whoever receives an alert writes it; the notifier that leads reads them and sends. A notice is claimed by
compare-and-swap before it is sent and marked after: one that a leader had claimed and not marked, because it ended in
between, is sent again by the next. Each is sent at least once, and twice only there.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

import msgspec

from marketprism_application.contracts.alert_records import Alert, AlertRecord
from marketprism_sdk.errors import KeyExists, RevisionConflict
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.ports import KvEntry, Stop
from marketprism_sdk.values import decode_or_none

DEAD_MANS_SWITCH = "DeadMansSwitch"  # the alert by which Prometheus says that it works
_BEAT = "beat"
_NOTICES, _POSITION = "sent.", "position.events"
ALERTS, SENT = "alerts", "notify_sent"
ALERTS_S, SENT_S = 7 * 86_400.0, 8 * 86_400.0  # what was sent is known for longer than what there was to send
_ATTEMPTS = 10


class AlertStore:
    """The bucket of alerts, by `Alert.id`. Methods raise what the bucket raises."""

    def __init__(self, bucket: NatsKeyValue, clock_ns: Callable[[], int] = time.time_ns) -> None:
        self._bucket = bucket
        self._clock_ns = clock_ns

    @classmethod
    async def open(cls, connection: NatsConnection, replicas: int = 1) -> AlertStore:
        """The bucket, made if need be."""
        return cls(await NatsKeyValue.open(connection, ALERTS, ttl_s=ALERTS_S, replicas=replicas))

    async def report(self, alert: Alert) -> bool:
        """Keep what is reported of an alert; whether anything was new. Two that report it at once are one report."""
        for _ in range(_ATTEMPTS):
            entry = await self._bucket.get(alert.id)
            known = decode_or_none(entry, AlertRecord)
            now = self._clock_ns()
            resolved_at = now if alert.ends_at else 0
            try:
                if entry is None or known is None:
                    record = AlertRecord(alert, now, resolved_at, alert.ends_at)
                    if entry is None:
                        await self._bucket.create(alert.id, msgspec.msgpack.encode(record))
                    else:
                        await self._bucket.update(alert.id, msgspec.msgpack.encode(record), entry.revision)
                    return True
                if not resolved_at or known.resolved_at:
                    return False
                record = msgspec.structs.replace(known, resolved_at=resolved_at, ends_at=alert.ends_at)
                await self._bucket.update(alert.id, msgspec.msgpack.encode(record), entry.revision)
                return True
            except (KeyExists, RevisionConflict):
                continue
        raise RevisionConflict(f"alert {alert.id}: expected to be written, others were first {_ATTEMPTS} times")

    async def beat(self, alert: Alert) -> None:
        """The dead man's switch was heard now."""
        await self._bucket.put(_BEAT, msgspec.msgpack.encode(AlertRecord(alert, self._clock_ns())))

    async def last_beat(self, *, latest: bool = False) -> int:
        """When the dead man's switch was heard, nanoseconds UTC; 0 where it was not. A replica that is behind may know
        of an older beat only, unless it is to be the latest."""
        entry = await (self._bucket.get_latest(_BEAT) if latest else self._bucket.get(_BEAT))
        record = decode_or_none(entry, AlertRecord)
        return 0 if record is None else record.received_at

    async def acknowledge(self, alert_id: str, who: str) -> AlertRecord | None:
        """The alert, which `who` takes care of unless somebody does already; None where there is none."""
        for _ in range(_ATTEMPTS):
            entry = await self._bucket.get(alert_id) or await self._bucket.get_latest(alert_id)
            known = decode_or_none(entry, AlertRecord)
            if entry is None or known is None or known.acknowledged_at:
                return known
            record = msgspec.structs.replace(known, acknowledged_by=who, acknowledged_at=self._clock_ns())
            try:
                await self._bucket.update(alert_id, msgspec.msgpack.encode(record), entry.revision)
            except RevisionConflict:
                continue
            return record
        raise RevisionConflict(f"alert {alert_id}: expected to be written, others were first {_ATTEMPTS} times")

    async def all(self) -> list[AlertRecord]:
        """Every alert that is known, the oldest first; a replica that is behind may lack the newest."""
        return _records(await self._bucket.entries())

    async def all_latest(self) -> list[AlertRecord]:
        """The same with all that was reported until now, for who reports by what is known."""
        return _records(await self._bucket.entries_latest())

    async def watch(self, on_record: Callable[[AlertRecord], None]) -> Stop:
        """Changes as they come; a hint, `all` is what counts."""

        def receive(entry: KvEntry) -> None:
            if entry.key != _BEAT and (record := decode_or_none(entry, AlertRecord)) is not None:
                on_record(record)

        return await self._bucket.watch("", receive)


def _records(entries: Iterable[KvEntry]) -> list[AlertRecord]:
    records = (decode_or_none(entry, AlertRecord) for entry in entries if entry.key != _BEAT)
    return sorted((record for record in records if record is not None), key=lambda record: record.received_at)


class SentNotice(msgspec.Struct, frozen=True):
    """A notice on a channel: claimed by the leader of an epoch, and `done` once the channel has it."""

    epoch: int
    at: int
    done: bool = False


class SentLog:
    """The bucket of notices that were sent. Methods raise what the bucket raises."""

    def __init__(self, bucket: NatsKeyValue, clock_ns: Callable[[], int] = time.time_ns) -> None:
        self._bucket = bucket
        self._clock_ns = clock_ns

    @classmethod
    async def open(cls, connection: NatsConnection, replicas: int = 1) -> SentLog:
        """The bucket, made if need be."""
        return cls(await NatsKeyValue.open(connection, SENT, ttl_s=SENT_S, replicas=replicas))

    async def claim(self, notice_key: str, channel: str, epoch: int) -> bool:
        """Whether the leader of `epoch` may send it now: nobody has, and no later leader is about to.

        A write that is refused proves nothing: the entry may be this leader's own, of a claim whose answer was lost.
        """
        key = f"{_NOTICES}{notice_key}.{channel}"
        value = msgspec.msgpack.encode(SentNotice(epoch, self._clock_ns()))
        for _ in range(_ATTEMPTS):
            entry = await self._bucket.get(key)
            known = decode_or_none(entry, SentNotice)
            if known is not None and (known.done or known.epoch > epoch):
                return False
            try:
                if entry is None:
                    await self._bucket.create(key, value)
                else:
                    await self._bucket.update(key, value, entry.revision)
            except (KeyExists, RevisionConflict):
                continue
            return True
        raise RevisionConflict(f"notice {key}: expected to be claimed, others were first {_ATTEMPTS} times")

    async def mark(self, notice_key: str, channel: str, epoch: int) -> None:
        """The channel has it, or the fallback has it instead."""
        value = msgspec.msgpack.encode(SentNotice(epoch, self._clock_ns(), done=True))
        await self._bucket.put(f"{_NOTICES}{notice_key}.{channel}", value)

    async def done(self) -> list[tuple[str, str]]:
        """(key of the notice, channel) of everything that was sent."""
        found = []
        for entry in await self._bucket.entries(_NOTICES):
            known = decode_or_none(entry, SentNotice)
            if known is not None and known.done:
                notice_key, _, channel = entry.key.removeprefix(_NOTICES).rpartition(".")
                found.append((notice_key, channel))
        return found

    async def position(self) -> int:
        """Sequence of the last event of MARKET_EVENTS that was looked at; 0 for none. A replica that is behind, and
        has none, would have the events since then passed over."""
        known = decode_or_none(await self._bucket.get_latest(_POSITION), int)
        return 0 if known is None else known

    async def save_position(self, seq: int) -> None:
        """Events up to this sequence are kept as alerts, where they are any."""
        await self._bucket.put(_POSITION, msgspec.msgpack.encode(seq))


__all__ = ["ALERTS", "DEAD_MANS_SWITCH", "SENT", "AlertStore", "SentLog"]
