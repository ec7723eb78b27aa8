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


PIPELINE_EVENTS = (StreamTruncated, PipelineStalled, PipelineRecovered)

__all__ = ["PIPELINE_EVENTS", "PipelineRecovered", "PipelineStalled", "StreamTruncated"]
