"""MarketDataStream: what is accepted of one instrument at one venue, in which order."""

from __future__ import annotations

from typing import Final

from marketprism_domain.marketdata.tick import EPOCH, PHASE, SOURCE, SOURCE_SEQ, TRADED, TS_EVENT, TS_PUB, Tick
from marketprism_domain.sessions.sessions import Placement
from marketprism_domain.ticks.state import Rejected, StreamState
from marketprism_domain.ticks.validation import TickValidationService

MAX_SOURCES: Final = 64
MAX_HOLES: Final = 64


class MarketDataStream:
    """Aggregate (symbol, venue).

    Keeps: event time never goes back; volume and turnover never fall inside a trading day; price inside the day's
    limits; one valid tick per instant; each accepted tick gets the next `seq`; each place of a source once.
    """

    __slots__ = ("_holes", "_seq", "last", "positions")

    def __init__(self, state: StreamState | None = None) -> None:
        state = state or StreamState()
        self._seq: int = state.seq
        self.last: Tick | None = state.last  # the last tick that moved the stream
        self.positions: dict[str, int] = state.positions  # last place seen per source
        self._holes: dict[str, list[tuple[int, int]]] = state.holes

    @property
    def state(self) -> StreamState:
        """The complete memory as it is now."""
        return StreamState(self._seq, self.last, self.positions, self._holes)

    def accept(
        self,
        tick: Tick,
        placement: Placement,
        service: TickValidationService,
        epoch: int,
        ts_pub: int,
        offset_ns: int = 0,
    ) -> Tick | Rejected | None:
        """The next tick as it is published: numbered, placed and scored; or why it is not.

        None means a place of its source that was seen before.
        `offset_ns` is how far its receive clock is known to be ahead of the venue's.
        """
        source, place = tick[SOURCE], tick[SOURCE_SEQ]
        before = self.positions.get(source, -1)
        if place <= before:
            if not self._fills(source, place):
                return None
        else:
            if before >= 0 and place > before + 1 and tick[TRADED]:
                self._left_out(source, before + 1, place - 1)
            self._advance(source, place)
        result = service.check(tick, self.last, placement, offset_ns)
        errors, warnings, stale, score = result
        if errors:
            return Rejected(tick, errors, score)
        self._seq += 1
        verdict = "stale" if stale else "warned" if warnings else "valid"
        of_validator = (placement.phase, verdict, score, warnings, service.version)
        row: tuple[object, ...] = tick  # of unknown fields, which compiled code passes on as they are
        numbered = row[:EPOCH] + (epoch, self._seq) + row[TS_EVENT:TS_PUB] + (ts_pub,)  # noqa: RUF005 (half the time)
        published = Tick._make(numbered + row[SOURCE_SEQ:PHASE] + of_validator)
        if not stale:
            self.last = published
        return published

    def follows(self, tick: Tick) -> bool:
        """Whether the tick is at the very next place of its source: nothing can be missing between the two."""
        return tick.source_seq == self.positions.get(tick.source, -2) + 1

    def skip(self, places: int) -> None:
        """Numbers that were given out by a run whose memory is gone, `places` at most: they are not given again."""
        self._seq += places

    def missing(self, source: str) -> bool:
        """Whether trades of a source were left out, and nobody brought them since."""
        return bool(self._holes.get(source))

    def _left_out(self, source: str, first: int, last: int) -> None:
        holes = self._holes.setdefault(source, [])
        holes.append((first, last))
        del holes[:-MAX_HOLES]

    def _fills(self, source: str, place: int) -> bool:
        """Whether the place was left out: several collectors deliver one tape, each with holes of its own."""
        holes = self._holes.get(source, [])
        for number, (first, last) in enumerate(holes):
            if first <= place <= last:
                rest = ((first, place - 1), (place + 1, last))
                holes[number : number + 1] = [each for each in rest if each[0] <= each[1]]
                return True
        return False

    def _advance(self, source: str, place: int) -> None:
        positions = self.positions
        if source not in positions and len(positions) >= MAX_SOURCES:
            del positions[next(iter(positions))]
        positions[source] = place
