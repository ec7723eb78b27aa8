"""Events of quality, processing, the system and whole flows."""

from __future__ import annotations

from dataclasses import dataclass

# Quality


@dataclass(frozen=True, slots=True)
class TickDataValidated:
    """A tick passed."""

    venue: str
    symbol: str
    score: int


@dataclass(frozen=True, slots=True)
class InvalidDataDetected:
    """A tick was rejected."""

    venue: str
    symbol: str
    reasons: str
    score: int
    source_seq: int
    last: str
    volume: str


@dataclass(frozen=True, slots=True)
class RejectionsSummarized:
    """Further rejections of one message, counted."""

    venue: str
    symbol: str
    reason: str
    ticks: int


@dataclass(frozen=True, slots=True)
class AbnormalPriceDetected:
    """An unusual tick."""

    venue: str
    symbol: str
    kind: str
    severity: str
    value: float
    threshold: float


@dataclass(frozen=True, slots=True)
class StaleDataDetected:
    """Ticks far from the receive clock began."""

    venue: str
    symbol: str
    age_s: float


@dataclass(frozen=True, slots=True)
class DataGapDetected:
    """A hole in a stream."""

    venue: str
    symbol: str
    ts_from: int
    ts_to: int
    cause: str


@dataclass(frozen=True, slots=True)
class DuplicateDataDetected:
    """A tick came twice with one content."""

    venue: str
    symbol: str
    source_seq: int


@dataclass(frozen=True, slots=True)
class DataQualityDegraded:
    """A window's score fell below the threshold."""

    venue: str
    symbol: str
    score: int
    threshold: int


@dataclass(frozen=True, slots=True)
class DataQualityRestored:
    """The score is good again."""

    venue: str
    symbol: str
    score: int


@dataclass(frozen=True, slots=True)
class ValidationRulesUpdated:
    """Another version of the rules is in force."""

    version: int
    changed: str


# Processing


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


# System


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


# Whole flows


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
