"""Events of quality, processing, the system and whole flows."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TickDataValidated:
    """A tick passed."""

    venue: str
    symbol: str
    score: int


@dataclass(frozen=True, slots=True)
class InvalidDataDetected:
    """A tick was rejected.

    `row` is the tick as it came (`ticks.rejections.row_of`) and `findings` what was wrong with it, a list of
    (reason, field, rule, than, was); both are JSON.
    """

    venue: str
    symbol: str
    reasons: str
    score: int
    source_seq: int
    last: str
    volume: str
    row: str = ""
    findings: str = ""


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
    """A tick came twice with one content; `row` and `findings` are as those of `InvalidDataDetected`."""

    venue: str
    symbol: str
    source_seq: int
    row: str = ""
    findings: str = ""


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
