"""How far a stream is stored, who says so, and where a writer begins.

Two say so: the watermark beside the streams, which elects the next range, and the store itself, which records each
range behind its rows. Where they differ, the store is another one, an older copy of itself, or the watermark is wrong;
the lower of the two is right, and what lies between is read again: a row has a key, so it is there once in any case.

A sequence alone does not name a message: a stream that lost its end in a power cut gives the same sequences again. So a
record carries the time of its message, and counts only while the stream has that message, or has let it go.
"""

from __future__ import annotations

from typing import NamedTuple

from marketprism_application.ports.storage import Progress, StoreMark, StreamBounds


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
STREAM_LOST_ITS_END = "stream_lost_its_end"
STREAM_REMADE = "stream_remade"
REBUILD = "rebuild"  # asked for: a fill that is of no store yet
# These are about the store: rows that were there are not there now.
OF_STORE = (OTHER_STORE, EMPTY_STORE, OLDER_COPY)


def beginning(
    progress: Progress | None, own: StoreMark | None, store: str, bounds: StreamBounds, *, holds: bool, there: int
) -> Beginning:
    """Where to begin, from the watermark (None: unreadable) and from what the store `store` recorded of this stream.

    `holds` says whether its tables have rows of the stream, `there` is the time of the message that the stream has now
    at the sequence of `own`.
    """
    if progress is not None and progress.fill and not progress.store:
        return Beginning(0, REBUILD)
    if own is not None and not own.is_still_there(there, bounds):
        # A stream whose oldest message is older than the recorded one has lost nothing before it: it was stored. Where
        # all of it is younger, what came again has partly left it, which is a hole.
        whole = 0 < bounds.ts_first <= own.ts
        return Beginning(max(0, bounds.first - 1) if whole else 0, STREAM_LOST_ITS_END)
    recorded = own.seq if own is not None else 0
    if progress is None:
        return Beginning(recorded, WATERMARK_UNREADABLE)
    if not progress.created:
        return Beginning(recorded, WATERMARK_LOST if holds else "")
    if progress.store and progress.store != store:
        return Beginning(recorded, OTHER_STORE)
    if progress.created != bounds.created:
        # Its sequences start again, and so does the watermark.
        return Beginning(recorded, STREAM_REMADE)
    if not progress.store and own is None:
        if progress.watermark and not holds:
            return Beginning(0, EMPTY_STORE)
        recorded = progress.watermark
    if max(progress.watermark, progress.last) > bounds.last:
        # Either it is forged or the stream lost its end, and then what is not known to be the same may be another.
        known = own is not None and (own.ts != 0 or bounds.first > own.seq)
        return Beginning(min(recorded, progress.watermark) if known else 0, WATERMARK_BEYOND_STREAM)
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
    "STREAM_LOST_ITS_END",
    "STREAM_REMADE",
    "WATERMARK_BEYOND_STREAM",
    "WATERMARK_LOST",
    "WATERMARK_UNREADABLE",
    "Beginning",
    "beginning",
]
