"""Rows that came after a backup, out of the streams, up to a time and no later."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

from marketprism_application.contracts.backup_records import BackupManifest, StreamPlace
from marketprism_application.errors import BackupError
from marketprism_application.ports.storage import (
    MarketStore,
    RangeMessage,
    RangeSource,
    StoreLedger,
    StoreMark,
    StreamBounds,
    StreamRange,
)
from marketprism_application.storage.inserter import Inserter

_MESSAGES, _WAIT_S = 512, 1.0


class Applied(NamedTuple):
    """How many rows of a stream were added, up to which message, and when the stream took it."""

    rows: int
    seq: int
    ts: int


def place_in(manifest: BackupManifest, stream: str, bounds: StreamBounds, there: int) -> int:
    """Up to which sequence of a stream the backup's rows go, 0 where it has nothing of it. `there` is when the stream
    took the message that it has at this place now.

    Raises:
        BackupError: the stream is another one, or no longer holds what comes behind that; the text names both.
    """
    places = [place for place in manifest.places if place.stream == stream]
    own = next((place for place in places if place.created == bounds.created), None)
    backup = f"backup {manifest.id}"
    if own is None and places:
        raise BackupError(
            f"{backup}: expected {stream} as it was made at {places[-1].created}, "
            f"was one that was made at {bounds.created}"
        )
    watermark = own.watermark if own is not None else 0
    if own is not None and not StoreMark(own.watermark, own.ts).is_still_there(there, bounds):
        raise BackupError(f"{backup}: expected the {stream} of which it has message {watermark}, was another")
    if bounds.first > watermark + 1 and bounds.first <= bounds.last:
        raise BackupError(
            f"{backup}: it has {stream} up to message {watermark}, expected the stream to reach back to that, "
            f"its first message is {bounds.first}"
        )
    return watermark


def place_of(manifest: BackupManifest, stream: str, created: str) -> StreamPlace | None:
    """What a backup says of a stream."""
    return next((each for each in manifest.places if (each.stream, each.created) == (stream, created)), None)


class RestoredRanges:
    """Fulfils `RangeSource`: a stream that was restored, under the name that its first one had. The server says of it
    that it was made when it was restored; its messages, sequences and times are those of before."""

    def __init__(self, source: RangeSource, created: str) -> None:
        self._source = source
        self._created = created

    async def bounds(self) -> StreamBounds:
        """With the time at which the first one was made."""
        return (await self._source.bounds())._replace(created=self._created)

    async def open(self, start_seq: int) -> None:
        """As the stream does."""
        await self._source.open(start_seq)

    async def next(self, max_messages: int, max_wait_s: float) -> Sequence[RangeMessage]:
        """As the stream does."""
        return await self._source.next(max_messages, max_wait_s)

    async def settled(self, read_to: int) -> int:
        """As the stream does."""
        return await self._source.settled(read_to)

    async def lacks(self, first: int, last: int) -> bool:
        """As the stream does."""
        return await self._source.lacks(first, last)

    async def time_at(self, seq: int) -> int:
        """As the stream does."""
        return await self._source.time_at(seq)

    async def close(self) -> None:
        """As the stream does."""
        await self._source.close()


async def apply_until(stream: str, source: RangeSource, store: MarketStore, ledger: StoreLedger, until: int) -> Applied:
    """Add what a stream took behind the store's place, up to `until`, nanoseconds UTC by the server's clock; the store
    records how far it is.

    Raises:
        StoreError, SdkError: what is in the way; done again, it goes on.
    """
    bounds = await source.bounds()
    own = await ledger.watermark(stream, bounds.created)
    at = own if own is not None else StoreMark(0)
    inserter, rows = Inserter(stream, store, lambda *_: None), 0
    if bounds.last <= at.seq:
        return Applied(0, at.seq, at.ts)
    await source.open(at.seq + 1)
    try:
        read_to = at.seq
        while read_to < bounds.last:
            messages = await source.next(_MESSAGES, _WAIT_S)
            if not messages:
                if await source.settled(read_to) >= bounds.last:
                    break
                continue
            read_to = messages[-1].seq
            wanted = _before(messages, until)
            if wanted:
                mark = StoreMark(wanted[-1].seq, wanted[-1].ts)
                covered = StreamRange(stream, f"{bounds.created}#restored@{mark.ts}", wanted[0].seq, mark.seq)
                rows += (await inserter.insert(wanted, covered, 0))[0]
                await ledger.record(stream, bounds.created, mark)
                at = mark
            if len(wanted) < len(messages):
                break
            await asyncio.sleep(0)
    finally:
        await source.close()
    return Applied(rows, at.seq, at.ts)


def _before(messages: Sequence[RangeMessage], until: int) -> Sequence[RangeMessage]:
    return [message for message in messages if message.ts <= until]


__all__ = ["Applied", "RestoredRanges", "apply_until", "place_in", "place_of"]
