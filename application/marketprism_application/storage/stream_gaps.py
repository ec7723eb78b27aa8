"""What a stream lost before it was stored, as gaps of the instruments that it can concern."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from marketprism_application.contracts.kinds import EVENT, GAP, INSTRUMENT, KINDS, TICK, DataKind
from marketprism_domain.marketdata.gap import Gap

CAUSE = "truncated"  # the stream let it go before it was stored


class RowsEnd(NamedTuple):
    """The last stored row of an instrument; times in nanoseconds UTC."""

    venue: str
    symbol: str
    source: str
    trading_day: str
    ts_event: int
    ts_pub: int


class RowsNext(NamedTuple):
    """When an instrument's rows go on, nanoseconds UTC."""

    venue: str
    symbol: str
    ts_event: int


class RowsLedger(Protocol):
    """Where the rows of instruments end, and go on.

    Raises:
        StoreError: the store is away.
    """

    async def ends(self, kind: DataKind) -> Sequence[RowsEnd]:
        """The last row of every instrument that had one in the days before the newest row of all."""
        ...

    async def nexts(self, kind: DataKind, first: int, ts_pub: int) -> Sequence[RowsNext]:
        """The earliest row of each instrument from sequence `first` on that was published after `ts_pub`."""
        ...


def kinds_of(stream: str) -> tuple[DataKind, ...]:
    """Kinds of a stream whose rows follow one another instrument by instrument."""
    return tuple(kind for kind in KINDS.values() if kind.stream == stream and kind not in (GAP, EVENT, INSTRUMENT))


class Hole:
    """Sequences `wanted` to `first` - 1 are gone from a stream; `ts_first` is when what follows was put into it."""

    def __init__(self, kind: DataKind, ends: Sequence[RowsEnd], wanted: int, first: int, ts_first: int) -> None:
        self.kind = kind
        self.first = first
        self._wanted = wanted
        self._ts_first = ts_first
        self._open = {(end.venue, end.symbol): end for end in ends}
        self.ts_pub = max((end.ts_pub for end in ends), default=0)

    @property
    def open(self) -> int:
        """Instruments of which nothing has come since."""
        return len(self._open)

    def gaps(self, epoch: int, now: int) -> list[Gap]:
        """A gap for every instrument, as long as it can be; the instrument's clock is as far off as in its last row."""
        return [
            self._gap(end, max(end.ts_event, self._ts_first - end.ts_pub + end.ts_event), epoch, now)
            for end in self._open.values()
        ]

    def narrowed(self, nexts: Sequence[RowsNext], epoch: int, now: int) -> list[Gap]:
        """The same gaps up to the rows that have come since; each replaces the one with its beginning."""
        found = []
        for row in nexts:
            end = self._open.get((row.venue, row.symbol))
            if end is not None and row.ts_event >= end.ts_event:
                del self._open[row.venue, row.symbol]
                found.append(self._gap(end, row.ts_event, epoch, now))
        return found

    def _gap(self, end: RowsEnd, ts_to: int, epoch: int, now: int) -> Gap:
        missing = "" if self.kind is TICK else self.kind.name
        return Gap(
            end.venue,
            end.symbol,
            end.source,
            epoch,
            self._wanted,
            ts_to,
            now,
            now,
            end.ts_event,
            ts_to,
            CAUSE,
            end.trading_day,
            missing,
        )


__all__ = ["CAUSE", "Hole", "RowsEnd", "RowsLedger", "RowsNext", "kinds_of"]
