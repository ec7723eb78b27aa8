"""One stream into the store, exactly once.

The range that is about to be inserted is recorded first; the insert carries a token that names the range; then the
store records how far it is, and the watermark moves. Whoever takes over repeats an open range with the same boundaries,
so the token catches it; the time of the last message is part of it, for a stream that lost its end gives the same
sequences again. The stream itself is the buffer: while the store is away, the same range is tried again and
nothing else is read.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from marketprism_application.contracts.history import PREFIX as HISTORY_PREFIX
from marketprism_application.ports.storage import (
    NO_MESSAGE,
    MarketStore,
    Progress,
    ProgressStore,
    RangeMessage,
    RangeSource,
    StoreLedger,
    StoreMark,
    StreamBounds,
    StreamRange,
)
from marketprism_application.storage.decoding import PACKED_PREFIX, decode_messages
from marketprism_application.storage.inserter import Inserter
from marketprism_application.storage.progress import STREAM_REMADE, Beginning, beginning
from marketprism_domain.values import Bounds, check_bounds

_GROW_S = 0.02
_PATIENCE = 5  # empty fetches after which the rest of an open range will not come any more
_SETTLE_S = 30.0
_IDLE_S, _LONGEST_IDLE_S = 1.0, 5.0  # between looks at a stream in which nothing comes
_SHARE = 4  # of the time, one part at most goes into inserts for as long as batches need not be longer than `batch_ms`
_LITTLE = 2  # a batch of less than this part of `batch_rows` is a small one


class StreamRemade(Exception):
    """The stream was made anew, or lost its end, while it was read: whoever runs the writer runs it again."""


@dataclass(frozen=True)
class WriterSettings:
    """A batch closes at `batch_rows` or after `batch_ms`; while another is being written it grows, up to
    `max_batch_rows`. Much of an insert costs the same for one row and for thousands, so a batch that is full gathers
    more until it has taken four times as long as the last insert did, and no longer than `batch_ms`. Where little
    comes, less than half of `batch_rows` in one, the next may take twice as long, up to `quiet_ms`, or until it is half
    full; it is `batch_ms` again as soon as half comes within that, and behind a pause as long as `quiet_ms`.

    Raises:
        InvalidValue: names the field.
    """

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    BOUNDS: ClassVar[Bounds] = {
        "batch_rows": (1, 1_000_000),
        "batch_ms": (0, 60_000),
        "quiet_ms": (0, 60_000),
        "max_batch_rows": (1, 1_048_449),
    }

    batch_rows: int = 1_000
    batch_ms: int = 500
    quiet_ms: int = 4_000
    max_batch_rows: int = 400_000

    def __post_init__(self) -> None:
        check_bounds(self, WriterSettings.BOUNDS)

    def always_soon(self) -> WriterSettings:
        """The same where a batch takes `batch_ms` at most, however little comes."""
        return WriterSettings(self.batch_rows, self.batch_ms, 0, self.max_batch_rows)


class WriterHooks:
    """Hears what a writer does; each method does nothing by itself."""

    def retry(self, attempt: int, pause_s: float, reason: str) -> None:
        """The store did not do what it was asked; it is asked again after `pause_s`."""

    def well(self) -> None:
        """It did, after all."""

    def batch(self, rows: int, seconds: float, dead: int) -> None:
        """A range is stored: so many rows, of which so many were set aside."""

    async def begun(self, begin: Beginning, was: Progress | None, store: str) -> None:
        """The writer does not begin where the last one ended; `begin.reason` says why."""

    async def truncated(self, wanted: int, bounds: StreamBounds) -> None:
        """The stream no longer holds `wanted`, which was not stored: called before anything behind it is."""


class StreamWriter:
    """Stores one stream for as long as it runs.

    `refilling_to` is how far rows are read again that a store has held before, 0 when there is nothing to catch up.
    """

    def __init__(
        self,
        stream: str,
        source: RangeSource,
        progress: ProgressStore,
        store: MarketStore,
        ledger: StoreLedger,
        settings: WriterSettings,
        hooks: WriterHooks | None = None,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        turn: Callable[[], Awaitable[None]] | None = None,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._now_s = now_s
        self._stream = stream
        self._source = source
        self._progress = progress
        self._hooks = hooks or WriterHooks()
        self._ledger = ledger
        self._inserter = Inserter(stream, store, self._hooks.retry, sleep, self._hooks.well, turn)
        self._settings = settings
        self._batch_s = settings.batch_ms / 1_000  # how long the next batch may take
        self._idle_s = _IDLE_S
        self._came_s = now_s()  # when the last message did
        self._writing = False
        self._insert_s = 0.0  # how long the last one took
        self.idle = asyncio.Event()  # no row is on its way into the store
        self.idle.set()
        self._held: list[RangeMessage] = []
        self._read_to = 0
        self._deleted = 0
        self._settled_at = 0.0
        self._created = ""
        self._identity = ""
        self._fill = ""
        self._epoch = 0
        self.rows = 0
        self.dead = 0
        self.watermark = 0
        self.refilling_to = 0

    async def run(self, epoch: int) -> None:
        """Store until cancelled; the first thing is the range that an earlier writer left open.

        Raises:
            StreamRemade: run it again.
        """
        self._epoch = epoch
        begin = await self._begin()
        if begin.last:
            await self._repeat(begin.first, begin.last)
        # The next range is read while the one before is inserted; it is not begun, only held.
        ahead = asyncio.ensure_future(self._batch())
        try:
            while True:
                self._writing = False
                messages = await ahead
                settled = None if messages else await self._settled()
                ahead = asyncio.ensure_future(self._batch())
                if messages:
                    self._writing = True
                    self.idle.clear()
                    await self._write(messages, messages[0].seq)
                    self.idle.set()
                elif settled is not None:
                    await self._done(settled.seq, settled)
                self._caught_up(idle=not messages)
        finally:
            self.idle.set()
            ahead.cancel()
            await asyncio.gather(ahead, return_exceptions=True)

    async def _begin(self) -> Beginning:
        keep = self._inserter.until_done
        self._identity = await keep(self._ledger.identity, whatever=True)
        progress = await self._progress.load()
        if progress is not None:
            # Written again as it is, before anything is concluded from it: who is cut off, or has read an old one, is
            # refused here, and not behind a loss that he told of or a mark of the store that he lowered.
            await self._progress.save(progress)
        bounds = await self._source.bounds()
        self._created = bounds.created
        own = await keep(lambda: self._ledger.watermark(self._stream, self._created), whatever=True)
        there = NO_MESSAGE
        if own is not None and own.seq:
            there = await self._source.time_at(own.seq)
            bounds = await self._source.bounds()  # behind the look: what aged out before it was not lost
        holds = own is not None or await keep(lambda: self._ledger.holds(self._stream), whatever=True)
        begin = beginning(progress, own, self._identity, bounds, holds=holds, there=there)
        self.watermark = self._read_to = begin.watermark
        self._fill = progress.fill if progress is not None else ""
        if begin.reason:
            self._fill = "" if begin.reason == STREAM_REMADE else secrets.token_hex(4)
            if begin.reason != STREAM_REMADE and begin.watermark < bounds.last:
                self.refilling_to = bounds.last
            await self._hooks.begun(begin, progress, self._identity)
            await self._done(begin.watermark, await self._mark(begin.watermark))
        elif own is None and begin.watermark:
            mark = await self._mark(begin.watermark)
            await keep(lambda: self._ledger.record(self._stream, self._created, mark), whatever=True)
        if bounds.first > begin.watermark + 1:
            await keep(lambda: self._hooks.truncated(begin.watermark + 1, bounds), whatever=True)
            begin = Beginning(bounds.first - 1)  # of a range that was left open the end is read as any other
            await self._done(begin.watermark, await self._mark(begin.watermark))
            self._read_to = begin.watermark
        await self._source.open(begin.watermark + 1)
        if (await self._source.bounds()).created != self._created:
            raise StreamRemade(self._stream)
        return begin

    async def _mark(self, seq: int) -> StoreMark:
        """A sequence that is stored, with the message that the stream has there."""
        return StoreMark(seq, await self._source.time_at(seq) if seq else 0)

    async def _repeat(self, first: int, last: int) -> None:
        """The range that was left open, under its own token if it is still what it was."""
        found: list[RangeMessage] = []
        empty = 0
        while (not found or found[-1].seq < last) and empty < _PATIENCE:
            # One at a time: what follows the range must stay in the source.
            arrived = await self._source.next(1, 1.0)
            empty = 0 if arrived else empty + 1
            found += arrived
            if not arrived and (await self._source.bounds()).first > last:
                break
        bounds = await self._source.bounds()
        self._held = [message for message in found if message.seq > last]
        found = [message for message in found if message.seq <= last]
        if bounds.created != self._created:
            raise StreamRemade(self._stream)
        if bounds.first > first or not found or found[-1].seq < last:
            # Parts of it would be cut elsewhere, and be taken for those that were stored.
            self._fill = secrets.token_hex(4)
        if found:
            await self._look_for_a_hole(found[0].seq)
            self._read_to = found[-1].seq
            await self._write(found, first)

    async def _settled(self) -> StoreMark | None:
        """Where nothing comes: how far that is certain, so that what goes out of the stream is not taken for a loss."""
        bounds = await self._same_stream()
        now = self._now_s()
        if now < self._settled_at or bounds.last <= self.watermark:
            return None
        self._settled_at = now + _SETTLE_S
        # First which message lies there: one that comes in its place later is not what was found to be settled.
        mark = await self._mark(bounds.last)
        if await self._source.settled(self._read_to) < mark.seq:
            return None
        self._read_to = max(self._read_to, mark.seq)
        return mark

    async def _same_stream(self) -> StreamBounds:
        """Its bounds; another with its name, or one that lost its end, has to be begun again."""
        bounds = await self._source.bounds()
        if bounds.created != self._created or bounds.last < self._read_to:
            raise StreamRemade(self._stream)
        return bounds

    def _caught_up(self, *, idle: bool) -> None:
        if self.refilling_to and (idle or self.watermark >= self.refilling_to):
            self.refilling_to = 0

    async def _batch(self) -> list[RangeMessage]:
        """What one range holds: it closes when it is full, or when it is due and nothing is being written."""
        settings = self._settings
        soon_s = settings.batch_ms / 1_000
        found: list[RangeMessage] = []
        rows = 0
        began = deadline = 0.0
        while rows < settings.max_batch_rows:
            wait_s = deadline - self._now_s() if found else self._idle_s
            full_s = began + _SHARE * self._insert_s - self._now_s() if rows >= settings.batch_rows else wait_s
            if (wait_s := min(wait_s, full_s)) <= 0:
                if not self._writing:
                    break
                wait_s = _GROW_S
            if self._held:
                arrived, self._held = self._held, []
            else:
                arrived = list(await self._source.next(_messages_for(settings, rows, len(found)), wait_s))
            if not arrived and not found:
                self._idle_s = min(2 * self._idle_s, _LONGEST_IDLE_S)
                break
            if not found:
                began, self._idle_s = self._now_s(), _IDLE_S
                if began - self._came_s >= settings.quiet_ms / 1_000:
                    self._batch_s = soon_s
                deadline = began + self._batch_s
            self._came_s = self._now_s()
            found += arrived
            rows += sum(_rows_in(message) for message in arrived)
            if _LITTLE * rows >= settings.batch_rows:
                if self._now_s() <= began + soon_s:
                    self._batch_s = soon_s
                deadline = began + soon_s
        if found and _LITTLE * rows < settings.batch_rows:
            self._batch_s = max(soon_s, min(2 * self._batch_s, settings.quiet_ms / 1_000))
        if found:
            await self._look_for_a_hole(found[0].seq)
            self._read_to = found[-1].seq
        return found

    async def _look_for_a_hole(self, seq: int) -> None:
        """Other subjects lie between two messages as a rule; where the stream begins between them, or some were deleted
        there, they are gone."""
        wanted = self._read_to + 1
        if seq <= wanted:
            return
        bounds = await self._same_stream()
        deleted, self._deleted = bounds.deleted > self._deleted, bounds.deleted
        shown = bounds._replace(first=min(bounds.first, seq))
        if deleted and bounds.first <= wanted and await self._source.lacks(wanted, seq - 1):
            shown = bounds._replace(first=seq, ts_first=0)
        if shown.first > wanted:
            await self._inserter.until_done(lambda: self._hooks.truncated(wanted, shown), whatever=True)

    async def _write(self, messages: Sequence[RangeMessage], first: int) -> None:
        """Intent, insert, watermark."""
        mark = StoreMark(messages[-1].seq, messages[-1].ts)
        await self._save(first, mark.seq, self.watermark)
        started = self._now_s()
        name = f"{self._created}#{self._fill}" if self._fill else self._created
        covered = StreamRange(self._stream, f"{name}@{mark.ts}", first, mark.seq)
        rows, dead = await self._inserter.insert(messages, covered, self._epoch)
        await self._done(first, mark)
        self.rows += rows
        self.dead += dead
        self._insert_s = self._now_s() - started
        self._hooks.batch(rows, self._insert_s, dead)

    async def _done(self, first: int, mark: StoreMark) -> None:
        """Everything up to `mark` is stored: first the store says so, then the watermark."""
        await self._inserter.until_done(lambda: self._ledger.record(self._stream, self._created, mark), whatever=True)
        await self._save(first, mark.seq, mark.seq)
        self.watermark = mark.seq

    async def _save(self, first: int, last: int, watermark: int) -> None:
        progress = Progress(self._created, self._epoch, first, last, watermark, self._identity, self._fill)
        await self._progress.save(progress)


def _rows_in(message: RangeMessage) -> int:
    # A packed tick takes some 190 bytes, a row of history some 30; an estimate is enough to close a batch.
    if message.subject.startswith(HISTORY_PREFIX):
        return max(1, len(message.data) // 30)
    return max(1, len(message.data) // 190) if message.subject.startswith(PACKED_PREFIX) else 1


def _messages_for(settings: WriterSettings, rows: int, messages: int) -> int:
    per_message = max(1, rows // messages) if messages else 1
    return max(1, (settings.max_batch_rows - rows) // per_message)


__all__ = [
    "Progress",
    "ProgressStore",
    "RangeMessage",
    "RangeSource",
    "StreamRemade",
    "StreamWriter",
    "WriterHooks",
    "WriterSettings",
    "decode_messages",
]
