"""MarketDataStream: what is accepted of one instrument at one venue, in which order."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from marketprism_domain.marketdata.tick import Tick
from marketprism_domain.sessions.sessions import Placement
from marketprism_domain.ticks.validation import TickValidationService

MAX_SOURCES = 64
MAX_HOLES = 64

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
    holes: dict[str, list[tuple[int, int]]] = field(default_factory=dict)  # trades left out so far, first to last


class MarketDataStream:
    """Aggregate (symbol, venue).

    Keeps: event time never goes back; volume and turnover never fall inside a trading day; price inside the day's
    limits; one valid tick per instant; each accepted tick gets the next `seq`; each place of a source once.
    """

    def __init__(self, state: StreamState | None = None) -> None:
        self._s = state or StreamState()

    @property
    def state(self) -> StreamState:
        """The complete memory of the stream; it goes on changing with the stream."""
        return self._s

    def accept(
        self,
        tick: Tick,
        placement: Placement,
        service: TickValidationService,
        epoch: int,
        ts_pub: int,
        offset_ns: int = 0,
    ) -> Accepted | Rejected | None:
        """Take the next tick; None means a place of its source that was seen before.

        `offset_ns` is how far its receive clock is known to be ahead of the venue's.
        """
        state = self._s
        before = state.positions.get(tick.source, -1)
        if tick.source_seq <= before:
            if not self._fills(tick):
                return None
        else:
            if tick.traded and before >= 0 and tick.source_seq > before + 1:
                self._left_out(tick.source, before + 1, tick.source_seq - 1)
            self._advance(tick)
        result = service.check(tick, state.last, placement, offset_ns)
        if result.errors:
            return Rejected(tick, result.errors, result.score)
        state.seq += 1
        verdict = "stale" if result.stale else "warned" if result.warnings else "valid"
        published = Tick._make(
            (
                tick.venue,
                tick.symbol,
                tick.source,
                epoch,
                state.seq,
                *tick[_TS_EVENT:_TS_PUB],
                ts_pub,
                *tick[_TS_PUB + 1 : _PHASE],
                placement.phase,
                verdict,
                result.score,
                result.warnings,
                service.rules.version,
            )
        )
        if not result.stale:
            state.last = published
        return Accepted(published)

    def follows(self, tick: Tick) -> bool:
        """Whether the tick is at the very next place of its source: nothing can be missing between the two."""
        return tick.source_seq == self._s.positions.get(tick.source, -2) + 1

    def skip(self, places: int) -> None:
        """Numbers that were given out by a run whose memory is gone, `places` at most: they are not given again."""
        self._s.seq += places

    def missing(self, source: str) -> bool:
        """Whether trades of a source were left out, and nobody brought them since."""
        return bool(self._s.holes.get(source))

    def _left_out(self, source: str, first: int, last: int) -> None:
        holes = self._s.holes.setdefault(source, [])
        holes.append((first, last))
        del holes[:-MAX_HOLES]

    def _fills(self, tick: Tick) -> bool:
        """Whether the place was left out: several collectors deliver one tape, each with holes of its own."""
        holes = self._s.holes.get(tick.source, [])
        place = tick.source_seq
        for number, (first, last) in enumerate(holes):
            if first <= place <= last:
                rest = ((first, place - 1), (place + 1, last))
                holes[number : number + 1] = [each for each in rest if each[0] <= each[1]]
                return True
        return False

    def _advance(self, tick: Tick) -> None:
        positions = self._s.positions
        if tick.source not in positions and len(positions) >= MAX_SOURCES:
            del positions[next(iter(positions))]
        positions[tick.source] = tick.source_seq
