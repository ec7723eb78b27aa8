"""One stream into the store, exactly once.

The range that is about to be inserted is recorded first; the insert carries a token that names the range; then the
watermark moves. Whoever takes over repeats an open range with the same boundaries, so the token catches it. The stream
itself is the buffer: while the store is away, the same range is tried again and nothing else is read.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec

from marketprism_application.inserting import Inserter
from marketprism_application.ports import MarketStore, StreamRange
from marketprism_application.stored_rows import PACKED_PREFIX, RangeMessage, decode_messages

_GROW_S = 0.02


class RangeSource(Protocol):
    """A stream, read in order."""

    async def open(self, start_seq: int) -> str:
        """Begin at a sequence; returns the stream's creation time."""
        ...

    async def next(self, max_messages: int, max_wait_s: float) -> Sequence[RangeMessage]:
        """What comes next, nothing after `max_wait_s` without a message."""
        ...

    async def close(self) -> None:
        """Stop reading."""
        ...


class Progress(msgspec.Struct, frozen=True):
    """How far a stream is stored: `watermark` is done; [first, last] is open when last is above it."""

    created: str = ""
    epoch: int = 0
    first: int = 0
    last: int = 0
    watermark: int = 0


class ProgressStore(Protocol):
    """Where progress is kept. `save` is a compare-and-swap against what `load` returned or the last `save` wrote.

    Raises:
        Exception: another writer saved meanwhile; this one must stop.
    """

    async def load(self) -> Progress: ...

    async def save(self, progress: Progress) -> None: ...


@dataclass(frozen=True, slots=True)
class WriterSettings:
    """A batch closes at `batch_rows` or after `batch_s`; while another is being written it grows, up to `max_rows`."""

    batch_rows: int = 1_000
    batch_s: float = 0.2
    max_rows: int = 400_000


class StreamWriter:
    """Stores one stream for as long as it runs. `on_retry(attempt, pause_s, reason)` hears of each failed try."""

    def __init__(
        self,
        stream: str,
        source: RangeSource,
        progress: ProgressStore,
        store: MarketStore,
        settings: WriterSettings,
        *,
        on_retry: Callable[[int, float, str], None] = lambda _a, _p, _r: None,
        on_batch: Callable[[int, float, int], None] = lambda _r, _s, _d: None,
    ) -> None:
        self._stream = stream
        self._source = source
        self._progress = progress
        self._inserter = Inserter(stream, store, on_retry)
        self._settings = settings
        self._writing = False
        self._on_batch = on_batch
        self.rows = 0
        self.dead = 0

    async def run(self, epoch: int) -> None:
        """Store until cancelled; the first thing is the range that an earlier writer left open."""
        progress = await self._progress.load()
        created = await self._source.open(progress.watermark + 1)
        if progress.created and progress.created != created:
            # The stream was made anew: its sequences start again, and so does the watermark.
            progress = Progress()
            await self._source.close()
            created = await self._source.open(1)
        watermark = progress.watermark
        if progress.last > watermark:
            messages = await self._exact(progress.last)
            watermark = await self._write(messages, created, epoch, progress.first, progress.last)
        # The next range is read while the one before is inserted; it is not begun, only held.
        ahead = asyncio.ensure_future(self._batch())
        try:
            while True:
                self._writing = False
                messages = await ahead
                ahead = asyncio.ensure_future(self._batch())
                if messages:
                    self._writing = True
                    watermark = await self._write(messages, created, epoch, messages[0].seq, messages[-1].seq)
        finally:
            ahead.cancel()
            await asyncio.gather(ahead, return_exceptions=True)

    async def _exact(self, last: int) -> list[RangeMessage]:
        """Messages up to a sequence that was read before; waits for them."""
        found: list[RangeMessage] = []
        while not found or found[-1].seq < last:
            # One at a time: what follows the range must stay in the source.
            found += await self._source.next(1, 1.0)
        return found

    async def _batch(self) -> list[RangeMessage]:
        """What one range holds: it closes when it is full, or when it is due and nothing is being written."""
        settings = self._settings
        found: list[RangeMessage] = []
        rows = 0
        deadline = 0.0
        while rows < settings.max_rows:
            wait_s = deadline - time.monotonic() if found else 1.0
            if wait_s <= 0 or rows >= settings.batch_rows:
                if not self._writing:
                    break
                wait_s = _GROW_S
            arrived = await self._source.next(_messages_for(settings, rows, len(found)), wait_s)
            if not arrived and not found:
                break
            if not found:
                deadline = time.monotonic() + settings.batch_s
            found += arrived
            rows += sum(_rows_in(message) for message in arrived)
        return found

    async def _write(self, messages: Sequence[RangeMessage], created: str, epoch: int, first: int, last: int) -> int:
        """Intent, insert, watermark."""
        done = first - 1
        await self._progress.save(Progress(created, epoch, first, last, done))
        started = time.monotonic()
        covered = StreamRange(self._stream, created, first, last)
        rows, dead = await self._inserter.insert(messages, covered, epoch)
        await self._progress.save(Progress(created, epoch, first, last, last))
        self.rows += rows
        self.dead += dead
        self._on_batch(rows, time.monotonic() - started, dead)
        return last


def _rows_in(message: RangeMessage) -> int:
    # A packed tick takes some 190 bytes; an estimate is enough to close a batch.
    return max(1, len(message.data) // 190) if message.subject.startswith(PACKED_PREFIX) else 1


def _messages_for(settings: WriterSettings, rows: int, messages: int) -> int:
    per_message = max(1, rows // messages) if messages else 1
    return max(1, (settings.max_rows - rows) // per_message)


__all__ = [
    "Progress",
    "ProgressStore",
    "RangeMessage",
    "RangeSource",
    "StreamWriter",
    "WriterSettings",
    "decode_messages",
]
