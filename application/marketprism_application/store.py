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
from typing import Any, Protocol

import msgspec

from marketprism_application.contracts.codec import ContractError, decode_row, split_packed
from marketprism_application.contracts.kinds import KINDS, TICK, DataKind
from marketprism_application.errors import StoreError
from marketprism_application.ports import DeadRow, MarketStore, Place, StreamRange
from marketprism_application.stored_rows import PACKED_PREFIX, RangeMessage, Rows, decode_messages

# A part's rows are part of what its token means: a change of this number is a change of every token.
_PART_ROWS = 10_000
_PARALLEL = 2
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 5.0


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
    """A batch closes at `batch_rows` when nothing more is waiting, at `max_rows`, or after `batch_s`."""

    batch_rows: int = 1_000
    batch_s: float = 0.2
    max_rows: int = 50_000


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
        self._store = store
        self._settings = settings
        self._on_retry = on_retry
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
        while True:
            messages = await self._batch()
            if messages:
                watermark = await self._write(messages, created, epoch, messages[0].seq, messages[-1].seq)

    async def _exact(self, last: int) -> list[RangeMessage]:
        """Messages up to a sequence that was read before; waits for them."""
        found: list[RangeMessage] = []
        while not found or found[-1].seq < last:
            # One at a time: what follows the range must stay in the source.
            found += await self._source.next(1, 1.0)
        return found

    async def _batch(self) -> list[RangeMessage]:
        settings = self._settings
        found: list[RangeMessage] = []
        rows = 0
        deadline = 0.0
        while rows < settings.max_rows:
            wait_s = deadline - time.monotonic() if found else 1.0
            if wait_s <= 0:
                break
            arrived = await self._source.next(_messages_for(settings, rows, len(found)), wait_s)
            if not arrived:
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
        dead: list[DeadRow] = []
        quick, others = await self._insert_encoded(messages, covered, epoch, dead)
        decoded = decode_messages(self._stream, others)
        dead += decoded.dead
        for name, rows in decoded.by_kind.items():
            await self._insert(KINDS[name], rows, covered, epoch, dead)
        if dead:
            await self._until_done(lambda: self._store.bury(dead))
        await self._progress.save(Progress(created, epoch, first, last, last))
        self.rows += quick + decoded.total
        self.dead += len(dead)
        self._on_batch(quick + decoded.total, time.monotonic() - started, len(dead))
        return last

    async def _insert_encoded(
        self, messages: Sequence[RangeMessage], covered: StreamRange, epoch: int, dead: list[DeadRow]
    ) -> tuple[int, Sequence[RangeMessage]]:
        """Packed ticks as the bytes that they are; returns their number and the messages that are something else.

        They go in parts of a fixed number of rows, several at once; a part's token names the range and the part, so a
        writer that repeats the range makes the same parts.
        """
        rows: list[Any] = []
        places: list[Place] = []
        others: list[RangeMessage] = []
        for message in messages:
            try:
                ticks = split_packed(message.data) if message.subject.startswith(PACKED_PREFIX) else None
            except ContractError:
                ticks = None
            if ticks is None:
                others.append(message)
                continue
            rows += ticks
            places += [Place(message.seq, index) for index in range(len(ticks))]
        room = asyncio.Semaphore(_PARALLEL)

        async def insert(start: int) -> None:
            part = slice(start, start + _PART_ROWS)
            name = f"{covered.created}/{start // _PART_ROWS}" if start else covered.created
            under = StreamRange(covered.stream, name, covered.first, covered.last)
            async with room:
                await self._insert_part(Rows(rows[part], places[part]), under, epoch, dead)

        inserts = [asyncio.ensure_future(insert(start)) for start in range(0, len(rows), _PART_ROWS)]
        try:
            await asyncio.gather(*inserts)
        finally:
            for task in inserts:
                task.cancel()
        return len(rows), others

    async def _insert_part(self, part: Rows, covered: StreamRange, epoch: int, dead: list[DeadRow]) -> None:
        try:
            await self._until_done(lambda: self._store.insert_encoded(TICK, part.rows, part.places, covered, epoch))
        except StoreError:
            # Some row is not what it should be. Decoded one by one, it is found; the others keep the part's token.
            found = Rows([], [])
            for raw, place in zip(part.rows, part.places, strict=True):
                try:
                    found.rows.append(decode_row(TICK, raw))
                    found.places.append(place)
                except ContractError as error:
                    dead.append(DeadRow(self._stream, place.seq, place.offset, str(error), bytes(raw)))
            if found.rows:
                await self._insert(TICK, found, covered, epoch, dead)

    async def _insert(self, kind: DataKind, rows: Rows, covered: StreamRange, epoch: int, dead: list[DeadRow]) -> None:
        try:
            await self._until_done(lambda: self._store.insert(kind, rows.rows, rows.places, covered, epoch))
        except StoreError:
            # Some row is poison: one at a time, each under a token of its own, finds which.
            for row, place in zip(rows.rows, rows.places, strict=True):
                single = StreamRange(covered.stream, f"{covered.created}:{place.offset}", place.seq, place.seq)
                await self._insert_one(kind, row, place, single, epoch, dead)

    async def _insert_one(
        self, kind: DataKind, row: Any, place: Place, covered: StreamRange, epoch: int, dead: list[DeadRow]
    ) -> None:
        try:
            await self._until_done(lambda: self._store.insert(kind, [row], [place], covered, epoch))
        except StoreError as error:
            dead.append(DeadRow(self._stream, place.seq, place.offset, str(error), msgspec.msgpack.encode(row)))

    async def _until_done(self, work: Callable[[], Any]) -> None:
        """Again and again while the store is away; other errors are the caller's."""
        attempt = 0
        while True:
            try:
                await work()
            except StoreError as error:
                if not error.retryable:
                    raise
                attempt += 1
                pause_s = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2.0 ** min(attempt - 1, 30))
                self._on_retry(attempt, pause_s, str(error))
                await asyncio.sleep(pause_s)
            else:
                return


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
