"""How near a stream's limits are to a message that must not go: a fence, a checkpoint, a snapshot.

A stream throws out its oldest message, whatever it is, when it is too old or there are too many bytes. What has to stay
is written anew in time; this says when, from the limits that the stream really has.
"""

from __future__ import annotations

import asyncio

from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import stream_info

_RENEW_SHARE = 0.25  # of a limit: a message is renewed when so much of it is used up
_QUICK_S, _SLOW_S = 0.1, 5.0
_LOOKS = 8  # between two renewals, at the rate that was seen last


class Retention:
    """The limits of a stream and where it stands; `look` asks, everything else is of the last look."""

    def __init__(self, connection: NatsConnection, stream: str) -> None:
        self._connection = connection
        self._stream = stream
        self._first = self._last = 0
        self._bytes = self._messages = 0
        self._rate = 0.0
        self._looked_at = 0.0
        self.max_bytes: int = 0
        self.max_age_s: float = 0.0
        self.replicas: int = 1

    async def look(self) -> None:
        """Ask the stream. Raises SdkError."""
        info = await stream_info(self._connection, self._stream, within_s=0)
        config, state = info["config"], info["state"]
        now = asyncio.get_running_loop().time()
        before, passed = self._last, now - self._looked_at
        self.max_bytes = max(0, int(config.get("max_bytes", 0)))
        self.max_age_s = int(config.get("max_age", 0)) / 1e9
        self.replicas = int(config.get("num_replicas", 1))
        self._first, self._last = int(state["first_seq"]), int(state["last_seq"])
        self._bytes, self._messages = int(state["bytes"]), int(state["messages"])
        if self._looked_at and passed > 0:
            self._rate = max(0, self._last - before) * self._mean / passed
        self._looked_at = now

    @property
    def _mean(self) -> float:
        return self._bytes / self._messages if self._messages else 0.0

    def due(self, seq: int) -> bool:
        """Whether the message at `seq` is to be written anew because of the bytes behind it.

        Messages are not of one size, so two estimates are made and the more careful one counts: the bytes behind it at
        the mean size, and how many of those that go first are left.
        """
        if not self.max_bytes or seq <= 0 or self._bytes < _RENEW_SHARE * self.max_bytes:
            return False
        written = (self._last - seq) * self._mean
        before = max(0, seq - self._first) / max(1, self._last - self._first)
        return written >= _RENEW_SHARE * self.max_bytes or (self._bytes >= self.max_bytes / 2 and before < 0.5)

    @property
    def own_bytes(self) -> int:
        """After so many bytes of its own a writer renews without looking; 0 where bytes have no bound."""
        return int(self.max_bytes * _RENEW_SHARE / 2)

    def renew_s(self, longest_s: float) -> float:
        """A message is renewed at this age, seconds."""
        return min(longest_s, self.max_age_s * _RENEW_SHARE) if self.max_age_s else longest_s

    @property
    def look_s(self) -> float:
        """When to look again: often enough for the rate that was seen."""
        if not self.max_bytes or self._rate <= 0:
            return _SLOW_S if not self.max_bytes else min(_SLOW_S, max(_QUICK_S, self.max_bytes / 50e6))
        pause_s = self.max_bytes * _RENEW_SHARE / self._rate / _LOOKS
        return min(_SLOW_S, max(_QUICK_S, pause_s), max(_QUICK_S, self.max_bytes / 50e6))


class RetentionWatch:
    """A retention that looks by itself when it is due; for who goes round anyway and has no task to spare."""

    def __init__(self, connection: NatsConnection, stream: str) -> None:
        self.of: Retention = Retention(connection, stream)
        self._at = float("-inf")

    async def now(self) -> Retention:
        """The retention, looked at if the last look is too long ago. Raises SdkError."""
        now = asyncio.get_running_loop().time()
        if now - self._at >= self.of.look_s:
            self._at = now
            await self.of.look()
        return self.of
