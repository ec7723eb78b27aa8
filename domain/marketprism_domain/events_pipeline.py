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


PIPELINE_EVENTS = (StreamTruncated,)

__all__ = ["PIPELINE_EVENTS", "StreamTruncated"]
