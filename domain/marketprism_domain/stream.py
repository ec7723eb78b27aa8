"""MarketDataStream: what is accepted of one instrument at one venue, in which order."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from marketprism_domain.marketdata.tick import Tick
from marketprism_domain.sessions import Placement
from marketprism_domain.validation import TickValidationService

MAX_SOURCES = 64

_TS_EVENT = Tick._fields.index("ts_event")
_TS_PUB = Tick._fields.index("ts_pub")
_PHASE = Tick._fields.index("phase")


class Accepted(NamedTuple):
    """The tick as it is published: numbered, placed and scored."""

    tick: Tick


class Rejected(NamedTuple):
    """Why the tick is not published; the first reason is the one it is counted under."""

    tick: Tick
    reasons: tuple[str, ...]
    score: int


@dataclass(slots=True)
class StreamState:
    """Complete memory of a stream; plain data."""

    seq: int = 0
    last: Tick | None = None  # the last tick that moved the stream: stale ones do not
    positions: dict[str, int] = field(default_factory=dict)  # last place seen per source


class MarketDataStream:
    """Aggregate (symbol, venue).

    Keeps: event time never goes back; volume and turnover never fall inside a trading day; price inside the day's
    limits; one valid tick per instant; each accepted tick gets the next `seq`; each place of a source once.
    """

    def __init__(self, state: StreamState | None = None) -> None:
        self._s = state or StreamState()

    @property
    def state(self) -> StreamState:
        """Complete memory."""
        return self._s

    def accept(
        self, tick: Tick, placement: Placement, service: TickValidationService, epoch: int, ts_pub: int
    ) -> Accepted | Rejected | None:
        """Take the next tick; None means a place of its source that was seen before."""
        state = self._s
        if tick.source_seq <= state.positions.get(tick.source, -1):
            return None
        self._advance(tick)
        result = service.check(tick, state.last, placement)
        if result.errors:
            return Rejected(tick, result.errors, result.score)
        state.seq += 1
        verdict = "stale" if result.stale else "warned" if result.warnings else "valid"
        published = Tick._make((
            tick.venue, tick.symbol, tick.source, epoch, state.seq, *tick[_TS_EVENT:_TS_PUB], ts_pub,
            *tick[_TS_PUB + 1 : _PHASE], placement.phase, verdict, result.score, result.warnings, service.rules.version,
        ))  # fmt: skip
        if not result.stale:
            state.last = published
        return Accepted(published)

    def _advance(self, tick: Tick) -> None:
        positions = self._s.positions
        if tick.source not in positions and len(positions) >= MAX_SOURCES:
            del positions[next(iter(positions))]
        positions[tick.source] = tick.source_seq
