"""Whatever else `apprise` knows, by its URLs; the package is imported where a message is sent."""

from __future__ import annotations

import asyncio

from marketprism_adapters.notifications.settings import AppriseSettings
from marketprism_application.errors import NotificationRefused, NotificationUnavailable
from marketprism_application.ports.notifications import ChannelLimits, Message


class AppriseChannel:
    """All places of the settings. Apprise says only whether it could send, so that each failure is one of the moment.

    It has no time limit of its own: a message takes `timeout_s` at most, and may still arrive later.
    """

    def __init__(self, settings: AppriseSettings, *, timeout_s: float = 30.0) -> None:
        self.name = "apprise"
        self.limits = ChannelLimits(20, 4_000)
        self._settings = settings
        self._timeout_s = timeout_s

    async def send(self, message: Message) -> None:
        """As `NotificationChannel` says; the text alone is sent."""
        try:
            async with asyncio.timeout(self._timeout_s):
                sent = await asyncio.to_thread(self._send, message)
        except TimeoutError:
            raise NotificationUnavailable(f"{self.name}: expected an answer within {self._timeout_s:g} s") from None
        if not sent:
            raise NotificationUnavailable(f"{self.name}: a place did not take the message; its log says which")

    def _send(self, message: Message) -> bool:
        try:
            import apprise  # noqa: PLC0415 (53 MB that most do not need)
        except ImportError:
            raise NotificationRefused(f"{self.name}: expected the extra `notify`, apprise is missing") from None
        places = apprise.Apprise()
        for number, place in enumerate(self._settings.places):
            if not places.add(place.reveal()):
                raise NotificationRefused(f"{self.name}: places.{number}: expected a URL that apprise knows")
        return bool(places.notify(body=message.text, title=message.title, body_format=apprise.NotifyFormat.TEXT))

    async def close(self) -> None:
        """Nothing is open between messages."""


__all__ = ["AppriseChannel"]
