"""What the leader does: reads what is known of alerts, and gives each channel what it is to have."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping

import msgspec
import structlog

from marketprism_adapters.nats.alert_store import AlertStore, SentLog
from marketprism_application.contracts.alert_records import Alert, AlertRecord, Severity
from marketprism_application.errors import NotificationRefused, NotificationUnavailable
from marketprism_application.notifications.dispatcher import Delivery, Dispatcher
from marketprism_application.ports.notifications import NotificationChannel
from marketprism_sdk.errors import SdkError, reason_of
from marketprism_sdk.observability import Metrics

log = structlog.get_logger()

_TICK_S = 0.1
_READ_S = 5.0
_LOOK_S = 0.5
_FAILING_S = 60.0  # a channel that is away for so long is an alert of its own
_AT_ONCE = 32
FAILING, SILENT = "NotifierFailing", "DeadMansSwitchMissing"


class Sender:
    """Sends while its leader leads. `epoch` is the leader's; a later one takes over what this one has not marked."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        channels: Mapping[str, NotificationChannel],
        store: AlertStore,
        sent: SentLog,
        metrics: Metrics,
        *,
        epoch: int,
        deadman_s: float = 0.0,
    ) -> None:
        self._dispatcher = dispatcher
        self._channels = channels
        self._store = store
        self._sent = sent
        self._metrics = metrics
        self._epoch = epoch
        self._deadman_s = deadman_s
        self._began_ns = time.time_ns()
        self.records: dict[str, AlertRecord] = {}
        self._own: dict[str, Alert] = {}  # alerts of the notifier itself that last, by fingerprint
        self._sending: set[asyncio.Task[None]] = set()

    def see(self, record: AlertRecord) -> None:
        """Something of an alert is new."""
        alert = record.alert
        self.records[alert.id] = record
        self._dispatcher.see(record, time.time())
        if alert.name in (FAILING, SILENT):
            if record.is_open:
                self._own[alert.fingerprint] = alert
            elif self._own.get(alert.fingerprint) == alert:
                del self._own[alert.fingerprint]

    async def run(self) -> None:
        """Send until cancelled. What NATS does not answer is asked again."""
        read_s = looked_s = float("-inf")
        loaded = False
        try:
            while True:
                try:
                    if not loaded:
                        for notice_key, channel in await self._sent.done():
                            self._dispatcher.mark_sent(notice_key, channel)
                        loaded = True
                    if time.monotonic() - read_s >= _READ_S:
                        await self._read()
                        read_s = time.monotonic()
                    if time.monotonic() - looked_s >= _LOOK_S:
                        await self._look_at_itself()
                        looked_s = time.monotonic()
                    self._send_due()
                    await self._hand_over()
                except SdkError as error:
                    log.warning("alerts.not_readable", error=reason_of(error))
                    await asyncio.sleep(1.0)
                await asyncio.sleep(_TICK_S)
        finally:
            for task in self._sending:
                task.cancel()
            await asyncio.gather(*self._sending, return_exceptions=True)

    async def _read(self) -> None:
        before = set(self.records)
        records = await self._store.all()
        for gone in before - {record.alert.id for record in records}:
            del self.records[gone]
            self._dispatcher.forget(gone)
        for record in records:
            self.see(record)

    async def _look_at_itself(self) -> None:
        await self._look_for_beats()
        for name, queue in self._dispatcher.queues.items():
            since_s = queue.failing_since_s
            lasts = since_s is not None and (queue.has_refused or time.time() - since_s >= _FAILING_S)
            await self._tell(f"{FAILING}|{name}", FAILING, lasts, since_s or 0.0, queue.error, {"channel": name})

    async def _look_for_beats(self) -> None:
        if not self._deadman_s:
            return
        last_ns = max(await self._store.last_beat(), self._began_ns)
        silent = time.time_ns() - last_ns > self._deadman_s * 1e9
        if silent and SILENT not in self._own:  # nobody is called because a replica is behind
            last_ns = max(await self._store.last_beat(latest=True), self._began_ns)
            silent = time.time_ns() - last_ns > self._deadman_s * 1e9
        text = f"no DeadMansSwitch of Prometheus for more than {self._deadman_s:g} s"
        await self._tell(SILENT, SILENT, silent, last_ns / 1e9, text, {})

    async def _tell(
        self, fingerprint: str, name: str, lasts: bool, since_s: float, text: str, labels: dict[str, str]
    ) -> None:
        """Begin or end an alert of the notifier itself."""
        known = self._own.get(fingerprint)
        if lasts and known is None:
            log.error("notifier.problem", name=name, problem=text, **labels)
            alert = Alert(fingerprint, name, Severity.PAGE, int(since_s * 1e9), labels=labels, summary=text)
            await self._store.report(alert)
            self._own[fingerprint] = alert
        elif known is not None and not lasts:
            await self._store.report(msgspec.structs.replace(known, ends_at=time.time_ns()))
            self._own.pop(fingerprint, None)  # it may have been seen already that it is over

    def _send_due(self) -> None:
        for delivery in self._dispatcher.due(time.time()):
            task = asyncio.get_running_loop().create_task(self._send(delivery))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)

    async def _send(self, delivery: Delivery) -> None:
        name, message = delivery
        queue = self._dispatcher.queues[name]
        limit = asyncio.Semaphore(_AT_ONCE)

        async def claim(key: str) -> bool:
            async with limit:
                return await self._sent.claim(key, name, self._epoch)

        async def mark(key: str) -> None:
            async with limit:
                await self._sent.mark(key, name, self._epoch)

        keys = [notice.key for notice in message.notices]
        began_s = time.monotonic()
        try:
            claimed = await asyncio.gather(*(claim(key) for key in keys))
            if not all(claimed):  # others did, or do: what is left is another message
                for key, own in zip(keys, claimed, strict=True):
                    if not own:
                        queue.drop(key)
                queue.put_back()
                return
            await self._channels[name].send(message)
            queue.sent()
            result = "sent"
            log.info("notification.sent", channel=name, notices=len(keys))
            await asyncio.gather(*(mark(key) for key in keys))
        except NotificationRefused as error:
            result = "refused"
            queue.refused(time.time(), str(error))
        except NotificationUnavailable as error:
            result = "failed"
            queue.failed(time.time(), str(error), error.retry_after_s)
            log.warning("notification.failed", channel=name, notices=len(keys), error=str(error))
        except SdkError as error:
            queue.put_back()
            log.warning("notification.not_noted", channel=name, error=reason_of(error))
            return
        except Exception as error:  # a channel of somebody else's may raise anything
            result = "failed"
            queue.failed(time.time(), reason_of(error))
            log.exception("notification.broken", channel=name)
        if result == "refused":
            log.error("notification.refused", channel=name, notices=len(keys), error=queue.error)
        self._metrics.count("notifications_total", channel=name, result=result)
        self._metrics.observe("notification_seconds", time.monotonic() - began_s, channel=name)

    async def _hand_over(self) -> None:
        for item in self._dispatcher.abandoned(time.time()):
            self._dispatcher.hand_over(item, time.time())
            await self._sent.mark(item.notice.key, item.channel, self._epoch)
            self._metrics.count("notifications_handed_over_total", channel=item.channel)

    def waiting(self) -> float:
        """Notices that wait for a channel."""
        return float(self._dispatcher.waiting())

    def snapshot(self) -> dict[str, object]:
        """What waits and what is wrong, channel by channel."""
        return {
            "open": sum(record.is_open for record in self.records.values()),
            "channels": {
                name: {"waiting": len(queue), "error": queue.error} for name, queue in self._dispatcher.queues.items()
            },
        }


__all__ = ["FAILING", "SILENT", "Sender"]
