"""A stream in memory, and the RangeSource that reads it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import NamedTuple

from marketprism_application.ports.storage import NO_MESSAGE, StreamBounds


class MemoryMessage(NamedTuple):
    """A stored message; `ts` is when, nanoseconds UTC."""

    subject: str
    seq: int
    data: bytes
    ts: int = 1


class MemoryStream:
    """Messages by sequence. Retention takes from the front, `delete` leaves a hole."""

    def __init__(self, created: str = "created-1") -> None:
        self.created = created
        self.first, self.last = 1, 0
        self._messages: dict[int, MemoryMessage] = {}
        self._waiting: set[asyncio.Future[None]] = set()

    def append(self, subject: str, data: bytes, *, ts: int = 1, seq: int = 0) -> int:
        """Store a message at the next sequence, or at a later one; `ts` is when, nanoseconds UTC."""
        if self.first > self.last:
            self.first = max(self.last + 1, seq)
        self.last = max(self.last + 1, seq)
        self._messages[self.last] = MemoryMessage(subject, self.last, data, ts)
        for waiting in self._waiting:
            if not waiting.done():
                waiting.set_result(None)
        return self.last

    def delete(self, seq: int) -> None:
        """Remove one message; the others keep their sequences."""
        self._messages.pop(seq, None)
        self.purge(min(self._messages, default=self.last + 1))

    def purge(self, first: int) -> None:
        """Remove everything before a sequence."""
        self._messages = {seq: stored for seq, stored in self._messages.items() if seq >= first}
        self.first = min(self._messages, default=self.last + 1)

    def read(self, start: int, wanted: Callable[[str], bool], limit: int) -> list[MemoryMessage]:
        """The first messages from a sequence on whose subject is wanted."""
        seqs = sorted(seq for seq in self._messages if seq >= start)
        return [self._messages[seq] for seq in seqs if wanted(self._messages[seq].subject)][:limit]

    def bounds(self) -> StreamBounds:
        """What it holds now."""
        ts_first = self._messages[self.first].ts if self._messages else 0
        return StreamBounds(self.created, self.first, self.last, ts_first, len(self.deleted()))

    def time_at(self, seq: int) -> int:
        """When the message at a sequence was stored, NO_MESSAGE if there is none."""
        return self._messages[seq].ts if seq in self._messages else NO_MESSAGE

    def deleted(self) -> list[int]:
        """Sequences between the oldest and the newest that are gone."""
        return [seq for seq in range(self.first, self.last + 1) if seq not in self._messages]

    async def grown(self, wait_s: float) -> None:
        """Until a message is appended, or so many seconds have passed."""
        waiting = asyncio.get_running_loop().create_future()
        self._waiting.add(waiting)
        try:
            await asyncio.wait([waiting], timeout=wait_s)
        finally:
            self._waiting.discard(waiting)


class MemoryRanges:
    """Fulfils `RangeSource` on a `MemoryStream`; `wanted` says by its subject whether a message is for this reader."""

    def __init__(self, stream: MemoryStream, wanted: Callable[[str], bool] = lambda _: True) -> None:
        self.stream = stream
        self._wanted = wanted
        self._at = 0
        self._delivered = 0

    async def bounds(self) -> StreamBounds:
        """What the stream holds now."""
        return self.stream.bounds()

    async def open(self, start_seq: int) -> None:
        """Begin at a sequence."""
        self._at, self._delivered = max(1, start_seq), 0

    async def next(self, max_messages: int, max_wait_s: float) -> Sequence[MemoryMessage]:
        """What comes next, nothing after `max_wait_s` without a message."""
        found = self.stream.read(self._at, self._wanted, max_messages)
        if not found:
            await self.stream.grown(max_wait_s)
            found = self.stream.read(self._at, self._wanted, max_messages)
        if found:
            self._delivered = found[-1].seq
            self._at = self._delivered + 1
        return found

    async def settled(self, read_to: int) -> int:
        """The stream's end, where everything that is wanted was delivered and lies at or before `read_to`."""
        left = self.stream.read(self._at, self._wanted, 1)
        quiet = self._at > 0 and not left and self._delivered <= read_to
        return max(read_to, self.stream.last) if quiet else read_to

    async def lacks(self, first: int, last: int) -> bool:
        """Whether a message between two sequences, both included, was deleted."""
        return any(first <= seq <= last for seq in self.stream.deleted())

    async def time_at(self, seq: int) -> int:
        """When the message at a sequence was stored, whatever its subject."""
        return self.stream.time_at(seq)

    async def close(self) -> None:
        """Stop reading; a next reader begins anew."""
        self._at = 0


__all__ = ["MemoryMessage", "MemoryRanges", "MemoryStream"]
