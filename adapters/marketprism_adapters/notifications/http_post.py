"""One request to a web hook, and which of its answers means what."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import aiohttp

from marketprism_application.errors import NotificationRefused, NotificationUnavailable
from marketprism_sdk.errors import reason_of
from marketprism_sdk.urls import HIDDEN, Secret

_SHOWN = 200
_MOST_BYTES = 64 * 1024
_LATER = (408, 425, 429)
_LONGEST_REST_S = 3_600.0


class HttpPost:
    """Posts JSON. What it raises has nothing of the `secrets`, nor of the path and parameters of an address."""

    def __init__(self, channel: str, secrets: Sequence[Secret], timeout_s: float = 10.0) -> None:
        self._channel = channel
        self._secrets = [secret.reveal() for secret in secrets if secret.reveal()]
        self._timeout_s = timeout_s
        self._session: aiohttp.ClientSession | None = None

    async def send(self, url: str, body: bytes, headers: Mapping[str, str] | None = None) -> bytes:
        """The answer to a body that was taken with a status of 2xx.

        Raises:
            NotificationRefused: a status of 3xx or 4xx. NotificationUnavailable: 408, 425, 429 or 5xx, or no answer.
        """
        if self._session is None:
            timeout = aiohttp.ClientTimeout(self._timeout_s)
            self._session = aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar())
        try:
            async with self._session.post(
                url,
                data=body,
                headers={"Content-Type": "application/json; charset=utf-8", **(headers or {})},
                allow_redirects=False,
            ) as answer:
                content = await answer.content.read(_MOST_BYTES)
                self._check(answer.status, answer.headers.get("Retry-After", ""), content)
                return content
        except (aiohttp.InvalidURL, ValueError):  # its text is the address
            raise NotificationRefused(f"{self._channel}: expected a URL, the one that is set is none") from None
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise NotificationUnavailable(f"{self._channel}: {self.shown(reason_of(error))}") from None

    def _check(self, status: int, retry_after: str, content: bytes) -> None:
        if status < 300:
            return
        text = self.shown(content.decode("utf-8", "replace"))
        if status >= 500 or status in _LATER:
            after_s = min(float(retry_after), _LONGEST_REST_S) if retry_after.isdecimal() else 0.0
            raise NotificationUnavailable(f"{self._channel}: HTTP {status} {text}".rstrip(), retry_after_s=after_s)
        raise NotificationRefused(f"{self._channel}: HTTP {status} {text}".rstrip())

    def answer_of(self, content: bytes) -> dict[str, object]:
        """The object that an answer is. Raises NotificationUnavailable: it is none, as that of a proxy on the way."""
        try:
            answer = json.loads(content)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            text = self.shown(content.decode("utf-8", "replace"))
            raise NotificationUnavailable(f"{self._channel}: expected a JSON object, was {text!r}")
        return answer

    def shown(self, text: str) -> str:
        """A text of the other side, short and without our secrets."""
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        return " ".join(text.split())[:_SHOWN]

    async def close(self) -> None:
        """Close the connection, if one is open."""
        if self._session is not None:
            await self._session.close()
            self._session = None


__all__ = ["HttpPost"]
