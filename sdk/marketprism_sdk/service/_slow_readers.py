"""Who asks and does not take the answer: it would lie here for ever, and the connection could not even be closed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

STALL_S = 30.0
_LEAST_BYTES = 65_536  # of an answer that lies here, within that time


@dataclass(slots=True)
class _Reader:
    transport: asyncio.WriteTransport
    left: int = 0  # bytes that lay here at the last look that saw it move
    since_s: float = 0.0


class SlowReaders:
    """The connections of a server, of which those are cut that take less than 64 KiB of an answer in `stall_s`.

    Answers that are written while they are made (streams, WebSockets) have rules of their own, and are not looked at.
    `cut` counts.
    """

    def __init__(self, stall_s: float = STALL_S) -> None:
        self.stall_s = stall_s
        self.cut = 0
        self._readers: dict[object, _Reader] = {}

    def opened(self, connection: object, transport: asyncio.WriteTransport) -> None:
        """A connection was made."""
        self._readers[connection] = _Reader(transport)

    def lost(self, connection: object) -> None:
        """A connection is no more."""
        self._readers.pop(connection, None)

    def asked(self, connection: object) -> None:
        """A request is answered now: whatever was answered before has been taken."""
        if (reader := self._readers.get(connection)) is not None:
            reader.left = 0

    def look(self, now_s: float, is_busy: Callable[[object], bool]) -> None:
        """Cut who stalls; `now_s` is of a monotonic clock."""
        for connection, reader in list(self._readers.items()):
            left = 0 if is_busy(connection) else reader.transport.get_write_buffer_size()
            if not left or not reader.left or left <= reader.left - _LEAST_BYTES:
                reader.left, reader.since_s = left, now_s
            elif now_s - reader.since_s >= self.stall_s:
                self.cut += 1
                reader.transport.abort()
