"""Where people are told: a group chat, a mailbox, a program of their own."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from marketprism_application.contracts.alert_records import AlertRecord, NoticeKind, Severity


class Notice(NamedTuple):
    """One thing to announce of an alert."""

    kind: NoticeKind
    record: AlertRecord

    @property
    def key(self) -> str:
        """The same for the same thing, whoever announces it and however often."""
        return f"{self.record.alert.id}.{self.kind.value}"


class Message(NamedTuple):
    """What a channel sends: text for people, and the notices that it is about for programs."""

    title: str
    text: str
    severity: Severity
    notices: tuple[Notice, ...] = ()


class ChannelLimits(NamedTuple):
    """What a channel takes: messages in any 60 seconds, and bytes of UTF-8 of one text."""

    per_minute: float
    max_bytes: int


class NotificationChannel(Protocol):
    """Sends messages to one place. An answer that says no is an error, whatever its HTTP status is."""

    @property
    def name(self) -> str: ...

    @property
    def limits(self) -> ChannelLimits: ...

    async def send(self, message: Message) -> None:
        """Return when the place has taken the message.

        Raises:
            NotificationRefused: the place says no, as to a wrong secret; the same message is not to be sent again.
            NotificationUnavailable: it does not answer, is too busy or failed; to be tried again later.
        """
        ...

    async def close(self) -> None: ...


__all__ = ["ChannelLimits", "Message", "Notice", "NotificationChannel"]
