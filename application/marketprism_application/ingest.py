"""From source batches to the raw log: partitions, packing, punctuation.

A deterministic function of the tick sequence. However the ticks are cut into batches, a mark stands at the same place
between the ticks of each instrument.
"""

from __future__ import annotations

from collections.abc import Callable

from marketprism_application.contracts.codec import PACKED_VERSION, Mark, Packed
from marketprism_application.ports import SourceBatch
from marketprism_domain.calendar import MarketCalendar
from marketprism_domain.marketdata.gap import Gap
from marketprism_domain.marketdata.tick import Tick
from marketprism_domain.sessions import SessionChange
from marketprism_domain.values import NANOS_PER_MINUTE, NANOS_PER_SECOND

MAX_TICKS = 200


class _Pending:
    """What waits to be sent to one partition."""

    __slots__ = ("changes", "gaps", "marks", "ticks", "venues")

    def __init__(self) -> None:
        self.venues: dict[str, None] = {}
        self.ticks: list[Tick] = []
        self.marks: list[Mark] = []
        self.gaps: list[tuple[int, Gap]] = []
        self.changes: list[tuple[int, SessionChange]] = []


class Ingest:
    """Packs ticks per partition and punctuates them with the event time that has been reached.

    Every time the receive clock passes a whole minute plus grace, each partition gets a mark for each venue it has
    instruments of; a bar whose end the mark has passed closes there, in every replay alike. A long silence makes one
    mark, not one a minute.
    """

    def __init__(self, calendar: MarketCalendar, partition_of: Callable[[str], int], *, grace_s: float = 3.0) -> None:
        self._calendar = calendar
        self._partition_of = partition_of
        self._grace = int(grace_s * NANOS_PER_SECOND)
        self._partitions: dict[tuple[str, str], int] = {}
        self._pending: dict[int, _Pending] = {}
        self._changes: dict[tuple[str, str], list[SessionChange]] = {}  # by venue and product, for who comes later
        self._due = 0
        self._out: list[tuple[int, Packed]] = []

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
            if tick.ts_recv >= self._due:
                self._pass(tick.ts_recv)
            self._add(tick)
        while change is not None:
            self._add_change(change[1])
            change = next(changes, None)
        while gap is not None:
            self._add_gap(gap[1])
            gap = next(gaps, None)
        if batch.ts_clock >= self._due:
            self._pass(batch.ts_clock)
        for partition, pending in self._pending.items():
            if pending.ticks or pending.marks or pending.gaps or pending.changes:
                self._flush(partition, pending)
        out, self._out = self._out, []
        return out

    def _pass(self, clock: int) -> None:
        """The receive clock reached `clock`: punctuate, and note when the next minute is due."""
        reached = clock - self._grace
        reached -= reached % NANOS_PER_MINUTE
        first = not self._due
        self._due = reached + NANOS_PER_MINUTE + self._grace
        if first:
            return
        for pending in self._pending.values():
            for venue in pending.venues:
                pending.marks.append(Mark(len(pending.ticks), reached + self._grace, venue))

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
        told = {
            partition for (venue, symbol), partition in self._partitions.items()
            if (venue, self._calendar.product_of(symbol).lower()) == key
        }  # fmt: skip
        for partition in told:
            pending = self._pending[partition]
            pending.changes.append((len(pending.ticks), change))

    def _of(self, venue: str, symbol: str) -> _Pending:
        partition = self._partitions.get((venue, symbol))
        if partition is None:
            partition = self._partitions[venue, symbol] = self._partition_of(f"{venue}.{symbol}")
            pending = self._pending.setdefault(partition, _Pending())
            pending.venues[venue] = None
            for change in self._changes.get((venue, self._calendar.product_of(symbol).lower()), ()):
                pending.changes.append((len(pending.ticks), change))
        return self._pending[partition]

    def _flush(self, partition: int, pending: _Pending) -> None:
        source = pending.ticks[0].source if pending.ticks else pending.gaps[0][1].source if pending.gaps else ""
        ticks, marks, gaps = tuple(pending.ticks), tuple(pending.marks), tuple(pending.gaps)
        changes = tuple(pending.changes)
        self._out.append((partition, Packed(PACKED_VERSION, source, 0, 0, ticks, marks, gaps, changes=changes)))
        pending.ticks, pending.marks, pending.gaps, pending.changes = [], [], [], []
