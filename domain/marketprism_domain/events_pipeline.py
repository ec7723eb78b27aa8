"""Events of the pipeline itself: what its logs, stores and clocks do."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StreamTruncated:
    """A reader wanted `wanted` of a stream, whose oldest message is `first` now: what lies between is gone.

    The rows that it held are named in gaps, where anything is known of them.
    """

    stream: str
    reader: str  # the stage and partition, or the writer
    wanted: int
    first: int


@dataclass(frozen=True, slots=True)
class StoreReplaced:
    """The store is not the one that the watermark of a stream speaks of: it is filled again from behind `start`.

    `reason`: other_store, empty_store, older_copy.
    """

    stream: str
    store: str
    was: str  # the store of the watermark, empty where it names none
    reason: str
    watermark: int
    start: int


@dataclass(frozen=True, slots=True)
class WatermarkRebuilt:
    """How far a stream is stored was not known, or known wrongly: the store's own record counts, `start`.

    `reason`: watermark_lost, watermark_unreadable, watermark_beyond_stream, stream_remade, rebuild.
    """

    stream: str
    store: str
    reason: str
    watermark: int
    start: int


PIPELINE_EVENTS = (StreamTruncated, StoreReplaced, WatermarkRebuilt)

__all__ = ["PIPELINE_EVENTS", "StoreReplaced", "StreamTruncated", "WatermarkRebuilt"]
