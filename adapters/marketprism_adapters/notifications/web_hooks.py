"""Web hooks whose HTTP status is their verdict: Slack, Telegram, and a program of one's own."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Callable
from html import escape

from marketprism_adapters.notifications.http_post import HttpPost
from marketprism_adapters.notifications.settings import HookSettings, SignedHookSettings, TelegramSettings
from marketprism_application.errors import NotificationRefused
from marketprism_application.ports.notifications import ChannelLimits, Message, Notice

TIMESTAMP = "X-MarketPrism-Timestamp"
SIGNATURE = "X-MarketPrism-Signature"


class SlackChannel:
    """An incoming web hook of Slack: a message a second."""

    def __init__(self, settings: HookSettings, *, timeout_s: float = 10.0) -> None:
        self.name = "slack"
        self.limits = ChannelLimits(60, 12_000)
        self._settings = settings
        self._post = HttpPost(self.name, (settings.url,), timeout_s)

    async def send(self, message: Message) -> None:
        """As `NotificationChannel` says; the text alone is sent."""
        body = json.dumps({"text": escape(message.text, quote=False)}, ensure_ascii=False).encode()
        await self._post.send(self._settings.url.reveal(), body)

    async def close(self) -> None:
        """Close the connection, if one is open."""
        await self._post.close()


class TelegramChannel:
    """A bot of Telegram: at most 20 messages a minute to a group, 4 096 characters each."""

    def __init__(self, settings: TelegramSettings, *, timeout_s: float = 10.0) -> None:
        self.name = "telegram"
        self.limits = ChannelLimits(20, 4_000)
        self._settings = settings
        self._post = HttpPost(self.name, (settings.bot_token,), timeout_s)

    async def send(self, message: Message) -> None:
        """As `NotificationChannel` says; the text alone is sent."""
        of = self._settings
        url = f"{of.bot_api.rstrip('/')}/bot{of.bot_token.reveal()}/sendMessage"
        body = {"chat_id": of.chat, "text": message.text, "link_preview_options": {"is_disabled": True}}
        answer = self._post.answer_of(await self._post.send(url, json.dumps(body, ensure_ascii=False).encode()))
        if answer.get("ok") is not True:
            raise NotificationRefused(f"{self.name}: {self._post.shown(str(answer.get('description', '')))}")

    async def close(self) -> None:
        """Close the connection, if one is open."""
        await self._post.close()


class WebhookChannel:
    """A program of one's own: JSON with the text and the notices.

    With a secret, `X-MarketPrism-Signature` is `sha256=` and the HMAC-SHA256, in hexadecimal, of the seconds in
    `X-MarketPrism-Timestamp`, a dot and the body.
    """

    def __init__(
        self, settings: SignedHookSettings, *, timeout_s: float = 10.0, clock: Callable[[], float] = time.time
    ) -> None:
        self.name = "webhook"
        self.limits = ChannelLimits(600, 100_000)
        self._settings = settings
        self._clock = clock
        self._post = HttpPost(self.name, (settings.url, settings.signing_secret), timeout_s)

    async def send(self, message: Message) -> None:
        """As `NotificationChannel` says; the notices are sent too."""
        body = json.dumps(
            {
                "version": 1,
                "title": message.title,
                "text": message.text,
                "severity": message.severity.value,
                "notices": [_as_json(notice) for notice in message.notices],
            },
            ensure_ascii=False,
        ).encode()
        headers = {TIMESTAMP: str(int(self._clock()))}
        if secret := self._settings.signing_secret.reveal():
            signed = f"{headers[TIMESTAMP]}.".encode() + body
            headers[SIGNATURE] = f"sha256={hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()}"
        await self._post.send(self._settings.url.reveal(), body, headers)

    async def close(self) -> None:
        """Close the connection, if one is open."""
        await self._post.close()


def _as_json(notice: Notice) -> dict[str, object]:
    record, alert = notice.record, notice.record.alert
    return {
        "id": alert.id,
        "kind": notice.kind.value,
        "fingerprint": alert.fingerprint,
        "name": alert.name,
        "severity": alert.severity.value,
        "starts_at": alert.starts_at,
        "ends_at": record.ends_at,
        "labels": alert.labels,
        "summary": alert.summary,
        "description": alert.description,
        "value": alert.value,
        "threshold": alert.threshold,
        "runbook": alert.runbook,
        "dashboard": alert.dashboard,
    }


__all__ = ["SIGNATURE", "TIMESTAMP", "SlackChannel", "TelegramChannel", "WebhookChannel"]
