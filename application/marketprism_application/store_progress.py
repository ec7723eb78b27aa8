"""How far a stream is stored, who says so, and where a writer begins.

Two say so: the watermark beside the streams, which elects the next range, and the store itself, which records each
range behind its rows. Where they differ, the store is another one, an older copy of itself, or the watermark is wrong;
the lower of the two is right, and what lies between is read again: a row has a key, so it is there once in any case.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import msgspec

from marketprism_application.stored_rows import RangeMessage


class Progress(msgspec.Struct, frozen=True):
    """How far a stream is stored: `watermark` is done; [first, last] is open when last is above it.

    `store` is the identity of the store that holds the rows, empty in records of old. `fill` names the filling of that
    store which goes on: its ranges have tokens of their own, so that what is inserted again is not taken for a repeat.
    """

    created: str = ""
    epoch: int = 0
    first: int = 0
    last: int = 0
    watermark: int = 0
    store: str = ""
    fill: str = ""


class StreamBounds(NamedTuple):
    """A stream as it is: creation time, oldest and newest sequence, time of the oldest in nanoseconds UTC, and how many
    messages were deleted between the two.

    `first` is above `last` in a stream that holds nothing any more.
    """

    created: str
    first: int
    last: int
    ts_first: int = 0
    deleted: int = 0


class ProgressStore(Protocol):
    """Where progress is kept. `save` is a compare-and-swap against what `load` returned or the last `save` wrote.

    Raises:
        Exception: another writer saved meanwhile; this one must stop.
    """

    async def load(self) -> Progress | None:
        """Progress as it stands, an empty one where there is none; None where what is there cannot be read."""
        ...

    async def save(self, progress: Progress) -> None: ...


class RangeSource(Protocol):
    """A stream, read in order."""

    async def bounds(self) -> StreamBounds:
        """What the stream holds now."""
        ...

    async def open(self, start_seq: int) -> None:
        """Begin at a sequence."""
        ...

    async def next(self, max_messages: int, max_wait_s: float) -> Sequence[RangeMessage]:
        """What comes next, nothing after `max_wait_s` without a message."""
        ...

    async def settled(self, read_to: int) -> int:
        """How far beyond `read_to` there is certainly nothing for this reader; `read_to` where that is not known."""
        ...

    async def lacks(self, first: int, last: int) -> bool:
        """Whether a message between two sequences, both included, was deleted."""
        ...

    async def close(self) -> None:
        """Stop reading."""
        ...


class StoreLedger(Protocol):
    """What a store knows of itself.

    Raises:
        StoreError: it is away.
    """

    async def identity(self) -> str:
        """The store's own name, made with its tables; another store has another."""
        ...

    async def watermark(self, stream: str, created: str) -> int | None:
        """The last sequence that was recorded as stored, None where none was."""
        ...

    async def record(self, stream: str, created: str, watermark: int) -> None:
        """Everything up to here is in the tables."""
        ...

    async def holds(self, stream: str) -> bool:
        """Whether any table of the stream has a row."""
        ...


class Beginning(NamedTuple):
    """Where a writer begins, and why there where it is not simply where the last one ended.

    [first, last] is a range that was left open, 0 where there is none.
    """

    watermark: int
    reason: str = ""
    first: int = 0
    last: int = 0


OTHER_STORE = "other_store"
EMPTY_STORE = "empty_store"
OLDER_COPY = "older_copy"
WATERMARK_LOST = "watermark_lost"
WATERMARK_UNREADABLE = "watermark_unreadable"
WATERMARK_BEYOND_STREAM = "watermark_beyond_stream"
STREAM_REMADE = "stream_remade"
REBUILD = "rebuild"  # asked for: a fill that is of no store yet
# These are about the store: rows that were there are not there now.
OF_STORE = (OTHER_STORE, EMPTY_STORE, OLDER_COPY)


def beginning(
    progress: Progress | None, own: int | None, store: str, bounds: StreamBounds, *, holds: bool
) -> Beginning:
    """Where to begin, from the watermark (None: unreadable) and from what the store `store` recorded of this stream.

    `holds` says whether its tables have rows of the stream.
    """
    recorded = own or 0
    if progress is None:
        return Beginning(min(recorded, bounds.last), WATERMARK_UNREADABLE)
    if not progress.created:
        return Beginning(min(recorded, bounds.last), WATERMARK_LOST if holds else "")
    if progress.fill and not progress.store:
        return Beginning(0, REBUILD)
    if progress.store and progress.store != store:
        return Beginning(min(recorded, bounds.last), OTHER_STORE)
    if progress.created != bounds.created:
        # Its sequences start again, and so does the watermark.
        return Beginning(min(recorded, bounds.last), STREAM_REMADE)
    if not progress.store and own is None:
        if progress.watermark and not holds:
            return Beginning(0, EMPTY_STORE)
        recorded = progress.watermark
    if max(progress.watermark, progress.last) > bounds.last:
        return Beginning(min(recorded, progress.watermark, bounds.last), WATERMARK_BEYOND_STREAM)
    if recorded < progress.watermark:
        return Beginning(recorded, OLDER_COPY)
    if progress.last > progress.watermark:
        return Beginning(progress.watermark, "", progress.first, progress.last)
    return Beginning(progress.watermark)


__all__ = [
    "EMPTY_STORE",
    "OF_STORE",
    "OLDER_COPY",
    "OTHER_STORE",
    "REBUILD",
    "STREAM_REMADE",
    "WATERMARK_BEYOND_STREAM",
    "WATERMARK_LOST",
    "WATERMARK_UNREADABLE",
    "Beginning",
    "Progress",
    "ProgressStore",
    "RangeSource",
    "StoreLedger",
    "StreamBounds",
    "beginning",
]
