"""What a connection to NATS has carried, and for how long there was none."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nats.aio.client import Client


class Traffic:
    """Counts of one connection since it was made; sizes are those of payloads, in bytes."""

    def __init__(self, client: Client, clock: Callable[[], float] = time.monotonic) -> None:
        self._stats: dict[str, int] = client.stats
        self._client = client
        self._clock = clock
        self._away_s = 0.0
        self._away_since: float | None = None

    def sent(self, size: int, messages: int = 1) -> None:
        """One more message was published, or several, of `size` bytes together."""
        self._stats["out_msgs"] += messages
        self._stats["out_bytes"] += size

    def lost(self) -> None:
        """The connection is gone."""
        if self._away_since is None:
            self._away_since = self._clock()

    def back(self) -> None:
        """The connection stands again."""
        self._away_s = self.away_s
        self._away_since = None

    @property
    def away_s(self) -> float:
        """Seconds without a connection, those of an outage that lasts too."""
        return self._away_s + (0.0 if self._away_since is None else self._clock() - self._away_since)

    @property
    def messages_in(self) -> int:
        """Messages that came from the server."""
        return self._stats["in_msgs"]

    @property
    def bytes_in(self) -> int:
        """Payload of the messages that came."""
        return self._stats["in_bytes"]

    @property
    def messages_out(self) -> int:
        """Messages that were published to the server."""
        return self._stats["out_msgs"]

    @property
    def bytes_out(self) -> int:
        """Payload of the messages that were published."""
        return self._stats["out_bytes"]

    @property
    def reconnects(self) -> int:
        """How often it stood again."""
        return self._stats["reconnects"]

    @property
    def unsent_bytes(self) -> int:
        """What waits to be written to the socket."""
        return int(self._client._pending_data_size)


__all__ = ["Traffic"]
