"""Robots of group chats whose answer has its verdict in the body: DingTalk, Feishu and WeCom.

Signatures, limits and codes as the vendors document them; each was tried against a server of the tests alone.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from urllib.parse import urlencode

from marketprism_adapters.notifications.http_post import HttpPost
from marketprism_adapters.notifications.settings import HookSettings, SignedHookSettings
from marketprism_application.errors import NotificationRefused, NotificationUnavailable
from marketprism_application.ports.notifications import ChannelLimits, Message

_REST_S = 60.0  # after "too many": the limits are those of a minute


def _signature(key: bytes, text: bytes) -> str:
    return base64.b64encode(hmac.new(key, text, hashlib.sha256).digest()).decode()


class _Robot:
    """A robot that answers `{code_name: 0}` where it took a message."""

    _code_name = "errcode"
    _text_name = "errmsg"
    _later: frozenset[int] = frozenset()

    def __init__(self, name: str, limits: ChannelLimits, post: HttpPost) -> None:
        self.name = name
        self.limits = limits
        self._post = post

    async def _deliver(self, url: str, body: dict[str, object]) -> None:
        answer = self._post.answer_of(await self._post.send(url, json.dumps(body, ensure_ascii=False).encode()))
        code = answer.get(self._code_name)
        if code == 0:
            return
        said = self._post.shown(f"{self._code_name} {code}: {answer.get(self._text_name, '')}")
        if not isinstance(code, int) or code in self._later:
            raise NotificationUnavailable(f"{self.name}: {said}", retry_after_s=_REST_S)
        raise NotificationRefused(f"{self.name}: {said}")

    async def close(self) -> None:
        """Close the connection, if one is open."""
        await self._post.close()


class DingTalkChannel(_Robot):
    """A custom robot of DingTalk: at most 20 messages a minute, 20 000 bytes each, signed over milliseconds."""

    _later = frozenset({-1, 130101, 410100})  # busy; too many messages, in both generations of codes

    def __init__(
        self, settings: SignedHookSettings, *, timeout_s: float = 10.0, clock: Callable[[], float] = time.time
    ) -> None:
        secrets = (settings.url, settings.signing_secret)
        super().__init__("dingtalk", ChannelLimits(20, 18_000), HttpPost("dingtalk", secrets, timeout_s))
        self._settings = settings
        self._clock = clock

    async def send(self, message: Message) -> None:
        """As `NotificationChannel` says; the text alone is sent."""
        url, secret = self._settings.url.reveal(), self._settings.signing_secret.reveal()
        if secret:
            stamp = str(int(self._clock() * 1_000))
            sign = _signature(secret.encode(), f"{stamp}\n{secret}".encode())
            url += ("&" if "?" in url else "?") + urlencode({"timestamp": stamp, "sign": sign})
        await self._deliver(url, {"msgtype": "text", "text": {"content": message.text}})


class FeishuChannel(_Robot):
    """A custom bot of Feishu: at most 100 messages a minute, 20 kB each, signed over seconds."""

    _code_name, _text_name = "code", "msg"
    _later = frozenset({9499, 11232, 11233})  # too many requests, of the bot and of the tenant

    def __init__(
        self, settings: SignedHookSettings, *, timeout_s: float = 10.0, clock: Callable[[], float] = time.time
    ) -> None:
        secrets = (settings.url, settings.signing_secret)
        super().__init__("feishu", ChannelLimits(100, 15_000), HttpPost("feishu", secrets, timeout_s))
        self._settings = settings
        self._clock = clock

    async def send(self, message: Message) -> None:
        """As `NotificationChannel` says; the text alone is sent."""
        body: dict[str, object] = {"msg_type": "text", "content": {"text": message.text}}
        if secret := self._settings.signing_secret.reveal():
            stamp = str(int(self._clock()))
            body |= {"timestamp": stamp, "sign": _signature(f"{stamp}\n{secret}".encode(), b"")}
        await self._deliver(self._settings.url.reveal(), body)


class WeComChannel(_Robot):
    """A group bot of WeCom: at most 20 messages a minute, 2 048 bytes each; the key in its address is all it asks."""

    _later = frozenset({-1, 45009, 45033})  # busy; too many calls, too many at a time

    def __init__(self, settings: HookSettings, *, timeout_s: float = 10.0) -> None:
        super().__init__("wecom", ChannelLimits(20, 2_000), HttpPost("wecom", (settings.url,), timeout_s))
        self._settings = settings

    async def send(self, message: Message) -> None:
        """As `NotificationChannel` says; the text alone is sent."""
        await self._deliver(self._settings.url.reveal(), {"msgtype": "text", "text": {"content": message.text}})


__all__ = ["DingTalkChannel", "FeishuChannel", "WeComChannel"]
