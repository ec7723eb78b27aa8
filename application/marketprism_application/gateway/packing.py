"""From source batches to the raw log: partitions, packing, punctuation.

A deterministic function of the tick sequence. However the ticks are cut into batches, a mark stands at the same place
between the ticks of each instrument.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from marketprism_application.contracts.packed import MAX_TICKS, PACKED_VERSION, Mark, Packed
from marketprism_application.ports.sources import SourceBatch
from marketprism_domain.marketdata.gap import Gap
from marketprism_domain.marketdata.tick import Tick
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_domain.sessions.sessions import SessionChange
from marketprism_domain.ticks.clocks import AGREES_NS, VenueClock
from marketprism_domain.values import NANOS_PER_MINUTE, NANOS_PER_SECOND


class _Pending:
    """What waits to be sent to one partition."""

    __slots__ = ("changes", "gaps", "marks", "source", "ticks", "venues")

    def __init__(self) -> None:
        self.source = ""  # that of its last tick: what comes without one is of it
        self.venues: dict[str, None] = {}
        self.ticks: list[Tick] = []
        self.marks: list[Mark] = []
        self.gaps: list[tuple[int, Gap]] = []
        self.changes: list[tuple[int, SessionChange]] = []


class _Venue:
    """How far a venue's own time is, by a receive clock that may be off."""

    __slots__ = ("agrees", "clock", "heard", "owed", "reached", "since")

    def __init__(self) -> None:
        self.clock = VenueClock()
        self.heard = False
        self.since = 0  # where the clock was when it began to be waited for
        self.agrees = True  # whether its last tick was of the time that the clock says
        self.reached = 0  # whole minute of the last mark
        self.owed = False


class TickPacker:
    """Packs ticks per partition and punctuates them with the event time that has been reached.

    Every time the receive clock passes a whole minute plus grace, each partition gets a mark for each venue it has
    instruments of; a bar whose end the mark has passed closes there, in every replay alike. A long silence makes one
    mark, not one a minute.

    What the clock is known to be off a venue's is taken off its marks: one that is ahead must not close bars whose
    ticks are still to come. Where a venue's last tick does not fit the clock, its mark waits for the next one that
    does, for a minute; and so does every mark when the clock leaps while nothing comes: it may have been set.
    A venue that is followed and sends nothing has its marks a minute late, by the clock as it is.
    """

    def __init__(self, calendar: MarketCalendar, partition_of: Callable[[str], int], *, grace_s: float = 3.0) -> None:
        self._calendar = calendar
        self._partition_of = partition_of
        self._grace = int(grace_s * NANOS_PER_SECOND)
        self._partitions: dict[tuple[str, str], int] = {}
        self._pending: dict[int, _Pending] = {}
        self._changes: dict[tuple[str, str], list[SessionChange]] = {}  # by venue and product, for who comes later
        self._of_product: dict[tuple[str, str], dict[int, None]] = {}  # partitions by venue and product
        self._venues: dict[str, _Venue] = {}
        self._begun = False
        self._due = 0
        self._leapt = 0  # where the clock was when it had leapt
        self._out: list[tuple[int, Packed]] = []

    def follow(self, source: str, instruments: Iterable[tuple[str, str]]) -> None:
        """(venue, symbol) of which others may have published ticks before: bars of theirs can be open, and close by
        the clock also where no tick of the venue comes any more, as behind the end of a session."""
        for venue, symbol in instruments:
            self._of(venue, symbol).source = source
            if venue not in self._venues:
                self._venues[venue] = _Venue()

    def feed(self, batch: SourceBatch) -> list[tuple[int, Packed]]:
        """Raw messages of this batch, (partition, message), in the order they are to be published."""
        gaps, changes = iter(batch.gaps), iter(batch.changes)
        gap, change = next(gaps, None), next(changes, None)
        for index, tick in enumerate(batch.ticks):
            while change is not None and change[0] <= index:
                self._add_change(change[1])
                change = next(changes, None)
            while gap is not None and gap[0] <= index:
                self._add_gap(gap[1])
                gap = next(gaps, None)
            if self._hear(tick) or tick.ts_recv >= self._due:
                self._pass(tick.ts_recv)
            self._add(tick)
        while change is not None:
            self._add_change(change[1])
            change = next(changes, None)
        while gap is not None:
            self._add_gap(gap[1])
            gap = next(gaps, None)
        if batch.finished:
            self._pass(batch.ts_clock, last=True)
        elif batch.ts_clock >= self._due and not self._leaps(batch):
            self._pass(batch.ts_clock)
        for partition, pending in self._pending.items():
            if pending.ticks or pending.marks or pending.gaps or pending.changes:
                self._flush(partition, pending)
        out, self._out = self._out, []
        return out

    def _hear(self, tick: Tick) -> bool:
        """Take a tick's times; whether they say that marks are due although the clock alone does not."""
        venue = self._venues.get(tick.venue)
        if venue is None:
            venue = self._venues[tick.venue] = _Venue()
        before, venue.heard = venue.clock.offset_ns, True
        venue.agrees = venue.clock.hears(tick.symbol, tick.ts_event, tick.ts_recv)
        if not venue.agrees:
            return False
        if not venue.reached:
            venue.reached = self._minute(tick.ts_recv, venue)
        elif abs(venue.clock.offset_ns - before) > AGREES_NS:
            venue.reached = min(venue.reached, self._minute(tick.ts_recv, venue))
            return True
        return venue.owed

    def _minute(self, clock: int, venue: _Venue) -> int:
        """The whole minute that has passed, with its grace, by the venue's own time."""
        reached = clock - venue.clock.correction_ns - self._grace
        return reached - reached % NANOS_PER_MINUTE

    def _leaps(self, batch: SourceBatch) -> bool:
        """Whether the clock is minutes further at once and nothing came with it: that is believed a minute later."""
        if batch.ticks or not self._begun or batch.ts_clock < self._due + NANOS_PER_MINUTE:
            return False
        self._leapt = self._leapt or batch.ts_clock
        return 0 <= batch.ts_clock - self._leapt < NANOS_PER_MINUTE

    def _pass(self, clock: int, *, last: bool = False) -> None:
        """The receive clock reached `clock`: punctuate, and note when the next minute is due."""
        self._leapt = 0
        self._due = clock - (clock - self._grace) % NANOS_PER_MINUTE + NANOS_PER_MINUTE
        for name, venue in self._venues.items():
            reached = self._minute(clock, venue)
            self._due = min(self._due, reached + NANOS_PER_MINUTE + self._grace + venue.clock.correction_ns)
            if reached <= venue.reached:
                continue
            if not venue.heard and not last:  # nothing says how far the clock is off: believed a minute later
                venue.since = venue.since or clock
                if clock - venue.since < NANOS_PER_MINUTE:
                    continue
            if venue.agrees or venue.owed or last:
                venue.reached, venue.owed = reached, False
                self._mark(Mark(0, reached + self._grace, name))
            else:
                venue.owed = True
        self._begun = True

    def _mark(self, mark: Mark) -> None:
        for pending in self._pending.values():
            if mark.venue in pending.venues:
                pending.marks.append(mark._replace(at=len(pending.ticks)))

    def _add(self, tick: Tick) -> None:
        pending = self._of(tick.venue, tick.symbol)
        pending.ticks.append(tick)
        if len(pending.ticks) >= MAX_TICKS:
            self._flush(self._partitions[tick.venue, tick.symbol], pending)

    def _add_gap(self, gap: Gap) -> None:
        pending = self._of(gap.venue, gap.symbol)
        pending.gaps.append((len(pending.ticks), gap))

    def _add_change(self, change: SessionChange) -> None:
        """To every partition that has an instrument of the product; others hear it before their first one."""
        key = (change.venue, change.product.lower())
        self._changes.setdefault(key, []).append(change)
        for partition in self._of_product.get(key, ()):
            pending = self._pending[partition]
            pending.changes.append((len(pending.ticks), change))

    def _of(self, venue: str, symbol: str) -> _Pending:
        partition = self._partitions.get((venue, symbol))
        if partition is None:
            partition = self._partitions[venue, symbol] = self._partition_of(f"{venue}.{symbol}")
            pending = self._pending.setdefault(partition, _Pending())
            pending.venues[venue] = None
            key = (venue, self._calendar.product_of(symbol).lower())
            self._of_product.setdefault(key, {})[partition] = None
            for change in self._changes.get(key, ()):
                pending.changes.append((len(pending.ticks), change))
        return self._pending[partition]

    def _flush(self, partition: int, pending: _Pending) -> None:
        if pending.ticks:
            pending.source = pending.ticks[0].source
        elif pending.gaps:
            pending.source = pending.gaps[0][1].source
        ticks, marks, gaps = tuple(pending.ticks), tuple(pending.marks), tuple(pending.gaps)
        changes = tuple(pending.changes)
        self._out.append((partition, Packed(PACKED_VERSION, pending.source, 0, 0, ticks, marks, gaps, changes=changes)))
        pending.ticks, pending.marks, pending.gaps, pending.changes = [], [], [], []
