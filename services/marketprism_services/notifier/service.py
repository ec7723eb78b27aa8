"""Notifier: every instance takes alerts in and keeps them; the one that leads tells people."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

import msgspec
from aiohttp import web

from marketprism_adapters.nats.alert_store import AlertStore, SentLog
from marketprism_application.contracts.alert_records import Alert, AlertRecord, NoticeKind, Severity
from marketprism_application.errors import NotificationError
from marketprism_application.notifications.dispatcher import Dispatcher
from marketprism_application.notifications.policy import DeliveryPolicy
from marketprism_application.notifications.texts import MessageWriter
from marketprism_application.ports.notifications import Notice, NotificationChannel
from marketprism_sdk.election import LeaseSettings
from marketprism_sdk.errors import RemoteError
from marketprism_sdk.messaging import Caller
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.ports import Stop
from marketprism_sdk.service import ServiceSettings, SingleActiveService, Work, http, rpc
from marketprism_sdk.urls import Secret
from marketprism_services.notifier.event_reader import EventReader
from marketprism_services.notifier.intake import AlertIntake
from marketprism_services.notifier.sender import Sender
from marketprism_services.notifier.unkept_pages import UnkeptPages

_TEST = "NotificationTest"


class AcknowledgeRequest(msgspec.Struct):
    """Whoever asks takes care of an alert; `who` counts where the gateway does not say who that is."""

    id: str
    who: str = ""


class ListRequest(msgspec.Struct):
    """The newest alerts, `open` ones only unless it is false."""

    open: bool = True
    limit: int = 200


class NotifierService(SingleActiveService):
    """Channels are used by the leader alone, but for a test of them, which any instance does."""

    def __init__(
        self,
        connection: NatsConnection,
        channels: Sequence[NotificationChannel],
        policy: DeliveryPolicy,
        dispatcher: Callable[[], Dispatcher],
        writer: MessageWriter,
        *,
        token: Secret,
        deadman_s: float = 0.0,
        lease: LeaseSettings | None = None,
        version: str = "0",
        settings: ServiceSettings | None = None,
    ) -> None:
        super().__init__("notifier", connection, lease=lease, version=version, settings=settings)
        self._channels = {channel.name: channel for channel in channels}
        self._dispatcher = dispatcher
        self._writer = writer
        self._deadman_s = deadman_s
        names = [channel.name for channel in channels]
        paged = [self._channels[name] for name in policy.route(Severity.PAGE, tuple(names))]
        unkept = UnkeptPages(paged, writer, self.metrics)
        self._intake = AlertIntake(lambda: self._store, unkept, token, self.metrics)
        self._store: AlertStore
        self._sent: SentLog
        self._sender: Sender | None = None
        self._leading: list[Work] = []
        self._stop_watching: Stop | None = None

    def routes(self) -> list[web.RouteDef]:
        """What Alertmanager posts to."""
        return [web.post("/alerts", self._intake.post)]

    async def on_start(self) -> None:
        """The buckets, then the election."""
        self._store = await AlertStore.open(self.connection, self.settings.replicas)
        self._sent = await SentLog.open(self.connection, self.settings.replicas)
        self._stop_watching = await self._store.watch(self._see)
        self.http.check("channels", self._channels_health)
        self.http.status(lambda: {"notifier": self._sender.snapshot() if self._sender is not None else {}})
        self.metrics.watch("notifications_waiting", lambda: self._sender.waiting() if self._sender else 0.0)
        await super().on_start()

    def _see(self, record: AlertRecord) -> None:
        if self._sender is not None:
            self._sender.see(record)

    async def _channels_health(self) -> str:
        if not self._channels:
            return "degraded: no channel is configured, nobody is told of anything"
        channels = self._sender.snapshot()["channels"] if self._sender is not None else {}
        failing = {name: each["error"] for name, each in channels.items() if each["error"]}  # type: ignore[attr-defined]
        return f"degraded: {'; '.join(failing.values())}" if failing else "healthy"

    async def on_activate(self, epoch: int) -> None:
        """Send what is to be sent, and look at events."""
        self._sender = Sender(
            self._dispatcher(),
            self._channels,
            self._store,
            self._sent,
            self.metrics,
            epoch=epoch,
            deadman_s=self._deadman_s,
        )
        reader = EventReader(self.connection, self._store, self._sent)
        self._leading = [self.spawn(self._sender.run(), "sender"), self.spawn(reader.run(), "events")]

    async def on_deactivate(self, reason: str) -> None:  # noqa: ARG002 (the log has it)
        """Send nothing more: what was on its way is the next leader's."""
        ending, self._leading = self._leading, []
        self._sender = None
        await asyncio.gather(*(work.cancel() for work in ending))

    async def on_stop(self) -> None:
        """Close the channels, then as every such service."""
        if self._stop_watching is not None:
            await self._stop_watching()
        for channel in self._channels.values():
            await channel.close()
        await super().on_stop()

    @http("GET", "/alerts", scope="sys:read", weight=2)
    async def list_alerts(self, asked: ListRequest) -> list[dict[str, object]]:
        """Alerts that are known, the newest first."""
        records = [record for record in await self._store.all() if record.is_open or not asked.open]
        return [_shown(record) for record in reversed(records)][: max(1, min(asked.limit, 1_000))]

    @http("POST", "/alerts/{id}/acknowledge", scope="sys:operate")
    async def acknowledge_alert(self, asked: AcknowledgeRequest, caller: Caller) -> dict[str, object]:
        """Take care of an alert: nobody else is called for it."""
        return await self._acknowledge(asked.id, caller.id)

    @http("POST", "/test", scope="sys:operate", weight=10, timeout_s=60)
    async def try_channels(self, _: object) -> dict[str, str]:
        """Send a message over each channel; what each answered, empty where it took it."""
        return await self._test()

    @rpc("alerts")
    async def alerts(self, asked: ListRequest) -> list[dict[str, object]]:
        """The same as over HTTP."""
        return await self.list_alerts(asked)

    @rpc("acknowledge")
    async def acknowledge(self, asked: AcknowledgeRequest) -> dict[str, object]:
        """The same for who has no gateway; `who` is to be said."""
        return await self._acknowledge(asked.id, asked.who or "operator")

    @rpc("test")
    async def test(self, _: object) -> dict[str, str]:
        """The same as over HTTP."""
        return await self._test()

    async def _acknowledge(self, alert_id: str, who: str) -> dict[str, object]:
        if not (len(alert_id) == 24 and alert_id.isalnum()):  # the key of a bucket: no other may be asked for
            raise RemoteError("INVALID_PARAMETER", f"id: expected 24 hexadecimal digits, was {alert_id[:40]!r}")
        record = await self._store.acknowledge(alert_id, who[:100])
        if record is None:
            raise RemoteError("NOT_FOUND", f"id: expected an alert that is known, was {alert_id!r}")
        return _shown(record)

    async def _test(self) -> dict[str, str]:
        now = time.time_ns()
        alert = Alert(f"{_TEST}|{now}", _TEST, Severity.INFO, now, summary="a test of this channel")
        notice = Notice(NoticeKind.FIRING, AlertRecord(alert, now, resolved_at=now))

        async def one(channel: NotificationChannel) -> str:
            try:
                await channel.send(self._writer.write([notice], channel.limits.max_bytes))
            except NotificationError as error:
                return str(error)
            return ""

        answers = await asyncio.gather(*(one(channel) for channel in self._channels.values()))
        return dict(zip(self._channels, answers, strict=True))


def _shown(record: AlertRecord) -> dict[str, object]:
    alert = record.alert
    return {
        "id": alert.id,
        "name": alert.name,
        "severity": alert.severity.value,
        "starts_at": alert.starts_at,
        "ends_at": record.ends_at,
        "open": record.is_open,
        "summary": alert.summary,
        "labels": alert.labels,
        "acknowledged_by": record.acknowledged_by,
        "acknowledged_at": record.acknowledged_at,
    }


__all__ = ["NotifierService"]
