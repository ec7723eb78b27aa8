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
from marketprism_application.ports.notifications import Notice, NotificationChannel
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
        """One message an attempt: what does not fit into it comes with the next, and no robot is flooded."""
        due = [notice for notice in notices if (notice.key, channel.name) not in self._sent]
        if not due:
            return
        message = self._writer.write(due, channel.limits.max_bytes)
        result = "failed"
        try:
            await channel.send(message)
            result = "sent"
        except NotificationError as error:
            log.warning("notification.failed", channel=channel.name, notices=len(due), error=str(error))
        except Exception:  # a channel of somebody else's may raise anything, and the others go on
            log.exception("notification.broken", channel=channel.name)
        self._metrics.count("notifications_total", channel=channel.name, result=result)
        if result == "sent":
            log.warning("notification.sent_unkept", channel=channel.name, notices=len(message.notices))
            self._sent |= dict.fromkeys((notice.key, channel.name) for notice in message.notices)
        while len(self._sent) > _REMEMBERED:
            self._sent.popitem(last=False)


def _notice(alert: Alert) -> Notice:
    now = time.time_ns()
    record = AlertRecord(alert, now, resolved_at=now if alert.ends_at else 0, ends_at=alert.ends_at)
    return Notice(NoticeKind.RESOLVED if alert.ends_at else NoticeKind.FIRING, record)


__all__ = ["UnkeptPages"]
