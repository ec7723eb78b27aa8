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
class StreamReplaced:
    """A stream was made anew: a reader that was at `wanted` of the old one begins with `first` of the new one.

    `wanted` beyond the last message of the very stream that was read is a checkpoint (or a stream after a loss of
    power) that cannot be right; what is read again is known by its place.
    """

    stream: str
    reader: str
    wanted: int
    first: int
    reason: str


@dataclass(frozen=True, slots=True)
class MessagesOutOfChain:
    """Messages of a gateway's session are not taken: `expected` is missing, `chain` came. They are sent again, or the
    session is joined where it is."""

    session: str
    partition: str
    expected: int
    chain: int


@dataclass(frozen=True, slots=True)
class SessionJoined:
    """A gateway's session is taken from `chain` on, although what came before is missing for good: it is in gaps.

    `messages` were held meanwhile, or were not in the log any more.
    """

    session: str
    partition: str
    chain: int
    messages: int


@dataclass(frozen=True, slots=True)
class ClockOff:
    """The clock that receives a source differs from the venue's by `offset_s` seconds; above 0 it is ahead.

    `settled` says that it does no longer.
    """

    venue: str
    by_source: str
    offset_s: float
    settled: bool = False


PIPELINE_EVENTS = (StreamTruncated, StreamReplaced, MessagesOutOfChain, SessionJoined, ClockOff)

__all__ = [
    "PIPELINE_EVENTS", "ClockOff", "MessagesOutOfChain", "SessionJoined", "StreamReplaced", "StreamTruncated",
]  # fmt: skip
