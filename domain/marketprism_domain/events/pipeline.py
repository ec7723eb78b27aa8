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

    kind: str  # standing, skipped, untaken, missing, beyond, unreadable, leaderless, absent
    stage: str
    where: str  # the partition, the stream, the lease, or the service
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

    `reason`: watermark_lost, watermark_unreadable, watermark_beyond_stream, stream_lost_its_end, stream_remade,
    rebuild.
    """

    stream: str
    store: str
    reason: str
    watermark: int
    start: int


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


@dataclass(frozen=True, slots=True)
class TickPublishedToPubSub:
    """A tick is on its public subject."""

    venue: str
    symbol: str
    seq: int


@dataclass(frozen=True, slots=True)
class MarketBarGenerated:
    """A bar closed."""

    venue: str
    symbol: str
    interval: str
    ts_open: int
    revision: int


@dataclass(frozen=True, slots=True)
class BarDataAggregated:
    """Longer bars were made."""

    interval: str
    bars: int


@dataclass(frozen=True, slots=True)
class BarsStoredToClickHouse:
    """Bars are in the store."""

    bars: int


@dataclass(frozen=True, slots=True)
class StorageRetryScheduled:
    """The store is away; the same range is tried again."""

    stream: str
    attempt: int
    delay_s: float
    reason: str


@dataclass(frozen=True, slots=True)
class NetworkLatencyExceeded:
    """The way from the venue takes too long."""

    gateway: str
    latency_s: float
    threshold_s: float


@dataclass(frozen=True, slots=True)
class MemoryThresholdExceeded:
    """A process uses too much memory."""

    service: str
    rss_mb: float
    threshold_mb: float


@dataclass(frozen=True, slots=True)
class ProcessingBacklogDetected:
    """A stage is behind its input."""

    stage: str
    messages: int
    threshold: int


@dataclass(frozen=True, slots=True)
class SystemResourcesNormal:
    """What was exceeded is normal again."""

    service: str


@dataclass(frozen=True, slots=True)
class MarketOpeningSequenceCompleted:
    """Connected, loaded and subscribed before the open."""

    gateway: str
    instruments: int


@dataclass(frozen=True, slots=True)
class MarketClosingSequenceCompleted:
    """Everything of the day is in, the connection is closed."""

    gateway: str


@dataclass(frozen=True, slots=True)
class TickProcessingPipelineCompleted:
    """A tick went the whole way."""

    venue: str
    symbol: str
    seq: int


@dataclass(frozen=True, slots=True)
class DisasterRecoveryActivated:
    """Another instance took over."""

    service: str
    reason: str


@dataclass(frozen=True, slots=True)
class BacktestEnded:
    """A run, a sweep or a walk-forward is done or has failed; `error` says why."""

    run: str
    kind: str  # run, sweep, walk_forward
    state: str  # done, failed
    strategy: str
    user: str
    error: str
