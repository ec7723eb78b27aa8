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
class PipelineStalled:
    """Something that was put in is neither done nor moving, or is gone; `problem` is the line that people read."""

    kind: str  # standing, skipped, untaken, missing, beyond
    stage: str
    where: str  # the partition, or the stream
    amount: int
    instruments: str
    problem: str


@dataclass(frozen=True, slots=True)
class PipelineRecovered:
    """What was told by `PipelineStalled` is over."""

    kind: str
    stage: str
    where: str


@dataclass(frozen=True, slots=True)
class StreamMadeAnew:
    """A stream or bucket was deleted and is there again since `created`; what it held is gone."""

    stream: str
    created: str  # RFC 3339, as the server says it


@dataclass(frozen=True, slots=True)
class StreamFillingUp:
    """A stream holds `bytes` of the `limit` that it may: messages go before they are as old as wanted."""

    stream: str
    bytes: int
    limit: int
    lasts_s: float  # how long a message stays at the present rate, seconds
    wanted_s: float  # how long it should


@dataclass(frozen=True, slots=True)
class StorageFillingUp:
    """All streams and buckets together hold `bytes` of the `limit` of JetStream, at which nothing is taken any more."""

    bytes: int
    limit: int


@dataclass(frozen=True, slots=True)
class FrameRefused:
    """Frames of a venue could not be read, `frames` of them for this reason since the last such event; `error` is that
    of the newest. What they may have carried is missing: books of it have begun anew, holes are fetched or in gaps.
    """

    venue: str  # the market, as sources name it
    reason: str
    error: str
    frames: int


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


PIPELINE_EVENTS = (
    StreamTruncated,
    PipelineStalled,
    PipelineRecovered,
    StreamMadeAnew,
    StreamFillingUp,
    StorageFillingUp,
    FrameRefused,
    StoreReplaced,
    WatermarkRebuilt,
)

__all__ = [
    "PIPELINE_EVENTS",
    "FrameRefused",
    "PipelineRecovered",
    "PipelineStalled",
    "StorageFillingUp",
    "StoreReplaced",
    "StreamFillingUp",
    "StreamMadeAnew",
    "StreamTruncated",
    "WatermarkRebuilt",
]
