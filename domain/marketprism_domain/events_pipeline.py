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
class FrameRefused:
    """Frames of a venue could not be read, `frames` of them for this reason since the last such event; `error` is that
    of the newest. What they may have carried is missing: books of it have begun anew, holes are fetched or in gaps.
    """

    venue: str  # the market, as sources name it
    reason: str
    error: str
    frames: int


PIPELINE_EVENTS = (StreamTruncated, FrameRefused)

__all__ = ["PIPELINE_EVENTS", "FrameRefused", "StreamTruncated"]
