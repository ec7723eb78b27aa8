"""What validation remembers of one stream, and what it says of one tick. Plain data, so that any codec can keep it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from marketprism_domain.events.registry import Event
from marketprism_domain.marketdata.quality import QualityReport
from marketprism_domain.marketdata.tick import Tick
from marketprism_domain.sessions.calendar import Schedule
from marketprism_domain.sessions.sessions import Session
from marketprism_domain.ticks.rules import ValidationRules


class ValidationResult(NamedTuple):
    """Verdict on one tick. Errors reject it; warnings let it pass with a lower score."""

    errors: tuple[str, ...]
    warnings: tuple[str, ...]
    stale: bool
    score: int


def scored(errors: list[str], warnings: list[str], rules: ValidationRules, *, stale: bool) -> ValidationResult:
    """The verdict with its score; rules of long ago have fractions of weights, a score has none."""
    lost = len(errors) * rules.error_weight + len(warnings) * rules.warning_weight
    return ValidationResult(tuple(errors), tuple(warnings), stale, max(0, round(100 - lost)))


class Rejected(NamedTuple):
    """Why the tick is not published; the first reason is the one it is counted under."""

    tick: Tick
    reasons: tuple[str, ...]
    score: int


class Anomaly(NamedTuple):
    """What was unusual: `kind` is price_move, price_jump, volume_burst or spread; severity low to critical."""

    kind: str
    severity: str
    value: float
    threshold: float


def number_of(rules: ValidationRules, name: str) -> float:
    """A rule as the number that it is, whether whole or not."""
    return float(getattr(rules, name))


def anomaly(kind: str, severity: str, value: float, rules: ValidationRules, threshold: str) -> Anomaly:
    """The anomaly that goes beyond the named rule, whose number is told as it was set: 3 is no 3.0."""
    return Anomaly(kind, severity, round(value, 3), getattr(rules, threshold))


class Findings(NamedTuple):
    """What one accepted tick shows: the silence before it as (from, to, cause), anomalies, the report of the window of
    quality that it ends, and the change that this report makes."""

    silence: tuple[int, int, str] | None
    anomalies: tuple[Anomaly, ...]
    report: QualityReport | None
    change: Event | None


class Exclusion(NamedTuple):
    """Ticks of an instrument that were left out: event time of the last, its age by the receive clock, and to where
    gaps name them (0: nothing was lost by it, so far)."""

    last: int
    age_ns: int
    named_to: int = 0


class Interruption(NamedTuple):
    """A source was not there for a while: an instrument's last event time before it, when the source was last there,
    and when it was there again. Whatever came between is nowhere."""

    since: int
    lost_at: int
    back_at: int

    def bounds(self, schedule: Schedule, ts_event: int) -> tuple[int, int] | None:
        """What is missing before the first tick after it, [from, to); None when the instrument did not trade.

        Sources are shut every evening: what was lost and back while the instrument did not trade is no gap, and a loss
        that began then misses the next section from its opening only.
        """
        since = self.since
        if schedule.place(self.lost_at).phase not in ("auction", "continuous"):
            since = schedule.next_session(self.lost_at).ts_open
            if since >= min(self.back_at, ts_event):
                return None
        return since, ts_event


@dataclass(slots=True)
class StreamState:
    """Complete memory of a stream."""

    seq: int = 0
    last: Tick | None = None  # the last tick that moved the stream: stale ones do not
    positions: dict[str, int] = field(default_factory=dict)  # last place seen per source
    holes: dict[str, list[tuple[int, int]]] = field(default_factory=dict)  # trades left out so far, first to last


@dataclass(slots=True)
class AnomalyState:
    """Complete memory of a detector of anomalies."""

    price: float = 0.0
    volume: float = 0.0
    count: int = 0
    mean: float = 0.0
    variance: float = 0.0
    traded: float = 0.0
    spread: float = 0.0
    trading_day: str = ""


@dataclass(slots=True)
class SilenceState:
    """Complete memory of a detector of silence."""

    ts_last: int = 0
    session: Session | None = None
    cadence_ns: float = 0.0
    count: int = 0


@dataclass(slots=True)
class ClockState:
    """Complete memory of a clock's estimate."""

    offset_ns: int = 0  # receive clock minus venue clock, the median of the samples
    samples: list[int] = field(default_factory=list)
    ts_sample: int = 0  # receive time of the last sample
    ts_recv: int = 0  # of the last tick
    moves: int = 0
    odd: dict[str, tuple[int, int]] = field(default_factory=dict)  # instruments of ticks that disagreed: event, receive
