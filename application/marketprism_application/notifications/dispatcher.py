"""From what is known of alerts to what is sent where."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from marketprism_application.contracts.alert_records import AlertRecord, NoticeKind, Severity
from marketprism_application.notifications.channel_queue import ChannelQueue
from marketprism_application.notifications.policy import DeliveryPolicy
from marketprism_application.notifications.quiet_hours import QuietHours, QuietTimes
from marketprism_application.notifications.texts import MessageWriter
from marketprism_application.ports.notifications import ChannelLimits, Message, Notice


class Delivery(NamedTuple):
    """A message that is to be sent now."""

    channel: str
    message: Message


class HandedOver(NamedTuple):
    """A notice that the fallback has instead of a channel."""

    channel: str
    notice: Notice


class Dispatcher:
    """Gives each notice to its channels, once. It is told the records, and asked every moment what is to be done.

    Times are seconds UTC. What was sent before its time is told by `mark_sent`, before the records.
    """

    def __init__(
        self,
        policy: DeliveryPolicy,
        channels: Mapping[str, ChannelLimits],
        quiet: QuietTimes | None = None,
        writer: MessageWriter | None = None,
    ) -> None:
        writer = writer or MessageWriter()
        self._policy = policy
        self._quiet: QuietTimes = quiet or QuietHours()
        self._names = tuple(channels)
        policy.check_channels(self._names)
        self.queues: dict[str, ChannelQueue] = {
            name: ChannelQueue(limits, policy, writer) for name, limits in channels.items()
        }
        self._open_pages: dict[str, AlertRecord] = {}
        self._given: dict[str, set[str]] = {}  # of each alert, what a channel was given or has sent

    def mark_sent(self, notice_key: str, channel: str) -> None:
        """A channel has had a notice (`Notice.key`) already."""
        self._given.setdefault(notice_key.partition(".")[0], set()).add(f"{notice_key}.{channel}")

    def see(self, record: AlertRecord, now_s: float) -> None:
        """What is known of an alert now: what is new of it waits for its channels."""
        alert = record.alert
        for kind in record.kinds():
            for channel in self._policy.route(alert.severity, self._names):
                self._give(Notice(kind, record), channel, now_s)
        pages = record.is_open and not record.acknowledged_at and alert.severity is Severity.PAGE
        if pages and self._policy.escalate_s:
            self._open_pages[alert.id] = record
        else:
            self._open_pages.pop(alert.id, None)

    def forget(self, alert_id: str) -> None:
        """An alert is so old that nobody knows it any more."""
        self._given.pop(alert_id, None)
        self._open_pages.pop(alert_id, None)

    def known(self) -> set[str]:
        """Ids of the alerts that are remembered."""
        return set(self._given)

    def _give(self, notice: Notice, channel: str, now_s: float) -> None:
        given = self._given.setdefault(notice.record.alert.id, set())
        key = f"{notice.key}.{channel}"
        if key not in given:
            given.add(key)
            self.queues[channel].add(notice, now_s)

    def due(self, now_s: float) -> Iterator[Delivery]:
        """What is to be sent now, at most a message a channel."""
        self._escalate(now_s)
        quiet = self._quiet.is_quiet(now_s)
        for name, queue in self.queues.items():
            if (message := queue.next_message(now_s, quiet=quiet)) is not None:
                yield Delivery(name, message)

    def _escalate(self, now_s: float) -> None:
        for record in list(self._open_pages.values()):
            if now_s - record.received_at / 1e9 < self._policy.escalate_s:
                continue
            del self._open_pages[record.alert.id]
            for channel in self._policy.escalation(self._names):
                self._give(Notice(NoticeKind.ESCALATED, record), channel, now_s)

    def abandoned(self, now_s: float) -> list[HandedOver]:
        """What the fallback is to have instead of a channel. Each is handed over by `hand_over`, once that is noted."""
        fallback = self._policy.fallback
        return [
            HandedOver(name, notice)
            for name, queue in self.queues.items()
            if fallback and name != fallback
            for notice in queue.abandoned(now_s)
        ]

    def hand_over(self, item: HandedOver, now_s: float) -> None:
        """The fallback has it from now on."""
        self.queues[item.channel].drop(item.notice.key)
        self._give(item.notice, self._policy.fallback, now_s)

    def waiting(self) -> int:
        """Notices that wait, over all channels."""
        return sum(len(queue) for queue in self.queues.values())


__all__ = ["Delivery", "Dispatcher", "HandedOver"]
