"""Pages while NATS keeps nothing: that it is away is what somebody must hear of first."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Sequence

import structlog

from marketprism_application.contracts.alert_records import Alert, AlertRecord, NoticeKind, Severity
from marketprism_application.errors import NotificationError
from marketprism_application.notifications.texts import MessageWriter
from marketprism_application.ports.notifications import Message, Notice, NotificationChannel
from marketprism_sdk.observability import Metrics

log = structlog.get_logger()

_REMEMBERED = 10_000


class UnkeptPages:
    """Sends pages that could not be kept, at once and by whichever instance took them in.

    Each is sent once a channel as far as this process knows. They are sent again when they are kept: nothing could be
    noted of them. What is below a page waits for Alertmanager's next attempt.
    """

    def __init__(self, channels: Sequence[NotificationChannel], writer: MessageWriter, metrics: Metrics) -> None:
        self._channels = channels
        self._writer = writer
        self._metrics = metrics
        self._sent: OrderedDict[tuple[str, str], None] = OrderedDict()

    async def send(self, alerts: Sequence[Alert]) -> None:
        """Send what has not been sent; a channel that does not take it is tried at Alertmanager's next attempt."""
        notices = [_notice(alert) for alert in alerts if alert.severity is Severity.PAGE]
        await asyncio.gather(*(self._over(channel, notices) for channel in self._channels))

    async def _over(self, channel: NotificationChannel, notices: Sequence[Notice]) -> None:
        due = [notice for notice in notices if (notice.key, channel.name) not in self._sent]
        while due:
            message: Message = self._writer.write(due, channel.limits.max_bytes)
            try:
                await channel.send(message)
            except NotificationError as error:
                self._metrics.count("notifications_total", channel=channel.name, result="failed")
                log.warning("notification.failed", channel=channel.name, notices=len(due), error=str(error))
                return
            self._metrics.count("notifications_total", channel=channel.name, result="sent")
            log.warning("notification.sent_unkept", channel=channel.name, notices=len(message.notices))
            for notice in message.notices:
                self._sent[notice.key, channel.name] = None
            while len(self._sent) > _REMEMBERED:
                self._sent.popitem(last=False)
            written = {notice.key for notice in message.notices}
            due = [notice for notice in due if notice.key not in written]


def _notice(alert: Alert) -> Notice:
    now = time.time_ns()
    record = AlertRecord(alert, now, resolved_at=now if alert.ends_at else 0, ends_at=alert.ends_at)
    return Notice(NoticeKind.RESOLVED if alert.ends_at else NoticeKind.FIRING, record)


__all__ = ["UnkeptPages"]
